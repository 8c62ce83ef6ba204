"""How late messages are handed to the MIDI system while models generate and EEG is processed, beside two other ways.

    python benchmarks/timing.py [--seconds 300] [--no-realtime] [--paced] [--jack] [--check] [--json FILE]

One run on one machine, all at once:

* the composer's process: the shipped models of four parts write bar after bar without a pause, and 16 channels at
  250 Hz (BrainFlow's synthetic board) are conditioned, measured and mapped as they come;
* the player process, which plays 24 notes a quarter note at 120 bpm, and a controller that each frame of controls
  moves;
* a plain thread of the composer's process that sends the same notes to absolute deadlines, as most programs do;
* isobar's timeline with the same notes in a process of its own, where isobar is installed (pip install isobar). It has
  no time of its own that could be known from outside, so that its most punctual note counts as on time;
* a bare sleeper, a process of the player's priority that sleeps to the same deadlines and does nothing. What it is late
  by is the machine's doing: a virtual machine's host, for one, may take a core away for milliseconds, from every
  priority. Linux counts that as stolen time, where the host tells.

Lateness is measured just before the call that hands the message to the system. A knob's way is timed from the newest
sample of the frame that moved it, and from the oldest that is new in it, to the controller's own call. `--jack` starts
a dummy server for the port, and a receiver that counts what arrives. `--check` fails where a message is lost.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from brainmidi.config import SessionConfig, parse_config
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.jitter import BAR_S, BEATS, BPM, PER_BEAT, play_dense
from brainmidi.midi.link import PlayerProcess, PlayReport
from brainmidi.midi.ports import open_output
from brainmidi.midi.priority import request_realtime
from brainmidi.midi.settings import PlayerSettings
from brainmidi.types import Chunk

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "midi"))

STEP_S = 60.0 / BPM / PER_BEAT / 2
CONTROLLER = 21


def quantiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    p50, p99, most = (ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.99, 1.0))
    return {"events": len(ordered), "p50_ms": 1000 * p50, "p99_ms": 1000 * p99, "max_ms": 1000 * most}


# ------------------------------------------------------------------------------------------------------- the load


class Load:
    """Models and EEG at full rate, in threads of this process."""

    def __init__(self, config: SessionConfig, threads: int | None, *, models: bool, paced: bool) -> None:
        from brainmidi.acquire.pump import Pump
        from brainmidi.drivers import assemble
        from brainmidi.drivers.offline import make_session, prepare

        clock = MonotonicClock()
        self.player: PlayerProcess | None = None
        self.frames: list[float] = []  # clock time of the newest sample of each frame of controls
        self.n_bars = 0
        self._paced = paced
        self._stop, self._rested, self._warm = threading.Event(), threading.Event(), threading.Event()
        self._signal = prepare(config, assemble.open_any_source(config, clock))
        self._pump = Pump(self._signal.source, clock, self._take_in)
        self._session = None
        if models:
            self._session = make_session(assemble.session_setup(config), config.session.parts, threads=threads)
        self._controls = None
        self._threads = [threading.Thread(target=self._compose)]

    def _take_in(self, chunk: Chunk) -> None:
        for frame in self._signal.chain.process(chunk):
            self._controls = frame
            self._rested.set()
            origin_s = self._pump.origin_s
            if self.player is None or origin_s is None:
                continue
            # The knob's own value would not tell which frame moved the controller, so that it counts frames instead.
            self.player.knobs({"density": len(self.frames) % 128 / 127})
            self.frames.append(origin_s + frame.time_s)

    def _compose(self) -> None:
        from brainmidi.types import ControlFrame

        if self._session is None:
            return
        state = self._session.initial()
        while not self._stop.is_set():
            state, _ = self._session.step(state, self._controls or ControlFrame.neutral(0.0), None)
            self.n_bars += 1
            if self.n_bars == 2:
                self._warm.set()
            if self._paced:
                self._stop.wait(BAR_S)

    def __enter__(self) -> Load:
        self._pump.start()
        self._rested.wait(60.0)  # the baseline is learnt from the first seconds
        for thread in self._threads:
            thread.start()
        if self._session is not None:
            self._warm.wait(120.0)  # a take, too, begins when the first bars are there, and what is compiled once is
        return self

    def __exit__(self, *exception: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._pump.stop()


def controller_latency(report: PlayReport, frames: list[float]) -> list[float]:
    """Return the seconds from the newest sample of each frame to the call that sent the controller it moved."""
    assert report.begun_s is not None
    seconds, place = [], 0
    for event in report.sent_events:
        if event.data[0] & 0xF0 != 0xB0 or event.data[1] != CONTROLLER:
            continue
        sent_s = report.begun_s + float(event.beat) * 60.0 / BPM
        # the newest frame of this value that is not younger than the message
        known = [each for each in range(place, len(frames)) if each % 128 == event.data[2] and frames[each] <= sent_s]
        if known:
            place = known[-1]
            seconds.append(sent_s - frames[place])
    return seconds


# ------------------------------------------------------------------------------------------------------- the peers


def plain_thread(begun_s: float, n_messages: int, lateness_s: list[float]) -> None:
    """Send the same notes from this process, to absolute deadlines."""
    clock, output = MonotonicClock(), open_output()
    for place in range(n_messages):
        due_s = begun_s + place * STEP_S
        clock.sleep_until(due_s)
        lateness_s.append(clock.now_s() - due_s)
        output.send((0x90 if place % 2 == 0 else 0x80, 36 + place // 2 % PER_BEAT, 1))
    output.close()


def isobar_alone(seconds: float) -> None:
    """Play the same notes with isobar, and print the clock time of each call as JSON; runs in a process of its own."""
    import isobar

    clock, output, called_s = MonotonicClock(), open_output(), []

    class Device(isobar.io.output.OutputDevice):
        def note_on(self, note: int = 60, velocity: int = 64, channel: int = 0) -> None:
            called_s.append(clock.now_s())
            output.send((0x90, note, velocity))

        def note_off(self, note: int = 60, channel: int = 0) -> None:
            called_s.append(clock.now_s())
            output.send((0x80, note, 0))

    timeline = isobar.Timeline(BPM, output_device=Device())
    notes = isobar.PSequence([36 + place for place in range(PER_BEAT)])
    timeline.schedule({"note": notes, "duration": 1 / PER_BEAT, "gate": 0.5, "amplitude": 1})
    timeline.background()
    clock.sleep_until(clock.now_s() + seconds)
    played_s = list(called_s)  # when it stops, isobar sends a note-off for every note there is
    timeline.stop()
    output.close()
    print(json.dumps(played_s))


def sleep_alone(seconds: float, realtime: bool) -> None:
    """Sleep to the same deadlines, and print the seconds late as JSON; runs in a process of its own."""
    if realtime:
        request_realtime()
    gc.disable()
    clock, lateness_s = MonotonicClock(), []
    begun_s = clock.now_s()
    for place in range(round(seconds / STEP_S)):
        due_s = begun_s + place * STEP_S
        clock.sleep_until(due_s)
        lateness_s.append(clock.now_s() - due_s)
    print(json.dumps(lateness_s))


def stolen_s() -> float:
    """Return the seconds that all cores were taken away from this machine by its host; 0 where nothing tells."""
    try:
        return int(Path("/proc/stat").read_text(encoding="ascii").split()[8]) / os.sysconf("SC_CLK_TCK")
    except (OSError, IndexError):
        return 0.0


def isobar_lateness(called_s: list[float]) -> list[float]:
    """Return seconds late, with the most punctual message as the measure."""
    late_s = [at_s - place * STEP_S for place, at_s in enumerate(called_s)]
    return [each - min(late_s) for each in late_s]


def receive() -> None:
    """Count the notes that arrive at a JACK port, until standard input closes; runs in a process of its own."""
    import rtmidi

    midi_in, count = rtmidi.MidiIn(rtmidi.API_UNIX_JACK, "receiver"), 0

    def take(message: Any, data: object = None) -> None:
        nonlocal count
        count += message[0][0] & 0xF0 in (0x80, 0x90)

    midi_in.set_callback(take)
    midi_in.open_virtual_port("in")
    print("ready", flush=True)
    sys.stdin.read()
    print(count, flush=True)


# ---------------------------------------------------------------------------------------------------------- the run


def child(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, __file__, *arguments]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def take_priority_away(pid: int) -> None:
    """Make every thread of a process an ordinary one, on Linux.

    The main thread alone would be kept waiting by the others, for hundreds of milliseconds on a busy machine: they
    have priority and ask for the interpreter's lock, which it holds while it is not run.
    """
    ordinary = os.SCHED_OTHER, os.sched_param(0)
    os.sched_setscheduler(pid, *ordinary)  # first, since a thread that it starts from now on has no priority either
    for thread in os.listdir(f"/proc/{pid}/task"):
        os.sched_setscheduler(int(thread), *ordinary)


def has_isobar() -> bool:
    import importlib.util

    return importlib.util.find_spec("isobar") is not None


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of one run."""
    config = parse_config(
        {
            "source": {"name": "synthetic"},
            "baseline": {"seconds": 5.0},
            "session": {"parts": ["melody", "accompaniment", "bass", "drums"], "tempo_bpm": BPM},
        }
    )
    seconds = BAR_S * max(2, math.ceil(options.seconds / BAR_S))
    settings = PlayerSettings(controls=(ControlRule("density", 16, number=CONTROLLER),), backend="rtmidi")
    receiver = child("--receive") if options.jack else None
    if receiver is not None:
        assert receiver.stdout is not None
        receiver.stdout.readline()
    lateness_s: list[float] = []
    with PlayerProcess.start(settings) as player:
        if options.no_realtime and player.info.realtime:
            take_priority_away(player.pid)
        realtime = player.info.realtime and not options.no_realtime
        if receiver is not None:
            subprocess.run(["jack_connect", "brainmidi:out", "receiver:in"], check=True)
        with Load(config, None if realtime else 1, models=not options.no_models, paced=options.paced) as load:
            load.player = player
            clock = MonotonicClock()
            isobar = child("--isobar", str(seconds)) if has_isobar() else None
            sleeper = child("--sleeper", str(seconds), *(() if realtime else ("--no-realtime",)))
            stolen_before_s = stolen_s()
            peer = threading.Thread(
                target=plain_thread, args=(clock.now_s() + 1.0, round(seconds / STEP_S), lateness_s)
            )
            peer.start()
            report = play_dense(player, seconds)
            stolen = stolen_s() - stolen_before_s
            load.player = None
            peer.join()
            slept_s = json.loads(sleeper.communicate()[0])
            called_s = json.loads(isobar.communicate()[0]) if isobar is not None else []
        info = player.info
    notes = sum(event.data[0] & 0xF0 in (0x80, 0x90) for event in report.sent_events)
    arrived = None if receiver is None else int(receiver.communicate()[0])
    latency_s = controller_latency(report, load.frames)
    return {
        "seconds": seconds,
        "port": info.port or "none",
        "api": info.api,
        "realtime": realtime,
        "bars_composed": load.n_bars,
        "frames": len(load.frames),
        "late_bars": len(report.late_bars),
        "lost_by_player": round(seconds / BAR_S) * BEATS * PER_BEAT * 2 - notes,
        "stolen_s": stolen,
        "lost_on_the_way": None if arrived is None else notes - arrived,
        "controller": quantiles(latency_s) if latency_s else None,
        "rows": {
            "player process": {
                "events": len(report.sent_events),
                "p50_ms": report.lateness_p50_ms,
                "p99_ms": report.lateness_p99_ms,
                "max_ms": report.lateness_max_ms,
            },
            "bare sleeper": quantiles(slept_s),
            "plain thread": quantiles(lateness_s),
            **({"isobar, own process": quantiles(isobar_lateness(called_s))} if called_s else {}),
        },
    }


def show(figures: dict[str, Any]) -> None:
    priority = "real-time priority" if figures["realtime"] else "no real-time priority"
    print(
        f"{figures['seconds']:g} s on {figures['port']} ({figures['api']}), {priority}; "
        f"{figures['bars_composed']} bars composed, {figures['frames']} frames of controls"
    )
    way = "not counted" if figures["lost_on_the_way"] is None else figures["lost_on_the_way"]
    print(
        f"late bars {figures['late_bars']}; lost by the player {figures['lost_by_player']}, on the way {way}; "
        f"{figures['stolen_s']:.2f} s stolen"
    )
    print(f"{'ms late':22}{'events':>8}{'p50':>9}{'p99':>9}{'max':>9}")
    for name, row in figures["rows"].items():
        print(f"{name:22}{row['events']:8}{row['p50_ms']:9.3f}{row['p99_ms']:9.3f}{row['max_ms']:9.3f}")
    if (row := figures["controller"]) is not None:
        print(
            f"{'newest sample to CC':22}{row['events']:8}{row['p50_ms']:9.1f}{row['p99_ms']:9.1f}{row['max_ms']:9.1f}"
        )
        older = [row[name] + 50.0 for name in ("p50_ms", "p99_ms", "max_ms")]
        print(f"{'oldest new sample':22}{row['events']:8}{older[0]:9.1f}{older[1]:9.1f}{older[2]:9.1f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--no-realtime", action="store_true", help="take the player's real-time priority away")
    parser.add_argument("--no-models", action="store_true", help="process EEG alone")
    parser.add_argument("--paced", action="store_true", help="write one bar for each that sounds, as improv does")
    parser.add_argument("--jack", action="store_true", help="play to a JACK dummy server, and count at a receiver")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a message is lost or a bar is late")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--isobar", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--sleeper", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.isobar is not None:
        isobar_alone(options.isobar)
        return 0
    if options.sleeper is not None:
        sleep_alone(options.sleeper, not options.no_realtime)
        return 0
    if options.receive:
        receive()
        return 0
    server = None
    if options.jack:
        from midi_jack import JackServer

        # A server without priority overruns beside models, and then drops what a period held.
        server = JackServer(realtime=not options.no_realtime)
        os.environ.update(server.environment)
    try:
        figures = measure(options)
    finally:
        if server is not None:
            server.stop()
    show(figures)
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    lost = figures["lost_by_player"] or figures["lost_on_the_way"] or figures["late_bars"]
    return 1 if options.check and lost else 0


if __name__ == "__main__":
    sys.exit(main())

"""Kill the composer again and again: a receiver never keeps an open note, and this says how soon it is silent.

    python benchmarks/kill.py [--kills 200] [--seed 0] [--program]

A JACK dummy server, `jack_midi_dump` as the receiver, and a light composer that autosaves, about a second a kill;
with --program, `brainmidi improv` itself with the shipped models, which takes as long as they take to load. They end in
turn by SIGTERM, SIGKILL, SIGSEGV and a broken pipe (the program: by the three signals) at a random moment of the take.
The light one plays in turn through rtmidi and through the JACK back end, each plain and with clock out, a bar of
count-in and the metronome; half of the kills with a count-in fall into it.
The receiver must end without an open note (note-offs alone count) within 250 ms, and the .mid saved so far must be
readable. Exits with 1 where one did not, and with 2 where it could not be measured: no JACK, or a server that ended.
"""

from __future__ import annotations

import argparse
import os
import random
import select
import signal
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "midi"))

from midi_jack import JackServer, Program, Spy, missing_jack, open_notes
from midi_takes import make_take, stand_in

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.files import read_events, write_midi
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.settings import PlayerSettings

WAYS = ("SIGTERM", "SIGKILL", "SIGSEGV", "broken pipe")
LIMIT_MS = 250.0
#: How long the receiver is listened to after the player has gone: two periods of the server and the pipe between.
LAST_WORDS_S = 0.1


CLICKS = ClockSettings(send=True, count_in=1, metronome=True)
#: How the light composer's player is set, in turn, and how long it has played at most when it is killed.
SETUPS: dict[str, tuple[PlayerSettings, float]] = {
    "rtmidi": (PlayerSettings(), 0.6),
    "rtmidi, clock and clicks": (PlayerSettings(clock=CLICKS), 2.0),
    "JACK": (PlayerSettings(backend="jack"), 0.6),
    "JACK, clock and clicks": (PlayerSettings(backend="jack", clock=CLICKS), 2.0),
}


def compose(path: Path, seed: int, told: int, go: int, settings: PlayerSettings) -> None:
    """Drive a player as the live driver does, from a process that may be killed; SIGUSR1 breaks the pipe."""
    bars, started = make_take(64, seed=seed, bpm=240.0), -1
    broken: list[int] = []
    with PlayerProcess.start(settings) as player:
        pipe = player._process.stdin
        assert pipe is not None

        def break_pipe(number: int, frame: object) -> None:
            broken.append(number)
            os.close(pipe.fileno())

        signal.signal(signal.SIGUSR1, break_pipe)
        os.write(told, f"{player.pid}\n".encode())
        os.read(go, 1)
        try:
            for count, bar in enumerate(bars, start=1):
                player.send(bar, stand_in(bar))
                write_midi(path, bars[:count], metre="4/4", sharps=0, minor=True, title="take")
                if count == 1:
                    player.begin(0.05 + settings.clock.count_in)  # a bar lasts a second
                while started < bar.index - 1:
                    started = max(started, *(notice.index for notice in player.poll(1.0)), -1)
        except MidiError:
            if not broken:
                raise


class Light:
    """A composer in a forked process, which has everything loaded already."""

    def __init__(self, path: Path, seed: int, spy: Spy, settings: PlayerSettings) -> None:
        told_read, told_write = os.pipe()
        go_read, go_write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            try:
                compose(path, seed, told_write, go_read, settings)
            except Exception:  # nobody waits for our exit code: what went wrong is told here
                traceback.print_exc()
            finally:
                os._exit(1)
        os.close(told_write)
        os.close(go_read)
        told = os.read(told_read, 32)
        if not told:
            raise MidiError("the composer ended before its player was up, for the reason above")
        self.player_exit = os.pidfd_open(int(told))
        spy.listen()
        os.write(go_write, b"g")
        os.close(told_read)
        os.close(go_write)

    def end(self, way: str) -> None:
        """End it in one of :data:`WAYS`."""
        os.kill(self.pid, signal.SIGUSR1 if way == "broken pipe" else signal.Signals[way])

    def await_player(self) -> None:
        """Wait until its player has ended."""
        ready, _, _ = select.select([self.player_exit], [], [], 10.0)
        assert ready, "the player outlives its composer by 10 s"

    def close(self) -> None:
        """Let go of it, whether it has ended or not."""
        os.close(self.player_exit)
        if os.waitpid(self.pid, os.WNOHANG) == (0, 0):
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)


class Real:
    """The program itself."""

    def __init__(self, path: Path, seed: int, server: JackServer) -> None:
        self.program = Program(server, path, 64, seed)

    def end(self, way: str) -> None:
        """End it in one of :data:`WAYS`."""
        self.program.process.send_signal(signal.Signals[way])

    def await_player(self) -> None:
        """Wait until its player has ended."""
        self.program.await_player()

    def close(self) -> None:
        """Let go of it, whether it has ended or not."""
        self.program.close()


def sounding(spy: Spy) -> set[tuple[int, int]]:
    """Return the notes, clicks among them, that are open at the receiver; clock and transport are passed over."""
    return open_notes([data for data in spy.received if data[0] < 0xF0])


def arrivals(spy: Spy, wait_s: float, clock: MonotonicClock) -> float | None:
    """Take what arrives within `wait_s` of each other; return when the last open note was closed, None if none was."""
    closed_s, was_open = None, bool(sounding(spy))
    while b"\n" in spy.pending or select.select([spy.process.stdout], [], [], wait_s)[0]:
        spy.next()
        is_open = bool(sounding(spy))
        if was_open and not is_open:
            closed_s = clock.now_s()
        was_open = is_open
    return closed_s


def kill_once(
    spy: Spy, path: Path, way: str, most_s: float, seed: int, start: Callable[[], Light | Real]
) -> tuple[int, int, float]:
    """Return the receiver's open notes, the saved file's messages (-1 if unreadable) and the ms until it was silent.

    The composer is killed at most `most_s` seconds after the first message that arrives.
    """
    clock = MonotonicClock()
    spy.received.clear()
    composer = start()
    try:
        spy.next()
        clock.sleep_until(clock.now_s() + random.Random(seed).uniform(0.0, most_s))
        while b"\n" in spy.pending or select.select([spy.process.stdout], [], [], 0.0)[0]:
            spy.next()
        killed_s = clock.now_s()
        composer.end(way)
        closed_s = arrivals(spy, LIMIT_MS / 1000.0, clock)
        composer.await_player()
        later_s = arrivals(spy, LAST_WORDS_S, clock)
        if sounding(spy):  # lost, or still on its way through a busy machine?
            spy.read_to_the_end()
            later_s = clock.now_s()
    finally:
        composer.close()
    silent_s = later_s or closed_s or killed_s
    try:
        saved = len(read_events(path))
    except MidiError as error:
        print(error)
        saved = -1
    return len(sounding(spy)), saved, 1000.0 * (silent_s - killed_s)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", action="store_true", help="kill brainmidi improv itself")
    options = parser.parse_args()
    reason = missing_jack()
    if reason is not None:
        print(reason)
        return 2
    server, clock = JackServer(), MonotonicClock()
    os.environ.update(server.environment)
    rows: list[tuple[str, int, int, float, str]] = []
    began_s = clock.now_s()
    spy: Spy | None = None
    stopped: Exception | None = None
    try:
        spy = Spy(server)
        with tempfile.TemporaryDirectory() as folder:
            for place in range(options.kills):
                way, seed = WAYS[place % (3 if options.program else 4)], options.seed + place
                path = Path(folder) / f"take{place}.mid"
                name = "rtmidi" if options.program else list(SETUPS)[place // 4 % len(SETUPS)]
                settings, most_s = SETUPS[name]

                def start(
                    path: Path = path, seed: int = seed, spy: Spy = spy, settings: PlayerSettings = settings
                ) -> Light | Real:
                    return Real(path, seed, server) if options.program else Light(path, seed, spy, settings)

                hanging, saved, silent_ms = kill_once(spy, path, way, most_s, seed, start)
                if options.program or hanging or saved < 0 or silent_ms > LIMIT_MS:
                    told = f"{hanging} open notes, {saved} messages saved, silent after {silent_ms:.0f} ms"
                    print(f"{way}, {name}: {told}")
                rows.append((way, hanging, saved, silent_ms, name))
                if len(rows) % 20 == 0:
                    print(f"{len(rows)} kills, silent after {max(row[3] for row in rows):.0f} ms at most", flush=True)
    except (AssertionError, MidiError, OSError, subprocess.CalledProcessError) as error:
        stopped = error
    finally:
        obituary = server.obituary()
        if spy is not None:  # before the server, which it would else mourn on the terminal
            spy.process.terminate()
            spy.process.wait(20)
        server.stop()
    if obituary is not None:
        print(f"{obituary}; what came after says nothing about us, run it again")
    elif stopped is not None:
        print(f"stopped: {stopped}")
    if not rows:
        return 2
    failed = sum(1 for _, hanging, saved, silent_ms, _ in rows if hanging or saved < 0 or silent_ms > LIMIT_MS)
    ways = ", ".join(f"{count} by {way}" for way, count in Counter(row[0] for row in rows).items())
    for name in dict.fromkeys(row[4] for row in rows):
        slowest_ms = max(row[3] for row in rows if row[4] == name)
        print(f"  {name}: {sum(row[4] == name for row in rows)} kills, silent after {slowest_ms:.0f} ms at most")
    delays_ms = sorted(row[3] for row in rows)
    print(
        f"{len(rows)} kills ({ways}) in {clock.now_s() - began_s:.0f} s, {failed} failed, "
        f"{sum(row[1] for row in rows)} open notes; silent after {delays_ms[len(rows) // 2]:.0f} ms in the median, "
        f"{delays_ms[-1]:.0f} ms at most"
    )
    if stopped is not None:
        return 1 if failed or obituary is None else 2
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

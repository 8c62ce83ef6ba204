"""How late messages are handed to the MIDI system: the player process beside a plain thread, in the same run.

    python benchmarks/timing.py [--seconds 10] [--load 1] [--json FILE]

Both send 24 notes a quarter note at 120 bpm to the same kind of port (the machine's, or none where it has no MIDI
system). The thread sleeps to absolute deadlines too, but shares its process with the composer, as most programs' MIDI
does. `--load N` lets N threads of the composer run Python and numpy without a pause, as models and signals do.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import threading
from fractions import Fraction
from pathlib import Path

import numpy as np

from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.link import PlayerProcess, PlayReport
from brainmidi.midi.ports import open_output
from brainmidi.types import Bar, ControlFrame, Note, Phrase

BPM, PER_BEAT, BEATS = 120.0, 24, 4
LEAD_S = 0.5


def dense_bar(index: int) -> Bar:
    """Return a bar with a short note on each of the 24 parts of each beat."""
    notes = tuple(
        Note(Fraction(place, PER_BEAT), Fraction(1, 2 * PER_BEAT), 36 + place % 48) for place in range(PER_BEAT * BEATS)
    )
    neutral = ControlFrame.neutral(0.0)
    phrase = Phrase(notes, Fraction(BEATS))
    return Bar(index, Fraction(index * BEATS), phrase, BPM, ((Fraction(0), "C"),), "river", 0.5, 1.0, neutral)


def busy(stop: threading.Event) -> None:
    """Hold the interpreter as a composer does: short numpy calls with Python between them."""
    matrix = np.random.default_rng(0).normal(size=(128, 128))
    total = 0.0
    while not stop.is_set():
        total += float((matrix @ matrix).sum()) + sum(math.sqrt(place) for place in range(2000))


def plain_thread(begun_s: float, n_bars: int, lateness_ms: list[float]) -> None:
    """Send the same notes from this process, to absolute deadlines."""
    clock, output = MonotonicClock(), open_output()
    step_s = 60.0 / BPM / PER_BEAT / 2
    for place in range(n_bars * BEATS * PER_BEAT * 2):
        due_s = begun_s + place * step_s
        clock.sleep_until(due_s)
        lateness_ms.append(1000.0 * (clock.now_s() - due_s))
        output.send((0x90 if place % 2 == 0 else 0x80, 36 + place // 2 % PER_BEAT, 80))
    output.close()


def drive(player: PlayerProcess, n_bars: int, lateness_ms: list[float]) -> PlayReport:
    """Play the take one bar ahead, with the plain thread beside it."""
    player.send(dense_bar(0), None)
    begun_s = player.begin(LEAD_S)
    peer = threading.Thread(target=plain_thread, args=(begun_s, n_bars, lateness_ms))
    peer.start()
    started = -1
    for index in range(1, n_bars):
        player.send(dense_bar(index), None)
        while started < index - 1:
            started = max([started, *(notice.index for notice in player.poll(1.0))])
    report = player.finish()
    peer.join()
    return report


def measure(seconds: float, load: int) -> dict[str, object]:
    """Return the figures of one run of `seconds` with `load` busy threads in the composer's process."""
    n_bars = max(2, math.ceil(seconds / (BEATS * 60.0 / BPM)))
    lateness_ms: list[float] = []
    stop = threading.Event()
    workers = [threading.Thread(target=busy, args=(stop,)) for _ in range(load)]
    with PlayerProcess.start() as player:
        for worker in workers:
            worker.start()
        try:
            report = drive(player, n_bars, lateness_ms)
        finally:
            stop.set()
        info = player.info
    lateness_ms.sort()
    p50_ms, p99_ms = (lateness_ms[math.ceil(share * len(lateness_ms)) - 1] for share in (0.5, 0.99))
    return {
        "seconds": n_bars * BEATS * 60.0 / BPM,
        "load": load,
        "port": info.port or "none",
        "api": info.api,
        "priority": info.realtime_detail,
        "late_bars": len(report.late_bars),
        "player": {
            "events": len(report.sent_events),
            "p50_ms": report.lateness_p50_ms,
            "p99_ms": report.lateness_p99_ms,
            "max_ms": report.lateness_max_ms,
        },
        "thread": {"events": len(lateness_ms), "p50_ms": p50_ms, "p99_ms": p99_ms, "max_ms": lateness_ms[-1]},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--load", type=int, default=1, help="busy threads in the composer's process")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    options = parser.parse_args()
    figures = measure(options.seconds, options.load)
    print(
        f"{figures['seconds']:g} s, {options.load} busy threads, port {figures['port']} ({figures['api']}), "
        f"{figures['priority']}, {figures['late_bars']} late bars"
    )
    print(f"{'ms late':16}{'events':>8}{'p50':>9}{'p99':>9}{'max':>9}")
    for who, name in (("player", "player process"), ("thread", "plain thread")):
        row = figures[who]
        assert isinstance(row, dict)
        print(f"{name:16}{row['events']:8}{row['p50_ms']:9.3f}{row['p99_ms']:9.3f}{row['max_ms']:9.3f}")
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

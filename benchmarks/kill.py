"""Kill the composer again and again: a receiver never keeps an open note, and this says how soon it is silent.

    python benchmarks/kill.py [--kills 20] [--seed 0] [--program]

A JACK dummy server, `jack_midi_dump` as the receiver, and a light composer that autosaves (with --program, `brainmidi
improv` itself with the shipped models), ended in turn by SIGTERM, SIGKILL and SIGSEGV at a random moment of the take.
The receiver must end without an open note (note-offs alone count) and the .mid saved so far must be readable. Exits
with 1 where one did not.
"""

from __future__ import annotations

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "midi"))

from midi_jack import Composer, JackServer, Program, Spy, missing_jack, open_notes

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.files import read_events

SIGNALS = (signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV)
#: Bytes of the message that ends a silencing: "all sound off", on the higher of the two channels.
LAST = (0xB1, 120, 0)


def kill_once(
    server: JackServer, path: Path, number: signal.Signals, seed: int, *, program: bool
) -> tuple[int, int, float]:
    """Return the receiver's open notes, the saved file's messages (-1 if unreadable) and the ms until it was silent."""
    clock, spy = MonotonicClock(), Spy(server)
    composer = Program(server, path, 64, seed) if program else Composer(server, path, 16, seed)
    try:
        if isinstance(composer, Composer):
            spy.listen()
            composer.go()
        spy.next()
        clock.sleep_until(clock.now_s() + random.Random(seed).uniform(0.0, 4.0))
        killed_s = clock.now_s()
        composer.process.send_signal(number)
        while spy.next() != LAST:
            continue
        silent_ms = 1000.0 * (clock.now_s() - killed_s)
        composer.await_player()
        received = spy.read_to_the_end()
    finally:
        composer.close()
        spy.close()
    try:
        saved = len(read_events(path))
    except MidiError as error:
        print(error)
        saved = -1
    return len(open_notes(received)), saved, silent_ms


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--program", action="store_true", help="kill brainmidi improv itself")
    options = parser.parse_args()
    reason = missing_jack()
    if reason is not None:
        print(reason)
        return 2
    server = JackServer()
    rows = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            for place in range(options.kills):
                number = SIGNALS[place % len(SIGNALS)]
                row = kill_once(
                    server, Path(folder) / f"take{place}.mid", number, options.seed + place, program=options.program
                )
                print(f"{number.name}: {row[0]} open notes, {row[1]} messages saved, silent after {row[2]:.0f} ms")
                rows.append(row)
    finally:
        server.stop()
    failed = sum(1 for hanging, saved, _ in rows if hanging or saved < 0)
    slowest_ms = max(row[2] for row in rows)
    print(f"{len(rows)} kills, {failed} failed; the receiver was silent after at most {slowest_ms:.0f} ms")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

"""Unplug a device at random moments while music plays, and say how soon it is seen and how soon the brain is back.

    python benchmarks/unplug.py [--moments 200] [--seed 0]

A faulty device (tests/faulty.py) on the virtual clock, with a light composer: it falls silent, is pulled, sends NaN or
samples at another rate, raises, begins its counter again, loses packets, comes back with other channels. Prints, for
each kind of fault, the seconds until it was told of and until the knobs were driven again. Exits with 1 where a note
hung or the brain did not come back.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "drivers"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from faulty import KINDS, plan, play


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    faults = plan(given.seed, given.moments, longest_s=8.0, pause_s=16.0)
    with tempfile.TemporaryDirectory() as folder:
        played = play(Path(folder) / "take.mid", faults)
    print(f"{'the device':<26}{'times':>6}{'told after s, median and most':>32}{'back after s, median and most':>32}")
    for kind in KINDS:
        ours = [fault for fault in faults if fault.kind == kind]
        seen = [at_s for fault in ours if (at_s := played.seen_s(fault)) is not None and at_s < 8.0]
        back = [played.back_s(fault) for fault in ours]
        told = f"{statistics.median(seen):.2f} {max(seen):.2f} ({len(seen)} told)" if seen else "never told"
        heard = f"{statistics.median(back):.2f} {max(back):.2f}" if back else "-"
        print(f"{kind:<26}{len(ours):>6}{told:>32}{heard:>32}")
    hung = played.open_notes()
    bars = played.take.summary.bars
    print(f"{len(faults)} faults in {bars} bars, {len(hung)} notes hung; signal: {played.take.summary.signal}")
    return 1 if hung or max(played.back_s(fault) for fault in faults) == float("inf") else 0


if __name__ == "__main__":
    sys.exit(main())

"""Make blind sham scores of a brain and open the key, as ``brainmidi sham`` does.

The simulated brain is active, calm, active, calm, in a recording of each; put recordings of a person in their place. A
surrogate has the same rhythms at other times, so that its music cannot follow what went on.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from brainmidi.acquire.csvfile import write_csv
from brainmidi.acquire.demo import DemoSource
from brainmidi.config import parse_config
from brainmidi.evaluate.sham import make_sham
from brainmidi.evaluate.shamkey import Key

SECONDS = 16.0
SHAMS = 3  # enough to show how it goes; 20 or 99 for a result


def record(path: Path, calm: float, seed: int) -> Path:
    """Write a brain that is so calm throughout, 0 to 1."""
    source = DemoSource(seed=seed, duration_s=SECONDS, plan=[(0.0, calm)])
    source.start()
    chunk = source.read(SECONDS)
    assert chunk is not None
    write_csv(path, chunk)
    return path


def main(folder: Path) -> None:
    phases = [("active", 0.0), ("calm", 1.0)] * 2
    recordings = [
        (name, record(folder / f"{number}_{name}.csv", calm, number)) for number, (name, calm) in enumerate(phases)
    ]
    config = parse_config({"session": {"tempo_bpm": 120.0}})
    make_sham(config, recordings, folder / "blind", n=SHAMS)
    print("listen to", ", ".join(sorted(path.name for path in (folder / "blind").glob("*.mid"))))
    key = Key.open(folder / "blind")
    print(f"{key.real} is the real one")
    print("\n".join(key.lines))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))

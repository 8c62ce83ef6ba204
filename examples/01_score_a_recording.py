"""Make a recording on the spot and turn it into a take, as ``brainmidi score`` does.

The recording is of the simulated brain, written as a plain csv: a time column, a column for each electrode, a marker
column. Put the path of a real recording in its place.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from brainmidi.acquire.csvfile import write_csv
from brainmidi.acquire.demo import DemoSource
from brainmidi.config import parse_config
from brainmidi.drivers.offline import score
from brainmidi.drivers.take import TakeFiles
from brainmidi.music.harmony import Key
from brainmidi.notation.score import write_score


def record(path: Path, seconds: float, scenario: str) -> None:
    """Write `seconds` of the simulated brain to `path`."""
    source = DemoSource(seed=3, scenario=scenario, duration_s=seconds)
    source.start()
    chunk = source.read(seconds)
    assert chunk is not None
    write_csv(path, chunk)


def main(folder: Path) -> None:
    rest, session = folder / "rest.csv", folder / "session.csv"
    record(rest, 20.0, "rest")
    record(session, 25.0, "session")

    # What session.toml would say, as tables; `load_config(Path("session.toml"))` reads the file.
    config = parse_config(
        {
            "session": {"key": "A minor", "tempo_bpm": 108.0, "bars": 6},
            "baseline": {"recording": str(rest)},
        }
    )
    take = score(config, session, TakeFiles(midi=folder / "take.mid", trace=folder / "take.jsonl"))
    write_score(
        folder / "take.musicxml", take.bars, metre=take.metre, sharps=Key.parse(take.key).sharps, title="A recording"
    )
    print("\n".join(take.summary.lines()))
    print(f"wrote {', '.join(sorted(path.name for path in folder.iterdir()))} to {folder}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))

"""Improvise without a MIDI system: the live driver on the virtual clock, where nothing waits.

The same code plays in real time with ``virtual=False``; then `on_ready` is told which port the notes go to.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from brainmidi.config import parse_config
from brainmidi.drivers.live import improvise
from brainmidi.drivers.take import TakeFiles
from brainmidi.types import Bar


def show(bar: Bar, lateness_ms: float | None) -> None:
    """Print what a bar holds as it begins; nothing is late on the virtual clock."""
    chords = " ".join(symbol for _, symbol in bar.chords)
    melody = " ".join(str(note.pitch) for note in bar.phrase.part("melody"))
    print(f"bar {bar.index + 1}  {chords:<6} mix {bar.latent_mix:.2f}  melody {melody}")


def main(folder: Path) -> None:
    config = parse_config({"session": {"bars": 8, "key": "G mixolydian", "chords": "G F C G", "seed": 7}})
    take = improvise(config, TakeFiles(midi=folder / "take.mid"), virtual=True, on_bar=show)
    print("\n".join(take.summary.lines()))


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))

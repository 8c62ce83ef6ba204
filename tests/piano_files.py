"""Performed pianos that tests write, with a pedal."""

from __future__ import annotations

from pathlib import Path

from brainmidi.training.corpora import split_of

N_NOTES = 300


def write(path: Path, *, pedal: bool = True, first: int = 60) -> None:
    """Write a piano that plays a note every 150 ms, each a tenth long, and a drum."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=960)
    piano, kit = pretty_midi.Instrument(0), pretty_midi.Instrument(0, is_drum=True)
    for n in range(N_NOTES):
        at = 0.15 * n
        piano.notes.append(pretty_midi.Note(50 + n % 40, first + n % 7, at, at + 0.1))
        kit.notes.append(pretty_midi.Note(100, 38, at, at + 0.05))
    if pedal:
        piano.control_changes += [pretty_midi.ControlChange(64, 127, 0.0), pretty_midi.ControlChange(64, 0, 0.6)]
    midi.instruments += [piano, kit]
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))


def folder_of(folder: Path) -> Path:
    """Return a folder with a file for each split."""
    names: dict[str, str] = {}
    for n in range(400):
        names.setdefault(split_of(f"{n}.mid"), f"{n}.mid")
    for n, name in enumerate(names.values()):
        write(folder / name, first=60 + n)
    return folder

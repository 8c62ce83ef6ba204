"""A folder of played MIDI files, with a player's timing, velocities and pedal, as performance events.

The variants are those of Huang et al. 2018 (https://arxiv.org/abs/1809.04281, section 4.2): transposition by up to
three semitones, and time stretched by up to 5 %.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import played
from brainmidi.codec.performanceids import MAGENTA
from brainmidi.errors import ConfigError
from brainmidi.training.corpora import need_pieces, split_of
from brainmidi.training.folder import digest, midi_files
from brainmidi.training.performances import Performance
from brainmidi.training.scorerows import Progress

CACHE_VERSION = 1
STRETCHES = (0.95, 0.975, 1.0, 1.025, 1.05)
MOST_SEMITONES = 3
SUSTAIN, DOWN = 64, 64

Notes = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Played:
    """One file's notes as they sound.

    Parameters
    ----------
    name : str
        Path from the folder; the unit by which data is split.
    notes : ndarray of float64, shape (n_notes, 4)
        Start and end in seconds, pitch, velocity, by start.
    """

    name: str
    notes: Notes

    @property
    def split(self) -> str:
        """``"train"``, ``"validation"`` or ``"test"``."""
        return split_of(self.name)

    def events(self) -> Performance:
        """Return the whole piece as events, as it was played."""
        return Performance(played.encode(self.notes), np.zeros(1, dtype=np.int64), 0, 0)


def read_played(data: Path, cache: Path, progress: Progress | None = None) -> list[Played]:
    """Return the files of a folder that hold notes of the piano's range, from `cache` if the same have been read.

    Drums are left out; all other instruments sound together, each under its own pedal.

    Raises
    ------
    ConfigError
        If there is no such folder, no MIDI file in it, or a split stays empty.
    """
    path = cache / f"played-v{CACHE_VERSION}-{digest(data)}.npz"
    if not path.exists():
        _write(path, _read_files(data, progress))
    with np.load(path, allow_pickle=False) as stored:
        cut = np.split(stored["notes"].astype(np.float64), stored["ends"][:-1])
        found = [Played(str(name), notes) for name, notes in zip(stored["names"], cut, strict=True)]
    splits = {name: [piece for piece in found if piece.split == name] for name in ("train", "validation", "test")}
    need_pieces(splits, f"with notes, under {data},")
    return found


def _read_files(data: Path, progress: Progress | None) -> list[Played]:
    paths, found = midi_files(data), []
    for number, path in enumerate(paths, start=1):
        notes = _sounding(path)
        if len(notes):
            found.append(Played(path.relative_to(data).as_posix(), notes))
        if progress is not None:
            progress("MIDI files", number, len(paths))
    if not found:
        raise ConfigError(f"0 of {len(paths)} MIDI files under {data} hold notes, 1 is needed; give another folder")
    return found


def _sounding(path: Path) -> Notes:
    """Return a file's notes under the pedal; none of a file that cannot be read."""
    import pretty_midi  # type: ignore[import-untyped]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tempo changes off the first track, which count all the same
            midi = pretty_midi.PrettyMIDI(str(path))
    except Exception:  # a damaged file fails anywhere in the two readers that are stacked here
        return np.zeros((0, 4))
    parts = [np.zeros((0, 4))]
    for instrument in midi.instruments:
        if instrument.is_drum:
            continue
        pedal = [(c.time, c.value >= DOWN) for c in instrument.control_changes if c.number == SUSTAIN]
        rows = [(n.start, n.end, n.pitch, n.velocity) for n in instrument.notes]
        parts.append(played.sustained(rows, pedal))
    notes = np.concatenate(parts)
    notes = notes[(notes[:, 2] >= MAGENTA.min_pitch) & (notes[:, 2] <= MAGENTA.max_pitch)]
    return notes[np.lexsort((notes[:, 2], notes[:, 0]))]


def _write(path: Path, pieces: Sequence[Played]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        np.savez_compressed(
            out,
            notes=np.concatenate([piece.notes for piece in pieces]),
            ends=np.cumsum([len(piece.notes) for piece in pieces]),
            names=np.array([piece.name for piece in pieces], dtype=np.str_),
        )
    partial.replace(path)


def varied(notes: Notes, stretch: float, semitones: int) -> Notes:
    """Return the notes from second 0, stretched, and moved by as many semitones as the keyboard allows."""
    moved = notes.copy()
    moved[:, :2] = (notes[:, :2] - notes[0, 0]) * stretch
    low, high = MAGENTA.min_pitch - notes[:, 2].min(), MAGENTA.max_pitch - notes[:, 2].max()
    moved[:, 2] += np.clip(semitones, low, high)
    return moved

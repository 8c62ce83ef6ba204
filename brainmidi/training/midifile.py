"""A MIDI file as the recipes read it: lead melody, bass under its harmony, and drums, in its bars of four quarters."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import drums
from brainmidi.errors import ConfigError
from brainmidi.training.corpora import Piece
from brainmidi.training.midigrid import BAR_BEATS, Grid, Lines, beats_of, read_grid

#: Notes as (start, length, pitch) in beats, as in a piece's parts.
Part = tuple[tuple[Fraction, Fraction, int], ...]

#: Starts and lengths are kept to a 24th of a beat, which has sixteenths and triplets.
GRID = 24
MELODY_NAME = re.compile(r"melod|vocal|voice|lead|sing", re.IGNORECASE)
BASS_NAME = re.compile(r"\bbass", re.IGNORECASE)
#: General MIDI's basses.
BASS_PROGRAMS = range(32, 40)
#: A track is of one voice if so many of its notes begin alone, and a tune if it has so many of the fullest's notes.
ALONE = 0.8
TUNE = 0.2
#: Of a bass that is drawn from an accompaniment, what lies above G3 is none.
BASS_TOP = 55


@dataclass(frozen=True, slots=True)
class FileMusic:
    """What a file gives.

    Parameters
    ----------
    melodies : tuple of Piece
        The melody of each stretch of bars, one part.
    bands : tuple of Piece
        Of each stretch with harmony: melody, accompaniment, bass. Only the outer two are of one voice.
    hits : tuple of ndarray of float64, shape (n_hits, 3)
        Drums of each stretch: beats from its first bar line, class 0..8, velocity.
    """

    melodies: tuple[Piece, ...] = ()
    bands: tuple[Piece, ...] = ()
    hits: tuple[NDArray[np.float64], ...] = ()


@dataclass(frozen=True, slots=True)
class _Track:
    """Notes of an instrument: a row each of start and length in beats, pitch and velocity, ascending in time."""

    name: str
    program: int
    notes: NDArray[np.float64]  # (n_notes, 4)

    @property
    def mean_pitch(self) -> float:
        return float(self.notes[:, 2].mean())

    @property
    def alone(self) -> float:
        """Share of the moments at which notes begin when only one does."""
        return len(np.unique(_steps(self.notes[:, 0]))) / len(self.notes)


def read_midi(path: Path, name: str) -> FileMusic:
    """Read a file.

    Parameters
    ----------
    path : Path
        A standard MIDI file.
    name : str
        What its pieces are called, all alike: the unit by which data is split.

    Raises
    ------
    ConfigError
        If it is no MIDI file, has no two bars of four quarters in a row, or no notes in them; the message begins with
        the reason, without the file's name.
    """
    import pretty_midi  # type: ignore[import-untyped]

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tempo changes off the first track, which count all the same
            midi = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # a damaged file fails anywhere in the two readers that are stacked here
        raise ConfigError(f"cannot be read as MIDI ({type(error).__name__}: {error})") from error
    grid = read_grid(path, midi)
    tracks = [track for i in midi.instruments if not i.is_drum and len((track := _track(i, midi, grid)).notes)]
    hits = [_hits(_track(i, midi, grid)) for i in midi.instruments if i.is_drum]
    melodies, bands = _pieces(name, tracks, grid.stretches) if tracks else ((), ())
    found = FileMusic(melodies, bands, _cut_hits(hits, grid.stretches))
    if not (found.melodies or found.hits):
        raise ConfigError("no notes in its bars of 4/4")
    return found


def _track(instrument: Any, midi: Any, grid: Grid) -> _Track:
    rows = sorted((n.start, n.pitch, n.end, n.velocity) for n in instrument.notes)
    start_s, pitch, end_s, velocity = np.array(rows, dtype=np.float64).reshape(-1, 4).T
    start, end = beats_of(np.stack([start_s, end_s]), midi, grid)
    notes = np.stack([start, end, pitch, velocity], axis=1)
    notes = notes[np.isfinite(notes).all(axis=1)]
    notes[:, 1] = np.maximum(notes[:, 1] - notes[:, 0], 1 / GRID)
    return _Track(instrument.name, instrument.program, notes)


def _hits(track: _Track) -> NDArray[np.float64]:
    class_of = drums.classes(drums.REDUCED)
    rows = [(start, class_of[int(pitch)], velocity) for start, _, pitch, velocity in track.notes if pitch in class_of]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _cut_hits(hits: Sequence[NDArray[np.float64]], stretches: Sequence[Lines]) -> tuple[NDArray[np.float64], ...]:
    rows = np.concatenate([np.zeros((0, 3)), *hits])
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    cut = [rows[(rows[:, 0] >= lines[0]) & (rows[:, 0] < lines[-1])] - [lines[0], 0, 0] for lines in stretches]
    return tuple(found for found in cut if len(found))


def _pieces(
    name: str, tracks: Sequence[_Track], stretches: Sequence[Lines]
) -> tuple[tuple[Piece, ...], tuple[Piece, ...]]:
    """Return the melody and the band of each stretch."""
    melody = _choose_melody(tracks)
    others = [track for track in tracks if track is not melody] or [melody]
    named = [track for track in others if _is_bass(track)]
    bass = max(named, key=lambda t: len(t.notes)) if named else min(others, key=lambda t: t.mean_pitch)
    tune = _line(melody, highest=True)
    low = _line(bass, highest=False)
    if not named:
        low = low[low[:, 2] <= BASS_TOP]
    rest = [track.notes for track in others if not (track in named and track is bass)]
    accompaniment = np.concatenate([np.zeros((0, 4)), *rest])
    tonic, mode = _key(np.concatenate([track.notes for track in tracks]))
    melodies, bands = [], []
    for lines in stretches:
        parts = [_cut(notes, lines) for notes in (tune, accompaniment, low)]
        starts = tuple(Fraction(BAR_BEATS * bar) for bar in range(len(lines) - 1))
        notes, velocities = tuple(part[0] for part in parts), tuple(part[1] for part in parts)
        if notes[0]:
            melodies.append(Piece(name, "4/4", tonic, mode, starts, notes[:1], velocities[:1]))
        if all(notes):
            bands.append(Piece(name, "4/4", tonic, mode, starts, notes, velocities))
    return tuple(melodies), tuple(bands)


def _is_bass(track: _Track) -> bool:
    return track.program in BASS_PROGRAMS or BASS_NAME.search(track.name) is not None


def _choose_melody(tracks: Sequence[_Track]) -> _Track:
    """Return the track that is called so, else the highest of one voice, else the highest; a bass only if alone."""
    pool = [track for track in tracks if not _is_bass(track)] or list(tracks)
    named = [track for track in pool if MELODY_NAME.search(track.name)]
    if named:
        return max(named, key=lambda t: len(t.notes))
    most = max(len(track.notes) for track in pool)
    tunes = [track for track in pool if len(track.notes) >= TUNE * most]
    return max([track for track in tunes if track.alone >= ALONE] or tunes, key=lambda t: t.mean_pitch)


def _line(track: _Track, *, highest: bool) -> NDArray[np.float64]:
    """Return the track's highest or lowest voice.

    Of notes that begin together the outermost stays. Where a track is of many voices, a note that begins within a
    sounding one further out belongs to another voice; in a track of one voice it is played legato.
    """
    sign = 1 if highest else -1
    notes = track.notes[np.lexsort((-sign * track.notes[:, 2], _steps(track.notes[:, 0])))]
    first = np.append(True, np.diff(_steps(notes[:, 0])) > 0)
    notes = notes[first]
    if track.alone >= ALONE:
        return np.asarray(notes)
    kept: list[NDArray[np.float64]] = []
    for note in notes:
        before = kept[-1] if kept else None
        inside = before is not None and before[0] + before[1] > note[0] + 1 / GRID
        if before is None or not inside or sign * note[2] >= sign * before[2]:
            kept.append(note)
    return np.array(kept).reshape(-1, 4)


def _cut(notes: NDArray[np.float64], lines: Lines) -> tuple[Part, tuple[int, ...]]:
    """Return the notes that begin within the stretch, on the grid, from its first bar line, and their velocities."""
    end = round((lines[-1] - lines[0]) * GRID)
    found, velocities = [], []
    for start, length, pitch, velocity in notes[np.argsort(notes[:, 0], kind="stable")]:
        at = round((start - lines[0]) * GRID)
        if 0 <= at < end:
            lasts = min(max(round(length * GRID), 1), end - at)
            found.append((Fraction(at, GRID), Fraction(lasts, GRID), int(pitch)))
            velocities.append(int(velocity))
    return tuple(found), tuple(velocities)


def _key(notes: NDArray[np.float64]) -> tuple[int, str]:
    """Return tonic and mode by music21's key profiles (Aarden and Essen) from how long each pitch class sounds."""
    from music21 import note, stream

    beats = np.bincount(notes[:, 2].astype(np.int64) % 12, weights=notes[:, 1], minlength=12)
    sounding: stream.Stream[note.Note] = stream.Stream()
    for tone in np.flatnonzero(beats):
        sounding.append(note.Note(60 + int(tone), quarterLength=float(beats[tone])))
    found = sounding.analyze("key")
    return found.tonic.pitchClass, found.mode


def _steps(start: NDArray[np.float64]) -> NDArray[np.int64]:
    return np.floor(start * GRID + 0.5).astype(np.int64)

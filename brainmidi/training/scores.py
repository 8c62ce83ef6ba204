"""Pieces of one or more parts as scores of bars, chords and parts, tonic on C: what the bar-aware models learn."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords
from brainmidi.codec.bars import MAX_BAR, MAX_PITCH, MIN_PITCH, STYLES, Score, ScoreBar
from brainmidi.codec.performance import metrical_velocity
from brainmidi.training.chordtrack import SLOT, chord_track
from brainmidi.training.corpora import Piece
from brainmidi.types import Note

#: With fewer parts the chord would be a guess; with more, a score is of an orchestra.
MIN_CHORDED, MAX_PARTS = 3, 6
#: A piece is left out if more of its notes begin off the sixteenths: triplets and ornaments would be most of it.
MAX_OFF_GRID = 0.25
#: A piece is also played faster only if at most so many notes then begin off the sixteenths.
MAX_OFF_GRID_FASTER = 0.02
AS_WRITTEN = Fraction(1)
#: Twice as fast, and twice as slow.
OTHER_SPEEDS = (Fraction(1, 2), Fraction(2))
#: The books of tunes, which share a style.
TUNES = ("ryan", "oneill", "aird")


@dataclass(frozen=True, slots=True)
class _Struck:
    """A note on the grid: sixteenths from the piece's beginning, and the velocity if it was played."""

    step: int
    length: int
    pitch: int
    velocity: int | None
    part: str


def style_of(source: str) -> str:
    """Return the style of a collection, or of a folder by its name: ``"any"`` where it says none."""
    if source in TUNES:
        return "tunes"
    return next((style for style in STYLES if source.lower().startswith(style)), STYLES[0])


def scores(piece: Piece, style: str) -> dict[Fraction, Score]:
    """Return the piece as a score at each speed that the grid allows; none if it does not fit the grid.

    The top part is the melody, the lowest of three or more the bass, all others accompaniment. Times go to sixteenths.
    Bars longer than four beats are split into equal ones of whole pulses; twice as fast, two full bars make one. Where
    nobody played, velocities are the metre's accents. Chords are found in what sounds (:mod:`.chordtrack`); a piece of
    less than three parts has none.

    Parameters
    ----------
    piece : Piece
    style : str
        One of :data:`brainmidi.codec.bars.STYLES`.

    Returns
    -------
    dict of Fraction to Score
        By factor of time: 1 as written, 1/2 twice as fast, 2 twice as slow. Empty for pieces of more than six parts,
        with bars that cannot be split, or with more than a quarter of the notes off the sixteenths.
    """
    if not 0 < len(piece.parts) <= MAX_PARTS or _off_grid(piece, AS_WRITTEN) > MAX_OFF_GRID:
        return {}
    heard = _heard(piece)
    found = {}
    for factor in (AS_WRITTEN, *OTHER_SPEEDS):
        if factor < 1 and _off_grid(piece, factor) > MAX_OFF_GRID_FASTER:
            continue
        score = _score(piece, heard, style, factor)
        if score is not None:
            found[factor] = score
    return found if AS_WRITTEN in found else {}


def bar_lines(piece: Piece, factor: Fraction = AS_WRITTEN) -> list[int] | None:
    """Return the sixteenths on which bars of at most 16 begin, and the last one's end; None if one cannot be split."""
    starts = [*piece.bar_starts, piece.bar_starts[-1] + _full(piece)]
    full = _rounded(_full(piece) * factor)
    lines = sorted({_rounded(start * factor) for start in starts})
    pulse = 6 if piece.metre.endswith("/8") and full % 6 == 0 else 4
    found = [lines[0]]
    half = None  # whether the bar before is the first of two that make one
    for a, b in pairwise(lines):
        length = b - a
        if factor < 1 and half and length == full:
            found[-1] = b
            half = None
            continue
        half = factor < 1 and length == full and 2 * full <= MAX_BAR
        if length > MAX_BAR:
            fitting = [n for n in range(pulse, MAX_BAR + 1, pulse) if length % n == 0]
            if not fitting:
                return None
            found += range(a + fitting[-1], b, fitting[-1])
        found.append(b)
    return found


def _full(piece: Piece) -> Fraction:
    """Return the length of most bars, in beats."""
    lengths = Counter(b - a for a, b in pairwise(piece.bar_starts))
    return lengths.most_common(1)[0][0] if lengths else Fraction(4)


def _off_grid(piece: Piece, factor: Fraction) -> float:
    off = [(start * factor * 4).denominator != 1 for part in piece.parts for start, _, _ in part]
    return sum(off) / max(len(off), 1)


def _heard(piece: Piece) -> NDArray[np.int32]:
    """Return the chord of each slot of half a beat from the first bar's beginning on, tonic on C; empty for none."""
    if len(piece.parts) < MIN_CHORDED:
        return np.zeros(0, dtype=np.int32)
    zero = _zero(piece)
    lines = [*piece.bar_starts, piece.bar_starts[-1] + _full(piece)]
    parts = [[(float(s - zero), float(d), p) for s, d, p in part] for part in piece.parts]
    downbeats = frozenset(int((line - zero) / SLOT) for line in lines[:-1])
    track = chord_track(parts, int(-(-(lines[-1] - zero) // SLOT)), downbeats, piece.tonic, piece.mode)
    return chords.transpose(track, -piece.tonic)


def _zero(piece: Piece) -> Fraction:
    """Return the beat from which slots are counted: one falls on the first full bar's line, whatever the pickup."""
    first, *others = piece.bar_starts
    return others[0] + (first - others[0]) // SLOT * SLOT if others else first


def _score(piece: Piece, heard: NDArray[np.int32], style: str, factor: Fraction) -> Score | None:
    lines = bar_lines(piece, factor)
    if lines is None or len(lines) < 3:
        return None
    notes: list[list[Note]] = [[] for _ in lines[1:]]
    for note in _struck(piece, factor):
        bar = int(np.searchsorted(lines, note.step, side="right")) - 1
        if not 0 <= bar < len(notes):
            continue
        at, length = note.step - lines[bar], lines[bar + 1] - lines[bar]
        velocity = note.velocity
        if velocity is None:
            # A pickup is the end of a bar.
            full = lines[2] - lines[1] if bar == 0 and length < lines[2] - lines[1] else length
            velocity = metrical_velocity(at + full - length, full)
        notes[bar].append(Note(Fraction(at, 4), Fraction(note.length, 4), note.pitch, velocity, note.part))
    changes = _changes(lines, heard, _zero(piece), factor)
    bars = [
        ScoreBar(b - a, said, tuple(row)) for (a, b), said, row in zip(pairwise(lines), changes, notes, strict=True)
    ]
    return Score(tuple(bars), style, ended=True)


def _changes(
    lines: Sequence[int], heard: NDArray[np.int32], zero: Fraction, factor: Fraction
) -> Iterator[tuple[tuple[int, int], ...]]:
    """Yield the chords of each bar: step and class where one begins."""
    scale = 1 / (4 * factor * SLOT)
    first = zero / SLOT
    for a, b in pairwise(lines):
        said = [(0, chords.NO_CHORD)]
        if len(heard):
            slots = [min(max(int((step * scale - first) // 1), 0), len(heard) - 1) for step in range(a, b)]
            said = [(n, int(heard[slot])) for n, slot in enumerate(slots)]
        yield tuple(now for n, now in enumerate(said) if n == 0 or now[1] != said[n - 1][1])


def _struck(piece: Piece, factor: Fraction) -> Iterator[_Struck]:
    """Yield the notes of all parts, the tonic moved to the nearest C."""
    shift = (6 - piece.tonic) % 12 - 6
    names = _names(len(piece.parts))
    low = {(start, pitch) for start, _, pitch in piece.parts[-1]} if len(names) >= MIN_CHORDED else set()
    for index, (name, part) in enumerate(zip(names, piece.parts, strict=True)):
        played: Sequence[int | None] = piece.velocities[index] if piece.velocities else [None] * len(part)
        # Of an instrument that plays two parts, the bass is drawn out of the accompaniment.
        rows = [
            _Struck(_rounded(start * factor), max(_rounded(length * factor), 1), pitch + shift, velocity, name)
            for (start, length, pitch), velocity in zip(part, played, strict=True)
            if not (name == "accompaniment" and (start, pitch) in low) and MIN_PITCH <= pitch + shift <= MAX_PITCH
        ]
        yield from rows if name == "accompaniment" else _one_voice(rows)


def _names(n_parts: int) -> list[str]:
    if n_parts < MIN_CHORDED:
        return ["melody", "accompaniment"][:n_parts]
    return ["melody", *["accompaniment"] * (n_parts - 2), "bass"]


def _one_voice(rows: Sequence[_Struck]) -> Iterator[_Struck]:
    """Yield the first note of each sixteenth, as long as until the next."""
    firsts: dict[int, _Struck] = {}
    for row in sorted(rows, key=lambda row: row.step):
        firsts.setdefault(row.step, row)
    kept = list(firsts.values())
    for n, row in enumerate(kept):
        until = kept[n + 1].step - row.step if n + 1 < len(kept) else row.length
        yield _Struck(row.step, min(row.length, until), row.pitch, row.velocity, row.part)


def _rounded(beats: Fraction) -> int:
    """Return the sixteenth nearest to `beats`, halves up."""
    return int((8 * beats.numerator + beats.denominator) // (2 * beats.denominator))

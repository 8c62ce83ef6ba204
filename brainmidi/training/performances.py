"""Scores in several voices, written as performance events for the Music Transformer."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import performance
from brainmidi.training.corpora import Piece
from brainmidi.types import Note, Phrase

#: Bar length in sixteenths by metre; other metres are left out.
BAR_STEPS: dict[str, int] = {"4/4": 16, "2/2": 16, "3/4": 12}
#: Played as written and twice as fast: quarters become eighths, and the sixteenth grid is learned too.
FACTORS = (Fraction(1), Fraction(1, 2))
MIN_PARTS = 3
TRANSPOSE = range(-6, 6)


@dataclass(frozen=True, slots=True)
class Performance:
    """A piece as events, with the indices at which bars begin.

    Parameters
    ----------
    tokens : ndarray of int32, shape (n_events,)
    bar_indices : ndarray of int64, shape (n_bars,)
    low, high : int
        Semitones by which the piece may be transposed and stay on the keyboard.
    """

    tokens: NDArray[np.int32]
    bar_indices: NDArray[np.int64]
    low: int
    high: int


def performances(piece: Piece) -> list[Performance]:
    """Return the piece at each of :data:`FACTORS`; nothing if it has too few parts or another metre."""
    if len(piece.parts) < MIN_PARTS or piece.metre not in BAR_STEPS:
        return []
    return [_performance(piece, factor) for factor in FACTORS]


def _performance(piece: Piece, factor: Fraction) -> Performance:
    bar_steps = BAR_STEPS[piece.metre]
    bar = Fraction(bar_steps, 4)
    starts = [b * factor for b in piece.bar_starts]
    pickup = starts[1] - starts[0]
    first = pickup % bar
    notes = []
    for part in piece.parts:
        for start, length, pitch in part:
            if not performance.MIN_PITCH <= pitch <= performance.MAX_PITCH:
                continue
            at = start * factor
            step = int(((at - first) % bar) * 4)
            on_grid = (at * 4).denominator == 1
            velocity = performance.metrical_velocity(step, bar_steps) if on_grid else 65
            notes.append(Note(at, length * factor, pitch, velocity))
    end = max(note.end for note in notes)
    tokens = performance.encode(Phrase(tuple(notes), end))
    is_shift = (tokens >= performance.SHIFT) & (tokens < performance.VELOCITY)
    passed = np.cumsum(np.where(is_shift, tokens - performance.SHIFT + 1, 0))
    before = np.concatenate([[0], passed[:-1]])
    ticks = [int((first + n * bar) * performance.TICKS_PER_BEAT) for n in range(int((end - first) / bar))]
    bar_indices = np.unique(np.searchsorted(before, [0, *ticks]))
    pitches = [note.pitch for note in notes]
    low = max(TRANSPOSE[0], performance.MIN_PITCH - min(pitches))
    high = min(TRANSPOSE[-1], performance.MAX_PITCH - max(pitches))
    return Performance(tokens, bar_indices[bar_indices < len(tokens)], low, high)


def transposed(tokens: NDArray[np.int32], semitones: int, louder: int = 0) -> NDArray[np.int32]:
    """Return the events `semitones` higher and `louder` velocity classes louder."""
    pitched = (tokens >= performance.NOTE_ON) & (tokens < performance.SHIFT)
    loud = tokens >= performance.VELOCITY
    return np.asarray(tokens + pitched * semitones + loud * louder, dtype=np.int32)


def window(tokens: NDArray[np.int32], start: int, length: int) -> NDArray[np.int32]:
    """Return `length` events from `start`, padded with PAD; a piece that ends inside says so with EOS."""
    row = np.full(length, performance.PAD, dtype=np.int32)
    found = tokens[start : start + length]
    row[: len(found)] = found
    if len(found) < length:
        row[len(found)] = performance.EOS
    return row


def held_out(pieces: list[Performance], length: int) -> NDArray[np.int32]:
    """Return the pieces cut into consecutive windows, untransposed: (n_windows, length + 1).

    A short rest at a piece's end is left out; where all pieces are as short as that, each is a window.
    """
    rows = [
        window(piece.tokens, start, length + 1)
        for piece in pieces
        for start in range(0, len(piece.tokens), length)
        if len(piece.tokens) - start > length // 4
    ] or [window(piece.tokens, 0, length + 1) for piece in pieces]
    return np.stack(rows)

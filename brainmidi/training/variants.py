"""Variants of melodies for training: bars newly paired, other steps of the same scale, other octaves.

The tonic stays C and the notes stay in the scale, so that a model trained on variants still knows its key.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import melody

#: Chance of a row to take its second bar from another row of the piece, to move along its scale, to move by an octave.
PAIRED, MOVED, OCTAVE = 0.4, 0.3, 0.15
#: Degrees of the scale that a row moves by, up or down.
MOST_DEGREES = 3
#: Lowest and highest pitch that a variant may reach.
RANGE = (48, 96)
_SCALES = np.array([[0, 2, 4, 5, 7, 9, 11], [0, 2, 3, 5, 7, 8, 10]])


def augmented(tokens: NDArray[np.uint8], piece: NDArray[np.int32], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a variant of each row, for training alone: held-out rows stay as they were written.

    Parameters
    ----------
    tokens : ndarray of uint8, shape (n, 32)
        Classes of :mod:`brainmidi.codec.melody`; the more rows of a piece are given, the more pairs there are.
    piece : ndarray of int32, shape (n,)
        The piece of each row.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    ndarray of uint8, shape (n, 32)
        The array given is not changed.
    """
    bar = tokens.shape[1] // 2
    order = np.lexsort((rng.random(len(piece)), piece))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, -1)  # the next row of the piece, in a random order of its rows
    # A bar that begins with a held note would hold this row's last note.
    fits = (piece[partner] == piece) & (tokens[partner, bar] != melody.NO_EVENT) & (rng.random(len(piece)) < PAIRED)
    second = np.where(fits, partner, np.arange(len(piece)))
    paired = np.concatenate([tokens[:, :bar], tokens[second, bar:]], axis=1)
    return _within(paired, _octave(_along_scale(paired, rng), rng))


def _along_scale(tokens: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Move rows by degrees of the scale, major or natural minor, that holds more of their notes."""
    pitch_class = (tokens.astype(int) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH) % 12
    is_note = tokens >= melody.FIRST_PITCH_CLASS
    held = [(np.isin(pitch_class, scale) & is_note).sum(axis=1) for scale in _SCALES]
    mode = (held[1] > held[0]).astype(int)
    degrees = rng.integers(-MOST_DEGREES, MOST_DEGREES + 1, len(tokens))
    degrees[rng.random(len(tokens)) >= MOVED] = 0
    return np.asarray(_TABLES[mode[:, None], (degrees + MOST_DEGREES)[:, None], tokens], dtype=np.uint8)


def _tables() -> NDArray[np.uint8]:
    """Return the token that each token becomes, shape (scales, degrees, 90); out of range it stays 0."""
    tables = np.zeros((len(_SCALES), 2 * MOST_DEGREES + 1, melody.N_CLASSES), dtype=np.uint8)
    tables[..., melody.NOTE_OFF] = melody.NOTE_OFF
    for mode, scale in enumerate(_SCALES):
        ladder = np.array([12 * octave + tone for octave in range(11) for tone in scale])
        for token in range(melody.FIRST_PITCH_CLASS, melody.N_CLASSES):
            pitch = token - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH
            rung = int(np.searchsorted(ladder, pitch, side="right")) - 1
            raised = pitch - ladder[rung]  # a chromatic tone goes with the scale tone below it
            for n, degree in enumerate(range(-MOST_DEGREES, MOST_DEGREES + 1)):
                moved = int(ladder[rung + degree]) + raised if degree else pitch
                if melody.MIN_PITCH <= moved <= melody.MAX_PITCH:
                    tables[mode, n, token] = moved - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
    return tables


_TABLES = _tables()


def _octave(tokens: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    shift = rng.choice([-12, 12], len(tokens)) * (rng.random(len(tokens)) < OCTAVE)
    moved = tokens.astype(int) + shift[:, None]
    return np.where(tokens >= melody.FIRST_PITCH_CLASS, np.clip(moved, 2, 89), tokens).astype(np.uint8)


def _within(tokens: NDArray[np.uint8], variants: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the variants that stay in range, and the rows as they were for the others."""
    pitch = variants.astype(int) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH
    is_note = variants >= melody.FIRST_PITCH_CLASS
    inside = ~is_note | ((pitch >= RANGE[0]) & (pitch <= RANGE[1]))
    whole = (tokens >= melody.FIRST_PITCH_CLASS) == is_note
    return np.where((inside & whole).all(axis=1)[:, None], variants, tokens)

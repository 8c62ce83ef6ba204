"""Variants of basses for training: bars newly paired, other rhythms, other keys, with the chords that go with them.

The basses that may be used freely are those of chorales, which walk in quarters. A band wants livelier ones as well, so
the same notes are also given in the rhythms of song accompaniments.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords, melody
from brainmidi.training.basslines import N_STEPS

Tokens = NDArray[np.uint8]

#: Lowest and highest pitch that a transposed bass may reach (C1..E4).
RANGE = (24, 64)
PAIRED = 0.5
TRANSPOSED = 0.5
OCTAVE = 0.25
#: Share of rows in each rhythm: as written, struck again on the beats, on the eighths, with the second eighth an octave
#: higher, cut short of the next beat, and with nothing between the beats.
RHYTHMS = (0.5, 0.1, 0.12, 0.12, 0.08, 0.08)
#: Chance of each beat of the bar to take part in the rhythm.
BEAT = 0.8


def augmented(
    tokens: Tokens, classes: Tokens, piece: NDArray[np.int32], rng: np.random.Generator
) -> tuple[Tokens, Tokens]:
    """Return a variant of each row, for training alone: held-out rows stay as they were written.

    Half of the rows take their second bar, with its chords, from another row of the same piece among those given, where
    that bar begins with an event of its own. Half get another rhythm (:data:`RHYTHMS`), the same in both bars. Half are
    transposed by -5..6 semitones and a quarter by an octave, chords with them, where :data:`RANGE` allows it.

    Parameters
    ----------
    tokens, classes : ndarray of uint8, shape (n, 32)
        `tokens` and `chords` of :class:`~brainmidi.training.basslines.BassExamples`: a batch, or better a whole split,
        in which more rows find a partner.
    piece : ndarray of int32, shape (n,)
        The piece of each row.
    rng : numpy.random.Generator
        Source of chance.

    Returns
    -------
    tuple of two ndarrays of uint8, shape (n, 32)
        Tokens and chord classes; the arrays given are not changed.
    """
    tokens, classes = _paired(tokens, classes, piece, rng)
    return _moved(_rhythm(tokens, rng), classes, rng)


def _paired(
    tokens: Tokens, classes: Tokens, piece: NDArray[np.int32], rng: np.random.Generator
) -> tuple[Tokens, Tokens]:
    bar = N_STEPS // 2
    order = np.lexsort((rng.random(len(piece)), piece))
    partner = np.empty_like(order)
    partner[order] = np.roll(order, -1)  # the next row of the piece, in a random order of its rows
    # A bar that begins with a held note would hold this row's last note into foreign harmony.
    begins = tokens[partner, bar] != melody.NO_EVENT
    fits = (piece[partner] == piece) & begins & (rng.random(len(piece)) < PAIRED)
    second = np.where(fits, partner, np.arange(len(piece)))
    return (
        np.concatenate([tokens[:, :bar], tokens[second, bar:]], axis=1),
        np.concatenate([classes[:, :bar], classes[second, bar:]], axis=1),
    )


def _rhythm(tokens: Tokens, rng: np.random.Generator) -> Tokens:
    steps = np.arange(N_STEPS)
    place = steps % 4  # sixteenth of the beat
    # The last event up to a step says what sounds there.
    last = np.maximum.accumulate(np.where(tokens != melody.NO_EVENT, steps, -1), axis=1)
    sounding = np.where(last >= 0, np.take_along_axis(tokens, np.maximum(last, 0), axis=1), melody.NOTE_OFF)
    is_note = sounding >= melody.FIRST_PITCH_CLASS
    held = is_note & (tokens == melody.NO_EVENT)
    octave = np.where(sounding + 12 <= RANGE[1] - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS, sounding + 12, sounding)
    next_begins = np.roll(tokens, -1, axis=1) >= melody.FIRST_PITCH_CLASS
    beats = np.where(held & (place == 0), sounding, tokens)
    variants = [
        tokens,
        beats,
        np.where(held & (place == 2), sounding, beats),
        np.where(held & (place == 2), octave, beats),
        np.where(held & (place == 3) & next_begins, melody.NOTE_OFF, tokens),
        np.where(is_note[:, steps - place] & (place > 0), melody.NO_EVENT, tokens),
    ]
    style = rng.choice(len(RHYTHMS), size=(len(tokens), 1), p=RHYTHMS)
    takes_part = np.tile(np.repeat(rng.random((len(tokens), 4)) < BEAT, 4, axis=1), 2)
    return np.where(takes_part, np.choose(style, variants), tokens).astype(np.uint8)


def _moved(tokens: Tokens, classes: Tokens, rng: np.random.Generator) -> tuple[Tokens, Tokens]:
    n = len(tokens)
    shift = np.where(rng.random(n) < TRANSPOSED, rng.integers(-5, 7, n), 0)
    shift += np.where(rng.random(n) < OCTAVE, rng.choice([-12, 12], n), 0)
    is_note = tokens >= melody.FIRST_PITCH_CLASS
    pitches = tokens.astype(np.int32) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH
    lowest = np.where(is_note, pitches, 127).min(axis=1)
    highest = np.where(is_note, pitches, 0).max(axis=1)
    shift = np.where((lowest + shift >= RANGE[0]) & (highest + shift <= RANGE[1]), shift, 0)[:, None]
    return np.where(is_note, tokens + shift, tokens).astype(np.uint8), chords.transpose(classes, shift).astype(np.uint8)

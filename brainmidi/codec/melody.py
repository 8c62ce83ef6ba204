"""Melodies as MusicVAE's categorical events: one token a sixteenth, 90 classes.

Class 0 is "no event" (the note goes on, or the silence does), 1 is note-off, and 2..89 start MIDI pitches 21..108
(Roberts et al. 2018, "A Hierarchical Latent Vector Model for Learning Long-Term Structure in Music", section 4.1;
the classes are those of Magenta's cat-mel configurations).
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import CodecError
from brainmidi.types import Note, Phrase

NO_EVENT = 0
NOTE_OFF = 1
FIRST_PITCH_CLASS = 2
MIN_PITCH = 21
MAX_PITCH = 108
N_CLASSES = FIRST_PITCH_CLASS + MAX_PITCH - MIN_PITCH + 1
STEP = Fraction(1, 4)


def quantise(phrase: Phrase) -> Phrase:
    """Return the phrase as one voice on the sixteenth grid: what :func:`decode` of its tokens gives.

    Onsets go to the nearest step (halves up); of notes that start together the highest stays; a note is cut where the
    next begins and lasts at least one step. A length that is no whole number of steps is refused.

    Raises
    ------
    CodecError
        If a pitch lies outside 21..108 or the phrase's length is not a multiple of a sixteenth.
    """
    n_steps = _steps(phrase.length)
    onsets: dict[int, Note] = {}
    for note in phrase.notes:
        if not MIN_PITCH <= note.pitch <= MAX_PITCH:
            raise CodecError(f"pitch {note.pitch} is outside {MIN_PITCH}..{MAX_PITCH}; transpose the melody into range")
        step = _nearest(note.start)
        if step < n_steps and (step not in onsets or note.pitch > onsets[step].pitch):
            onsets[step] = note
    starts = sorted(onsets)
    notes = []
    for step, following in pairwise([*starts, n_steps]):
        note = onsets[step]
        end = min(max(_nearest(note.end), step + 1), following)
        notes.append(Note(step * STEP, (end - step) * STEP, note.pitch))
    return Phrase(tuple(notes), phrase.length)


def encode(phrase: Phrase) -> NDArray[np.int32]:
    """Return one token for each sixteenth of the phrase.

    Returns
    -------
    ndarray of int32, shape (n_steps,)
        Classes 0..89.
    """
    grid = quantise(phrase)
    tokens = np.full(_steps(phrase.length), NO_EVENT, dtype=np.int32)
    for note in grid.notes:
        end = int(note.end / STEP)
        if end < len(tokens):
            tokens[end] = NOTE_OFF
    for note in grid.notes:
        tokens[int(note.start / STEP)] = note.pitch - MIN_PITCH + FIRST_PITCH_CLASS
    return tokens


def decode(tokens: Sequence[int] | NDArray[np.integer], velocity: int = 80, part: str = "melody") -> Phrase:
    """Return the phrase that the tokens spell; every row of classes spells one.

    A hold before the first note is silence, a note-off in silence says nothing, and a note still sounding at the end
    stops there.
    """
    notes: list[Note] = []
    pitch: int | None = None
    start = 0

    def close(step: int) -> None:
        if pitch is not None:
            notes.append(Note(_beats(start), _beats(step - start), pitch, velocity, part))

    for step, token in enumerate(np.asarray(tokens).tolist()):
        if not 0 <= token < N_CLASSES:
            raise CodecError(f"token {token} is outside 0..{N_CLASSES - 1}; this is not a melody of 90 classes")
        if token == NO_EVENT:
            continue
        close(step)
        pitch, start = (None, 0) if token == NOTE_OFF else (token - FIRST_PITCH_CLASS + MIN_PITCH, step)
    close(len(tokens))
    return Phrase(tuple(notes), _beats(len(tokens)))


@cache
def _beats(steps: int) -> Fraction:
    """Return the length of so many sixteenths."""
    return steps * STEP


def _nearest(beat: Fraction) -> int:
    """Return the step nearest to `beat`, halves up."""
    return int((beat / STEP + Fraction(1, 2)) // 1)


def _steps(length: Fraction) -> int:
    steps = length / STEP
    if steps.denominator != 1 or steps <= 0:
        raise CodecError(f"length {length} beats is not a whole number of sixteenths; cut the phrase at a grid line")
    return int(steps)

"""Drums as MusicVAE's categorical events: one token a sixteenth, a bit for each of nine drums.

Bit k of a token says that class k is struck on that step, so that 512 tokens name every combination (Roberts et al.
2018, "A Hierarchical Latent Vector Model for Learning Long-Term Structure in Music", section 4.1). The classes, and the
General MIDI pitches that each gathers, are note_seq's and those of Magenta's drum configurations.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import CodecError
from brainmidi.types import BoolArray, Note, Phrase

#: The pitches that each class of drum gathers; the first is the one that decoding plays.
Kit = tuple[tuple[int, ...], ...]

NAMES = ("kick", "snare", "closed hi-hat", "open hi-hat", "low tom", "mid tom", "high tom", "crash", "ride")
KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = range(len(NAMES))
#: All of General MIDI's percussion on nine drums: what the categorical and the small NADE configuration read.
REDUCED: Kit = (
    (36, 35),
    (38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
    (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 22),
    (46, 67, 72, 74, 79, 81, 26),
    (45, 29, 41, 43, 61, 64, 84),
    (48, 47, 60, 63, 77, 86, 87),
    (50, 30, 62, 76, 83),
    (49, 52, 55, 57, 58),
    (51, 53, 59, 82),
)
#: The same nine drums as a Roland TD-11 sends them: what the Groove MIDI Dataset was played on.
ROLAND: Kit = (
    (36,),
    (38, 37, 40),
    (42, 22, 44),
    (46, 26),
    (43, 58),
    (47, 45),
    (50, 48),
    (49, 52, 55, 57),
    (51, 53, 59),
)
#: Every percussion pitch of General MIDI a class of its own, in Magenta's order: what ``nade-drums_2bar_full`` reads.
FULL: Kit = tuple(
    (pitch,)
    for row in (
        (36, 35, 38, 27, 28, 31, 32, 33, 34, 37, 39, 40, 56, 65, 66, 75, 85),
        (42, 44, 54, 68, 69, 70, 71, 73, 78, 80, 46, 67, 72, 74, 79, 81),
        (45, 29, 41, 61, 64, 84, 48, 47, 60, 63, 77, 86, 87, 50, 30, 43, 62, 76, 83),
        (49, 55, 57, 58, 51, 52, 53, 59, 82),
    )
    for pitch in row
)
N_DRUMS = len(REDUCED)
N_CLASSES = 2**N_DRUMS
STEP = Fraction(1, 4)
VELOCITY = 80
PART = "drums"


def quantise(phrase: Phrase, kit: Kit = REDUCED) -> Phrase:
    """Return the phrase on the sixteenth grid: what :func:`decode` of its tokens gives.

    Onsets go to the nearest step (halves up), a hit that would fall on the phrase's end is left out, every hit lasts
    one step and sounds as the first pitch of its class. Pitches of no class are left out, as Magenta leaves them out.

    Raises
    ------
    CodecError
        If the phrase's length is not a multiple of a sixteenth.
    """
    class_of = classes(kit)
    n_steps = steps(phrase.length)
    struck = {
        (nearest_step(note.start), class_of[note.pitch])
        for note in phrase.notes
        if note.pitch in class_of and nearest_step(note.start) < n_steps
    }
    return Phrase(tuple(Note(step * STEP, STEP, kit[k][0], VELOCITY, PART) for step, k in struck), phrase.length)


def strikes(phrase: Phrase, kit: Kit = REDUCED) -> BoolArray:
    """Return which class is struck on which sixteenth.

    Returns
    -------
    ndarray of bool, shape (n_steps, n_classes)
        `n_classes` is 9 for :data:`REDUCED` and :data:`ROLAND`, 61 for :data:`FULL`.
    """
    class_of = classes(kit)
    bits = np.zeros((steps(phrase.length), len(kit)), dtype=bool)
    for note in quantise(phrase, kit):
        bits[int(note.start / STEP), class_of[note.pitch]] = True
    return bits


def strike(bits: NDArray[np.generic], kit: Kit = REDUCED, velocity: int = VELOCITY) -> Phrase:
    """Return the phrase that strikes the drums of `bits` (n_steps, n_classes), each for one step."""
    hits = np.argwhere(np.asarray(bits, dtype=bool)).tolist()
    pitches = [pitches[0] for pitches in kit]
    return Phrase(tuple([_hit(step, pitches[k], velocity) for step, k in hits]), beat_of(len(bits)))


@lru_cache(maxsize=2**14)
def _hit(step: int, pitch: int, velocity: int) -> Note:
    """Return a hit on a sixteenth: drums strike the same few again and again, and phrases may share a note."""
    return Note(beat_of(step), STEP, pitch, velocity, PART)


@cache
def beat_of(step: int) -> Fraction:
    """Return the beat on which a sixteenth begins."""
    return step * STEP


def encode(phrase: Phrase, kit: Kit = REDUCED) -> NDArray[np.int32]:
    """Return one token for each sixteenth of the phrase.

    Parameters
    ----------
    phrase : Phrase
    kit : tuple of tuples of int
        Nine classes of pitches: :data:`REDUCED`, or :data:`ROLAND` for what a Roland kit sent.

    Returns
    -------
    ndarray of int32, shape (n_steps,)
        0 (nothing is struck) to 511.
    """
    return pack(strikes(phrase, kit))


def decode(tokens: Sequence[int] | NDArray[np.integer], velocity: int = VELOCITY) -> Phrase:
    """Return the phrase that the tokens spell; every row of tokens spells one."""
    return strike(unpack(tokens), velocity=velocity)


def pack(bits: NDArray[np.generic]) -> NDArray[np.int32]:
    """Return the token (...) of each set of nine bits (..., 9)."""
    weights = 1 << np.arange(N_DRUMS, dtype=np.int32)
    return np.asarray(np.asarray(bits, dtype=bool) @ weights, dtype=np.int32)


def unpack(tokens: Sequence[int] | NDArray[np.integer]) -> BoolArray:
    """Return the nine bits (..., 9) of each token (...).

    Raises
    ------
    CodecError
        If a token lies outside 0..511.
    """
    rows = np.asarray(tokens, dtype=np.int64)
    wrong = rows[(rows < 0) | (rows >= N_CLASSES)]
    if len(wrong):
        raise CodecError(f"token {wrong[0]} is outside 0..{N_CLASSES - 1}; these are not drums of {N_DRUMS} classes")
    return np.asarray(rows[..., None] >> np.arange(N_DRUMS) & 1, dtype=bool)


def roll(tokens: Sequence[int] | NDArray[np.integer]) -> NDArray[np.float32]:
    """Return what the encoder reads for `tokens` (...): nine bits and the flag of an empty step, shape (..., 10)."""
    return flagged(unpack(tokens))


def flagged(bits: NDArray[np.generic]) -> NDArray[np.float32]:
    """Return `bits` (..., n_classes) with a last column that is 1 where nothing is struck: (..., n_classes + 1)."""
    struck = np.asarray(bits, dtype=bool)
    return np.concatenate([struck, ~struck.any(axis=-1, keepdims=True)], axis=-1).astype(np.float32)


def classes(kit: Kit) -> dict[int, int]:
    """Return the class of each pitch that `kit` knows."""
    return {pitch: k for k, pitches in enumerate(kit) for pitch in pitches}


def nearest_step(beat: Fraction) -> int:
    """Return the sixteenth nearest to `beat`, halves up."""
    return int((beat / STEP + Fraction(1, 2)) // 1)


def steps(length: Fraction) -> int:
    """Return how many sixteenths a phrase of `length` beats has.

    Raises
    ------
    CodecError
        If it is no whole number of them.
    """
    n_steps = length / STEP
    if n_steps.denominator != 1 or n_steps <= 0:
        raise CodecError(f"length {length} beats is not a whole number of sixteenths; cut the phrase at a grid line")
    return int(n_steps)

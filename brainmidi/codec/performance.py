"""Performances as events: note-on, note-off, time shifts, velocities, in Magenta's 310 ids or the papers' 388.

Score time is written at 125 beats a minute, where a sixteenth is exactly 12 shifts of 10 ms, so that bars and triplets
stay on the grid; performed time is :mod:`brainmidi.codec.played`. The ids are those of
:mod:`brainmidi.codec.performanceids`; the names of this module are Magenta's.

On one instant the order is canonical: note-offs from the lowest pitch, then for each note-on from the highest pitch a
velocity if it changed. The highest voice is thus known before the ones below it are chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import performanceevents
from brainmidi.codec.performanceevents import DEFAULT_VELOCITY, TickNote, settle, spell
from brainmidi.codec.performanceids import (
    EOS,
    MAGENTA,
    MAX_SHIFT,
    N_VELOCITIES,
    PAD,
    PAPER,
    VELOCITY_BIN,
    Vocabulary,
)
from brainmidi.types import Note, Phrase

__all__ = [
    "DEFAULT_VELOCITY",
    "EOS",
    "MAGENTA",
    "MAX_PITCH",
    "MAX_SHIFT",
    "MIN_PITCH",
    "NOTE_OFF",
    "NOTE_ON",
    "N_CLASSES",
    "N_VELOCITIES",
    "PAD",
    "PAPER",
    "SHIFT",
    "TICKS_PER_BEAT",
    "TICKS_PER_SIXTEENTH",
    "VELOCITY",
    "VELOCITY_BIN",
    "Grammar",
    "Vocabulary",
    "decode",
    "encode",
    "metrical_velocity",
    "note_off",
    "note_on",
    "quantise",
    "shift",
    "shifts",
    "velocity_token",
]

MIN_PITCH, MAX_PITCH = MAGENTA.min_pitch, MAGENTA.max_pitch
NOTE_ON, NOTE_OFF, SHIFT, VELOCITY = MAGENTA.note_on, MAGENTA.note_off, MAGENTA.shift, MAGENTA.velocity
N_CLASSES = MAGENTA.n_classes
TICKS_PER_BEAT = 48
TICKS_PER_SIXTEENTH = TICKS_PER_BEAT // 4

note_on = MAGENTA.on
note_off = MAGENTA.off
velocity_token = MAGENTA.loudness
shifts = MAGENTA.wait


def shift(ticks: int) -> int:
    """Return Magenta's id that lets 1..100 ticks pass."""
    return SHIFT + ticks - 1


def metrical_velocity(step: int, bar_steps: int) -> int:
    """Return the accent that a sixteenth of the bar carries, as a MIDI velocity.

    Performance events have no bar lines. The shipped model is trained on scores played with these accents, so that
    loudness tells it where in the bar it is.
    """
    if step == 0:
        return 93
    if bar_steps % 8 == 0 and step == bar_steps // 2:
        return 85
    if step % 4 == 0:
        return 81
    return 73 if step % 2 == 0 else 65


def quantise(phrase: Phrase, part: str = "accompaniment", vocabulary: Vocabulary = MAGENTA) -> Phrase:
    """Return the phrase on the tick grid, as :func:`decode` of its tokens gives it.

    Times go to the nearest tick (halves up); the rest is :func:`brainmidi.codec.performanceevents.settle`.

    Raises
    ------
    CodecError
        If a pitch has no id.
    """
    return _phrase(_settled(phrase, vocabulary), _ticks(phrase.length), part)


def encode(phrase: Phrase, vocabulary: Vocabulary = MAGENTA) -> NDArray[np.int32]:
    """Return the ids that spell the phrase, up to its end.

    Returns
    -------
    ndarray of int32, shape (n_events,)
    """
    return spell(_settled(phrase, vocabulary), _ticks(phrase.length), vocabulary)


def decode(
    tokens: Sequence[int] | NDArray[np.integer], part: str = "accompaniment", vocabulary: Vocabulary = MAGENTA
) -> Phrase:
    """Return the phrase that the ids spell; its length is the time that they let pass.

    Every row of ids spells one: a note-off in silence says nothing, a pitch struck again ends its earlier note, a note
    ended on the instant it began is dropped, notes still sounding stop at the end.
    """
    grammar = Grammar(vocabulary)
    for token in tokens:
        grammar.push(int(token))
    return grammar.phrase(part)


class Grammar(performanceevents.Grammar):
    """The grammar of events, read in score time."""

    def phrase(self, part: str = "accompaniment") -> Phrase:
        """Return the notes so far; those that still sound stop now."""
        return _phrase(self.notes(), self.tick, part)


def _settled(phrase: Phrase, vocabulary: Vocabulary) -> list[TickNote]:
    notes = ((_ticks(note.start), _ticks(note.end), note.pitch, note.velocity) for note in phrase.notes)
    return settle(notes, _ticks(phrase.length), vocabulary)


def _phrase(notes: Iterable[TickNote], length: int, part: str) -> Phrase:
    return Phrase(
        tuple(Note(_beats(start), _beats(end - start), pitch, velocity, part) for start, end, pitch, velocity in notes),
        _beats(length),
    )


def _ticks(beat: Fraction) -> int:
    """Return the tick nearest to `beat`, halves up."""
    return int((beat * TICKS_PER_BEAT + Fraction(1, 2)) // 1)


def _beats(ticks: int) -> Fraction:
    return Fraction(ticks, TICKS_PER_BEAT)

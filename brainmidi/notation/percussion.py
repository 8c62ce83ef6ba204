"""Drums on the page: hands above and feet below, at the places where drummers read them.

Places and heads are those of Weinberg 1998, "Guidelines for Drumset Notation" (Percussive Notes 36): cymbals have
crosses, drums have plain heads.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from brainmidi.notation.heads import STEPS_PER_BEAT, Head, heads, quantise
from brainmidi.types import Phrase

_FEET = (36,)
#: Step, octave and head of each General MIDI drum, as if the staff had a treble clef.
_PLACES = {
    36: ("F", 4, "normal"),  # kick
    38: ("C", 5, "normal"),  # snare
    42: ("G", 5, "x"),  # closed hi-hat
    46: ("G", 5, "circle-x"),  # open hi-hat
    45: ("A", 4, "normal"),  # low tom
    48: ("D", 5, "normal"),  # mid tom
    50: ("E", 5, "normal"),  # high tom
    49: ("A", 5, "x"),  # crash
    51: ("F", 5, "x"),  # ride
}
_OTHER = ("B", 4, "x")  # any other drum: the middle line


def voices_of(phrase: Phrase) -> list[list[Head]]:
    """Spread a bar of hits over the hands' voice and, where they play, the feet's, each gapless.

    Hits stand on the nearest sixteenth, whatever their timing, and last on paper until the next one of their voice, at
    most to the end of their beat.
    """
    steps = int(phrase.length * STEPS_PER_BEAT)
    struck: tuple[dict[int, set[int]], dict[int, set[int]]] = ({}, {})
    for note in quantise(phrase):
        struck[note.pitch in _FEET].setdefault(int(note.start * STEPS_PER_BEAT), set()).add(note.pitch)
    hands, feet = (_voice(hits, steps) for hits in struck)
    return [hands, feet] if struck[1] and struck[0] else [feet if struck[1] else hands]


def _voice(hits: dict[int, set[int]], steps: int) -> list[Head]:
    found, now = [], 0
    onsets = sorted(hits)
    for begin, following in zip(onsets, [*onsets, steps][1:], strict=True):
        end = min(following, (begin // STEPS_PER_BEAT + 1) * STEPS_PER_BEAT)
        found += [*heads(now, begin), *heads(begin, end, tuple(sorted(hits[begin])))]
        now = end
    return found + heads(now, steps)


def element(head: Head) -> Any:
    """Return the music21 note or chord without pitch that a head of drums shows; feet have their stems down."""
    from music21 import note, percussion

    drawn = []
    for pitch in head.pitches:
        step, octave, shape = _PLACES.get(pitch, _OTHER)
        hit = note.Unpitched(displayName=f"{step}{octave}")
        hit.notehead = shape
        drawn.append(hit)
    sounding = drawn[0] if len(drawn) == 1 else percussion.PercussionChord(drawn)
    sounding.quarterLength = Fraction(head.steps, STEPS_PER_BEAT)
    sounding.stemDirection = "down" if set(head.pitches) <= set(_FEET) else "up"
    return sounding

"""From notes to what a page shows of them: heads, rests and ties on the grid of sixteenths, and spellings."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from brainmidi.types import Note, Phrase

#: Steps of the grid in a beat.
STEPS_PER_BEAT = 4

#: Lengths in steps that one note head can show: sixteenth to whole note, plain or dotted.
_HEADS = (16, 12, 8, 6, 4, 3, 2, 1)
_LETTERS = "FCGDAEB"


@dataclass(frozen=True, slots=True)
class Head:
    """One note head or chord on the page: `pitches` from `step` for `steps`, tied to the next where `tied`.

    A rest has no pitches.
    """

    step: int
    steps: int
    pitches: tuple[int, ...] = ()
    tied: bool = False


def quantise(phrase: Phrase) -> Phrase:
    """Return the phrase with every start and end on the nearest sixteenth, no note shorter than one.

    A note that would begin at the very end of the phrase moves to its last sixteenth.
    """
    last = int(phrase.length * STEPS_PER_BEAT)
    moved = []
    for note in phrase:
        start = min(_nearest(note.start), last - 1)
        end = min(max(_nearest(note.end), start + 1), last)
        length = Fraction(end - start, STEPS_PER_BEAT)
        moved.append(Note(Fraction(start, STEPS_PER_BEAT), length, note.pitch, note.velocity, note.part))
    return Phrase(tuple(moved), phrase.length)


def _nearest(beat: Fraction) -> int:
    return int(beat * STEPS_PER_BEAT + Fraction(1, 2))


def voices_of(phrase: Phrase) -> list[list[Head]]:
    """Spread a bar's notes of one part over as few voices as it takes, each gapless from the first step to the last.

    Notes that begin and end together share a stem; a note goes to the first voice that is free when it begins.
    """
    steps = int(phrase.length * STEPS_PER_BEAT)
    stems: dict[tuple[int, int], set[int]] = {}
    for note in quantise(phrase):
        begin = int(note.start * STEPS_PER_BEAT)
        stems.setdefault((begin, int(note.end * STEPS_PER_BEAT)), set()).add(note.pitch)
    voices: list[list[Head]] = []
    ends: list[int] = []
    for (begin, end), pitches in sorted(stems.items(), key=lambda stem: (stem[0][0], -max(stem[1]))):
        free = next((voice for voice, until in enumerate(ends) if until <= begin), len(ends))
        if free == len(ends):
            voices.append([])
            ends.append(0)
        voices[free] += heads(ends[free], begin)
        voices[free] += heads(begin, end, tuple(sorted(pitches)))
        ends[free] = end
    for voice, until in zip(voices, ends, strict=True):
        voice += heads(until, steps)
    return voices or [heads(0, steps)]


def heads(begin: int, end: int, pitches: tuple[int, ...] = ()) -> list[Head]:
    """Cut a stretch into lengths that a note head can show; off the beat, none reaches across the next beat."""
    found = []
    while begin < end:
        room = end - begin
        off = begin % STEPS_PER_BEAT
        if off and room not in _HEADS[-3:]:
            room = min(room, STEPS_PER_BEAT - off)
        steps = next(head for head in _HEADS if head <= room)
        found.append(Head(begin, steps, pitches, tied=bool(pitches) and begin + steps < end))
        begin += steps
    return found


def spell(pitch: int, sharps: int) -> tuple[str, int, int]:
    """Name a MIDI pitch in a key signature: the spelling nearest to it on the line of fifths.

    Parameters
    ----------
    pitch : int
        MIDI number, 60 being C4.
    sharps : int
        Sharps of the key signature, -7 (flats) to 7.

    Returns
    -------
    tuple of (str, int, int)
        Letter, sharps of the note itself (flats below 0), octave: ``("B", -1, 3)`` is the B flat below middle C.
    """
    # A signature of k sharps has the fifths k-1 .. k+5 (F = -1); three below and two above make the twelve.
    fifth = next(place for place in range(sharps - 4, sharps + 8) if place * 7 % 12 == pitch % 12)
    letter, accidentals = _LETTERS[(fifth + 1) % 7], (fifth + 1) // 7
    return letter, accidentals, (pitch - accidentals) // 12 - 1

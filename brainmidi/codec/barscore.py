"""The words of the bar-aware vocabulary, and the scores that they spell: 220 ids on a grid of sixteenths.

A score is a row of bars of 1..16 sixteenths, each with its chords and the notes of up to three parts. The ids name what
a player thinks in, bar, chord, position, part, pitch, duration, loudness, after REMI (Huang and Yang 2020, "Pop Music
Transformer", whose bar, position and chord events these are) with the duration beside the pitch.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from brainmidi.codec import chords
from brainmidi.errors import CodecError
from brainmidi.types import Note

STYLES = ("any", "bach", "haydn", "mozart", "beethoven", "tunes", "pop")
PARTS = ("melody", "bass", "accompaniment")
#: Sixteenths that a note may last.
DURATIONS = (*range(1, 17), 20, 24, 28, 32, 40, 48, 64)
MAX_BAR = 16
MIN_PITCH = 21
MAX_PITCH = 108
N_PITCHES = MAX_PITCH - MIN_PITCH + 1
VELOCITY_BIN = 8
N_VELOCITIES = 128 // VELOCITY_BIN

PAD = 0
EOS = 1
STYLE = 2
BAR = STYLE + len(STYLES)
CHORD = BAR + MAX_BAR
POSITION = CHORD + chords.N_CLASSES
PART = POSITION + MAX_BAR
PITCH = PART + len(PARTS)
DURATION = PITCH + N_PITCHES
VELOCITY = DURATION + len(DURATIONS)
N_CLASSES = VELOCITY + N_VELOCITIES


@dataclass(frozen=True, slots=True)
class ScoreBar:
    """One bar of a score.

    Parameters
    ----------
    length : int
        Sixteenths, 1..16.
    chords : tuple of (int, int)
        Step (sixteenth of the bar) and class (:mod:`brainmidi.codec.chords`) of each chord, the first at step 0.
    notes : tuple of Note
        Those that begin in the bar, their starts in beats from the bar line; they may sound over it. Kept in order.

    Raises
    ------
    CodecError
        If a value has no word in the vocabulary.
    """

    length: int
    chords: tuple[tuple[int, int], ...]
    notes: tuple[Note, ...] = ()

    def __post_init__(self) -> None:
        bar_token(self.length)
        steps = [step for step, _ in self.chords]
        if steps[:1] != [0] or steps[-1] >= self.length or any(a >= b for a, b in pairwise(steps)):
            raise CodecError(f"chords at steps {steps} do not ascend from 0 to below {self.length}; sort them")
        for _, chord in self.chords:
            chord_token(chord)
        for note in self.notes:
            part_token(note.part)
            pitch_token(note.pitch)
            if 4 * note.start.numerator >= self.length * note.start.denominator:
                raise CodecError(
                    f"a note at beat {note.start} is outside a bar of {self.length} sixteenths; put it into a later bar"
                )
        object.__setattr__(self, "notes", tuple(sorted(self.notes)))


@dataclass(frozen=True, slots=True)
class Score:
    """Bars in a style.

    Parameters
    ----------
    bars : tuple of ScoreBar
    style : str
        One of :data:`STYLES`.
    ended : bool
        Whether the piece ends after the last bar (EOS is said), or is only known up to there.
    """

    bars: tuple[ScoreBar, ...]
    style: str = "any"
    ended: bool = False

    def __post_init__(self) -> None:
        style_token(self.style)


def style_token(name: str) -> int:
    """Return the id of a style of :data:`STYLES`; CodecError for another."""
    if name not in STYLES:
        raise CodecError(f"style {name!r} is unknown; choose from {', '.join(STYLES)}")
    return STYLE + STYLES.index(name)


def bar_token(length: int) -> int:
    """Return the id that begins a bar of 1..16 sixteenths; CodecError for another length."""
    return BAR + _within(length, 1, MAX_BAR, "bar length", "count sixteenths") - 1


def chord_token(chord: int) -> int:
    """Return the id of a chord class 0..48; CodecError for another."""
    return CHORD + _within(chord, 0, chords.N_CLASSES - 1, "chord class", "encode the chord as a triad first")


def position_token(step: int) -> int:
    """Return the id of a step 0..15 of the bar; CodecError for another."""
    return POSITION + _within(step, 0, MAX_BAR - 1, "step", "count sixteenths from the bar line")


def part_token(name: str) -> int:
    """Return the id of a part of :data:`PARTS`; CodecError for another."""
    if name not in PARTS:
        raise CodecError(f"part {name!r} is unknown; choose from {', '.join(PARTS)}")
    return PART + PARTS.index(name)


def pitch_token(midi: int) -> int:
    """Return the id of a pitch 21..108; CodecError for another."""
    return PITCH + _within(midi, MIN_PITCH, MAX_PITCH, "pitch", "transpose it into range") - MIN_PITCH


def duration_token(steps: int) -> int:
    """Return the id of a length of :data:`DURATIONS`, in sixteenths; CodecError for another."""
    if steps not in DURATIONS:
        raise CodecError(f"duration {steps} is not one of {', '.join(map(str, DURATIONS))} sixteenths; quantise it")
    return DURATION + DURATIONS.index(steps)


def velocity_token(midi: int) -> int:
    """Return the id of the class that a velocity 1..127 falls in; CodecError for another."""
    return VELOCITY + _within(midi, 1, 127, "velocity", "scale it into range") // VELOCITY_BIN


def velocity_of(token: int) -> int:
    """Return the MIDI velocity that stands for a velocity id: the middle of its class."""
    return (token - VELOCITY) * VELOCITY_BIN + VELOCITY_BIN // 2


def _within(value: int, low: int, high: int, what: str, remedy: str) -> int:
    if not low <= value <= high:
        raise CodecError(f"{what} {value} is outside {low}..{high}; {remedy}")
    return value

"""A model of bars as the session's second part: told chords, melody and bass, steered by the session's tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from fractions import Fraction

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec import chords as chord_codec
from brainmidi.codec.performance import metrical_velocity
from brainmidi.drivers.barrequest import BarRequest, Report
from brainmidi.drivers.continuation import Continuation
from brainmidi.drivers.steering import PITCHES, TOP_P
from brainmidi.drivers.timedmodel import Memory, StepModel
from brainmidi.models.sampling import Sampling
from brainmidi.music.harmony import Tones
from brainmidi.music.voices import Constraint, Course, Float32Array, Surroundings
from brainmidi.types import Note, Phrase


class TableSteering:
    """The session's tables, a row a sixteenth.

    The second part stays below the melody at every instant, wherever the tables leave it room there: no note is struck
    at or above the melody's, and one that is held ends where the melody comes down to it.

    Parameters
    ----------
    constraint : Constraint
        One row a sixteenth.
    course : Course
        Temperature, and when anything may be struck, at each sixteenth.
    melody : Phrase
        Of the same bar.
    max_voices : int
        Most notes that sound at once.
    """

    def __init__(self, constraint: Constraint, course: Course, melody: Phrase, max_voices: int) -> None:
        self._sampling = [Sampling(float(temperature), top_p=TOP_P) for temperature in course.temperature]
        self._voices, self._onsets = max_voices, course.onset_bias
        self._pitches = np.array(constraint.pitch_bias[:, bars.MIN_PITCH : bars.MAX_PITCH + 1])
        self._waits = np.zeros(len(constraint) + 1, dtype=np.float32)
        self._ceilings = np.full(len(constraint), bars.MAX_PITCH + 1)
        for note in melody:
            for step in range(int(note.start * 4), int(note.end * 4)):
                below = np.where(note.pitch > PITCHES, self._pitches[step], -np.inf)
                if np.isfinite(below).any():
                    self._pitches[step], self._ceilings[step] = below, note.pitch

    def below(self, note: Note) -> Note:
        """Return a note that was struck below the melody, ended where the melody comes down to it."""
        start, end = int(note.start * 4), int(note.end * 4)
        met = np.flatnonzero(self._ceilings[start + 1 : end] <= note.pitch)
        return replace(note, length=Fraction(int(met[0]) + 1, 4)) if met.size else note

    def sampling(self, step: int) -> Sampling:
        """Return the course's."""
        return self._sampling[step]

    def pitches(self, step: int) -> Float32Array:
        """Return the table's row."""
        return np.asarray(self._pitches[step], dtype=np.float32)

    def onset(self, step: int) -> float:
        """Return the course's entry."""
        return float(self._onsets[step])

    def waits(self, step: int) -> Float32Array:
        """Return zeros: the course says all about when."""
        return self._waits

    def voices(self, step: int) -> int:
        """Return the bar's limit."""
        return self._voices

    def onsets(self, step: int) -> int:
        """Return every step of the bar: the table has no other limit."""
        return len(self._onsets)


@dataclass(frozen=True, slots=True)
class Played:
    """What is remembered of the music so far, and how its last bar was made: None before the first."""

    memory: Memory
    report: Report | None = None


class BarAccompaniment:
    """A model of bars as the session sees it; see :class:`brainmidi.music.voices.AccompanimentVoice`.

    Parameters
    ----------
    model : StepModel
        Over the 220 ids of :mod:`brainmidi.codec.bars`.
    style : str
        One of :data:`brainmidi.codec.bars.STYLES`, said before the first bar.

    Raises
    ------
    CodecError
        If the style is unknown.
    """

    def __init__(self, model: StepModel, style: str = "any") -> None:
        self._player, self._style = Continuation(model), style
        bars.style_token(style)

    def initial(self) -> Played:
        """Return the memory of silence."""
        return Played(self._player.initial(self._style))

    def report(self, state: Played) -> Mapping[str, float]:
        """Return tokens, seconds and the share of the time that they took, whether cut short, and mean entropy."""
        return {} if state.report is None else asdict(state.report)

    def continue_bar(
        self,
        state: Played,
        around: Surroundings,
        constraint: Constraint,
        temperature: float,
        velocities: Float32Array,
        rng: np.random.Generator,
        max_voices: int,
    ) -> tuple[Played, Phrase]:
        """Return the new memory and one bar of accompaniment.

        At the deadline, if there is one, the model is asked no more: the bar is what was said by then.

        The model hears the other parts with the accents of the scores that it learnt from, which went by the length of
        a bar alone (6/8 as 3/4), and says its own loudness. What sounds is struck as hard as `velocities` say, and the
        constraint goes by the metre's own pulses.
        """
        steps = len(constraint)
        given = tuple(
            replace(note, velocity=metrical_velocity(int(note.start * 4), steps))
            for note in (*around.melody, *around.bass)
        )
        request = BarRequest(steps, chord_changes(around.tones), given)
        steady = Course(np.full(steps, temperature, dtype=np.float32), constraint.onset_bias)
        steering = TableSteering(constraint, around.course or steady, around.melody, max_voices)
        bar = self._player.next_bar(state.memory, request, steering, rng, around.deadline)
        # A note that the melody cuts short the model remembers as it meant it.
        notes = tuple(
            replace(steering.below(note), velocity=int(np.clip(round(float(velocities[int(note.start * 4)])), 1, 127)))
            for note in bar
        )
        return Played(bar.memory, bar.report), Phrase(notes, around.melody.length)


def chord_changes(tones: Sequence[Tones]) -> tuple[tuple[int, int], ...]:
    """Return step and class of each chord of a bar, the first at step 0."""
    classes = [chord_codec.encode_symbol(now.root, now.chord) for now in tones]
    return tuple((step, now) for step, now in enumerate(classes) if step == 0 or now != classes[step - 1])

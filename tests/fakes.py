"""Voices and sources that stand in for the real ones: deterministic, of numpy alone, and obeying the same protocols."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from brainmidi.errors import SourceError
from brainmidi.music.phrase import MODEL_LENGTH, Anchor, beat_of, phrase_from_steps, step_of
from brainmidi.music.voices import Constraint, Float32Array, VoiceState
from brainmidi.types import Chunk, Marker, Montage, Note, Phrase

_STEPS = 32


class FakeMelody:
    """A "latent" that is the phrase itself, onset and pitch at each of 32 steps: between two is between them."""

    def __init__(self) -> None:
        self.decoded: list[tuple[Float32Array, Phrase | None]] = []

    def encode(self, phrase: Phrase) -> Float32Array:
        z = np.zeros(2 * _STEPS, dtype=np.float32)
        pitch = phrase.notes[0].pitch
        begun = {step_of(note.start): note.pitch for note in phrase}
        for step in range(_STEPS):
            pitch = begun.get(step, pitch)
            z[step], z[_STEPS + step] = float(step in begun), pitch / 128
        return z

    def between(self, calm: Float32Array, active: Float32Array, mix: float) -> Float32Array:
        return np.asarray((1 - mix) * calm + mix * active, dtype=np.float32)

    def decode(
        self,
        z: Float32Array,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        self.decoded.append((z, prefix))
        assert len(constraint) == _STEPS
        chance, noise = rng.random(_STEPS), rng.gumbel(size=(_STEPS, 128))
        half = MODEL_LENGTH / 2
        notes = [] if prefix is None else [note for note in prefix if note.start < half]
        onsets: list[tuple[int, int]] = []
        for step in range(0 if prefix is None else _STEPS // 2, _STEPS):
            odds = 6 * (z[step] - 0.5) + constraint.onset_bias[step]
            if not np.isfinite(odds) or chance[step] >= 1 / (1 + np.exp(-odds)):
                continue
            score = -np.abs(np.arange(128) - 128 * z[_STEPS + step]) / 2 + constraint.pitch_bias[step]
            onsets.append((step, int(np.argmax(score + temperature * noise[step]))))
        ends = [*(step for step, _ in onsets[1:]), _STEPS][: len(onsets)]
        notes += [
            Note(beat_of(step), beat_of(end - step), pitch) for (step, pitch), end in zip(onsets, ends, strict=True)
        ]
        return Phrase(tuple(notes), MODEL_LENGTH)


class FakeAccompaniment:
    """Chords on the likeliest steps, near the chord before; remembers how many bars it was asked for."""

    def initial(self) -> VoiceState:
        return ()

    def continue_bar(
        self,
        state: VoiceState,
        melody_bar: Phrase,
        constraint: Constraint,
        temperature: float,
        velocities: Float32Array,
        rng: np.random.Generator,
        max_voices: int,
    ) -> tuple[VoiceState, Phrase]:
        assert isinstance(state, tuple)
        steps = len(constraint)
        chance, noise = rng.random(steps), rng.gumbel(size=(steps, 128))
        onsets: list[tuple[int, list[int]]] = []
        for step in range(steps):
            odds = constraint.onset_bias[step] - 0.5
            if not np.isfinite(odds) or chance[step] >= 1 / (1 + np.exp(-odds)):
                continue
            score = constraint.pitch_bias[step] + temperature * noise[step]
            best = [int(pitch) for pitch in np.argsort(-score)[:max_voices] if np.isfinite(score[pitch])]
            onsets.append((step, best))
        ends = [*(step for step, _ in onsets[1:]), steps][: len(onsets)]
        notes = tuple(
            Note(beat_of(step), beat_of(end - step), pitch, int(velocities[step]), "accompaniment")
            for (step, pitches), end in zip(onsets, ends, strict=True)
            for pitch in pitches
        )
        return (*state, tuple((n.start, n.pitch) for n in melody_bar)), Phrase(notes, Fraction(steps, 4))


class RudeMelody(FakeMelody):
    """A melody that obeys nothing: any pitch, at any step, tied over every bar line."""

    def decode(
        self,
        z: Float32Array,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        starts = np.flatnonzero(rng.random(_STEPS) < 0.4)
        notes = tuple(
            Note(beat_of(int(step)), min(Fraction(3), MODEL_LENGTH - beat_of(int(step))), int(rng.integers(0, 128)))
            for step in starts
        )
        return Phrase(notes, MODEL_LENGTH)


class RudeAccompaniment(FakeAccompaniment):
    """Ten voices at once, any pitch, some of them twice."""

    def continue_bar(
        self,
        state: VoiceState,
        melody_bar: Phrase,
        constraint: Constraint,
        temperature: float,
        velocities: Float32Array,
        rng: np.random.Generator,
        max_voices: int,
    ) -> tuple[VoiceState, Phrase]:
        steps = len(constraint)
        notes = tuple(
            Note(beat_of(step), beat_of(steps - step), int(rng.integers(0, 128)), 90, "accompaniment")
            for step in rng.integers(0, steps, size=10).tolist()
        )
        return state, Phrase((*notes, *notes[:3]), Fraction(steps, 4))


ANCHORS: tuple[Anchor, ...] = (
    Anchor(
        "rise",
        phrase_from_steps([[0, 8, 64], [8, 8, 67], [16, 12, 72]]),
        phrase_from_steps([[s, 2, 64 + p] for s, p in zip(range(0, 32, 2), [0, 1, 3, 5, 7, 8, 7, 5] * 2, strict=True)]),
    ),
    Anchor(
        "fall",
        phrase_from_steps([[0, 8, 76], [8, 8, 72], [16, 16, 67]]),
        phrase_from_steps([[s, 3, 79 - p] for s, p in zip(range(0, 32, 4), [0, 2, 3, 5, 7, 8, 10, 12], strict=True)]),
    ),
)


class FakeSource:
    """A made-up recording of two channels at 128 Hz: alpha that is strong in every other `period_s`, and markers.

    `known_end` says whether it tells its duration, as recordings do and boards do not; `fails_at_s` makes it break.
    """

    simulated = True
    name = "fake"

    def __init__(
        self, seconds: float = 30.0, *, period_s: float = 8.0, known_end: bool = True, fails_at_s: float = np.inf
    ) -> None:
        self.montage = Montage(("O1", "O2"), 128.0)
        self._time_s = np.arange(int(seconds * 128)) / 128
        calm = (self._time_s // period_s) % 2
        alpha = (5 + 25 * calm) * np.sin(2 * np.pi * 10 * self._time_s)
        noise = np.random.Generator(np.random.Philox(key=[1, 2])).normal(0, 4, (len(self._time_s), 2))
        self._samples_uv = noise + alpha[:, None]
        self._fails_at_s = fails_at_s
        self._next = 0
        if known_end:
            self.duration_s = seconds

    def start(self) -> None:
        self._next = 0

    def read(self, until_s: float) -> Chunk | None:
        if until_s > self._fails_at_s:
            raise SourceError("the fake cable was pulled; plug it in")
        if self._next >= len(self._time_s):
            return None
        stop = max(self._next, int(np.searchsorted(self._time_s, until_s)))
        rows = slice(self._next, stop)
        self._next = stop
        times = self._time_s[rows]
        markers = [
            Marker(float(t), "target" if round(t) % 5 == 0 else "nontarget") for t in times if t == round(t) and t > 0
        ]
        return Chunk(self._samples_uv[rows], times, self.montage, tuple(markers))

    def stop(self) -> None:
        self._next = len(self._time_s)

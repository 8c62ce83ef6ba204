"""Voices and sources that stand in for the real ones: deterministic, of numpy alone, and obeying the same protocols."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from brainmidi.errors import SourceError
from brainmidi.music.drums import KIT
from brainmidi.music.harmony import Tones
from brainmidi.music.phrase import MODEL_LENGTH, Anchor, beat_of, phrase_from_steps, step_of
from brainmidi.music.voices import Constraint, Float32Array, Surroundings, VoiceState
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
        around: Surroundings,
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
        return (*state, tuple((n.start, n.pitch) for n in around.melody)), Phrase(notes, Fraction(steps, 4))


class FakeBass(FakeMelody):
    """The fake melody's latent; it must be told 32 steps of chords, and remembers them."""

    def __init__(self) -> None:
        super().__init__()
        self.chords: list[tuple[Tones, ...]] = []

    def encode(self, phrase: Phrase, chords: Sequence[Tones]) -> Float32Array:
        assert len(chords) == _STEPS
        assert all(note.part == "bass" for note in phrase)
        return super().encode(phrase)

    def decode(
        self,
        z: Float32Array,
        chords: Sequence[Tones],
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        assert len(chords) == _STEPS
        self.chords.append(tuple(chords))
        sung = super().decode(z, constraint, temperature, rng, prefix)
        return Phrase(tuple(replace(note, part="bass") for note in sung), sung.length)


class FakeDrums:
    """A "latent" that is the pattern itself, a number for each drum at each of 32 steps; a drummer who sways."""

    def __init__(self) -> None:
        self.decoded: list[tuple[Float32Array, Float32Array, Phrase | None]] = []

    def encode(self, phrase: Phrase) -> Float32Array:
        assert all(note.part == "drums" for note in phrase)
        z = np.zeros((_STEPS, len(KIT)), dtype=np.float32)
        for note in phrase:
            z[step_of(note.start), KIT.index(note.pitch)] = 1.0
        return z.reshape(-1)

    def between(self, calm: Float32Array, active: Float32Array, mix: float) -> Float32Array:
        return np.asarray((1 - mix) * calm + mix * active, dtype=np.float32)

    def decode(
        self,
        z: Float32Array,
        onset_bias: Float32Array,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        self.decoded.append((z, onset_bias, prefix))
        assert onset_bias.shape == (_STEPS,)
        odds = 8 * (z.reshape(_STEPS, -1) - 0.5) + onset_bias[:, None] + temperature * rng.logistic(size=(_STEPS, 9))
        start = 0 if prefix is None else _STEPS // 2
        notes = [] if prefix is None else list(prefix.notes)
        notes += [Note(beat_of(s), beat_of(1), KIT[d], 80, "drums") for s, d in np.argwhere(odds > 0) if s >= start]
        return Phrase(tuple(notes), MODEL_LENGTH)

    def humanise(self, phrase: Phrase, amount: float, rng: np.random.Generator) -> Phrase:
        hits = []
        for note in phrase:
            sway = Fraction(round(amount * int(rng.integers(-11, 12))), 96)
            start = max(Fraction(0), note.start + sway)
            length = min(note.length, phrase.length - start)
            hits.append(replace(note, start=start, length=length, velocity=int(rng.integers(30, 120))))
        return Phrase(tuple(hits), phrase.length)


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
        around: Surroundings,
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


class RudeBass(FakeBass):
    """A bass that is called by the wrong name, and obeys no more than the rude melody."""

    def decode(
        self,
        z: Float32Array,
        chords: Sequence[Tones],
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        return RudeMelody().decode(z, constraint, temperature, rng, prefix)


class RudeDrums(FakeDrums):
    """Any pitch, off the grid, longer than the bar; played anywhere, and not always what was asked for."""

    def decode(
        self,
        z: Float32Array,
        onset_bias: Float32Array,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        starts = [Fraction(int(tick), 96) for tick in rng.integers(0, 8 * 96, size=40)]
        pitches = [int(pitch) for pitch in rng.integers(30, 60, size=40)]
        notes = (Note(start, MODEL_LENGTH - start, pitch) for start, pitch in zip(starts, pitches, strict=True))
        return Phrase(tuple(notes), MODEL_LENGTH)

    def humanise(self, phrase: Phrase, amount: float, rng: np.random.Generator) -> Phrase:
        kept = [note for note in phrase if rng.random() < 0.8]
        wild = (replace(n, start=Fraction(int(rng.integers(0, 8 * 96)), 96), velocity=127) for n in kept)
        hits = tuple(replace(note, length=MODEL_LENGTH - note.start) for note in wild)
        return Phrase((*hits, *kept), phrase.length)


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


def _pair(name: str, part: str, calm: list[list[int]], active: list[list[int]]) -> Anchor:
    return Anchor(name, phrase_from_steps(calm, part=part), phrase_from_steps(active, part=part))


BASS_ANCHORS: tuple[Anchor, ...] = (
    _pair("pedal", "bass", [[0, 16, 36], [16, 16, 36]], [[step, 2, 36 + step % 8] for step in range(0, 32, 2)]),
    _pair(
        "walk", "bass", [[step, 8, 48 - step // 4] for step in range(0, 32, 8)], [[s, 4, 48] for s in range(0, 32, 4)]
    ),
    _pair("low", "bass", [[0, 32, 33]], [[step, 4, 33 + step // 4] for step in range(0, 32, 4)]),
)
_BEAT = [[step, 1, 38 if step % 8 else 36] for step in range(0, 32, 4)]
DRUM_ANCHORS: tuple[Anchor, ...] = (
    _pair(
        "straight",
        "drums",
        [[step, 1, 51] for step in range(0, 32, 8)],
        [*_BEAT, *([step, 1, 42] for step in range(0, 32, 2))],
    ),
    _pair("toms", "drums", [[0, 1, 36], [16, 1, 36]], [*_BEAT, *([step, 1, 45] for step in range(2, 32, 3))]),
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

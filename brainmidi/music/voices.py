"""What the parts ask of the models: protocols, so that this room never sees a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import MusicError
from brainmidi.music.harmony import Tones
from brainmidi.types import Deadline, Phrase

Float32Array: TypeAlias = NDArray[np.float32]

#: Whatever an accompaniment voice needs to remember; the session only carries it.
VoiceState: TypeAlias = Any


@dataclass(frozen=True, slots=True)
class Constraint:
    """What a model may start when, as additions to its log-odds.

    Parameters
    ----------
    pitch_bias : ndarray of float32, shape (n_steps, 128)
        Added to the log-odds of starting each pitch at each sixteenth step; ``-inf`` forbids.
    onset_bias : ndarray of float32, shape (n_steps,)
        Added to the log-odds of every onset at that step; ``-inf`` forbids all.
    """

    pitch_bias: Float32Array
    onset_bias: Float32Array

    def __post_init__(self) -> None:
        pitch = np.ascontiguousarray(self.pitch_bias, dtype=np.float32).view()
        onset = np.ascontiguousarray(self.onset_bias, dtype=np.float32).view()
        if pitch.ndim != 2 or pitch.shape != (onset.shape[0], 128):
            raise MusicError(
                f"constraint has shapes {pitch.shape} and {onset.shape}, (n_steps, 128) and (n_steps,) are needed; "
                "give one row a step"
            )
        pitch.flags.writeable = False
        onset.flags.writeable = False
        object.__setattr__(self, "pitch_bias", pitch)
        object.__setattr__(self, "onset_bias", onset)

    def __len__(self) -> int:
        return int(self.onset_bias.shape[0])

    def allows(self, step: int, pitch: int) -> bool:
        """Return whether `pitch` may start at `step`."""
        return bool(np.isfinite(self.pitch_bias[step, pitch]) and np.isfinite(self.onset_bias[step]))

    def allowed(self, step: int) -> tuple[int, ...]:
        """Return the pitches that may sound at `step`, low to high, whether or not an onset may fall there."""
        return tuple(int(pitch) for pitch in np.flatnonzero(np.isfinite(self.pitch_bias[step])))


@dataclass(frozen=True, slots=True, eq=False)
class Course:
    """How the controls move within a bar, from where they stood in the bar before to where they stand now.

    Parameters
    ----------
    temperature : ndarray of float32, shape (n_steps,)
        Sampling temperature at each sixteenth.
    onset_bias : ndarray of float32, shape (n_steps,)
        As :attr:`Constraint.onset_bias`, with the density of each sixteenth.
    """

    temperature: Float32Array
    onset_bias: Float32Array


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the second part plays with in a bar, in the models' space.

    Parameters
    ----------
    melody : Phrase
        Its length is the bar's.
    bass : Phrase
        Silence where no bass plays.
    tones : tuple of Tones
        What may sound at each sixteenth.
    course : Course or None
        For voices that follow the controls within the bar; None where they stand still.
    deadline : Deadline or None
        When the bar has to be there, for voices that can stop in time; None where nobody waits.
    """

    melody: Phrase
    bass: Phrase
    tones: tuple[Tones, ...]
    course: Course | None = None
    deadline: Deadline | None = None


class LatentVoice(Protocol):
    """Anything with a latent space in which one may walk."""

    def between(self, calm: Float32Array, active: Float32Array, mix: float) -> Float32Array:
        """Return the point at `mix` 0..1 on the way from `calm` to `active`."""
        ...


class MelodyVoice(LatentVoice, Protocol):
    """A latent model of two-bar melodies in C (MusicVAE)."""

    def encode(self, phrase: Phrase) -> Float32Array:
        """Return the latent point, shape (latent_size,), of an eight-beat phrase."""
        ...

    def decode(
        self,
        z: Float32Array,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        """Return eight beats sampled at `z` under a 32-step constraint; `prefix` is a first bar that is forced."""
        ...


class AccompanimentVoice(Protocol):
    """A model that continues what was played (Music Transformer)."""

    def initial(self) -> VoiceState:
        """Return what is remembered before the first bar."""
        ...

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
        """Return the new memory and one bar with notes of part ``"accompaniment"``.

        `velocities`, shape (n_steps,), says how hard an onset at each step is struck.
        """
        ...


@runtime_checkable
class ReportingVoice(Protocol):
    """An accompaniment voice that tells how it made a bar."""

    def report(self, state: VoiceState) -> Mapping[str, float]:
        """Return figures of the bar after which the memory was `state`."""
        ...


class BassVoice(LatentVoice, Protocol):
    """A latent model of two-bar bass lines that is told the chords (chord-conditioned MusicVAE), in C."""

    def encode(self, phrase: Phrase, chords: Sequence[Tones]) -> Float32Array:
        """Return the latent point, shape (latent_size,), of an eight-beat phrase over 32 steps of chords."""
        ...

    def decode(
        self,
        z: Float32Array,
        chords: Sequence[Tones],
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        """Return eight beats of part ``"bass"`` sampled at `z`; `prefix` is a first bar that is forced.

        `chords` and the rows of `constraint` are those of each of 32 sixteenths.
        """
        ...


class DrumVoice(LatentVoice, Protocol):
    """A latent model of two-bar drum patterns (categorical MusicVAE), and one that plays them (GrooVAE)."""

    def encode(self, phrase: Phrase) -> Float32Array:
        """Return the latent point, shape (latent_size,), of an eight-beat phrase."""
        ...

    def decode(
        self,
        z: Float32Array,
        onset_bias: Float32Array,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        """Return eight beats of part ``"drums"`` on the sixteenth grid; `prefix` is a first bar that is forced.

        `onset_bias`, shape (32,), is added to the log-odds of striking anything at each sixteenth; ``-inf`` forbids it.
        """
        ...

    def humanise(self, phrase: Phrase, amount: float, rng: np.random.Generator) -> Phrase:
        """Return the same hits with velocities, and starts less than half a sixteenth off the grid.

        `amount` 0..1 says how far they may leave the grid. A start is a multiple of 1/96 beat; none lies before the
        phrase, and no hit sounds past its end.
        """
        ...


class Voices(NamedTuple):
    """The voices of a session; bass and drums are silent where they have none."""

    melody: MelodyVoice
    accompaniment: AccompanimentVoice
    bass: BassVoice | None = None
    drums: DrumVoice | None = None

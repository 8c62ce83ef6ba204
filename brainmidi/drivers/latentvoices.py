"""MusicVAE's models as the session's voices: phrases in, phrases out. Here codecs and latent models meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords as chord_codec
from brainmidi.codec import drums as drum_codec
from brainmidi.codec import groove as groove_codec
from brainmidi.codec import melody as melody_codec
from brainmidi.models import latent, sampling
from brainmidi.models.configs import MusicVaeConfig
from brainmidi.music.harmony import Tones
from brainmidi.music.voices import Constraint, Float32Array
from brainmidi.types import Phrase

#: How far a drummer strays from what is most likely, in standard deviations of the posterior.
_STRAY = 0.7


class LatentModel(Protocol):
    """A compiled MusicVAE; see :class:`brainmidi.models.compiled.CompiledMusicVae`."""

    @property
    def config(self) -> MusicVaeConfig:
        """Sizes of the model."""
        ...

    def encode(self, events: NDArray[Any], controls: Float32Array | None = None) -> tuple[Float32Array, Float32Array]:
        """Return mean and standard deviation of q(z | x), each (b, latent_size)."""
        ...

    def decode(
        self,
        z: Float32Array,
        *,
        bias: Float32Array | None = None,
        noise: Float32Array | None = None,
        temperature: float = 1.0,
        forced: NDArray[Any] | None = None,
        controls: Float32Array | None = None,
    ) -> NDArray[Any]:
        """Return events (b, n_steps, k)."""
        ...


class _Walk:
    """Ways through a latent space."""

    def between(self, calm: Float32Array, active: Float32Array, mix: float) -> Float32Array:
        """Return the point at `mix` on the arc from `calm` to `active`."""
        return latent.slerp(calm, active, mix)


def _mean(posterior: tuple[Float32Array, Float32Array]) -> Float32Array:
    """Return the mean, shape (latent_size,), of the one phrase that was encoded."""
    return np.asarray(posterior[0][0], dtype=np.float32)


def _line(
    model: LatentModel,
    z: Float32Array,
    constraint: Constraint,
    temperature: float,
    rng: np.random.Generator,
    prefix: Phrase | None,
    controls: Float32Array | None = None,
) -> Phrase:
    """Return eight beats of one voice, sampled at `z` under a 32-step constraint."""
    n_steps, n_classes = len(constraint), melody_codec.N_CLASSES
    bias = np.zeros((n_steps, n_classes), dtype=np.float32)
    pitches = constraint.pitch_bias[:, melody_codec.MIN_PITCH : melody_codec.MAX_PITCH + 1]
    bias[:, melody_codec.FIRST_PITCH_CLASS :] = pitches + constraint.onset_bias[:, None]
    # No note is tied over the bar line: a bar begins with an onset or with a rest.
    bias[n_steps // 2, melody_codec.NO_EVENT] = -np.inf
    events = _draw(model, z, bias, temperature, rng, _given(prefix, melody_codec.encode, n_steps), controls)
    return melody_codec.decode(events)


def _given(prefix: Phrase | None, encode: Any, n_steps: int) -> NDArray[np.int32]:
    """Return the tokens that a first bar forces, shape (n_steps,), and -1 behind them."""
    forced = np.full(n_steps, -1, dtype=np.int32)
    if prefix is not None:
        given = encode(prefix)
        forced[: len(given)] = given
    return forced


def _draw(
    model: LatentModel,
    z: Float32Array,
    bias: Float32Array,
    temperature: float,
    rng: np.random.Generator,
    forced: NDArray[np.int32],
    controls: Float32Array | None,
) -> NDArray[np.int32]:
    """Return classes (n_steps,) sampled at `z`; all chance comes from `rng`."""
    noise = rng.gumbel(size=bias.shape).astype(np.float32)
    events = model.decode(
        z[None],
        bias=np.maximum(bias, sampling.FORBIDDEN)[None],
        noise=noise[None],
        temperature=temperature,
        forced=forced[None, :, None],
        controls=controls,
    )
    return np.asarray(events[0, :, 0], dtype=np.int32)


class LatentMelody(_Walk):
    """MusicVAE as a melody voice.

    Parameters
    ----------
    model : LatentModel
        Of 2-bar melodies, 90 classes.
    """

    def __init__(self, model: LatentModel) -> None:
        self._model = model

    def encode(self, phrase: Phrase) -> Float32Array:
        """Return the latent mean, shape (latent_size,), of an eight-beat phrase."""
        return _mean(self._model.encode(melody_codec.encode(phrase)[None, :, None]))

    def decode(
        self,
        z: Float32Array,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        """Return eight beats sampled at `z`; `prefix` is a first bar that is forced."""
        return _line(self._model, z, constraint, temperature, rng, prefix)


class LatentBass(_Walk):
    """A chord-conditioned MusicVAE as a bass voice.

    Parameters
    ----------
    model : LatentModel
        Of 2-bar basses, 90 classes, under 49 classes of chords.
    """

    def __init__(self, model: LatentModel) -> None:
        self._model = model

    def encode(self, phrase: Phrase, chords: Sequence[Tones]) -> Float32Array:
        """Return the latent mean, shape (latent_size,), of an eight-beat phrase over 32 steps of chords."""
        return _mean(self._model.encode(melody_codec.encode(phrase)[None, :, None], _controls(chords)))

    def decode(
        self,
        z: Float32Array,
        chords: Sequence[Tones],
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        """Return eight beats of part ``"bass"`` sampled at `z`; `prefix` is a first bar that is forced."""
        line = _line(self._model, z, constraint, temperature, rng, prefix, _controls(chords))
        return Phrase(tuple(replace(note, part="bass") for note in line), line.length)


def _controls(chords: Sequence[Tones]) -> Float32Array:
    """Return the one-hot rows (1, n_steps, 49) of chords."""
    classes = [chord_codec.encode_symbol(tones.root, tones.chord) for tones in chords]
    return np.eye(chord_codec.N_CLASSES, dtype=np.float32)[classes][None]


class LatentDrums(_Walk):
    """A MusicVAE of drum patterns, and a GrooVAE that plays them.

    Parameters
    ----------
    patterns : LatentModel
        Of 2-bar patterns, 512 classes.
    drummer : LatentModel
        Of 2-bar grooves, 27 columns, whose encoder reads hits alone.
    """

    def __init__(self, patterns: LatentModel, drummer: LatentModel) -> None:
        self._patterns, self._drummer = patterns, drummer

    def encode(self, phrase: Phrase) -> Float32Array:
        """Return the latent mean, shape (latent_size,), of an eight-beat phrase."""
        return _mean(self._patterns.encode(drum_codec.encode(phrase)[None, :, None]))

    def decode(
        self,
        z: Float32Array,
        onset_bias: Float32Array,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        """Return eight beats of part ``"drums"`` on the sixteenth grid; `prefix` is a first bar that is forced."""
        bias = np.repeat(onset_bias[:, None], drum_codec.N_CLASSES, axis=1).astype(np.float32)
        bias[:, 0] = 0.0  # nothing struck
        forced = _given(prefix, drum_codec.encode, len(bias))
        return drum_codec.decode(_draw(self._patterns, z, bias, temperature, rng, forced, None))

    def humanise(self, phrase: Phrase, amount: float, rng: np.random.Generator) -> Phrase:
        """Return the same hits with a drummer's velocities and timing; see :func:`humanised`."""
        return humanised(self._drummer, phrase, amount, rng)


def humanised(drummer: LatentModel, phrase: Phrase, amount: float, rng: np.random.Generator) -> Phrase:
    """Return the same hits with a drummer's velocities, and starts off the grid by `amount` of a drummer's.

    Parameters
    ----------
    drummer : LatentModel
        A GrooVAE, 27 columns, whose encoder reads hits alone; where it has controls they are the hits.
    phrase : Phrase
        As long as what it reads.
    amount : float
        0..1.
    rng : Generator
        Of which drummer plays.
    """
    straight = groove_codec.encode(phrase)
    told = straight[None, :, groove_codec.HITS] if drummer.config.control_depth else None
    mu, sigma = drummer.encode(groove_codec.humanise_input(straight)[None], told)
    z = mu + _STRAY * sigma * rng.standard_normal(mu.shape).astype(np.float32)
    forced = np.full(straight.shape, np.nan, dtype=np.float32)
    forced[:, groove_codec.HITS] = straight[:, groove_codec.HITS]
    played = drummer.decode(z, forced=forced[None], controls=told)[0]
    played[:, groove_codec.OFFSETS] *= amount
    return groove_codec.decode(played)

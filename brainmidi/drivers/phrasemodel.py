"""A MusicVAE that reads and writes one phrase at a time: our own compiled model, or Magenta's in its own process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brainmidi.drivers.latentvoices import LatentModel
from brainmidi.models.configs import MusicVaeConfig
from brainmidi.music.voices import Float32Array


class PhraseModel(Protocol):
    """One phrase at a time; :class:`brainmidi.models.original.OriginalMusicVae` is one."""

    def encode(self, events: NDArray[Any], controls: Float32Array | None = None) -> Float32Array:
        """Return the latent mean, shape (z,), of events (t, k) under controls (t, c)."""
        ...

    def decode(self, z: Float32Array, temperature: float, controls: Float32Array | None = None) -> NDArray[Any]:
        """Return events (t, k); temperature 0 decodes greedily."""
        ...

    def close(self) -> None:
        """Let go of whatever runs for it."""
        ...


class OneByOne:
    """A compiled MusicVAE as a :class:`PhraseModel`.

    Parameters
    ----------
    model : LatentModel
        Of the configuration.
    config : MusicVaeConfig
        Its sizes.
    seed : int
        Of all that is drawn; draw n follows from it and n alone.
    """

    def __init__(self, model: LatentModel, config: MusicVaeConfig, seed: int) -> None:
        self.model, self._config, self._seed, self._drawn = model, config, seed, 0

    def encode(self, events: NDArray[Any], controls: Float32Array | None = None) -> Float32Array:
        """Return the latent mean, shape (z,), of events (t, k) under controls (t, c)."""
        mu, _ = self.model.encode(events[None], None if controls is None else controls[None])
        return np.asarray(mu[0], dtype=np.float32)

    def decode(self, z: Float32Array, temperature: float, controls: Float32Array | None = None) -> NDArray[Any]:
        """Return events (t, k); temperature 0 decodes greedily."""
        config = self._config
        given = None if controls is None else controls[None]
        if temperature == 0.0:
            return np.asarray(self.model.decode(z[None], controls=given)[0])
        rng = np.random.Generator(np.random.Philox(key=[self._seed, 2], counter=[0, 0, 0, self._drawn]))
        self._drawn += 1
        # Classes are drawn with Gumbel noise; drums, each struck or not, with logistic noise.
        if config.events == "categorical":
            noise = rng.gumbel(size=(1, config.n_steps, sum(config.outputs)))
        else:
            n_drums = config.outputs[0] // (3 if config.events == "groove" else 1)
            noise = rng.logistic(size=(1, config.n_steps, n_drums))
        drawn = self.model.decode(z[None], noise=noise.astype(np.float32), temperature=temperature, controls=given)
        return np.asarray(drawn[0])

    def close(self) -> None:
        """Do nothing: the model lives in this process."""


def load_model(folder: Path) -> LatentModel:
    """Return the compiled model of a checkpoint; takes seconds, most of them TensorFlow's import."""
    from brainmidi.models.compiled import CompiledMusicVae

    return CompiledMusicVae(folder)

"""A MusicVAE without weights: its latent is the phrase itself, one class a step, so that every answer is known."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from brainmidi.models.configs import MusicVaeConfig

#: How much likelier a class is than the next; noise of a few units hardly ever changes it.
SHARP = 40.0


class Spelling:
    """A compiled MusicVAE of classes that gives every phrase back.

    Parameters
    ----------
    config : MusicVaeConfig
        Categorical, of one output.
    forgets : collection of int
        Steps that it answers with class 0, whatever stands there.
    untaught : collection of int
        Steps that it does so when it is given the true past.
    """

    def __init__(self, config: MusicVaeConfig, forgets: Collection[int] = (), untaught: Collection[int] = ()) -> None:
        self.config = replace(config, latent_size=config.n_steps)
        self.model = SimpleNamespace(
            n_odds=config.outputs[0], right=lambda targets, raw: raw.argmax(axis=-1) == targets[..., 0]
        )
        self.forgets, self.untaught = list(forgets), list(untaught)
        #: Controls, noise and temperature of the last decoding.
        self.told: dict[str, Any] = {}

    def encode(self, events: np.ndarray, controls: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        mu = events[..., 0].astype(np.float32)
        return mu, np.ones_like(mu)

    def teacher_forced(self, mu: np.ndarray, targets: np.ndarray, controls: np.ndarray | None = None) -> np.ndarray:
        return self._odds(mu, self.untaught)

    def decode(
        self,
        z: np.ndarray,
        *,
        bias: np.ndarray | None = None,
        noise: np.ndarray | None = None,
        temperature: float = 1.0,
        forced: np.ndarray | None = None,
        controls: np.ndarray | None = None,
    ) -> np.ndarray:
        self.told = {"controls": controls, "noise": noise, "temperature": temperature}
        odds = self._odds(z, self.forgets)
        odds = odds if bias is None else odds + bias
        odds = odds if noise is None else odds / temperature + noise
        return odds.argmax(axis=-1)[..., None].astype(np.int32)

    def _odds(self, z: np.ndarray, blind: list[int]) -> np.ndarray:
        meant = np.clip(np.round(z), 0, self.config.outputs[0] - 1)
        meant[:, blind] = 0
        return -SHARP * np.abs(np.arange(self.config.outputs[0]) - meant[..., None])

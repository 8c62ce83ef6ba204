"""Oddballs that tests make for themselves: noise with a response to the targets in it."""

from __future__ import annotations

import numpy as np

from brainmidi.features.epochs import Epoch, epochs_of
from brainmidi.features.erptrials import Trials, trials_of
from brainmidi.features.settings import ErpSettings
from brainmidi.types import Chunk, Marker, Montage

NAMES = ("Cz", "P3", "Pz", "P4")


def oddball(
    response_uv: float, n_trials: int = 150, seed: int = 0, rate_hz: float = 128.0, names=NAMES, good=None
) -> Chunk:
    """Return smooth noise with a stimulus every 0.6 s; every fifth is a target that two channels answer."""
    rng = np.random.default_rng(seed)
    n = round((3.0 + 0.6 * n_trials) * rate_hz)
    time_s = np.arange(n) / rate_hz
    samples = 6.0 * rng.standard_normal((n, len(names)))
    markers = []
    for number in range(n_trials):
        at_s = 1.0 + 0.6 * number + 0.003
        target = number % 5 == 2
        markers.append(Marker(at_s, "target" if target else "nontarget"))
        if target:
            wave = response_uv * np.exp(-0.5 * ((time_s - at_s - 0.35) / 0.05) ** 2)
            samples[:, 2] += wave
            samples[:, 1] += 0.5 * wave
    return Chunk(samples, time_s, Montage(tuple(names), rate_hz), tuple(markers), good)


def epochs(chunk: Chunk, low_pass_hz: float, settings: ErpSettings | None = None) -> list[Epoch]:
    return epochs_of([chunk], ErpSettings() if settings is None else settings, low_pass_hz)


def trials(*chunks: Chunk, settings: ErpSettings | None = None) -> Trials:
    settings = ErpSettings() if settings is None else settings
    return trials_of(chunks, chunks[0].montage, settings)

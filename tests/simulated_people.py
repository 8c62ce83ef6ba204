"""Recordings of people who do as they are asked, or do not: four electrodes, alpha when calm, beta when not."""

from __future__ import annotations

import numpy as np
from scipy import signal

from brainmidi.drivers.phases import Recording, Span
from brainmidi.types import Chunk, Marker, Montage

NAMES = ("Fz", "Cz", "O1", "O2")
RATE_HZ = 128.0
CALM = {"closed": 1.0, "open": 0.5, "rest": 0.5, "focus": 0.0}


def person(
    turns: str = "open closed focus rest open closed focus rest",
    seconds: float = 16.0,
    *,
    obeys: bool = True,
    bad: tuple[str, ...] = (),
    flat: bool = False,
    seed: int = 0,
    level_db: float = 0.0,
    markers: tuple[Marker, ...] = (),
) -> Recording:
    """Return a recording of `turns`; whoever does not obey is in one state throughout."""
    generator = np.random.default_rng(seed)
    phases = turns.split()
    count = round(seconds * len(phases) * RATE_HZ)
    time_s = np.arange(count) / RATE_HZ
    calm = np.array([CALM[phases[min(int(at // seconds), len(phases) - 1)]] for at in time_s])
    calm = calm if obeys else np.full_like(calm, 0.5)

    def rhythm(low_hz: float, high_hz: float) -> np.ndarray:
        sections = signal.butter(2, [low_hz, high_hz], "bandpass", fs=RATE_HZ, output="sos")
        wave = signal.sosfilt(sections, generator.standard_normal((count, len(NAMES))), axis=0)
        return wave / wave.std()

    pink = np.cumsum(generator.standard_normal((count, len(NAMES))), axis=0)
    pink = signal.sosfilt(signal.butter(1, 1.0, "highpass", fs=RATE_HZ, output="sos"), pink, axis=0)
    samples = 2.0 * pink + 2.0 * generator.standard_normal((count, len(NAMES)))
    samples += rhythm(9.0, 11.0) * (4.0 * 4.0**calm)[:, None] * [0.3, 0.5, 1.0, 1.0]
    samples += rhythm(16.0, 24.0) * (2.0 * 1.5 ** (1 - calm))[:, None]
    samples *= 10 ** (level_db / 20)
    samples += 10.0 * np.sin(2 * np.pi * 50.0 * time_s)[:, None] + 2e4
    for name in bad:
        samples[:, NAMES.index(name)] = 187_500.0  # a rail
    if flat:
        samples[:] = 0.0
    spans = tuple(Span(phase, number * seconds, (number + 1) * seconds) for number, phase in enumerate(phases))
    return Recording(f"person {seed}", False, Chunk(samples, time_s, Montage(NAMES, RATE_HZ), markers), spans)

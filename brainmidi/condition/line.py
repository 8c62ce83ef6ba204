"""Finds out whether, and at which frequency, the mains hum."""

from __future__ import annotations

import numpy as np
from scipy import fft

from brainmidi.types import FloatArray

CANDIDATES_HZ = (50.0, 60.0)
FACTOR = 3.0  # about 5 dB above its surroundings


def find_line_hz(samples_uv: FloatArray, rate_hz: float, factor: float = FACTOR) -> float | None:
    """Return the mains frequency seen in `samples_uv`.

    The power within 0.5 Hz of each candidate is compared with that 3 to 6 Hz beside it, channel by channel; the median
    over channels decides, so that one bad electrode does not.

    Parameters
    ----------
    samples_uv : ndarray, shape (n_samples, n_channels)
        Unfiltered samples without NaN.
    rate_hz : float
        Sampling rate in Hz.
    factor : float
        So many times the power beside it is hum.

    Returns
    -------
    float or None
        50.0, 60.0 or None where neither stands out.
    """
    centred = samples_uv - samples_uv.mean(axis=0)
    window = np.hanning(len(centred))[:, None]
    power: FloatArray = np.abs(fft.rfft(centred * window, axis=0)) ** 2
    frequency = fft.rfftfreq(len(centred), 1.0 / rate_hz)
    best: tuple[float, float] | None = None
    for line_hz in CANDIDATES_HZ:
        if line_hz > 0.49 * rate_hz:
            continue
        distance = np.abs(frequency - line_hz)
        beside = (distance >= 3.0) & (distance <= 6.0)
        if not beside.any():
            continue
        ratio = power[distance <= 0.5 + 1e-9].mean(axis=0) / np.maximum(power[beside].mean(axis=0), 1e-12)
        clear = float(np.median(ratio))
        if clear > factor and (best is None or clear > best[0]):
            best = (clear, line_hz)
    return None if best is None else best[1]

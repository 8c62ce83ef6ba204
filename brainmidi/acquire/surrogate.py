"""Recordings in which nothing happens when it did: surrogates for control conditions."""

from __future__ import annotations

import numpy as np

from brainmidi.types import FloatArray

_END_S = 0.25


def phase_randomised(samples_uv: FloatArray, rate_hz: float, rng: np.random.Generator) -> FloatArray:
    """Return a surrogate of a recording: the same rhythms as strong as before, at other times.

    Every frequency is turned by a phase of its own, the same one in all channels. Kept are each channel's power
    spectrum and all coherences and phase differences between channels, hence every linear correlation. Lost are the
    times at which anything happened, and whatever was not Gaussian: blinks, bursts and the coming and going of alpha
    are spread over the whole length.

    Parameters
    ----------
    samples_uv : ndarray, shape (n_samples, n_channels)
        Potentials in microvolts. Missing ones (NaN) are bridged by a straight line first, and are missing again after.
    rate_hz : float
        Sampling rate in Hz.
    rng : numpy.random.Generator
        Where the phases come from.

    Returns
    -------
    ndarray, shape (n_samples, n_channels)

    Notes
    -----
    A Fourier transform joins the end to the beginning, so that a drift would come out as a saw. The straight line from
    the first quarter of a second to the last is taken away before and put back after.

    References
    ----------
    J. Theiler et al., "Testing for nonlinearity in time series: the method of surrogate data", Physica D 58, 1992.
    D. Prichard & J. Theiler, "Generating surrogate data for time series with several simultaneously measured
    variables", Physical Review Letters 73, 1994.
    """
    missing = ~np.isfinite(samples_uv)
    whole = _bridged(samples_uv, missing)
    n = len(whole)
    edge = max(1, min(n // 2, round(_END_S * rate_hz)))
    first, last = whole[:edge].mean(axis=0), whole[-edge:].mean(axis=0)
    line = first + np.linspace(0.0, 1.0, n)[:, None] * (last - first)
    spectrum = np.fft.rfft(whole - line, axis=0)
    phases = rng.uniform(0.0, 2.0 * np.pi, len(spectrum))
    phases[0] = 0.0
    if n % 2 == 0:
        phases[-1] = 0.0  # the highest frequency of an even number of samples has no phase to turn
    turned = np.fft.irfft(spectrum * np.exp(1j * phases)[:, None], n, axis=0) + line
    return np.where(missing, np.nan, turned)


def _bridged(samples_uv: FloatArray, missing: np.ndarray) -> FloatArray:
    if not missing.any():
        return samples_uv
    index = np.arange(len(samples_uv))
    columns = []
    for column, absent in zip(samples_uv.T, missing.T, strict=True):
        present = np.flatnonzero(~absent)
        columns.append(np.interp(index, present, column[present]) if len(present) else np.zeros(len(column)))
    return np.stack(columns, axis=1)

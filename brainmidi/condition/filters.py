"""Causal filters: second-order sections whose state goes in and comes out."""

from __future__ import annotations

import numpy as np
from scipy import signal

from brainmidi.errors import SignalError
from brainmidi.types import FloatArray

#: The lowest sampling rate that can be used: it must carry alpha and the lower half of beta with room for a filter.
LOWEST_RATE_HZ = 64.0


def band_sections(rate_hz: float, high_pass_hz: float, low_pass_hz: float) -> FloatArray:
    """Design the band filter: Butterworth, order 2 on either side (8 ms of delay at 10 Hz for 1 to 40 Hz).

    Parameters
    ----------
    rate_hz : float
        Sampling rate in Hz.
    high_pass_hz, low_pass_hz : float
        Corner frequencies in Hz. A `low_pass_hz` too near Nyquist is lowered to 0.45 of the rate.

    Returns
    -------
    ndarray, shape (2, 6)
        Second-order sections.

    Raises
    ------
    SignalError
        If the rate is below 64 Hz or the corners are out of order.
    """
    if rate_hz < LOWEST_RATE_HZ:
        raise SignalError(
            f"sampling rate {rate_hz:g} Hz carries frequencies below {rate_hz / 2:g} Hz only, at least "
            f"{LOWEST_RATE_HZ:g} Hz is needed for alpha and beta; record at 128 Hz or more"
        )
    if not 0 < high_pass_hz < low_pass_hz:
        raise SignalError(
            f"filter corners {high_pass_hz:g}..{low_pass_hz:g} Hz are not in order, 0 < high-pass < low-pass is "
            "needed; correct [signal] in session.toml"
        )
    low_pass_hz = min(low_pass_hz, 0.45 * rate_hz)
    if not high_pass_hz < low_pass_hz:
        raise SignalError(
            f"high-pass {high_pass_hz:g} Hz is not below {low_pass_hz:g} Hz, the most that {rate_hz:g} Hz can carry; "
            "lower it in [signal] of session.toml"
        )
    high = signal.butter(2, high_pass_hz, "highpass", fs=rate_hz, output="sos")
    low = signal.butter(2, low_pass_hz, "lowpass", fs=rate_hz, output="sos")
    sections: FloatArray = np.concatenate([high, low])
    return sections


def notch_sections(rate_hz: float, line_hz: float, low_pass_hz: float, width_hz: float = 2.0) -> FloatArray:
    """Design notches at the mains frequency and those of its harmonics that get through the low-pass.

    Parameters
    ----------
    rate_hz, line_hz : float
        Sampling rate and mains frequency in Hz.
    low_pass_hz : float
        Corner of the low-pass before it; harmonics more than an octave above are gone already.
    width_hz : float
        Width of each notch at -3 dB, in Hz.

    Returns
    -------
    ndarray, shape (n_notches, 6)
        Second-order sections; no row where `line_hz` cannot be represented.
    """
    highest = min(0.49 * rate_hz, max(2.0 * low_pass_hz, 1.2 * line_hz))
    rows = []
    frequency = line_hz
    while frequency <= highest:
        b, a = signal.iirnotch(frequency, frequency / width_hz, fs=rate_hz)
        rows.append(np.concatenate([b, a]))
        frequency += line_hz
    return np.array(rows).reshape(-1, 6)


def initial_state(sections: FloatArray, first: FloatArray) -> FloatArray:
    """Return the state in which a constant input `first` has been flowing for ever.

    Parameters
    ----------
    sections : ndarray, shape (n_sections, 6)
    first : ndarray, shape (n_channels,)
        First sample of each channel, in microvolts.

    Returns
    -------
    ndarray, shape (n_sections, 2, n_channels)
    """
    if len(sections) == 0:
        return np.zeros((0, 2, len(first)))
    state: FloatArray = signal.sosfilt_zi(sections)[:, :, None] * first
    return state


def apply(samples: FloatArray, sections: FloatArray, state: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Filter `samples`, shape (n_samples, n_channels), along time; return the result and the new state."""
    if len(sections) == 0 or len(samples) == 0:
        return samples, state
    filtered, state = signal.sosfilt(sections, samples, axis=0, zi=state)
    return filtered, state

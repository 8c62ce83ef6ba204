"""The quality gate: condemns samples, channel by channel, that are flat, stuck, missing or torn by an artifact."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brainmidi.types import BoolArray, FloatArray

_GRADIENT_S = 0.004
_LONG_AGO = -(2**60)


@dataclass(frozen=True, slots=True)
class GateLimits:
    """When a sample is condemned.

    Parameters
    ----------
    amplitude_uv : float
        Largest magnitude after filtering, in microvolts.
    gradient_uv : float
        Largest step per 4 ms after filtering, in microvolts.
    rail_uv : float
        Magnitude before filtering from which on a sample is none; no electrode's offset reaches it.
    flat_uv : float
        Steps before filtering that are no larger than this count as "no change".
    flat_s : float
        After so long without change a channel is flat (or stuck at its rail).
    hold_s : float
        So long after a condemned sample a channel stays condemned.
    """

    amplitude_uv: float = 200.0
    gradient_uv: float = 100.0
    rail_uv: float = 180_000.0
    flat_uv: float = 1e-3
    flat_s: float = 0.2
    hold_s: float = 0.25


#: Condemns nothing but what is missing.
NO_LIMITS = GateLimits(np.inf, np.inf, np.inf, 0.0, 1e9, 0.0)


class Gate:
    """Judges samples as they come; keeps for each channel when it last moved and when it last was bad.

    Parameters
    ----------
    limits : GateLimits
    n_channels : int
    rate_hz : float
    """

    def __init__(self, limits: GateLimits, n_channels: int, rate_hz: float) -> None:
        self._limits = limits
        # Below 250 Hz one sample is more than 4 ms, and may differ by more.
        self._gradient_uv = limits.gradient_uv * max(1.0, 250.0 / rate_hz)
        self._gradient = max(1, round(_GRADIENT_S * rate_hz))
        self._flat = max(2, round(limits.flat_s * rate_hz))
        self._hold = round(limits.hold_s * rate_hz)
        self._index = 0
        self._raw: FloatArray | None = None
        self._clean: FloatArray | None = None
        self._moved: NDArray[np.int64] = np.zeros(n_channels, dtype=np.int64)
        self._bad: NDArray[np.int64] = np.full(n_channels, _LONG_AGO, dtype=np.int64)

    def judge(self, raw: FloatArray, clean: FloatArray, condemned: BoolArray) -> BoolArray:
        """Return which samples are good.

        Parameters
        ----------
        raw, clean : ndarray, shape (n_samples, n_channels)
            Before filtering (gaps filled) and after, in microvolts.
        condemned : ndarray of bool, shape (n_samples, n_channels)
            Samples known to be bad already: missing, or the filter settling after a gap.

        Returns
        -------
        ndarray of bool, shape (n_samples, n_channels)
        """
        if len(raw) == 0:
            return ~condemned
        limits = self._limits
        index = np.arange(self._index, self._index + len(raw), dtype=np.int64)[:, None]
        before_raw = raw[:1] + 1.0 if self._raw is None else self._raw  # the very first sample counts as moved
        before_clean = np.repeat(clean[:1], self._gradient, axis=0) if self._clean is None else self._clean
        step_raw = np.abs(np.diff(raw, axis=0, prepend=before_raw))
        lately = np.concatenate([before_clean, clean])
        step_clean = np.abs(clean - lately[: len(clean)])
        moved = _last(index, step_raw > limits.flat_uv, self._moved)
        bad = (
            condemned
            | (index - moved >= self._flat)
            | (np.abs(clean) > limits.amplitude_uv)
            | (step_clean > self._gradient_uv)
        )
        last_bad = _last(index, bad, self._bad)
        self._index += len(raw)
        self._raw, self._clean = raw[-1:].copy(), lately[-self._gradient :].copy()
        self._moved, self._bad = moved[-1], last_bad[-1]
        good: BoolArray = index - last_bad > self._hold
        return good


def _last(index: NDArray[np.int64], happened: BoolArray, before: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return, per sample and channel, the newest index at which `happened` was true."""
    marked = np.where(happened, index, before)
    latest: NDArray[np.int64] = np.maximum.accumulate(marked, axis=0)
    return latest

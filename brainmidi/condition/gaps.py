"""Gaps in a stream: missing samples and jumps in time, bridged by the last real value."""

from __future__ import annotations

import numpy as np

from brainmidi.types import BoolArray, FloatArray


class Gaps:
    """Fills gaps as samples come; keeps each channel's last real value and the length of its open gap.

    Parameters
    ----------
    n_channels : int
    rate_hz : float
    bridge_s : float
        After a longer gap than this the filters have to start anew.
    rail_uv : float
        A sample at or beyond it is no sample: the amplifier could not follow.
    """

    def __init__(self, n_channels: int, rate_hz: float, bridge_s: float, rail_uv: float) -> None:
        self._rail_uv = rail_uv
        self._bridge = round(bridge_s * rate_hz)
        self._longest_s = bridge_s + 1.5 / rate_hz
        self._held: FloatArray = np.full(n_channels, np.nan)
        self._missing = np.zeros(n_channels, dtype=np.int64)
        self._last_time_s: float | None = None

    def fill(self, samples: FloatArray, time_s: FloatArray) -> tuple[FloatArray, BoolArray, BoolArray]:
        """Return the samples without gaps, where filters start anew after one, and what is missing.

        Parameters
        ----------
        samples : ndarray, shape (n_samples, n_channels)
            NaN where one is missing.
        time_s : ndarray, shape (n_samples,)
            A jump in it is a gap too, though no sample stands for it.

        Returns
        -------
        filled : ndarray, shape (n_samples, n_channels)
        resets, missing : ndarray of bool, shape (n_samples, n_channels)
        """
        missing = ~(np.abs(samples) < self._rail_uv)
        before_s = time_s[0] if self._last_time_s is None else self._last_time_s
        jumped = np.diff(time_s, prepend=before_s) > self._longest_s
        self._last_time_s = float(time_s[-1])
        eventful = missing.any() or jumped.any() or self._missing.any() or not np.isfinite(self._held).all()
        filled, resets = samples, np.zeros(samples.shape, dtype=bool)
        if eventful:
            filled, resets = self._fill(samples, missing, jumped)
        self._held = np.where(np.isfinite(self._held) | ~missing.all(axis=0), filled[-1], np.nan)
        return filled, resets, missing

    def _fill(self, samples: FloatArray, missing: BoolArray, jumped: BoolArray) -> tuple[FloatArray, BoolArray]:
        resets = np.zeros(samples.shape, dtype=bool)
        filled = samples.copy()
        for channel in range(samples.shape[1]):
            held, gap = float(self._held[channel]), int(self._missing[channel])
            if not np.isfinite(held):  # nothing heard yet: start with the first real sample
                held, gap = 0.0, self._bridge + 1
            column, absent = filled[:, channel], missing[:, channel]
            after_gap = np.concatenate([[gap > 0], absent[:-1]])
            for row in np.flatnonzero(absent | jumped | after_gap):
                if jumped[row]:
                    gap = max(gap, self._bridge + 1)
                if absent[row]:
                    gap += 1
                    column[row] = column[row - 1] if row else held
                else:
                    resets[row, channel] = gap > self._bridge
                    gap = 0
            self._missing[channel] = gap
        return filled, resets

"""Bad electrodes: channels that stay silent or noisy beside the others, found, and found well again."""

from __future__ import annotations

from collections import deque

import numpy as np

from brainmidi.types import BoolArray, FloatArray

_BLOCK_S = 1.0
_MEMORY = 20  # blocks that are looked back on
_FEWEST = 5  # blocks before anything is said
_PEERS = 4  # channels that it takes to tell what is usual
_USABLE = 0.5  # share of good samples that makes a block count
_NOISY_DB, _SILENT_DB = 9.0, -20.0
_NOISY_Z = 4.0
_SPREAD_DB = 1.5  # least spread between channels that are all well
_RETURN_DB = 3.0  # so far inside its limit a bad channel has to be before it is well


class ChannelWatch:
    """Looks at every second of every channel and says which channels are bad in the long run.

    The gate condemns what cannot be EEG, a moment at a time. A channel is bad in the long run while the median of its
    level over the last 20 s (RMS of the signal, or of its steps from sample to sample, in dB) lies more than 9 dB and 4
    robust standard deviations above the median of all channels, or 20 dB below it. Seconds are anchored to the absolute
    sample index.

    Parameters
    ----------
    n_channels : int
    rate_hz : float
    """

    def __init__(self, n_channels: int, rate_hz: float) -> None:
        self._block = max(2, round(_BLOCK_S * rate_hz))
        self._filled = 0  # samples of the block that is open
        self._sums: FloatArray = np.zeros((3, n_channels))  # good samples, their squares, squares of their steps
        self._last: FloatArray | None = None
        self._levels: deque[FloatArray] = deque(maxlen=_MEMORY)  # (2, n_channels), NaN where a block does not count
        self.bad: BoolArray = np.zeros(n_channels, dtype=bool)

    def judge(self, clean: FloatArray, good: BoolArray) -> BoolArray:
        """Return which samples belong to a channel that was bad when they came, shape (n_samples, n_channels)."""
        verdict = np.empty(good.shape, dtype=bool)
        before = clean[:1] if self._last is None else self._last
        steps = np.diff(clean, axis=0, prepend=before)
        start = 0
        while start < len(clean):
            stop = min(len(clean), start + self._block - self._filled)
            rows = slice(start, stop)
            verdict[rows] = self.bad
            # Summed one by one from the block's first sample on, so that any chunking gives the same.
            kept = good[rows]
            terms = np.stack(
                [kept, np.where(kept, clean[rows] ** 2, 0.0), np.where(kept, steps[rows] ** 2, 0.0)], axis=1
            )
            self._sums = np.add.accumulate(np.concatenate([self._sums[None], terms]), axis=0)[-1]
            self._filled += stop - start
            if self._filled == self._block:
                self._close()
            start = stop
        self._last = clean[-1:].copy()
        return verdict

    def _close(self) -> None:
        count, squares, steps = self._sums
        usable = count >= _USABLE * self._block
        level_db = 10.0 * np.log10(np.stack([squares, steps]) / np.maximum(count, 1.0) + 1e-12)
        self._levels.append(np.where(usable, level_db, np.nan))
        self._sums, self._filled = np.zeros_like(self._sums), 0
        if len(self._levels) >= _FEWEST:
            self._decide()

    def _decide(self) -> None:
        past = np.stack(self._levels)  # (n_blocks, 2, n_channels)
        known = np.count_nonzero(np.isfinite(past[:, 0]), axis=0) >= _FEWEST
        bad = np.zeros_like(self.bad)
        if np.count_nonzero(known) >= _PEERS:
            level_db = _median(past[:, :, known])
            centre_db = np.median(level_db, axis=1, keepdims=True)
            apart_db = level_db - centre_db
            spread_db = np.maximum(1.4826 * np.median(np.abs(apart_db), axis=1, keepdims=True), _SPREAD_DB)
            ease_db = np.where(self.bad[known], _RETURN_DB, 0.0)
            high = apart_db > np.maximum(_NOISY_DB, _NOISY_Z * spread_db) - ease_db
            bad[known] = (high | (apart_db < _SILENT_DB + ease_db)).any(axis=0)
        self.bad = bad


def _median(past: FloatArray) -> FloatArray:
    """Return the lower median over the first axis of what is not NaN; numpy's own takes ten times as long."""
    count = np.count_nonzero(np.isfinite(past), axis=0)
    ordered = np.sort(past, axis=0)  # NaN comes last
    median: FloatArray = np.take_along_axis(ordered, (np.maximum(count, 1) - 1)[None] // 2, axis=0)[0]
    return median

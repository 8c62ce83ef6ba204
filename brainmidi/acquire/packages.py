"""Package counters of boards: how many samples were lost between two packages, and where a counter began again."""

from __future__ import annotations

from collections import Counter

import numpy as np
from numpy.typing import NDArray

from brainmidi.types import FloatArray

_LEARN = 40  # packages after which the counter's step and the samples in a package are known
_SURE = 0.8  # share of packages that have to agree on them; else the counter says nothing
_SLACK_S = 0.1  # a loss that the counter claims may exceed what arrival times say by so much


class PackageCounter:
    """Follows a board's package numbers, whatever their step (Cyton 1, Daisy 2), samples a package (Muse 12) and size.

    Parameters
    ----------
    rate_hz : float
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._last: int | None = None
        self._run = 0  # samples so far with the newest number
        self._runs: Counter[int] = Counter()
        self._steps: Counter[int] = Counter()
        self._wraps: set[tuple[int, int]] = set()
        self._largest = 0
        self.restarts = 0

    def lost(self, numbers: FloatArray, behind_s: float) -> NDArray[np.int64]:
        """Return how many samples were lost before each of these.

        Parameters
        ----------
        numbers : ndarray, shape (n_samples,)
            Package number of each sample that has arrived.
        behind_s : float
            By how much sample time lags behind arrival if none was lost. A counter wraps, so that its word alone
            cannot be told from a restart: a loss much longer than this is one.

        Returns
        -------
        ndarray of int, shape (n_samples,)
        """
        lost = np.zeros(len(numbers), dtype=np.int64)
        changes = np.flatnonzero(np.diff(numbers, prepend=np.nan if self._last is None else self._last) != 0)
        before = 0
        for row in changes.tolist():
            number = int(numbers[row])
            self._run += row - before
            before = row
            if self._last is not None:
                claimed = self._claim(self._last, number)
                if claimed > 0 and claimed / self._rate_hz <= behind_s + _SLACK_S:
                    lost[row] = claimed
                    behind_s -= claimed / self._rate_hz
                elif claimed != 0 and (self._last, number) not in self._wraps:
                    self.restarts += 1
                    self._wraps.add((self._last, number))  # some count from 100 to 200: again and again no restart
                self._runs[self._run] += 1
                self._steps[number - self._last] += 1
            self._last, self._run = number, 0
            self._largest = max(self._largest, number)
        self._run += len(numbers) - before
        return lost

    def again(self) -> None:
        """Forget the newest number: the board is connected anew."""
        self._last, self._run = None, 0

    def _claim(self, last: int, number: int) -> int:
        """Return how many samples lie between two packages by their numbers alone; -1 where that makes no sense."""
        known = sum(self._steps.values())
        if known < _LEARN:
            return 0
        (step, agree), (size, _) = self._steps.most_common(1)[0], self._runs.most_common(1)[0]
        if step <= 0 or agree < _SURE * known:
            return 0
        span = number - last
        if span < 0:
            span += 256 if self._largest < 256 else 65536
        return (span // step - 1) * size if span % step == 0 else -1

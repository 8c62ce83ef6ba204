"""A source's own time becomes ours: it begins with the first sample, never goes back, and keeps pace with the clock."""

from __future__ import annotations

import math

import numpy as np

from brainmidi.types import FloatArray

_AHEAD_S = 1.0  # a source's time this far ahead of the clock is another time
_OFF_S = 0.25  # a source's time this far from the clock ...
_OFF_FOR_S = 0.5  # ... for so long has lost its way; for less, packets were held back


class Timeline:
    """Where samples lie in our time, whatever their source's time does.

    As long as the source's time goes with the clock it is taken as it is, moved by a constant. Where it begins again,
    stands still or leaps away, it is moved anew, so that the newest sample is now.
    """

    def __init__(self) -> None:
        self._base_s: float | None = None  # clock time at which sample time 0 lay
        self._shift_s = 0.0  # from the source's time to ours
        self._anchored = False  # whether that is known for this connection
        self._own_s = -math.inf  # the source's time of its newest sample
        self._off_s: float | None = None  # clock time since which the source's time has been off
        self.next_s = 0.0  # our time of the sample that comes next
        self.restarts = 0  # how often the source's time began again while it was connected

    @property
    def shift_s(self) -> float:
        """What is added to the source's times."""
        return self._shift_s

    def reconnected(self) -> None:
        """Expect another time: the source has been started anew."""
        self._anchored = False
        self._own_s = -math.inf

    def place(self, own: FloatArray, now_s: float, step_s: float) -> FloatArray:
        """Return our times for samples that have just come.

        Parameters
        ----------
        own : ndarray, shape (n_samples,)
            Their times by the source.
        now_s : float
            The clock; ``inf`` where there is none.
        step_s : float
            Between two samples.
        """
        uneven = bool((np.diff(own) <= 0).any())
        times = own[-1] + step_s * np.arange(1 - len(own), 1) if uneven else own
        if now_s < math.inf:
            self._anchor(times, now_s, step_s, restarted=uneven or float(own[0]) <= self._own_s)
        self._own_s = float(own[-1])
        return times + self._shift_s if self._shift_s else times

    def behind_s(self, now_s: float) -> float:
        """Return by how much the sample that comes next lies behind the clock; 0 before the first sample."""
        return 0.0 if self._base_s is None else now_s - self._base_s - self.next_s

    def _anchor(self, times: FloatArray, now_s: float, step_s: float, *, restarted: bool) -> None:
        newest_s = float(times[-1])
        if self._base_s is None:
            self._base_s = now_s - newest_s - step_s
            self.next_s = float(times[0])
            self._anchored = True
            return
        off_s = newest_s + step_s + self._shift_s + self._base_s - now_s
        if abs(off_s) <= _OFF_S:
            self._off_s = None
        elif self._off_s is None:
            self._off_s = now_s
        astray = off_s > _AHEAD_S or (self._off_s is not None and now_s - self._off_s >= _OFF_FOR_S)
        if self._anchored and not restarted and not astray:
            return
        self.restarts += self._anchored and restarted
        self._anchored, self._off_s = True, None
        self._shift_s = now_s - self._base_s - step_s - newest_s

"""Time stamps made even: jitter and bursts fitted away, gaps kept, clocks that jump survived."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import SourceError
from brainmidi.types import BoolArray, FloatArray

_GAP_S = 0.25  # a longer silence than this is a gap; a shorter one may be a burst of late packets
_LEAP = 1.5  # steps: where stamps are regular, more than this is a gap, however short
_REGULAR = 0.6  # steps: 95 % of the recorded ones are this near to the mean where stamps are regular
_STEADY = 2.5  # steps: the newest stamps lie within so much of an even grid where they are regular
_REMEMBERED, _LOOK_S = 64, 0.02  # so many deviations from it are remembered, and how far apart they are at least
_LONGEST_GAP_S = 10.0  # longer gaps are shortened to this
_MEASURE_S = 60.0
_NEAR, _FAR = 0.008, 0.06  # shares by which a true rate may be off: less is followed, more is another rate
_RESTART_S = 0.25  # what is left free where a clock jumped back


@dataclass(frozen=True, slots=True)
class Grid:
    """Where on an even grid each recorded row lies.

    Parameters
    ----------
    rate_hz : float
    position : ndarray of int, shape (n_rows,)
        Strictly increasing sample numbers.
    n_samples : int
        Length of the grid.
    """

    rate_hz: float
    position: NDArray[np.int64]
    n_samples: int


def even_grid(stamps: FloatArray, name: str) -> Grid:
    """Fit an even grid to time stamps.

    Parameters
    ----------
    stamps : ndarray, shape (n_rows,)
        As recorded: seconds (or milliseconds, where seconds would mean fewer than 5 rows per second), in bursts,
        drifting, with gaps, or jumping back where a counter began again. A silence of more than 0.25 s is a gap;
        where stamps are regular, one of more than 1.5 steps is, unless the rows after it come the sooner for it.
    name : str
        The recording, for messages.

    Returns
    -------
    Grid
        Its rate is a whole number of Hz where the stamps are within 0.5 % of one.

    Raises
    ------
    SourceError
        If the stamps do not tell a rate.
    """
    if len(stamps) < 10:
        raise SourceError(f"{name} holds {len(stamps)} samples, at least 10 are needed to tell its rate; record longer")
    steps = np.diff(stamps)
    # The mean step, bursts (no step) included, gaps not: those are far above the median of the steps that advance.
    longest = 20.0 * float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    typical = float(np.mean(steps[(steps >= 0) & (steps <= longest)]))
    if typical > 0.2:  # fewer than 5 rows per second of EEG: these are milliseconds
        stamps, steps, typical = stamps / 1000.0, steps / 1000.0, typical / 1000.0
    if not typical > 0:
        raise SourceError(f"{name}'s time stamps do not advance; put seconds into its time column")
    breaks = np.flatnonzero((steps < 0) | (steps > _GAP_S) | _leaps(steps, typical)) + 1
    starts, stops = np.concatenate([[0], breaks]), np.concatenate([breaks, [len(stamps)]])
    rate_hz = _rate(stamps, starts, stops, typical)
    position = np.empty(len(stamps), dtype=np.int64)
    at = 0
    for start, stop in zip(starts, stops, strict=True):
        if start:
            step_s = float(steps[start - 1])
            silent_s = _RESTART_S if step_s < 0 else min(step_s, _LONGEST_GAP_S)
            at += max(0, round(silent_s * rate_hz) - 1)
        position[start:stop] = np.arange(at, at + stop - start)
        at += stop - start
    return Grid(rate_hz, position, at)


def _leaps(steps: FloatArray, typical: float) -> BoolArray:
    """Return which steps pass over lost rows, where stamps are regular enough to tell those from late ones."""
    off = np.abs(steps - typical)
    jitter = float(np.quantile(off, 0.95))
    found: BoolArray = np.zeros(len(steps), dtype=bool)
    if jitter > _REGULAR * typical:
        return found
    for at in np.flatnonzero((steps > _LEAP * typical + 2.0 * jitter) & (steps <= _GAP_S)).tolist():
        # Rows that were late are followed by others in quick succession; after lost ones the old pace goes on.
        excess = float(steps[at]) - typical
        after = steps[at + 1 : at + 2 + round(2.0 * excess / typical)]
        caught_up = np.cumsum(after - typical)
        found[at] = not len(after) or float(caught_up.min()) > -0.5 * excess
    return found


def _rate(stamps: FloatArray, starts: NDArray[np.int64], stops: NDArray[np.int64], typical: float) -> float:
    """Return rows per second over the unbroken runs, rounded where it is a whole number but for drift."""
    spans = [(stop - start - 1, stamps[stop - 1] - stamps[start]) for start, stop in zip(starts, stops, strict=True)]
    counts, seconds = sum(count for count, _ in spans), sum(span for _, span in spans)
    rate = float(counts / seconds) if seconds > 0 else 1.0 / typical
    return float(round(rate)) if abs(rate - round(rate)) <= 0.005 * rate else rate


class Dejitter:
    """Gives even times to samples that arrive in bursts: a slow loop that follows the device's clock.

    The time of a sample is the one before plus a step that differs from ``1 / rate_hz`` by at most 0.5 %, in the
    direction that brings sample time nearer to the arrival's. A device that is off its announced rate by more, up to
    6 %, is measured over a minute, and its true rate is taken.

    Where sample time falls back behind the stamps, samples were lost, or they are late. More than 0.25 s were lost.
    Less were lost if the stamps are regular: within 2.5 steps of even for a second or more.

    Parameters
    ----------
    rate_hz : float
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._true_hz = rate_hz
        self._next_s = 0.0
        self._origin: float | None = None
        self._since: float | None = None  # stamp from which the rate is being measured, and samples since
        self._count = 0
        self._stamp = 0.0
        self._behind_s: deque[float] = deque(maxlen=_REMEMBERED)  # as it was lately
        self._looked = -np.inf  # stamp of the newest of these

    @property
    def next_s(self) -> float:
        """Time that the next sample would get."""
        return self._next_s

    @property
    def origin_s(self) -> float:
        """Stamp at which sample time 0 lay, 0 before the first samples."""
        return self._origin or 0.0

    def behind_s(self, stamp: float, count: int) -> float:
        """Return by how much sample time lags behind arrival if `count` samples come, the last stamped `stamp`."""
        if self._origin is None:
            return 0.0
        return (stamp - self._origin) - (self._next_s + (count - 1) / self._true_hz)

    def place(self, stamp: float, count: int) -> FloatArray:
        """As :meth:`times`; where sample time lags so far behind that samples must have been lost, it leaps forward."""
        behind_s = self.behind_s(stamp, count)
        if behind_s > _GAP_S:
            self.skip(int(behind_s * self._true_hz))
        elif lost := self._leap(behind_s):
            self.skip(lost)
            self._since = None  # a rate is measured where nothing is missing
        times = self.times(stamp, count)
        if not 0 <= stamp - self._looked < _LOOK_S:
            self._behind_s.append(self.behind_s(stamp, 0))
            self._looked = stamp
        return times

    def _leap(self, behind_s: float) -> int:
        """Return how many samples were lost if regular stamps are suddenly `behind_s` ahead of sample time."""
        if len(self._behind_s) < _REMEMBERED // 2:
            return 0
        jitter = (max(self._behind_s) - min(self._behind_s)) * self._true_hz
        ahead = (behind_s - median(self._behind_s)) * self._true_hz
        return round(ahead) if jitter <= _STEADY and ahead > _LEAP + 2.0 * jitter else 0

    def times(self, stamp: float, count: int) -> FloatArray:
        """Return times for `count` samples, the last of which arrived at `stamp` (seconds of any clock)."""
        if self._origin is None:
            self._origin = stamp - (count - 1) / self._rate_hz
        self._measure(stamp, count)
        error_s = self.behind_s(stamp, count)
        correction = min(max(0.05 * error_s / max(count / self._true_hz, 0.02), -0.005), 0.005)
        step_s = (1.0 + correction) / self._true_hz
        times: FloatArray = self._next_s + step_s * np.arange(count, dtype=np.float64)
        self._next_s += step_s * count
        return times

    def skip(self, count: int) -> None:
        """Count `count` samples that did not arrive, at the nominal rate."""
        self._next_s += count / self._true_hz

    def _measure(self, stamp: float, count: int) -> None:
        """Measure the true rate over stretches without a gap; near the announced one, that is taken for true."""
        if self._since is None or not 0 <= stamp - self._stamp <= 2 * _GAP_S:
            self._since, self._count = stamp, 0
        else:
            self._count += count
        self._stamp = stamp
        if stamp - self._since < _MEASURE_S:
            return
        true_hz = self._count / (stamp - self._since)
        off = abs(true_hz / self._rate_hz - 1.0)
        self._true_hz = true_hz if _NEAR < off <= _FAR else self._rate_hz
        self._since, self._count = stamp, 0

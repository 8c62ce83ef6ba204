"""Ticks that arrive with jitter, in bursts, twice or not at all become a line: which tick falls when. Pure.

The loop is of second order, phase and period, in the form of an alpha-beta filter. While it locks in, its gains are
those of the least-squares line through all ticks so far (the expanding-memory filter), and they are held once the line
is :data:`_MEMORY` ticks long: nothing to tune, no gain to wind up, and the phase is held, not only the tempo.

A tick that the line does not explain is not followed but doubted. The line runs on while the next ticks decide: back on
the line, it was a late tick or a burst; on a line beside it, whole ticks away, that many ticks were lost or came twice,
and the count is put right; on a line of another slope, the tempo has stepped, and the loop locks in anew.

References
----------
.. [1] E. Brookner, *Tracking and Kalman Filtering Made Easy*, Wiley 1998, sections 1.2 (g-h filter) and 1.2.10 (growing
   memory: g = 2(2n+1)/((n+1)(n+2)), h = 6/((n+1)(n+2))).
.. [2] E. S. Page, Continuous inspection schemes, *Biometrika* 41, 1954: a change is told by the sum of the residuals.
"""

from __future__ import annotations

from collections import deque
from math import sqrt

#: Clock messages a quarter note.
CLOCKS_PER_BEAT = 24

#: Ticks that the loop averages over once it has locked in: two and a half beats.
_MEMORY = 64
#: A tempo known from before the ticks weighs as much as this many of them; one that ticks told until now, as this many.
_HUNCH, _TOLD = 2, 8
#: Ticks until a tick may be doubted, and doubted ticks that may tell of a new tempo: half a beat. Two or three
#: times as many have to tell that ticks were lost or doubled; the line that runs on is then the right one.
_LOCKED, _DECIDE, _SLIP = 12, 12, 36
#: How much worse (in variances) the old line does where a new tempo is clear, and at most where the old one is.
_CLEAR, _SAME = 36.0, 12.0
#: Doubted ticks between looks, and how much worse the old line does where the first look is enough.
_LOOK, _GLARING = 6, 100.0
#: Doubted ticks after which the loop believes nothing and starts again.
_GIVE_UP = 96
#: Ticks in a row that lie on the line again, upon which the doubt is over.
_BACK = 3
#: Standard deviations: of one tick that is doubted, and of a mean of residuals that betrays a drift.
_GATE, _DRIFT = 4.5, 5.0
#: Seconds of jitter, standard deviation: at first, least and most.
_JITTER_S, _LEAST_JITTER_S, _MOST_JITTER_S = 2e-3, 2e-4, 6e-3
#: Quarter notes a minute that are believed, as in :data:`brainmidi.midi.tempo.TEMPO_RANGE_BPM`.
_SLOWEST_BPM, _FASTEST_BPM = 10.0, 480.0


class PhaseLoop:
    """The line through the ticks of a clock: tick `count` fell at `tick_s`, and one falls every `period_s` seconds.

    Parameters
    ----------
    bpm : float
        The tempo to assume until ticks tell it.
    grain_s : float
        Seconds between the moments at which ticks are handed over at all, where they come in periods as JACK's do.
        Where several ticks share a period, each is taken for one of the master's: none is taken for lost or doubled.
    """

    def __init__(self, bpm: float, grain_s: float = 0.0) -> None:
        self.count = -1
        self.tick_s = 0.0
        self.period_s = 60.0 / (CLOCKS_PER_BEAT * bpm)
        self._grain_s = grain_s
        self._memory = 0
        self._variance_s2 = _JITTER_S**2
        self._recent: deque[tuple[int, float]] = deque(maxlen=2 * _DECIDE)
        self._residuals: deque[float] = deque(maxlen=_DECIDE)
        self._doubted: list[tuple[int, float, float]] = []  # count, arrival, residual

    @property
    def locked(self) -> bool:
        """Whether enough ticks have come to judge the next by them."""
        return self._memory >= _LOCKED

    def restart(self, time_s: float, *, told: bool = False) -> None:
        """Take a tick that came at `time_s` for the first of a new line, with the tempo from before as a hunch.

        Parameters
        ----------
        time_s : float
            Clock time of its arrival.
        told : bool, optional
            Whether ticks have told that tempo until now, so that it weighs more.
        """
        self.count += 1
        self._begin(time_s, min(self._memory, _TOLD) if told else _HUNCH)

    def take(self, time_s: float) -> None:
        """Take the next tick, which came at `time_s`."""
        self.count += 1
        self._follow(time_s, time_s - self.tick_s - self.period_s)

    def _begin(self, time_s: float, memory: int = _HUNCH) -> None:
        """Begin a new line at the newest tick."""
        self.tick_s, self._memory = time_s, memory
        self._forget()
        self._recent.append((self.count, time_s))

    def _forget(self) -> None:
        self._recent.clear()
        self._residuals.clear()
        self._doubted.clear()

    def _follow(self, time_s: float, residual_s: float) -> None:
        self.tick_s += self.period_s
        gate_s = self._gate_s()
        coarse = 4.0 * self._grain_s > self.period_s
        if self.locked and not coarse and (self._doubted or abs(residual_s) > gate_s):
            self._doubted.append((self.count, time_s, residual_s))
            self._judge(gate_s)
            return
        self._recent.append((self.count, time_s))
        n = self._memory = min(self._memory + 1, _MEMORY)
        self.tick_s += 2 * (2 * n + 1) / ((n + 1) * (n + 2)) * residual_s
        self._set_period(self.period_s + 6 / ((n + 1) * (n + 2)) * residual_s)
        if not self.locked:
            return
        self._residuals.append(residual_s)
        drift_s = sum(self._residuals) / len(self._residuals)
        self._variance_s2 += ((residual_s - drift_s) ** 2 - self._variance_s2) / 32
        if len(self._residuals) == _DECIDE and abs(drift_s) > _DRIFT * self._jitter_s() / sqrt(_DECIDE):
            self._relock(list(self._recent))

    def _jitter_s(self) -> float:
        return max(_LEAST_JITTER_S, self._grain_s / 2.5, min(_MOST_JITTER_S, sqrt(self._variance_s2)))

    def _gate_s(self) -> float:
        # Never so wide that a whole tick more or less would pass.
        return min(_GATE * self._jitter_s(), 0.45 * self.period_s)

    def _judge(self, gate_s: float) -> None:
        """Tell from the doubted ticks whether they came late, were lost or doubled, or keep another tempo."""
        if len(self._doubted) >= _BACK and all(abs(residual) <= gate_s for _, _, residual in self._doubted[-_BACK:]):
            self._doubted.clear()
            return
        newest = self._doubted[-_SLIP:]
        # Not with every tick: who looks often enough sees a slope in any noise.
        if len(self._doubted) % _LOOK == 0:
            n = len(newest)
            _, slope_s, spread_s = _line([(count, residual) for count, _, residual in newest])
            mean_s = sum(residual for _, _, residual in newest) / n
            slip = round(mean_s / self.period_s)
            # How much worse a line beside the old one explains them than any line: the square of Student's t.
            surplus = slope_s**2 * n * (n**2 - 1) / 12 / max(self._jitter_s(), spread_s) ** 2
            full = n == _SLIP or (n >= 2 * _DECIDE and surplus < _SAME)
            clear = surplus > (_CLEAR if n >= _DECIDE else _GLARING)
            if spread_s <= gate_s and (clear or (full and slip == 0)):
                self._relock([(count, time_s) for count, time_s, _ in newest[-2 * _DECIDE :]])
            elif spread_s <= gate_s and full:
                self._variance_s2 = max(self._variance_s2, spread_s**2)
                self.count += slip
                self.tick_s += slip * self.period_s
                self._forget()
        if len(self._doubted) >= _GIVE_UP:
            self._begin(self._doubted[-1][1])

    def _relock(self, ticks: list[tuple[int, float]]) -> None:
        """Take the line through `ticks` for the loop's own, where it is a tempo that there can be."""
        time_s, period_s, spread_s = _line(ticks)
        if _SLOWEST_BPM <= 60.0 / (CLOCKS_PER_BEAT * max(period_s, 1e-9)) <= _FASTEST_BPM:
            self.tick_s, self.period_s, self._memory = time_s, period_s, len(ticks)
            self._variance_s2 = max(self._variance_s2, spread_s**2)
            self._forget()

    def _set_period(self, period_s: float) -> None:
        least_s, most_s = (60.0 / (CLOCKS_PER_BEAT * bpm) for bpm in (_FASTEST_BPM, _SLOWEST_BPM))
        self.period_s = min(most_s, max(least_s, period_s))


def _line(points: list[tuple[int, float]]) -> tuple[float, float, float]:
    """Return (value at the last point, slope, root mean square about it) of the least-squares line through `points`."""
    last = points[-1][0]
    n = len(points)
    mean_x = sum(x - last for x, _ in points) / n
    mean_y = sum(y for _, y in points) / n
    spread = sum((x - last - mean_x) ** 2 for x, _ in points)
    slope = sum((x - last - mean_x) * (y - mean_y) for x, y in points) / spread
    level = mean_y - slope * mean_x
    rms = sqrt(sum((y - level - slope * (x - last)) ** 2 for x, y in points) / n)
    return level, slope, rms

"""A slave to MIDI clock: ticks that arrive with jitter, in bursts, twice or not at all become a steady beat. Pure.

The follower is a second-order loop, phase and period, in the form of an alpha-beta filter. While it locks in, its gains
are those of the least-squares line through all ticks so far (the expanding-memory filter), and they are held once the
line is :data:`_MEMORY` ticks long: nothing to tune, no gain to wind up, and the phase is held, not only the tempo.

A tick that the line does not explain is not followed but doubted. The line runs on while the next ticks decide:
back on the line, it was a late tick or a burst; on a line beside it, whole ticks away, that many ticks were lost or
came twice, and the count is put right; on a line of another slope, the tempo has stepped, and the loop locks in anew.

References
----------
.. [1] E. Brookner, *Tracking and Kalman Filtering Made Easy*, Wiley 1998, sections 1.2 (g-h filter) and 1.2.10 (growing
   memory: g = 2(2n+1)/((n+1)(n+2)), h = 6/((n+1)(n+2))).
.. [2] E. S. Page, Continuous inspection schemes, *Biometrika* 41, 1954: a change is told by the sum of the residuals.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from fractions import Fraction
from math import ceil, sqrt

#: Clock messages a quarter note, and a sixteenth, in which song positions count.
CLOCKS_PER_BEAT, CLOCKS_PER_SIXTEENTH = 24, 6

POSITION, CLOCK, START, CONTINUE, STOP = 0xF2, 0xF8, 0xFA, 0xFB, 0xFC

#: Ticks that the loop averages over once it has locked in: two and a half beats.
_MEMORY = 64
#: A tempo known from before the ticks weighs as much as this many of them.
_HUNCH = 2
#: Ticks until a tick may be doubted, and doubted ticks that may tell of a new tempo: half a beat. Two or three
#: times as many have to tell that ticks were lost or doubled; the line that runs on is then the right one.
_LOCKED, _DECIDE, _SLIP = 12, 12, 36
#: How much worse (in variances) the old line does where a new tempo is clear, and at most where the old one is.
_CLEAR, _SAME = 36.0, 12.0
#: Doubted ticks after which the loop believes nothing and starts again.
_GIVE_UP = 96
#: Ticks in a row that lie on the line again, upon which the doubt is over.
_BACK = 3
#: Standard deviations: of one tick that is doubted, and of a mean of residuals that betrays a drift.
_GATE, _DRIFT = 4.5, 5.0
#: Seconds of jitter, standard deviation: at first, least and most.
_JITTER_S, _LEAST_JITTER_S, _MOST_JITTER_S = 2e-3, 2e-4, 6e-3
#: Seconds and ticks, whichever is longer, after which a clock that does not come has gone.
_PATIENCE_S, _PATIENCE_TICKS = 0.5, 12
#: Quarter notes a minute that are believed, as in :data:`brainmidi.midi.tempo.TEMPO_RANGE_BPM`.
_SLOWEST_BPM, _FASTEST_BPM = 10.0, 480.0


class ClockFollower:
    """Follows a master's clock, Start, Stop, Continue and song position.

    Give :meth:`take` every message with the time at which it arrived. While :attr:`running`, :meth:`beat` and
    :meth:`time_s` convert between clock time and the master's song position; both are one straight line, so that each
    is the other's inverse and neither ever turns back.

    Parameters
    ----------
    bpm : float, optional
        The tempo to assume until ticks tell it.
    grain_s : float, optional
        Seconds between the moments at which messages are handed over at all, where they come in periods as JACK's do.
        Where several ticks share a period, each is taken for one of the master's: none is taken for lost or doubled.

    Attributes
    ----------
    running : bool
        Whether the master plays: true from the first clock after Start or Continue.
    placements : int
        How many times the song position was set anew by Start, Continue or a jump: who sees it change asks where the
        next bar line is.
    """

    def __init__(self, bpm: float = 120.0, *, grain_s: float = 0.0) -> None:
        self._grain_s = grain_s
        self.running = False
        self.placements = 0
        self._period_s = 60.0 / (CLOCKS_PER_BEAT * bpm)
        self._count = -1  # of the newest tick
        self._tick_s = 0.0  # when it fell, by the loop
        self._heard_s: float | None = None  # when it came
        self._memory = 0
        self._variance_s2 = _JITTER_S**2
        self._recent: deque[tuple[int, float]] = deque(maxlen=2 * _DECIDE)
        self._residuals: deque[float] = deque(maxlen=_DECIDE)
        self._doubted: list[tuple[int, float, float]] = []  # count, arrival, residual
        self._armed = False
        self._next_clock = 0  # song position of the clock to come, while the master stands
        self._offset = 0  # song position less count, while it plays

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes a minute, as estimated."""
        return 60.0 / (CLOCKS_PER_BEAT * self._period_s)

    @property
    def locked(self) -> bool:
        """Whether enough ticks have come to judge the next by them."""
        return self._memory >= _LOCKED

    @property
    def patient_until_s(self) -> float | None:
        """Clock time at which a playing master that sends no more clock has to be given up; None while it stands."""
        if not self.running or self._heard_s is None:
            return None
        return self._heard_s + self._patience_s()

    @property
    def position(self) -> Fraction:
        """Song position of the newest clock, or of the next while the master stands, in beats."""
        return Fraction(self._count + self._offset if self.running else self._next_clock, CLOCKS_PER_BEAT)

    def beat(self, time_s: float) -> float:
        """Return the master's song position at clock time `time_s`, in beats; as it stands where it does not play."""
        if not self.running:
            return self._next_clock / CLOCKS_PER_BEAT
        return (self._count + self._offset + (time_s - self._tick_s) / self._period_s) / CLOCKS_PER_BEAT

    def time_s(self, beat: float | Fraction) -> float | None:
        """Return the clock time of song position `beat`, the inverse of :meth:`beat`; None while the master stands."""
        if not self.running:
            return None
        return self._tick_s + float(beat * CLOCKS_PER_BEAT - self._count - self._offset) * self._period_s

    def bar_line(self, length: Fraction) -> Fraction:
        """Return the first bar line at or after :attr:`position`, in a song whose bars all last `length` beats."""
        return ceil(self.position / length) * length

    def take(self, time_s: float, data: Sequence[int]) -> None:
        """Take one message; those that are neither clock nor transport are passed over.

        Parameters
        ----------
        time_s : float
            Clock time of its arrival, never before that of the message before.
        data : sequence of int
            Its bytes.
        """
        match data[0]:
            case 0xF8:
                self._tick(time_s)
            case 0xFA:
                self._stand()
                self._next_clock, self._armed = 0, True
            case 0xFB:
                self._stand()
                self._armed = True
            case 0xFC:
                self._stand()
                self._armed = False
            case 0xF2:
                # A master that locates while it plays is at the new place with its next clock.
                self._armed = self._armed or self.running
                self._stand()
                self._next_clock = CLOCKS_PER_SIXTEENTH * (data[1] | data[2] << 7)

    def give_up(self, time_s: float) -> bool:
        """Let a master stand whose clock has not come for too long by `time_s`; return whether it was so.

        It plays on with the next clock that comes, as after Continue.
        """
        until_s = self.patient_until_s
        if until_s is None or time_s < until_s:
            return False
        self._stand()
        self._armed = True
        return True

    def _stand(self) -> None:
        """Keep the place of the next clock, while none counts."""
        if self.running:
            self._next_clock = self._count + self._offset + 1
            self.running = False

    def _patience_s(self) -> float:
        return max(_PATIENCE_S, _PATIENCE_TICKS * self._period_s)

    # --------------------------------------------------------------------------------------------------- the loop

    def _tick(self, time_s: float) -> None:
        self.give_up(time_s)
        if self._heard_s is None or time_s > self._heard_s + self._patience_s():
            self._count += 1
            self._restart(time_s)
        else:
            self._count += 1
            self._follow(time_s, time_s - self._tick_s - self._period_s)
        self._heard_s = time_s
        if self._armed:
            self._armed, self.running = False, True
            self._offset = self._next_clock - self._count
            self.placements += 1

    def _restart(self, time_s: float) -> None:
        """Begin a new line at a tick, with the tempo from before as a hunch."""
        self._tick_s, self._memory = time_s, _HUNCH
        self._forget()
        self._recent.append((self._count, time_s))

    def _forget(self) -> None:
        self._recent.clear()
        self._residuals.clear()
        self._doubted.clear()

    def _follow(self, time_s: float, residual_s: float) -> None:
        self._tick_s += self._period_s
        gate_s = self._gate_s()
        coarse = 4.0 * self._grain_s > self._period_s
        if self.locked and not coarse and (self._doubted or abs(residual_s) > gate_s):
            self._doubted.append((self._count, time_s, residual_s))
            self._judge(gate_s)
            return
        self._recent.append((self._count, time_s))
        n = self._memory = min(self._memory + 1, _MEMORY)
        self._tick_s += 2 * (2 * n + 1) / ((n + 1) * (n + 2)) * residual_s
        self._set_period(self._period_s + 6 / ((n + 1) * (n + 2)) * residual_s)
        if not self.locked:
            return
        self._residuals.append(residual_s)
        self._variance_s2 += (residual_s**2 - self._variance_s2) / 32
        drift_s = sum(self._residuals) / len(self._residuals)
        if len(self._residuals) == _DECIDE and abs(drift_s) > _DRIFT * self._jitter_s() / sqrt(_DECIDE):
            self._relock(list(self._recent))

    def _jitter_s(self) -> float:
        return max(_LEAST_JITTER_S, self._grain_s / 2.5, min(_MOST_JITTER_S, sqrt(self._variance_s2)))

    def _gate_s(self) -> float:
        # Never so wide that a whole tick more or less would pass.
        return min(_GATE * self._jitter_s(), 0.45 * self._period_s)

    def _judge(self, gate_s: float) -> None:
        """Tell from the doubted ticks whether they came late, were lost or doubled, or keep another tempo."""
        if len(self._doubted) >= _BACK and all(abs(residual) <= gate_s for _, _, residual in self._doubted[-_BACK:]):
            self._doubted.clear()
            return
        newest = self._doubted[-_SLIP:]
        if len(newest) >= _DECIDE:
            level_s, _, spread_s = _line([(count, residual) for count, _, residual in newest])
            slip = round(level_s / self._period_s)
            # How much worse than any line the old one explains them, moved by whole ticks; chi-squared of 2 if it does.
            missed_s2 = sum((residual - slip * self._period_s) ** 2 for _, _, residual in newest)
            surplus = (missed_s2 - len(newest) * spread_s**2) / self._jitter_s() ** 2
            full = len(newest) == _SLIP or (len(newest) >= 2 * _DECIDE and surplus < _SAME)
            if spread_s <= gate_s and (surplus > _CLEAR or (full and slip == 0)):
                self._relock([(count, time_s) for count, time_s, _ in newest[-2 * _DECIDE :]])
            elif spread_s <= gate_s and full:
                self._variance_s2 = max(self._variance_s2, spread_s**2)
                self._count += slip
                self._tick_s += slip * self._period_s
                self._forget()
        if len(self._doubted) >= _GIVE_UP:
            self._restart(self._doubted[-1][1])

    def _relock(self, ticks: list[tuple[int, float]]) -> None:
        """Take the line through `ticks` for the loop's own, where it is a tempo that there can be."""
        time_s, period_s, spread_s = _line(ticks)
        if _SLOWEST_BPM <= 60.0 / (CLOCKS_PER_BEAT * max(period_s, 1e-9)) <= _FASTEST_BPM:
            self._tick_s, self._period_s, self._memory = time_s, period_s, len(ticks)
            self._variance_s2 = max(self._variance_s2, spread_s**2)
            self._forget()

    def _set_period(self, period_s: float) -> None:
        least_s, most_s = (60.0 / (CLOCKS_PER_BEAT * bpm) for bpm in (_FASTEST_BPM, _SLOWEST_BPM))
        self._period_s = min(most_s, max(least_s, period_s))


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

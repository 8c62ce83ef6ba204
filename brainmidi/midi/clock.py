"""The only file that reads the time: a real clock that all our processes share, and one that tests turn by hand."""

from __future__ import annotations

import time

from brainmidi.errors import MidiError


class MonotonicClock:
    """The machine's monotonic clock, in seconds since an arbitrary origin.

    `time.perf_counter` is the one clock that is both fine (well below a microsecond) and the same in every process on
    Linux (CLOCK_MONOTONIC), macOS (mach_absolute_time) and Windows (QueryPerformanceCounter, system-wide since Python
    3.10). The composer can therefore tell the player at which second beat 0 falls, and both mean the same instant.
    """

    def now_s(self) -> float:
        """Return the current time, in seconds."""
        return time.perf_counter()

    def sleep_until(self, deadline_s: float) -> None:
        """Return once `now_s` has reached `deadline_s` (absolute, so lateness never accumulates)."""
        while (left_s := deadline_s - time.perf_counter()) > 0:
            time.sleep(left_s)

    def watch_until(self, deadline_s: float) -> None:
        """Return once `now_s` has reached `deadline_s`, awake all the while: exact, for fractions of a millisecond."""
        while time.perf_counter() < deadline_s:
            pass


class VirtualClock:
    """A clock that stands still until it is told to wait, and then is there at once.

    Parameters
    ----------
    start_s : float
        What the clock shows at first, in seconds.
    """

    def __init__(self, start_s: float = 0.0) -> None:
        self._now_s = float(start_s)

    def now_s(self) -> float:
        """Return the current virtual time, in seconds."""
        return self._now_s

    def sleep_until(self, deadline_s: float) -> None:
        """Move to `deadline_s`; a deadline that has passed leaves the clock where it is.

        Raises
        ------
        MidiError
            If the deadline is not a finite number.
        """
        if deadline_s != deadline_s or deadline_s == float("inf"):
            raise MidiError(f"deadline {deadline_s} s is not a time; wait for a finite number of seconds")
        self._now_s = max(self._now_s, deadline_s)


def date_stamp() -> str:
    """Return the local date and time to the second, as a file's name has it: ``"2026-11-21_14-05-09"``."""
    return time.strftime("%Y-%m-%d_%H-%M-%S")

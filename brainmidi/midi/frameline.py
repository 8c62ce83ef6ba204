"""Which frame of an audio server a clock time falls on: a straight line that follows the server slowly."""

from __future__ import annotations

#: How far the server may seem to be off before the line gives way, in seconds: what its wake-ups jitter on a busy
#: machine, and well below what an ear can tell.
_TOLERANCE_S = 0.0005

#: Of the deviation that is smoothed, this share is of the newest observation (one for each period).
_SHARE = 1 / 32

#: Observations after which the line is trusted; until then it goes by the newest.
_SETTLE = 16

#: So many observations in a row far away mean that the server's frames have jumped, as after an overrun.
_JUMPED = 3

_WRAP = 1 << 32


class FrameLine:
    """The line from clock seconds to the frames of a server, whose counter has 32 bits and wraps.

    A server tells once a period which frame it is at. Its word jitters by the lateness of its own wake-ups, and its
    crystal is not the machine's clock. Within a tolerance of the line the word is taken for jitter, so that equal times
    lie equal numbers of frames apart; a lasting deviation moves the line a frame at a time; frames that jump move it at
    once.

    Parameters
    ----------
    rate_hz : float
        Frames a second.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = float(rate_hz)
        self._tolerance = _TOLERANCE_S * self._rate_hz
        self._at_s = 0.0
        self._at_frame = 0.0
        self._newest = 0
        self._seen = 0
        self._off = 0.0
        self._far = 0

    @property
    def settled(self) -> bool:
        """Whether enough was observed to go by."""
        return self._seen >= _SETTLE

    def observe(self, at_s: float, frame: int) -> None:
        """Take in that the server is at `frame` (its counter, modulo 2**32) at clock time `at_s`."""
        if self._seen == 0:
            self._at_s, self._at_frame, self._newest = at_s, float(frame), frame
        self._newest = self.unwrapped(frame)
        off = self._newest - self._exact(at_s)
        self._seen += 1
        if not self.settled:
            self._at_frame += off / self._seen  # the mean of what was seen so far
            return
        self._far = self._far + 1 if abs(off) > 0.01 * self._rate_hz else 0
        if self._far >= _JUMPED:
            self._at_frame, self._off, self._far = self._at_frame + off, 0.0, 0
        elif self._far == 0:
            self._off += _SHARE * (off - self._off)
            if abs(self._off) > self._tolerance:
                step = 1.0 if self._off > 0 else -1.0
                self._at_frame += step
                self._off -= step

    def frame(self, at_s: float) -> int:
        """Return the frame, not wrapped, on which clock time `at_s` falls."""
        return round(self._exact(at_s))

    def time_s(self, frame: int) -> float:
        """Return the clock time of a frame that is not wrapped."""
        return self._at_s + (frame - self._at_frame) / self._rate_hz

    def unwrapped(self, frame: int) -> int:
        """Return the frame that the server's counter `frame` stands for: the one nearest to the newest observed."""
        return self._newest + (frame - self._newest + _WRAP // 2) % _WRAP - _WRAP // 2

    def _exact(self, at_s: float) -> float:
        return self._at_frame + (at_s - self._at_s) * self._rate_hz

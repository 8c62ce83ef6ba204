"""Whether samples come at the rate that was announced: those of a device at another rate mean other frequencies."""

from __future__ import annotations

import math

_SPAN_S = 0.25  # samples are counted over stretches this long
_STRETCHES = 3  # so many in a row that deviate the same way are no burst
_TOLERANCE = 0.2  # share by which a stretch deviates; Bluetooth's bursts take turns to do so


class Pace:
    """Counts arriving samples against the clock.

    Parameters
    ----------
    rate_hz : float
        As announced.
    """

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._since_s: float | None = None
        self._count = 0
        self._signs: list[int] = []
        self._came_hz = rate_hz
        self.wrong = False

    @property
    def text(self) -> str:
        """What is wrong, in words."""
        return f"{self._came_hz:.0f} samples a second come, {self._rate_hz:g} were announced"

    def count(self, n_samples: int, now_s: float) -> None:
        """Count samples that have arrived at `now_s`; a silence before them belongs to their stretch."""
        if now_s == math.inf:
            return
        if self._since_s is None:  # what comes first was waiting
            self._since_s = now_s
            return
        self._count += n_samples
        elapsed_s = now_s - self._since_s
        if elapsed_s < _SPAN_S:
            return
        share = self._count / (elapsed_s * self._rate_hz)
        sign = 0 if abs(share - 1.0) <= _TOLERANCE else int(math.copysign(1, share - 1.0))
        self._signs = [*self._signs[1 - _STRETCHES :], sign]
        self._since_s, self._count = now_s, 0
        if len(self._signs) == _STRETCHES and len(set(self._signs)) == 1:
            self.wrong = sign != 0
            self._came_hz = share * self._rate_hz

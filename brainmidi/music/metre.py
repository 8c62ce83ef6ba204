"""Metres whose bar is at most four beats long, on a grid of sixteenth notes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction

from brainmidi.errors import MusicError

#: Sixteenth steps in a beat (a beat is a quarter note), and the most that a bar may have.
STEPS_PER_BEAT = 4
MAX_STEPS = 16

#: Steps of one bar in the melody model, whatever the metre: a shorter bar uses the first of them.
MODEL_BAR_STEPS = 16

# How strongly a step of each rank is felt: downbeat, middle of the bar, other pulses, halves of a pulse, the rest.
_DOWNBEAT, _MIDDLE, _PULSE, _HALF, _REST = 1.0, 0.8, 0.6, 0.35, 0.1


@dataclass(frozen=True, slots=True)
class Metre:
    """A time signature.

    Parameters
    ----------
    numerator, denominator : int
        As written, such as 6 and 8. The bar must last 1 to 4 quarter notes and fill whole sixteenths.
    """

    numerator: int
    denominator: int

    def __post_init__(self) -> None:
        if self.denominator not in (2, 4, 8, 16) or self.numerator < 1:
            raise MusicError(
                f"metre {self} is not known; write a count over 2, 4, 8 or 16, such as 4/4, 3/4, 2/4 or 6/8"
            )
        if not 1 <= self.length <= 4:
            raise MusicError(
                f"metre {self} has {float(self.length):g} quarter notes in a bar, 1 to 4 are allowed; "
                "write it in shorter bars, such as 6/8 for 12/8"
            )

    @classmethod
    def parse(cls, text: str) -> Metre:
        """Return the metre that `text`, such as ``"3/4"``, spells; :class:`MusicError` where it spells none."""
        match = re.fullmatch(r"\s*(\d{1,2})\s*/\s*(\d{1,2})\s*", text)
        if match is None:
            raise MusicError(f"metre {text!r} is not understood; write two numbers such as 4/4, 3/4, 2/4 or 6/8")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.numerator}/{self.denominator}"

    @property
    def length(self) -> Fraction:
        """Length of a bar in beats (quarter notes)."""
        return Fraction(4 * self.numerator, self.denominator)

    @property
    def steps(self) -> int:
        """Sixteenth steps in a bar, 4 to 16."""
        return int(self.length * STEPS_PER_BEAT)

    @property
    def pulses(self) -> tuple[int, ...]:
        """Steps on which the felt beats begin: quarters in 3/4, dotted quarters in 6/8, 2+2+3 in 7/8."""
        unit = MAX_STEPS // self.denominator
        if self.denominator <= 4:
            sizes = [1] * self.numerator
        elif self.numerator % 3 == 0:
            sizes = [3] * (self.numerator // 3)
        elif self.numerator % 2 == 0:
            sizes = [2] * (self.numerator // 2)
        elif self.numerator == 5:
            sizes = [3, 2]
        else:
            sizes = [2] * ((self.numerator - 3) // 2) + [3] if self.numerator > 3 else [self.numerator]
        starts = [0]
        for size in sizes[:-1]:
            starts.append(starts[-1] + size * unit)
        return tuple(starts)

    @property
    def middle(self) -> int:
        """Step of the second-strongest pulse: the third beat of 4/4, the second of 3/4, the second half of 6/8."""
        pulses = self.pulses
        return pulses[len(pulses) // 2] if len(pulses) > 1 else self.steps // 2

    @property
    def weights(self) -> tuple[float, ...]:
        """Metrical weight 0..1 of every sixteenth step of the bar."""
        pulses = self.pulses
        weights = [_REST] * self.steps
        for start, end in zip(pulses, (*pulses[1:], self.steps), strict=True):
            span = end - start
            inner = range(2, span, 2) if span % 2 == 0 else ()
            for offset in inner:
                weights[start + offset] = _HALF
            weights[start] = _PULSE
        weights[self.middle] = max(weights[self.middle], _MIDDLE)
        weights[0] = _DOWNBEAT
        return tuple(weights)

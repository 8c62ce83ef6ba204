"""The declarative map: which feature drives which knob, and which event moves the music on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from brainmidi.errors import ControlError
from brainmidi.types import KNOBS

_NEARLY_THERE = math.atanh(0.9)  # `low` and `high` put a knob at 0.05 and 0.95

ACTIONS: tuple[str, ...] = ("next-anchor",)

#: The name by which ``[map.<knob>] feature`` asks for the position that a learned map gives.
LEARNED = "learned"


@dataclass(frozen=True, slots=True)
class KnobRule:
    """How one feature drives a knob.

    Parameters
    ----------
    feature : str
        Name of the feature.
    invert : bool
        True turns the knob down as the feature rises.
    low, high : float
        Robust z, below and above 0, at which the knob is nearly at its end (0.05 and 0.95). Rest, z = 0, is 0.5.
    """

    feature: str
    invert: bool = False
    low: float = -2.0
    high: float = 2.0

    def __post_init__(self) -> None:
        if not self.low < 0 < self.high:
            raise ControlError(
                f"z range {self.low}..{self.high} of {self.feature} does not hold rest; give low < 0 < high in [map]"
            )

    def position(self, z: float) -> float:
        """Return the knob's position 0..1 for a robust z-score."""
        z = min(max(z, 2.0 * self.low), 2.0 * self.high)
        moved = 0.5 * math.tanh(_NEARLY_THERE * z / (self.high if z > 0 else -self.low))
        return 0.5 - moved if self.invert else 0.5 + moved


@dataclass(frozen=True, slots=True)
class EventRule:
    """When a feature's crossing of a threshold moves the music to the next anchor.

    Parameters
    ----------
    feature : str
        Name of the feature, taken as it is (a confidence 0..1, or decibels).
    threshold : float
        Reached from below, it fires.
    action : str
        ``"next-anchor"``.
    refractory_s : float
        So long after firing it cannot fire again.
    hysteresis : float
        The feature has to fall below ``threshold - hysteresis`` before it can fire again.
    """

    feature: str
    threshold: float
    action: str = "next-anchor"
    refractory_s: float = 4.0
    hysteresis: float = 0.1

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise ControlError(f"action {self.action!r} is unknown, known is {', '.join(ACTIONS)}; correct [on]")
        if not (self.refractory_s >= 0 and self.hysteresis >= 0 and math.isfinite(self.threshold)):
            raise ControlError(
                f"event on {self.feature}: refractory {self.refractory_s} s and hysteresis {self.hysteresis} must be "
                f"0 or more and threshold {self.threshold} finite; correct [on]"
            )


class Learned(Protocol):
    """A map fitted to one person: from all features at once to a knob's position; ``controls/learned.py`` has it."""

    def position(self, values: Mapping[str, float]) -> float | None:
        """Return the position 0..1 that `values` lead to; None where one of its features is missing."""
        ...


@dataclass(frozen=True, slots=True)
class ControlMap:
    """Which features drive which knobs and events.

    Parameters
    ----------
    knobs : mapping of str to KnobRule
        By knob name; a knob left out stays at 0.5.
    events : tuple of EventRule
    time_constant_s : float
        Smoothing of every knob, in seconds; 0 for none.
    learned : Learned or None
        What a knob whose feature is :data:`LEARNED` follows.
    """

    knobs: Mapping[str, KnobRule]
    events: tuple[EventRule, ...] = ()
    time_constant_s: float = 1.5
    learned: Learned | None = None

    def __post_init__(self) -> None:
        for name in self.knobs:
            if name not in KNOBS:
                raise ControlError(f"knob {name!r} is unknown, known are {', '.join(KNOBS)}; correct [map.{name}]")
        if not 0.0 <= self.time_constant_s <= 60.0:
            raise ControlError(f"time constant {self.time_constant_s} s is outside 0..60; 1.5 is usual")
        object.__setattr__(self, "knobs", MappingProxyType(dict(self.knobs)))


#: Calm (alpha up) is the calm corner: lower, sparser, softer, slower, surer; active (beta over alpha) is the other.
DEFAULT_MAP = ControlMap(
    knobs={
        "latent_mix": KnobRule("alpha.posterior", invert=True, low=-4.0, high=4.0),
        "temperature": KnobRule("engagement", low=-4.0, high=4.0),
        "density": KnobRule("engagement", low=-4.0, high=4.0),
        "velocity": KnobRule("beta", low=-3.0, high=3.0),
        "tempo": KnobRule("alpha.posterior", invert=True, low=-5.0, high=5.0),
        "register": KnobRule("gamma", low=-4.0, high=4.0),
    },
    # A confidence is one look's; it is looked at after every epoch, so that 0.95 is crossed by chance every minute or
    # two (docs/mapping.md has the measured rates).
    events=(EventRule("erp.confidence", threshold=0.99, refractory_s=4.0, hysteresis=0.15),),
    time_constant_s=1.5,
)

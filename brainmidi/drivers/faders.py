"""A performer's faders: they take a knob over, or say how far the brain may move it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from brainmidi.types import ControlFrame

_CONTROL_CHANGE = 0xB0


@dataclass(frozen=True, slots=True)
class FaderRule:
    """A controller of the performer's that has a say in a knob.

    Parameters
    ----------
    cc : int
        Its number, 0..119.
    mode : str
        ``"override"``: from the moment it moves, the knob stands where it stands. ``"scale"``: it says how far the
        brain may move the knob from its middle, from not at all to as far as it likes.
    channel : int
        MIDI channel 1..16, or 0 for any.
    """

    cc: int
    mode: Literal["override", "scale"] = "override"
    channel: int = 0


class Faders:
    """Where the performer's faders stand, and what that makes of the brain's knobs.

    One that has not been moved yet has no say. The thread that reads the player's notices writes, pump and composer
    read.

    Parameters
    ----------
    rules : mapping of str to FaderRule
        By knob.
    """

    def __init__(self, rules: Mapping[str, FaderRule]) -> None:
        self._rules = dict(rules)
        self._at: dict[str, float] = {}
        self._lock = threading.Lock()

    def take(self, data: tuple[int, ...]) -> None:
        """Take one message of the performer's; what is no fader's is passed over."""
        if data[0] & 0xF0 != _CONTROL_CHANGE:
            return
        for knob, rule in self._rules.items():
            if data[1] == rule.cc and rule.channel in (0, (data[0] & 0x0F) + 1):
                with self._lock:
                    self._at[knob] = data[2] / 127

    def apply(self, frame: ControlFrame) -> ControlFrame:
        """Return `frame` with the knobs where brain and faders together put them."""
        with self._lock:
            at = dict(self._at)
        if not at:
            return frame
        knobs = dict(frame.knobs)
        for knob, position in at.items():
            brain = knobs.get(knob, 0.5)
            knobs[knob] = position if self._rules[knob].mode == "override" else 0.5 + (brain - 0.5) * position
        return replace(frame, knobs=knobs)

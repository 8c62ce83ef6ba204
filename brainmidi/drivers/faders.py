"""A performer's faders: they take a knob over, or say how far the brain may move it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from brainmidi.types import ControlFrame

_CONTROL_CHANGE = 0xB0
_NEAR = 1 / 127


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
    pickup : bool
        Whether it has a say only once it has come to where the knob stands (for ``"scale"``: to the top), so that
        nothing jumps.
    """

    cc: int
    mode: Literal["override", "scale"] = "override"
    channel: int = 0
    pickup: bool = False


class Faders:
    """Where the performer's faders stand, and what that makes of the brain's knobs.

    One that has not been moved yet, or not since :meth:`release`, has no say. The threads that read the player's
    notices and the terminal write, pump and composer read.

    Parameters
    ----------
    rules : mapping of str to FaderRule
        By knob.
    """

    def __init__(self, rules: Mapping[str, FaderRule]) -> None:
        self._rules = dict(rules)
        self._at: dict[str, float] = {}
        self._moved: dict[str, float] = {}
        self._brain: Mapping[str, float] = {}
        self._lock = threading.Lock()

    def take(self, data: tuple[int, ...]) -> tuple[str, ...]:
        """Take one message of the performer's; what is no fader's is passed over.

        Returns
        -------
        tuple of str
            The knobs in which a fader has a say from now on, and had none before.
        """
        if data[0] & 0xF0 != _CONTROL_CHANGE:
            return ()
        taken = []
        for knob, rule in self._rules.items():
            if data[1] == rule.cc and rule.channel in (0, (data[0] & 0x0F) + 1):
                position = data[2] / 127
                with self._lock:
                    if knob not in self._at and self._reaches(knob, rule, position):
                        taken.append(knob)
                    if knob in self._at or knob in taken:
                        self._at[knob] = position
                    self._moved[knob] = position
        return tuple(taken)

    def _reaches(self, knob: str, rule: FaderRule, position: float) -> bool:
        """Return whether a fader that moves to `position` comes to where the knob stands, or past it."""
        if not rule.pickup:
            return True
        before = self._moved.get(knob, position)
        standing = self._brain.get(knob, 0.5) if rule.mode == "override" else 1.0
        return min(before, position) - _NEAR <= standing <= max(before, position) + _NEAR

    def release(self) -> tuple[str, ...]:
        """Give every knob back to the brain, until its fader moves again; return those that were given back."""
        with self._lock:
            knobs = tuple(self._at)
            self._at.clear()
        return knobs

    def apply(self, frame: ControlFrame) -> ControlFrame:
        """Return `frame` with the knobs where brain and faders together put them."""
        with self._lock:
            self._brain = frame.knobs
            at = dict(self._at)
        if not at:
            return frame
        knobs = dict(frame.knobs)
        for knob, position in at.items():
            brain = knobs.get(knob, 0.5)
            knobs[knob] = position if self._rules[knob].mode == "override" else 0.5 + (brain - 0.5) * position
        return replace(frame, knobs=knobs)

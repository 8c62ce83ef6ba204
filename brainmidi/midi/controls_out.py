"""Knobs and features go out as control changes: smoothed, when they change, and never more than a cable carries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import expm1, inf
from typing import Literal

#: Messages in any second, all controls together: plenty for the ear, and a tenth of what a MIDI cable carries.
MOST_CONTROLS = 100

Kind = Literal["cc", "nrpn", "bend", "pressure"]
Data = tuple[int, ...]

#: Of these so many may go at once: they keep a cable busy for 20 ms, and six controls of 14 bits need 12.
_BURST = 20
#: So near its goal a smoothed control is there: an exponential alone never is.
_THERE = 1e-6
#: One control alone is sent a hundred times a second at most.
_STEP_S = 0.01

_NRPN_MSB, _NRPN_LSB, _DATA_MSB, _DATA_LSB = 99, 98, 6, 38


@dataclass(frozen=True, slots=True)
class ControlRule:
    """How one knob or feature goes out.

    Parameters
    ----------
    source : str
        Name of the knob or feature.
    channel : int
        MIDI channel, 1..16.
    kind : str
        ``"cc"``, ``"nrpn"``, ``"bend"`` (pitch bend, always 14 bits) or ``"pressure"`` (of the channel, always 7).
    number : int
        Of the controller (0..119, with 14 bits 0..31) or parameter (0..16383); 0 for the other kinds.
    bits : int
        7 or 14.
    low, high : float
        Values of the source at which the control stands at its least and its greatest; `low` may be the greater.
    smoothing_s : float
        Time constant, in seconds; 0 for none.
    """

    source: str
    channel: int
    kind: Kind = "cc"
    number: int = 0
    bits: int = 7
    low: float = 0.0
    high: float = 1.0
    smoothing_s: float = 0.0

    @property
    def top(self) -> int:
        """The greatest value."""
        return 0x3FFF if self.kind == "bend" or (self.bits == 14 and self.kind != "pressure") else 0x7F

    def position(self, value: float) -> float:
        """Return where the control stands, 0..1, when its source is at `value`."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def messages(self, value: int) -> tuple[Data, ...]:
        """Return the messages that set the control to `value`, 0..`top`.

        The more significant byte goes first: a receiver takes it as the value with 0 in the other byte, which then
        follows. A parameter's number goes with each value, since another program's may have been sent meanwhile.
        """
        at, coarse, fine = self.channel - 1, value >> 7, value & 0x7F
        control = 0xB0 | at
        if self.kind == "bend":
            return ((0xE0 | at, fine, coarse),)
        if self.kind == "pressure":
            return ((0xD0 | at, value),)
        if self.kind == "nrpn":
            number = ((control, _NRPN_MSB, self.number >> 7), (control, _NRPN_LSB, self.number & 0x7F))
            if self.bits == 7:
                return (*number, (control, _DATA_MSB, value))
            return (*number, (control, _DATA_MSB, coarse), (control, _DATA_LSB, fine))
        if self.bits == 7:
            return ((control, self.number, value),)
        return ((control, self.number, coarse), (control, self.number + 32, fine))


class _Fader:
    """One control on its way: where it is to go, where smoothing has it, what was sent last."""

    def __init__(self, rule: ControlRule) -> None:
        self.rule = rule
        self.cost = len(rule.messages(0))
        self.goal: float | None = None
        self.at = 0.0
        self.moved_s = 0.0
        self.sent: int | None = None
        self.sent_s = -inf

    def aim(self, value: float, now_s: float) -> None:
        goal = self.rule.position(value)
        if self.goal is None:
            self.at, self.moved_s = goal, now_s
        self.move(now_s)
        self.goal = goal

    def move(self, now_s: float) -> None:
        if self.goal is None:
            return
        tau_s = self.rule.smoothing_s
        self.at += (self.goal - self.at) * (-expm1(-(now_s - self.moved_s) / tau_s) if tau_s > 0 else 1.0)
        if abs(self.goal - self.at) < _THERE:
            self.at = self.goal
        self.moved_s = now_s

    def value(self) -> int:
        return round(self.at * self.rule.top)

    def is_on_its_way(self) -> bool:
        return self.goal is not None and (self.value() != self.sent or round(self.goal * self.rule.top) != self.sent)


class ControlsOut:
    """Which messages the positions of knobs and features ask for, and when.

    All controls draw on one allowance of :data:`MOST_CONTROLS` messages a second, so that one that moves while the
    others rest need not wait for its turn. Where it is used up, the control that was sent the longest ago goes first,
    as soon as it may, with the value that it then has.

    Parameters
    ----------
    rules : iterable of ControlRule
        What goes out.
    """

    def __init__(self, rules: Iterable[ControlRule]) -> None:
        self._faders = [_Fader(rule) for rule in rules]
        self._looked_s = -inf
        # The allowance as the generic cell rate algorithm has it: it is whole again at one time, and lacking until
        # another. Only those two are compared with the clock, hence no fraction of a message is lost in rounding.
        self._whole_s = -inf
        self._lacking_until_s = -inf

    def aim(self, values: Mapping[str, float], now_s: float) -> None:
        """Take positions by name; a control whose source is not among them stays on its way."""
        for fader in self._faders:
            if fader.rule.source in values:
                fader.aim(values[fader.rule.source], now_s)

    @property
    def deadline_s(self) -> float | None:
        """Clock time at which a control may have to be sent; None while all stand where they should."""
        waiting = [self._ready_s(fader) for fader in self._faders if fader.is_on_its_way()]
        return max(min(waiting), self._lacking_until_s) if waiting else None

    def _ready_s(self, fader: _Fader) -> float:
        ready_s = fader.sent_s + _STEP_S
        # A smoothed control that has not reached its next value yet is looked at again after a step.
        return ready_s if fader.value() != fader.sent else max(ready_s, self._looked_s + _STEP_S)

    def due(self, now_s: float) -> list[tuple[ControlRule, tuple[Data, ...]]]:
        """Return (rule, messages) of each control that is to be sent now, the longest unsent first."""
        self._looked_s = now_s
        found = []
        for fader in self._faders:
            fader.move(now_s)
        for fader in sorted(self._faders, key=lambda each: each.sent_s):
            value = fader.value()
            if fader.goal is None or value == fader.sent or now_s < fader.sent_s + _STEP_S:
                continue
            if not self._may_send(fader.cost, now_s):  # what is behind it waits too, else it might wait for ever
                break
            fader.sent, fader.sent_s = value, now_s
            found.append((fader.rule, fader.rule.messages(value)))
        return found

    def _may_send(self, cost: int, now_s: float) -> bool:
        """Take `cost` messages from the allowance, if it holds so many."""
        rate = MOST_CONTROLS - _BURST
        whole_s = max(self._whole_s, now_s) + cost / rate
        self._lacking_until_s = whole_s - _BURST / rate
        if now_s < self._lacking_until_s:
            return False
        self._whole_s = whole_s
        return True

    @property
    def n_channels(self) -> int:
        """How many MIDI channels are used."""
        return len({fader.rule.channel for fader in self._faders})

    def forget(self) -> None:
        """Send every control anew, since the receiver was reset."""
        for fader in self._faders:
            fader.sent = None

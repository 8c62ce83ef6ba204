"""What the simulated brain does and when: calm and active phases, attention, blinks and oddball markers."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from brainmidi.types import FloatArray, Marker

#: Streams of random numbers, so that one kind of event never moves another.
_PHASES, _BLINKS, _ODDBALL, _JITTER = range(21, 25)

_SLOT_S = 0.45  # about two stimuli a second
_GROUP = 5  # one in five is the target
_FIRST_STIMULUS_S = 1.0
_BLINK_SLOT_S = 2.5  # at most one blink in this long

# Which groups of stimuli are attended to: those of the first 16 s, as many as it takes to be sure of a response within
# a take of 16 bars, then for ever 8 groups (18 s) off and 10 on, about what an average of the last 12 targets needs to
# forget and to learn again.
_OPENING, _OFF, _ON = 7, 8, 10


def _attentive(group: int) -> bool:
    return group < _OPENING or (group - _OPENING) % (_OFF + _ON) >= _OFF


def numbers(seed: int, stream: int, index: int, count: int) -> FloatArray:
    """Return `count` uniform numbers that depend on ``(seed, stream, index)`` alone.

    Philox is a counter-based generator (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): any
    stretch of the brain can be made without what came before it.
    """
    return np.random.Generator(np.random.Philox(key=[seed, stream], counter=[0, 0, 0, index])).random(count)


class Script:
    """The scripted state of a simulated brain, as functions of sample time.

    Parameters
    ----------
    seed : int
        Seed of every random choice.
    scenario : str
        ``"session"``: calm and active phases of 12 to 18 s take turns, with stretches of attention; ``"rest"``:
        half-way between calm and active throughout, no response to the stimuli (for a baseline).
    plan : sequence of (float, float)
        From which second on it is how calm (0 active, 1 calm), in place of a scenario's phases; it attends to every
        target then. A simulated person who does what a calibration asks for.
    """

    def __init__(self, seed: int, scenario: str = "session", plan: Sequence[tuple[float, float]] = ()) -> None:
        self._seed = seed
        self._planned = bool(plan)
        self._rest = scenario == "rest"
        self._bounds_s: list[float] = []  # ends of the phases; even phases are calm
        self._levels: list[float] = []  # calm 0.9..1.0, active 0.0..0.1
        if plan:
            self._bounds_s, self._levels = [start_s for start_s, _ in plan[1:]], [level for _, level in plan]

    def calm(self, time_s: FloatArray) -> FloatArray:
        """Return how calm the brain is, 0 (active) to 1 (calm), smooth over about 2 s; shape of `time_s`."""
        if self._rest:
            return np.full_like(time_s, 0.5)
        self._extend(float(time_s.max()) + 10.0)
        state = np.full_like(time_s, self._levels[0])
        for bound_s, before, after in zip(self._bounds_s, self._levels, self._levels[1:], strict=False):
            if bound_s > time_s.max() + 10.0:
                break
            # tanh is flat to the last bit 10 s away, so that leaving later bounds out changes nothing.
            state += (after - before) * 0.5 * (1.0 + np.tanh((time_s - bound_s) / 0.5))
        return state

    def attended(self, start_s: float, stop_s: float) -> list[float]:
        """Return the times of the stimuli that call forth a response, ``start_s <= time_s < stop_s``.

        While attention holds, that is each group's target. While it wanders, it is by turns the stimulus before the
        target (too early) and the second one after it.
        """
        if self._rest:
            return []
        found = []
        for group in range(*self._groups(start_s, stop_s)):
            place = self._target_place(group)
            if not (self._planned or _attentive(group)):
                place += -1 if group % 2 else 2
            time_s = self._stimulus_s(group, place)  # a place beyond the last belongs to the next group
            if start_s <= time_s < stop_s:
                found.append(time_s)
        return found

    def stimuli(self, start_s: float, stop_s: float) -> list[Marker]:
        """Return the oddball's markers with ``start_s <= time_s < stop_s``: ``"target"`` and ``"nontarget"``."""
        found = []
        for group in range(*self._groups(start_s, stop_s)):
            target_place = self._target_place(group)
            for place in range(_GROUP):
                time_s = self._stimulus_s(group, place)
                if start_s <= time_s < stop_s:
                    found.append(Marker(time_s, "target" if place == target_place else "nontarget"))
        return found

    def _groups(self, start_s: float, stop_s: float) -> tuple[int, int]:
        first, last = ((time_s - _FIRST_STIMULUS_S) / (_SLOT_S * _GROUP) for time_s in (start_s, stop_s))
        return max(0, math.floor(first) - 1), max(0, math.ceil(last) + 1)

    def _target_place(self, group: int) -> int:
        # Place 0 is never the target, so that two targets never follow each other.
        return 1 + int(numbers(self._seed, _ODDBALL, group, 1)[0] * (_GROUP - 1))

    def _stimulus_s(self, group: int, place: int) -> float:
        slot = group * _GROUP + place
        return _FIRST_STIMULUS_S + slot * _SLOT_S + 0.1 * float(numbers(self._seed, _JITTER, slot, 1)[0])

    def blinks(self, start_s: float, stop_s: float) -> list[tuple[float, float]]:
        """Return ``(time_s, size)`` of the blinks with ``start_s <= time_s < stop_s``; fewer while calm."""
        first = max(0, math.floor(start_s / _BLINK_SLOT_S))
        found = []
        for slot in range(first, math.ceil(stop_s / _BLINK_SLOT_S) + 1):
            when, chance, size = numbers(self._seed, _BLINKS, slot, 3)
            time_s = _BLINK_SLOT_S * (slot + 0.8 * float(when))
            calm = float(self.calm(np.array([time_s]))[0])
            if chance < 0.55 - 0.4 * calm and start_s <= time_s < stop_s:
                found.append((time_s, 0.8 + 0.4 * float(size)))
        return found

    def _extend(self, until_s: float) -> None:
        while not self._planned and (not self._bounds_s or self._bounds_s[-1] < until_s):
            index = len(self._bounds_s)
            length, level = numbers(self._seed, _PHASES, index, 2)
            # The first two phases are short, so that a take of 30 s hears both corners.
            longest = 2.0 if index < 2 else 6.0
            self._bounds_s.append((self._bounds_s[-1] if index else 0.0) + 12.0 + longest * float(length))
            self._levels.append(0.9 + 0.1 * float(level) if index % 2 == 0 else 0.1 * float(level))

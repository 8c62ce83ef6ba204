"""Turns feature frames into control frames: robust z, squashing, smoothing, holding, and counting events."""

from __future__ import annotations

import math
from collections.abc import Mapping

from brainmidi.controls.baseline import Baseline
from brainmidi.controls.mapping import LEARNED, ControlMap, EventRule, KnobRule
from brainmidi.types import KNOBS, ControlFrame, FeatureFrame

_HOLD_S = 2.0  # a knob stands still this long when its feature is lost, then eases to neutral
_EASE_S = 4.0  # with this time constant
_MIN_QUALITY = 0.2  # with fewer good channels than this share, nothing is believed
_NEUTRAL = 0.5


class _Trigger:
    """Watches one event rule: armed, fired, waiting to be re-armed."""

    def __init__(self, rule: EventRule) -> None:
        self._rule = rule
        self._armed = True
        self._fired_s = -math.inf

    def fires(self, time_s: float, value: float | None) -> bool:
        if value is None:
            return False
        rule = self._rule
        if value < rule.threshold - rule.hysteresis:
            self._armed = True
        if not self._armed or value < rule.threshold or time_s - self._fired_s < rule.refractory_s:
            return False
        self._armed = False
        self._fired_s = time_s
        return True


class Controller:
    """Applies a map to feature frames; its state is the smoothed knobs and the armed events.

    Parameters
    ----------
    control_map : ControlMap
        Which feature drives what.
    baseline : Baseline
        What rest looks like; a feature it lacks leaves its knob neutral, and `undriven` says so.
    """

    def __init__(self, control_map: ControlMap, baseline: Baseline) -> None:
        self._map = control_map
        self._baseline = baseline
        self._triggers = [_Trigger(rule) for rule in control_map.events]
        self._knobs: dict[str, float] = {}
        self._lost_s: dict[str, float] = {}  # for how long a knob's feature has been missing
        self._time_s: float | None = None
        self._anchor_steps = 0
        self._seen: set[str] = set()  # features that the stream has carried at least once

    @property
    def undriven(self) -> dict[str, str]:
        """Mapped knobs that have stood at 0.5 since the stream began, each with the reason in words."""
        reasons = {}
        for name, rule in self._map.knobs.items():
            if rule.feature not in self._seen:
                known = rule.feature == LEARNED
                reasons[name] = f"no good electrode has given {'all that is learned from' if known else rule.feature}"
            elif rule.feature != LEARNED and rule.feature not in self._baseline.features:
                reasons[name] = f"the baseline lacks {rule.feature}"
        return reasons

    def process(self, frame: FeatureFrame) -> ControlFrame:
        """Return the knobs after one more feature frame.

        Parameters
        ----------
        frame : FeatureFrame

        Returns
        -------
        ControlFrame
            `confidence` is the frame's quality times the share of mapped knobs whose feature is there.
        """
        elapsed_s = 0.0 if self._time_s is None else max(0.0, frame.time_s - self._time_s)
        self._time_s = frame.time_s
        believed = frame.quality >= _MIN_QUALITY
        values = self._values(frame)
        if believed:
            self._seen.update(values)
        knobs = dict.fromkeys(KNOBS, _NEUTRAL)
        driven = 0
        for name, rule in self._map.knobs.items():
            goal = self._goal(rule, values.get(rule.feature)) if believed else None
            if goal is not None:
                driven += 1
                self._lost_s[name] = 0.0
                knobs[name] = self._follow(name, goal, elapsed_s, self._map.time_constant_s)
            else:
                knobs[name] = self._rest(name, elapsed_s)
        for trigger, event in zip(self._triggers, self._map.events, strict=True):
            self._anchor_steps += trigger.fires(frame.time_s, values.get(event.feature))
        return ControlFrame(
            time_s=frame.time_s,
            knobs=knobs,
            confidence=frame.quality * driven / max(1, len(self._map.knobs)),
            anchor_steps=self._anchor_steps,
            features=self._used(frame, values),
        )

    def _values(self, frame: FeatureFrame) -> Mapping[str, float]:
        """Return the frame's features, and what the learned map makes of them."""
        learned = None if self._map.learned is None else self._map.learned.position(frame.values)
        return frame.values if learned is None else {**frame.values, LEARNED: learned}

    def _goal(self, rule: KnobRule, value: float | None) -> float | None:
        """Return where `rule` wants its knob; None where its feature, or what rest looks like, is not known."""
        if rule.feature == LEARNED:  # a position already: which way is up was learned too
            return value
        rest = self._baseline.features.get(rule.feature)
        return None if rest is None or value is None else rule.position(rest.z(value))

    def _follow(self, name: str, goal: float, elapsed_s: float, time_constant_s: float) -> float:
        """Move a knob towards `goal` by exponential smoothing; the first goal is taken at once."""
        at = self._knobs.get(name, goal)
        if time_constant_s > 0:
            at += (goal - at) * -math.expm1(-elapsed_s / time_constant_s)
        else:
            at = goal
        self._knobs[name] = min(max(at, 0.0), 1.0)
        return self._knobs[name]

    def _rest(self, name: str, elapsed_s: float) -> float:
        """Hold a knob whose feature is lost, then ease it to neutral."""
        if name not in self._knobs:
            return _NEUTRAL
        self._lost_s[name] = self._lost_s.get(name, 0.0) + elapsed_s
        if self._lost_s[name] <= _HOLD_S:
            return self._knobs[name]
        return self._follow(name, _NEUTRAL, elapsed_s, _EASE_S)

    def _used(self, frame: FeatureFrame, values: Mapping[str, float]) -> dict[str, float]:
        names = [rule.feature for rule in self._map.knobs.values()] + [rule.feature for rule in self._map.events]
        used = {name: values[name] for name in dict.fromkeys(names) if name in values}
        if frame.erp is not None:
            used["erp.amplitude"] = frame.erp.amplitude_uv
        return used

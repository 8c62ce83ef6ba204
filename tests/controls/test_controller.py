from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.controls.baseline import Baseline, FeatureRest
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import DEFAULT_MAP, ControlMap, EventRule, KnobRule
from brainmidi.errors import ControlError
from brainmidi.types import KNOBS, FeatureFrame

REST = Baseline({"alpha": FeatureRest(10.0, 1.0 / 1.4826)}, 40)


def frame(time_s: float, alpha: float | None = 10.0, quality: float = 1.0, confidence: float | None = None):
    values = {} if alpha is None else {"alpha": alpha}
    if confidence is not None:
        values["erp.confidence"] = confidence
    return FeatureFrame(time_s, ("alpha",), np.zeros((1, 1)), np.ones(1), values, quality)


def controller(time_constant_s: float = 0.0, events: tuple[EventRule, ...] = (), **rule) -> Controller:
    return Controller(ControlMap({"latent_mix": KnobRule("alpha", **rule)}, events, time_constant_s), REST)


@given(z=st.floats(-1e6, 1e6), low=st.floats(-10, -0.1), high=st.floats(0.1, 10), invert=st.booleans())
def test_a_knob_stays_within_its_range_and_follows_its_feature(z, low, high, invert):
    rule = KnobRule("alpha", invert=invert, low=low, high=high)
    assert 0.0 <= rule.position(z) <= 1.0
    step = rule.position(z + 0.5) - rule.position(z)
    assert step <= 1e-12 if invert else step >= -1e-12


def test_rest_is_in_the_middle_and_the_ends_are_where_the_rule_says():
    rule = KnobRule("alpha", low=-1.0, high=3.0)
    assert [rule.position(z) for z in (0.0, -1.0, 3.0)] == pytest.approx([0.5, 0.05, 0.95])


def test_inverting_turns_the_knob_round():
    assert controller(invert=True).process(frame(0.0, 12.0)).knobs["latent_mix"] == pytest.approx(0.05)


def test_smoothing_reaches_two_thirds_after_its_time_constant():
    smooth = controller(time_constant_s=1.5)
    smooth.process(frame(0.0, 10.0))
    for step in range(1, 31):
        knob = smooth.process(frame(step / 20, 12.0)).knobs["latent_mix"]
    assert (knob - 0.5) / 0.45 == pytest.approx(1 - math.exp(-1), abs=1e-6)


def test_smoothing_does_not_depend_on_how_often_frames_come():
    rare, often = controller(time_constant_s=1.5), controller(time_constant_s=1.5)
    for step in range(5):
        knob = rare.process(frame(step * 1.0, 12.0 if step else 10.0)).knobs["latent_mix"]
    for step in range(401):
        other = often.process(frame(step * 0.01, 12.0 if step else 10.0)).knobs["latent_mix"]
    assert knob == pytest.approx(other, abs=1e-9)


@pytest.mark.parametrize("lost", [{"alpha": None}, {"alpha": 30.0, "quality": 0.1}])
def test_an_artifact_holds_the_knob_and_then_eases_it_to_neutral(lost):
    held = controller()
    before = held.process(frame(0.0, 12.0)).knobs["latent_mix"]
    during = [held.process(frame(step / 20, **lost)) for step in range(1, 401)]
    assert [one.knobs["latent_mix"] for one in during[:39]] == [before] * 39
    assert during[-1].knobs["latent_mix"] == pytest.approx(0.5, abs=0.01)
    assert during[-1].confidence == 0.0
    assert held.process(frame(21.0, 12.0)).knobs["latent_mix"] == before


def test_a_feature_that_is_not_there_leaves_its_knob_neutral_and_says_so():
    rules = {"latent_mix": KnobRule("alpha"), "density": KnobRule("gamma.frontal")}
    made = Controller(ControlMap(rules), REST).process(frame(0.0, 12.0))
    assert made.knobs["density"] == 0.5
    assert made.confidence == 0.5
    assert made.features == {"alpha": 12.0}


def test_every_knob_is_there_whatever_the_map():
    assert set(controller().process(frame(0.0)).knobs) == set(KNOBS)


def fired(confidences: list[float | None], **rule) -> list[int]:
    watched = controller(events=(EventRule("erp.confidence", 0.95, **rule),))
    return [watched.process(frame(step * 0.5, confidence=value)).anchor_steps for step, value in enumerate(confidences)]


def test_an_event_fires_once_when_its_threshold_is_crossed():
    assert fired([0.1, 0.94, 0.95, 0.99, 0.97], refractory_s=0.0) == [0, 0, 1, 1, 1]


def test_an_event_is_armed_again_only_below_the_hysteresis():
    assert fired([0.99, 0.9, 0.99, 0.8, 0.99], refractory_s=0.0, hysteresis=0.1) == [1, 1, 1, 1, 2]


def test_an_event_waits_for_its_refractory_time():
    assert fired([0.99, 0.1, 0.99, 0.1, 0.99], refractory_s=2.0, hysteresis=0.1) == [1, 1, 1, 1, 2]


def test_a_feature_that_is_missing_neither_fires_nor_arms():
    assert fired([0.99, None, 0.99], refractory_s=0.0, hysteresis=0.1) == [1, 1, 1]


@pytest.mark.parametrize(
    "make",
    [
        lambda: KnobRule("alpha", low=0.5),
        lambda: KnobRule("alpha", high=math.nan),
        lambda: EventRule("alpha", math.nan),
        lambda: EventRule("alpha", 1.0, action="explode"),
        lambda: EventRule("alpha", 1.0, refractory_s=-1.0),
        lambda: ControlMap({"loudness": KnobRule("alpha")}),
        lambda: ControlMap({}, (), -1.0),
    ],
)
def test_a_map_that_cannot_be_is_refused(make):
    with pytest.raises(ControlError):
        make()


def test_the_default_map_drives_every_knob():
    assert set(DEFAULT_MAP.knobs) == set(KNOBS)

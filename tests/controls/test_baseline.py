from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.controls.baseline import Baseline, FeatureRest, demo_baseline, fit_baseline
from brainmidi.controls.mapping import DEFAULT_MAP
from brainmidi.errors import ControlError
from brainmidi.types import FeatureFrame


def frame(time_s: float, quality: float = 1.0, **values: float) -> FeatureFrame:
    names = {name.replace("__", "."): value for name, value in values.items()}
    return FeatureFrame(time_s, ("alpha",), np.zeros((1, 1)), np.ones(1), names, quality)


def test_median_and_spread_ignore_a_few_wild_frames():
    values = [10.0 + 0.5 * (-1) ** k for k in range(100)] + [90.0] * 10
    baseline = fit_baseline(frame(k / 20, alpha=value) for k, value in enumerate(values))
    assert baseline.features["alpha"].median == pytest.approx(10.0, abs=0.6)
    assert baseline.features["alpha"].mad < 1.5


def test_a_still_minute_does_not_make_a_knob_nervous():
    baseline = fit_baseline(frame(k / 20, alpha=10.0) for k in range(40))
    assert baseline.features["alpha"].z(11.0) == pytest.approx(1.0)


def test_events_and_rare_features_are_no_part_of_rest():
    frames = [frame(k / 20, alpha=1.0, erp__target=5.0, **({"beta": 1.0} if k < 10 else {})) for k in range(40)]
    assert set(fit_baseline(frames).features) == {"alpha"}


def test_frames_without_a_good_channel_do_not_count():
    with pytest.raises(ControlError, match="5 usable frames"):
        fit_baseline([frame(k / 20, quality=float(k < 5), alpha=1.0) for k in range(40)])


@given(
    rests=st.dictionaries(
        st.sampled_from(["alpha", "beta.frontal", "engagement"]),
        st.tuples(st.floats(-80, 80), st.floats(0, 20)),
    )
)
def test_a_saved_baseline_is_read_back(tmp_path_factory, rests):
    path = tmp_path_factory.mktemp("baseline") / "rest.json"
    baseline = Baseline({name: FeatureRest(*rest) for name, rest in rests.items()}, 40, "a test", "pytest")
    baseline.save(path)
    again = Baseline.load(path)
    assert (again.n_frames, again.source, again.created_by) == (40, "a test", "pytest")
    assert set(again.features) == set(rests)
    for name, (median, mad) in rests.items():
        assert again.features[name].median == pytest.approx(median, abs=1e-6)
        assert again.features[name].mad == pytest.approx(mad, abs=1e-6)


GOOD = {"format": "brainmidi-baseline", "version": 1, "n_frames": 40, "features": {"alpha": {"median": 1, "mad": 1}}}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "not JSON"),
        ("[]", "not a brainmidi baseline"),
        (json.dumps(GOOD | {"version": 2}), "version 2, 1 is needed"),
        (json.dumps(GOOD | {"features": {"alpha": {"median": 1}}}), "damaged"),
        (json.dumps(GOOD | {"features": {"alpha": {"median": 1, "mad": -1}}}), "mad -1"),
        (json.dumps(GOOD | {"features": [1]}), "damaged"),
        (None, "cannot be read"),
    ],
)
def test_a_wrong_file_is_one_clear_line(tmp_path, content, words):
    path = tmp_path / "rest.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(ControlError) as caught:
        Baseline.load(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_baseline_that_cannot_be_written_says_so(tmp_path):
    with pytest.raises(ControlError, match="cannot be written"):
        Baseline({}, 40).save(tmp_path / "nowhere" / "rest.json")


def test_the_shipped_profile_knows_every_feature_of_the_default_map():
    assert {rule.feature for rule in DEFAULT_MAP.knobs.values()} <= set(demo_baseline().features)

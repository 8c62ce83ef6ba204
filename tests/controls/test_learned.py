from __future__ import annotations

import json

import numpy as np
import pytest
from calibrated import in_turns, resting, slow_noise, table

from brainmidi.controls.learned import LearnedMap, fit_learned
from brainmidi.controls.mapping import KnobRule
from brainmidi.errors import ControlError


def test_a_feature_moves_the_position_no_further_than_the_fit_has_seen():
    learned = LearnedMap({"alpha": -0.02, "gamma": 0.03}, 0.5, {"alpha": 1.0, "gamma": 0.5}, 0.9, 0.8, {"gamma": 1.0})
    assert learned.position({"alpha": 0.0, "gamma": 2.0}) == pytest.approx(0.56)
    assert learned.position({"alpha": 0.0, "gamma": 20.0}) == pytest.approx(0.5 + 0.03 * 4.0)
    assert learned.position({"alpha": 0.0, "gamma": -20.0}) == pytest.approx(0.5 - 0.03 * 2.0)
    again = LearnedMap.from_document(json.loads(json.dumps(learned.document())))
    assert again == learned


def test_the_fitted_map_knows_where_rest_is():
    rng, phases = np.random.default_rng(0), in_turns(960)
    closed = phases == "closed"
    columns = {name: slow_noise(rng, 960) + 2.0 * closed * sign for name, sign in (("a", 1), ("b", -1), ("c", 1))}
    verdict = fit_learned(table(columns, phases), resting("a", "b", "c"), KnobRule("a"), 2.0)
    assert verdict.map is not None, verdict.reason
    assert dict(verdict.map.medians) == {"a": 0.0, "b": 0.0, "c": 0.0}
    far = {"a": 6.0, "b": -6.0, "c": 6.0}
    assert verdict.map.position({name: 10.0 * value for name, value in far.items()}) == verdict.map.position(far)


def test_a_map_of_the_older_version_is_refused():
    document = LearnedMap({"a": 1.0}, 0.5, {"a": 1.0}, 0.9, 0.8).document() | {"version": 1}
    with pytest.raises(ControlError, match="version 1, 2 is needed"):
        LearnedMap.from_document(document)

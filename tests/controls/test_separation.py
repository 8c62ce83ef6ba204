from __future__ import annotations

import numpy as np
import pytest
from calibrated import in_turns, resting, slow_noise, table
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from brainmidi.controls.labelled import blocks, contrasts, folds, gather
from brainmidi.controls.learned import LearnedMap, fit_learned
from brainmidi.controls.mapping import KnobRule
from brainmidi.controls.separation import chance, concordance, held_out, newcombe, separate, wins
from brainmidi.errors import ControlError
from brainmidi.types import FeatureFrame

RULE = KnobRule("alpha", invert=True)


def frame(time_s: float, **values: float) -> FeatureFrame:
    return FeatureFrame(time_s, ("alpha",), np.zeros((1, 1)), np.ones(1), values, 1.0)


def combined(seed: int = 3, count: int = 960):
    """Two features that share a large noise: their difference tells the phases apart, neither does alone."""
    generator = np.random.default_rng(seed)
    phases = in_turns(count)
    shared, state = 6 * slow_noise(generator, count), (phases == "closed") * 2.0
    own = 0.5 * generator.standard_normal((2, count))
    return table({"alpha": shared + state + own[0], "beta": shared + own[1]}, phases)


def noise(seed: int, count: int = 640):
    generator = np.random.default_rng(seed)
    columns = {f"feature{number}": slow_noise(generator, count) for number in range(30)}
    return table(columns | {"alpha": slow_noise(generator, count)}, in_turns(count))


@given(st.lists(st.tuples(st.booleans(), st.integers(-5, 5)), min_size=4, max_size=40))
def test_two_phases_are_told_apart_as_scikit_learn_says(rows):
    truth, values = np.array([row[0] for row in rows], float), np.array([row[1] for row in rows], float)
    if truth.min() == truth.max():
        return
    expected = roc_auc_score(truth, values)
    assert wins(values[truth == 0], values[truth == 1]).mean() == pytest.approx(expected)
    assert concordance(values, truth) == pytest.approx(expected)


def test_the_interval_of_an_auc_holds_the_truth_and_knows_that_neighbours_are_alike():
    generator, missed, widths = np.random.default_rng(5), 0, []
    for _ in range(40):
        phases = in_turns(960)
        one = separate(table({"alpha": slow_noise(generator, 960) + (phases == "closed")}, phases), ("open", "closed"))
        missed += not one[0].low <= 0.760 <= one[0].high  # the AUC of two normals one spread apart
        widths.append(one[0].high - one[0].low)
    assert missed <= 6
    assert np.mean(widths) > 0.12  # were all 960 frames independent it would be 0.06


def test_a_perfect_separation_of_a_minute_is_not_called_certain():
    low, high = newcombe(1.0, 15, 15)
    assert 0.8 < low < 0.95
    assert high == 1.0
    assert newcombe(0.8, 50, 50) == pytest.approx((0.70, 0.87), abs=0.02)
    phases = in_turns(480)
    (one,) = separate(table({"alpha": 1.0 * (phases == "closed")}, phases), ("open", "closed"))
    assert one.low == pytest.approx(newcombe(1.0, 30, 30)[0])


def test_a_feature_that_falls_is_as_good_as_one_that_rises():
    phases = in_turns(320)
    found = separate(
        table({"up": 1.0 * (phases == "closed"), "down": 1.0 * (phases == "open")}, phases), ("open", "closed")
    )
    assert {one.feature: (one.auc, one.rises) for one in found} == {"up": (1.0, True), "down": (1.0, False)}


def test_the_best_of_many_noises_separates_nothing_on_windows_that_did_not_choose_it():
    scores = [held_out(noise(seed), ("open", "closed"), 2.0) for seed in range(8)]
    best = [separate(noise(seed), ("open", "closed"))[0].auc for seed in range(8)]
    assert np.mean(best) > 0.62
    assert np.mean(scores) < 0.56


def test_noise_looks_good_no_more_often_than_its_p_says():
    p = [chance(noise(seed), ("open", "closed")) for seed in range(40)]
    assert np.mean(np.array(p) <= 0.05) <= 0.15
    assert 0.3 < np.median(p) < 0.7
    phases = in_turns(640)
    clear = table({"alpha": 1.0 * (phases == "closed"), "beta": noise(0).column("alpha")}, phases)
    # Four turns of either phase: of 70 ways to give them out the true one and its mirror image do as well.
    assert chance(clear, ("open", "closed")) == 2 / 70


def test_a_drift_does_not_make_p_too_small():
    p = []
    for seed in range(30):
        generator = np.random.default_rng(seed)
        drifting = {f"feature{number}": slow_noise(generator, 320, 0.9875) for number in range(8)}  # over 20 s
        p.append(chance(table(drifting, in_turns(320, turn=32)), ("open", "closed")))
    assert np.mean(np.array(p) <= 0.03) <= 0.04


def test_a_person_whose_phases_lie_apart_never_has_chance_for_an_explanation():
    clear = in_turns(320, turn=32)
    apart = table({"alpha": 1.0 * (clear == "closed"), "beta": np.zeros(320)}, clear)
    assert {chance(apart, ("open", "closed"), seed=seed) for seed in range(5)} == {2 / 252}


def test_blocks_of_a_turn_are_equally_long():
    phases = np.array(["open"] * 65 + ["closed"] * 64)
    sizes = np.bincount(blocks(table({"alpha": np.zeros(129)}, phases), 4.0))
    assert sizes.min() >= 12


def test_no_frame_is_trained_on_that_shares_samples_with_a_tested_one():
    whole = noise(1)
    tested = []
    for train, test in folds(whole, 2.0):
        tested += test.tolist()
        assert np.abs(whole.time_s[train][:, None] - whole.time_s[test][None, :]).min() >= 2.0
    assert sorted(tested) == list(range(len(whole.time_s)))


def test_a_block_never_spans_two_phases_nor_more_than_its_length():
    whole = noise(1)
    number = blocks(whole, 4.0)
    for block in np.unique(number):
        rows = np.flatnonzero(number == block)
        assert len(set(whole.phases[rows])) == 1
        assert np.ptp(whole.time_s[rows]) < 4.0


def test_phases_are_compared_with_the_neutral_one():
    assert contrasts(("open", "closed", "rest", "focus")) == (("open", "closed"), ("rest", "focus"))
    assert contrasts(("closed", "focus")) == (("focus", "closed"),)
    assert contrasts(("open",)) == ()


def test_a_feature_that_is_often_missing_is_not_compared():
    frames = [frame(k / 4, alpha=1.0, **({"beta": 1.0} if k % 2 else {})) for k in range(40)]
    assert gather({"open": frames}, ("alpha", "beta", "gamma")).features == ("alpha",)
    with pytest.raises(ControlError, match="no feature is there throughout"):
        gather({"open": [frame(k / 4) for k in range(40)]}, ("alpha",))
    with pytest.raises(ControlError, match="'sleep' is unknown, known are closed, open, rest, focus"):
        gather({"sleep": frames}, ("alpha",))


def test_a_combination_that_separates_where_no_feature_does_is_learnt():
    verdict = fit_learned(combined(), resting("alpha", "beta", spread=6.0), RULE, 2.0)
    assert verdict.map is not None, verdict.reason
    assert verdict.map.score > 0.9 > 0.7 > verdict.map.declarative
    (first, up), (second, down) = verdict.map.strongest()
    assert {first, second} == {"alpha", "beta"}
    assert up * down < 0
    fresh = combined(seed=4)
    at = np.array([verdict.map.position(dict(zip(fresh.features, row, strict=True))) for row in fresh.values])
    assert np.median(at[fresh.phases == "closed"]) < 0.3 < 0.7 < np.median(at[fresh.phases == "open"])


def test_noise_is_not_learnt():
    for seed in range(4):
        verdict = fit_learned(noise(seed), resting(*noise(seed).features), RULE, 2.0)
        assert verdict.map is None
        assert "on held-out windows" in verdict.reason


def test_what_one_feature_does_as_well_is_left_to_it():
    phases = in_turns(640)
    generator = np.random.default_rng(1)
    columns = {name: 3.0 * (phases == "closed") + slow_noise(generator, 640) for name in ("alpha",)}
    whole = table(columns | {"beta": slow_noise(generator, 640)}, phases)
    verdict = fit_learned(whole, resting("alpha", "beta"), RULE, 2.0)
    assert verdict.map is None
    assert "not surely better" in verdict.reason


def test_a_learned_map_is_one_dot_product_within_the_knobs_range():
    learned = LearnedMap({"alpha": -0.1, "beta": 0.2}, 0.5, {"alpha": 2.0, "beta": 1.0}, 0.9, 0.8)
    assert learned.position({"alpha": 1.0, "beta": 1.0, "other": 9.0}) == pytest.approx(0.6)
    assert learned.position({"alpha": -90.0, "beta": 0.0}) == 1.0
    assert learned.position({"alpha": 1.0}) is None
    assert LearnedMap.from_document(learned.document()) == learned


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 3}, "version 3, 2 is needed"),
        ({"features": {}}, "finite weight"),
        ({"features": {"alpha": {"weight": "x", "scale": 1}}}, "lacks something"),
        ({"intercept": float("nan")}, "finite weight"),
        ({"features": None}, "lacks something"),
    ],
)
def test_a_damaged_learned_map_says_so(change, words):
    whole = LearnedMap({"alpha": 1.0}, 0.5, {"alpha": 1.0}, 0.9, 0.8).document()
    with pytest.raises(ControlError, match=words):
        LearnedMap.from_document(whole | change)

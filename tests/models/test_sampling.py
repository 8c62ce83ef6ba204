from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.errors import ModelError
from brainmidi.models.sampling import (
    Sampling,
    draw,
    entropy,
    harmony_bias,
    most_onsets,
    onset_bias,
    pooled,
    probabilities,
    register_bias,
    wait_bias,
)

few = settings(max_examples=40)
logit_rows = st.lists(st.floats(-30, 30), min_size=2, max_size=20).map(np.array)
any_rows = st.lists(st.floats(width=32), min_size=2, max_size=20).map(lambda row: np.array(row, dtype=np.float32))
all_settings = st.builds(
    Sampling, st.floats(0, 2), st.integers(0, 5), st.floats(1e-6, 1), st.sampled_from([0.0, 0.05, 0.5, 1.0])
)
shares_of_one = st.floats(0, 1)
PITCHES = np.arange(21, 109)
C_MAJOR, SCALE = {0, 4, 7}, {0, 2, 4, 5, 7, 9, 11}


@few
@given(any_rows, all_settings)
def test_shares_are_a_distribution_whatever_the_logits_are(logits: np.ndarray, how: Sampling) -> None:
    shares = probabilities(logits, how)
    assert shares.dtype == np.float32
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1.0, abs=1e-5)
    if np.isfinite(logits).any():
        assert not shares[np.isnan(logits) | (logits == -np.inf)].any()


@few
@given(any_rows, all_settings, st.integers(0, 2**32 - 1))
def test_a_forbidden_class_is_never_drawn(logits: np.ndarray, how: Sampling, seed: int) -> None:
    bias = np.zeros(len(logits))
    bias[1:] = -np.inf
    bias[-1] = np.nan
    assert draw(logits, how, np.random.default_rng(seed), bias) == 0


def test_where_nothing_is_left_all_that_is_allowed_is_equally_likely() -> None:
    nothing = np.full(4, np.nan)
    assert probabilities(nothing).tolist() == [0.25] * 4
    bias = np.array([0.0, -np.inf, 3.0, -np.inf])
    assert probabilities(nothing, Sampling(0.0), bias).tolist() == [0.5, 0.0, 0.5, 0.0]
    # The only possible class is forbidden.
    assert probabilities(np.array([np.nan, 1.0, -np.inf, 2.0]), Sampling(), bias).tolist() == [0.5, 0.0, 0.5, 0.0]


def test_where_nothing_is_allowed_one_line_says_so() -> None:
    with pytest.raises(ModelError, match="forbids every class"):
        probabilities(np.zeros(3), Sampling(), np.full(3, -np.inf))


@few
@given(logit_rows, st.integers(0, 100))
def test_temperature_0_takes_the_likeliest_class_and_still_one_number(logits: np.ndarray, seed: int) -> None:
    rng, other = np.random.default_rng(seed), np.random.default_rng(seed)
    drawn = draw(logits, Sampling(0.0), rng)
    assert np.float32(logits[drawn]) == np.float32(logits).max()
    other.random()
    assert rng.random() == other.random()


def test_at_temperature_0_a_bias_still_counts() -> None:
    assert probabilities(np.array([0.0, 1.0]), Sampling(0.0), np.array([2.0, 0.0])).tolist() == [1.0, 0.0]


@few
@given(logit_rows)
def test_the_smallest_nucleus_is_the_likeliest_class(logits: np.ndarray) -> None:
    for how in (Sampling(top_p=1e-9), Sampling(top_k=1)):
        shares = probabilities(logits, how)
        assert np.count_nonzero(shares) == 1
        assert logits[shares.argmax()] == pytest.approx(logits.max(), abs=1e-5)


def test_each_way_of_cutting_the_tail_keeps_what_it_says() -> None:
    logits = np.log(np.array([0.1, 0.4, 0.2, 0.3]))
    assert probabilities(logits, Sampling(top_k=2)) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert probabilities(logits, Sampling(top_p=0.75)) == pytest.approx([0, 4 / 9, 2 / 9, 3 / 9])
    assert probabilities(logits, Sampling(min_p=0.6)) == pytest.approx([0, 4 / 7, 0, 3 / 7])
    assert probabilities(logits, Sampling(top_k=3, min_p=0.6)) == pytest.approx([0, 4 / 7, 0, 3 / 7])


@few
@given(logit_rows, all_settings, st.floats(-50, 50))
def test_a_constant_added_to_all_logits_changes_nothing(logits: np.ndarray, how: Sampling, more: float) -> None:
    logits = np.round(logits)
    assert probabilities(logits + np.round(more), how) == pytest.approx(probabilities(logits, how))


def test_a_lower_temperature_sharpens() -> None:
    logits = np.array([0.0, 1.0, 2.0])
    shares = [probabilities(logits, Sampling(temperature)) for temperature in (0.0, 0.5, 1.0, 2.0)]
    assert all(colder[2] > hotter[2] for colder, hotter in pairwise(shares))
    assert all(entropy(colder) < entropy(hotter) for colder, hotter in pairwise(shares))


def test_a_bias_is_not_divided_by_the_temperature() -> None:
    odds = probabilities(np.zeros(2), Sampling(2.0), np.array([0.0, 1.0]))
    assert odds[1] / odds[0] == pytest.approx(np.e)


def test_classes_are_drawn_as_often_as_their_shares_say() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2]))
    rng = np.random.default_rng(7)
    counts = np.bincount([draw(logits, Sampling(), rng) for _ in range(6000)], minlength=3)
    assert counts / 6000 == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


@pytest.mark.parametrize("wrong", [(-1.0,), (1.0, -1), (1.0, 0, 0.0), (1.0, 0, 1.0, 2.0)])
def test_a_setting_outside_its_range_is_refused(wrong) -> None:
    with pytest.raises(ModelError, match=str(wrong[-1])):
        Sampling(*wrong)


def test_entropy_is_that_of_the_shares() -> None:
    assert entropy(np.array([1.0, 0.0], dtype=np.float32)) == 0.0
    assert entropy(np.full(8, 1 / 8, dtype=np.float32)) == pytest.approx(np.log(8))


@few
@given(logit_rows)
def test_pooled_odds_are_the_sum_of_the_odds(logits: np.ndarray) -> None:
    assert pooled(logits) == pytest.approx(np.logaddexp.reduce(logits))
    assert pooled(np.array([*logits, np.nan])) == pytest.approx(np.logaddexp.reduce(logits))
    assert pooled(np.array([np.nan])) == -np.inf


def test_free_harmony_adds_nothing_and_strict_harmony_leaves_chord_and_scale() -> None:
    for strong, tones in ((True, C_MAJOR), (False, SCALE)):
        assert not harmony_bias(PITCHES % 12, C_MAJOR, SCALE, 0.0, strong=strong).any()
        strict = harmony_bias(PITCHES % 12, C_MAJOR, SCALE, 1.0, strong=strong)
        assert set((PITCHES[np.isfinite(strict)] % 12).tolist()) == tones
    # A borrowed chord may be played off the beat too; without a chord the scale holds, without both nothing does.
    assert harmony_bias([8], {8, 0, 3}, SCALE, 1.0, strong=False)[0] == 0
    assert harmony_bias([2, 1], (), SCALE, 1.0, strong=True).tolist() == [0, -np.inf]
    assert not harmony_bias(PITCHES % 12, (), (), 1.0, strong=True).any()


@few
@given(st.floats(0, 0.999), st.booleans())
def test_harmony_moves_the_odds_down_smoothly(strength: float, strong: bool) -> None:
    here = harmony_bias(PITCHES % 12, C_MAJOR, SCALE, strength, strong=strong)
    further = harmony_bias(PITCHES % 12, C_MAJOR, SCALE, strength + 1e-4, strong=strong)
    assert np.isfinite(further).all()
    assert (further <= here).all()
    assert np.abs(further - here).max() < 0.5


def test_the_register_is_a_wall() -> None:
    assert np.flatnonzero(register_bias(PITCHES, 40, 44) == 0).tolist() == [19, 20, 21, 22, 23]


@few
@given(shares_of_one, st.integers(1, 16))
def test_more_density_brings_onsets_sooner_and_more_of_them(density: float, steps: int) -> None:
    waits = wait_bias(np.arange(8), density)
    assert np.sign(waits[1]) == (0 if abs(waits[1]) < 1e-9 else np.sign(0.5 - density))
    assert waits[2:] - waits[1:-1] == pytest.approx(np.full(6, waits[1]), abs=1e-5)
    assert onset_bias(density) == pytest.approx(-onset_bias(1 - density))
    assert 1 <= most_onsets(density, steps) <= steps
    assert most_onsets(min(1.0, density + 0.1), steps) >= most_onsets(density, steps)
    assert most_onsets(0.5, steps) == steps


@pytest.mark.parametrize("control", [lambda v: harmony_bias([0], (), (), v, strong=True), onset_bias])
@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan")])
def test_a_control_outside_0_to_1_is_refused(control, value: float) -> None:
    with pytest.raises(ModelError, match=r"outside 0\.\.1"):
        control(value)

"""Intervals hold what they promise, and p-values are uniform where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from brainmidi.evaluate.resample import auc, auc_interval, bootstrap, control, effective_size, permutation_p


def test_the_area_is_the_share_of_pairs_in_order() -> None:
    assert auc([1, 2], [3, 4]) == 1.0
    assert auc([3, 4], [1, 2]) == 0.0
    assert auc([1, 1], [1, 1]) == 0.5
    assert auc([1, 3], [2, 4]) == 0.75


@pytest.mark.parametrize("shift", [0.0, 1.2, 2.5])
def test_nineteen_of_twenty_intervals_hold_the_true_area(shift) -> None:
    rng = np.random.default_rng(3)
    true = stats.norm.cdf(shift / np.sqrt(2))
    held = 0
    for _ in range(600):
        low, high = auc_interval(auc(rng.normal(0, 1, 25), rng.normal(shift, 1, 35)), 25, 35)
        held += low <= true <= high
    assert 0.93 <= held / 600 <= 0.985


def test_an_area_of_one_from_few_values_is_not_certain() -> None:
    low, high = auc_interval(1.0, 10, 10)
    assert (0.7 < low < 0.9, high) == (True, 1.0)
    assert auc_interval(1.0, 100, 100)[0] > low


@given(st.floats(0, 1), st.integers(2, 200), st.integers(2, 200))
def test_an_interval_holds_its_value_and_turns_with_the_labels(value, m, n) -> None:
    low, high = auc_interval(value, m, n)
    assert 0.0 <= low <= value + 1e-9
    assert value - 1e-9 <= high <= 1.0
    turned_low, turned_high = auc_interval(1.0 - value, n, m)
    assert (turned_low, turned_high) == pytest.approx((1.0 - high, 1.0 - low), abs=1e-6)


def test_values_that_follow_their_neighbours_are_worth_less() -> None:
    rng = np.random.default_rng(1)
    noise = rng.standard_normal(4000)
    slow = noise.copy()
    for at in range(1, len(slow)):
        slow[at] += 0.8 * slow[at - 1]
    assert effective_size(noise) == pytest.approx(4000, rel=0.1)
    assert effective_size(slow) == pytest.approx(4000 / 9, rel=0.2)
    assert effective_size(np.ones(10)) == 10


def test_nineteen_of_twenty_bootstraps_hold_the_true_mean_of_dependent_values() -> None:
    rng = np.random.default_rng(2)
    held = 0
    for _ in range(200):
        blocks = list(rng.normal(0, 1, (30, 1)) + rng.normal(0, 0.1, (30, 8)))
        low, high = bootstrap(blocks, lambda values: float(values.mean()), rng, rounds=200)
        held += low <= 0.0 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_a_bootstrap_takes_values_that_never_came() -> None:
    blocks = [np.array([value]) for value in (1.0, 2.0, np.inf)]
    low, high = bootstrap(blocks, lambda values: float(np.sort(values)[1]), np.random.default_rng(0), rounds=100)
    assert (low, high) == (1.0, np.inf)


@given(st.lists(st.integers(-5, 5), min_size=1, max_size=40))
def test_under_the_null_a_p_value_is_never_smaller_more_often_than_it_says(values) -> None:
    """Each of exchangeable values takes the real one's place in turn: exact for any sample, ties or not."""
    n = len(values)
    found = [permutation_p(value, values[:at] + values[at + 1 :]) for at, value in enumerate(values)]
    for level in (0.05, 0.1, 0.25, 0.5, 1.0):
        assert sum(p <= level + 1e-12 for p in found) <= level * n + 1e-9
    if len(set(values)) == n:
        assert sorted(found) == pytest.approx([(k + 1) / n for k in range(n)])


def test_a_control_tells_the_middle_the_range_and_how_the_real_one_compares() -> None:
    found = control(range(99), real=97.5)
    assert (found.value, found.low, found.high, found.runs, found.p) == (49, 2, 96, 99, 0.02)

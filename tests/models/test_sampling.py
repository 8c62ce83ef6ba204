from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.models.sampling import draw, pooled, probabilities

logit_rows = st.lists(st.floats(-30, 30), min_size=2, max_size=20).map(np.array)


@given(logit_rows, st.floats(0.1, 2.0))
def test_shares_are_a_distribution(logits: np.ndarray, temperature: float) -> None:
    shares = probabilities(logits, temperature)
    assert shares.min() >= 0
    assert shares.sum() == pytest.approx(1.0)


@given(logit_rows, st.integers(0, 2**32 - 1))
def test_a_forbidden_class_is_never_drawn(logits: np.ndarray, seed: int) -> None:
    bias = np.zeros(len(logits))
    bias[1:] = -np.inf
    assert draw(logits, 1.0, np.random.default_rng(seed), bias) == 0


@given(logit_rows)
def test_the_smallest_nucleus_is_the_likeliest_class(logits: np.ndarray) -> None:
    shares = probabilities(logits, 1.0, top_p=1e-9)
    assert np.count_nonzero(shares) == 1
    assert logits[shares.argmax()] == pytest.approx(logits.max())


def test_a_lower_temperature_sharpens() -> None:
    logits = np.array([0.0, 1.0, 2.0])
    assert probabilities(logits, 0.5)[2] > probabilities(logits, 1.0)[2] > probabilities(logits, 2.0)[2]


def test_a_bias_is_not_divided_by_the_temperature() -> None:
    odds = probabilities(np.zeros(2), 2.0, np.array([0.0, 1.0]))
    assert odds[1] / odds[0] == pytest.approx(np.e)


def test_classes_are_drawn_as_often_as_their_shares_say() -> None:
    logits = np.log(np.array([0.5, 0.3, 0.2]))
    rng = np.random.default_rng(7)
    counts = np.bincount([draw(logits, 1.0, rng) for _ in range(6000)], minlength=3)
    assert counts / 6000 == pytest.approx([0.5, 0.3, 0.2], abs=0.03)


@given(logit_rows)
def test_pooled_odds_are_the_sum_of_the_odds(logits: np.ndarray) -> None:
    assert pooled(logits) == pytest.approx(np.logaddexp.reduce(logits))

from __future__ import annotations

import numpy as np
import pytest

from brainmidi.evaluate.ngrams import Ngrams

RNG = np.random.default_rng(0)


def test_shares_of_all_next_tokens_sum_to_one_in_every_context() -> None:
    rows = [RNG.integers(0, 4, 30) for _ in range(4)]
    for order in (1, 2, 3):
        table = Ngrams(rows[:2], rows[2:], 5, order)  # class 4 never comes
        for before in ([0], [1, 2], [3, 3, 4]):
            shares = [np.exp(-table.losses(np.array([*before, last]))[-1]) for last in range(5)]
            assert sum(shares) == pytest.approx(1.0)
            assert min(shares) > 0


def test_each_order_foresees_what_needs_so_many_tokens_of_context() -> None:
    """In 0 0 1 1 0 0 1 1 ... the next token follows from the last two alone."""
    row = np.tile([0, 0, 1, 1], 200)
    losses = [Ngrams([row], [row], 2, order).losses(row)[2:].mean() for order in (1, 2, 3)]
    assert losses[0] == pytest.approx(np.log(2), abs=0.01)
    assert losses[1] == pytest.approx(np.log(2), abs=0.01)
    assert losses[2] < 0.01


def test_a_frequency_table_scores_as_counted_by_hand() -> None:
    train, held = np.array([0, 0, 0, 1] * 500), np.array([0, 0, 0, 1] * 500)
    losses = Ngrams([train], [held], 2, 1).losses(np.array([0, 0, 1]))
    assert losses == pytest.approx([-np.log(0.75), -np.log(0.25)], abs=0.06)

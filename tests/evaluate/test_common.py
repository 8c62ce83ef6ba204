from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.evaluate.common import evenly, negative_log_likelihood


def test_the_loss_is_minus_the_logarithm_of_the_softmax_however_large_the_logits_are() -> None:
    logits = np.log(np.array([[0.1, 0.6, 0.3], [0.25, 0.25, 0.5]])) + 5000.0
    found = negative_log_likelihood(logits, np.array([2, 0], dtype=np.int32))
    np.testing.assert_allclose(found, -np.log([0.3, 0.25]), rtol=1e-9)
    assert negative_log_likelihood(np.zeros((2, 3, 4), np.float32), np.zeros((2, 3), np.int32)) == pytest.approx(
        np.log(4), rel=1e-6
    )


@given(st.integers(0, 300), st.integers(1, 100))
def test_as_many_as_may_be_are_chosen_each_once_from_the_first_on(n: int, most: int) -> None:
    found = evenly(n, most)
    assert len(found) == len(set(found.tolist())) == min(n, most)
    assert found.tolist() == sorted(found)
    if len(found) > 1:
        assert (found[0], found[-1]) == (0, n - 1)
        assert np.ptp(np.diff(found)) <= 1

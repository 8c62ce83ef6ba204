from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainmidi.models.latent import slerp

points = arrays(np.float32, 8, elements=st.floats(-3, 3, width=32))


@given(points, points)
def test_the_ends_of_the_way_are_the_end_points(a: np.ndarray, b: np.ndarray) -> None:
    assert slerp(a, b, 0.0) == pytest.approx(a, abs=1e-4)
    assert slerp(a, b, 1.0) == pytest.approx(b, abs=1e-4)


@given(points, points, st.floats(0, 1))
def test_every_point_of_the_way_is_finite(a: np.ndarray, b: np.ndarray, share: float) -> None:
    assert np.isfinite(slerp(a, b, share)).all()


@given(points, st.floats(0, 1))
def test_from_a_point_to_itself_nothing_moves(a: np.ndarray, share: float) -> None:
    assert slerp(a, a, share) == pytest.approx(a, abs=1e-5)


def test_the_arc_between_directions_of_one_length_keeps_that_length() -> None:
    middle = slerp(np.array([1.0, 0.0]), np.array([0.0, 1.0]), 0.5)
    assert middle == pytest.approx(np.sqrt([0.5, 0.5]))

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainmidi.errors import ModelError
from brainmidi.models.latent import Trajectory, barycentric, bilinear, lerp, slerp, walk

SIZE = 8
numbers = st.floats(-3, 3, width=32)
points = arrays(np.float32, SIZE, elements=numbers)
shares = st.floats(0, 1)
# Away from the origin, and all in one half-space, so that every mixture has a direction of its own.
forward = arrays(np.float64, SIZE, elements=st.floats(0.125, 3))


def length(point: np.ndarray) -> float:
    return float(np.linalg.norm(point))


@given(points, points)
def test_the_ends_of_the_way_are_the_end_points(a: np.ndarray, b: np.ndarray) -> None:
    for way in (slerp, lerp):
        assert (way(a, b, 0.0) == a).all()
        assert (way(a, b, 1.0) == b).all()


@given(points, st.floats(-2, 2), shares)
def test_the_length_goes_linearly_also_between_parallel_opposite_and_vanishing_points(
    a: np.ndarray, factor: float, share: float
) -> None:
    b = factor * a.astype(np.float64)
    assert length(slerp(a, b, share)) == pytest.approx((1 - share) * length(a) + share * length(b), abs=1e-5)


@given(points, points, shares)
def test_the_length_goes_linearly_between_any_points(a: np.ndarray, b: np.ndarray, share: float) -> None:
    assert length(slerp(a, b, share)) == pytest.approx((1 - share) * length(a) + share * length(b), abs=1e-5)


@given(points, points, shares)
def test_the_way_back_is_the_way_there(a: np.ndarray, b: np.ndarray, share: float) -> None:
    assume(length(a) > 1e-3 and length(b) > 1e-3)
    cosine = float(a.astype(float) @ b) / length(a) / length(b)
    assume(cosine > -1 + 1e-6)  # nearly opposite, the arc hangs on the last digits
    assert slerp(b, a, 1 - share) == pytest.approx(slerp(a, b, share), abs=1e-4)


@given(points, shares)
def test_from_a_point_to_itself_nothing_moves(a: np.ndarray, share: float) -> None:
    assert slerp(a, a, share) == pytest.approx(a, abs=1e-5)


@given(points, points, st.lists(shares, min_size=1, max_size=4))
def test_many_shares_give_what_each_gives_alone(a: np.ndarray, b: np.ndarray, many: list[float]) -> None:
    for way in (slerp, lerp):
        assert (way(a, b, many) == np.stack([way(a, b, share) for share in many])).all()
    assert slerp(a, b, [many, many]).shape == (2, len(many), SIZE)


def test_the_arc_between_directions_of_one_length_turns_evenly() -> None:
    arc = slerp([1.0, 0.0], [0.0, 1.0], [0.0, 1 / 3, 0.5, 1.0])
    angles = np.array([0, 30, 45, 90]) * np.pi / 180
    assert arc == pytest.approx(np.stack([np.cos(angles), np.sin(angles)], axis=1), abs=1e-6)


def test_opposite_points_are_joined_around_the_origin_and_not_through_it() -> None:
    a = np.array([1.0, 0.0, 0.0])
    assert length(slerp(a, -a, 0.5)) == pytest.approx(1.0)
    assert slerp([2.0], [-2.0], 0.5) == pytest.approx([0.0])  # on a line there is no way around


def test_unequal_nearly_opposite_points_have_no_way_that_leaves_their_reach() -> None:
    a, b = np.array([1.0, 0.0]), np.array([-2.0, 1e-3])
    assert np.linalg.norm(slerp(a, b, np.linspace(0, 1, 101)), axis=1).max() <= 2.0 + 1e-5


@given(st.lists(points, min_size=1, max_size=5), st.data())
def test_all_weight_on_one_anchor_gives_that_anchor(anchors: list[np.ndarray], data: st.DataObject) -> None:
    k = data.draw(st.integers(0, len(anchors) - 1))
    assert (barycentric(np.stack(anchors), np.eye(len(anchors))[k] * 0.3) == anchors[k]).all()


@given(points, points, points, shares)
def test_a_mixture_of_two_anchors_lies_on_their_arc(a: np.ndarray, b: np.ndarray, c: np.ndarray, share: float) -> None:
    mixed = barycentric(np.stack([a, c, b]), [1 - share, 0, share])
    assert mixed == pytest.approx(slerp(a, b, share), abs=1e-5)


@given(arrays(np.float64, (4, SIZE), elements=numbers), arrays(np.float64, 4, elements=st.floats(0, 5)))
def test_a_mixture_is_as_long_as_its_anchors_are_on_average(anchors: np.ndarray, weights: np.ndarray) -> None:
    assume(weights.sum() > 1e-3)
    expected = weights @ np.linalg.norm(anchors, axis=1) / weights.sum()
    assert length(barycentric(anchors, weights)) == pytest.approx(expected, abs=1e-4)


@given(st.lists(forward, min_size=3, max_size=5), st.permutations(range(3)))
def test_anchors_may_come_in_any_order_and_only_proportions_count(rows: list[np.ndarray], order: list[int]) -> None:
    anchors, weights = np.stack(rows), np.arange(1.0, len(rows) + 1)
    order = [*order, *range(3, len(rows))]
    mixed = barycentric(anchors, weights)
    assert barycentric(anchors[order], 7 * weights[order]) == pytest.approx(mixed, abs=1e-4)


def test_even_weights_on_three_axes_give_the_middle_of_their_octant() -> None:
    assert barycentric(np.eye(3), [1, 1, 1]) == pytest.approx(np.full(3, 3**-0.5), abs=1e-6)


@pytest.mark.parametrize("weights", [[0, 0], [1, -1], [np.nan, 1], [1, 1, 1], [np.inf, 1]])
def test_weights_that_cannot_be_mixed_are_refused(weights: list[float]) -> None:
    with pytest.raises(ModelError, match="weight"):
        barycentric(np.eye(2), weights)


@given(arrays(np.float64, (2, 2, SIZE), elements=st.floats(0.125, 3)), shares, shares)
def test_the_square_has_its_corners_and_the_arcs_between_them_as_edges(corners: np.ndarray, x: float, y: float) -> None:
    assert (bilinear(corners, 1, 0) == corners[1, 0].astype(np.float32)).all()
    assert bilinear(corners, x, 1) == pytest.approx(slerp(corners[0, 1], corners[1, 1], x), abs=1e-5)
    assert bilinear(corners, 0, y) == pytest.approx(slerp(corners[0, 0], corners[0, 1], y), abs=1e-5)
    assert bilinear(corners, x, y) == pytest.approx(bilinear(corners.swapaxes(0, 1), y, x), abs=1e-4)


def test_a_place_outside_the_square_is_refused() -> None:
    with pytest.raises(ModelError, match=r"\(1.2, 0\) is outside"):
        bilinear(np.ones((2, 2, 3)), 1.2, 0)


@given(points, st.floats(0.1, 4), st.floats(0, 2), st.integers(0, 2**32))
def test_a_walk_stays_within_its_radius_and_steps_no_further_than_it_may(
    centre: np.ndarray, radius: float, step_length: float, seed: int
) -> None:
    here = centre
    for step in range(12):
        there = walk(here, centre, radius=radius, step_length=step_length, seed=seed, step=step)
        assert length(there.astype(float) - here) <= step_length + 1e-5
        assert length(there.astype(float) - centre) <= radius + 1e-5
        here = there


@given(points, st.integers(0, 2**32), st.integers(0, 2**32))
def test_a_step_depends_on_seed_number_and_place_alone(point: np.ndarray, seed: int, step: int) -> None:
    def go(seed: int, step: int) -> np.ndarray:
        return walk(point, point, radius=2.0, step_length=0.5, seed=seed, step=step)

    assert (go(seed, step) == go(seed, step)).all()
    assert length(go(seed, step).astype(float) - point) == pytest.approx(0.5, abs=1e-5)  # nothing bounds it here
    assert (go(seed, step) != go(seed, step + 1)).any()
    assert (go(seed, step) != go(seed + 1, step)).any()


def test_a_walk_whose_centre_moved_away_follows_it() -> None:
    here, centre = np.zeros(SIZE, dtype=np.float32), np.full(SIZE, 4.0)
    distances = [length(here - centre)]
    for step in range(60):
        here = walk(here, centre, radius=1.0, step_length=0.5, seed=1, step=step)
        distances.append(length(here - centre))
    assert all(after <= max(before, 1.0) + 1e-5 for before, after in pairwise(distances))
    assert distances[-1] <= 1.0 + 1e-5


def test_a_walk_without_a_radius_is_refused() -> None:
    with pytest.raises(ModelError, match="radius -1"):
        walk(np.zeros(2), np.zeros(2), radius=-1.0, step_length=0.1, seed=0, step=0)


@st.composite
def trajectories(draw: st.DrawFn) -> Trajectory:
    n = draw(st.integers(1, 5))
    waits = draw(st.lists(st.floats(0.1, 5), min_size=n, max_size=n))
    return Trajectory(np.cumsum(waits), draw(arrays(np.float64, (n, SIZE), elements=numbers)))


@given(trajectories())
def test_a_trajectory_passes_through_its_way_points_and_rests_at_both_ends(way: Trajectory) -> None:
    assert way.at(way.times) == pytest.approx(way.points, abs=1e-5)
    assert (way.at(way.times[0] - 9) == way.at(way.times[0])).all()
    assert (way.at(way.times[-1] + 9) == way.at(way.times[-1])).all()


@given(trajectories(), st.floats(0, 20), st.floats(0, 2))
def test_a_trajectory_never_moves_faster_than_its_greatest_speed(way: Trajectory, time: float, dt: float) -> None:
    before, after = way.at([time, time + dt]).astype(float)
    assert length(after - before) <= way.max_speed * dt + 1e-5


def test_the_greatest_speed_is_reached() -> None:
    way = Trajectory(np.array([0.0, 2.0]), np.eye(2))
    assert way.max_speed == pytest.approx(np.pi / 4)
    assert length(np.diff(way.at([1.0, 1.001]).astype(float), axis=0)) == pytest.approx(way.max_speed * 1e-3, rel=1e-2)


@pytest.mark.parametrize("times", [[0, 0], [1, 0], [0], [0, np.nan]])
def test_times_that_do_not_rise_with_the_way_points_are_refused(times: list[float]) -> None:
    with pytest.raises(ModelError, match="time"):
        Trajectory(np.array(times), np.eye(2))

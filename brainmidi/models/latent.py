"""Ways through a latent space: between points, among anchors, at random, and along a line in time.

Under the prior of a variational autoencoder, a standard Gaussian in many dimensions, nearly all points lie at one
distance from the origin; the straight line between two of them runs through a region that the decoder has not seen.
Every mixture here therefore turns the direction and takes the weighted mean of the lengths.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brainmidi.errors import ModelError

Point = NDArray[np.float32]
Points = NDArray[np.float64]

#: Unit vectors whose component across each other is shorter than this span no plane that float64 could tell.
ALIGNED = 1e-12
#: The spherical mean stops when a step turns by less than this many radians, or after so many steps.
TURN = 1e-12
MAX_TURNS = 200


def lerp(start: ArrayLike, end: ArrayLike, share: ArrayLike) -> Point:
    """Return the point at `share` of the way along the straight line; parameters as for :func:`slerp`."""
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    s = np.asarray(share, dtype=np.float64)[..., None]
    return ((1.0 - s) * a + s * b).astype(np.float32)


def slerp(start: ArrayLike, end: ArrayLike, share: ArrayLike) -> Point:
    """Return the point at `share` of the way along the arc from `start` to `end`.

    Parameters
    ----------
    start, end : array_like, shape (latent_size,)
    share : float or array_like, shape (...,)
        0 gives `start`, 1 gives `end`.

    Returns
    -------
    ndarray of float32, shape (..., latent_size)

    Notes
    -----
    The direction turns at a constant rate on the great circle (Shoemake 1985, "Animating Rotation with Quaternion
    Curves", section 3.3), while the length goes linearly. Between points of one length this is Shoemake's formula; that
    formula on points of unequal length and nearly opposite directions reaches far beyond both of them. The origin has
    no direction: from there the way is straight. Opposite directions have no single arc: the one through the
    coordinate axis that lies most across them is taken.
    """
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    s = np.asarray(share, dtype=np.float64)[..., None]
    length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
    if length_a == 0.0 or length_b == 0.0:
        return lerp(a, b, share)
    from_, to = a / length_a, b / length_b
    omega = _angle(from_, to)
    across = to - (from_ @ to) * from_
    if np.linalg.norm(across) < ALIGNED:
        axis = np.zeros_like(from_)
        axis[np.argmin(np.abs(from_))] = 1.0
        across = axis - (from_ @ axis) * from_
    # In one dimension nothing lies across: opposite points are then joined by the line.
    width = np.linalg.norm(across)
    if width == 0.0:
        return lerp(a, b, share)
    direction = np.cos(s * omega) * from_ + np.sin(s * omega) * (across / width)
    way = ((1.0 - s) * length_a + s * length_b) * direction
    return np.where(s == 0.0, a, np.where(s == 1.0, b, way)).astype(np.float32)


def barycentric(anchors: ArrayLike, weights: ArrayLike) -> Point:
    """Return the mixture of several anchors.

    Parameters
    ----------
    anchors : array_like, shape (n, latent_size)
    weights : array_like, shape (n,)
        0 or more each, not all 0; only their proportions count.

    Returns
    -------
    ndarray of float32, shape (latent_size,)
        An anchor itself where it alone has weight; a point of :func:`slerp` where two have.

    Raises
    ------
    ModelError
        If there is not one weight for each anchor, or a weight is negative or not finite, or all are 0.

    Notes
    -----
    The direction is the weighted spherical mean of the anchors' directions (Buss & Fillmore 2001, "Spherical Averages
    and Applications to Spherical Splines and Interpolation", algorithm A1), the point with the least weighted sum of
    squared angles; it is unique where the anchors lie in one half-space. The length is the weighted mean of lengths.
    """
    points, w = np.asarray(anchors, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if points.ndim != 2 or w.shape != points.shape[:1]:
        raise ModelError(f"{w.size} weights for anchors of shape {points.shape}; give one weight for each anchor")
    if not np.isfinite(w).all() or (w < 0).any() or not 0.0 < (total := float(w.sum())) < np.inf:
        raise ModelError(f"weights {w.tolist()} cannot be mixed; give 0 or more each, and at least one above 0")
    points, w = points[w > 0], w[w > 0] / total
    if len(points) == 1:
        return np.asarray(points[0], dtype=np.float32)
    if len(points) == 2:
        return slerp(points[0], points[1], w[1])
    lengths = np.linalg.norm(points, axis=1)
    length = float(w @ lengths)
    directed = lengths > 0.0
    if not directed.any():
        return np.asarray(points[0], dtype=np.float32)
    units, shares = points[directed] / lengths[directed, None], w[directed] / w[directed].sum()
    return (length * _spherical_mean(units, shares)).astype(np.float32)


def bilinear(corners: ArrayLike, x: float, y: float) -> Point:
    """Return the mixture at a place of a square with an anchor at each corner.

    Parameters
    ----------
    corners : array_like, shape (2, 2, latent_size)
        ``corners[i, j]`` lies at x = i, y = j.
    x, y : float
        0..1. The edges are arcs of :func:`slerp`.

    Raises
    ------
    ModelError
        If the place lies outside the square.
    """
    if not (0.0 <= x <= 1.0 and 0.0 <= y <= 1.0):
        raise ModelError(f"place ({x:g}, {y:g}) is outside the square 0..1 by 0..1; clip it")
    points = np.asarray(corners, dtype=np.float64)
    return barycentric(points.reshape(4, -1), np.outer([1.0 - x, x], [1.0 - y, y]).ravel())


def walk(point: ArrayLike, centre: ArrayLike, *, radius: float, step_length: float, seed: int, step: int) -> Point:
    """Return where a random walk about `centre` goes next.

    Parameters
    ----------
    point, centre : array_like, shape (latent_size,)
    radius : float
        The walk never leaves this distance from the centre; begun outside, or left outside by a centre that moved, it
        comes nearer with every step.
    step_length : float
        Longest step, and the length of every step that the bound does not cut short.
    seed, step : int
        0 or more; the step's direction depends on these two numbers alone.

    Notes
    -----
    The proposed point is projected onto the ball. A projection onto a convex set lengthens no distance, so that from
    inside the bound costs length, and never adds any. Directions come from Philox, a counter-based generator (Salmon et
    al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3").
    """
    if not (radius >= 0.0 and step_length >= 0.0):
        raise ModelError(f"radius {radius:g} and step length {step_length:g} must be 0 or more")
    here, middle = np.asarray(point, dtype=np.float64), np.asarray(centre, dtype=np.float64)
    rng = np.random.Generator(np.random.Philox(key=[seed, 0], counter=[0, 0, 0, step]))
    direction = rng.standard_normal(here.shape)
    offset = here + step_length * direction / np.linalg.norm(direction) - middle
    distance = np.linalg.norm(offset)
    move = middle + offset * min(1.0, radius / distance if distance > 0.0 else 1.0) - here
    length = np.linalg.norm(move)
    return (here + move * min(1.0, step_length / length if length > 0.0 else 1.0)).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Trajectory:
    """A way through the latent space, continuous in time: arcs of :func:`slerp` through way-points.

    Before the first way-point it rests there, and after the last one too.

    Parameters
    ----------
    times : ndarray of float64, shape (n,)
        When each way-point is reached, in any unit; strictly rising.
    points : ndarray of float64, shape (n, latent_size)

    Raises
    ------
    ModelError
        If times and points do not pair up, or a time is not after the one before.
    """

    times: Points
    points: Points

    def __post_init__(self) -> None:
        times, points = np.array(self.times, dtype=np.float64), np.array(self.points, dtype=np.float64)
        if times.ndim != 1 or points.ndim != 2 or len(times) != len(points) or len(times) == 0:
            raise ModelError(f"{times.shape} times for {points.shape} way-points; give one time for each way-point")
        if not (np.isfinite(times).all() and (np.diff(times) > 0).all()):
            raise ModelError(f"times {times.tolist()} do not rise; give each way-point a later time than the last")
        for name, array in (("times", times), ("points", points)):
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def at(self, time: ArrayLike) -> Point:
        """Return z at `time`, a float or an array of shape (...,); shape (..., latent_size)."""
        t = np.clip(np.asarray(time, dtype=np.float64), self.times[0], self.times[-1])
        segment = np.clip(np.searchsorted(self.times, t, side="right") - 1, 0, max(len(self.times) - 2, 0))
        z = np.broadcast_to(self.points[0].astype(np.float32), (*t.shape, self.points.shape[1])).copy()
        if len(self.times) > 1:
            for k in np.unique(segment):
                inside = segment == k
                share = (t[inside] - self.times[k]) / (self.times[k + 1] - self.times[k])
                z[inside] = slerp(self.points[k], self.points[k + 1], share)
        return z

    @property
    def max_speed(self) -> float:
        """The most that z moves in one unit of time, L in ``|z(t + dt) - z(t)| <= L dt``."""
        bounds = [0.0]
        for a, b, dt in zip(self.points[:-1], self.points[1:], np.diff(self.times), strict=True):
            length_a, length_b = np.linalg.norm(a), np.linalg.norm(b)
            turn = _angle(a / length_a, b / length_b) if length_a > 0.0 and length_b > 0.0 else 0.0
            bounds.append(float(np.hypot(length_b - length_a, max(length_a, length_b) * turn) / dt))
        return max(bounds)


def _angle(a: Points, b: Points) -> float:
    """Return the angle between unit vectors, exact also where they are nearly parallel or opposite (Kahan 2006)."""
    return 2.0 * float(np.arctan2(np.linalg.norm(a - b), np.linalg.norm(a + b)))


def _spherical_mean(units: Points, weights: Points) -> Points:
    """Return the unit vector with the least weighted sum of squared angles to unit vectors (n, latent_size)."""
    mean = weights @ units
    size = np.linalg.norm(mean)
    # Directions that cancel out have no mean; that of the heaviest is as good as any.
    here = mean / size if size > ALIGNED else units[np.argmax(weights)]
    for _ in range(MAX_TURNS):
        cosines = units @ here
        across = units - cosines[:, None] * here
        sines = np.linalg.norm(across, axis=1)
        scale = np.divide(np.arctan2(sines, cosines), sines, out=np.ones_like(sines), where=sines > ALIGNED)
        tangent = weights @ (across * scale[:, None])
        turn = float(np.linalg.norm(tangent))
        if turn < TURN:
            break
        here = np.cos(turn) * here + np.sin(turn) / turn * tangent
        here /= np.linalg.norm(here)
    return np.asarray(here, dtype=np.float64)

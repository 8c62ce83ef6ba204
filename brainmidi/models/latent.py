"""Ways through a latent space."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Below this sine the two directions are taken as parallel: dividing by it would lose all digits of float32.
PARALLEL = 1e-4


def slerp(start: NDArray[np.floating], end: NDArray[np.floating], share: float) -> NDArray[np.float32]:
    """Return the point at `share` of the way along the arc from `start` to `end`.

    Parameters
    ----------
    start, end : ndarray, shape (latent_size,)
    share : float
        0 gives `start`, 1 gives `end`.

    Returns
    -------
    ndarray of float32, shape (latent_size,)

    Notes
    -----
    Spherical interpolation (Shoemake 1985, "Animating Rotation with Quaternion Curves", section 3.3). Identical,
    parallel and opposite points, and the origin, have no single arc: there the straight line is taken.
    """
    a, b = np.asarray(start, dtype=np.float64), np.asarray(end, dtype=np.float64)
    lengths = np.linalg.norm(a) * np.linalg.norm(b)
    line = (1.0 - share) * a + share * b
    if lengths == 0.0:
        return line.astype(np.float32)
    omega = np.arccos(np.clip(a @ b / lengths, -1.0, 1.0))
    if np.sin(omega) < PARALLEL:
        return line.astype(np.float32)
    arc = np.sin((1.0 - share) * omega) * a + np.sin(share * omega) * b
    return np.asarray(arc / np.sin(omega), dtype=np.float32)

"""Which channels stand still: an electrode that has come off, a wire that has broken."""

from __future__ import annotations

import numpy as np

from brainmidi.types import FloatArray, Montage

_DEAD_S = 1.0  # a channel whose value stands still for so long is dead


class StillChannels:
    """Follows for how long the value of each channel has not changed.

    Parameters
    ----------
    montage : Montage
    """

    def __init__(self, montage: Montage) -> None:
        self._montage = montage
        self._values: FloatArray = np.full(len(montage.names), np.nan)
        self._still_s: FloatArray = np.zeros(len(montage.names))

    def dead(self, samples: FloatArray) -> set[str]:
        """Return the channels that have stood still for a second after these samples, shape (n_samples, n_channels).

        All of them at once are none: that is a lost signal.
        """
        present = np.isfinite(samples)
        filled = np.where(present, samples, self._values)
        moved = ((np.diff(filled, axis=0, prepend=self._values[None]) != 0) & present).any(axis=0)
        self._still_s = np.where(moved, 0.0, self._still_s + len(samples) / self._montage.rate_hz)
        self._values = filled[-1]
        dead = self._still_s > _DEAD_S
        return set() if dead.all() else {name for name, gone in zip(self._montage.names, dead, strict=True) if gone}

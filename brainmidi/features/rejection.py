"""Leaves out the part of a channel's spectrum that eyes or muscles have taken over, and only that part."""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

from brainmidi.types import BoolArray, FloatArray

#: Zones of the spectrum: below alpha, where eyes move; alpha; above it, where muscles are.
SLOW, MIDDLE, FAST = 0, 1, 2
_EDGES_HZ = (8.0, 13.0)
# Where each of them is told by its power: blinks, and muscles below the low-pass.
_EYES_HZ, _MUSCLE_HZ = (1.0, 4.0), (20.0, 45.0)
# A second of EEG at rest strays from its median by 2 dB at the most here, and by 3 dB where eyes are; a clenched jaw
# brings 10 dB and more, a blink 15 dB at the brow.
_EYES_DB, _MUSCLE_DB = 9.0, 6.0
_MEMORY = 30  # seconds that the median goes back, so that what lasts for longer is the new usual
_FEWEST = 5  # seconds before there is a median


def zones_of(frequency_hz: FloatArray) -> NDArray[np.intp]:
    """Return the zone of every bin."""
    return np.searchsorted(np.array(_EDGES_HZ) - 1e-9, frequency_hz, side="right")


class ZoneGate:
    """Compares each segment's power in the eyes' and the muscles' range with the channel's own median.

    A jaw that is clenched leaves alpha as it was and takes beta and gamma over; a blink takes delta and theta. So the
    zone is left out, not the channel. What is usual is the median of the channel's last 30 s, one segment a second,
    clean or not: tension that stays becomes the usual after a while.

    Parameters
    ----------
    frequency_hz : ndarray, shape (n_bins,)
    n_channels : int
    """

    def __init__(self, frequency_hz: FloatArray, n_channels: int) -> None:
        self._ranges = tuple(
            np.flatnonzero((frequency_hz >= low_hz - 1e-9) & (frequency_hz < high_hz - 1e-9))
            for low_hz, high_hz in (_EYES_HZ, _MUSCLE_HZ)
        )
        self._past: deque[FloatArray] = deque(maxlen=_MEMORY)
        self._newest: FloatArray = np.full((2, n_channels), np.nan)
        # NaN, which nothing exceeds, until enough has been heard.
        self._limit_db: FloatArray = np.full((2, n_channels), np.nan)

    def judge(self, density: FloatArray, clean: BoolArray) -> BoolArray:
        """Return which zones of which segments may be used, shape (n_updates, 3, n_channels).

        Parameters
        ----------
        density : ndarray, shape (n_updates, n_bins, n_channels)
        clean : ndarray of bool, shape (n_updates, n_channels)
            Segments with enough good samples; others do not count towards what is usual.
        """
        power = [np.add.reduce(density[:, rows], axis=1) for rows in self._ranges]
        level_db = 10.0 * np.log10(np.stack(power, axis=1) + 1e-12)  # (n_updates, 2, n_channels)
        self._newest = np.where(clean[-1], level_db[-1], np.nan)
        with np.errstate(invalid="ignore"):
            exceeded = level_db > self._limit_db
        usable: BoolArray = np.ones((len(density), 3, density.shape[2]), dtype=bool)
        usable[:, SLOW], usable[:, FAST] = ~exceeded[:, 0], ~exceeded[:, 1]
        return usable

    def remember(self) -> None:
        """Let the newest segment count, and find the median anew."""
        self._past.append(self._newest)
        past = np.stack(self._past)
        known = np.isfinite(past)
        count = np.count_nonzero(known, axis=0)
        ordered = np.sort(np.where(known, past, np.inf), axis=0)
        middle = np.take_along_axis(ordered, (np.maximum(count, 1) - 1)[None] // 2, axis=0)[0]
        margin_db = np.array([[_EYES_DB], [_MUSCLE_DB]])
        self._limit_db = np.where(count >= _FEWEST, middle + margin_db, np.nan)

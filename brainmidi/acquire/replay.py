"""Samples that are already there, handed out as a source: every recording ends here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import SourceError
from brainmidi.types import Chunk, FloatArray, Marker, Montage


class ArraySource:
    """A source over samples in memory, on an even grid: sample ``i`` lies at ``i / rate_hz``.

    Parameters
    ----------
    name : str
        What the source is called in messages and summaries.
    samples_uv : ndarray, shape (n_samples, n_channels)
        Potentials in microvolts; NaN where a sample is missing.
    montage : Montage
        Names and rate of the columns.
    markers : sequence of Marker
        Events in sample time.
    simulated : bool
        True where no brain was involved.

    Raises
    ------
    SourceError
        If there is no sample at all.
    """

    def __init__(
        self,
        name: str,
        samples_uv: FloatArray,
        montage: Montage,
        markers: Sequence[Marker] = (),
        *,
        simulated: bool = False,
    ) -> None:
        if len(samples_uv) == 0:
            raise SourceError(f"{name} holds 0 samples, at least 1 is needed; choose another recording")
        self.name = name
        self.simulated = simulated
        self.montage = montage
        self._samples_uv = np.ascontiguousarray(samples_uv, dtype=np.float64)
        self._time_s: FloatArray = np.arange(len(samples_uv)) / montage.rate_hz
        ordered = sorted(markers, key=lambda marker: marker.time_s)
        self._markers = [marker for marker in ordered if 0.0 <= marker.time_s <= self._time_s[-1]]
        # A marker travels with the first sample at or after it, so that every chunking places it alike.
        self._marker_index: NDArray[np.intp] = np.searchsorted(
            self._time_s, [marker.time_s - 1e-9 for marker in self._markers], side="left"
        )
        self._next = 0

    @property
    def duration_s(self) -> float:
        """Length of the recording in seconds."""
        return len(self._time_s) / self.montage.rate_hz

    @property
    def markers(self) -> tuple[Marker, ...]:
        """Every event of the recording, in order."""
        return tuple(self._markers)

    def start(self) -> None:
        """Go (back) to the first sample."""
        self._next = 0

    def read(self, until_s: float) -> Chunk | None:
        """Return the samples before `until_s` that were not returned yet; None once all have been.

        Parameters
        ----------
        until_s : float
            Sample time in seconds; ``inf`` gives everything that is left.

        Returns
        -------
        Chunk or None
        """
        if self._next >= len(self._time_s):
            return None
        stop = max(self._next, int(np.searchsorted(self._time_s, until_s, side="left")))
        first, last = np.searchsorted(self._marker_index, [self._next, stop], side="left")
        chunk = Chunk(
            samples_uv=self._samples_uv[self._next : stop],
            time_s=self._time_s[self._next : stop],
            montage=self.montage,
            markers=tuple(self._markers[first:last]),
        )
        self._next = stop
        return chunk

    def stop(self) -> None:
        """Do nothing: there is no device to let go."""

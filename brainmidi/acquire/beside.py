"""Two streams read together: one plays, the other, of the person who listens, goes along."""

from __future__ import annotations

import math
from collections.abc import Callable

from brainmidi.types import Chunk, Source


class Beside:
    """A source that reads another one along, at the same pace, and hands that one's samples to a sink.

    Parameters
    ----------
    source : Source
        What this source is to everybody: its samples are returned.
    along : Source
        What is read along; its end is not the end.
    sink : callable
        Gets each chunk of `along` that holds samples, and the sample time of `source` at which time 0 of `along` lay.
    """

    def __init__(self, source: Source, along: Source, sink: Callable[[Chunk, float], None]) -> None:
        self._source, self._along, self._sink = source, along, sink
        self.name = source.name
        self.simulated = source.simulated
        self.montage = source.montage
        duration_s = getattr(source, "duration_s", None)
        if duration_s is not None:
            self.duration_s: float = duration_s
        self._base_s: float | None = None
        self._ended = False

    def start(self) -> None:
        """Start both, the one that may fail first."""
        self._base_s, self._ended = None, False
        self._along.start()
        self._source.start()

    def read(self, until_s: float) -> Chunk | None:
        """Return what came of the source before `until_s`, and read the other one as far.

        Parameters
        ----------
        until_s : float
            Sample time in seconds; at ``inf`` the other one stays where it is, as it may have no end.

        Returns
        -------
        Chunk or None
        """
        if not self._ended and until_s < math.inf:
            chunk = self._along.read(until_s)
            self._ended = chunk is None
            if chunk is not None and len(chunk):
                if self._base_s is None:  # a device's time begins with its first sample
                    self._base_s = max(0.0, until_s - float(chunk.time_s[-1]) - 2.0 / chunk.montage.rate_hz)
                self._sink(chunk, self._base_s)
        return self._source.read(until_s)

    def stop(self) -> None:
        """Let both go."""
        try:
            self._along.stop()
        finally:
            self._source.stop()

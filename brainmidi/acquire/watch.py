"""Watches a device: sees what it fails to send, stands in with missing samples, and connects it again."""

from __future__ import annotations

import math
from collections import deque
from statistics import median

import numpy as np
from numpy.typing import NDArray

from brainmidi.acquire.pace import Pace
from brainmidi.acquire.reconnect import Reconnector
from brainmidi.acquire.siglog import LOST, OK, RECONNECTING, SignalLog
from brainmidi.acquire.still import StillChannels
from brainmidi.acquire.timeline import Timeline
from brainmidi.errors import SourceError
from brainmidi.types import BoolArray, Chunk, FloatArray, Marker, Montage, Source

_SILENT_S = 0.5  # without a usable sample for so long the signal is lost ...
_BURSTS = 3.0  # ... or for so many times what usually lies between two arrivals: some send a second at a time ...
_LONGEST_S = 3.0  # ... and after so long in any case
_LATE_S = 0.1  # what stands in for missing samples stays so far behind the clock: late packets still find their place
_PATIENCE_S = 3.0  # a signal that is away for so long is connected again; a source that fails, at once
_SETTLE_S = 5.0  # so long a device has, once connected, to send its first sample
_WELL_S = 1.0  # after so long without a fault the signal is back
_BACK_OFF_S = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)


class Watch:
    """Any source, made safe to play with: its sample time keeps pace with the clock, whatever the source does.

    What is missing (a silent device, lost packages, samples that are all NaN, samples at another rate than was
    announced) comes as NaN, so that everything downstream sees the gap, and knobs hold and then ease. A source that
    stays away or raises is stopped and started, with pauses of 1, 2, 4, ... 30 s between the attempts, for ever or
    until `give_up_s`. A source that is well passes through as it is.

    Parameters
    ----------
    source : Source
        Its times are its own: seconds since its start, begun again whenever it likes.
    give_up_s : float
        After so long without signal an error is raised; 0 for never.
    background : bool
        Whether to connect again in a thread; without one the result does not depend on the machine.
    """

    def __init__(self, source: Source, *, give_up_s: float = 0.0, background: bool = True) -> None:
        self._source = source
        self._give_up_s = give_up_s
        self.name = source.name
        self.simulated = source.simulated
        self.montage: Montage = source.montage
        self.log = SignalLog()
        self._connector = Reconnector(source, background=background)
        self._begin()

    def _begin(self) -> None:
        self._adopt(self._source.montage)
        self._started = False
        self._broken = ""  # what the source raised; it is not read until it has been connected again
        self._connected_s = 0.0  # caller's time at which the source was started
        self._timeline = Timeline()
        self._pauses_s: deque[float] = deque([0.0], maxlen=5)  # between the newest arrivals
        self._came_s: float | None = None  # caller's time of the newest samples, usable or not
        self._heard_s: float | None = None  # caller's time of the newest usable sample
        self._well_s: float | None = None  # caller's time since which there has been no fault
        self._attempts = 0
        self._try_s = 0.0  # caller's time before which no attempt is made

    def _adopt(self, montage: Montage) -> None:
        self.montage = montage
        self._pace = Pace(montage.rate_hz)
        self._still = StillChannels(montage)

    def start(self) -> None:
        """Start the source.

        Raises
        ------
        SourceError
            If it cannot be started: before any music the user is told, and nothing is tried again.
        """
        self._begin()
        self._source.start()
        self._adopt(self._source.montage)  # a network's stream says its channels when it is found
        self._started = True

    def read(self, until_s: float) -> Chunk | None:
        """Return what has come, with missing samples where nothing has.

        Parameters
        ----------
        until_s : float
            Now, in seconds of a clock of the caller's that runs with sample time.

        Returns
        -------
        Chunk or None
            None once the source has said that it has ended.

        Raises
        ------
        SourceError
            If it was not started, or has been away for longer than `give_up_s`.
        """
        if not self._started:
            raise SourceError(f"{self.name} was read before it was started; call start() first")
        if self._heard_s is None:
            self._heard_s = until_s
        came = self._pull(until_s)
        if came is None:
            return None
        if until_s == math.inf:
            return came
        self._look_after(until_s)
        gap = self._fill(until_s)
        if not gap:
            return came
        samples = np.full((gap, len(self.montage.names)), np.nan)
        times = self._timeline.next_s + np.arange(gap) / self.montage.rate_hz
        self._timeline.next_s = float(times[-1]) + 1.0 / self.montage.rate_hz
        self.log.missing(gap / self.montage.rate_hz)
        if len(came) == 0 or came.montage != self.montage:
            return Chunk(samples, times, self.montage)
        return Chunk(
            np.concatenate([came.samples_uv, samples]),
            np.concatenate([came.time_s, times]),
            self.montage,
            came.markers,
        )

    def stop(self) -> None:
        """Let the source go; may be called more than once."""
        self._connector.close()

    # ------------------------------------------------------------------------------------------------ what comes

    def _pull(self, now_s: float) -> Chunk | None:
        """Return what the source gives, in our time; nothing where it fails."""
        result = self._connector.result()
        if result is not None:
            self._connected(result, now_s)
        if self._connector.busy or self._broken:
            return self._nothing()
        try:
            chunk = self._source.read(now_s - self._connected_s)
            if chunk is None:
                return None
            return self._accept(chunk, now_s) if len(chunk) else self._nothing()
        except Exception as error:  # a driver may raise anything; the music goes on
            self._broken = str(error).split("\n", maxsplit=1)[0][:160] or type(error).__name__
            return self._nothing()

    def _accept(self, chunk: Chunk, now_s: float) -> Chunk:
        """Return `chunk` on our time, with what was lost before and within it as missing."""
        if chunk.montage != self.montage:
            self._adopt(chunk.montage)
        step_s = 1.0 / self.montage.rate_hz
        samples = chunk.samples_uv
        times = self._timeline.place(chunk.time_s, now_s, step_s)
        self.log.restarts = self._timeline.restarts
        if self._came_s is not None:
            self._pauses_s.append(now_s - self._came_s)
        self._came_s = now_s
        usable: BoolArray = np.asarray(np.isfinite(samples).any(axis=1))
        self._pace.count(len(times), now_s)
        if self._pace.wrong:  # other frequencies than they seem: nothing is better
            return self._nothing()
        if usable.any():
            self._heard_s = now_s
        self.log.dead(self._still.dead(samples))
        last_s = self._timeline.next_s - step_s
        kept: BoolArray = times > last_s + 0.5 * step_s
        lost = np.maximum(np.rint(np.diff(times[kept], prepend=last_s) / step_s) - 1, 0).astype(np.int64)
        markers = chunk.markers
        if shift_s := self._timeline.shift_s:
            markers = tuple(Marker(marker.time_s + shift_s, marker.label) for marker in markers)
        self.log.missing(float((~usable[kept]).sum() + lost.sum()) * step_s)
        if kept.all() and not lost.any():
            self._timeline.next_s = float(times[-1]) + step_s
            return Chunk(samples, times, self.montage, markers)
        if not kept.any():
            return self._nothing()
        return self._spread(samples[kept], times[kept], lost, markers)

    def _nothing(self) -> Chunk:
        return Chunk(np.empty((0, len(self.montage.names))), np.empty(0), self.montage)

    def _spread(
        self, samples: FloatArray, times: FloatArray, lost: NDArray[np.int64], markers: tuple[Marker, ...]
    ) -> Chunk:
        """Return samples with `lost` missing ones before each."""
        step_s = 1.0 / self.montage.rate_hz
        last_s = self._timeline.next_s - step_s
        places = np.cumsum(lost + 1) - 1
        spread = np.full((int(places[-1]) + 1, samples.shape[1]), np.nan)
        spread[places] = samples
        even = np.interp(np.arange(len(spread)), [-1, *places.tolist()], [last_s, *times.tolist()])
        self._timeline.next_s = float(even[-1]) + step_s
        return Chunk(spread, even, self.montage, markers)

    # -------------------------------------------------------------------------------------------- what fails to

    def _look_after(self, now_s: float) -> None:
        """Judge the signal, and connect again where it is time to."""
        assert self._heard_s is not None  # read() has set it
        away_s = now_s - self._heard_s
        fault = self._fault(away_s)
        if not fault:
            self._well_s = now_s if self._well_s is None else self._well_s
            if now_s - self._well_s >= _WELL_S and self.log.state != OK:
                self._attempts = 0
                self.log.change(self._timeline.next_s, OK, f"it was away for {self.log.gap_s:.1f} s")
            return
        self._well_s = None
        if self.log.state == OK:
            self.log.change(self._timeline.next_s, LOST, f"{fault}; the music goes on, knobs ease to neutral")
            if not self._broken:
                self._try_s = max(self._try_s, now_s + _PATIENCE_S - _SILENT_S)
        if self._give_up_s and away_s > self._give_up_s:
            raise SourceError(
                f"{self.name} has been away for {away_s:.0f} s, [source] give_up_s allows {self._give_up_s:g} s; check "
                "battery, distance and cable, then start again (what was played is saved)"
            )
        if now_s >= self._try_s and not self._connector.busy:
            self.log.change(self._timeline.next_s, RECONNECTING, "check battery, distance and cable")
            self._connector.attempt()
            self._try_s = math.inf  # until it is known how this one went

    def _fault(self, away_s: float) -> str:
        """Return what is wrong in words, nothing where all is well."""
        if self._broken:
            return self._broken
        if away_s > self._patience_s() and not self._pace.wrong:
            return f"no usable sample for {away_s:.1f} s"
        return self._pace.text if self._pace.wrong else ""

    def _connected(self, success: bool, now_s: float) -> None:
        """Take note of how an attempt went, and when the next one may be made."""
        pause_s = _BACK_OFF_S[min(self._attempts, len(_BACK_OFF_S) - 1)]
        self._attempts += 1
        self._try_s = now_s + (max(pause_s, _SETTLE_S) if success else pause_s)
        if success:
            self.log.reconnects += 1
            self._broken = ""
            self._connected_s = now_s
            self._timeline.reconnected()
            self._pace = Pace(self.montage.rate_hz)
        elif not self._broken:
            self._broken = "it does not answer"

    def _fill(self, now_s: float) -> int:
        """Return how many missing samples are due for sample time to keep pace."""
        assert self._heard_s is not None  # read() has set it
        if now_s - self._heard_s <= self._patience_s() and not self._broken:
            return 0
        return max(0, int((self._timeline.behind_s(now_s) - _LATE_S) * self.montage.rate_hz))

    def _patience_s(self) -> float:
        """Return for how long there may be no usable sample."""
        return min(max(_SILENT_S, _BURSTS * median(self._pauses_s)), _LONGEST_S)

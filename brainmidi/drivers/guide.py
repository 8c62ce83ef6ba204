"""Guides a person through a calibration and records it; the same loop on the real clock and on the virtual one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from brainmidi.acquire.pump import Pump
from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.drivers.phases import Recording, Span, Step
from brainmidi.errors import SourceError
from brainmidi.types import Chunk, Clock, Source

CHECK_S = 5.0  # the filters settle, and it is seen which electrodes are good
_TICK_S = 0.1
_QUALITY_S = 2.0


@dataclass(frozen=True, slots=True)
class Moment:
    """Where a guided calibration stands.

    Parameters
    ----------
    step : Step or None
        What the person does now; None while the electrodes are looked at.
    number : int
        Of the step, from 0.
    changing : bool
        True in the moment that the person has to change over.
    left_s : float
        Seconds to the end of the step, or of the moment to change.
    done : float
        Share of the whole, 0..1.
    poor : tuple of str
        Electrodes that were bad for most of the last two seconds.
    silent_s : float
        For so long no sample has come.
    """

    step: Step | None
    number: int
    changing: bool
    left_s: float
    done: float
    poor: tuple[str, ...]
    silent_s: float


class Guide:
    """Reads a source while a person is led through steps; what was recorded is there at any time.

    Parameters
    ----------
    source : Source
    clock : Clock
        The one that the source was opened with.
    steps : sequence of Step
    condition : ConditionSettings
        For the look at the electrodes; what is kept is raw.
    """

    def __init__(self, source: Source, clock: Clock, steps: Sequence[Step], condition: ConditionSettings) -> None:
        self._source = source
        self._clock = clock
        self._steps = tuple(steps)
        self._conditioner = Conditioner(source.montage, settings=condition)
        self._chunks: list[Chunk] = []
        self._good: list[np.ndarray] = []
        self._spans: list[Span] = []
        self._stream_s = 0.0
        self._heard_s = 0.0
        self._total_s = CHECK_S + sum(step.change_s + step.seconds for step in self._steps)

    def run(self, tell: Callable[[Moment], None]) -> Recording:
        """Lead through every step; `tell` hears about ten times a second how it stands.

        Returns
        -------
        Recording

        Raises
        ------
        SourceError
            The source ended, or cannot be started.
        """
        with Pump(self._source, self._clock, self._take) as pump:
            begun_s = self._heard_s = self._clock.now_s()
            at_s = self._wait(pump, begun_s, begun_s, CHECK_S, None, 0, False, tell)
            for number, step in enumerate(self._steps):
                at_s = self._wait(pump, begun_s, at_s, step.change_s, step, number, True, tell)
                start_s = self._stream_s
                try:
                    at_s = self._wait(pump, begun_s, at_s, step.seconds, step, number, False, tell)
                finally:
                    if self._stream_s > start_s:
                        self._spans.append(Span(step.phase, start_s, self._stream_s))
        recording = self.recording()
        if recording is None:
            raise SourceError(f"{self._source.name} gave no sample; check that it is switched on and try again")
        return recording

    def recording(self) -> Recording | None:
        """Return what there is so far; None where nothing has come."""
        if not self._chunks:
            return None
        chunk = Chunk(
            np.concatenate([chunk.samples_uv for chunk in self._chunks]),
            np.concatenate([chunk.time_s for chunk in self._chunks]),
            self._source.montage,
            tuple(marker for chunk in self._chunks for marker in chunk.markers),
        )
        return Recording(self._source.name, self._source.simulated, chunk, tuple(self._spans))

    def _wait(
        self,
        pump: Pump,
        begun_s: float,
        at_s: float,
        seconds: float,
        step: Step | None,
        number: int,
        changing: bool,
        tell: Callable[[Moment], None],
    ) -> float:
        """Read until `seconds` after `at_s`; return that time."""
        until_s = at_s + seconds
        while (now_s := self._clock.now_s()) < until_s - 1e-9:
            self._clock.sleep_until(min(until_s, now_s + _TICK_S))
            now_s = self._clock.now_s()
            pump.advance_to(now_s - begun_s)
            if pump.ended:
                raise SourceError(
                    f"{self._source.name} ended after {self._stream_s:.0f} s of the {self._total_s:.0f} s of a "
                    "calibration; give recordings with --from-recording"
                )
            done = min(1.0, (now_s - begun_s) / self._total_s)
            silent_s = now_s - self._heard_s
            tell(Moment(step, number, changing, max(0.0, until_s - now_s), done, self._poor(), silent_s))
        return until_s

    def _take(self, chunk: Chunk) -> None:
        if chunk.montage != self._source.montage:  # a device that came back with other channels: none of this person's
            return
        self._chunks.append(chunk)
        self._stream_s = float(chunk.time_s[-1]) + 1.0 / chunk.montage.rate_hz
        self._heard_s = self._clock.now_s()
        good = self._conditioner.process(chunk).good
        assert good is not None  # Chunk fills it at birth; this tells the type checker so
        self._good.append(good)
        kept = round(_QUALITY_S * chunk.montage.rate_hz)
        while len(self._good) > 1 and sum(map(len, self._good[1:])) >= kept:
            self._good.pop(0)

    def _poor(self) -> tuple[str, ...]:
        if not self._good:
            return ()
        share = np.concatenate(self._good).mean(axis=0)
        return tuple(name for name, good in zip(self._source.montage.names, share, strict=True) if good < 0.5)

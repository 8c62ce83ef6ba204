"""From samples to controls: conditioning, features and knobs as one stream, and the log that the composer reads."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.controls.baseline import Baseline, fit_baseline
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import ControlMap
from brainmidi.errors import ControlError
from brainmidi.features.erp import ErpSummary
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import Chunk, ControlFrame, FeatureFrame, Montage

#: Two sample times closer than this are one: clocks add and multiply floats on the way.
TOLERANCE_S = 1e-6


class ControlLog:
    """Every control frame so far, in order of sample time; written by the pump, read by the composer."""

    def __init__(self) -> None:
        self._frames: list[ControlFrame] = []
        self._times_s: list[float] = []
        self._lock = threading.Lock()

    def extend(self, frames: Iterable[ControlFrame]) -> None:
        """Add newer frames."""
        with self._lock:
            for frame in frames:
                self._frames.append(frame)
                self._times_s.append(frame.time_s)

    def newest(self, time_s: float) -> ControlFrame:
        """Return the newest frame at or before `time_s`; a neutral one where there is none."""
        with self._lock:
            count = bisect_right(self._times_s, time_s + TOLERANCE_S)
            return self._frames[count - 1] if count else ControlFrame.neutral(time_s)

    def __len__(self) -> int:
        return len(self._frames)


@dataclass(frozen=True, slots=True)
class SignalQuality:
    """How good the EEG was: medians over the frames so far.

    Parameters
    ----------
    share : float
        Share of channels that passed the gate, 0..1.
    channels : tuple of (str, float)
        Each channel's share of good samples, 0..1.
    frames : int
        Frames that this was measured on.
    """

    share: float
    channels: tuple[tuple[str, float], ...]
    frames: int


class SignalChain:
    """Conditions samples, takes features from them and turns those into control frames, whatever the chunking.

    Parameters
    ----------
    montage : Montage
        Of the source.
    condition : ConditionSettings
        Filters, reference, artifact limits.
    features : FeatureSettings
        Windows, bands, ERP.
    control_map : ControlMap
        From features to knobs.
    baseline : Baseline or None
        What rest looks like; None to learn it from the stream's first `rest_s` seconds, which then give no frame
        but their last.
    rest_s : float
        Seconds of rest at the start; unused with a baseline.
    """

    def __init__(
        self,
        montage: Montage,
        *,
        condition: ConditionSettings,
        features: FeatureSettings,
        control_map: ControlMap,
        baseline: Baseline | None,
        rest_s: float = 0.0,
    ) -> None:
        if baseline is None and not rest_s > 0:
            raise ControlError("no baseline and 0 s of rest to learn one from; give --baseline SECONDS or a profile")
        self._conditioner = Conditioner(montage, settings=condition)
        self._extractor = FeatureExtractor(montage, features)
        self._map = control_map
        self._names = montage.names
        self._rest_s = rest_s
        self._last_rest_s = rest_s - 1.0 / features.update_hz
        self._rest: list[FeatureFrame] = []
        self._controller: Controller | None = None
        self._shares: list[float] = []
        self._channel_sum = np.zeros(len(montage.names))
        self.baseline = baseline
        if baseline is not None:
            self._controller = Controller(control_map, baseline)

    def process(self, chunk: Chunk) -> list[ControlFrame]:
        """Return the control frames that became due with `chunk`.

        Raises
        ------
        ControlError
            The rest was too short or too noisy to learn a baseline from.
        """
        frames = []
        for frame in self._extractor.process(self._conditioner.process(chunk)):
            self._measure(frame)
            if self._controller is None:
                self._rest.append(frame)
                if frame.time_s < self._last_rest_s + TOLERANCE_S:
                    continue
                self.baseline = fit_baseline(self._rest)
                self._controller = Controller(self._map, self.baseline)
                self._rest = []
            frames.append(self._controller.process(frame))
        return frames

    @property
    def erp(self) -> ErpSummary | None:
        """Target minus non-target over the stream so far; None before there are enough markers."""
        return self._extractor.erp_summary

    @property
    def undriven(self) -> dict[str, str]:
        """Mapped knobs that have stood at 0.5 throughout, each with the reason in words."""
        return {} if self._controller is None else self._controller.undriven

    @property
    def quality(self) -> SignalQuality:
        """How good the EEG has been so far."""
        count = len(self._shares)
        means = self._channel_sum / max(count, 1)
        channels = tuple((name, float(mean)) for name, mean in zip(self._names, means, strict=True))
        return SignalQuality(float(np.median(self._shares)) if count else 0.0, channels, count)

    def _measure(self, frame: FeatureFrame) -> None:
        self._shares.append(frame.quality)
        self._channel_sum += frame.channel_quality

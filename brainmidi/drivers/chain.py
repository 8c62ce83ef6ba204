"""From samples to controls: conditioning, features and knobs as one stream, and the log that the composer reads."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.controls.baseline import Baseline, fit_baseline
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import ControlMap
from brainmidi.errors import ControlError, SignalError
from brainmidi.features.erp import ErpSummary
from brainmidi.features.erpclassifier import ErpClassifier
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import Chunk, ControlFrame, EpochScore, FeatureFrame, Marker, Montage

#: Two sample times closer than this are one: clocks add and multiply floats on the way.
TOLERANCE_S = 1e-6


class ControlLog:
    """Every control frame so far, in order of sample time; written by the pump, read by the composer.

    Parameters
    ----------
    touch : callable, optional
        What else has a say in a frame when it is read, such as a performer's faders.
    """

    def __init__(self, touch: Callable[[ControlFrame], ControlFrame] | None = None) -> None:
        self._touch = touch
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
            frame = self._frames[count - 1] if count else ControlFrame.neutral(time_s)
        return frame if self._touch is None else self._touch(frame)

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

    A source that came back differently (other channels, another rate) gets a new conditioner and a new extractor; the
    controller stays, so that knobs and events go on from where they were. Until the new window is full, and as long as
    a source comes back in a way that cannot be used, there are frames without features: knobs hold, then ease.

    Parameters
    ----------
    montage : Montage
        Of the source, to begin with.
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
    classifier : ErpClassifier or None
        Calibrated on this person; a montage that it does not fit goes on without it.
    patient : bool
        Whether the rest goes on until half of it was usable: a device may be lost meanwhile. Until then there is no
        frame, and the knobs are neutral.
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
        classifier: ErpClassifier | None = None,
        patient: bool = False,
    ) -> None:
        if baseline is None and not rest_s > 0:
            raise ControlError("no baseline and 0 s of rest to learn one from; give --baseline SECONDS or a profile")
        self._condition, self._features = condition, features
        self._conditioner = Conditioner(montage, settings=condition)
        self._extractor = FeatureExtractor(montage, features, classifier)
        self._classifier = classifier
        self._montage = montage
        self._usable = True  # False where a montage that came later cannot be conditioned
        self._blank_s: float | None = None  # sample time of the next frame without features; None where there is none
        self._newest_s = 0.0
        self._map = control_map
        self._rest_s = rest_s
        self._last_rest_s = rest_s - 1.0 / features.update_hz
        self._rest: list[FeatureFrame] = []
        self._usable_rest = 0.5 * (rest_s - features.window_s) * features.update_hz if patient else 0.0  # frames
        self._controller: Controller | None = None
        self._shares: list[float] = []
        self._latest: FeatureFrame | None = None
        self._earlier_epochs: list[EpochScore] = []  # those of extractors that were replaced
        self._n_told = 0
        self._channel_sum = dict.fromkeys(montage.names, 0.0)
        self.baseline = baseline
        if baseline is not None:
            self._controller = Controller(control_map, baseline)

    def mark(self, markers: Iterable[Marker]) -> None:
        """Take in markers that did not come with the samples: of the near past, or of the future.

        As long as a marker's epoch is not complete, nothing depends on when it is handed in. Call it from the thread
        that calls :meth:`process`.
        """
        self._extractor.mark(markers)

    def process(self, chunk: Chunk) -> list[ControlFrame]:
        """Return the control frames that became due with `chunk`.

        Raises
        ------
        ControlError
            The rest was too short or too noisy to learn a baseline from.
        """
        frames = []
        for frame in self._take(chunk):
            self._measure(frame)
            if self._controller is None:
                self._rest.append(frame)
                if frame.time_s < self._last_rest_s + TOLERANCE_S:
                    continue
                if sum(rest.quality > 0 for rest in self._rest) < self._usable_rest:
                    continue
                self.baseline = fit_baseline(self._rest)
                self._controller = Controller(self._map, self.baseline)
                self._rest = []
            frames.append(self._controller.process(frame))
        return frames

    @property
    def epochs(self) -> Sequence[EpochScore]:
        """Every epoch so far and what became of it."""
        return [*self._earlier_epochs, *self._extractor.epochs]

    def new_epochs(self, time_s: float) -> Sequence[EpochScore]:
        """Return the epochs that were known at sample time `time_s` and have not been returned before."""
        ends_s = time_s - self._features.erp.epoch_s[1] - 1.0 / self._features.update_hz
        start = self._n_told
        epochs = self.epochs
        while self._n_told < len(epochs) and epochs[self._n_told].time_s <= ends_s:
            self._n_told += 1
        return epochs[start : self._n_told]

    @property
    def classifier(self) -> str:
        """What came of the calibrated classifier, in words; nothing where nobody asked for one."""
        if self._classifier is None:
            wanted = any(event.feature == "erp.target" for event in self._map.events)
            return "none, erp.target is absent: calibrate with markers and name the profile" if wanted else ""
        scored = sum(epoch.score is not None for epoch in self.epochs)
        rejected = sum(epoch.rejected for epoch in self.epochs)
        refusal = self._classifier.refusal
        return (
            f"AUC {self._classifier.auc:.2f} ({self._classifier.auc_low:.2f}..{self._classifier.auc_high:.2f}) on "
            f"{self._classifier.n_target + self._classifier.n_nontarget} epochs when calibrated; {scored} scored, "
            f"{rejected} rejected" + (f"; not used: {refusal}" if refusal else "")
        )

    @property
    def erp(self) -> ErpSummary | None:
        """Target minus non-target over the stream so far; None before there are enough markers."""
        return self._extractor.erp_summary

    @property
    def latency_s(self) -> float:
        """How late frames come at the most: 0 without artifact subspace reconstruction."""
        return self._conditioner.latency_s

    @property
    def undriven(self) -> dict[str, str]:
        """Mapped knobs that have stood at 0.5 throughout, each with the reason in words."""
        return {} if self._controller is None else self._controller.undriven

    @property
    def quality(self) -> SignalQuality:
        """How good the EEG has been so far."""
        count = len(self._shares)
        channels = tuple((name, total / max(count, 1)) for name, total in self._channel_sum.items())
        return SignalQuality(float(np.median(self._shares)) if count else 0.0, channels, count)

    def _take(self, chunk: Chunk) -> list[FeatureFrame]:
        """Return the feature frames of `chunk`; without features while a new way through the rooms warms up."""
        if len(chunk) == 0:
            return []
        if chunk.montage != self._montage:
            self._change(chunk.montage)
        frames = self._extractor.process(self._conditioner.process(chunk)) if self._usable else []
        self._newest_s = float(chunk.time_s[-1])
        if self._blank_s is None:
            return frames
        until_s = frames[0].time_s - TOLERANCE_S if frames else self._newest_s
        blank = []
        while self._blank_s <= until_s:
            blank.append(_without_features(self._blank_s, len(self._montage.names)))
            self._blank_s += 1.0 / self._features.update_hz
        if frames:
            self._blank_s = None
        return blank + frames

    def _change(self, montage: Montage) -> None:
        """Make a new way for `montage`; where that is not possible, wait for another."""
        self._montage = montage
        self._earlier_epochs += self._extractor.epochs
        self._extractor.epochs.clear()
        try:
            # What was calibrated on another montage is of no use here.
            own = self._condition.asr is None or self._condition.asr.montage == montage
            settings = self._condition if own else replace(self._condition, asr=None)
            self._conditioner = Conditioner(montage, settings=settings)
            fits = self._classifier is not None and self._classifier.misfit(montage) is None
            self._extractor = FeatureExtractor(montage, self._features, self._classifier if fits else None)
            self._usable = True
        except SignalError:
            self._usable = False
        for name in montage.names:
            self._channel_sum.setdefault(name, 0.0)
        if self._blank_s is None:
            self._blank_s = self._newest_s + 1.0 / self._features.update_hz

    def standing(self, names: Iterable[str]) -> dict[str, float]:
        """Return where features stand now, in robust z against rest, or as they are where they have no rest.

        A feature that cannot be computed at the moment is left out.
        """
        values = {} if self._latest is None else self._latest.values
        rest = {} if self.baseline is None else self.baseline.features
        found = {name: values[name] for name in names if name in values}
        return {name: rest[name].z(value) if name in rest else value for name, value in found.items()}

    def _measure(self, frame: FeatureFrame) -> None:
        self._latest = frame
        self._shares.append(frame.quality)
        for name, quality in zip(self._montage.names, frame.channel_quality.tolist(), strict=True):
            self._channel_sum[name] += quality


def _without_features(time_s: float, n_channels: int) -> FeatureFrame:
    return FeatureFrame(time_s, (), np.empty((0, n_channels)), np.zeros(n_channels), {}, 0.0)

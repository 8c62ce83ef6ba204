"""Turns conditioned samples into feature frames, 20 per second of sample time, the same for any chunking."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import SignalError
from brainmidi.features.bandpower import SpectrumWindow
from brainmidi.features.epochs import EpochStream
from brainmidi.features.erp import ErpAverager, ErpSummary
from brainmidi.features.erpclassifier import ErpClassifier, ErpScorer
from brainmidi.features.measures import Measures
from brainmidi.features.settings import ErpSettings, FeatureSettings, feature_names
from brainmidi.types import BoolArray, Chunk, EpochScore, ErpEstimate, FeatureFrame, FloatArray, Marker, Montage

__all__ = ["ErpSettings", "ErpSummary", "FeatureExtractor", "FeatureSettings", "feature_names"]


class FeatureExtractor:
    """Takes band power and the ERP from a stream of conditioned samples.

    Frame ``k`` belongs to the sample with index ``floor(k * rate / update_hz)``; the first one comes when the window is
    full.

    Parameters
    ----------
    montage : Montage
    settings : FeatureSettings, optional
    classifier : ErpClassifier, optional
        Calibrated on this person; without one there is no ``erp.target``.

    Raises
    ------
    SignalError
        If no band fits the sampling rate, or the classifier does not fit the montage.
    """

    def __init__(
        self, montage: Montage, settings: FeatureSettings | None = None, classifier: ErpClassifier | None = None
    ) -> None:
        self.montage = montage
        self.settings = FeatureSettings() if settings is None else settings
        rate_hz = montage.rate_hz
        self._power = SpectrumWindow(rate_hz, len(montage.names), self.settings)
        self._measures = Measures(montage.names, self._power.bands, self._power.frequency_hz)
        erp = self.settings.erp
        self._erp = ErpAverager(montage, erp)
        self._epochs = EpochStream(montage, erp, None if classifier is None else classifier.low_pass_hz)
        self._scorer = None if classifier is None else ErpScorer(classifier, montage, erp, self._epochs.before)
        self._window = round(self.settings.window_s * rate_hz)
        step = int(np.ceil(rate_hz / self.settings.update_hz))
        self._keep = self._window + step + 1
        self._second = max(1, round(self.settings.update_hz))  # updates after which the spectra look back
        self._samples: FloatArray = np.empty((0, len(montage.names)))
        self._good: BoolArray = np.empty((0, len(montage.names)), dtype=bool)
        self._end = 0  # absolute index of the sample that comes next
        self._frame = 0  # number of the frame that comes next
        #: Every epoch so far and what became of it.
        self.epochs: list[EpochScore] = []

    @property
    def erp_summary(self) -> ErpSummary | None:
        """Target minus non-target over every epoch so far; None before there are enough."""
        return self._erp.summary()

    def mark(self, markers: Iterable[Marker]) -> None:
        """Take in markers that did not come with the samples: of the near past, or of the future.

        As long as a marker's epoch is not complete, nothing depends on when it is handed in.

        Parameters
        ----------
        markers : iterable of Marker
            In sample time. Labels that `ErpSettings` does not name are passed over.
        """
        self._epochs.mark(markers)

    def process(self, chunk: Chunk) -> list[FeatureFrame]:
        """Return the frames that the next samples complete.

        Parameters
        ----------
        chunk : Chunk
            Conditioned samples. A marker belongs to the first sample at or after it.

        Returns
        -------
        list of FeatureFrame

        Raises
        ------
        SignalError
            If the chunk's montage is not the one this extractor was made for.
        """
        if chunk.montage != self.montage:
            raise SignalError(
                f"a chunk of {len(chunk.montage.names)} channels at {chunk.montage.rate_hz:g} Hz came, "
                f"{len(self.montage.names)} at {self.montage.rate_hz:g} Hz were announced; make a new extractor"
            )
        if len(chunk) == 0:
            return []
        assert chunk.good is not None  # Chunk fills it at birth; this tells the type checker so
        finite = np.isfinite(chunk.samples_uv)
        samples, good = np.where(finite, chunk.samples_uv, 0.0), chunk.good & finite
        self._samples = np.concatenate([self._samples, samples])
        self._good = np.concatenate([self._good, good])
        base, start = self._end + len(chunk) - len(self._samples), self._end
        self._end += len(chunk)
        self._epochs.push(samples, good, chunk.time_s)
        self._epochs.mark(chunk.markers)
        frames = []
        while len(updates := self._due()):
            frames += self._update(updates, base, chunk.time_s[updates - start])
            self._frame += len(updates)
        drop = max(0, len(self._samples) - self._keep)
        self._samples, self._good = self._samples[drop:], self._good[drop:]
        return frames

    def _due(self) -> NDArray[np.intp]:
        """Return the sample indices of the updates that are complete, a second of them at the most."""
        stop = (self._frame // self._second + 1) * self._second
        indices = (np.arange(self._frame, stop) * self.montage.rate_hz / self.settings.update_hz).astype(np.intp)
        return indices[indices < self._end]

    def _update(self, indices: NDArray[np.intp], base: int, times_s: FloatArray) -> list[FeatureFrame]:
        """Take in what is complete at samples `indices`; return their frames, none before the window is full."""
        erps = [self._take_epochs(*at) for at in zip(indices.tolist(), times_s.tolist(), strict=True)]
        whole = indices + 1 >= self._power.segment
        if not whole.any():
            return []
        density = self._power.add(self._samples, self._good, indices[whole] + 1 - base)
        if (self._frame + len(indices)) % self._second == 0:
            self._power.remember()
        full = indices + 1 >= self._window
        if not full.any():
            return []
        return self._frames(density[full[whole]], indices[full] - base, times_s[full], erps[-np.count_nonzero(full) :])

    def _frames(
        self,
        density: FloatArray,
        rows: NDArray[np.intp],
        times_s: FloatArray,
        erps: list[tuple[ErpEstimate | None, dict[str, float]]],
    ) -> list[FeatureFrame]:
        first = rows[0] + 1 - self._window
        seen = np.cumsum(self._good[first : rows[-1] + 1], axis=0, dtype=np.int64)
        seen = np.concatenate([np.zeros_like(seen[:1]), seen])
        quality = (seen[rows + 1 - first] - seen[rows + 1 - first - self._window]) / self._window
        power_db = self._power.band_power_db(density)
        passed = (quality >= self.settings.min_good) & np.isfinite(power_db).any(axis=1)
        power_db = np.where(passed[:, None, :], power_db, np.nan)
        values = self._measures.take(power_db, density, passed)
        known = np.isfinite(values)
        share = passed.mean(axis=1).tolist()
        frames = []
        for at, (estimate, erp_values) in enumerate(erps):
            if at == 0 or not np.array_equal(known[at], known[at - 1]):  # what is known seldom changes
                labels = list(compress(self._measures.labels, known[at].tolist()))
            found = dict(zip(labels, values[at, known[at]].tolist(), strict=True)) | erp_values
            frames.append(
                FeatureFrame(
                    time_s=float(times_s[at]),
                    bands=self._power.bands,
                    band_power_db=power_db[at],
                    channel_quality=quality[at],
                    values=found,
                    quality=share[at],
                    erp=estimate,
                )
            )
        return frames

    def _take_epochs(self, index: int, now_s: float) -> tuple[ErpEstimate | None, dict[str, float]]:
        """Take in the epochs that are complete at sample `index`; return the ERP as it is then, and its features."""
        for epoch in self._epochs.take(index):
            kept = self._erp.add(epoch.label, epoch.samples_uv, epoch.good)
            score = None if self._scorer is None else self._scorer.add(epoch)
            rejected = not kept if self._scorer is None else score is None
            self.epochs.append(EpochScore(epoch.time_s, epoch.label, score, rejected))
        estimate, values = self._erp.estimate, {}
        if estimate is not None:
            values = {"erp.amplitude": estimate.amplitude_uv, "erp.confidence": estimate.confidence}
        if self._scorer is not None and (belief := self._scorer.belief(now_s)) is not None:
            values["erp.target"] = belief
        return estimate, values

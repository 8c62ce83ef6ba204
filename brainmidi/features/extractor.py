"""Turns conditioned samples into feature frames, 20 per second of sample time, the same for any chunking."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import SignalError
from brainmidi.features.bandpower import SpectrumWindow
from brainmidi.features.erp import ErpAverager, ErpSummary
from brainmidi.features.measures import Measures
from brainmidi.features.settings import ErpSettings, FeatureSettings, feature_names
from brainmidi.types import BoolArray, Chunk, ErpEstimate, FeatureFrame, FloatArray, Montage

__all__ = ["ErpSettings", "ErpSummary", "FeatureExtractor", "FeatureSettings", "feature_names"]


class FeatureExtractor:
    """Takes band power and the ERP from a stream of conditioned samples.

    Frame ``k`` belongs to the sample with index ``floor(k * rate / update_hz)``; the first one comes when the window is
    full.

    Parameters
    ----------
    montage : Montage
    settings : FeatureSettings, optional

    Raises
    ------
    SignalError
        If no band fits the sampling rate.
    """

    def __init__(self, montage: Montage, settings: FeatureSettings | None = None) -> None:
        self.montage = montage
        self.settings = FeatureSettings() if settings is None else settings
        rate_hz = montage.rate_hz
        self._power = SpectrumWindow(rate_hz, len(montage.names), self.settings)
        self._measures = Measures(montage.names, self._power.bands, self._power.frequency_hz)
        self._erp = ErpAverager(montage, self.settings.erp)
        self._window = round(self.settings.window_s * rate_hz)
        step = int(np.ceil(rate_hz / self.settings.update_hz))
        self._keep = max(self._window, self._erp.before + self._erp.after + 1) + step + 1
        self._second = max(1, round(self.settings.update_hz))  # updates after which the spectra look back
        self._samples: FloatArray = np.empty((0, len(montage.names)))
        self._good: BoolArray = np.empty((0, len(montage.names)), dtype=bool)
        self._end = 0  # absolute index of the sample that comes next
        self._frame = 0  # number of the frame that comes next
        self._pending: list[tuple[int, str]] = []  # absolute index and label of markers whose epoch is not complete

    @property
    def erp_summary(self) -> ErpSummary | None:
        """Target minus non-target over every epoch so far; None before there are enough."""
        return self._erp.summary()

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
        self._samples = np.concatenate([self._samples, np.where(finite, chunk.samples_uv, 0.0)])
        self._good = np.concatenate([self._good, chunk.good & finite])
        base, start = self._end + len(chunk) - len(self._samples), self._end
        self._end += len(chunk)
        for marker in chunk.markers:
            if self._erp.wants(marker.label):
                time_s = marker.time_s - 1e-9
                row = min(int(np.searchsorted(chunk.time_s, time_s, side="left")), len(chunk) - 1)
                late = round(self.settings.erp.latency_s * self.montage.rate_hz)
                self._pending.append((start + row - late, marker.label))
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
        erps = []
        for index in indices.tolist():
            self._take_epochs(index, base)
            erps.append(self._erp.estimate)
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
        erps: list[ErpEstimate | None],
    ) -> list[FeatureFrame]:
        first = rows[0] + 1 - self._window
        seen = np.cumsum(self._good[first : rows[-1] + 1], axis=0, dtype=np.int64)
        seen = np.concatenate([np.zeros_like(seen[:1]), seen])
        quality = (seen[rows + 1 - first] - seen[rows + 1 - first - self._window]) / self._window
        power_db = self._power.band_power_db(density)
        passed = (quality >= self.settings.min_good) & np.isfinite(power_db).any(axis=1)
        power_db = np.where(passed[:, None, :], power_db, np.nan)
        values = self._measures.take(power_db, density, passed)
        whole: list[bool] = np.isfinite(values).all(axis=1).tolist()
        share = passed.mean(axis=1).tolist()
        labels, frames = self._measures.labels, []
        for at, (row, all_known) in enumerate(zip(values.tolist(), whole, strict=True)):
            named = zip(labels, row, strict=True)
            found = dict(named) if all_known else {name: value for name, value in named if isfinite(value)}
            if (estimate := erps[at]) is not None:
                found |= _erp_values(estimate)
            frames.append(
                FeatureFrame(
                    time_s=float(times_s[at]),
                    bands=self._power.bands,
                    band_power_db=power_db[at],
                    channel_quality=quality[at],
                    values=found,
                    quality=share[at],
                    erp=erps[at],
                )
            )
        return frames

    def _take_epochs(self, index: int, base: int) -> None:
        before, after = self._erp.before, self._erp.after
        waiting = []
        for at, label in self._pending:
            if at + after > index:
                waiting.append((at, label))
            elif at - before >= base:  # an epoch that began before the stream, or before a late mark, is incomplete
                rows = slice(at - before - base, at + after + 1 - base)
                self._erp.add(label, self._samples[rows], self._good[rows])
        self._pending = waiting


def _erp_values(estimate: ErpEstimate) -> dict[str, float]:
    return {"erp.target": estimate.amplitude_uv, "erp.target.confidence": estimate.confidence}

"""Turns conditioned samples into feature frames, 20 per second of sample time, the same for any chunking."""

from __future__ import annotations

import numpy as np

from brainmidi.errors import SignalError
from brainmidi.features.bandpower import AlphaPeak, BandPowerWindow
from brainmidi.features.erp import ErpAverager, ErpSummary
from brainmidi.features.regions import region_channels
from brainmidi.features.settings import ErpSettings, FeatureSettings, feature_names
from brainmidi.types import BoolArray, Chunk, FeatureFrame, FloatArray, Montage

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
        self._regions = region_channels(montage.names)
        self._power = BandPowerWindow(rate_hz, len(montage.names), self._regions["posterior"], self.settings)
        # The whole head first, under the band's bare name.
        self._suffixes = ("", *(f".{region}" for region in self._regions))
        groups = (range(len(montage.names)), *self._regions.values())
        self._masks: FloatArray = np.array([np.isin(np.arange(len(montage.names)), group) for group in groups], float)
        self._peak = AlphaPeak(self._power.frequency_hz)
        self._erp = ErpAverager(montage, self.settings.erp)
        self._window = round(self.settings.window_s * rate_hz)
        step = int(np.ceil(rate_hz / self.settings.update_hz))
        self._keep = max(self._window, self._erp.before + self._erp.after + 1) + step + 1
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
        while (index := self._frame_index()) < self._end:
            frame = self._update(index, base, float(chunk.time_s[index - start]))
            if frame is not None:
                frames.append(frame)
            self._frame += 1
        drop = max(0, len(self._samples) - self._keep)
        self._samples, self._good = self._samples[drop:], self._good[drop:]
        return frames

    def _frame_index(self) -> int:
        return int(self._frame * self.montage.rate_hz / self.settings.update_hz)

    def _update(self, index: int, base: int, time_s: float) -> FeatureFrame | None:
        """Take in what is complete at sample `index`; return its frame unless the window is not full yet."""
        self._take_epochs(index, base)
        stop = index + 1 - base
        if index + 1 >= self._power.segment:
            rows = slice(stop - self._power.segment, stop)
            self._power.add(self._samples[rows], self._good[rows])
        if index + 1 < self._window:
            return None
        power = self._power.estimate(self._good[stop - self._window : stop])
        passed = (power.quality >= self.settings.min_good) & np.isfinite(power.power_db[0])
        power_db = np.where(passed, power.power_db, np.nan)
        values = self._values(power_db, passed, power.posterior_db)
        return FeatureFrame(
            time_s=time_s,
            bands=self._power.bands,
            band_power_db=power_db,
            channel_quality=power.quality,
            values={name: value for name, value in values.items() if np.isfinite(value)},
            quality=float(passed.mean()),
            erp=self._erp.estimate,
        )

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

    def _values(self, power_db: FloatArray, passed: BoolArray, posterior_db: FloatArray) -> dict[str, float]:
        values: dict[str, float] = {}
        if not passed.any():
            return self._erp_values()
        # One row of `masks` per region, one column per channel: a mean over the good channels of each.
        count = self._masks @ passed
        mean_db = (self._masks @ np.where(passed, power_db, 0.0).T) / np.maximum(count, 1.0)[:, None]
        for suffix, seen, row in zip(self._suffixes, count.tolist(), mean_db.tolist(), strict=True):
            if seen:
                values.update((band + suffix, value) for band, value in zip(self._power.bands, row, strict=True))
        if np.isfinite(posterior_db[0]):
            values["alpha.peak"] = self._peak.height_db(posterior_db)
        if "beta" in values and "alpha.posterior" in values:
            values["engagement"] = values["beta"] - values["alpha.posterior"]
        return values | self._erp_values()

    def _erp_values(self) -> dict[str, float]:
        estimate = self._erp.estimate
        if estimate is None:
            return {}
        return {"erp.target": estimate.amplitude_uv, "erp.target.confidence": estimate.confidence}

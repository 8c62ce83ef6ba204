"""Event-related potentials: markers, epochs, baseline correction, rejection, averages and how sure they are."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from scipy import special

from brainmidi.features.regions import region_of
from brainmidi.features.settings import ErpSettings
from brainmidi.types import BoolArray, ErpEstimate, FloatArray, Montage

_NONTARGETS_PER_TARGET = 4
# The response window is looked at in slices of one alpha cycle, which thereby averages out; a response that changes its
# sign within the window (a Muse's does, behind a causal high-pass) would cancel itself in one long mean.
_SLICE_S, _SLICE_STEP_S = 0.1, 0.05


@dataclass(frozen=True, slots=True)
class ErpSummary:
    """Target minus non-target over every epoch of the stream so far.

    Parameters
    ----------
    channel : str
        Channel with the clearest difference in the response window.
    amplitude_uv : float
        Mean difference in the clearest slice (0.1 s) of the response window there, in microvolts (signed).
    peak_uv, peak_s : float
        Largest difference in the response window there, and when after the marker it comes.
    confidence : float
        One minus the p-value of this one look, corrected for the number of channels and slices looked at.
    n_target, n_nontarget : int
        Epochs kept at that channel.
    n_rejected : int
        Epochs of either class left out at that channel.
    time_s : ndarray, shape (n_times,)
        Time after the marker.
    difference_uv : ndarray, shape (n_times, n_channels)
        Target-minus-non-target average; NaN where a channel has no epoch.
    channels : tuple of str
        Names of its columns.
    """

    channel: str
    amplitude_uv: float
    peak_uv: float
    peak_s: float
    confidence: float
    n_target: int
    n_nontarget: int
    n_rejected: int
    time_s: FloatArray
    difference_uv: FloatArray
    channels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Moments:
    """Number of epochs per channel; mean and sum of squared deviations, both of shape (n_slices, n_channels)."""

    count: FloatArray
    mean: FloatArray
    squares: FloatArray


class _Class:
    """The epochs of one class: the last few responses, and sums over all of them."""

    def __init__(self, keep: int, n_times: int, n_slices: int, n_channels: int) -> None:
        self.recent: deque[tuple[FloatArray, BoolArray]] = deque(maxlen=keep)
        self.seen = 0
        self.count: FloatArray = np.zeros(n_channels)
        self.wave_sum: FloatArray = np.zeros((n_times, n_channels))
        self.sum: FloatArray = np.zeros((n_slices, n_channels))
        self.square_sum: FloatArray = np.zeros((n_slices, n_channels))

    def add(self, wave: FloatArray, response: FloatArray, kept: BoolArray) -> None:
        self.seen += 1
        if kept.any():
            self.recent.append((response, kept))
        self.count += kept
        self.wave_sum += np.where(kept, wave, 0.0)
        self.sum += np.where(kept, response, 0.0)
        self.square_sum += np.where(kept, response**2, 0.0)

    def all_moments(self) -> _Moments:
        """Return the moments of the response over the whole stream."""
        mean = self.sum / np.maximum(self.count, 1)
        return _Moments(self.count, mean, np.maximum(self.square_sum - self.count * mean**2, 0.0))

    def recent_moments(self) -> _Moments:
        """Return the same over the last epochs."""
        if not self.recent:
            return _Moments(np.zeros_like(self.count), np.zeros_like(self.sum), np.zeros_like(self.sum))
        response = np.stack([one for one, _ in self.recent])  # (n_epochs, n_slices, n_channels)
        kept = np.stack([one for _, one in self.recent])[:, None, :]
        count = kept.sum(axis=(0, 1)).astype(np.float64)
        mean = np.where(kept, response, 0.0).sum(axis=0) / np.maximum(count, 1)
        return _Moments(count, mean, np.where(kept, (response - mean) ** 2, 0.0).sum(axis=0))


class ErpAverager:
    """Averages epochs by class and says how sure the difference is.

    Parameters
    ----------
    montage : Montage
    settings : ErpSettings
        Channels named there that the montage lacks are left out.

    References
    ----------
    Student's two-sample t-test with pooled variance (without a response both classes are the same EEG and share it, and
    a handful of targets would starve Welch's degrees of freedom); Bonferroni's correction over channels and slices. Not
    corrected for looking again: an estimate comes with every epoch, so whoever waits long enough sees any confidence
    below 1 by chance.
    """

    def __init__(self, montage: Montage, settings: ErpSettings) -> None:
        rate_hz = montage.rate_hz
        self._settings = settings
        self.before = round(-settings.epoch_s[0] * rate_hz)
        self.after = round(settings.epoch_s[1] * rate_hz)
        self._columns = _columns(montage.names, settings.channels)
        self._names = tuple(montage.names[column] for column in self._columns)
        self.time_s: FloatArray = np.arange(-self.before, self.after + 1) / rate_hz
        first_s, last_s = settings.response_s
        self._window = np.flatnonzero((self.time_s >= first_s - 1e-9) & (self.time_s <= last_s + 1e-9))
        length_s = min(_SLICE_S, last_s - first_s)
        starts_s = np.arange(first_s, last_s - length_s + 1e-9, _SLICE_STEP_S)
        self._slices = [
            slice(self.before + round(start_s * rate_hz), self.before + round((start_s + length_s) * rate_hz) + 1)
            for start_s in starts_s
        ]
        sizes = (len(self.time_s), len(self._slices), len(self._columns))
        self._target = _Class(settings.average_n, *sizes)
        self._nontarget = _Class(settings.average_n * _NONTARGETS_PER_TARGET, *sizes)
        self._estimate: ErpEstimate | None = None

    def add(self, label: str, samples: FloatArray, good: BoolArray) -> bool:
        """Take in one epoch; return whether any channel of it was kept.

        Parameters
        ----------
        label : str
            Its marker's label.
        samples, good : ndarray, shape (before + 1 + after, n_channels)
        """
        samples, good = samples[:, self._columns], good[:, self._columns]
        wave = samples - samples[: self.before].mean(axis=0)
        kept = good.all(axis=0) & (np.ptp(samples, axis=0) <= self._settings.reject_uv)
        response = np.stack([wave[rows].mean(axis=0) for rows in self._slices])
        group = self._target if label in self._settings.target else self._nontarget
        group.add(wave, response, kept)
        self._estimate = self._update()
        return bool(kept.any())

    @property
    def estimate(self) -> ErpEstimate | None:
        """The newest estimate from the last epochs; None before there are enough."""
        return self._estimate

    def _update(self) -> ErpEstimate | None:
        target, nontarget = self._target.recent_moments(), self._nontarget.recent_moments()
        found = self._compare(target, nontarget)
        if found is None:
            return None
        column, amplitude_uv, confidence = found
        return ErpEstimate(
            amplitude_uv=amplitude_uv,
            confidence=confidence,
            channel=self._names[column],
            n_target=int(target.count[column]),
            n_nontarget=int(nontarget.count[column]),
        )

    def _compare(self, target: _Moments, nontarget: _Moments) -> tuple[int, float, float] | None:
        """Return the clearest column, the difference there and the corrected confidence; None with too few epochs."""
        enough = (target.count >= self._settings.min_n) & (nontarget.count >= self._settings.min_n)
        if not enough.any():
            return None
        difference = target.mean - nontarget.mean  # (n_slices, n_channels)
        freedom = np.maximum(target.count + nontarget.count - 2, 1)
        variance = np.maximum((target.squares + nontarget.squares) / freedom, 1e-12)
        error = np.sqrt(variance * (1 / np.maximum(target.count, 1) + 1 / np.maximum(nontarget.count, 1)))
        t = difference / error
        if self._settings.polarity == "either":
            p = 2.0 * special.stdtr(freedom, -np.abs(t))
        else:
            p = special.stdtr(freedom, -t if self._settings.polarity == "positive" else t)
        p = np.where(enough, p, 2.0)
        row, column = divmod(int(np.argmin(p)), p.shape[1])
        comparisons = int(enough.sum()) * len(self._slices)
        return column, float(difference[row, column]), float(1.0 - min(1.0, p[row, column] * comparisons))

    def summary(self) -> ErpSummary | None:
        """Return the average over all epochs so far; None before there are enough."""
        target, nontarget = self._target.all_moments(), self._nontarget.all_moments()
        found = self._compare(target, nontarget)
        if found is None:
            return None
        column, amplitude_uv, confidence = found
        n_target, n_nontarget = target.count, nontarget.count
        waves = self._target.wave_sum / np.maximum(n_target, 1) - self._nontarget.wave_sum / np.maximum(n_nontarget, 1)
        waves = np.where(np.minimum(n_target, n_nontarget) > 0, waves, np.nan)
        row = self._window[int(np.argmax(np.abs(waves[self._window, column])))]
        kept = int(n_target[column]) + int(n_nontarget[column])
        return ErpSummary(
            channel=self._names[column],
            amplitude_uv=amplitude_uv,
            peak_uv=float(waves[row, column]),
            peak_s=float(self.time_s[row]),
            confidence=confidence,
            n_target=int(n_target[column]),
            n_nontarget=int(n_nontarget[column]),
            n_rejected=self._target.seen + self._nontarget.seen - kept,
            time_s=self.time_s,
            difference_uv=waves,
            channels=self._names,
        )


def _columns(names: tuple[str, ...], wanted: tuple[str, ...]) -> list[int]:
    """Return the columns to look at: the wanted ones, else where a P300 is usually seen, else all."""
    chosen = [column for column, name in enumerate(names) if name in wanted]
    if not chosen:
        usual = {"parietal", "occipital", "central", "temporal"}
        chosen = [column for column, name in enumerate(names) if region_of(name) in usual]
    return chosen if wanted or len(chosen) >= 4 else list(range(len(names)))

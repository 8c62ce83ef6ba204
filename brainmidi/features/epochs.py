"""Cuts epochs out of a stream around markers, whenever those become known, the same for any chunking."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import signal

from brainmidi.features.settings import ErpSettings
from brainmidi.types import BoolArray, Chunk, FloatArray, Marker, Montage

_NEAR_S = 1e-9
_SHIFT_S = 0.01  # a response that lies so far from where it is looked for is as good as in place
_MARGIN_S = 2.0  # a marker may become known so long after its epoch's end and still be used


@dataclass(frozen=True, slots=True)
class Epoch:
    """A stretch of the stream around a marker.

    Parameters
    ----------
    label : str
        The marker's.
    time_s : float
        Sample time of the stimulus: the marker's less the latency.
    samples_uv : ndarray, shape (before + 1 + after, n_channels)
        As conditioned.
    slow_uv : ndarray, same shape
        The same behind the classifier's low-pass; as `samples_uv` where there is none.
    good : ndarray of bool, same shape
        False all over where samples are lost without a trace but in the times: what follows is not where it is
        looked for.
    """

    label: str
    time_s: float
    samples_uv: FloatArray
    slow_uv: FloatArray
    good: BoolArray


class EpochStream:
    """Keeps the newest samples and the markers whose epoch is not complete.

    Parameters
    ----------
    montage : Montage
    settings : ErpSettings
        Which markers are wanted, the epoch and the latency.
    low_pass_hz : float, optional
        Corner of a second-order Butterworth low-pass, for `Epoch.slow_uv`; causal, its state kept.
    """

    def __init__(self, montage: Montage, settings: ErpSettings, low_pass_hz: float | None = None) -> None:
        rate_hz, n_channels = montage.rate_hz, len(montage.names)
        self._wanted = settings.target | settings.nontarget
        self.before = round(-settings.epoch_s[0] * rate_hz)
        self.after = round(settings.epoch_s[1] * rate_hz)
        self._late = round(settings.latency_s * rate_hz)
        self._late_s = settings.latency_s
        self._step_s = 1.0 / rate_hz
        self._sections: FloatArray | None = None
        if low_pass_hz is not None:
            self._sections = signal.butter(2, low_pass_hz, "lowpass", fs=rate_hz, output="sos")
        self._state: FloatArray | None = None
        self._keep = self.before + self.after + 1 + max(0, self._late) + round(_MARGIN_S * rate_hz)
        self._samples: FloatArray = np.empty((0, n_channels))
        self._slow: FloatArray = np.empty((0, n_channels))
        self._good: BoolArray = np.empty((0, n_channels), dtype=bool)
        self._time_s: FloatArray = np.empty(0)
        self._end = 0  # absolute index of the sample that comes next
        self._unplaced: list[Marker] = []  # later than the newest sample
        self._placed: list[tuple[int, str, float]] = []  # absolute index of the stimulus, label, its time

    def mark(self, markers: Iterable[Marker]) -> None:
        """Take in markers, of the past or of the future.

        When a marker is handed in changes nothing as long as its epoch is not complete; for 2 s after, its epoch is
        still cut, at the next update. Labels that are neither target nor non-target are passed over.

        Parameters
        ----------
        markers : iterable of Marker
            A marker belongs to the first sample at or after it.
        """
        self._unplaced += [marker for marker in markers if marker.label in self._wanted]
        self._place()

    def push(self, samples: FloatArray, good: BoolArray, time_s: FloatArray) -> None:
        """Take in the next samples.

        Parameters
        ----------
        samples, good : ndarray, shape (n_samples, n_channels)
            Finite samples and their quality.
        time_s : ndarray, shape (n_samples,)
        """
        if len(samples) == 0:
            return
        drop = max(0, len(self._samples) - self._keep)
        self._samples = np.concatenate([self._samples[drop:], samples])
        self._good = np.concatenate([self._good[drop:], good])
        self._time_s = np.concatenate([self._time_s[drop:], time_s])
        if self._sections is not None:
            self._slow = np.concatenate([self._slow[drop:], self._low_pass(self._sections, samples)])
        self._end += len(samples)
        self._place()

    def take(self, index: int) -> list[Epoch]:
        """Return the epochs that are complete with the sample of absolute index `index`, in order of their time.

        An epoch that began before the stream, or before the samples that are kept, is left out.
        """
        if not self._placed:
            return []
        due = sorted(one for one in self._placed if one[0] + self.after <= index)
        if not due:
            return []
        self._placed = [one for one in self._placed if one[0] + self.after > index]
        base = self._end - len(self._samples)
        slow = self._samples if self._sections is None else self._slow
        epochs = []
        for at, label, time_s in due:
            if at - self.before >= base:
                rows = slice(at - self.before - base, at + self.after + 1 - base)
                # Copies: a view would keep the whole buffer.
                good = self._good[rows] & self._in_place(self._time_s[rows], time_s)
                epochs.append(Epoch(label, time_s, self._samples[rows].copy(), slow[rows].copy(), good))
        return epochs

    def _in_place(self, times_s: FloatArray, stimulus_s: float) -> bool:
        """Return whether an epoch's samples lie about as long before and after its stimulus as their number says."""
        steps = np.diff(times_s)
        lost_s = float((steps - self._step_s)[steps > 1.5 * self._step_s].sum())
        off_s = abs(float(times_s[self.before]) - stimulus_s)
        return lost_s <= _SHIFT_S + _NEAR_S and off_s <= 1.5 * self._step_s + _SHIFT_S

    def _place(self) -> None:
        """Find the sample of every marker that is not later than the newest."""
        if not self._unplaced or not len(self._time_s):
            return
        newest_s, base = self._time_s[-1], self._end - len(self._time_s)
        waiting = []
        for marker in self._unplaced:
            if marker.time_s - _NEAR_S > newest_s:
                waiting.append(marker)
                continue
            row = int(np.searchsorted(self._time_s, marker.time_s - _NEAR_S, side="left"))
            if row or base == 0 or marker.time_s >= self._time_s[0] - _NEAR_S:
                self._placed.append((base + row - self._late, marker.label, marker.time_s - self._late_s))
        self._unplaced = waiting

    def _low_pass(self, sections: FloatArray, samples: FloatArray) -> FloatArray:
        if self._state is None:
            self._state = signal.sosfilt_zi(sections)[:, :, None] * samples[0]
        filtered: FloatArray
        filtered, self._state = signal.sosfilt(sections, samples, axis=0, zi=self._state)
        return filtered


def epochs_of(chunks: Iterable[Chunk], settings: ErpSettings, low_pass_hz: float | None = None) -> list[Epoch]:
    """Return every complete epoch of a conditioned stream, in order of its time.

    Parameters
    ----------
    chunks : iterable of Chunk
        As a conditioner gives them, markers included.
    settings : ErpSettings
    low_pass_hz : float, optional
        See :class:`EpochStream`.
    """
    stream: EpochStream | None = None
    found: list[Epoch] = []
    n_samples = 0
    for chunk in chunks:
        if stream is None:
            stream = EpochStream(chunk.montage, settings, low_pass_hz)
        assert chunk.good is not None  # Chunk fills it at birth; this tells the type checker so
        finite = np.isfinite(chunk.samples_uv)
        stream.push(np.where(finite, chunk.samples_uv, 0.0), chunk.good & finite, chunk.time_s)
        stream.mark(chunk.markers)
        n_samples += len(chunk)
        found += stream.take(n_samples - 1)
    return found

"""Epochs laid out for fitting the ERP classifier, behind each of the low-passes that it may choose from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brainmidi.errors import SignalError
from brainmidi.features.epochs import Epoch, epochs_of
from brainmidi.features.erpclassifier import clean
from brainmidi.features.settings import ErpSettings
from brainmidi.types import BoolArray, Chunk, FloatArray, Montage

#: Corners of the causal low-pass, lowest first: 10 Hz (A. Rakotomamonjy & V. Guigue, "BCI competition III: dataset II",
#: IEEE Trans. Biomedical Engineering 55(3), 2008) to 20 Hz (B. Rivet et al., see `ErpClassifier`), and between.
LOW_PASSES_HZ = (10.0, 14.0, 20.0)
#: Length of what the classifier looks at, from the stimulus on; a P300 ends within it.
LENGTH_S = 0.8
#: Epochs of either class that are needed.
LEAST = 10
#: From so many channels on an average reference costs nothing; the conditioner's own rule.
MANY = 16
_DECIMATED_HZ = 60.0  # three times the highest corner
_APART_S = 60.0  # between recordings, as far as folds are concerned


@dataclass(frozen=True, slots=True)
class Cut:
    """The epochs behind one low-pass.

    Parameters
    ----------
    trial_uv : ndarray, shape (n_epochs, n_channels, n_times)
        From the stimulus on, every `Trials.step` samples.
    loud_uv : ndarray, shape (n_epochs, n_channels)
        Standard deviation; of many channels as seen from their median, as a noisy channel would pull a mean.
    """

    trial_uv: FloatArray
    loud_uv: FloatArray


@dataclass(frozen=True, slots=True)
class Trials:
    """Epochs laid out for fitting.

    Parameters
    ----------
    cuts : mapping of float to Cut
        By low-pass, in Hz.
    target : ndarray of bool, shape (n_epochs,)
    time_s : ndarray, shape (n_epochs,)
        When the stimuli came, in order; the gaps between recordings included.
    clean : ndarray of bool, shape (n_epochs, n_channels)
    montage : Montage
    reject_uv : float
        An epoch that spans more in a channel is not clean there.
    latency_s : float
        By which their markers were moved.
    """

    cuts: Mapping[float, Cut]
    target: BoolArray
    time_s: FloatArray
    clean: BoolArray
    montage: Montage
    reject_uv: float
    latency_s: float

    @property
    def step(self) -> int:
        """Every how many samples are looked at."""
        return _step(self.montage)

    def relabelled(self, target: BoolArray) -> Trials:
        """Return the same epochs with other labels, for a control."""
        return replace(self, target=target)


def trials_of(runs: Sequence[Chunk], montage: Montage, settings: ErpSettings) -> Trials:
    """Cut the epochs of one or several recordings as they are cut live, and lay them out.

    Parameters
    ----------
    runs : sequence of Chunk
        Conditioned recordings with their markers, in order, each a stream of its own.
    montage : Montage
    settings : ErpSettings

    Raises
    ------
    SignalError
        If the epochs are too short, or there are too few of either class.
    """
    if settings.epoch_s[1] < LENGTH_S:
        raise SignalError(f"[erp] epoch_s ends at {settings.epoch_s[1]:g} s, the classifier needs {LENGTH_S:g} s")
    found = {low_pass_hz: [epochs_of([run], settings, low_pass_hz) for run in runs] for low_pass_hz in LOW_PASSES_HZ}
    first = found[LOW_PASSES_HZ[0]]
    target = np.array([epoch.label in settings.target for run in first for epoch in run], dtype=bool)
    if min(np.count_nonzero(target), np.count_nonzero(~target)) < LEAST:
        raise SignalError(
            f"{np.count_nonzero(target)} targets and {np.count_nonzero(~target)} non-targets were found, {LEAST} of "
            "either are needed; record longer, or correct the labels in [erp]"
        )
    times, start_s = [], 0.0
    for run in first:
        times += [start_s + epoch.time_s for epoch in run]
        start_s = times[-1] + _APART_S if times else 0.0
    before, n_samples = round(-settings.epoch_s[0] * montage.rate_hz), round(LENGTH_S * montage.rate_hz)
    kept = np.stack([clean(epoch, before, n_samples, settings.reject_uv) for run in first for epoch in run])
    rows = slice(before, before + n_samples)
    cuts = {
        low_pass_hz: _cut([epoch for run in cut for epoch in run], rows, _step(montage))
        for low_pass_hz, cut in found.items()
    }
    return Trials(cuts, target, np.array(times), kept, montage, settings.reject_uv, settings.latency_s)


def _cut(epochs: Sequence[Epoch], rows: slice, step: int) -> Cut:
    slow = np.stack([epoch.slow_uv[rows] for epoch in epochs])  # (n_epochs, n_samples, n_channels)
    trial = np.ascontiguousarray(slow[:, ::step].transpose(0, 2, 1))
    seen = slow - np.median(slow, axis=2, keepdims=True) if slow.shape[2] >= MANY else slow
    return Cut(trial, seen.std(axis=1))


def _step(montage: Montage) -> int:
    return max(1, int(montage.rate_hz // _DECIMATED_HZ))

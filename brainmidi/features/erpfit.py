"""Fits the ERP classifier to labelled epochs and measures it by blocked cross-validation; loads scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyriemann.estimation import XdawnCovariances
from pyriemann.tangentspace import TangentSpace
from scipy import stats
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.pipeline import make_pipeline

from brainmidi.errors import SignalError
from brainmidi.features.epochs import Epoch
from brainmidi.features.erpclassifier import ErpClassifier, clean, oas, trial_of
from brainmidi.features.settings import ErpSettings
from brainmidi.types import BoolArray, FloatArray, Montage

#: The classifier's low-pass: a P300 lies below it, and an epoch of 0.8 s holds it (D. J. Krusienski et al., "Toward
#: enhanced P300 speller performance", J. Neuroscience Methods 167(1), 2008). Corners from 10 to 20 Hz and 3 to 5
#: filters move the AUCs of ``brainmidi evaluate eeg`` by 0.02 or less; trained on 60 trials, by 0.06.
LOW_PASS_HZ = 10.0
_LENGTH_S = 0.8
_FILTERS = 4  # of either class, as in Barachant & Congedo 2014
_DECIMATED_HZ = 60.0  # five times the low-pass
_MANY = 16  # from here on an average reference costs nothing; the conditioner's own rule
_OUTLIER_Z = 2.5  # of the log loudness, by medians (after H. Nolan et al., "FASTER", J. Neurosci. Methods 192(1), 2010)
_LOUDER = 1.5  # and so many times as loud as the median channel: where all are alike, little stands out
_MOSTLY = 0.95  # a channel that is clean in fewer epochs than this share is left out, rather than the epochs
_LEAST = 10  # epochs of either class


@dataclass(frozen=True, slots=True)
class Trials:
    """Epochs laid out for fitting.

    Parameters
    ----------
    epochs : tuple of Epoch
        In order of their time.
    target : ndarray of bool, shape (n_epochs,)
    time_s : ndarray, shape (n_epochs,)
        When the stimuli came; the gaps between recordings included.
    clean : ndarray of bool, shape (n_epochs, n_channels)
    montage : Montage
    settings : ErpSettings
    """

    epochs: tuple[Epoch, ...]
    target: BoolArray
    time_s: FloatArray
    clean: BoolArray
    montage: Montage
    settings: ErpSettings

    @property
    def before(self) -> int:
        """Samples of an epoch before the stimulus."""
        return round(-self.settings.epoch_s[0] * self.montage.rate_hz)

    @property
    def n_samples(self) -> int:
        """Samples of an epoch that are looked at, from the stimulus on."""
        return round(_LENGTH_S * self.montage.rate_hz)

    @property
    def step(self) -> int:
        """Every how many of them."""
        return max(1, int(self.montage.rate_hz // _DECIMATED_HZ))

    def relabelled(self, target: BoolArray) -> Trials:
        """Return the same epochs with other labels, for a control."""
        return Trials(self.epochs, target, self.time_s, self.clean, self.montage, self.settings)


def trials_of(runs: Sequence[Sequence[Epoch]], montage: Montage, settings: ErpSettings) -> Trials:
    """Lay out the epochs of one or several recordings.

    Parameters
    ----------
    runs : sequence of sequence of Epoch
        Of each recording, in order, cut with `LOW_PASS_HZ`; see :func:`brainmidi.features.epochs.epochs_of`.
    montage : Montage
    settings : ErpSettings

    Raises
    ------
    SignalError
        If the epochs are too short, or there are too few of either class.
    """
    if settings.epoch_s[1] < _LENGTH_S:
        raise SignalError(f"[erp] epoch_s ends at {settings.epoch_s[1]:g} s, the classifier needs {_LENGTH_S:g} s")
    epochs = tuple(epoch for run in runs for epoch in run)
    target = np.array([epoch.label in settings.target for epoch in epochs], dtype=bool)
    if min(np.count_nonzero(target), np.count_nonzero(~target)) < _LEAST:
        raise SignalError(
            f"{np.count_nonzero(target)} targets and {np.count_nonzero(~target)} non-targets were found, {_LEAST} of "
            "either are needed; record longer, or correct the labels in [erp]"
        )
    times, start_s = [], 0.0
    for run in runs:
        times += [start_s + epoch.time_s for epoch in run]
        start_s = times[-1] + 60.0 if times else 0.0
    before, n_samples = round(-settings.epoch_s[0] * montage.rate_hz), round(_LENGTH_S * montage.rate_hz)
    kept = np.stack([clean(epoch, before, n_samples, settings.reject_uv) for epoch in epochs])
    return Trials(epochs, target, np.array(times), kept, montage, settings)


@dataclass(frozen=True, slots=True)
class Estimator:
    """What was fitted: scikit-learn's estimator, the channels it looks at, and how a trial is laid out for it."""

    pipeline: Any
    columns: tuple[int, ...]
    rereferenced: bool

    def usable(self, trials: Trials) -> BoolArray:
        """Return which epochs are clean in the channels looked at."""
        return np.asarray(trials.clean[:, list(self.columns)].all(axis=1), dtype=np.bool_)

    def scores(self, trials: Trials, chosen: NDArray[np.intp]) -> FloatArray:
        """Return the scores of the epochs with these numbers."""
        return np.asarray(self.pipeline.decision_function(_stacked(trials, chosen, self)), dtype=np.float64)


def fit_estimator(trials: Trials, chosen: NDArray[np.intp]) -> Estimator:
    """Fit to the epochs with these numbers; what is noisy is judged by them alone.

    Channels are left out first, then the epochs in which one of the others fails.

    Parameters
    ----------
    trials : Trials
    chosen : ndarray of int
        Numbers of the training epochs.

    Raises
    ------
    SignalError
        If too few epochs are clean.
    """
    columns = _quiet(trials, chosen)
    rereferenced = len(trials.montage.names) >= _MANY and len(columns) > 2
    pipeline = make_pipeline(
        XdawnCovariances(nfilter=_FILTERS, estimator=oas),  # scikit-learn's own takes ten times as long
        # Barycentre in closed form: the iterative mean scores no better and takes ten times as long.
        TangentSpace(metric={"mean": "logeuclid", "map": "riemann"}),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    )
    estimator = Estimator(pipeline, columns, rereferenced)
    used = chosen[estimator.usable(trials)[chosen]]
    target = trials.target[used]
    if min(np.count_nonzero(target), np.count_nonzero(~target)) < _LEAST // 2:
        raise SignalError(
            f"{np.count_nonzero(target)} targets and {np.count_nonzero(~target)} non-targets are clean, {_LEAST // 2} "
            "of either are needed; better contact and sitting still help"
        )
    pipeline.fit(_stacked(trials, used, estimator), target.astype(int))
    return estimator


def cross_validate(trials: Trials, folds: int = 5) -> tuple[FloatArray, NDArray[np.intp]]:
    """Return the score of every epoch by a classifier that has not seen its stretch of time, and its fold.

    Folds are stretches of consecutive epochs; training epochs that overlap the tested stretch are left out.

    Parameters
    ----------
    trials : Trials
    folds : int

    Returns
    -------
    scores : ndarray, shape (n_epochs,)
        NaN where an epoch was rejected.
    fold : ndarray of int, shape (n_epochs,)
    """
    n_epochs = len(trials.epochs)
    scores, fold = np.full(n_epochs, np.nan), np.zeros(n_epochs, dtype=np.intp)
    for number, tested in enumerate(np.array_split(np.arange(n_epochs), folds)):
        first_s, last_s = trials.time_s[tested[[0, -1]]]
        apart = (trials.time_s < first_s - _LENGTH_S) | (trials.time_s > last_s + _LENGTH_S)
        estimator = fit_estimator(trials, np.flatnonzero(apart))
        used = tested[estimator.usable(trials)[tested]]
        fold[tested] = number
        if len(used):
            scores[used] = estimator.scores(trials, used)
    return scores, fold


def fit_classifier(trials: Trials) -> ErpClassifier:
    """Fit the classifier to all epochs, with what blocked cross-validation says of it.

    Parameters
    ----------
    trials : Trials

    Returns
    -------
    ErpClassifier
        Also where its AUC is too low to be used: `ErpClassifier.refusal` says so.

    Raises
    ------
    SignalError
        If too few epochs are clean.
    """
    scores, _ = cross_validate(trials)
    scored = np.isfinite(scores)
    high, low = scores[scored & trials.target], scores[scored & ~trials.target]
    auc, auc_low, auc_high = _auc(low, high)
    estimator = fit_estimator(trials, np.arange(len(trials.epochs)))
    usable = estimator.usable(trials)
    squares = ((high - high.mean()) ** 2).sum() + ((low - low.mean()) ** 2).sum()
    covariances, tangent, discriminant = (step for _, step in estimator.pipeline.steps)
    return ErpClassifier(
        channels=tuple(trials.montage.names[column] for column in estimator.columns),
        rate_hz=trials.montage.rate_hz,
        low_pass_hz=LOW_PASS_HZ,
        length_s=_LENGTH_S,
        step=trials.step,
        rereferenced=estimator.rereferenced,
        reject_uv=trials.settings.reject_uv,
        filters=covariances.Xd_.filters_,
        prototypes=covariances.P_,
        whitening=_inverse_root(tangent.reference_),
        weights=_square(discriminant.coef_[0], len(tangent.reference_)),
        bias=float(discriminant.intercept_[0]),
        auc=auc,
        auc_low=auc_low,
        auc_high=auc_high,
        target_mean=float(high.mean()),
        nontarget_mean=float(low.mean()),
        spread=math.sqrt(float(squares) / (len(high) + len(low) - 2)),
        n_target=int(np.count_nonzero(usable & trials.target)),
        n_nontarget=int(np.count_nonzero(usable & ~trials.target)),
        n_rejected=int(np.count_nonzero(~usable)),
    )


def _quiet(trials: Trials, chosen: NDArray[np.intp]) -> tuple[int, ...]:
    """Return the channels that are neither often condemned nor far noisier than the others."""
    rows = slice(trials.before, trials.before + trials.n_samples)
    slow = np.stack([trials.epochs[number].slow_uv[rows] for number in chosen])
    # Seen from the median of all, as a noisy channel would pull a mean, and itself with it.
    slow = slow - np.median(slow, axis=2, keepdims=True) if slow.shape[2] >= _MANY else slow
    loud = np.log(np.median(slow.std(axis=1), axis=0) + 1e-9)
    spread = 1.4826 * np.median(np.abs(loud - np.median(loud)))
    most = max(_OUTLIER_Z * float(spread), math.log(_LOUDER))
    kept = (loud - np.median(loud) <= most) & (trials.clean[chosen].mean(axis=0) >= _MOSTLY)
    if not kept.any():
        raise SignalError("every channel is noisy around the markers; better contact helps")
    return tuple(np.flatnonzero(kept).tolist())


def _stacked(trials: Trials, chosen: NDArray[np.intp], estimator: Estimator) -> FloatArray:
    """Return the trials with these numbers, shape (n_trials, n_inputs, n_times)."""
    laid = (trials.before, estimator.columns, trials.n_samples, trials.step, estimator.rereferenced)
    return np.stack([trial_of(trials.epochs[number], *laid) for number in chosen])


def _inverse_root(matrix: FloatArray) -> FloatArray:
    values, vectors = np.linalg.eigh(matrix)
    root: FloatArray = (vectors / np.sqrt(values)) @ vectors.T
    return root


def _square(coefficients: FloatArray, size: int) -> FloatArray:
    """Return the matrix whose entrywise product with a logarithm sums to the coefficients times its tangent vector."""
    weights = np.zeros((size, size))
    rows, columns = np.triu_indices(size)
    weights[rows, columns] = coefficients * np.where(rows == columns, 1.0, math.sqrt(2.0))
    return weights


def _auc(low: FloatArray, high: FloatArray) -> tuple[float, float, float]:
    """Return the area under the ROC curve and its 95 % interval (Hanley & McNeil, Radiology 143, 1982)."""
    m, n = len(low), len(high)
    auc = float(stats.mannwhitneyu(high, low).statistic) / (m * n)
    one, two = auc / (2 - auc), 2 * auc**2 / (1 + auc)
    error = math.sqrt((auc * (1 - auc) + (n - 1) * (one - auc**2) + (m - 1) * (two - auc**2)) / (m * n))
    return auc, max(0.0, auc - 1.96 * error), min(1.0, auc + 1.96 * error)

"""Fits xDAWN covariances, tangent space and a linear discriminant to labelled epochs; loads scikit-learn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyriemann.estimation import XdawnCovariances
from pyriemann.tangentspace import TangentSpace
from scipy import linalg
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from brainmidi.errors import SignalError
from brainmidi.features.erpclassifier import oas
from brainmidi.features.erptrials import LEAST, MANY, Trials
from brainmidi.types import BoolArray, FloatArray

_LOUDER = 1.5  # times as loud as the median channel at least: where all are alike, little stands out
_MOSTLY = 0.95  # a channel that is clean in fewer epochs than this share is left out, rather than the epochs


@dataclass(frozen=True, slots=True)
class ErpChoice:
    """What is chosen for a head: see :data:`brainmidi.features.erpchoice.GRID`.

    Parameters
    ----------
    n_filters : int
        xDAWN filters of either class.
    low_pass_hz : float
    outlier_z : float
        A channel whose log loudness lies so many robust deviations above the median is left out.
    """

    n_filters: int
    low_pass_hz: float
    outlier_z: float


class _Covariances(XdawnCovariances):  # type: ignore[misc]
    """pyriemann's, all epochs at once: one after another they take more time than all the rest of a fit."""

    def transform(self, X: FloatArray) -> FloatArray:
        """Return the covariances of the epochs, filtered and with the average responses beside them."""
        filtered = self.Xd_.transform(X)
        beside = np.broadcast_to(self.P_, (len(filtered), *self.P_.shape))
        return oas(np.concatenate([beside, filtered], axis=1))


class Discriminant(BaseEstimator):  # type: ignore[misc]
    """Linear discriminant of two classes with shrunk covariances: scikit-learn's, ten times as fast.

    References
    ----------
    O. Ledoit & M. Wolf, "A well-conditioned estimator for large-dimensional covariance matrices", J. Multivariate
    Analysis 88(2), 2004: of each class, its columns brought to a variance of one.
    """

    def fit(self, rows: FloatArray, target: NDArray[np.integer]) -> Discriminant:
        """Fit to rows, shape (n_rows, n_columns), and their classes 0 and 1."""
        priors = np.bincount(target) / len(target)
        means = np.stack([rows[target == one].mean(axis=0) for one in (0, 1)])
        covariance = sum(priors[one] * _shrunk(rows[target == one] - means[one]) for one in (0, 1))
        self.coef_ = linalg.solve(covariance, means[1] - means[0], assume_a="pos")[None]
        self.intercept_ = np.log(priors[1:] / priors[:1]) - 0.5 * self.coef_ @ means.sum(axis=0)
        return self

    def decision_function(self, rows: FloatArray) -> FloatArray:
        """Return how far each row lies on the side of class 1, in log odds."""
        scores: FloatArray = rows @ self.coef_[0] + self.intercept_[0]
        return scores


@dataclass(frozen=True, slots=True)
class Estimator:
    """What was fitted: scikit-learn's estimator, the channels it looks at, and how a trial is laid out for it."""

    pipeline: Any
    choice: ErpChoice
    columns: tuple[int, ...]
    rereferenced: bool

    def usable(self, trials: Trials) -> BoolArray:
        """Return which epochs are clean in the channels looked at."""
        return np.asarray(trials.clean[:, list(self.columns)].all(axis=1), dtype=np.bool_)

    def stacked(self, trials: Trials, chosen: NDArray[np.intp]) -> FloatArray:
        """Return the epochs with these numbers as the pipeline takes them, shape (n_epochs, n_inputs, n_times)."""
        trial: FloatArray = trials.cuts[self.choice.low_pass_hz].trial_uv[np.ix_(chosen, np.array(self.columns))]
        return (trial - trial.mean(axis=1, keepdims=True))[:, :-1] if self.rereferenced else trial

    def scores(self, trials: Trials, chosen: NDArray[np.intp]) -> FloatArray:
        """Return the scores of the epochs with these numbers."""
        return np.asarray(self.pipeline.decision_function(self.stacked(trials, chosen)), dtype=np.float64)


def fit_estimator(trials: Trials, chosen: NDArray[np.intp], choice: ErpChoice) -> Estimator:
    """Fit to the epochs with these numbers; what is noisy is judged by them alone.

    Channels are left out first, then the epochs in which one of the others fails.

    Parameters
    ----------
    trials : Trials
    chosen : ndarray of int
        Numbers of the training epochs.
    choice : ErpChoice

    Raises
    ------
    SignalError
        If too few epochs are clean.
    """
    columns = quiet(trials, chosen, choice)
    pipeline = make_pipeline(
        _Covariances(nfilter=choice.n_filters, estimator=oas),  # scikit-learn's own takes ten times as long
        # The arithmetic mean: the plane has to touch near the epochs, and the geometric means cost as much as all else.
        TangentSpace(metric={"mean": "euclid", "map": "riemann"}),
        Discriminant(),
    )
    rereferenced = len(trials.montage.names) >= MANY and len(columns) > 2
    estimator = Estimator(pipeline, choice, columns, rereferenced)
    used = chosen[estimator.usable(trials)[chosen]]
    target = trials.target[used]
    if min(np.count_nonzero(target), np.count_nonzero(~target)) < LEAST // 2:
        raise SignalError(
            f"{np.count_nonzero(target)} targets and {np.count_nonzero(~target)} non-targets are clean, {LEAST // 2} "
            "of either are needed; better contact and sitting still help"
        )
    pipeline.fit(estimator.stacked(trials, used), target.astype(int))
    return estimator


def quiet(trials: Trials, chosen: NDArray[np.intp], choice: ErpChoice) -> tuple[int, ...]:
    """Return the channels that are neither often condemned nor far noisier than the others in these epochs.

    Raises
    ------
    SignalError
        If there is none.

    References
    ----------
    H. Nolan et al., "FASTER", J. Neuroscience Methods 192(1), 2010, with medians instead of means.
    """
    loud = np.log(np.median(trials.cuts[choice.low_pass_hz].loud_uv[chosen], axis=0) + 1e-9)
    spread = 1.4826 * np.median(np.abs(loud - np.median(loud)))
    most = max(choice.outlier_z * float(spread), math.log(_LOUDER))
    kept = (loud - np.median(loud) <= most) & (trials.clean[chosen].mean(axis=0) >= _MOSTLY)
    if not kept.any():
        raise SignalError("every channel is noisy around the markers; better contact helps")
    return tuple(np.flatnonzero(kept).tolist())


def _shrunk(rows: FloatArray) -> FloatArray:
    """Return the covariance of centred rows, their correlations shrunk towards none."""
    n_rows, n_columns = rows.shape
    scale = rows.std(axis=0)
    scale[scale == 0.0] = 1.0
    scaled = rows / scale
    covariance = scaled.T @ scaled / n_rows
    mu, power = np.trace(covariance) / n_columns, np.sum(covariance**2)
    spread = power - n_columns * mu**2
    noise = (np.sum(np.sum(scaled**2, axis=1) ** 2) / n_rows - power) / n_rows
    shrinkage = min(noise, spread) / spread if spread > 0 else 0.0
    shrunk = (1.0 - shrinkage) * covariance + shrinkage * mu * np.eye(n_columns)
    restored: FloatArray = scale[:, None] * shrunk * scale
    return restored

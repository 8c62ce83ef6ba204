"""Fits the ERP classifier to labelled epochs, with what blocked cross-validation says of it; loads scikit-learn."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from brainmidi.features.erpchoice import choose, cross_validate
from brainmidi.features.erpclassifier import ErpClassifier
from brainmidi.features.erpestimator import fit_estimator
from brainmidi.features.erptrials import LENGTH_S, Trials
from brainmidi.types import FloatArray


def fit_classifier(trials: Trials) -> ErpClassifier:
    """Fit the classifier to all epochs, its settings chosen by blocked cross-validation, and say how good that is.

    The AUC is that of the whole procedure: each fold is scored by a classifier whose settings were chosen without it.

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
    scores = cross_validate(trials).scores
    scored = np.isfinite(scores)
    high, low = scores[scored & trials.target], scores[scored & ~trials.target]
    auc, auc_low, auc_high = _auc(low, high)
    everything = np.arange(len(trials.target))
    choice = choose(trials, everything)
    estimator = fit_estimator(trials, everything, choice)
    usable = estimator.usable(trials)
    squares = ((high - high.mean()) ** 2).sum() + ((low - low.mean()) ** 2).sum()
    covariances, tangent, discriminant = (step for _, step in estimator.pipeline.steps)
    return ErpClassifier(
        channels=tuple(trials.montage.names[column] for column in estimator.columns),
        rate_hz=trials.montage.rate_hz,
        low_pass_hz=choice.low_pass_hz,
        length_s=LENGTH_S,
        step=trials.step,
        rereferenced=estimator.rereferenced,
        reject_uv=trials.reject_uv,
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
        latency_s=trials.latency_s,
    )


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

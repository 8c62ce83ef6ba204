"""Chooses the ERP classifier's settings by blocked cross-validation inside the training epochs, and measures it so."""

from __future__ import annotations

from itertools import combinations, product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from brainmidi.errors import SignalError
from brainmidi.features.erpestimator import ErpChoice, Estimator, fit_estimator, quiet
from brainmidi.features.erptrials import LENGTH_S, LOW_PASSES_HZ, Trials
from brainmidi.types import BoolArray, FloatArray

#: What may be chosen, simplest first: few filters (2 in pyriemann's examples, 4 in Barachant & Congedo 2014), a low
#: corner, and the usual threshold for outliers (3 in FASTER; 2.5 and 2 in C. Leys et al., J. Experimental Social
#: Psychology 49(4), 2013). Fixed before any of it was measured on the recordings of ``brainmidi evaluate eeg``.
GRID = tuple(ErpChoice(*one) for one in product((2, 4), LOW_PASSES_HZ, (3.0, 2.5, 2.0)))
#: Stretches of time in every cross-validation.
FOLDS = 5


class Validated(NamedTuple):
    """Of every epoch: its score by a classifier that has not seen its stretch of time (NaN where rejected), its fold.

    `choices` are the settings that were chosen, one for each fold, by the other folds alone.
    """

    scores: FloatArray
    fold: NDArray[np.intp]
    choices: tuple[ErpChoice, ...]


def cross_validate(trials: Trials, folds: int = FOLDS) -> Validated:
    """Return the score of every epoch by a classifier fitted, and its settings chosen, without its stretch of time.

    Folds are stretches of consecutive epochs; training epochs that overlap a tested stretch are left out. Inside the
    training folds each in turn is tested by what the others taught. That classifier has seen neither of two folds, so
    it serves both: to choose without the first it scores the second, and the other way round.

    Parameters
    ----------
    trials : Trials
    folds : int
        Three or more.

    Raises
    ------
    SignalError
        If too few epochs are clean.
    """
    everything = np.arange(len(trials.target))
    stretches = np.array_split(everything, folds)
    # Scores that count for choosing without a fold; its own stay NaN.
    inner = np.full((folds, len(GRID), len(everything)), np.nan)
    for one, other in combinations(range(folds), 2):
        training = _apart(trials, everything, stretches[one], stretches[other])
        found = _grid_scores(trials, training, np.concatenate([stretches[one], stretches[other]]))
        inner[one][:, stretches[other]] = found[:, len(stretches[one]) :]
        inner[other][:, stretches[one]] = found[:, : len(stretches[one])]
    scores, fold, choices = np.full(len(everything), np.nan), np.zeros(len(everything), dtype=np.intp), []
    for number, tested in enumerate(stretches):
        choices.append(GRID[simplest_of_the_best(inner[number], trials.target)])
        estimator = fit_estimator(trials, _apart(trials, everything, tested), choices[-1])
        fold[tested] = number
        scores[tested] = _scores(estimator, trials, tested)
    return Validated(scores, fold, tuple(choices))


def choose(trials: Trials, chosen: NDArray[np.intp], folds: int = FOLDS) -> ErpChoice:
    """Return the settings that blocked cross-validation inside these epochs chooses.

    Parameters
    ----------
    trials : Trials
    chosen : ndarray of int
        Numbers of the epochs, in order; no other is looked at.
    folds : int
    """
    found = np.full((len(GRID), len(trials.target)), np.nan)
    for tested in np.array_split(chosen, folds):
        found[:, tested] = _grid_scores(trials, _apart(trials, chosen, tested), tested)
    return GRID[simplest_of_the_best(found, trials.target)]


def simplest_of_the_best(scores: FloatArray, target: BoolArray) -> int:
    """Return the first row whose AUC lies within one standard error of the best row's.

    The error is that of the difference, as the rows score the same epochs. Without both classes it is the first row.

    Parameters
    ----------
    scores : ndarray, shape (n_rows, n_epochs)
        Simplest first; NaN where an epoch was not scored. Epochs that some row scores and another does not are passed
        over, and so are rows without any score.
    target : ndarray of bool, shape (n_epochs,)

    References
    ----------
    L. Breiman et al., "Classification and regression trees", 1984, section 3.4.3.
    """
    rows = np.flatnonzero(np.isfinite(scores).any(axis=1))
    used = np.isfinite(scores[rows]).all(axis=0)
    if len(rows) == 0 or min(np.count_nonzero(used & target), np.count_nonzero(used & ~target)) < 2:
        return 0
    auc, error = auc_and_error(scores[np.ix_(rows, used)], target[used])
    return int(rows[np.flatnonzero(auc.max() - auc <= error)[0]])


def auc_and_error(scores: FloatArray, target: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Return the AUC of each row, and the standard error of its distance from the best row's.

    Parameters
    ----------
    scores : ndarray, shape (n_rows, n_epochs)
        Of the same epochs.
    target : ndarray of bool, shape (n_epochs,)
        Two or more of either class.

    References
    ----------
    E. R. DeLong et al., "Comparing the areas under two or more correlated ROC curves", Biometrics 44(3), 1988.
    """
    high, low = scores[:, target], scores[:, ~target]
    m, n = high.shape[1], low.shape[1]
    ranks = stats.rankdata(np.concatenate([high, low], axis=1), axis=1)
    # Share of the other class that each epoch stands on the right side of.
    of_high = (ranks[:, :m] - stats.rankdata(high, axis=1)) / n
    of_low = 1.0 - (ranks[:, m:] - stats.rankdata(low, axis=1)) / m
    auc = of_high.mean(axis=1)
    best = int(np.argmax(auc))
    variance = (of_high[best] - of_high).var(axis=1, ddof=1) / m + (of_low[best] - of_low).var(axis=1, ddof=1) / n
    return auc, np.sqrt(variance)


def _apart(trials: Trials, chosen: NDArray[np.intp], *stretches: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return those of the chosen epochs that overlap none of these stretches of time."""
    kept = np.ones(len(chosen), dtype=bool)
    for stretch in stretches:
        first_s, last_s = trials.time_s[stretch[[0, -1]]]
        kept &= (trials.time_s[chosen] < first_s - LENGTH_S) | (trials.time_s[chosen] > last_s + LENGTH_S)
    return chosen[kept]


def _grid_scores(trials: Trials, training: NDArray[np.intp], tested: NDArray[np.intp]) -> FloatArray:
    """Return what each choice makes of the tested epochs, shape (n_choices, n_tested); NaN where it cannot be fitted.

    Thresholds that leave the same channels are fitted once.
    """
    found = np.full((len(GRID), len(tested)), np.nan)
    seen: dict[tuple[int, float, tuple[int, ...]], FloatArray] = {}
    for row, choice in zip(found, GRID, strict=True):
        try:
            key = (choice.n_filters, choice.low_pass_hz, quiet(trials, training, choice))
            if key not in seen:
                seen[key] = _scores(fit_estimator(trials, training, choice), trials, tested)
        except SignalError:
            continue
        row[:] = seen[key]
    return found


def _scores(estimator: Estimator, trials: Trials, tested: NDArray[np.intp]) -> FloatArray:
    scores = np.full(len(tested), np.nan)
    usable = estimator.usable(trials)[tested]
    if usable.any():
        scores[usable] = estimator.scores(trials, tested[usable])
    return scores

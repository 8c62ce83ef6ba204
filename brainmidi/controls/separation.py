"""How well a feature tells two phases apart: AUC, with an interval that knows that neighbours are alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from brainmidi.controls.labelled import Labelled, blocks, folds, turns
from brainmidi.types import BoolArray, FloatArray

#: With less than this a knob does not follow the person.
FLOOR_AUC = 0.7

BLOCK_S = 4.0  # two windows
_RESAMPLES = 1000
_TURNS = 4  # of either phase: with three, the truth is one of twenty arrangements and its mirror image another
_MOST = 5000
_Z95 = 1.96


@dataclass(frozen=True, slots=True)
class Separation:
    """How well one feature tells two phases apart.

    Parameters
    ----------
    contrast : (str, str)
        The neutral phase and the other one.
    feature : str
    auc : float
        0.5..1: chance that a window of one phase lies beyond one of the other, on the side that `rises` says.
    low, high : float
        95 % interval by block bootstrap.
    rises : bool
        Whether the feature is higher in the second phase.
    """

    contrast: tuple[str, str]
    feature: str
    auc: float
    low: float
    high: float
    rises: bool


def wins(below: FloatArray, above: FloatArray) -> FloatArray:
    """Return, shape (len(below), len(above)), 1 where the latter is larger, 0.5 where they are equal, else 0."""
    return np.asarray(0.5 * (np.sign(above[None, :] - below[:, None]) + 1.0))


def concordance(predicted: FloatArray, target: FloatArray) -> float:
    """Return the chance that of two frames with unequal targets the higher one is predicted higher, 0..1.

    With two phases this is the area under the ROC curve; with three it takes their order into account.

    References
    ----------
    F. E. Harrell et al., "Evaluating the yield of medical tests", JAMA 247(18), 1982.
    """
    unequal = target[:, None] < target[None, :]
    return float(wins(predicted, predicted)[unequal].mean()) if unequal.any() else 0.5


def separate(table: Labelled, contrast: tuple[str, str], *, seed: int = 0) -> tuple[Separation, ...]:
    """Return how well each feature tells the two phases of `contrast` apart, the best one first.

    Blocks of :data:`BLOCK_S` are drawn anew with replacement in either phase, 1000 times. As a bootstrap knows nothing
    of errors that it has not seen, and calls an AUC of 1 certain, the interval takes in Newcombe's as well, which
    counts two windows in each block: those that do not overlap.

    References
    ----------
    H. R. Kuensch, "The jackknife and the bootstrap for general stationary observations", Annals of Statistics 17, 1989.
    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic, part 2",
    Statistics in Medicine 25, 2006 (method 5).
    """
    numbers = blocks(table, BLOCK_S)
    rows = [np.flatnonzero(table.phases == phase) for phase in contrast]
    groups = [np.searchsorted(np.unique(numbers[chosen]), numbers[chosen]) for chosen in rows]
    sizes = [np.bincount(group) for group in groups]
    generator = np.random.Generator(np.random.Philox(key=[seed, 31]))
    drawn = [generator.multinomial(len(size), np.full(len(size), 1 / len(size)), _RESAMPLES) for size in sizes]
    pairs = np.einsum("rb,b,rc,c->r", drawn[0], sizes[0], drawn[1], sizes[1], optimize=True)
    found = []
    for feature in table.features:
        column = table.column(feature)
        won = wins(column[rows[0]], column[rows[1]])
        won = np.add.reduceat(np.add.reduceat(won, _starts(groups[0]), axis=0), _starts(groups[1]), axis=1)
        auc = float(won.sum() / (sizes[0].sum() * sizes[1].sum()))
        resampled = np.einsum("rb,bc,rc->r", drawn[0], won, drawn[1], optimize=True) / pairs
        seldom = newcombe(auc, 2 * len(sizes[0]), 2 * len(sizes[1]))
        low, high = min(np.quantile(resampled, 0.025), seldom[0]), max(np.quantile(resampled, 0.975), seldom[1])
        if auc < 0.5:
            auc, low, high, rises = 1 - auc, 1 - high, 1 - low, False
        else:
            rises = True
        found.append(Separation(contrast, feature, auc, float(low), float(high), rises))
    return tuple(sorted(found, key=lambda one: -one.auc))


def chance(table: Labelled, contrast: tuple[str, str], *, seed: int = 0) -> float:
    """Return how often labels drawn by lot let some feature separate as well as the best one does: a p-value.

    Whole turns are drawn where either phase has four or more of them: then whatever drifts from turn to turn does not
    make p too small. Where phases came less often, blocks of 4 to 8 s are drawn, four or more of either phase; that
    takes what lies further apart than a block for independent, which a slow drift is not. The largest AUC of all
    features is what is compared, so that having chosen among them is paid for. All arrangements are looked at where
    there are 5000 at most, else 1000 by lot, the true one among them.

    References
    ----------
    T. E. Nichols and A. P. Holmes, "Nonparametric permutation tests for functional neuroimaging", Human Brain Mapping
    15, 2002 (the largest statistic). B. Phipson and G. K. Smyth, "Permutation p-values should never be zero",
    Statistical Applications in Genetics and Molecular Biology 9, 2010.
    """
    pair = table.rows(np.isin(table.phases, contrast))
    number = turns(pair)
    if not by_turns(pair, contrast):
        step_s = float(np.median(np.diff(pair.time_s)))
        shortest_s = step_s * min(np.count_nonzero(pair.phases == phase) for phase in contrast)
        number = blocks(pair, min(max(shortest_s / 4, BLOCK_S), 2 * BLOCK_S))
    label = pair.phases[np.unique(number, return_index=True)[1]] == contrast[1]
    size = np.bincount(number)
    member = (number == np.arange(len(size))[:, None]).astype(np.float64)
    won = np.stack([member @ wins(column, column) @ member.T for column in pair.values.T])
    drawn = _arrangements(label, seed).astype(np.float64)
    of = ((1 - drawn) @ size) * (drawn @ size)
    ordered = np.einsum("pa,fab,pb->pf", 1 - drawn, won, drawn, optimize=True)
    best = np.abs(ordered / of[:, None] - 0.5).max(axis=1)
    return float(np.mean(best >= best[0] - 1e-12))


def by_turns(table: Labelled, contrast: tuple[str, str]) -> bool:
    """Return whether both phases of `contrast` came often enough for whole turns to be drawn."""
    pair = table.rows(np.isin(table.phases, contrast))
    labels = pair.phases[np.unique(turns(pair), return_index=True)[1]]
    return all(np.count_nonzero(labels == phase) >= _TURNS for phase in contrast)


def _arrangements(label: BoolArray, seed: int) -> BoolArray:
    """Return ways to give out the labels, shape (n, n_labels), the true one first: all, or some by lot."""
    total, chosen = len(label), int(label.sum())
    if math.comb(total, chosen) <= _MOST:
        rows = np.zeros((math.comb(total, chosen), total), dtype=bool)
        for row, places in enumerate(combinations(range(total), chosen)):
            rows[row, list(places)] = True
        true = (rows == label).all(axis=1)
        return np.concatenate([rows[true], rows[~true]])
    generator = np.random.Generator(np.random.Philox(key=[seed, 33]))
    return np.stack([label, *(generator.permutation(label) for _ in range(_RESAMPLES - 1))])


def newcombe(auc: float, n_below: int, n_above: int) -> tuple[float, float]:
    """Return the 95 % score interval of an AUC from so many independent observations of either kind."""
    typical = (n_below + n_above) / 2 - 1

    def apart(truth: float) -> float:
        """Return how far `auc` lies from `truth`, in standard errors that `truth` would have."""
        spread = 1 + typical * ((1 - truth) / (2 - truth) + truth / (1 + truth))
        return float((auc - truth) / np.sqrt(max(truth * (1 - truth) * spread / (n_below * n_above), 1e-12)))

    ends = []
    for sign, outer in ((1, 0.0), (-1, 1.0)):
        near, far = auc, outer
        for _ in range(40):  # halving: apart() falls as truth rises
            middle = (near + far) / 2
            near, far = (middle, far) if sign * apart(middle) < _Z95 else (near, middle)
        ends.append(near)
    return ends[0], ends[1]


def _starts(group: NDArray[np.intp]) -> NDArray[np.intp]:
    return np.flatnonzero(np.diff(group, prepend=-1))


def best_feature(table: Labelled, contrast: tuple[str, str]) -> tuple[str, bool]:
    """Return the feature that tells the phases apart best, and whether it is higher in the second."""
    first, second = (table.values[table.phases == phase] for phase in contrast)
    aucs = np.array([wins(first[:, column], second[:, column]).mean() for column in range(len(table.features))])
    best = int(np.argmax(np.abs(aucs - 0.5)))
    return table.features[best], bool(aucs[best] >= 0.5)


def held_out(table: Labelled, contrast: tuple[str, str], gap_s: float) -> float:
    """Return the AUC of the best feature on windows that had no say in choosing it: mean over blocked folds.

    The best of fifty features looks good on what it was chosen on, even in noise; this figure does not.
    """
    pair = table.rows(np.isin(table.phases, contrast))
    scores = []
    for train, test in folds(pair, gap_s):
        chosen = np.zeros(len(pair.time_s), dtype=bool)
        chosen[train] = True
        feature, rises = best_feature(pair.rows(chosen), contrast)
        column, phases = pair.column(feature)[test], pair.phases[test]
        auc = float(wins(column[phases == contrast[0]], column[phases == contrast[1]]).mean())
        scores.append(auc if rises else 1 - auc)
    return float(np.mean(scores)) if scores else 0.5

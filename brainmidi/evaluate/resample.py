"""How sure a figure is: areas under the ROC curve with intervals, bootstraps, and p-values of permutations."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import ArrayLike
from scipy import optimize, stats

from brainmidi.evaluate.eegfigure import Control
from brainmidi.types import FloatArray

_Z = 1.959963984540054  # the normal deviate that 2.5 % exceed
_NEAR = 1e-9


def auc(negative: ArrayLike, positive: ArrayLike) -> float:
    """Return the probability that a `positive` value exceeds a `negative` one, ties counting half.

    Parameters
    ----------
    negative, positive : array_like, shapes (m,) and (n,)
        Neither may be empty.

    References
    ----------
    J. A. Hanley & B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
    curve", Radiology 143, 1982.
    """
    low, high = np.asarray(negative, dtype=np.float64), np.asarray(positive, dtype=np.float64)
    m, n = len(low), len(high)
    ranks = stats.rankdata(np.concatenate([low, high]))
    return float((ranks[m:].sum() - n * (n + 1) / 2) / (m * n))


def auc_interval(value: float, m: float, n: float) -> tuple[float, float]:
    """Return the 95 % interval of an AUC from so many independent values of either class.

    At an AUC of 0 or 1 it still has a width; a bootstrap, to which nothing else ever happened, has none.

    Parameters
    ----------
    value : float
        The AUC, 0..1.
    m, n : float
        Independent values of either class, at least 1; effective numbers need not be whole.

    Returns
    -------
    (float, float)

    References
    ----------
    R. G. Newcombe, "Confidence intervals for an effect size measure based on the Mann-Whitney statistic. Part 2",
    Statistics in Medicine 25, 2006: method 5, a score interval with Hanley and McNeil's variance.
    """
    return _lower(value, m, n), 1.0 - _lower(1.0 - value, m, n)


def _lower(value: float, m: float, n: float) -> float:
    """Return the AUC below `value` that lies just so many of its own standard errors from it."""
    if value <= _NEAR:
        return 0.0

    def beyond(theta: float) -> float:
        spread = 1 + ((m + n) / 2 - 1) * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return value - theta - _Z * math.sqrt(theta * (1 - theta) * spread / (m * n))

    return float(optimize.brentq(beyond, 0.0, value - _NEAR))


def effective_size(values: FloatArray) -> float:
    """Return how many independent values a series is worth: n (1 - r) / (1 + r), r its first autocorrelation.

    Parameters
    ----------
    values : ndarray, shape (n,)
        In order of time; what falls together by chance (r below 0) adds nothing.

    References
    ----------
    G. V. Bayley & J. M. Hammersley, "The 'effective' number of independent observations in an autocorrelated time
    series", Suppl. J. Royal Statistical Society 8, 1946, for a process of first order.
    """
    centred = values - values.mean()
    energy = float((centred**2).sum())
    r = float((centred[1:] * centred[:-1]).sum()) / energy if energy > 0 else 0.0
    r = min(max(r, 0.0), 0.99)
    return max(1.0, len(values) * (1 - r) / (1 + r))


def bootstrap(
    blocks: Sequence[FloatArray],
    statistic: Callable[[FloatArray], float],
    rng: np.random.Generator,
    rounds: int = 2000,
) -> tuple[float, float]:
    """Return the 95 % interval of a statistic by drawing whole blocks anew, the percentile method.

    Parameters
    ----------
    blocks : sequence of ndarray
        Stretches of values that may depend on each other within, and not on those of another.
    statistic : callable
        Of the values of all blocks drawn.
    rng : numpy.random.Generator
    rounds : int
        Draws.

    References
    ----------
    B. Efron, "Bootstrap methods: another look at the jackknife", Annals of Statistics 7, 1979; E. Carlstein, "The use
    of subseries values for estimating the variance of a general statistic", Annals of Statistics 14, 1986, for blocks.
    """
    drawn = rng.integers(0, len(blocks), (rounds, len(blocks)))
    found = np.sort([statistic(np.concatenate([blocks[at] for at in row])) for row in drawn])
    # Ordered values, not means between them: a statistic may be infinite where an event was not found.
    return float(found[int(0.025 * rounds)]), float(found[math.ceil(0.975 * rounds) - 1])


def permutation_p(real: float, shams: ArrayLike) -> float:
    """Return the share of draws, the real one among them, that are at least as large as the real one.

    Parameters
    ----------
    real : float
    shams : array_like, shape (n,)
        The same statistic where the null hypothesis holds.

    Returns
    -------
    float
        (k + 1) / (n + 1), never less than 1 / (n + 1); ties count against the real one.

    References
    ----------
    B. Phipson & G. K. Smyth, "Permutation p-values should never be zero", Statistical Applications in Genetics and
    Molecular Biology 9, 2010.
    """
    values = np.asarray(shams, dtype=np.float64)
    return float((np.count_nonzero(values >= real) + 1) / (len(values) + 1))


def control(values: ArrayLike, real: float | None = None) -> Control:
    """Return the median and range of a figure over control runs, with a p-value where `real` is given.

    Parameters
    ----------
    values : array_like, shape (n,)
        The figure of each run; the larger the more is found.
    real : float, optional
        The figure of the real recording.
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    low, high = ordered[int(0.025 * n)], ordered[math.ceil(0.975 * n) - 1]
    p = None if real is None else permutation_p(real, ordered)
    return Control(float(ordered[n // 2]), float(low), float(high), n, p)

"""Drawing one event from logits. A sampler knows numbers, not models: it is tested without any."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FORBIDDEN = -1e9


def probabilities(
    logits: NDArray[np.floating], temperature: float, bias: NDArray[np.floating] | None = None, top_p: float = 1.0
) -> NDArray[np.float64]:
    """Return the distribution that :func:`draw` draws from.

    Parameters
    ----------
    logits : ndarray, shape (n_classes,)
        Any float type; computed on in float64.
    temperature : float
        Above 0; divides the logits, not the bias.
    bias : ndarray, shape (n_classes,), optional
        Added to the log-odds; ``-inf`` forbids. At least one class must stay allowed.
    top_p : float
        Smallest share of probability that the likeliest classes kept must hold (Holtzman et al. 2019, section 3.1).
    """
    scores = np.asarray(logits, dtype=np.float64) / temperature
    if bias is not None:
        scores = scores + bias
    odds = np.exp(scores - scores.max())
    shares = odds / odds.sum()
    if top_p < 1.0:
        order = np.argsort(-shares, kind="stable")
        before = np.cumsum(shares[order]) - shares[order]
        shares[order[before >= top_p]] = 0.0
        shares /= shares.sum()
    return np.asarray(shares, dtype=np.float64)


def draw(
    logits: NDArray[np.floating],
    temperature: float,
    rng: np.random.Generator,
    bias: NDArray[np.floating] | None = None,
    top_p: float = 1.0,
) -> int:
    """Draw one class; exactly one number is taken from `rng`. Parameters as for :func:`probabilities`."""
    below = np.cumsum(probabilities(logits, temperature, bias, top_p))
    last_possible = int(np.searchsorted(below, below[-1], side="left"))
    drawn = int(np.searchsorted(below, rng.random() * below[-1], side="right"))
    return min(drawn, last_possible)  # rounding may reach past the last class that has any probability


def pooled(logits: NDArray[np.floating]) -> float:
    """Return the logit of "any of these": the log of the sum of their odds."""
    top = float(np.max(logits))
    return top + float(np.log(np.sum(np.exp(np.asarray(logits, dtype=np.float64) - top))))

"""Drawing one event from logits, and what may be added to them. A sampler knows numbers, not models or codecs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brainmidi.errors import ModelError

Float32Array = NDArray[np.float32]

FORBIDDEN = -1e9
#: Beyond this a logit or a bias says no more: it keeps float32 from overflowing.
_LARGEST = np.float32(1e9)
#: Temperatures between 0 and this draw as this does: float32 has no room for colder ones.
_COLDEST = 1e-6
#: How steeply harmony's strength bends the odds: a foreign tone's are multiplied by (1 - strength) to this power.
_STRICTNESS = 3.0
#: What density adds, at its ends, to the log-odds of an onset now, and of waiting a sixteenth less for the next one.
_ONSET, _SOONER = 4.0, 0.35


@dataclass(frozen=True, slots=True)
class Sampling:
    """How far a draw may stray from what is likeliest.

    Parameters
    ----------
    temperature : float
        0..100; divides the logits, not the bias. 0 takes the class with the largest logit plus bias.
    top_k : int
        How many of the likeliest classes are kept (Fan et al. 2018, section 5.4); 0 keeps all.
    top_p : float
        Above 0, at most 1: smallest share of probability that the likeliest classes kept must hold (Holtzman et al.
        2019, section 3.1); 1 keeps all.
    min_p : float
        0..1: classes less likely than this share of the likeliest are left out (Nguyen et al. 2024); 0 keeps all.

    Raises
    ------
    ModelError
        If one is outside its range.
    """

    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0

    def __post_init__(self) -> None:
        if not 0.0 <= self.temperature <= 100.0:
            raise ModelError(f"temperature {self.temperature} is outside 0..100; 1 samples as the model was trained")
        if self.top_k < 0:
            raise ModelError(f"top-k {self.top_k} is below 0; 0 keeps all classes")
        if not 0.0 < self.top_p <= 1.0:
            raise ModelError(f"top-p {self.top_p} is not above 0 and at most 1; 1 keeps all classes")
        if not 0.0 <= self.min_p <= 1.0:
            raise ModelError(f"min-p {self.min_p} is outside 0..1; 0 keeps all classes")


_PLAIN = Sampling()


def probabilities(
    logits: NDArray[np.floating], settings: Sampling = _PLAIN, bias: NDArray[np.floating] | None = None
) -> Float32Array:
    """Return the distribution that :func:`draw` draws from.

    Parameters
    ----------
    logits : ndarray, shape (n_classes,)
        Any float type; computed on in float32. NaN and ``-inf`` count as impossible. Where nothing that the bias allows
        is possible, all that it allows is equally likely.
    settings : Sampling
        Applied in the order temperature, bias, top-k, min-p, top-p. The likeliest class is always kept.
    bias : ndarray, shape (n_classes,), optional
        Added to the log-odds; ``-inf`` and NaN forbid.

    Returns
    -------
    ndarray of float32, shape (n_classes,)

    Raises
    ------
    ModelError
        If the bias forbids every class.
    """
    scores = np.array(logits, dtype=np.float32)
    possible = scores > -np.inf  # false for NaN
    if bias is not None:
        extra = np.asarray(bias, dtype=np.float32)
        allowed = extra > -np.inf
        if not allowed.any():
            raise ModelError("the bias forbids every class, at least 1 must stay allowed; widen the limits")
        possible &= allowed
        if not possible.any():
            return np.asarray(allowed / np.float32(allowed.sum()), dtype=np.float32)
    elif not possible.any():
        return np.full(len(scores), 1 / len(scores), dtype=np.float32)
    # The top is taken away before anything is added or divided: what is left over stays small and exact.
    kept = np.minimum(scores[possible], _LARGEST)
    kept -= kept.max()
    if settings.temperature > 0:
        kept /= np.float32(max(settings.temperature, _COLDEST))
    if bias is not None:
        kept += np.minimum(extra[possible], _LARGEST)
    kept -= kept.max()
    odds = np.exp(kept) if settings.temperature > 0 else (np.arange(len(kept)) == kept.argmax()).astype(np.float32)
    shares = np.zeros(len(scores), dtype=np.float32)
    shares[possible] = odds / odds.sum()
    return _truncated(shares, settings)


def _truncated(shares: Float32Array, settings: Sampling) -> Float32Array:
    """Return the likeliest classes alone, as the settings want it; of equally likely ones the first stay."""
    if settings.top_k or settings.top_p < 1.0:
        order = np.argsort(-shares, kind="stable")
        below = np.cumsum(shares[order])
        out = below - shares[order] >= settings.top_p * below[-1]
        if settings.top_k:
            out[settings.top_k :] = True
        out[0] = False
        shares[order[out]] = 0.0
    if settings.min_p > 0.0:
        shares[shares < settings.min_p * shares.max()] = 0.0
    return np.asarray(shares / shares.sum(), dtype=np.float32)


def draw(
    logits: NDArray[np.floating],
    settings: Sampling,
    rng: np.random.Generator,
    bias: NDArray[np.floating] | None = None,
) -> int:
    """Draw one class; exactly one number is taken from `rng`. Parameters as for :func:`probabilities`."""
    return drawn(probabilities(logits, settings, bias), rng)


def drawn(shares: Float32Array, rng: np.random.Generator) -> int:
    """Return a class drawn from a distribution; exactly one number is taken from `rng`."""
    below = np.cumsum(shares)
    last_possible = int(np.searchsorted(below, below[-1], side="left"))
    found = int(np.searchsorted(below, rng.random() * below[-1], side="right"))
    return min(found, last_possible)  # rounding may reach past the last class that has any probability


def entropy(shares: Float32Array) -> float:
    """Return the entropy of a distribution, in nats."""
    some = shares[shares > 0]
    return max(0.0, -float(np.sum(some * np.log(some))))


def pooled(logits: NDArray[np.floating]) -> float:
    """Return the logit of "any of these": the log of the sum of their odds; ``-inf`` where none is possible."""
    some = np.asarray(logits, dtype=np.float64)
    some = np.minimum(some[some > -np.inf], float(_LARGEST))  # no NaN either
    if not some.size:
        return -np.inf
    top = float(some.max())
    return top + float(np.log(np.sum(np.exp(some - top))))


def harmony_bias(
    classes: ArrayLike, chord: Collection[int], scale: Collection[int], strength: float, *, strong: bool
) -> Float32Array:
    """Return what harmony adds to the log-odds of striking each pitch.

    The odds of a foreign tone are multiplied by ``(1 - strength)**3``: on a strong beat tones outside the chord are
    foreign, elsewhere those outside both scale and chord. The log-odds move smoothly with the strength, from 0 (free)
    to ``-inf`` at 1 (strict).

    Parameters
    ----------
    classes : array of int, shape (n,)
        Pitch class 0..11 of each pitch.
    chord, scale : collection of int
        Pitch classes. Without a chord the scale holds everywhere; without a scale too, nothing is foreign.
    strength : float
        0..1.
    strong : bool
        Whether this is a strong beat.

    Returns
    -------
    ndarray of float32, shape (n,)
    """
    strength = _share("harmony", strength)
    wanted = set(chord) if strong and chord else {*chord, *scale} if scale else set(range(12))
    member = np.zeros(12, dtype=bool)
    member[list(wanted)] = True
    push = -np.inf if strength == 1.0 else _STRICTNESS * float(np.log1p(-strength))
    return np.where(member[np.asarray(classes)], np.float32(0.0), np.float32(push))


def register_bias(pitches: ArrayLike, low: int, high: int) -> Float32Array:
    """Return 0 for pitches within `low`..`high`, both included, and ``-inf`` for the others, shape (n,)."""
    pitches = np.asarray(pitches)
    return np.where((pitches >= low) & (pitches <= high), np.float32(0.0), np.float32(-np.inf))


def wait_bias(steps: ArrayLike, density: float) -> Float32Array:
    """Return what a density 0..1 adds to the log-odds of the next onset being `steps` sixteenths away, shape (n,).

    0.5 adds nothing; below it later onsets gain, above it earlier ones.
    """
    tilt = _SOONER * (1 - 2 * _share("density", density))
    return np.asarray(tilt * np.asarray(steps, dtype=np.float32), dtype=np.float32)


def onset_bias(density: float) -> float:
    """Return what a density 0..1 adds to the log-odds of an onset where one may come now; 0.5 adds nothing."""
    return _ONSET * (2 * _share("density", density) - 1)


def most_onsets(density: float, steps: int) -> int:
    """Return the most onsets that a density 0..1 lets into a bar of `steps` sixteenths: 1 at 0, all from 0.5 up."""
    return min(steps, max(1, int(np.ceil(2 * _share("density", density) * steps))))


def _share(what: str, value: float) -> float:
    if not 0.0 <= value <= 1.0:
        raise ModelError(f"{what} {value} is outside 0..1; scale it into range")
    return float(value)

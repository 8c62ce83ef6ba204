"""A learned map: where on the calm-active axis the music lies, by ridge regression on all features at once."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.controls.baseline import Baseline
from brainmidi.controls.labelled import Labelled, blocks, contrasts, folds
from brainmidi.controls.mapping import LEARNED, KnobRule
from brainmidi.controls.separation import BLOCK_S, FLOOR_AUC, concordance, newcombe, wins
from brainmidi.errors import ControlError
from brainmidi.types import BoolArray, FloatArray

VERSION = 2
_PENALTIES = np.logspace(-1, 5, 13)
_INNER = 4  # folds within the training folds, for the penalty
_RESAMPLES = 1000
_SURE = 0.05  # the lower end of the 90 % interval of the gain has to lie above 0
_LEAST_GAIN = 0.01  # nobody hears less
_Z_LIMIT = 6.0  # a torn window must not pull the fit, nor a clenched jaw the music


@dataclass(frozen=True, slots=True)
class LearnedMap:
    """From features to a knob's position, as plain numbers: one dot product.

    Parameters
    ----------
    weights : mapping of str to float
        Position per unit of each feature.
    intercept : float
        Position where every feature is 0.
    scales : mapping of str to float
        One robust z of each feature in its unit when the map was fitted; tells which features matter.
    score, declarative : float
        Concordance with the labelled phases on held-out windows, of this map and of the declarative one.
    medians : mapping of str to float
        Of each feature at rest. What lies more than 6 robust z from it counts as 6, as in the fit; a feature without
        one is not limited.
    """

    weights: Mapping[str, float]
    intercept: float
    scales: Mapping[str, float]
    score: float
    declarative: float
    medians: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("weights", "scales", "medians"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))
        by_feature = (*self.weights.values(), *self.scales.values(), *self.medians.values())
        known = set(self.weights) == set(self.scales) >= set(self.medians)
        if (
            not self.weights
            or not known
            or not all(map(math.isfinite, (*by_feature, self.intercept, self.score, self.declarative)))
        ):
            raise ControlError("is damaged: a learned map needs a finite weight and scale for each of its features")

    def position(self, values: Mapping[str, float]) -> float | None:
        """Return the position 0..1 that `values` (by feature) lead to; None where one of its features is missing."""
        position = self.intercept
        for name, weight in self.weights.items():
            value = values.get(name)
            if value is None:
                return None
            if (median := self.medians.get(name)) is not None:
                reach = _Z_LIMIT * abs(self.scales[name])
                value = min(max(value, median - reach), median + reach)
            position += weight * value
        return min(max(position, 0.0), 1.0)

    def strongest(self, count: int = 5) -> tuple[tuple[str, float], ...]:
        """Return the features that weigh most, each with what one robust z of it moves the position by."""
        moved = [(name, weight * self.scales[name]) for name, weight in self.weights.items()]
        return tuple(sorted(moved, key=lambda one: -abs(one[1]))[:count])

    def document(self) -> dict[str, Any]:
        """Return the map as JSON has it."""
        return {
            "version": VERSION,
            "intercept": self.intercept,
            "score": self.score,
            "declarative": self.declarative,
            "features": {
                name: {"weight": weight, "scale": self.scales[name], "median": self.medians.get(name)}
                for name, weight in self.weights.items()
            },
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> LearnedMap:
        """Return the map that :meth:`document` wrote.

        Raises
        ------
        ControlError
            It is of another version, or something is missing or no number; the message goes on from the file's name.
        """
        try:
            if document["version"] != VERSION:
                raise ControlError(f"has a learned map of version {document['version']}, {VERSION} is needed")
            features = {str(name): (float(f["weight"]), float(f["scale"])) for name, f in document["features"].items()}
            found = {str(name): f["median"] for name, f in document["features"].items()}
            medians = {name: float(median) for name, median in found.items() if median is not None}
            intercept, score, other = (float(document[key]) for key in ("intercept", "score", "declarative"))
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ControlError(f"is damaged: its learned map lacks something ({error!r})") from error
        weights, scales = ({name: pair[side] for name, pair in features.items()} for side in (0, 1))
        return cls(weights, intercept, scales, score, other, medians)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of fitting a learned map.

    Parameters
    ----------
    map : LearnedMap or None
        None where it was refused.
    reason : str
        In words, either way.
    """

    map: LearnedMap | None
    reason: str


def fit_learned(table: Labelled, baseline: Baseline, rule: KnobRule, gap_s: float, *, seed: int = 0) -> Verdict:
    """Fit a learned map, and keep it only if it beats the declarative one on windows that neither has seen.

    Features enter as robust z against `baseline`. The penalty is chosen by blocked cross-validation inside each
    training fold. What it has to beat is the better of two: `rule` as it stands, and the single feature that tells the
    phases apart best in the training folds.

    Parameters
    ----------
    table : Labelled
        Frames of two phases or more.
    baseline : Baseline
    rule : KnobRule
        What ``[map.latent_mix]`` says.
    gap_s : float
        Left out between training and tested frames; the length of the features' window at least.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Verdict

    References
    ----------
    A. E. Hoerl and R. W. Kennard, "Ridge regression: biased estimation for nonorthogonal problems", Technometrics 12,
    1970.
    """
    names = tuple(name for name in table.features if name in baseline.features)
    if not contrasts(table.named) or not names:
        return Verdict(None, f"phases {', '.join(table.named) or 'none'} say nothing about calm and active")
    rests = [baseline.features[name] for name in names]
    median = np.array([rest.median for rest in rests])
    spread = np.array([rest.spread for rest in rests])
    columns = [table.features.index(name) for name in names]
    z: FloatArray = np.clip((table.values[:, columns] - median) / spread, -_Z_LIMIT, _Z_LIMIT)
    target = table.targets()
    tested, fold, ours, rivals = _held_out(table, z, target, rule, gap_s)
    # What one fold's model says is not compared with what another's says.
    pairs = (target[tested][:, None] < target[tested][None, :]) & (fold[:, None] == fold[None, :])
    if not pairs.any():
        return Verdict(None, "too little clean signal in some phase for cross-validation; record longer")
    score = {name: float(wins(values, values)[pairs].mean()) for name, values in (rivals | {LEARNED: ours}).items()}
    rival = max(rivals, key=lambda name: score[name])
    compared = f"{score[LEARNED]:.2f} on held-out windows, {score[rival]:.2f} for {rival}"
    block = blocks(table, BLOCK_S)
    ends = [len(set(block[target == place].tolist())) for place in (0.0, 1.0)]
    if newcombe(score[LEARNED], *ends)[0] <= 0.5:
        return Verdict(None, f"{compared}; that may be chance")
    if score[LEARNED] < FLOOR_AUC:
        return Verdict(None, f"{compared}; {FLOOR_AUC:g} is needed")
    sure = _gain(block[tested], ours, rivals[rival], pairs, seed) > 0
    if not sure or score[LEARNED] - score[rival] < _LEAST_GAIN:
        return Verdict(None, f"{compared}; that is not surely better, and one feature is simpler")
    model = _ridge(table, z, target, gap_s)
    weights = model.coef_ / spread
    intercept = float(model.intercept_ - (weights * median).sum())
    fitted = LearnedMap(
        dict(zip(names, map(float, weights), strict=True)),
        intercept,
        dict(zip(names, map(float, spread), strict=True)),
        score[LEARNED],
        score[rival],
        dict(zip(names, map(float, median), strict=True)),
    )
    return Verdict(fitted, compared)


def _held_out(
    table: Labelled, z: FloatArray, target: FloatArray, rule: KnobRule, gap_s: float
) -> tuple[NDArray[np.intp], NDArray[np.intp], FloatArray, dict[str, FloatArray]]:
    """Return the rows that were tested, their folds, what the ridge said of them, and what its rivals did."""
    rows, numbers = [np.array([], dtype=np.intp)], [np.array([], dtype=np.intp)]
    ours, single = [np.array([])], [np.array([])]
    for number, (train, test) in enumerate(folds(table, gap_s)):
        chosen = np.zeros(len(target), dtype=bool)
        chosen[train] = True
        rows.append(test)
        numbers.append(np.full(len(test), number))
        ours.append(_ridge(table.rows(chosen), z[chosen], target[chosen], gap_s).predict(z[test]))
        rising = np.array([concordance(column, target[chosen]) for column in table.values[chosen].T]) - 0.5
        best = int(np.argmax(np.abs(rising)))
        single.append(table.values[test, best] * np.sign(rising[best]))
    tested = np.concatenate(rows)
    rivals = {"the best single feature": np.concatenate(single)}
    if rule.feature in table.features:
        column = table.column(rule.feature)[tested]
        rivals[f"{rule.feature} of [map.latent_mix]"] = -column if rule.invert else column
    return tested, np.concatenate(numbers), np.concatenate(ours), rivals


def _ridge(table: Labelled, z: FloatArray, target: FloatArray, gap_s: float) -> Any:
    """Return the ridge regression of `target` on `z`, its penalty chosen by blocked cross-validation."""
    from sklearn.linear_model import Ridge, RidgeCV

    # Each phase counts the same, however long it lasted.
    counts = {phase: int((table.phases == phase).sum()) for phase in table.named}
    weight = np.array([len(target) / (len(counts) * counts[phase]) for phase in table.phases])
    inner = list(folds(table, gap_s, _INNER))
    if not inner:
        return Ridge(alpha=float(np.median(_PENALTIES))).fit(z, target, sample_weight=weight)
    return RidgeCV(alphas=_PENALTIES, cv=inner).fit(z, target, sample_weight=weight)


def _gain(block: NDArray[np.intp], ours: FloatArray, theirs: FloatArray, pairs: BoolArray, seed: int) -> float:
    """Return the lower end of the 90 % interval of how many more `pairs` `ours` puts in order than `theirs` does."""
    numbers, group = np.unique(block, return_inverse=True)
    member = np.zeros((len(numbers), len(block)))
    member[group, np.arange(len(block))] = 1.0
    total = member @ pairs @ member.T  # (n_blocks, n_blocks): pairs between the frames of two blocks
    more = member @ (pairs * (wins(ours, ours) - wins(theirs, theirs))) @ member.T
    generator = np.random.Generator(np.random.Philox(key=[seed, 32]))
    drawn = generator.multinomial(len(numbers), np.full(len(numbers), 1 / len(numbers)), _RESAMPLES)
    gained, of = (np.einsum("rb,bc,rc->r", drawn, counted, drawn, optimize=True) for counted in (more, total))
    return float(np.quantile(gained / np.maximum(of, 1.0), _SURE))

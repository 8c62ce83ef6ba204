"""Profiles of several days become one; and how far the days lie apart."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from brainmidi.controls.baseline import Baseline, FeatureRest, spread_floor
from brainmidi.controls.profile import Day, Profile
from brainmidi.controls.separation import Separation
from brainmidi.errors import ControlError
from brainmidi.types import FeatureFrame, FloatArray

#: A feature that has moved by more than this many spreads between days is warned of.
DRIFT_Z = 2.0

_QUANTILES = 20
_Z95 = 1.96


def day_of(frames: Sequence[FeatureFrame], features: Sequence[str], created: str, source: str) -> Day:
    """Return the distribution of `features` over `frames` as a day."""
    levels = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    quantiles = {}
    for name in features:
        values = [frame.values[name] for frame in frames if name in frame.values]
        quantiles[name] = tuple(round(float(value), 6) for value in np.quantile(values, levels))
    return Day(created, source, len(frames), quantiles)


def pool(days: Sequence[Day]) -> Baseline:
    """Return the baseline of all days together: median and MAD of the mixture, each frame counting the same.

    Medians and MADs cannot be pooled from medians and MADs; they can from the days' distributions. A feature that some
    day lacks is left out.
    """
    shared = set.intersection(*(set(day.quantiles) for day in days))
    features = {}
    for name in sorted(shared):
        values = np.concatenate([np.array(day.quantiles[name]) for day in days])
        weights = np.concatenate(
            [np.full(len(day.quantiles[name]), day.n_frames / len(day.quantiles[name])) for day in days]
        )
        median = _weighted_median(values, weights)
        features[name] = FeatureRest(median, _weighted_median(np.abs(values - median), weights), spread_floor(name))
    return Baseline(features, sum(day.n_frames for day in days), _sources(days), "brainmidi calibrate --merge")


def drift(days: Sequence[Day]) -> dict[str, tuple[float, ...]]:
    """Return how far each feature's median lies from the first day's, by day, in the first day's spreads.

    Returns
    -------
    dict of str to tuple of float
        One number a day, the first 0; the feature that moves most comes first.
    """
    moved = {}
    for name in set.intersection(*(set(day.quantiles) for day in days)):
        medians = [float(np.median(day.quantiles[name])) for day in days]
        mad = float(np.median(np.abs(np.array(days[0].quantiles[name]) - medians[0])))
        first = FeatureRest(medians[0], mad, spread_floor(name))
        moved[name] = tuple(first.z(median) for median in medians)
    return dict(sorted(moved.items(), key=lambda one: (-max(map(abs, one[1])), one[0])))


def merge(profiles: Mapping[str, Profile]) -> Profile:
    """Return one profile of several, whatever their order.

    The baseline is pooled over all days, each day counting once; AUCs are averaged, weighted by the clean seconds that
    they were measured on, and their intervals take in how far the profiles differ. Bad channels are the newest
    profile's, since electrodes are put on anew every day; classifier, artifact subspaces and learned map the newest
    that there are, unless they need an electrode that is bad now.

    Parameters
    ----------
    profiles : mapping of str to Profile
        Two or more, by the name that messages call them.

    Raises
    ------
    ControlError
        There are fewer than two, a day is in two of them, or montage, ``[signal]`` settings or (one simulated, one not)
        do not agree.
    """
    if len(profiles) < 2:
        raise ControlError(f"{len(profiles)} profile to merge, 2 or more are needed; name them after --merge")
    ordered = sorted(profiles.items(), key=lambda one: one[1].created)
    (first_name, first), *others = ordered
    for name, other in others:
        if difference := misfit(first, other):
            raise ControlError(f"{name} and {first_name} differ in {difference}; merge profiles of one set-up only")
    ordered = _once(ordered)
    kept = tuple(sorted((day for _, profile in ordered for day in profile.days), key=lambda day: day.created))
    bad = set(ordered[-1][1].bad)
    sections: dict[str, Mapping[str, Any]] = {}
    for _, profile in ordered:
        sections.update({name: part for name, part in profile.sections.items() if not bad & set(needed(part))})
    frequencies = [profile.alpha_hz for _, profile in ordered if profile.alpha_hz is not None]
    lines = [profile.line_hz for _, profile in ordered if profile.line_hz is not None]
    everyone = [profile for _, profile in ordered]
    return replace(
        everyone[-1],
        source=_sources(kept),
        phases={
            phase: sum(profile.phases.get(phase, 0.0) for profile in everyone)
            for phase in dict.fromkeys(phase for profile in everyone for phase in profile.phases)
        },
        baseline=pool(kept),
        days=kept,
        line_hz=lines[-1] if lines else None,
        alpha_hz=float(np.median(frequencies)) if frequencies else None,
        separation=_separations(everyone),
        held_out=_means([(profile, profile.held_out) for profile in everyone]),
        sections=sections,
        created_by="brainmidi calibrate --merge",
    )


def _once(profiles: list[tuple[str, Profile]]) -> list[tuple[str, Profile]]:
    """Return the profiles without those whose days another one holds; no day may count twice."""
    held = [{(day.created, day.source) for day in profile.days} for _, profile in profiles]
    kept: list[int] = []
    for number in sorted(range(len(profiles)), key=lambda number: -len(held[number])):
        if any(held[number] <= held[other] for other in kept):
            continue
        for other in kept:
            if twice := held[number] & held[other]:
                day, source = min(twice)
                raise ControlError(
                    f"{profiles[number][0]} and {profiles[other][0]} both hold the day {day} ({source}), which would "
                    "count twice; merge each day once"
                )
        kept.append(number)
    return [profiles[number] for number in sorted(kept)]


def needed(section: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the electrodes that a section cannot do without, as far as it names any."""
    return tuple(section.get("channels", ()))


def misfit(one: Profile, other: Profile) -> str:
    """Return what keeps two profiles from meaning the same, in words; nothing where they do."""
    if one.montage != other.montage:
        return "electrodes or rate"
    if one.simulated != other.simulated:
        return "brain (one is simulated)"
    keys = [key for key in {**one.signal, **other.signal} if one.signal.get(key) != other.signal.get(key)]
    return f"[signal] {', '.join(keys)}" if keys else ""


def _separations(profiles: Sequence[Profile]) -> tuple[Separation, ...]:
    """Return the AUC of each feature and contrast that all profiles know, averaged."""
    found = []
    known = [{(one.contrast, one.feature): one for one in profile.separation} for profile in profiles]
    for key in set.intersection(*map(set, known)):
        each = [table[key] for table in known]
        # An AUC counts upwards from the first phase here, so that two days that disagree cancel out.
        signed: FloatArray = np.array([one.auc if one.rises else 1 - one.auc for one in each])
        error = np.array([(one.high - one.low) / (2 * _Z95) for one in each])
        weight = np.array([sum(profile.phases.get(phase, 0.0) for phase in key[0]) for profile in profiles])
        weight = weight / weight.sum() if weight.sum() > 0 else np.full(len(each), 1 / len(each))
        mean = float(weight @ signed)
        between = float(weight @ (signed - mean) ** 2) / max(1, len(each) - 1)
        half = _Z95 * math.sqrt(float((weight**2) @ error**2) + between)
        auc, rises = (mean, True) if mean >= 0.5 else (1 - mean, False)
        found.append(Separation(key[0], key[1], auc, max(0.0, auc - half), min(1.0, auc + half), rises))
    return tuple(sorted(found, key=lambda one: (one.contrast, -one.auc, one.feature)))


def _means(given: Sequence[tuple[Profile, Mapping[str, float]]]) -> dict[str, float]:
    """Return each number that all profiles have, averaged by their clean seconds."""
    shared = set.intersection(*(set(numbers) for _, numbers in given))
    weights = np.array([max(sum(profile.phases.values()), 1e-9) for profile, _ in given])
    return {
        name: float(np.average([numbers[name] for _, numbers in given], weights=weights)) for name in sorted(shared)
    }


def _sources(days: Sequence[Day]) -> str:
    return ", ".join(dict.fromkeys(day.source for day in days))


def _weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Return the value half of the weight lies below; between two where it falls between them."""
    order = np.argsort(values, kind="stable")
    values, share = values[order], np.cumsum(weights[order]) / weights.sum()
    row = int(np.searchsorted(share, 0.5 - 1e-12))
    if abs(share[row] - 0.5) < 1e-12 and row + 1 < len(values):
        return float((values[row] + values[row + 1]) / 2)
    return float(values[row])

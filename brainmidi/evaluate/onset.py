"""How soon closing eyes are noticed by the live signal path, and how often open ones are taken for closed.

Both recordings are cut into quarters. For each quarter the detector is made of the other three: its threshold is so
many robust standard deviations above the rest baseline fitted to them, and how many, and on how long segments, is what
worked best on them alone. Then it is tried on the quarter that it has not seen.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brainmidi.condition.conditioner import Conditioner
from brainmidi.controls.baseline import FeatureRest, fit_baseline
from brainmidi.evaluate.eegfigure import Control, Figure
from brainmidi.evaluate.resample import bootstrap, control, permutation_p
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import Chunk, FeatureFrame, FloatArray, Montage

FEATURE = "alpha.occipital"
SOON_S, FALSE_BAR = 0.6, 0.02
#: What a detector may be: lengths of segment in the window of 2 s, and robust standard deviations above rest.
SEGMENTS_S, ALARMS_Z = (1.0, 0.5), (2.5, 3.0, 3.5, 4.0)

_QUARTERS = range(4)
_BEFORE_S, _AFTER_S = 8.0, 5.0  # of each splice: enough for filters and window, and for a late answer
_REACH_S = 3.0  # a frame hears its window and what the filters remember
_BLOCK_S = 4.0
_ROUNDS = 999

Statistic = Callable[[FloatArray], float]


def joined(stretches: Sequence[FloatArray], montage: Montage) -> Chunk:
    """Return stretches of raw samples, each of shape (n_samples, n_channels), one after the other as one recording."""
    samples = np.concatenate(stretches)
    return Chunk(samples, np.arange(len(samples)) / montage.rate_hz, montage)


def live_frames(chunk: Chunk, settings: FeatureSettings | None = None) -> list[FeatureFrame]:
    """Return what the live path makes of raw samples."""
    return FeatureExtractor(chunk.montage, settings).process(Conditioner(chunk.montage).process(chunk))


@dataclass(frozen=True, slots=True)
class Splice:
    """Where the recording goes from one head's state to another: the feature from just before it on.

    Parameters
    ----------
    quarter : int
        Of the recordings, 0..3, that it lies in.
    before : float
        The feature in the last frame before the splice; NaN where it has none.
    after_s, values : ndarray, shape (n,)
        Seconds since the splice and the feature, frame by frame.
    """

    quarter: int
    before: float
    after_s: FloatArray
    values: FloatArray

    def delay_s(self, threshold: float) -> float:
        """Return when the feature reaches `threshold`: infinite where it does not, or had before the splice."""
        reached = np.flatnonzero(self.values >= threshold)
        return math.inf if self.before >= threshold or not len(reached) else float(self.after_s[reached[0]])


@dataclass(frozen=True, slots=True)
class Material:
    """All that was seen through segments of one length: open eyes by quarter, and splices to closed and open eyes.

    `shut` are closed eyes by quarter, spliced to nothing.
    """

    segment_s: float
    rest: tuple[tuple[FeatureFrame, ...], ...]
    closing: tuple[Splice, ...]
    sham: tuple[Splice, ...]
    shut: tuple[tuple[FeatureFrame, ...], ...] = ()

    def threshold(self, quarters: Iterable[int], z: float) -> float:
        """Return the feature at `z` robust standard deviations above rest, which is that of so many quarters."""
        baseline = fit_baseline(itertools.chain.from_iterable(self.rest[quarter] for quarter in quarters))
        rest: FeatureRest = baseline.features[FEATURE]
        return rest.median + z * rest.spread

    def false(self, quarter: int, threshold: float) -> FloatArray:
        """Return for every frame of open eyes in a quarter whether it raises the alarm, 0 or 1."""
        return _alarms(self.rest[quarter], threshold)

    def true(self, quarter: int, threshold: float) -> FloatArray:
        """Return the same for closed eyes."""
        return _alarms(self.shut[quarter], threshold)


def onset_figures(opened: Chunk, closed: Chunk, splices: int = 40, seed: int = 1) -> list[Figure]:
    """Return how soon the alarm goes off where raw samples go over from open to closed eyes, and how often wrongly.

    The sham splices go from open eyes to open eyes: the step in every channel is there, the alpha is not. The control
    of false alarms has the labels open and closed shuffled in blocks of 4 s: an alarm that never goes off has none of
    them either. Splices of one quarter share most of their samples, so that intervals draw quarters, and hold for this
    minute of this head.

    Parameters
    ----------
    opened, closed : Chunk
        Raw recordings of one montage, of a minute or so.
    splices, seed : int
        Onsets tried of either kind, a multiple of four.
    """
    materials = [_material(opened, closed, segment_s, splices // 4, seed) for segment_s in SEGMENTS_S]
    real_s: list[FloatArray] = []
    sham_s: list[FloatArray] = []
    false: list[FloatArray] = []
    true: list[FloatArray] = []
    chosen: list[str] = []
    for quarter in _QUARTERS:
        training = [other for other in _QUARTERS if other != quarter]
        material, z = choose(materials, training)
        threshold = material.threshold(training, z)
        for delays, kind in ((real_s, material.closing), (sham_s, material.sham)):
            delays.append(np.array([splice.delay_s(threshold) for splice in kind if splice.quarter == quarter]))
        for blocks, alarms in ((false, material.false(quarter, threshold)), (true, material.true(quarter, threshold))):
            size = round(_BLOCK_S * FeatureSettings().update_hz)
            blocks += [alarms[at : at + size] for at in range(0, len(alarms), size)]
        chosen.append(f"{material.segment_s:g} s and {z:g}")
    real, sham = np.concatenate(real_s), np.concatenate(sham_s)

    def line(
        name: str, statistic: Statistic, bar: float | None = None, note: str = "", *, more: bool = False
    ) -> Figure:
        low, high = bootstrap(real_s, statistic, _rng(seed, 3))
        both, rng = np.concatenate([real, sham]), _rng(seed, 4)
        value = statistic(real)
        lots = control([statistic(rng.permutation(both)[: len(real)]) for _ in range(_ROUNDS)], value if more else None)
        alone = statistic(sham)
        never = Control(alone, alone, alone, 1)
        return Figure("eyes closing", name, value, low, high, bar, True, lots, never, note)

    low, high = bootstrap(false, _mean, _rng(seed, 3))
    note = f"segments and robust z chosen in the other quarters: {', '.join(chosen)}; sham: spliced from open to open"
    return [
        line("onset found after (s), median", lambda found: quantile(found, 0.5), SOON_S, note),
        line("onset found after (s), 90th percentile", lambda found: quantile(found, 0.9)),
        line(f"onset found within {SOON_S:g} s, share", lambda found: float((found <= SOON_S).mean()), more=True),
        Figure(
            "eyes closing",
            "false alarms, share of time",
            _mean(np.concatenate(false)),
            low,
            high,
            FALSE_BAR,
            at_most=True,
            shuffled=_shuffled_alarms(false, true, _rng(seed, 5)),
            note=f"with the eyes closed {_mean(np.concatenate(true)):.3f}",
        ),
    ]


def _alarms(frames: Iterable[FeatureFrame], threshold: float) -> FloatArray:
    return np.array([frame.values.get(FEATURE, -math.inf) >= threshold for frame in frames], dtype=float)


def _shuffled_alarms(opened: Sequence[FloatArray], closed: Sequence[FloatArray], rng: np.random.Generator) -> Control:
    """Return the share of alarms in as many blocks as are of open eyes, drawn by lot from all blocks."""
    blocks, real = [*opened, *closed], _mean(np.concatenate(opened))
    drawn = [rng.permutation(len(blocks))[: len(opened)] for _ in range(_ROUNDS)]
    shares = np.array([_mean(np.concatenate([blocks[at] for at in row])) for row in drawn])
    return replace(control(shares), p=permutation_p(-real, -shares))  # the fewer the better


def choose(materials: Sequence[Material], training: Sequence[int]) -> tuple[Material, float]:
    """Return the segments and the threshold's z that notice the onsets of the training quarters soonest.

    Allowed are those with half as many false alarms as the bar says at most, each training quarter held against the
    others; where none is, the highest threshold it is.
    """
    best: tuple[float, float, Material, float] | None = None
    for material in materials:
        for z in ALARMS_Z:
            alarms = [
                material.false(held, material.threshold([other for other in training if other != held], z))
                for held in training
            ]
            false = _mean(np.concatenate(alarms))
            threshold = material.threshold(training, z)
            delays = [splice.delay_s(threshold) for splice in material.closing if splice.quarter in training]
            # The mean breaks ties of the median; what was never found counts as long as was listened.
            mean = float(np.minimum(delays, _AFTER_S).mean())
            score = (quantile(np.array(delays), 0.5), mean) if false <= FALSE_BAR / 2 else (math.inf, -z)
            if best is None or score < best[:2]:
                best = (*score, material, z)
    assert best is not None  # there is at least one candidate
    return best[2], best[3]


def _material(opened: Chunk, closed: Chunk, segment_s: float, per_quarter: int, seed: int) -> Material:
    settings, montage = FeatureSettings(segment_s=segment_s), opened.montage
    rate_hz, rng = montage.rate_hz, _rng(seed, 2)  # the same splices for every length of segment
    frames = live_frames(opened, settings)
    quarter_s = len(opened) / rate_hz / len(_QUARTERS)
    rest, shut = _by_quarter(opened, frames), _by_quarter(closed, live_frames(closed, settings))
    kinds: list[tuple[Splice, ...]] = []
    for to in (closed, opened):
        found = []
        for quarter in _QUARTERS:
            to_s = len(to) / rate_hz / len(_QUARTERS)
            points = _spread(quarter * quarter_s + _REACH_S, (quarter + 1) * quarter_s, per_quarter, rng)
            goals = _spread(quarter * to_s, (quarter + 1) * to_s - _AFTER_S, per_quarter, rng)
            for point_s, goal_s in zip(points, rng.permutation(goals), strict=True):
                at, goal = round(point_s * rate_hz), round(goal_s * rate_hz)
                before = opened.samples_uv[max(0, at - round(_BEFORE_S * rate_hz)) : at]
                after = to.samples_uv[goal : goal + round(_AFTER_S * rate_hz)]
                found.append(_splice(quarter, before, after, montage, settings))
        kinds.append(tuple(found))
    return Material(segment_s, rest, kinds[0], kinds[1], shut)


def _by_quarter(chunk: Chunk, frames: Sequence[FeatureFrame]) -> tuple[tuple[FeatureFrame, ...], ...]:
    """Return the frames of each quarter; those that hear the quarter before belong to none."""
    quarter_s = len(chunk) / chunk.montage.rate_hz / len(_QUARTERS)
    return tuple(
        tuple(f for f in frames if q * quarter_s + (_REACH_S if q else 0.0) <= f.time_s < (q + 1) * quarter_s)
        for q in _QUARTERS
    )


def _splice(quarter: int, before: FloatArray, after: FloatArray, montage: Montage, settings: FeatureSettings) -> Splice:
    frames = live_frames(joined([before, after], montage), settings)
    since_s = np.array([frame.time_s for frame in frames]) - len(before) / montage.rate_hz
    values = np.array([frame.values.get(FEATURE, np.nan) for frame in frames])
    first = int(np.searchsorted(since_s, -1e-9))
    return Splice(quarter, float(values[first - 1]) if first else math.nan, since_s[first:], values[first:])


def quantile(values: FloatArray, share: float) -> float:
    """Return the smallest value that at least `share` of them do not exceed; values may be infinite."""
    return float(np.sort(values)[math.ceil(share * len(values)) - 1])


def _spread(first_s: float, last_s: float, n: int, rng: np.random.Generator) -> FloatArray:
    """Return one random time in each of `n` equal parts of a stretch."""
    times_s: FloatArray = first_s + (np.arange(n) + rng.uniform(0.0, 1.0, n)) * (last_s - first_s) / n
    return times_s


def _rng(seed: int, use: int) -> np.random.Generator:
    return np.random.default_rng([seed, use])


def _mean(values: FloatArray) -> float:
    return float(values.mean())

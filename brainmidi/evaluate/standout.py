"""How far music follows a brain: what is heard, bar by bar, held against what went on in one recording."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from scipy import stats

from brainmidi.evaluate.resample import permutation_p
from brainmidi.types import KNOBS, Bar, FloatArray

#: What a listener hears of a bar.
MEASURES: tuple[str, ...] = ("notes a beat", "velocity", "pitch", "length", "tempo")
_DRUMS = "drums"  # whose pitches say which drum, and whose lengths nothing


@dataclass(frozen=True, slots=True)
class Reference:
    """What went on in the real recording, at any time.

    Parameters
    ----------
    text : str
        In words.
    phases : bool
        True where the numbers are names of phases, False where more of it means more.
    at : callable
        From sample time in seconds to the number; NaN where there is none.
    """

    text: str
    phases: bool
    at: Callable[[float], float]


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far one take follows the reference.

    Parameters
    ----------
    value : float
        Largest of `by_name`, 0..1; 0 where nothing moves.
    name : str
        Of what was largest.
    by_name : dict of str to float
        What was held against the reference, each 0..1.
    """

    value: float
    name: str
    by_name: dict[str, float]


def heard(bars: Sequence[Bar]) -> FloatArray:
    """Return what is heard of each bar.

    Returns
    -------
    ndarray, shape (n_bars, 5)
        In the order of :data:`MEASURES`: onsets a beat, mean velocity, pitch and length (beats) of the notes, and
        tempo; NaN where a bar has no note. Drums have neither pitch nor length.
    """
    rows = []
    for bar in bars:
        notes = bar.phrase.notes
        tones = [note for note in notes if note.part != _DRUMS]
        rows.append(
            (
                len(notes) / float(bar.phrase.length),
                _mean([note.velocity for note in notes]),
                _mean([note.pitch for note in tones]),
                float(sum((note.length for note in tones), Fraction(0)) / len(tones)) if tones else math.nan,
                bar.tempo_bpm,
            )
        )
    return np.array(rows, dtype=np.float64).reshape(-1, len(MEASURES))


def turned(bars: Sequence[Bar]) -> FloatArray:
    """Return where the knobs stood for each bar, shape (n_bars, n_knobs), in the order of ``KNOBS``."""
    rows = [[bar.controls.knobs.get(name, 0.5) for name in KNOBS] for bar in bars]
    return np.array(rows, dtype=np.float64).reshape(-1, len(KNOBS))


def agreement(bars: Sequence[Bar], reference: Reference) -> Agreement:
    """Return how far what is heard follows the reference.

    Each bar is held against the reference at the time that its controls were taken at. The last bar, which ends the
    form whatever the brain does, does not count.
    """
    return _agreement(heard(bars[:-1]), MEASURES, bars[:-1], reference)


def knob_agreement(bars: Sequence[Bar], reference: Reference) -> Agreement:
    """Return how far the knobs follow the reference: as :func:`agreement`, before any model had a say."""
    return _agreement(turned(bars[:-1]), KNOBS, bars[:-1], reference)


def _agreement(rows: FloatArray, names: Sequence[str], bars: Sequence[Bar], reference: Reference) -> Agreement:
    truth = np.array([reference.at(bar.controls.time_s) for bar in bars])
    by_name = {
        name: association(column, truth, phases=reference.phases) for name, column in zip(names, rows.T, strict=True)
    }
    best = max(by_name, key=lambda name: by_name[name])
    return Agreement(by_name[best], best, by_name)


def association(values: FloatArray, truth: FloatArray, *, phases: bool) -> float:
    """Return how far `values` follow `truth`, 0..1, by ranks.

    Parameters
    ----------
    values, truth : ndarray, shape (n,)
        Pairs with a NaN are left out.
    phases : bool
        False for the magnitude of Spearman's rank correlation. True for the square root of the share of the ranks'
        variance that lies between phases (the Kruskal-Wallis H over n - 1), which for two phases is the same number.

    Returns
    -------
    float
        0 where either never changes, or fewer than four pairs are left.
    """
    known = np.isfinite(values) & np.isfinite(truth)
    values, truth = values[known], truth[known]
    if len(values) < 4 or np.ptp(values) == 0 or np.ptp(truth) == 0:
        return 0.0
    ranks = stats.rankdata(values)
    centred = ranks - ranks.mean()
    if phases:
        groups = [centred[truth == phase] for phase in np.unique(truth)]
        between = sum(len(group) * group.mean() ** 2 for group in groups)
        return float(math.sqrt(between / (centred**2).sum()))
    return float(abs(np.corrcoef(ranks, stats.rankdata(truth))[0, 1]))


@dataclass(frozen=True, slots=True)
class StandsOut:
    """How far the real one stands out among shams of one kind.

    Parameters
    ----------
    real : float
        Agreement of the real one.
    shams : tuple of float
        Of each sham.
    """

    real: float
    shams: tuple[float, ...]

    @property
    def p(self) -> float:
        """Permutation p-value: (k + 1) / (n + 1), k shams being at least as large as the real one."""
        return permutation_p(self.real, self.shams)

    @property
    def finest(self) -> float:
        """The least that so many shams can give."""
        return 1.0 / (len(self.shams) + 1)

    def text(self) -> str:
        """Return it in words."""
        ordered = sorted(self.shams)
        limit = "; no sham reaches it, and so many cannot give less" if self.p == self.finest else ""
        return (
            f"real {self.real:.2f}, {len(ordered)} shams {ordered[0]:.2f} .. {ordered[-1]:.2f} "
            f"(median {ordered[len(ordered) // 2]:.2f}), p = {self.p:.3f}{limit}"
        )


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else math.nan

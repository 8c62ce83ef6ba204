"""Feature frames with the phase that the person was in, and how they are cut for honest testing."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from brainmidi.controls.baseline import UNRESTING
from brainmidi.errors import ControlError
from brainmidi.types import BoolArray, FeatureFrame, FloatArray

#: The phases of a calibration and where each lies on the calm-active axis that ``latent_mix`` moves along.
#:
#: Closed eyes are the calmest that everybody can be asked for, counting backwards the most active; sitting with open
#: eyes lies between. What a learned map predicts is therefore the coordinate itself of the way through MusicVAE's
#: latent space (between the calm and the active corner), not a class.
PLACES: Mapping[str, float] = MappingProxyType({"closed": 0.0, "open": 0.5, "rest": 0.5, "focus": 1.0})

#: The phases that are neither calm nor active: what the knobs' middle is measured on.
NEUTRAL: tuple[str, ...] = ("rest", "open")

FOLDS = 5
_SPACING_S = 0.25  # frames closer than this say the same twice: their windows overlap by nine tenths
_FRAMES = 2000  # more are thinned: every pair of them is compared
_MOST = 0.95  # share of the frames that has to carry a feature for it to be compared


@dataclass(frozen=True, slots=True)
class Labelled:
    """Frames of several phases as one table, thinned to four a second.

    Parameters
    ----------
    features : tuple of str
        Names of the columns.
    values : ndarray, shape (n_frames, n_features)
        Without NaN.
    time_s : ndarray, shape (n_frames,)
        Strictly increasing; recordings lie far apart.
    phases : ndarray of str, shape (n_frames,)
        A key of :data:`PLACES` for each.
    """

    features: tuple[str, ...]
    values: FloatArray
    time_s: FloatArray
    phases: NDArray[np.str_]

    @property
    def named(self) -> tuple[str, ...]:
        """The phases that are there, in the order of :data:`PLACES`."""
        return tuple(phase for phase in PLACES if (self.phases == phase).any())

    def rows(self, chosen: BoolArray) -> Labelled:
        """Return the frames that `chosen` names."""
        return Labelled(self.features, self.values[chosen], self.time_s[chosen], self.phases[chosen])

    def column(self, feature: str) -> FloatArray:
        """Return one feature's values, shape (n_frames,)."""
        column: FloatArray = self.values[:, self.features.index(feature)]
        return column

    def targets(self) -> FloatArray:
        """Return each frame's place on the calm-active axis, 0..1, stretched so that the phases reach both ends."""
        places: FloatArray = np.array([PLACES[phase] for phase in self.phases])
        low, high = places.min(), places.max()
        return places if low == high else (places - low) / (high - low)


def gather(frames: Mapping[str, Sequence[FeatureFrame]], features: Collection[str]) -> Labelled:
    """Return the frames of every phase as one table.

    Parameters
    ----------
    frames : mapping of str to sequence of FeatureFrame
        By phase; sample times must differ between all of them.
    features : collection of str
        Those that are compared; what rest has none of never is.

    Returns
    -------
    Labelled
        The features that nearly every frame carries; frames that lack one of those are left out.

    Raises
    ------
    ControlError
        A phase is unknown, or nothing is left.
    """
    for phase in frames:
        if phase not in PLACES:
            raise ControlError(f"phase {phase!r} is unknown, known are {', '.join(PLACES)}; correct --events")
    labelled = sorted(((frame, phase) for phase, run in frames.items() for frame in run), key=lambda row: row[0].time_s)
    thinned: list[tuple[FeatureFrame, str]] = []
    for frame, phase in labelled:
        if not thinned or frame.time_s - thinned[-1][0].time_s >= _SPACING_S - 1e-9 or phase != thinned[-1][1]:
            thinned.append((frame, phase))
    thinned = thinned[:: 1 + (len(thinned) - 1) // _FRAMES]
    seen = {name for frame, _ in thinned for name in frame.values if not name.startswith(UNRESTING)}
    names = sorted(seen & set(features))
    table = np.array([[frame.values.get(name, np.nan) for name in names] for frame, _ in thinned])
    table = table.reshape(len(thinned), len(names))
    held = np.isfinite(table).mean(axis=0) >= _MOST if len(table) else np.zeros(len(names), dtype=bool)
    whole = np.isfinite(table[:, held]).all(axis=1)
    if not held.any() or not whole.any():
        raise ControlError("no feature is there throughout the calibration; check the electrodes and record again")
    return Labelled(
        tuple(name for name, keep in zip(names, held, strict=True) if keep),
        table[whole][:, held],
        np.array([frame.time_s for frame, _ in thinned])[whole],
        np.array([phase for _, phase in thinned])[whole],
    )


def contrasts(phases: Iterable[str]) -> tuple[tuple[str, str], ...]:
    """Return which phases are told apart: (neutral, closed) and (neutral, focus), as far as they are there."""
    there = set(phases)
    pairs = []
    for end, neutrals in (("closed", ("open", "rest", "focus")), ("focus", ("rest", "open"))):
        neutral = next((phase for phase in neutrals if phase in there), None)
        if end in there and neutral is not None:
            pairs.append((neutral, end))
    return tuple(pairs)


def turns(table: Labelled) -> NDArray[np.intp]:
    """Return the number of the turn that each frame lies in, shape (n_frames,): frames of one phase in a row.

    A hole in it begins no new turn, else artifacts would make one phase look like many.
    """
    return np.concatenate([[0], np.cumsum(table.phases[1:] != table.phases[:-1])])


def blocks(table: Labelled, length_s: float) -> NDArray[np.intp]:
    """Return the number of the block that each frame lies in, shape (n_frames,).

    A block is a stretch of one turn that lasts `length_s` at most: what is resampled together, as neighbouring frames
    are not independent. The blocks of a turn are equally long, so that no remainder of a few frames counts as one.
    """
    number = np.zeros(len(table.time_s), dtype=np.intp)
    turn, begun = turns(table), 0
    for one in np.unique(turn):
        rows = np.flatnonzero(turn == one)
        since_s = table.time_s[rows] - table.time_s[rows[0]]
        lasts_s = since_s[-1] + _SPACING_S
        count = max(1, math.ceil(lasts_s / length_s - 1e-9))
        number[rows] = begun + np.minimum((since_s * count / lasts_s).astype(np.intp), count - 1)
        begun += count
    return np.unique(number, return_inverse=True)[1]


def folds(table: Labelled, gap_s: float, count: int = FOLDS) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield (training rows, test rows) of blocked cross-validation.

    Each phase's own time is cut into `count` pieces that follow each other; fold k tests every phase's piece k. Frames
    closer than `gap_s` to a tested one are trained on in no fold of it: their windows share samples.

    Parameters
    ----------
    table : Labelled
    gap_s : float
        At least the length of the features' window.
    count : int

    References
    ----------
    C. Bergmeir and J. M. Benitez, "On the use of cross-validation for time series predictor evaluation", Information
    Sciences 191, 2012.
    """
    piece = np.empty(len(table.time_s), dtype=np.intp)
    for phase in table.named:
        rows = np.flatnonzero(table.phases == phase)
        piece[rows] = np.arange(len(rows)) * count // max(1, len(rows))
    for number in range(count):
        test = np.flatnonzero(piece == number)
        rest = np.flatnonzero(piece != number)
        if not len(test):
            continue
        after = np.searchsorted(table.time_s[test], table.time_s[rest])
        tested = np.concatenate([[-np.inf], table.time_s[test], [np.inf]])
        near = np.minimum(table.time_s[rest] - tested[after], tested[after + 1] - table.time_s[rest])
        train = rest[near >= gap_s]
        if set(table.phases[train]) == set(table.named) == set(table.phases[test]):
            yield train, test

"""Do single responses to targets stand out? The live epochs and classifier on two public P300 recordings.

The classifier's settings are chosen inside the training epochs (:mod:`brainmidi.features.erpchoice`), as a calibration
chooses them; which channels and epochs are noisy is judged there too. Controls run through all of it, the choice as
well. The conditioner and the epochs are those that play.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from brainmidi.acquire.recording import open_recording
from brainmidi.acquire.surrogate import phase_randomised
from brainmidi.condition.conditioner import Conditioner
from brainmidi.errors import SourceError
from brainmidi.evaluate.eegfigure import Control, Figure
from brainmidi.evaluate.resample import auc, auc_interval, control, effective_size
from brainmidi.features.erpchoice import choose, cross_validate
from brainmidi.features.erpestimator import ErpChoice, fit_estimator
from brainmidi.features.erptrials import LENGTH_S, Trials, trials_of
from brainmidi.features.settings import ErpSettings
from brainmidi.types import Chunk, FloatArray, Marker, Montage

#: Bars for the game: blocked cross-validation, and trained on the first so many trials.
GAME_BAR = 0.90
CURVE_BARS = {60: 0.67, 120: 0.81, 240: 0.86}
#: Bars for either session of the headband: single trials, and means of five.
SINGLE_BAR, MEANS_BAR = 0.74, 0.92
_MEAN_OF = 5
_GAME = "eeg/brain_invaders_2012/subject_01_session_01.npz"
_GAME_RATE_HZ = 128.0
_GAME_NAMES = ("F7", "F3", "Fz", "F4", "F8", "T7", "C3", "Cz", "C4", "T8", "P7", "P3", "Pz", "P4", "P8", "O1", "O2")
_GROUND = "Fz"  # the ground electrode records nothing
_SWITCHED_ON_S = 5.0  # a transient of millivolts, which a sham would spread over the whole recording


class _Area(NamedTuple):
    """An area under the ROC curve, and the sizes that its interval rests on."""

    value: float
    low_n: float
    high_n: float


@dataclass(frozen=True, slots=True)
class _Measured:
    """Areas of single trials and of means over five, cross-validated, then of each point of the learning curve."""

    areas: tuple[_Area, ...]
    rejected: float
    choices: tuple[ErpChoice, ...]
    learnt_choices: tuple[tuple[ErpChoice], ...]


def load_game(data: Path) -> list[Chunk]:
    """Return subject 1, session 1 of Brain Invaders 2012, raw: 16 channels at 128 Hz, 768 flashes, 128 of the target.

    Parameters
    ----------
    data : Path
        Folder that holds ``eeg/brain_invaders_2012``.

    Raises
    ------
    SourceError
        If the recording is not there.

    References
    ----------
    G. Van Veen et al., "Building Brain Invaders: EEG data of an experimental validation", hal-02126068, 2019.
    """
    path = data / _GAME
    if not path.is_file():
        raise SourceError(
            f"{path} is not there, a visual P300 game is needed; get it from https://zenodo.org/records/2649006"
        )
    with np.load(path) as file:
        start = round(_SWITCHED_ON_S * _GAME_RATE_HZ)
        samples, stimuli = file["data"][start:], file["stim"][start:]
    kept = [column for column, name in enumerate(_GAME_NAMES) if name != _GROUND]
    montage = Montage(tuple(_GAME_NAMES[column] for column in kept), _GAME_RATE_HZ)
    rows = np.flatnonzero(stimuli)
    markers = tuple(Marker(row / _GAME_RATE_HZ, str(int(stimuli[row]))) for row in rows)
    return [Chunk(samples[:, kept], np.arange(len(samples)) / _GAME_RATE_HZ, montage, markers)]


def load_headband(data: Path, session: int) -> list[Chunk]:
    """Return one session of a Muse's visual oddball, raw: five or six recordings of two minutes, 4 channels at 256 Hz.

    Parameters
    ----------
    data : Path
        Folder that holds ``eeg/muse_visual_p300``.
    session : int
        1 or 2.

    Raises
    ------
    SourceError
        If there is none.
    """
    folder = data / "eeg" / "muse_visual_p300" / f"session{session}"
    paths = sorted(folder.glob("*.csv"))
    if not paths:
        raise SourceError(
            f"{folder} holds no csv, a headband's P300 is needed; get it from "
            "https://github.com/alexandrebarachant/muse-lsl"
        )
    chunks = []
    for path in paths:
        chunk = open_recording(path).read(float("inf"))
        assert chunk is not None  # a recording without samples is refused when it is opened
        chunks.append(chunk)
    return chunks


def trials(runs: Sequence[Chunk], settings: ErpSettings | None = None) -> Trials:
    """Return the epochs of raw recordings as the live signal path cuts them, each recording a stream of its own."""
    montage = runs[0].montage
    conditioned = [Conditioner(montage).process(run) for run in runs]
    return trials_of(conditioned, montage, ErpSettings() if settings is None else settings)


def figures(
    data: Path,
    progress: Callable[[str], None] = lambda line: None,
    *,
    shuffles: int = 19,
    shams: int = 19,
    seed: int = 1,
) -> list[Figure]:
    """Measure single trials and means of five on both recordings, with controls.

    Parameters
    ----------
    data : Path
    progress : callable, optional
        Told in a line what comes next.
    shuffles, shams : int
        Control runs with shuffled labels, and with phase-randomised EEG.
    seed : int

    Returns
    -------
    list of Figure
    """
    controls = (shuffles, shams, seed)
    found = _recording("brain invaders", load_game(data), (GAME_BAR, None), CURVE_BARS, progress, controls)
    for session in (1, 2):
        runs, bars = load_headband(data, session), (SINGLE_BAR, MEANS_BAR)
        found += _recording(f"muse, session {session}", runs, bars, {}, progress, controls)
    return found


def _recording(
    subject: str,
    runs: Sequence[Chunk],
    bars: tuple[float, float | None],
    curve: Mapping[int, float],
    progress: Callable[[str], None],
    controls: tuple[int, int, int],
) -> list[Figure]:
    shuffles, shams, seed = controls
    progress(f"{subject}: blocked cross-validation")
    taken, rng = trials(runs), np.random.default_rng([seed, 2])
    real = _measure(taken, curve)
    shuffled, shammed = [], []
    for number in range(shuffles):
        progress(f"{subject}: shuffled labels, {number + 1} of {shuffles}")
        shuffled.append(_measure(taken.relabelled(_shuffled(taken.target, curve, rng)), curve))
    for number in range(shams):
        progress(f"{subject}: phase-randomised EEG, {number + 1} of {shams}")
        shammed.append(_measure(trials([_sham(run, rng) for run in runs]), curve))
    rejected = f"{taken.target.sum()} targets of {len(taken.target)} epochs, {100 * real.rejected:.1f} % rejected"
    names = ["AUC, single trials", f"AUC, means of {_MEAN_OF} trials"]
    names += [f"AUC, trained on the first {count} trials" for count in curve]
    notes = [f"{rejected}; {_told(real.choices)}", "", *map(_told, real.learnt_choices)]
    return [
        Figure(
            subject,
            name,
            area.value,
            *auc_interval(area.value, area.low_n, area.high_n),
            bar,
            shuffled=_control([one.areas[number].value for one in shuffled], area.value),
            sham=_control([one.areas[number].value for one in shammed], area.value),
            note=note,
        )
        for number, (name, area, bar, note) in enumerate(
            zip(names, real.areas, [*bars, *curve.values()], notes, strict=True)
        )
    ]


def _told(choices: Sequence[ErpChoice]) -> str:
    """Return what was chosen, in words, and how often."""
    counted = Counter(choices).most_common()
    told = [f"{one.n_filters} filters, {one.low_pass_hz:g} Hz, z {one.outlier_z:g}" for one, _ in counted]
    times = [f" ({count} folds)" if len(choices) > 1 else "" for _, count in counted]
    return "chosen " + "; ".join(one + many for one, many in zip(told, times, strict=True))


def _control(values: list[float], real: float) -> Control | None:
    return control(values, real) if values else None


def _sham(run: Chunk, rng: np.random.Generator) -> Chunk:
    return Chunk(phase_randomised(run.samples_uv, run.montage.rate_hz, rng), run.time_s, run.montage, run.markers)


def _measure(taken: Trials, curve: Mapping[int, float]) -> _Measured:
    scores, fold, choices = cross_validate(taken)
    scored = np.isfinite(scores)
    grouped = [_means(scores, scored & chosen, fold) for chosen in (~taken.target, taken.target)]
    single = _area(scores[scored & ~taken.target], scores[scored & taken.target])
    means = _Area(auc(*grouped), float(len(grouped[0])), float(len(grouped[1])))
    learnt = [_learnt(taken, count) for count in curve]
    return _Measured(
        (single, means, *(area for area, _ in learnt)),
        float(1 - scored.mean()),
        choices,
        tuple((choice,) for _, choice in learnt),
    )


def _area(low: FloatArray, high: FloatArray) -> _Area:
    return _Area(auc(low, high), effective_size(low), effective_size(high))


def _means(scores: FloatArray, chosen: NDArray[np.bool_], fold: NDArray[np.intp]) -> FloatArray:
    """Return the means of five consecutive scores of a class, none across two folds."""
    means = []
    for number in np.unique(fold):
        part = scores[chosen & (fold == number)]
        whole = len(part) // _MEAN_OF * _MEAN_OF
        means.append(part[:whole].reshape(-1, _MEAN_OF).mean(axis=1))
    return np.concatenate(means)


def _shuffled(target: NDArray[np.bool_], curve: Mapping[int, float], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return labels shuffled within each stretch of the learning curve, so that every training set has its targets."""
    return np.concatenate([rng.permutation(part) for part in np.split(target, list(curve))])


def _learnt(taken: Trials, count: int) -> tuple[_Area, ErpChoice]:
    """Return the area on the rest after choosing and training on the first trials, and the choice."""
    first = np.arange(count)
    choice = choose(taken, first)
    estimator = fit_estimator(taken, first, choice)
    later = taken.time_s > taken.time_s[count - 1] + LENGTH_S
    used = np.flatnonzero(later & estimator.usable(taken))
    scores = estimator.scores(taken, used)
    return _area(scores[~taken.target[used]], scores[taken.target[used]]), choice

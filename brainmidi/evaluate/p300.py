"""Do single responses to targets stand out? The live epochs and classifier on two public P300 recordings.

Every setting of the classifier is fixed beforehand, from the literature (:mod:`brainmidi.features.erpfit`); which
channels and epochs are noisy is judged inside the training folds. The conditioner and the epochs are those that play.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brainmidi.acquire.recording import open_recording
from brainmidi.acquire.surrogate import phase_randomised
from brainmidi.condition.conditioner import Conditioner
from brainmidi.errors import SourceError
from brainmidi.evaluate.eegfigure import Control, Figure
from brainmidi.evaluate.resample import auc, auc_interval, control, effective_size
from brainmidi.features.epochs import epochs_of
from brainmidi.features.erpfit import LOW_PASS_HZ, Trials, cross_validate, fit_estimator, trials_of
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


@dataclass(frozen=True, slots=True)
class _Measured:
    """Cross-validated areas: of single trials and of means over five, each with the sizes its interval rests on."""

    single: float
    single_n: tuple[float, float]
    means: float
    means_n: tuple[float, float]
    rejected: float


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
    chosen = ErpSettings() if settings is None else settings
    epochs = [epochs_of([Conditioner(run.montage).process(run)], chosen, LOW_PASS_HZ) for run in runs]
    return trials_of(epochs, runs[0].montage, chosen)


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
    found = _recording("brain invaders", load_game(data), (GAME_BAR, None), progress, (shuffles, shams, seed))
    progress("brain invaders: trained on the first trials")
    found += _curve(load_game(data), (shuffles, shams, seed))
    for session in (1, 2):
        bars = (SINGLE_BAR, MEANS_BAR)
        subject = f"muse, session {session}"
        found += _recording(subject, load_headband(data, session), bars, progress, (shuffles, shams, seed))
    return found


def _recording(
    subject: str,
    runs: Sequence[Chunk],
    bars: tuple[float, float | None],
    progress: Callable[[str], None],
    controls: tuple[int, int, int],
) -> list[Figure]:
    shuffles, shams, seed = controls
    progress(f"{subject}: blocked cross-validation, {shuffles} shuffles and {shams} shams")
    taken = trials(runs)
    real = _measure(taken)
    rng = np.random.default_rng([seed, 2])
    shuffled = [_measure(taken.relabelled(rng.permutation(taken.target))) for _ in range(shuffles)]
    shammed = [_measure(trials([_sham(run, rng) for run in runs])) for _ in range(shams)]
    note = f"{taken.target.sum()} targets of {len(taken.target)} epochs, {100 * real.rejected:.1f} % rejected"
    single = Figure(
        subject,
        "AUC, single trials",
        real.single,
        *auc_interval(real.single, *real.single_n),
        bars[0],
        shuffled=_control([one.single for one in shuffled], real.single),
        sham=_control([one.single for one in shammed], real.single),
        note=note,
    )
    means = Figure(
        subject,
        f"AUC, means of {_MEAN_OF} trials",
        real.means,
        *auc_interval(real.means, *real.means_n),
        bars[1],
        shuffled=_control([one.means for one in shuffled], real.means),
        sham=_control([one.means for one in shammed], real.means),
    )
    return [single, means]


def _control(values: list[float], real: float) -> Control | None:
    return control(values, real) if values else None


def _sham(run: Chunk, rng: np.random.Generator) -> Chunk:
    return Chunk(phase_randomised(run.samples_uv, run.montage.rate_hz, rng), run.time_s, run.montage, run.markers)


def _measure(taken: Trials) -> _Measured:
    scores, fold = cross_validate(taken)
    scored = np.isfinite(scores)
    low, high = scores[scored & ~taken.target], scores[scored & taken.target]
    grouped = [_means(scores, scored & chosen, fold) for chosen in (~taken.target, taken.target)]
    return _Measured(
        auc(low, high),
        (effective_size(low), effective_size(high)),
        auc(*grouped),
        (float(len(grouped[0])), float(len(grouped[1]))),
        float(1 - scored.mean()),
    )


def _means(scores: FloatArray, chosen: NDArray[np.bool_], fold: NDArray[np.intp]) -> FloatArray:
    """Return the means of five consecutive scores of a class, none across two folds."""
    means = []
    for number in np.unique(fold):
        part = scores[chosen & (fold == number)]
        whole = len(part) // _MEAN_OF * _MEAN_OF
        means.append(part[:whole].reshape(-1, _MEAN_OF).mean(axis=1))
    return np.concatenate(means)


def _curve(runs: Sequence[Chunk], controls: tuple[int, int, int]) -> list[Figure]:
    shuffles, shams, seed = controls
    taken, rng = trials(runs), np.random.default_rng([seed, 3])
    shuffled = [_learnt(taken.relabelled(_shuffled(taken.target, rng))) for _ in range(shuffles)]
    shammed = [_learnt(trials([_sham(run, rng) for run in runs])) for _ in range(shams)]
    found = []
    for number, ((count, bar), (value, m, n)) in enumerate(zip(CURVE_BARS.items(), _learnt(taken), strict=True)):
        found.append(
            Figure(
                "brain invaders",
                f"AUC, trained on the first {count} trials",
                value,
                *auc_interval(value, m, n),
                bar,
                shuffled=_control([one[number][0] for one in shuffled], value),
                sham=_control([one[number][0] for one in shammed], value),
            )
        )
    return found


def _shuffled(target: NDArray[np.bool_], rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return labels shuffled within each stretch of the learning curve, so that every training set has its targets."""
    return np.concatenate([rng.permutation(part) for part in np.split(target, list(CURVE_BARS))])


def _learnt(taken: Trials) -> list[tuple[float, float, float]]:
    """Return the AUC on the rest after training on the first trials, with the sizes its interval rests on."""
    found = []
    for count in CURVE_BARS:
        estimator = fit_estimator(taken, np.arange(count))
        later = taken.time_s > taken.time_s[count - 1] + taken.settings.epoch_s[1]
        used = np.flatnonzero(later & estimator.usable(taken))
        scores = estimator.scores(taken, used)
        low, high = scores[~taken.target[used]], scores[taken.target[used]]
        found.append((auc(low, high), effective_size(low), effective_size(high)))
    return found

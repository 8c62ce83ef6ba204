"""Are the eyes closed? What the live signal path tells of it, and how soon, on recordings of eyes open and closed.

The conditioner and the feature extractor are those that play, with their default settings; nothing is fitted to the
data but the detector of the onset (see :mod:`brainmidi.evaluate.onset`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from brainmidi.acquire.recording import open_recording
from brainmidi.acquire.surrogate import phase_randomised
from brainmidi.errors import SourceError
from brainmidi.evaluate.eegfigure import Control, Figure
from brainmidi.evaluate.onset import joined, live_frames, onset_figures
from brainmidi.evaluate.resample import auc, auc_interval, control, effective_size
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import Chunk, FloatArray, Montage

#: What is asked for, and the features that are asked: by region, and for a headband what the default map listens to.
OCCIPITAL, OCCIPITAL_BAR = "alpha.occipital", 0.99
HEADBAND, HEADBAND_FEATURE, HEADBAND_BAR = ("AF7", "AF8", "TP7", "TP8"), "alpha.posterior", 0.90
_BLOCK_S = 4.0  # two windows: what is shuffled as one piece


@dataclass(frozen=True, slots=True)
class Eyes:
    """Two recordings of one head.

    Parameters
    ----------
    opened, closed : Chunk
        Raw, whole, of one montage.
    """

    opened: Chunk
    closed: Chunk

    def only(self, names: tuple[str, ...]) -> Eyes:
        """Return the recordings with these channels alone."""
        return Eyes(_only(self.opened, names), _only(self.closed, names))

    def sham(self, rng: np.random.Generator) -> Eyes:
        """Return both with the phases of the whole, one after the other, randomised: closed eyes are spread over it."""
        parts = [chunk.samples_uv - chunk.samples_uv.mean(axis=0) for chunk in (self.opened, self.closed)]
        montage = self.opened.montage
        whole = phase_randomised(np.concatenate(parts), montage.rate_hz, rng)
        return Eyes(joined([whole[: len(parts[0])]], montage), joined([whole[len(parts[0]) :]], montage))


def load_eyes(data: Path) -> Eyes:
    """Return a minute with the eyes open and one with them closed, of PhysioNet's EEG Motor Movement/Imagery Dataset.

    Parameters
    ----------
    data : Path
        Folder that holds ``eeg/eegbci/S001R01.edf`` and ``S001R02.edf``.

    Raises
    ------
    SourceError
        If they are not there.

    References
    ----------
    G. Schalk et al., "BCI2000: a general-purpose brain-computer interface (BCI) system", IEEE Trans. Biomedical
    Engineering 51(6), 2004.
    """
    chunks = []
    for name in ("S001R01.edf", "S001R02.edf"):
        path = data / "eeg" / "eegbci" / name
        if not path.is_file():
            raise SourceError(
                f"{path} is not there, eyes open and closed are needed; get S001R01.edf and S001R02.edf from "
                "https://physionet.org/content/eegmmidb/1.0.0/S001/ and name the folder above eeg/ in BRAINMIDI_DATA"
            )
        chunk = open_recording(path).read(float("inf"))
        assert chunk is not None  # a recording without samples is refused when it is opened
        chunks.append(chunk)
    return Eyes(*chunks)


def figures(
    data: Path,
    progress: Callable[[str], None] = lambda line: None,
    *,
    splices: int = 40,
    shams: int = 19,
    shuffles: int = 999,
    seed: int = 1,
) -> list[Figure]:
    """Measure how well open and closed eyes are told apart, and how soon.

    Parameters
    ----------
    data : Path
        See :func:`load_eyes`.
    progress : callable, optional
        Told in a line what comes next.
    splices, shams, shuffles : int
        Onsets tried, surrogate recordings, and label shuffles.
    seed : int

    Returns
    -------
    list of Figure
    """
    eyes = load_eyes(data)
    progress("eyes: windows of 2 s, eyes open against closed")
    whole, headband = (separation(pair, name, shuffles, seed) for pair, name in _views(eyes))
    rng = np.random.default_rng([seed, 1])
    shammed = []
    for number in range(shams):
        if number % 10 == 0:
            progress(f"eyes: sham {number + 1} of {shams}")
        shammed.append([_auc(pair, name) for pair, name in _views(eyes.sham(rng))])
    names = (f"AUC, {OCCIPITAL}, all channels", f"AUC, {' '.join(HEADBAND)} alone")
    lines = [
        Figure(
            "eyes closed",
            name,
            real.auc,
            real.low,
            real.high,
            bar,
            shuffled=real.shuffled,
            sham=control(sham, real.auc),
        )
        for name, real, bar, sham in zip(
            names, (whole, headband), (OCCIPITAL_BAR, HEADBAND_BAR), zip(*shammed, strict=True), strict=True
        )
    ]
    progress(f"eyes: {splices} splices from open to closed, and as many from open to open")
    return lines + onset_figures(eyes.opened, eyes.closed, splices, seed)


@dataclass(frozen=True, slots=True)
class Separation:
    """How well a feature tells closed eyes from open ones: AUC, its 95 % interval, and with labels shuffled."""

    auc: float
    low: float
    high: float
    shuffled: Control


def separation(eyes: Eyes, feature: str, shuffles: int = 999, seed: int = 1) -> Separation:
    """Return the AUC of a feature over every frame of both recordings.

    The interval is that of so many independent values as the windows that share no sample are worth, their
    autocorrelation taken off. Labels are shuffled over blocks of 4 s.

    Parameters
    ----------
    eyes : Eyes
    feature : str
    shuffles, seed : int
    """
    values = [_values(chunk, feature) for chunk in (eyes.opened, eyes.closed)]
    real = auc(*values)
    settings = FeatureSettings()
    apart = round(settings.window_s * settings.update_hz)
    sizes = [float(np.mean([effective_size(value[at::apart]) for at in range(0, apart, 5)])) for value in values]
    block = round(_BLOCK_S * settings.update_hz)
    blocks = [value[at : at + block] for value in values for at in range(0, len(value) - block + 1, block)]
    n_open = len(values[0]) // block
    rng, found = np.random.default_rng(seed), []
    for _ in range(shuffles):
        order = rng.permutation(len(blocks))
        negative, positive = (np.concatenate([blocks[at] for at in part]) for part in (order[:n_open], order[n_open:]))
        found.append(auc(negative, positive))
    low, high = auc_interval(real, *sizes)
    return Separation(real, low, high, control(found, real))


def _views(eyes: Eyes) -> tuple[tuple[Eyes, str], tuple[Eyes, str]]:
    return (eyes, OCCIPITAL), (eyes.only(HEADBAND), HEADBAND_FEATURE)


def _auc(eyes: Eyes, feature: str) -> float:
    return auc(_values(eyes.opened, feature), _values(eyes.closed, feature))


def _values(chunk: Chunk, feature: str) -> FloatArray:
    """Return the feature at every frame that has it."""
    frames = live_frames(chunk)
    return np.array([frame.values[feature] for frame in frames if feature in frame.values])


def _only(chunk: Chunk, names: tuple[str, ...]) -> Chunk:
    columns = [chunk.montage.names.index(name) for name in names]
    return joined([chunk.samples_uv[:, columns]], Montage(names, chunk.montage.rate_hz))

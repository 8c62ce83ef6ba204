"""Every figure that says how far the EEG can be trusted, in one table: ``brainmidi evaluate eeg``."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from brainmidi.condition.asr import fit_asr
from brainmidi.condition.conditioner import Conditioner
from brainmidi.condition.settings import ConditionSettings
from brainmidi.errors import ConfigError, SignalError
from brainmidi.evaluate import eyes
from brainmidi.evaluate.eegfigure import Figure
from brainmidi.evaluate.resample import bootstrap
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.types import Chunk, FeatureFrame, Montage

#: The parts of the table, in its order.
PARTS = ("eyes", "p300", "artifacts", "chunks", "unplugging")
CHUNKS_BAR = 1e-9
PLACEMENTS = 5

_SIZES_S = (0.0, 0.02, 0.37, 1.0, 10.0)  # the first is a single sample
_CHUNKED_S = 15.0
_EAGER = 5.0  # deviations from which ASR steps in; at the default of 20 it leaves this recording as it is


def evaluate(
    data: Path | None = None,
    parts: Sequence[str] = PARTS,
    *,
    progress: Callable[[str], None] = lambda line: None,
) -> list[Figure]:
    """Measure the live signal path on real recordings.

    Parameters
    ----------
    data : Path, optional
        Folder that holds ``eeg/``; the environment variable BRAINMIDI_DATA names it by default.
    parts : sequence of str
        Of :data:`PARTS`.
    progress : callable, optional
        Told in a line what comes next.

    Returns
    -------
    list of Figure

    Raises
    ------
    ConfigError
        No recordings are there.
    SourceError
        One of them is not.
    """
    measured = {
        "eyes": eyes.figures,
        "p300": p300_figures,
        "artifacts": artifact_figures,
        "chunks": chunk_figures,
        "unplugging": unplugging_figures,
    }
    folder = data_folder(data)
    return [figure for part in parts for figure in measured[part](folder, progress)]


def data_folder(data: Path | None = None) -> Path:
    """Return the folder that holds ``eeg/``; ConfigError, saying where recordings are to be had, where none does."""
    named = os.environ.get("BRAINMIDI_DATA", "") if data is None else str(data)
    if named and (Path(named) / "eeg").is_dir():
        return Path(named)
    what = f"BRAINMIDI_DATA={named} holds no folder eeg" if named else "BRAINMIDI_DATA is not set"
    raise ConfigError(
        f"{what}, recordings are needed: eeg/eegbci/S001R01.edf and S001R02.edf (physionet.org/content/eegmmidb), "
        "eeg/brain_invaders_2012/subject_01_session_01.npz (zenodo.org/records/2649006), eeg/muse_visual_p300/*/*.csv "
        "(github.com/alexandrebarachant/muse-lsl, data/visual/P300); name the folder above eeg in BRAINMIDI_DATA"
    )


def p300_figures(data: Path, progress: Callable[[str], None] = lambda line: None) -> list[Figure]:
    """Return how well single responses to targets stand out: see :mod:`brainmidi.evaluate.p300`."""
    from brainmidi.evaluate import p300  # brings scikit-learn, which the other parts do without

    return p300.figures(data, progress)


def unplugging_figures(data: Path, progress: Callable[[str], None] = lambda line: None) -> list[Figure]:
    """Return what becomes of the music when the device fails: see :mod:`brainmidi.evaluate.unplugged`."""
    from brainmidi.evaluate import unplugged  # brings the drivers and the player

    return unplugged.figures(data, progress)


def artifact_figures(
    data: Path, progress: Callable[[str], None] = lambda line: None, placements: int = PLACEMENTS
) -> list[Figure]:
    """Return how far artifacts in eyes-open EEG move the alpha knob: see :mod:`brainmidi.evaluate.artifacts`."""
    from brainmidi.evaluate.artifacts import MEDIAN_BAR, P95_BAR, measure_artifacts

    progress(f"artifacts: {placements} placements of each kind, protected and not")
    found = measure_artifacts(eyes.load_eyes(data).opened, placements=placements)
    lines = []
    for kind, travel in found.protected.items():
        bare = found.unprotected[kind]
        for name, value, share, bar, without in (
            ("median", travel.median, 0.5, MEDIAN_BAR, bare.median),
            ("95 %", travel.p95, 0.95, P95_BAR, bare.p95),
        ):
            low, high = bootstrap(
                travel.moved,
                lambda moved, share=share: float(np.quantile(moved, share)),  # type: ignore[misc]
                np.random.default_rng(1),
                rounds=500,
            )
            what = f"alpha knob moved by {kind}, {name}"
            note = f"unprotected {without:.3f}"
            lines.append(Figure("artifacts", what, value, low, high, bar, at_most=True, note=note))
    return lines


def chunk_figures(data: Path, progress: Callable[[str], None] = lambda line: None) -> list[Figure]:
    """Return by how much the features of a real recording depend on how its samples arrive."""
    progress("chunks: the same samples in pieces of 1 sample to 10 s")
    chunk = eyes.load_eyes(data).opened
    rows = slice(0, round(_CHUNKED_S * chunk.montage.rate_hz))
    head = Chunk(chunk.samples_uv[rows], chunk.time_s[rows], chunk.montage)
    sizes = [max(1, round(size_s * chunk.montage.rate_hz)) for size_s in _SIZES_S]
    note = f"over {_CHUNKED_S:g} s in chunks of {', '.join(map(str, sizes))} and random numbers of samples"
    plain = largest_difference(head, sizes)
    lines = [Figure("chunks", "largest difference of any feature", plain, bar=CHUNKS_BAR, at_most=True, note=note)]
    few = Chunk(chunk.samples_uv[:, ::4], chunk.time_s, Montage(chunk.montage.names[::4], chunk.montage.rate_hz))
    try:
        settings = ConditionSettings(asr=fit_asr([Conditioner(few.montage).process(few)], cutoff=_EAGER))
    except SignalError as error:  # the extra is not installed
        progress(f"chunks: without ASR, as {error}")
        return lines
    few = Chunk(few.samples_uv[rows], few.time_s[rows], few.montage)
    cleaned = largest_difference(few, sizes, settings)
    return [*lines, Figure("chunks", "the same with ASR, 16 channels", cleaned, bar=CHUNKS_BAR, at_most=True)]


def largest_difference(
    chunk: Chunk, sizes: Sequence[int], settings: ConditionSettings | None = None, seed: int = 1
) -> float:
    """Return the largest difference between a recording's features whole and in chunks; infinite where frames differ.

    Parameters
    ----------
    chunk : Chunk
        Raw samples.
    sizes : sequence of int
        Samples in a chunk, each tried in turn; chunks of random length are tried last.
    settings : ConditionSettings, optional
    seed : int
    """
    whole, n = _chunked(chunk, [len(chunk)], settings), len(chunk)
    random = np.cumsum(np.random.default_rng(seed).geometric(1 / 20, n))
    edges = [[*range(size, n, size), n] for size in sizes] + [[*random[random < n].tolist(), n]]
    return max(_apart(whole, _chunked(chunk, stops, settings)) for stops in edges)


def _chunked(chunk: Chunk, stops: Sequence[int], settings: ConditionSettings | None) -> list[FeatureFrame]:
    conditioner, extractor = Conditioner(chunk.montage, settings=settings), FeatureExtractor(chunk.montage)
    frames: list[FeatureFrame] = []
    start = 0
    for stop in stops:
        part = Chunk(chunk.samples_uv[start:stop], chunk.time_s[start:stop], chunk.montage)
        frames += extractor.process(conditioner.process(part))
        start = stop
    return frames


def _apart(one: Sequence[FeatureFrame], other: Sequence[FeatureFrame]) -> float:
    if [(f.time_s, tuple(f.values)) for f in one] != [(f.time_s, tuple(f.values)) for f in other]:
        return float("inf")
    worst = 0.0
    for a, b in zip(one, other, strict=True):
        differences = [abs(value - b.values[name]) for name, value in a.values.items()]
        powers = np.abs(np.nan_to_num(a.band_power_db) - np.nan_to_num(b.band_power_db))
        worst = max(
            worst, *differences, float(powers.max()), float(np.abs(a.channel_quality - b.channel_quality).max())
        )
    return worst

"""Every figure that says how far the EEG can be trusted, in one table: ``brainmidi evaluate eeg``."""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from brainmidi.condition.conditioner import Conditioner
from brainmidi.errors import ConfigError
from brainmidi.evaluate.eegfigure import Figure
from brainmidi.evaluate.eyes import load_eyes
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.types import Chunk, FeatureFrame

#: The parts of the table by name, each with the module whose ``figures`` measures it.
PARTS = ("eyes", "chunks")
CHUNKS_BAR = 1e-9

_SIZES_S = (0.0, 0.02, 0.37, 1.0, 10.0)  # the first is a single sample
_CHUNKED_S = 15.0


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
    folder = data_folder(data)
    found: list[Figure] = []
    for part in parts:
        if part == "chunks":
            found += chunk_figures(folder, progress)
        else:
            found += importlib.import_module(f"brainmidi.evaluate.{part}").figures(folder, progress)
    return found


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


def chunk_figures(data: Path, progress: Callable[[str], None] = lambda line: None) -> list[Figure]:
    """Return by how much the features of a real recording depend on how its samples arrive."""
    progress("chunks: the same samples in pieces of 1 sample to 10 s")
    chunk = load_eyes(data).opened
    rows = slice(0, round(_CHUNKED_S * chunk.montage.rate_hz))
    head = Chunk(chunk.samples_uv[rows], chunk.time_s[rows], chunk.montage)
    sizes = [max(1, round(size_s * chunk.montage.rate_hz)) for size_s in _SIZES_S]
    largest = largest_difference(head, sizes)
    note = f"over {_CHUNKED_S:g} s in chunks of {', '.join(map(str, sizes))} and random numbers of samples"
    return [Figure("chunks", "largest difference of any feature", largest, bar=CHUNKS_BAR, at_most=True, note=note)]


def largest_difference(chunk: Chunk, sizes: Sequence[int], seed: int = 1) -> float:
    """Return the largest difference between a recording's features whole and in chunks; infinite where frames differ.

    Parameters
    ----------
    chunk : Chunk
        Raw samples.
    sizes : sequence of int
        Samples in a chunk, each tried in turn; chunks of random length are tried last.
    seed : int
    """
    whole, n = _chunked(chunk, [len(chunk)]), len(chunk)
    random = np.cumsum(np.random.default_rng(seed).geometric(1 / 20, n))
    edges = [[*range(size, n, size), n] for size in sizes] + [[*random[random < n].tolist(), n]]
    return max(_apart(whole, _chunked(chunk, stops)) for stops in edges)


def _chunked(chunk: Chunk, stops: Sequence[int]) -> list[FeatureFrame]:
    conditioner, extractor = Conditioner(chunk.montage), FeatureExtractor(chunk.montage)
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

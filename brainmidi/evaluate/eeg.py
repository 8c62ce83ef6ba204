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
from brainmidi.evaluate.eegfigure import Control, Figure
from brainmidi.evaluate.resample import bootstrap
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.types import Chunk, FeatureFrame, Marker, Montage

#: The parts of the table, in its order.
PARTS = ("eyes", "p300", "artifacts", "chunks", "unplugging")
CHUNKS_BAR = 1e-9
PLACEMENTS = 8

_SIZES_S = (0.0, 0.02, 0.37, 1.0, 10.0)  # the first is a single sample
_CHUNKED_S, _CHUNKED_MARKERS = 30.0, 200
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
    """Return how far artifacts move the alpha knob: see :mod:`brainmidi.evaluate.artifacts`.

    The bars are asked for over open eyes. Around closed eyes the same are told beside: there a signal that is lost for
    30 s costs what it should, as knobs ease to the middle. The sham is a knob that stands at 0.5 whatever comes.
    """
    from brainmidi.evaluate.artifacts import MEDIAN_BAR, P95_BAR, Travel, measure_artifacts

    def interval(travel: Travel, share: float) -> tuple[float, float]:
        return bootstrap(
            travel.moved, lambda moved: float(np.quantile(moved, share)), np.random.default_rng(1), rounds=500
        )

    pair, lines = eyes.load_eyes(data), []
    for name, chunk, asked in (("eyes open", pair.opened, True), ("eyes closed", pair.closed, False)):
        progress(f"artifacts, {name}: {placements} placements of each kind")
        found = measure_artifacts(chunk, rest=pair.opened, placements=placements, unprotected=5 if asked else 0)
        for kind, travel in found.protected.items():
            dead, bare = found.dead[kind], found.unprotected.get(kind)
            for what, share, bar in (("median", 0.5, MEDIAN_BAR), ("95 %", 0.95, P95_BAR)):
                value, still = (float(np.quantile(np.concatenate(one.moved), share)) for one in (travel, dead))
                low, high = interval(travel, share)
                sham = Control(still, *interval(dead, share), placements)
                note = "" if bare is None else f"unprotected {np.quantile(np.concatenate(bare.moved), share):.3f}"
                title = f"alpha knob moved by {kind}, {what}"
                subject = f"artifacts, {name}"
                lines.append(Figure(subject, title, value, low, high, bar, True, None, sham, note, asked))
    return lines


def chunk_figures(data: Path, progress: Callable[[str], None] = lambda line: None) -> list[Figure]:
    """Return by how much the features of a real recording, with all that can go wrong in it, depend on its chunks."""
    progress("chunks: the same samples in pieces of 1 sample to 10 s")
    chunk = eyes.load_eyes(data).opened
    sizes = [max(1, round(size_s * chunk.montage.rate_hz)) for size_s in _SIZES_S]
    note = (
        f"{_CHUNKED_S:g} s with blinks, jaw, pops, gaps, rail, a jump, hum, two bad electrodes and {_CHUNKED_MARKERS} "
        f"markers, in chunks of {', '.join(map(str, sizes))} and random numbers of samples"
    )
    plain = largest_difference(spoilt(chunk), sizes)
    lines = [Figure("chunks", "largest difference of any feature", plain, bar=CHUNKS_BAR, at_most=True, note=note)]
    few = Chunk(chunk.samples_uv[:, ::4], chunk.time_s, Montage(chunk.montage.names[::4], chunk.montage.rate_hz))
    try:
        settings = ConditionSettings(asr=fit_asr([Conditioner(few.montage).process(few)], cutoff=_EAGER))
    except SignalError as error:  # the extra is not installed
        progress(f"chunks: without ASR, as {error}")
        return lines
    cleaned = largest_difference(spoilt(few), sizes, settings)
    return [*lines, Figure("chunks", "the same with ASR, 16 channels", cleaned, bar=CHUNKS_BAR, at_most=True)]


def spoilt(chunk: Chunk, seconds: float = _CHUNKED_S, seed: int = 1) -> Chunk:
    """Return the first `seconds` with everything in it that makes the signal path decide something, and stimuli.

    Blinks, jaw and pops as in :mod:`brainmidi.evaluate.artifacts`; hum of 50 Hz from the start; a lost packet, half a
    second of NaN, two seconds of rail in a third of the electrodes and a jump of all; one electrode dead and one loud.
    """
    from brainmidi.evaluate.artifacts import blinks, jaw, pops

    rng, rate_hz = np.random.default_rng(seed), chunk.montage.rate_hz
    for inject in (blinks, jaw, pops):
        chunk, _ = inject(chunk, rng)
    n, n_channels = round(seconds * rate_hz), chunk.samples_uv.shape[1]
    samples, time_s = chunk.samples_uv[:n].copy(), chunk.time_s[:n]
    samples += 20.0 * np.sin(2 * np.pi * 50.0 * time_s)[:, None]

    def rows(start: float, length_s: float) -> slice:
        return slice(round(start * n), round(start * n) + max(1, round(length_s * rate_hz)))

    samples[rows(0.3, 0.02)] = np.nan
    samples[rows(0.4, 0.5)] = np.nan
    samples[rows(0.5, 2.0), : max(1, n_channels // 3)] = 187_500.0
    samples[rows(0.7, seconds)] += 3000.0
    samples[:, 0] = 0.0
    samples[:, -1] += rng.normal(0.0, 60.0, n)
    times_s = np.sort(rng.uniform(0.0, time_s[-1], _CHUNKED_MARKERS)).tolist()
    markers = tuple(Marker(at_s, "target" if k % 5 == 3 else "nontarget") for k, at_s in enumerate(times_s))
    return Chunk(samples, time_s, chunk.montage, markers)


def largest_difference(
    chunk: Chunk, sizes: Sequence[int], settings: ConditionSettings | None = None, seed: int = 1
) -> float:
    """Return the largest difference between a recording's features whole and in chunks; infinite where frames differ.

    Parameters
    ----------
    chunk : Chunk
        Raw samples, and markers.
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
    first = np.searchsorted(chunk.time_s, [marker.time_s for marker in chunk.markers])
    start = 0
    for stop in stops:
        # A marker travels with the first sample at or after it, as it does from every source.
        markers = tuple(one for one, at in zip(chunk.markers, first.tolist(), strict=True) if start <= at < stop)
        part = Chunk(chunk.samples_uv[start:stop], chunk.time_s[start:stop], chunk.montage, markers)
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

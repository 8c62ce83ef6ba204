"""How far artifacts in a clean recording move the alpha knob: blinks, clenched jaws, popping electrodes and rails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from scipy import signal

from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.controls.baseline import fit_baseline
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import DEFAULT_MAP
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.regions import region_of
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import BoolArray, Chunk, FeatureFrame, FloatArray

KNOB = "latent_mix"
#: The bars of the measurement: knob travel in the median and at the 95th percentile.
MEDIAN_BAR, P95_BAR = 0.1, 0.25

_RAIL_UV = 187_500.0  # a Cyton's full scale
_RAIL_S = 30.0
_REACH_S = 5.0
# How much of a blink's potential at the brow reaches an electrode, by the letters of its name: the eye is a dipole, and
# the potential falls off towards the back.
_BLINK = {"fp": 1.0, "af": 0.7, "f": 0.4, "ft": 0.25, "fc": 0.2, "t": 0.1, "c": 0.1, "cp": 0.06, "tp": 0.06}
_BLINK_FAR = 0.03
# How much of the temporal muscle's current reaches an electrode, by region.
_JAW = {"temporal": 1.0, "frontal": 0.6, "parietal": 0.35, "central": 0.3, "occipital": 0.4}


@dataclass(frozen=True, slots=True)
class Travel:
    """How far a knob was from where the clean recording puts it, over every frame within reach of an artifact.

    Parameters
    ----------
    median, p95 : float
        Of the absolute difference, 0..1.
    frames : int
        Frames compared, over all placements.
    moved : tuple of ndarray
        The absolute differences themselves, by placement.
    """

    median: float
    p95: float
    frames: int
    moved: tuple[FloatArray, ...] = ()

    @property
    def passes(self) -> bool:
        """Whether both bars are kept."""
        return self.median < MEDIAN_BAR and self.p95 < P95_BAR


@dataclass(frozen=True, slots=True)
class ArtifactFigures:
    """What artifacts do to the alpha knob, by kind; ``"all"`` puts all kinds into one recording.

    Parameters
    ----------
    protected, unprotected : mapping of str to Travel
        As everybody hears it, and with gate and rejection off.
    dead : mapping of str to Travel
        The control: a knob that hears nothing and stands at 0.5 throughout, over the frames of `protected`.
    """

    protected: Mapping[str, Travel]
    unprotected: Mapping[str, Travel]
    dead: Mapping[str, Travel]

    def __post_init__(self) -> None:
        for name in ("protected", "unprotected", "dead"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))


def measure_artifacts(
    clean: Chunk,
    *,
    rest: Chunk | None = None,
    condition: ConditionSettings | None = None,
    features: FeatureSettings | None = None,
    knob: str = KNOB,
    placements: int = 5,
    unprotected: int = 5,
    seed: int = 0,
) -> ArtifactFigures:
    """Put artifacts into a recording and measure how far the default alpha knob moves from its clean trace.

    Every frame counts from the first sample of an artifact until 5 s after its last: the window (2 s) and two of the
    knob's time constants.

    Where the clean recording is its own rest, the knob never goes far from 0.5, and a dead one does not either: the
    control says how little. Around closed eyes, measured against open ones, a knob that is held or eased for too long
    is as far from its place as one that is moved.

    Parameters
    ----------
    clean : Chunk
        A whole recording, unfiltered: what artifacts are put into.
    rest : Chunk, optional
        What the knob is measured against, clean; the recording itself by default.
    condition, features : optional
        As set in ``[signal]``; the defaults by default.
    knob : str
        The knob that is watched, of the default map.
    placements, unprotected : int
        Random placements of each kind, protected, and how many of the same without protection.
    seed : int

    Returns
    -------
    ArtifactFigures
    """
    condition = ConditionSettings() if condition is None else condition
    features = FeatureSettings() if features is None else features
    ways = {
        "protected": (placements, condition, features),
        "unprotected": (min(placements, unprotected), condition.unprotected(), features.unprotected()),
    }
    travels: dict[str, dict[str, Travel]] = {"dead": {}}
    for way, (times, conditioned, measured) in ways.items():
        frames = _frames(clean, conditioned, measured)
        baseline = fit_baseline(frames if rest is None else _frames(rest, conditioned, measured))

        def position(found: list[FeatureFrame]) -> FloatArray:
            controller = Controller(DEFAULT_MAP, baseline)  # noqa: B023 -- called within the same turn
            return np.array([controller.process(frame).knobs[knob] for frame in found])

        expected, times_s = position(frames), np.array([frame.time_s for frame in frames])
        travels[way] = {}
        for kind, inject in INJECTIONS.items():
            moved, still = [], []
            for placement in range(times):
                dirty, touched = inject(clean, np.random.default_rng([seed, placement]))
                reach = _reach(touched, clean, times_s)
                moved.append(np.abs(position(_frames(dirty, conditioned, measured)) - expected)[reach])
                still.append(np.abs(0.5 - expected)[reach])
            if moved:
                travels[way][kind] = _travel(tuple(moved))
            if way == "protected":
                travels["dead"][kind] = _travel(tuple(still))
    return ArtifactFigures(**travels)


def _travel(moved: tuple[FloatArray, ...]) -> Travel:
    joined = np.concatenate(moved)
    return Travel(float(np.median(joined)), float(np.quantile(joined, 0.95)), len(joined), moved)


def _frames(chunk: Chunk, condition: ConditionSettings, features: FeatureSettings) -> list[FeatureFrame]:
    conditioner, extractor = Conditioner(chunk.montage, settings=condition), FeatureExtractor(chunk.montage, features)
    return extractor.process(conditioner.process(chunk))


def _reach(touched: BoolArray, chunk: Chunk, times_s: FloatArray) -> BoolArray:
    """Return which frames come after an artifact's first sample and within `_REACH_S` of its last one."""
    marked = np.flatnonzero(touched)
    newest = np.searchsorted(chunk.time_s[marked], times_s + 1e-9, side="right") - 1
    since_s = times_s - chunk.time_s[marked[np.maximum(newest, 0)]]
    reached: BoolArray = (newest >= 0) & (since_s <= _REACH_S)
    return reached


# ------------------------------------------------------------------------------------------------ the artifacts

Injection = Callable[[Chunk, np.random.Generator], tuple[Chunk, BoolArray]]


def _with(chunk: Chunk, samples: FloatArray) -> Chunk:
    return Chunk(samples, chunk.time_s, chunk.montage, chunk.markers, chunk.good)


def _starts(chunk: Chunk, rng: np.random.Generator, every_s: float) -> list[int]:
    """Return random samples to begin at, one in each stretch of `every_s`, the first after 4 s."""
    rate_hz = chunk.montage.rate_hz
    edges_s = np.arange(4.0, len(chunk) / rate_hz - every_s, every_s)
    return [round((edge_s + rng.uniform(0.0, 0.6 * every_s)) * rate_hz) for edge_s in edges_s]


def blinks(chunk: Chunk, rng: np.random.Generator) -> tuple[Chunk, BoolArray]:
    """Return the recording with a blink of 100 to 400 uV at the brow every 3 s or so, and which samples they touch."""
    rate_hz, names = chunk.montage.rate_hz, chunk.montage.names
    weight = np.array([_BLINK.get(name.rstrip("0123456789zZh").lower(), _BLINK_FAR) for name in names])
    samples, touched = chunk.samples_uv.copy(), np.zeros(len(chunk), dtype=bool)
    for start in _starts(chunk, rng, 3.0):
        n = round(rng.uniform(0.25, 0.4) * rate_hz)
        shape = np.sin(np.pi * np.linspace(0.0, 1.0, n) ** 0.7) ** 2  # a quick rise, a slower fall
        samples[start : start + n] += rng.uniform(100.0, 400.0) * shape[:, None] * weight
        touched[start : start + n] = True
    return _with(chunk, samples), touched


def jaw(chunk: Chunk, rng: np.random.Generator) -> tuple[Chunk, BoolArray]:
    """Return the recording with the jaw clenched for 0.5 to 2 s every 6 s: noise of 20 to 60 Hz, 20 to 100 uV RMS."""
    rate_hz, names = chunk.montage.rate_hz, chunk.montage.names
    weight = np.array([_JAW.get(region_of(name) or "", 0.3) for name in names])
    sections = signal.butter(4, [20.0, min(60.0, 0.48 * rate_hz)], "bandpass", fs=rate_hz, output="sos")
    samples, touched = chunk.samples_uv.copy(), np.zeros(len(chunk), dtype=bool)
    for start in _starts(chunk, rng, 6.0):
        n = round(rng.uniform(0.5, 2.0) * rate_hz)
        # Two muscles, left and right, and what is an electrode's own.
        mixed = rng.standard_normal((n + 400, 2)) @ rng.uniform(0.2, 1.0, (2, len(names)))
        noise = signal.sosfilt(sections, mixed + 0.5 * rng.standard_normal((n + 400, len(names))), axis=0)[400:]
        noise *= rng.uniform(20.0, 100.0) * weight / noise.std(axis=0) * signal.windows.tukey(n, 0.1)[:, None]
        samples[start : start + n] += noise
        touched[start : start + n] = True
    return _with(chunk, samples), touched


def pops(chunk: Chunk, rng: np.random.Generator) -> tuple[Chunk, BoolArray]:
    """Return the recording with an electrode popping every 2 s: a step of 50 to 3000 uV that decays or stays."""
    rate_hz = chunk.montage.rate_hz
    samples, touched = chunk.samples_uv.copy(), np.zeros(len(chunk), dtype=bool)
    for start in _starts(chunk, rng, 2.0):
        channels = rng.choice(samples.shape[1], size=rng.integers(1, 4), replace=False)
        step_uv = rng.choice([-1.0, 1.0]) * 50.0 * 60.0 ** rng.uniform()
        decay_s = rng.choice([0.1, 0.5, np.inf])
        after_s = np.arange(len(chunk) - start) / rate_hz
        samples[start:, channels] += (step_uv * np.exp(-after_s / decay_s))[:, None]
        touched[start] = True
    return _with(chunk, samples), touched


def rail(chunk: Chunk, rng: np.random.Generator) -> tuple[Chunk, BoolArray]:
    """Return the recording with 30 s of rail: in every second placement all electrodes, else a third of them."""
    n = round(min(_RAIL_S, 0.5 * len(chunk) / chunk.montage.rate_hz) * chunk.montage.rate_hz)
    start = round(rng.uniform(4.0, len(chunk) / chunk.montage.rate_hz - 6.0 - _RAIL_S) * chunk.montage.rate_hz)
    n_channels = chunk.samples_uv.shape[1]
    size = n_channels if rng.uniform() < 0.5 else max(1, n_channels // 3)
    channels = rng.choice(n_channels, size=size, replace=False)
    samples, touched = chunk.samples_uv.copy(), np.zeros(len(chunk), dtype=bool)
    samples[start : start + n, channels] = rng.choice([-_RAIL_UV, _RAIL_UV])
    touched[start : start + n] = True
    return _with(chunk, samples), touched


def everything(chunk: Chunk, rng: np.random.Generator) -> tuple[Chunk, BoolArray]:
    """Return the recording with all of it at once."""
    touched = np.zeros(len(chunk), dtype=bool)
    for inject in (blinks, jaw, pops, rail):
        chunk, touches = inject(chunk, rng)
        touched |= touches
    return chunk, touched


INJECTIONS: Mapping[str, Injection] = MappingProxyType(
    {"blinks": blinks, "jaw": jaw, "pops": pops, "rail": rail, "all": everything}
)

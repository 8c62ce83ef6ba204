"""Streams of EEG for a sham run: a brain's own, its surrogates, other people's; and what music is held against."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brainmidi.acquire.surrogate import phase_randomised
from brainmidi.condition.conditioner import Conditioner
from brainmidi.config import SessionConfig
from brainmidi.drivers import assemble
from brainmidi.errors import ConfigError, SourceError
from brainmidi.evaluate.shamkey import REAL
from brainmidi.evaluate.standout import Reference
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.types import Chunk, Marker

#: Where a stream of EEG that is not the real one came from.
SURROGATE, OTHER = "phases randomised", "another brain"


@dataclass(frozen=True, slots=True)
class Brain:
    """A stream of EEG to be made into a score.

    Parameters
    ----------
    kind : str
        :data:`REAL`, :data:`SURROGATE` or :data:`OTHER`.
    chunk : Chunk
        Raw samples, whole.
    edges_s : tuple of float
        Where each of the recordings that were joined begins.
    which : str
        Tells it from others of its kind.
    """

    kind: str
    chunk: Chunk
    edges_s: tuple[float, ...] = (0.0,)
    which: str = ""

    @property
    def duration_s(self) -> float:
        """Length in seconds."""
        return len(self.chunk) / self.chunk.montage.rate_hz

    def first(self, seconds: float) -> Brain:
        """Return its first seconds."""
        n = round(seconds * self.chunk.montage.rate_hz)
        times_s = self.chunk.time_s[:n]
        markers = tuple(marker for marker in self.chunk.markers if marker.time_s <= times_s[-1])
        chunk = Chunk(self.chunk.samples_uv[:n], times_s, self.chunk.montage, markers)
        return replace(self, chunk=chunk)

    def surrogate(self, number: int, seed: int) -> Brain:
        """Return a surrogate: see :func:`brainmidi.acquire.surrogate.phase_randomised`. Its markers stay."""
        rng = np.random.default_rng([seed, number])
        chunk = self.chunk
        samples = phase_randomised(chunk.samples_uv, chunk.montage.rate_hz, rng)
        made = Chunk(samples, chunk.time_s, chunk.montage, chunk.markers)
        return Brain(SURROGATE, made, self.edges_s, str(number))


def read_brain(paths: Sequence[Path], config: SessionConfig, kind: str = REAL) -> Brain:
    """Return recordings, one after the other, as one stream; each loses its own offset, so that no step is heard.

    Raises
    ------
    SourceError
        They do not have the same channels and rate.
    """
    samples, markers, edges_s = [], [], [0.0]
    montage = None
    for path in paths:
        chunk = assemble.open_file(path, config).read(float("inf"))
        assert chunk is not None  # a recording without samples is refused when it is opened
        if montage is not None and chunk.montage != montage:
            raise SourceError(
                f"{path} has {len(chunk.montage.names)} channels at {chunk.montage.rate_hz:g} Hz, {paths[0].name} "
                f"{len(montage.names)} at {montage.rate_hz:g} Hz; join recordings of one montage only"
            )
        montage = chunk.montage
        markers += [Marker(edges_s[-1] + marker.time_s, marker.label) for marker in chunk.markers]
        offset = np.nanmedian(chunk.samples_uv, axis=0) if len(paths) > 1 else 0.0
        samples.append(chunk.samples_uv - np.nan_to_num(offset))
        edges_s.append(edges_s[-1] + len(chunk) / montage.rate_hz)
    assert montage is not None  # at least one path is given
    whole = np.concatenate(samples)
    chunk = Chunk(whole, np.arange(len(whole)) / montage.rate_hz, montage, tuple(markers))
    return Brain(kind, chunk, tuple(edges_s[:-1]), ", ".join(path.name for path in paths))


def reference(brain: Brain, config: SessionConfig) -> Reference:
    """Return what music is held against: which of the joined recordings it is; of a single one, its own feature.

    The feature is the one behind the latent position, or behind the first knob that one drives.
    """
    if len(brain.edges_s) > 1:
        edges_s = np.array(brain.edges_s)
        text = f"which of the {len(edges_s)} recordings was going on"
        return Reference(text, True, lambda time_s: float(np.searchsorted(edges_s, time_s, side="right")))
    knobs = assemble.control_map(config, brain.chunk.montage.names).knobs
    if not knobs:
        raise ConfigError(
            "no knob is driven by a feature, one at least is needed for a sham; see [map] in session.toml"
        )
    feature = (knobs.get("latent_mix") or next(iter(knobs.values()))).feature
    conditioner = Conditioner(brain.chunk.montage, settings=assemble.condition_settings(config))
    extractor = FeatureExtractor(brain.chunk.montage, assemble.feature_settings(config))
    frames = extractor.process(conditioner.process(brain.chunk))
    times_s = np.array([frame.time_s for frame in frames])
    values = np.array([frame.values.get(feature, np.nan) for frame in frames])

    def at(time_s: float) -> float:
        place = int(np.searchsorted(times_s, time_s + 1e-6, side="right")) - 1
        return float(values[place]) if place >= 0 else float("nan")

    return Reference(f"{feature} of the recording as it went", False, at)

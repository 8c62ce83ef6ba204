"""Streams of EEG for a sham run: a brain's own, its surrogates, other people's; and what music is held against."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from brainmidi.acquire.surrogate import phase_randomised
from brainmidi.condition.conditioner import Conditioner
from brainmidi.config import SessionConfig
from brainmidi.drivers import assemble
from brainmidi.drivers.personal import declarative
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
    phases : tuple of (float, str)
        From which second on which phase lasts, by its label; empty where nothing is known of phases.
    which : str
        Tells it from others of its kind.
    """

    kind: str
    chunk: Chunk
    phases: tuple[tuple[float, str], ...] = ()
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

    def seconds_of(self, label: str) -> float:
        """Return how long its phases of that label last together."""
        starts_s = [start_s for start_s, _ in self.phases]
        spans = zip(self.phases, [*starts_s[1:], np.inf], strict=True)
        return sum(
            max(0.0, min(stop_s, self.duration_s) - start_s) for (start_s, name), stop_s in spans if name == label
        )

    def surrogate(self, number: int, seed: int) -> Brain:
        """Return a surrogate: see :func:`brainmidi.acquire.surrogate.phase_randomised`. Its markers stay."""
        rng = np.random.default_rng([seed, number])
        chunk = self.chunk
        samples = phase_randomised(chunk.samples_uv, chunk.montage.rate_hz, rng)
        made = Chunk(samples, chunk.time_s, chunk.montage, chunk.markers)
        return replace(self, kind=SURROGATE, chunk=made, which=str(number))


def labelled(texts: Sequence[str]) -> list[tuple[str, Path]]:
    """Return label and path of each recording; the label stands before the sign in ``"open=1.edf"``, or is the name."""
    found = []
    for text in texts:
        label, sign, path = text.partition("=")
        named = bool(sign and label) and not Path(text).exists()
        found.append((label, Path(path)) if named else (Path(text).name, Path(text)))
    return found


def read_brain(
    recordings: Sequence[tuple[str, Path]], config: SessionConfig, kind: str = REAL, *, marked: bool = False
) -> Brain:
    """Return recordings, one after the other, as one stream; each loses its own offset, so that no step is heard.

    Parameters
    ----------
    recordings : sequence of (str, Path)
        Label and file; of several, the labels are the phases.
    config : SessionConfig
        May say which board made them.
    kind : str
    marked : bool
        Whether the recordings' own markers are the phases instead, each from its marker to the next.

    Raises
    ------
    SourceError
        They do not have the same channels and rate, or no two phases are marked.
    """
    samples, markers, starts_s = [], [], [0.0]
    montage = None
    for _, path in recordings:
        chunk = assemble.open_file(path, config).read(float("inf"))
        assert chunk is not None  # a recording without samples is refused when it is opened
        if montage is not None and chunk.montage != montage:
            raise SourceError(
                f"{path} has {len(chunk.montage.names)} channels at {chunk.montage.rate_hz:g} Hz, {recordings[0][1]} "
                f"{len(montage.names)} at {montage.rate_hz:g} Hz; join recordings of one montage only"
            )
        montage = chunk.montage
        markers += [Marker(starts_s[-1] + marker.time_s, marker.label) for marker in chunk.markers]
        offset = np.nanmedian(chunk.samples_uv, axis=0) if len(recordings) > 1 else 0.0
        samples.append(chunk.samples_uv - np.nan_to_num(offset))
        starts_s.append(starts_s[-1] + len(chunk) / montage.rate_hz)
    assert montage is not None  # at least one recording is given
    names = ", ".join(path.name for _, path in recordings)
    phases: tuple[tuple[float, str], ...] = ()
    if marked:
        phases = tuple((marker.time_s, marker.label) for marker in markers)
    elif len(recordings) > 1:
        phases = tuple((start_s, label) for start_s, (label, _) in zip(starts_s, recordings, strict=False))
    if (marked or phases) and len({label for _, label in phases}) < 2:
        raise SourceError(
            f"{names} has {len({label for _, label in phases})} labelled phases, 2 at least are needed; label the "
            "recordings (open=one.edf closed=two.edf), or give one recording without --phases"
        )
    whole = np.concatenate(samples)
    chunk = Chunk(whole, np.arange(len(whole)) / montage.rate_hz, montage, tuple(markers))
    return Brain(kind, chunk, phases, names)


def reference(brain: Brain, config: SessionConfig) -> Reference:
    """Return what music is held against: the brain's phases; where nothing is known of any, its own feature.

    The feature is the one behind the latent position, or behind the first knob that one drives.
    """
    if brain.phases:
        starts_s, labels = zip(*brain.phases, strict=True)
        known = sorted(set(labels))
        return Reference(
            f"the phases {', '.join(known)}", True, _held(starts_s, [known.index(name) for name in labels])
        )
    # What a learned map says is no feature of the signal; the one that its knob has by default stands for it.
    knobs = assemble.control_map(declarative(config), brain.chunk.montage.names).knobs
    if not knobs:
        raise ConfigError(
            "no knob is driven by a feature, one at least is needed for a sham; see [map] in session.toml"
        )
    feature = (knobs.get("latent_mix") or next(iter(knobs.values()))).feature
    conditioner = Conditioner(brain.chunk.montage, settings=assemble.condition_settings(config))
    extractor = FeatureExtractor(brain.chunk.montage, assemble.feature_settings(config))
    frames = extractor.process(conditioner.process(brain.chunk))
    course = _held([frame.time_s for frame in frames], [frame.values.get(feature, np.nan) for frame in frames])
    return Reference(f"{feature} of the recording as it went", False, course)


def _held(times_s: Sequence[float], values: Sequence[float]) -> Callable[[float], float]:
    """Return a function that holds each value from its time to the next; NaN before the first."""

    def at(time_s: float) -> float:
        place = int(np.searchsorted(times_s, time_s + 1e-6, side="right")) - 1
        return float(values[place]) if place >= 0 else float("nan")

    return at

"""Recordings of labelled phases become feature frames by phase, through the rooms that live samples go through."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from brainmidi.condition.asr import AsrState
from brainmidi.condition.conditioner import Conditioner
from brainmidi.config import SessionConfig
from brainmidi.controls.labelled import NEUTRAL
from brainmidi.drivers import assemble
from brainmidi.drivers.phases import Recording
from brainmidi.errors import ControlError
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.types import Chunk, FeatureFrame

#: So much clean signal each phase has to give: four blocks of nearly 4 s; with fewer no test can tell chance from not.
MIN_CLEAN_S = 15.0

_APART_S = 1e5  # recordings lie so far apart on the one time line that folds and blocks are cut on
_MIN_SHARE = 0.5  # of the electrodes that are not bad has to be good in a frame that counts


@dataclass(frozen=True, slots=True)
class Heard:
    """Recordings after the rooms that live samples go through.

    Parameters
    ----------
    chunks : tuple of Chunk
        Conditioned, one for each recording.
    line_hz : float or None
        The mains frequency found in most of them.
    frames : mapping of str to tuple of FeatureFrame
        By phase: those whose window lies within it and sees enough good electrodes, on one time line.
    quality : mapping of str to float
        Each electrode's share of good samples within the phases.
    """

    chunks: tuple[Chunk, ...]
    line_hz: float | None
    frames: Mapping[str, tuple[FeatureFrame, ...]]
    quality: Mapping[str, float]


def at_rest(chunks: Sequence[Chunk], recordings: Sequence[Recording]) -> list[Chunk]:
    """Return the conditioned samples of every phase without a task, or of all phases where there is none."""
    spans = [(chunk, span) for chunk, one in zip(chunks, recordings, strict=True) for span in one.spans]
    neutral = [(chunk, span) for chunk, span in spans if span.phase in NEUTRAL] or spans
    parts = []
    for chunk, span in neutral:
        assert chunk.good is not None  # Chunk fills it at birth; this tells the type checker so
        rows = (chunk.time_s >= span.start_s) & (chunk.time_s < span.stop_s)
        parts.append(Chunk(chunk.samples_uv[rows], chunk.time_s[rows], chunk.montage, (), chunk.good[rows]))
    return parts


def hear(
    config: SessionConfig, recordings: Sequence[Recording], bad: tuple[str, ...], asr: AsrState | None = None
) -> Heard:
    """Run every recording through the rooms that live samples go through.

    Parameters
    ----------
    config : SessionConfig
    recordings : sequence of Recording
        Of one montage.
    bad : tuple of str
        Electrodes to leave out.
    asr : AsrState, optional
        What artifact subspace reconstruction goes by.
    """
    condition = replace(assemble.condition_settings(config), bad=bad, asr=asr)
    features = assemble.feature_settings(config)
    names = recordings[0].chunk.montage.names
    chunks, lines = [], []
    frames: dict[str, list[FeatureFrame]] = {}
    good, total = np.zeros(len(names)), 0
    for number, recording in enumerate(recordings):
        conditioner = Conditioner(recording.chunk.montage, settings=condition)
        chunk = conditioner.process(recording.chunk)
        chunks.append(chunk)
        lines.append(conditioner.line_hz)
        made = FeatureExtractor(chunk.montage, features).process(chunk)
        assert chunk.good is not None  # Chunk fills it at birth; this tells the type checker so
        for span in recording.spans:
            rows = (chunk.time_s >= span.start_s) & (chunk.time_s < span.stop_s)
            good += chunk.good[rows].sum(axis=0)
            total += int(rows.sum())
            run = frames.setdefault(span.phase, [])
            for frame in made:
                inside = span.start_s + features.window_s <= frame.time_s < span.stop_s
                if inside and frame.quality * len(names) >= _MIN_SHARE * (len(names) - len(bad)):
                    run.append(replace(frame, time_s=number * _APART_S + frame.time_s))
    share = dict(zip(names, (good / max(total, 1)).tolist(), strict=True))
    found = [line for line in lines if line is not None]
    line_hz = max(set(found), key=found.count) if found else None
    return Heard(tuple(chunks), line_hz, {phase: tuple(run) for phase, run in frames.items()}, share)


def need_clean(seconds: Mapping[str, float], bad: Sequence[str]) -> None:
    """Raise ControlError where a phase has too few `seconds` of clean signal, naming the `bad` electrodes."""
    for phase, clean_s in seconds.items():
        if clean_s < MIN_CLEAN_S:
            also = f" (bad electrodes: {', '.join(bad)})" if bad else ""
            raise ControlError(
                f"{phase} has {clean_s:.1f} s of clean signal{also}, {MIN_CLEAN_S:g} s are needed; sit still, check "
                "the electrodes and record that phase for longer"
            )

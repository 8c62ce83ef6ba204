"""A yoked control: another brain's recording plays while the person's own EEG goes along, traced but unheard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmidi.acquire.beside import Beside
from brainmidi.config import SessionConfig
from brainmidi.drivers import assemble
from brainmidi.drivers.chain import ControlLog, SignalChain
from brainmidi.drivers.personal import declarative
from brainmidi.drivers.stimuli import Stimuli, mark
from brainmidi.types import KNOBS, Bar, Chunk, Marker, Source


class OwnSignal:
    """The EEG of the person who listens: the way to controls that would have played, and what came of it.

    Parameters
    ----------
    source : Source
        The person's device.
    chain : SignalChain
        From its samples to controls.
    note : str
        What the other brain had to do without, in words.
    stimuli : Stimuli or None
        Makes markers of the oddball's notes, which this person hears; the device's own are then left out.
    """

    def __init__(self, source: Source, chain: SignalChain, note: str = "", stimuli: Stimuli | None = None) -> None:
        self.source = source
        self.chain = chain
        self.stimuli = stimuli
        self._note = note
        self._base_s = 0.0
        self._log = ControlLog()
        self._stream_s = 0.0
        self._knobs: dict[str, list[float]] = {name: [] for name in KNOBS}

    def take(self, chunk: Chunk, base_s: float) -> None:
        """Take in samples whose time 0 lay at `base_s` of the music's sample time."""
        self._base_s = base_s
        self._stream_s = float(chunk.time_s[-1])
        if self.stimuli is not None:
            chunk = replace(chunk, markers=())
        self._log.extend(replace(frame, time_s=frame.time_s + base_s) for frame in self.chain.process(chunk))

    def mark(self, markers: Iterable[Marker]) -> None:
        """Take in stimuli, in the music's sample time; a recording of the own EEG gets them too."""
        mark(self.source, self.chain, [Marker(one.time_s - self._base_s, one.label) for one in markers])

    def line(self, bar: Bar) -> dict[str, Any]:
        """Return what a line of the trace says about the own EEG, at the moment of the bar's controls."""
        frame = self._log.newest(bar.controls.time_s)
        for name, values in self._knobs.items():
            values.append(frame.knobs[name])
        return {
            "features": {name: round(value, 4) for name, value in frame.features.items()},
            "knobs": {name: round(frame.knobs[name], 4) for name in KNOBS},
            "confidence": round(frame.confidence, 4),
        }

    def text(self) -> str:
        """Return the own EEG in a line for the summary."""
        kind = "simulated, not a person" if self.source.simulated else "EEG"
        usable = f"{100 * self.chain.quality.share:.0f} % of channels usable"
        medians = ", ".join(f"{name} {np.median(values):.2f}" for name, values in self._knobs.items() if values)
        would = f"; would have turned the knobs to {medians}" if medians else ""
        return f"{self.source.name}, {kind}, {self._stream_s:.1f} s, {usable}{would}{self._note}"


def yoke(
    config: SessionConfig, source: Source, recording: Path, profile: Path | None = None
) -> tuple[SessionConfig, Source, OwnSignal, float]:
    """Let `recording` play in place of `source`, which goes along.

    Parameters
    ----------
    config : SessionConfig
        The person's settings: ``[baseline]`` is what the own EEG is measured against.
    source : Source
        The person's own.
    recording : Path
        Of the other brain.
    profile : Path or None
        What the other brain is measured against; the recording's first seconds by default. Without one it has no
        learned map either, and knobs that ask for it have their default rule.

    Returns
    -------
    config : SessionConfig
        For what plays.
    source : Source
        What plays, with the own source beside it.
    own : OwnSignal
        What becomes of the own EEG.
    rest_s : float
        Seconds of rest that the own EEG needs before the music starts.
    """
    rest = assemble.choose_rest(config, source)
    chain = assemble.make_chain(config, source, rest)
    playing = declarative(config) if profile is None else config
    note = (
        "; the learned map is yours: the other brain's knobs followed their usual features" if playing != config else ""
    )
    own = OwnSignal(source, chain, note, assemble.stimuli_of(config, source))
    playing = playing.model_copy(
        update={
            "source": config.source.model_copy(update={"name": str(recording)}),
            "baseline": config.baseline.model_copy(
                update={"seconds": 0.0, "recording": "", "profile": "" if profile is None else str(profile)}
            ),
        }
    )
    return playing, Beside(assemble.open_file(recording, playing), source, own.take), own, rest.seconds

"""``brainmidi score``: a recording becomes a score, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from brainmidi.acquire.pump import Pump
from brainmidi.acquire.recorder import Recorded
from brainmidi.acquire.watch import Watch
from brainmidi.config import SessionConfig
from brainmidi.drivers import assemble
from brainmidi.drivers.anchors import settled
from brainmidi.drivers.chain import TOLERANCE_S, ControlLog, SignalChain
from brainmidi.drivers.chosen import chosen_checkpoints
from brainmidi.drivers.composer import Composer
from brainmidi.drivers.stimuli import Stimuli, mark
from brainmidi.drivers.take import OnBar, Take, TakeFiles, TakeKeeper
from brainmidi.drivers.trace import Summary, Timing, anchor_changes, knob_medians, mean_mix
from brainmidi.drivers.wiring import part_channels
from brainmidi.errors import ModelError, SourceError
from brainmidi.midi.clock import MonotonicClock, VirtualClock
from brainmidi.music.phrase import Anchor
from brainmidi.music.voices import Voices
from brainmidi.session import Session, SessionSetup
from brainmidi.types import Bar, Chunk, ControlFrame, Marker, Source

if TYPE_CHECKING:
    from brainmidi.drivers.yoked import OwnSignal

#: Makes the voices of the parts that play; the models load when it is called.
VoiceLoader = Callable[[], Voices]


def make_session(
    setup: SessionSetup,
    parts: Collection[str],
    load: VoiceLoader | None = None,
    threads: int | None = None,
    checkpoints: Mapping[str, Path] | None = None,
) -> Session:
    """Return the session of `parts` with their voices.

    Parameters
    ----------
    setup : SessionSetup
        What is settled; seeds among its anchors are decoded here.
    parts : collection of str
        Those that play; the voices of others keep silent.
    load : callable, optional
        Makes the voices; the models are loaded by default.
    threads : int, optional
        Cores for the models; as many as TensorFlow likes by default.
    checkpoints : mapping of str to Path, optional
        Folders in place of shipped checkpoints, by model.

    Raises
    ------
    ModelError
        If a part has no voice.
    """
    if load is None:
        from brainmidi.drivers.voices import load_voices

        load = partial(load_voices, parts, checkpoints=checkpoints, threads=threads, style=setup.style)
    voices = Voices(*load())
    for part in parts:
        if getattr(voices, part) is None:
            raise ModelError(f"part {part} has no voice, one is needed; load its model or leave {part} out of parts")
    bass, drums = (getattr(voices, part) if part in parts else None for part in ("bass", "drums"))
    return Session(settled(setup, voices), voices.melody, voices.accompaniment, bass, drums)


@dataclass(frozen=True, slots=True)
class Signal:
    """A source with its way to controls, and when the music starts on it.

    Parameters
    ----------
    source : Source
        Where EEG comes from.
    chain : SignalChain
        From samples to controls.
    start_s : float
        Sample time of the first beat.
    baseline : str
        What the knobs are measured against, in words.
    own : OwnSignal or None
        The EEG of the person who listens, where `source` is another brain's recording.
    stimuli : Stimuli or None
        Makes markers of the oddball's notes, where there is one and the person at the device hears it. Markers that
        come with the samples are then left out: stimuli have one origin at a time.
    """

    source: Source
    chain: SignalChain
    start_s: float
    baseline: str
    own: OwnSignal | None = None
    stimuli: Stimuli | None = None

    def plan(self, bar: Bar, time_s: Callable[[Fraction], float]) -> None:
        """Mark the stimuli of a bar that will sound as planned; `time_s` says at what sample time a beat falls."""
        if self.stimuli is not None:
            self.mark(self.stimuli.planned(bar, time_s))

    def mark(self, markers: Iterable[Marker]) -> None:
        """Take in stimuli, in sample time: they are answered by whoever listens."""
        if self.own is not None:
            self.own.mark(markers)
        else:
            mark(self.source, self.chain, markers)

    def process(self, chunk: Chunk) -> list[ControlFrame]:
        """Return the control frames that became due with `chunk`."""
        return self.chain.process(chunk if self.stimuli is None or self.own is not None else replace(chunk, markers=()))

    @property
    def device(self) -> Watch | None:
        """The device whose signal may be lost; None where there is none."""
        return assemble.device_of(self._personal)

    @property
    def recordings(self) -> tuple[str, ...]:
        """What has been written of the EEG, in words."""
        source = self._personal
        return tuple(source.files) if isinstance(source, Recorded) else ()

    @property
    def _personal(self) -> Source:
        return self.source if self.own is None else self.own.source

    def line(self, bar: Bar) -> dict[str, Any]:
        """Return what a line of the trace says about the signal since the line before; `bar` has just ended."""
        epochs = [
            {
                "time_s": round(one.time_s, 4),
                "label": one.label,
                "score": None if one.score is None else round(one.score, 4),
                "rejected": one.rejected,
            }
            for one in self.chain.new_epochs(bar.controls.time_s)
        ]
        told: dict[str, Any] = {"epochs": epochs} if epochs else {}
        if self.device is not None:
            told["signal"] = self.device.log.report()
        if self.own is not None:
            told |= {"yoked": self.source.name, "own": self.own.line(bar)}
        return told


def prepare(config: SessionConfig, source: Source) -> Signal:
    """Return `source` with the chain, baseline and start that `config` asks for."""
    rest = assemble.choose_rest(config, source)
    start_s = assemble.start_of_music(config, source, rest)
    chain = assemble.make_chain(config, source, rest)
    return Signal(source, chain, start_s, rest.text, stimuli=assemble.stimuli_of(config, source))


def score(
    config: SessionConfig,
    recording: Path,
    files: TakeFiles,
    *,
    on_bar: OnBar | None = None,
    save_baseline: Path | None = None,
    voices: VoiceLoader | None = None,
    anchors: tuple[Anchor, ...] | None = None,
    bass_anchors: tuple[Anchor, ...] | None = None,
    drum_anchors: tuple[Anchor, ...] | None = None,
) -> Take:
    """Turn a recording into a take, and save it.

    Parameters
    ----------
    config : SessionConfig
        All settings; its ``[source]`` says no more than which board made a BrainFlow csv.
    recording : Path
        EEG file.
    files : TakeFiles
        Where the take goes.
    on_bar : callable or None
        Told of every bar.
    save_baseline : Path or None
        Where the baseline goes.
    voices : callable or None
        Makes the voices of ``[session] parts``; those of ``[models]`` by default.
    anchors, bass_anchors, drum_anchors : tuple of Anchor or None
        Of the melody, and of bass and drums where they play; the shipped ones by default.

    Returns
    -------
    Take
        Bars and figures.
    """
    checkpoints = chosen_checkpoints(config)
    setup = assemble.session_setup(config, anchors, bass_anchors=bass_anchors, drum_anchors=drum_anchors)
    signal = prepare(config, assemble.open_file(recording, config))
    keeper = TakeKeeper(
        files,
        metre=str(setup.metre),
        key=setup.key,
        channels=part_channels(config),
        on_bar=on_bar,
        autosave=False,
        more=signal.line,
    )
    with keeper:
        session = make_session(setup, config.session.parts, voices, checkpoints=checkpoints)
        clock = MonotonicClock()
        began_s = clock.now_s()
        take = score_signal(signal, session, keeper)
        take = replace(take, summary=replace(take.summary, scoring_s=clock.now_s() - began_s))
    if save_baseline is not None and signal.chain.baseline is not None:
        signal.chain.baseline.save(save_baseline)
    return take


def score_signal(signal: Signal, session: Session, keeper: TakeKeeper) -> Take:
    """Compose every bar that the stream of `signal` has room for.

    Raises
    ------
    SourceError
        The stream ends before the music starts, or neither stream nor set-up says when to stop.
    """
    log = ControlLog()
    duration_s = assemble.duration_of(signal.source)
    if duration_s is None and session.setup.bars is None:
        raise SourceError(f"{signal.source.name} has no end; say how many bars to score with --bars")
    stream_s = 0.0

    def take_in(chunk: Chunk) -> None:
        nonlocal stream_s
        stream_s = float(chunk.time_s[-1])
        log.extend(signal.process(chunk))

    latency_s = signal.chain.latency_s
    composer = Composer(session, log, start_s=signal.start_s, duration_s=duration_s, latency_s=latency_s)
    bars: list[Bar] = []
    with Pump(signal.source, VirtualClock(), take_in) as pump:
        try:
            while not composer.finished:
                pump.advance_to(composer.due_s + TOLERANCE_S)
                if not bars:
                    check_reached_music(signal, stream_s)
                bar = composer.compose(ended=pump.ended)
                bars.append(bar)
                signal.plan(bar, composer.time_s)
                keeper.begun(bar, composer.time_s(bar.start))
        except BaseException:
            if bars:
                keeper.save_what_there_is()
            raise
        if duration_s is not None:
            pump.advance_to(float("inf"))  # the figures, above all the ERP, are those of the whole recording
    names = keeper.close(bars, bars[-1].end)
    ended = "as many bars as asked for" if session.is_last(bars[-1].index) else "to the recording's end"
    return finished_take(signal, session, tuple(bars), bars[-1].end, composer, stream_s, None, ended, names)


def check_reached_music(signal: Signal, stream_s: float) -> None:
    """Raise :class:`SourceError` where the stream, read up to the start of the music, ended before it."""
    if stream_s + 2 / signal.source.montage.rate_hz < signal.start_s:
        raise SourceError(
            f"{signal.source.name} ended after {stream_s:.1f} s, more than {signal.start_s:.1f} s are needed; "
            "choose a longer recording or a shorter --baseline"
        )


def finished_take(
    signal: Signal,
    session: Session,
    bars: tuple[Bar, ...],
    end_beat: Fraction,
    composer: Composer,
    stream_s: float,
    timing: Timing | None,
    ended: str,
    files: tuple[str, ...],
) -> Take:
    """Return the take of `bars` with its figures."""
    summary = Summary(
        source=signal.source.name,
        simulated=signal.source.simulated,
        baseline=signal.baseline,
        bars=len(bars),
        music_s=composer.time_s(end_beat) - composer.start_s,
        stream_s=stream_s,
        quality=signal.chain.quality,
        knob_medians=knob_medians(bars),
        latent_mix_mean=mean_mix(bars),
        anchors=anchor_changes(bars),
        erp=signal.chain.erp,
        undriven=signal.chain.undriven,
        anchor_steps=bars[-1].controls.anchor_steps if bars else 0,
        timing=timing,
        ended=ended,
        files=(*files, *signal.recordings),
        signal="" if signal.device is None else signal.device.log.text(),
        own="" if signal.own is None else signal.own.text(),
        classifier=signal.chain.classifier,
        unheard=session.setup.oddball is not None and signal.stimuli is None,
    )
    return Take(bars, end_beat, str(session.setup.metre), str(session.setup.key), summary)

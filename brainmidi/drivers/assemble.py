"""From a checked configuration to the rooms' own settings."""

from __future__ import annotations

import difflib
from dataclasses import dataclass, replace
from pathlib import Path

from brainmidi.acquire.lsl import is_lsl
from brainmidi.acquire.pump import Pump
from brainmidi.acquire.recorder import Recorded
from brainmidi.acquire.recording import SUFFIXES
from brainmidi.acquire.watch import Watch
from brainmidi.condition.asr import AsrState, Reconstruction, fit_asr
from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.condition.gate import GateLimits
from brainmidi.config import SessionConfig
from brainmidi.controls.baseline import UNRESTING, Baseline, demo_baseline, fit_baseline
from brainmidi.controls.mapping import LEARNED, ControlMap, EventRule, KnobRule
from brainmidi.controls.profile import Profile
from brainmidi.drivers.anchors import anchors_of
from brainmidi.drivers.chain import SignalChain
from brainmidi.drivers.personal import classifier_for, conditioned_for, learned_for, read_profile
from brainmidi.drivers.stimuli import Stimuli
from brainmidi.errors import ConfigError, SourceError
from brainmidi.features.settings import ErpSettings, FeatureSettings, electrode_of, feature_names
from brainmidi.music.ensemble import Dynamics, PartRange
from brainmidi.music.harmony import Key, Metre, Progression
from brainmidi.music.oddball import Oddball
from brainmidi.music.phrase import Anchor
from brainmidi.music.setup import default_ranges
from brainmidi.session import SessionSetup
from brainmidi.types import Chunk, Clock, FeatureFrame, Source

#: Seconds of rest that a person or a recording is given where no baseline is named; a quarter of a short
#: recording, but 4 s and the window with 2 s more at least.
REST_S = 10.0
DEMO_REST_S = 60.0


def is_recording(name: str) -> bool:
    """Return whether a source's name means a file: it has a folder or a recording's suffix in it."""
    path = Path(name)
    if is_lsl(name):
        return False
    return path.suffix.lower() in SUFFIXES or len(path.parts) > 1 or path.is_file()


def open_any_source(config: SessionConfig, clock: Clock) -> Source:
    """Return the source that ``[source]`` names: a board, the simulated brain, or a recording by its path."""
    if is_recording(config.source.name):
        return open_file(Path(config.source.name), config)
    if config.source.board:
        raise ConfigError(
            f"--board {config.source.board} says which board made a recording, source {config.source.name} is none; "
            f"play from that board with --source {config.source.board}, or leave --board out"
        )
    from brainmidi.acquire.registry import open_source

    return open_source(
        config.source.name,
        clock=clock,
        options=config.source.options(),
        seed=config.session.seed,
        markers=config.source.markers,
        give_up_s=config.source.give_up_s,
    )


def open_file(path: Path, config: SessionConfig) -> Source:
    """Return a recording as a source; `config` may say which board made it, by ``board`` or as its own source."""
    from brainmidi.acquire.recording import open_recording

    source = config.source
    own = None if source.name == "demo" or is_recording(source.name) else source.name
    return open_recording(path, board=source.board or own)


def device_of(source: Source) -> Watch | None:
    """Return the device that `source` is, whose signal may be lost; None where it is none."""
    inner = source.source if isinstance(source, Recorded) else source
    return inner if isinstance(inner, Watch) else None


def duration_of(source: Source) -> float | None:
    """Return how long `source` lasts in seconds, None where it does not know."""
    duration_s: float | None = getattr(source, "duration_s", None)
    return duration_s


def condition_settings(config: SessionConfig) -> ConditionSettings:
    """Return what ``[signal]`` says about filters and reference."""
    signal = config.signal
    return ConditionSettings(
        high_pass_hz=signal.high_pass_hz,
        low_pass_hz=signal.low_pass_hz,
        reference=signal.reference,
        line=signal.line,
        limits=GateLimits(amplitude_uv=signal.amplitude_uv),
    )


def feature_settings(config: SessionConfig) -> FeatureSettings:
    """Return what ``[signal]`` and ``[erp]`` say about features."""
    signal, erp = config.signal, config.erp
    return FeatureSettings(
        window_s=signal.window_s,
        segment_s=min(1.0, signal.window_s),
        bands=signal.bands,
        min_good=signal.min_good,
        erp=ErpSettings(
            target=frozenset(erp.target),
            nontarget=frozenset(erp.nontarget),
            epoch_s=erp.epoch_s,
            response_s=erp.response_s,
            average_n=erp.average_n,
            min_n=erp.min_n,
            score_n=erp.score_n,
            channels=erp.channels,
            polarity=erp.polarity,
            reject_uv=erp.reject_uv,
            latency_s=erp.latency_s,
        ),
    )


def control_map(config: SessionConfig, electrodes: tuple[str, ...] | None = None) -> ControlMap:
    """Return what ``[map]`` and ``[on]`` say; the features of ``[cc]`` are checked with theirs.

    Parameters
    ----------
    config : SessionConfig
    electrodes : tuple of str, optional
        The source's channels, once it is open; before, any electrode's name is believed.

    Raises
    ------
    ConfigError
        A feature is none that the signal gives, or a knob's is one that has no rest to be measured against.
    """
    settings = feature_settings(config)
    names = feature_names(settings)
    resting = tuple(name for name in names if not name.startswith(UNRESTING))
    tables = config.map.knobs()
    # A learned map is no feature of the signal; whether there is one is known once the profile is.
    used = [(f"map.{name}", table.feature, resting) for name, table in tables.items() if table.feature != LEARNED]
    used += [(f"on.{name}", event.feature, names) for name, event in config.on.items()]
    used += [(f"cc.{name}", table.feature, names) for name, table in config.cc.items() if table.feature]
    for table, feature, known in used:
        if feature == LEARNED:
            raise ConfigError(
                f"{config.file}: [{table}] feature = {feature!r} is a position for knobs and no feature of the signal; "
                "give it to a knob in [map], and here a feature, or in [cc] that knob"
            )
        electrode = electrode_of(feature, settings)
        if electrode is not None and feature not in names:
            if electrodes is not None and electrode not in electrodes:
                raise ConfigError(
                    f"{config.file}: [{table}] feature = {feature!r} asks for an electrode that the source lacks; "
                    f"known are {', '.join(known)}, and a band of one of {', '.join(electrodes)}; correct it"
                )
        elif feature not in names:
            raise ConfigError(
                f"{config.file}: [{table}] feature = {feature!r} is unknown{_nearest(feature, known)}; known are "
                f"{', '.join(known)}, and a band of one electrode, such as alpha.O1; correct it"
            )
        elif feature not in known:
            raise ConfigError(
                f"{config.file}: [{table}] feature = {feature!r} has no rest to turn a knob from; watch it in "
                "[on.<name>], and give the knob a band, such as alpha.posterior, alpha.peak or engagement"
            )
    return ControlMap(
        knobs={name: KnobRule(t.feature, invert=t.invert, low=t.low, high=t.high) for name, t in tables.items()},
        events=tuple(
            EventRule(event.feature, event.threshold, event.action, event.refractory_s, event.hysteresis)
            for event in config.on.values()
            if event.action != "none"
        ),
        time_constant_s=config.map.time_constant_s,
    )


def _nearest(name: str, known: tuple[str, ...]) -> str:
    """Return the known name that is most like `name`, as a question; nothing where none is."""
    near = difflib.get_close_matches(name, known, n=1)
    return f", did you mean {near[0]}?" if near else ""


def session_setup(
    config: SessionConfig,
    anchors: tuple[Anchor, ...] | None = None,
    *,
    bass_anchors: tuple[Anchor, ...] | None = None,
    drum_anchors: tuple[Anchor, ...] | None = None,
) -> SessionSetup:
    """Return what ``[session]``, ``[range]``, ``[parts]`` and ``[anchors]`` say about the music."""
    session, spans = config.session, config.range
    key = Key.parse(session.key)
    given = {"melody": anchors, "bass": bass_anchors, "drums": drum_anchors}
    playing = {
        part: anchors_of(config, part) if own is None else own for part, own in given.items() if part in session.parts
    }
    return SessionSetup(
        key=key,
        metre=Metre.parse(session.metre),
        progression=Progression.parse(session.chords, key),
        anchors=playing["melody"],
        tempo_bpm=session.tempo_bpm,
        tempo_span=spans.tempo_percent / 100,
        seed=session.seed,
        bars=session.bars,
        ranges=part_ranges(config),
        temperature=spans.temperature,
        dynamics=Dynamics(*spans.velocity),
        register_semitones=spans.register_semitones,
        bass_anchors=playing.get("bass", ()),
        drum_anchors=playing.get("drums", ()),
        groove=config.parts.drums.groove,
        harmony=config.parts.accompaniment.harmony,
        style=config.parts.accompaniment.style,
        oddball=oddball_of(config),
    )


def oddball_of(config: SessionConfig) -> Oddball | None:
    """Return what ``[oddball]`` says; None where it is off."""
    table = config.oddball
    return Oddball(table.every, table.share, table.velocity) if table.on else None


def stimuli_of(config: SessionConfig, source: Source) -> Stimuli | None:
    """Return what makes markers of the oddball's notes; None where it is off, or nobody of `source` hears them.

    Neither the brain of a recording nor a simulated one answers what is played now.
    """
    hears = device_of(source) is not None and not source.simulated and config.source.name != "playback_file"
    return Stimuli(Key.parse(config.session.key), config.oddball.latency_s) if config.oddball.on and hears else None


def part_ranges(config: SessionConfig) -> dict[str, PartRange]:
    """Return the range of every pitched part; an end that ``[parts]`` leaves open depends on who else plays."""
    ranges = {}
    for part, usual in default_ranges(config.session.parts).items():
        table = getattr(config.parts, part)
        low = min(usual.low, table.high - 12) if table.low is None else table.low
        ranges[part] = PartRange(low, table.high)
    return ranges


@dataclass(frozen=True, slots=True)
class Rest:
    """What the knobs are measured against.

    Parameters
    ----------
    baseline : Baseline or None
        A profile, or None to learn one from the stream's beginning.
    seconds : float
        How much of the stream's beginning is rest; 0 with a profile.
    text : str
        In words, for the summary.
    profile : Profile or None
        What the baseline is a part of: bad electrodes, mains, classifier and learned map come with it.
    asr : AsrState or None
        What artifact subspace reconstruction goes by where ``[signal] asr`` asks for it; a profile has its own.
    """

    baseline: Baseline | None
    seconds: float
    text: str
    profile: Profile | None = None
    asr: AsrState | None = None


def choose_rest(config: SessionConfig, source: Source) -> Rest:
    """Return the baseline that ``[baseline]`` asks for, or the sensible one where it asks for none.

    None is asked for: the simulated brain has its shipped profile; a board or a recording gives its first
    :data:`REST_S` seconds (of a short recording a quarter), before the music starts.
    """
    wanted = config.baseline
    if wanted.profile:
        baseline, profile, text = read_profile(Path(wanted.profile), config, source.montage)
        return Rest(baseline, 0.0, text, profile)
    if wanted.recording:
        path = Path(wanted.recording)
        baseline, asr = fit_to_source(config, open_file(path, config), path.name)
        return Rest(baseline, 0.0, f"recording {wanted.recording}, {baseline.n_frames} frames", asr=asr)
    if wanted.seconds > 0:
        return Rest(None, wanted.seconds, f"the first {wanted.seconds:g} s of the stream")
    if config.source.name == "demo" and source.simulated:
        return demo_rest(config)
    duration_s = duration_of(source)
    seconds = REST_S if duration_s is None else min(REST_S, max(4.0, duration_s / 4))
    seconds = max(seconds, config.signal.window_s + 2.0)
    return Rest(
        None, seconds, f"the first {seconds:g} s of the stream, as no baseline was named (--baseline, --baseline-from)"
    )


def demo_rest(config: SessionConfig) -> Rest:
    """Return the rest of the simulated brain: the shipped profile, or a new one where ``[signal]`` is not the default.

    A profile holds for the bands, windows and filters that it was made with.
    """
    features = replace(feature_settings(config), erp=ErpSettings())
    usual = condition_settings(config) == ConditionSettings() and not config.signal.asr
    if usual and features == FeatureSettings():
        return Rest(demo_baseline(), 0.0, "shipped profile of the simulated brain")
    from brainmidi.acquire.demo import DemoSource

    source = DemoSource(scenario="rest", duration_s=DEMO_REST_S)
    baseline, asr = fit_to_source(config, source, "simulated brain at rest")
    text = f"simulated brain at rest for {DEMO_REST_S:g} s, as [signal] is not the default"
    return Rest(baseline, 0.0, text, asr=asr)


def fit_to_source(config: SessionConfig, source: Source, name: str) -> tuple[Baseline, AsrState | None]:
    """Return the baseline of everything that `source` gives, and what ASR needs where ``[signal] asr`` asks for it.

    `name` is what the baseline's file will say was recorded.
    """
    from brainmidi.condition.conditioner import Conditioner
    from brainmidi.features.extractor import FeatureExtractor
    from brainmidi.midi.clock import VirtualClock

    conditioner = Conditioner(source.montage, settings=condition_settings(config))
    extractor = FeatureExtractor(source.montage, feature_settings(config))
    chunks: list[Chunk] = []

    def take(chunk: Chunk) -> None:
        chunks.append(conditioner.process(chunk))

    with Pump(source, VirtualClock(), take) as pump:
        pump.advance_to(float("inf"))
    asr = None
    if config.signal.asr:
        asr = fit_asr(chunks, cutoff=config.signal.asr_cutoff)
        reconstruction = Reconstruction(asr, source.montage)
        chunks = [reconstruction.process(chunk) for chunk in chunks]
    frames: list[FeatureFrame] = [frame for chunk in chunks for frame in extractor.process(chunk)]
    return fit_baseline(frames, source=name), asr


def make_chain(config: SessionConfig, source: Source, rest: Rest) -> SignalChain:
    """Return the way from samples of `source` to controls.

    Raises
    ------
    ConfigError
        Artifact subspace reconstruction is asked for, and there is no rest that it was calibrated on.
    """
    condition = conditioned_for(replace(condition_settings(config), asr=rest.asr), rest.profile)
    if config.signal.asr and condition.asr is None:
        raise ConfigError(
            f"{config.file}: [signal] asr = true needs a rest that it was calibrated on; run brainmidi calibrate and "
            "name its file with --baseline-profile, or a recording made at rest with --baseline-from"
        )
    return SignalChain(
        source.montage,
        condition=condition,
        features=feature_settings(config),
        control_map=replace(control_map(config, source.montage.names), learned=learned_for(config, rest.profile)),
        baseline=rest.baseline,
        rest_s=rest.seconds,
        classifier=classifier_for(rest.profile),
        patient=device_of(source) is not None,
    )


def start_of_music(config: SessionConfig, source: Source, rest: Rest) -> float:
    """Return the sample time of the first beat, in seconds: after the lead-in and after the rest.

    Raises
    ------
    SourceError
        A recording is too short for one bar after that.
    """
    start_s = max(config.session.lead_in_s, rest.seconds)
    duration_s = duration_of(source)
    bar_s = float(Metre.parse(config.session.metre).length) * 60 / config.session.tempo_bpm
    if duration_s is not None and start_s + bar_s > duration_s:
        raise SourceError(
            f"{source.name} lasts {duration_s:.1f} s, {start_s + bar_s:.1f} s are needed for one bar after "
            f"{start_s:.1f} s of lead-in and rest; choose a longer recording, a shorter --baseline or --baseline-from"
        )
    return start_s

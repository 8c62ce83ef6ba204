"""``brainmidi improv``: a person improvises. Starts the player first, and loads all that is heavy while it comes up."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from brainmidi.errors import ConfigError, MidiError, SourceError
from brainmidi.midi.clock import MonotonicClock, VirtualClock
from brainmidi.midi.link import LocalPlayer, Player, PlayerInfo, PlayerProcess

if TYPE_CHECKING:  # scipy, mne and the models' side load while the player process comes up
    from brainmidi.config import SessionConfig
    from brainmidi.drivers.offline import Signal, VoiceLoader
    from brainmidi.drivers.take import OnBar, Take, TakeFiles
    from brainmidi.music.phrase import Anchor
    from brainmidi.types import Clock

#: Told in a line of text when the signal is lost, when it is back, and of what the performer's keys did.
OnSignal = Callable[[str], None]
#: Told which port, MIDI system and priority the player got, before the music starts.
OnReady = Callable[[PlayerInfo], None]
#: Given the player while the take plays, and what gives the faders' knobs back, to let a person press keys.
Hands = Callable[[Player, Callable[[], None]], AbstractContextManager[None]]


def improvise(
    config: SessionConfig,
    files: TakeFiles,
    *,
    virtual: bool = False,
    since_s: float | None = None,
    on_ready: OnReady | None = None,
    on_bar: OnBar | None = None,
    on_signal: OnSignal | None = None,
    hands: Hands | None = None,
    save_baseline: Path | None = None,
    record: Path | None = None,
    yoked: Path | None = None,
    yoked_profile: Path | None = None,
    voices: VoiceLoader | None = None,
    anchors: tuple[Anchor, ...] | None = None,
    bass_anchors: tuple[Anchor, ...] | None = None,
    drum_anchors: tuple[Anchor, ...] | None = None,
) -> Take:
    """Play live from the source that `config` names, and save the take.

    Parameters
    ----------
    config : SessionConfig
        All settings. ``[source]`` may name a board, the simulated brain or the path of a recording.
    files : TakeFiles
        Where the take goes; the .mid is saved anew with every bar.
    virtual : bool
        Whether to use the virtual clock and no port: the same code, without waiting.
    since_s : float or None
        Time on the :class:`MonotonicClock` at which the program was started, for the time to the first note.
    on_ready : callable or None
        Told what the player got, once.
    on_bar : callable or None
        Told of every bar as it begins.
    on_signal : callable or None
        Told in a line of text when a device's signal is lost, when it is back, and of what the performer's keys did.
    hands : callable or None
        Given the player and what gives the faders' knobs back; what it returns is entered for as long as the take
        plays. Unused on the virtual clock.
    save_baseline : Path or None
        Where the baseline goes.
    record : Path or None
        A csv that the EEG of ``[source]`` is written to, raw.
    yoked : Path or None
        A recording of another brain that plays in place of ``[source]``, which goes along traced but unheard.
    yoked_profile : Path or None
        What that brain is measured against; the recording's first seconds by default.
    voices : callable or None
        Makes the voices of ``[session] parts``; those of ``[models]`` by default.
    anchors, bass_anchors, drum_anchors : tuple of Anchor or None
        Of the melody, and of bass and drums where they play; the shipped ones by default.

    Returns
    -------
    Take
        Bars as they sounded, and figures.

    Raises
    ------
    BrainmidiError
        Whatever ended the take before its time; what was played is silenced and saved first.
    """
    from brainmidi.drivers.wiring import part_channels, player_settings

    channels, settings = part_channels(config), player_settings(config)
    stage = _Stage(
        config,
        files,
        on_ready,
        on_bar,
        on_signal,
        hands,
        save_baseline,
        record,
        yoked,
        yoked_profile,
        voices,
        anchors,
        bass_anchors,
        drum_anchors,
    )
    if virtual:
        from brainmidi.midi.clockmaster import ClockSettings
        from brainmidi.midi.ports import NullOutput

        # Nobody hears a count-in there, and with it the take would not begin when the offline one does.
        settings = replace(settings, clock=ClockSettings())
        clock = VirtualClock()
        output = NullOutput("the virtual clock plays to a file alone")
        with closing(LocalPlayer(clock, output, channels=channels, settings=settings)) as player:
            return stage.perform(player, clock, virtual=True, since_s=None)
    real = MonotonicClock()
    since_s = real.now_s() if since_s is None else since_s
    with ThreadPoolExecutor(1) as helper:
        started = helper.submit(PlayerProcess.start, settings, channels=channels)
        try:
            import_module("brainmidi.drivers.performance")
        finally:
            process = started.result()
    with closing(process):
        return stage.perform(process, real, virtual=False, since_s=since_s)


@dataclass(frozen=True, slots=True)
class _Stage:
    """What a take needs besides player and clock; see :func:`improvise`."""

    config: SessionConfig
    files: TakeFiles
    on_ready: OnReady | None
    on_bar: OnBar | None
    on_signal: OnSignal | None
    hands: Hands | None
    save_baseline: Path | None
    record: Path | None
    yoked: Path | None
    yoked_profile: Path | None
    voices: VoiceLoader | None
    anchors: tuple[Anchor, ...] | None
    bass_anchors: tuple[Anchor, ...] | None
    drum_anchors: tuple[Anchor, ...] | None

    def perform(
        self, player: Player, clock: MonotonicClock | VirtualClock, *, virtual: bool, since_s: float | None
    ) -> Take:
        """Play one take on `player`."""
        from brainmidi.drivers import assemble
        from brainmidi.drivers.chosen import chosen_checkpoints
        from brainmidi.drivers.desk import Desk
        from brainmidi.drivers.offline import make_session
        from brainmidi.drivers.performance import Performance
        from brainmidi.drivers.take import TakeKeeper
        from brainmidi.drivers.wiring import fader_rules, part_channels, player_settings, sent_features

        name = self.config.source.name
        if virtual and not (name == "demo" or assemble.is_recording(name)):
            raise SourceError(
                f"source {name} has a time of its own, the virtual clock needs demo or a recording; "
                "leave out --virtual-time"
            )
        whose = self.config.clock.source
        if virtual and whose != "internal":
            raise ConfigError(
                f"[clock] source {whose} keeps a time of its own, the virtual clock waits for nobody; "
                "leave out --virtual-time, or follow no clock"
            )
        if not virtual and whose == "midi" and player.info.input is None and not self.config.midi.input:
            raise MidiError(
                f"[clock] source midi needs an input to hear the clock on, there is none ({player.info.input_reason}); "
                "name one with [midi] input, or play with --clock internal"
            )
        checkpoints = chosen_checkpoints(self.config)
        setup = assemble.session_setup(
            self.config, self.anchors, bass_anchors=self.bass_anchors, drum_anchors=self.drum_anchors
        )
        signal = self._signal(clock)
        if signal.device is not None:
            signal.device.log.tell = self.on_signal
        if self.on_ready is not None:
            self.on_ready(player.info)
        # A player without real-time priority needs a core that no model takes from it.
        threads = None if virtual or player.info.realtime else 1
        keeper = TakeKeeper(
            self.files,
            metre=str(setup.metre),
            key=setup.key,
            channels=part_channels(self.config),
            on_bar=self.on_bar,
            autosave=not virtual,
            more=signal.line,
        )
        with keeper:
            make = partial(make_session, setup, self.config.session.parts, self.voices, threads, checkpoints)
            desk = Desk(
                fader_rules(self.config),
                features=sent_features(self.config),
                capture_bars=self.config.midi.capture_bars,
                say=self.on_signal,
            )
            hands = nullcontext() if self.hands is None or virtual else self.hands(player, desk.release)
            with hands:
                take = Performance(
                    signal,
                    make,
                    player,
                    clock,
                    keeper,
                    virtual=virtual,
                    since_s=since_s,
                    desk=desk,
                    clock_settings=None if virtual else player_settings(self.config).clock,
                ).run()
        if self.save_baseline is not None and signal.chain.baseline is not None:
            signal.chain.baseline.save(self.save_baseline)
        return take

    def _signal(self, clock: Clock) -> Signal:
        """Return the signal that plays, and beside it the person's own where that is another."""
        from brainmidi.acquire.recorder import Recorded
        from brainmidi.drivers import assemble
        from brainmidi.drivers.offline import prepare
        from brainmidi.drivers.yoked import yoke

        source = assemble.open_any_source(self.config, clock)
        if self.record is not None:
            source = Recorded(source, self.record)
        if self.yoked is None:
            return prepare(self.config, source)
        config, source, own, rest_s = yoke(self.config, source, self.yoked, self.yoked_profile)
        signal = prepare(config, source)
        return replace(signal, own=own, stimuli=own.stimuli, start_s=max(signal.start_s, rest_s))

"""From a checked configuration to the player's settings: loads little, since the player starts before the rest does."""

from __future__ import annotations

from brainmidi.config import SessionConfig
from brainmidi.controls.baseline import UNRESTING
from brainmidi.drivers.faders import FaderRule
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.keys import Key
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timetable import Channel, Zone
from brainmidi.music.metre import Metre

#: A feature that goes out as a control covers so many robust z on either side of rest, unless told otherwise.
SENT_Z = 3.0


def player_settings(config: SessionConfig) -> PlayerSettings:
    """Return what ``[midi]``, ``[cc]`` and ``[clock]`` say about ports, controls, keys and time."""
    midi = config.midi
    rules = [
        ControlRule(knob, midi.cc_channel, number=number)
        for knob, number in midi.cc.model_dump(exclude_none=True).items()
    ]
    for table in config.cc.values():
        measured = table.feature and not table.feature.startswith(UNRESTING)
        low, high = (-SENT_Z, SENT_Z) if measured else (0.0, 1.0)
        rules.append(
            ControlRule(
                table.knob or table.feature,
                table.channel_of(midi.cc_channel),
                table.send,
                table.number or 0,
                table.bits,
                low if table.low is None else table.low,
                high if table.high is None else table.high,
                table.smoothing_s,
            )
        )
    return PlayerSettings(
        port=midi.port or None,
        backend=midi.backend,
        input=midi.input or None,
        network=midi.network,
        controls=tuple(rules),
        keys={action: Key(**key.model_dump()) for action, key in midi.keys.items()},
        clock=_clock_settings(config),
        marked=config.oddball.channel if config.oddball.on else 0,
    )


def _clock_settings(config: SessionConfig) -> ClockSettings:
    clock, metre = config.clock, Metre.parse(config.session.metre)
    return ClockSettings(
        source=clock.source,
        send=clock.send,
        nudge_s=clock.nudge_ms / 1000,
        count_in=clock.count_in,
        metronome=clock.metronome,
        click_channel=clock.click_channel,
        pulses=metre.pulses,
        bpm=config.session.tempo_bpm,
        bar_beats=float(metre.length),
    )


def part_channels(config: SessionConfig) -> dict[str, Channel]:
    """Return where each part plays: on its MIDI channel, or in the zone of MPE."""
    midi = config.midi
    return {part: Zone(midi.mpe_members) if part == midi.mpe_part else at for part, at in config.channels().items()}


def fader_rules(config: SessionConfig) -> dict[str, FaderRule]:
    """Return the performer's faders by the knob that they have a say in."""
    return {knob: FaderRule(**table.model_dump()) for knob, table in config.midi.faders.items()}


def sent_features(config: SessionConfig) -> tuple[str, ...]:
    """Return the features that go out as controls."""
    return tuple(dict.fromkeys(table.feature for table in config.cc.values() if table.feature))

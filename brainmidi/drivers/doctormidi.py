"""The doctor looks at MIDI: the system, ports both ways, priority, and how late messages are."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

from brainmidi.config import SessionConfig
from brainmidi.drivers.doctor import Finding
from brainmidi.drivers.wiring import player_settings
from brainmidi.midi.handover import PlayerInfo, PlayReport
from brainmidi.midi.incoming import VIRTUAL_INPUT, MidiInput
from brainmidi.midi.jackport import JackOutput
from brainmidi.midi.jitter import play_dense
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.ports import list_inputs, list_ports, open_output, place_of
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.wire import LATENESS_EDGES_MS

#: What is asked of the player, in milliseconds at the 99th percentile: with real-time priority, and without.
ASKED_MS = {True: 0.5, False: 1.0}
#: From here on a drummer hears it.
AUDIBLE_MS = 10.0

_PRIORITY_REMEDIES = {
    "linux": (
        "echo '@audio - rtprio 95' | sudo tee /etc/security/limits.d/95-audio.conf; sudo usermod -aG audio $USER; "
        "then log in again"
    ),
    "darwin": "nothing to do: close what is busy while you play",
    "win32": "nothing to do: close what is busy while you play",
}


def look_at_ports(config: SessionConfig) -> Iterator[Finding]:
    """Open the output and the input that ``[midi]`` asks for, let them go, and list what else there is."""
    midi = config.midi
    if midi.network:
        yield Finding("midi", "ok", f"port {midi.network} of the network is used; no MIDI system is needed")
        return
    output = open_output(midi.port or None, backend=midi.backend)
    try:
        if output.port is None:
            text, _, remedy = str(output.reason).rpartition("; ")
            yield Finding("midi", "problem", text, remedy)
        else:
            yield Finding("midi", "ok", f"output {output.port} opens ({output.api})")
    finally:
        output.close()
    outputs, inputs = list_ports(), list_inputs()
    if midi.input:
        place = place_of(midi.input, inputs)
        if place is None:
            known = ", ".join(inputs) or "none"
            yield Finding(
                "midi",
                "note",
                f"input {midi.input!r} is not there (there are: {known})",
                "plug it in: it is opened then",
            )
        else:
            yield Finding("midi", "ok", f"input {inputs[place]} is there")
    elif isinstance(output, JackOutput):
        yield Finding("midi", "ok", f"input {VIRTUAL_INPUT} opens with it")  # the same client's
    elif output.port is not None:
        incoming = MidiInput(None, lambda data, at_s: None, lambda text: None)
        try:
            incoming.look()
            if incoming.port is None:
                yield Finding(
                    "midi", "note", str(incoming.reason), "name an existing port: [midi] input in session.toml"
                )
            else:
                yield Finding("midi", "ok", f"input {incoming.port} opens")
        finally:
            incoming.close()
    yield Finding("midi", "ok", f"outputs there: {', '.join(outputs) or 'none'}")
    yield Finding("midi", "ok", f"inputs there: {', '.join(inputs) or 'none'}")


def look_at_timing(
    config: SessionConfig,
    seconds: float,
    tell: Callable[[float], None] | None = None,
    figures: dict[str, Any] | None = None,
) -> Iterator[Finding]:
    """Let a player play 96 messages a second to the port that ``[midi]`` asks for, and say how late they were.

    Parameters
    ----------
    config : SessionConfig
        Of its ``[midi]``, the ports and the back end; neither clock nor controls go out.
    seconds : float
        For how long.
    tell : callable, optional
        Told how many seconds have passed.
    figures : dict, optional
        The lateness is written here too, under ``"timing"``.
    """
    wanted = player_settings(config)
    ports = PlayerSettings(port=wanted.port, backend=wanted.backend, input=wanted.input, network=wanted.network)
    with PlayerProcess.start(ports) as player:
        info = player.info
        yield priority(info)
        report = play_dense(player, seconds, tell)
    if figures is not None:
        figures["timing"] = {
            "port": info.port,
            "realtime": info.realtime,
            "events": len(report.sent_events),
            "p50_ms": report.lateness_p50_ms,
            "p99_ms": report.lateness_p99_ms,
            "max_ms": report.lateness_max_ms,
            "edges_ms": list(LATENESS_EDGES_MS),
            "counts": list(report.lateness_counts),
        }
    yield lateness(report, info)


def priority(info: PlayerInfo) -> Finding:
    """Say whether the system runs the player before everything else."""
    if info.realtime:
        return Finding("timing", "ok", f"the player has real-time priority ({info.realtime_detail})")
    remedy = _PRIORITY_REMEDIES.get(sys.platform, _PRIORITY_REMEDIES["linux"])
    return Finding("timing", "note", f"the player has no real-time priority: {info.realtime_detail}", remedy)


def lateness(report: PlayReport, info: PlayerInfo) -> Finding:
    """Say how late messages were handed to the MIDI system, against what is asked."""
    p99_ms, asked_ms = report.lateness_p99_ms, ASKED_MS[info.realtime]
    text = (
        f"{len(report.sent_events)} messages to {info.port or 'no port'}: "
        f"p50 {report.lateness_p50_ms:.2f}, p99 {p99_ms:.2f}, "
        f"max {report.lateness_max_ms:.2f} ms late; p99 should be {asked_ms:g} ms at most"
    )
    if p99_ms <= asked_ms:
        return Finding("timing", "ok", text)
    remedy = "close what is busy; on a laptop plug it in and choose the performance profile"
    return Finding("timing", "note" if p99_ms < AUDIBLE_MS else "problem", text, remedy)

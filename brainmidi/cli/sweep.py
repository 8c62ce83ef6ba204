"""``brainmidi sweep``: one control moves up and down, for a DAW's "MIDI learn"."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from math import inf
from types import FrameType
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from brainmidi.errors import ConfigError

if TYPE_CHECKING:
    from brainmidi.midi.controls_out import ControlRule


def sweep(
    cc: Annotated[int | None, typer.Option(metavar="N", help="A controller, 0..119.")] = None,
    nrpn: Annotated[int | None, typer.Option(metavar="N", help="A parameter, 0..16383.")] = None,
    bend: Annotated[bool, typer.Option("--bend", help="Pitch bend.")] = False,
    pressure: Annotated[bool, typer.Option("--pressure", help="Channel pressure.")] = False,
    bits: Annotated[int, typer.Option(metavar="N", help="7 or 14, of a controller or a parameter.")] = 7,
    channel: Annotated[int, typer.Option(metavar="N", help="MIDI channel, 1..16.")] = 16,
    seconds: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="For how long, 1..600. [default: until Ctrl-C]")
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for Enter before it moves, where there is a terminal.")] = True,
    port: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Part of an existing port's name. [default: open brainmidi:out]"),
    ] = None,
    network: Annotated[int, typer.Option(metavar="N", help="Send to network port 1..20 instead.")] = 0,
) -> None:
    """Move one control up and down, and send nothing else: press your DAW's "MIDI learn" while it moves.

    The port is there before the control moves, so that it can be connected first. Ctrl-C leaves the control at rest.
    """
    rule = _rule(cc, nrpn, bend, pressure, bits, channel)
    if seconds is not None and not 1.0 <= seconds <= 600.0:
        raise ConfigError(f"--seconds {seconds:g} is outside 1..600; choose one in between")
    if port is not None and network:
        raise ConfigError("--port and --network exclude each other, one way out is needed; leave one of them out")

    from brainmidi.midi.clock import MonotonicClock
    from brainmidi.midi.network import NetworkPort
    from brainmidi.midi.ports import open_output
    from brainmidi.midi.sweep import sweep as move

    with closing(NetworkPort(network) if network else open_output(port)) as output:
        if output.port is None:
            raise ConfigError(f"there is no port to sweep on: {output.reason}")
        with suppress(KeyboardInterrupt), _interrupted():
            if wait and sys.stdin is not None and sys.stdin.isatty():
                typer.echo(f"{output.port} is there: connect it, put your DAW into MIDI learn, then press Enter here")
                sys.stdin.readline()
            how_long = "until Ctrl-C" if seconds is None else f"for {seconds:g} s"
            typer.echo(f"{_words(rule)} moves on {output.port}, channel {channel}, {how_long}")
            move(rule, inf if seconds is None else seconds, output, MonotonicClock())
    with suppress(OSError):  # the terminal may have gone
        typer.echo("the control is at rest")


@contextmanager
def _interrupted() -> Iterator[None]:
    """Take SIGTERM, SIGHUP and Windows' Ctrl-Break as Ctrl-C: whoever ends us finds the control at rest."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    taken = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP", "SIGBREAK") if hasattr(signal, name)]
    before = {number: signal.signal(number, interrupt) for number in taken}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _rule(cc: int | None, nrpn: int | None, bend: bool, pressure: bool, bits: int, channel: int) -> ControlRule:
    from brainmidi.midi.controls_out import ControlRule

    named = {"--cc": cc is not None, "--nrpn": nrpn is not None, "--bend": bend, "--pressure": pressure}
    if sum(named.values()) != 1:
        given = ", ".join(option for option, is_given in named.items() if is_given) or "none"
        raise ConfigError(f"one of {', '.join(named)} is needed, {given} given; say --cc 21")
    if bits not in (7, 14):
        raise ConfigError(f"--bits {bits} is not allowed, 7 or 14 are; leave it out for 7")
    if not 1 <= channel <= 16:
        raise ConfigError(f"--channel {channel} is outside 1..16; choose one in between")
    if (bend or pressure) and bits == 14:
        option = "--bend" if bend else "--pressure"
        raise ConfigError(f"--bits 14 has no meaning with {option}, a bend has 14 and pressure 7; leave out --bits")
    if bend or pressure:
        return ControlRule("sweep", channel, "bend" if bend else "pressure")
    if nrpn is not None:
        if not 0 <= nrpn <= 16383:
            raise ConfigError(f"--nrpn {nrpn} is outside 0..16383; choose one in between")
        return ControlRule("sweep", channel, "nrpn", nrpn, bits)
    number, most = cc or 0, 31 if bits == 14 else 119
    if not 0 <= number <= most:
        raise ConfigError(f"--cc {number} is outside 0..{most}, as a controller of {bits} bits has it; choose another")
    return ControlRule("sweep", channel, "cc", number, bits)


def _words(rule: ControlRule) -> str:
    names = {"cc": f"CC {rule.number}", "nrpn": f"NRPN {rule.number}", "bend": "pitch bend", "pressure": "pressure"}
    finer = f" and {rule.number + 32}" if rule.kind == "cc" and rule.bits == 14 else ""
    return names[rule.kind] + finer

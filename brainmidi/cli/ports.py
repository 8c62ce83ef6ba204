"""``brainmidi ports``: the MIDI ports that there are, both ways, and whether virtual ones can be opened."""

from __future__ import annotations

import typer


def ports() -> None:
    """List the MIDI ports that --port and [midi] input can name, and say whether brainmidi can open its own."""
    from brainmidi.midi.incoming import VIRTUAL_INPUT, MidiInput
    from brainmidi.midi.ports import VIRTUAL_NAME, list_inputs, list_ports, open_output

    output = open_output()
    try:
        if output.port is None:
            typer.echo(f"no virtual port: {output.reason}")
        elif output.port == VIRTUAL_NAME:
            typer.echo(f"{VIRTUAL_NAME}: can be opened ({output.api})")
        else:
            typer.echo(f"{VIRTUAL_NAME}: another brainmidi has it, the next is {output.port} ({output.api})")
    finally:
        output.close()
    incoming = MidiInput(None, lambda data, time_s: None, lambda line: None)
    try:
        incoming.start()
        typer.echo(f"{incoming.port}: can be opened" if incoming.port else f"{VIRTUAL_INPUT}: {incoming.reason}")
    finally:
        incoming.close()
    _list("ports to play to (--port)", list_ports())
    _list("ports to hear ([midi] input)", list_inputs())


def _list(title: str, names: list[str]) -> None:
    typer.echo(f"{title}:" if names else f"{title}: none")
    for name in names:
        typer.echo(f"  {name}")

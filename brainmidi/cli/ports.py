"""``brainmidi ports``: the MIDI ports that there are, and whether a virtual one can be opened."""

from __future__ import annotations

import typer


def ports() -> None:
    """List the MIDI ports that --port can name, and say whether brainmidi can open its own."""
    from brainmidi.midi.ports import VIRTUAL_NAME, list_ports, open_output

    output = open_output()
    try:
        if output.port is None:
            typer.echo(f"no virtual port: {output.reason}")
        else:
            typer.echo(f"{VIRTUAL_NAME}: can be opened ({output.api})")
    finally:
        output.close()
    names = list_ports()
    typer.echo("existing ports:" if names else "existing ports: none")
    for name in names:
        typer.echo(f"  {name}")

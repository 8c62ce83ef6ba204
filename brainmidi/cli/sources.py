"""``brainmidi sources``: every source by name, and what streams on the network now; connects to nothing."""

from __future__ import annotations

import typer

from brainmidi.errors import SourceError


def sources() -> None:
    """List where EEG can come from: the simulated brain, BrainFlow's boards, LSL streams, kinds of recording."""
    from brainmidi.acquire.registry import list_sources

    listed = list_sources()
    width = max(len(source.name) for source in listed)
    kind = ""
    for source in listed:
        if source.kind != kind:
            kind = source.kind
            typer.echo(f"\n{kind}" if source is not listed[0] else kind)
        options = " ".join("--" + parameter.replace("_", "-") for parameter in source.parameters)
        typer.echo(f"  {source.name:<{width}}  {source.description}{'  ' + options if options else ''}")
    typer.echo("\nLSL streams now")
    for line in _streams():
        typer.echo(f"  {line}")


def _streams() -> list[str]:
    """Return a line for every stream on the network, or one that says why there is none."""
    from brainmidi.acquire.lsl import list_streams

    try:
        streams = list_streams()
    except SourceError as error:
        return [str(error)]
    lines = []
    for stream in streams:
        rate = f"{stream.rate_hz:g} Hz" if stream.rate_hz else "irregular"
        source_id = f", source_id {stream.source_id}" if stream.source_id else ""
        what = f"{stream.type or 'no type'}, {stream.n_channels} channels, {rate}, on {stream.hostname}{source_id}"
        lines.append(f"lsl:{stream.name}  {what}")
    return lines or ["none on this network"]

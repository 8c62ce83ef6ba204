"""``brainmidi sources``: every source by name, without connecting to anything."""

from __future__ import annotations

import typer


def sources() -> None:
    """List where EEG can come from: the simulated brain, BrainFlow's boards, kinds of recording."""
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

"""``brainmidi evaluate ...``: every figure that a model card or the README quotes, and the shipped profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

evaluate_app = typer.Typer(name="evaluate", help="Make the figures that model cards and the README quote.")


@evaluate_app.callback()
def evaluate() -> None:
    """Make the figures that model cards and the README quote."""


@evaluate_app.command("demo-profile")
def demo_profile(
    out: Annotated[Path, typer.Argument(metavar="FILE", help="Where the profile goes.")],
    seconds: Annotated[float, typer.Option(metavar="SECONDS", min=10, help="Length of each recording.")] = 120.0,
) -> None:
    """Fit the rest baseline that ships for the simulated brain."""
    from brainmidi.cli.options import need_folder
    from brainmidi.evaluate.demo_profile import make_demo_profile

    need_folder("FILE", out)
    make_demo_profile(seconds).save(out)
    typer.echo(f"{out} written")

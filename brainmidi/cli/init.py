"""``brainmidi init``: write a session.toml that says everything that can be set, each line with its comment."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Annotated

import typer

from brainmidi.errors import ConfigError


def template() -> str:
    """Return the text of the commented session.toml; it parses to exactly the defaults."""
    return files("brainmidi.cli").joinpath("session.toml").read_text(encoding="utf-8")


def init(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="The file to write.")] = Path("session.toml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Write a commented session.toml with the default map."""
    try:
        with path.open("w" if force else "x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError as error:
        raise ConfigError(
            f"{path} exists, and a file is never written over unasked; give --force or another name"
        ) from error
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written ({error.strerror}), a writable folder is needed; choose another"
        ) from error
    typer.echo(f"{path} written; play with it: brainmidi improv --config {path}")

"""``brainmidi checkpoints``: what models there are, and how Magenta's are brought in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from brainmidi.models.download import Progress as Report

checkpoints_app = typer.Typer(name="checkpoints", help="List the models that there are; import Magenta's.")


@checkpoints_app.callback()
def checkpoints() -> None:
    """List the models that there are; import Magenta's."""


@checkpoints_app.command("list")
def list_all() -> None:
    """List shipped and imported checkpoints: name, kind, configuration, size, where from."""
    from brainmidi.errors import ModelError
    from brainmidi.models.checkpoint import checkpoints_root, list_checkpoints, read_config

    rows = [("name", "kind", "configuration", "size", "source")]
    for folder in list_checkpoints():
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        try:
            config = read_config(folder)
        except ModelError:
            rows.append((folder.name, "damaged", "-", _megabytes(size), str(folder)))
            continue
        shipped = folder.parent == checkpoints_root()
        source = config.get("source")
        place = source.get("place") if isinstance(source, dict) else None
        origin = "shipped" if shipped else f"imported from {place}" if place else str(folder)
        rows.append((folder.name, str(config["kind"]), str(config["name"]), _megabytes(size), origin))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        name, kind, config_name, size_text = (f"{text:<{width}}" for text, width in zip(row, widths, strict=False))
        typer.echo(f"{name}  {kind}  {config_name}  {size_text.strip():>{widths[3]}}  {row[4]}")


@checkpoints_app.command("import")
def import_one(
    source: Annotated[
        str,
        typer.Argument(
            metavar="PATH_OR_URL",
            help="A TensorFlow checkpoint (folder or prefix), a magenta.js folder, or an archive of either; or the web "
            "address of an archive or of a magenta.js folder.",
            show_default=False,
        ),
    ],
    config: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="Magenta's configuration, such as cat-mel_2bar_big or music-transformer-unconditional.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Where to; magenta_NAME among your own checkpoints by default."),
    ] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Write half precision: half as large, no longer exactly Magenta's.")
    ] = False,
) -> None:
    """Import a MusicVAE or a Music Transformer of Magenta's: every name and shape is checked, nothing is unpickled."""
    from brainmidi.models.imports import import_checkpoint

    with progress_bars() as report:
        done = import_checkpoint(source, config, out, half=half, progress=report)
    typer.echo(f"{done.folder} written: {config}, {done.n_weights:,} weights")


@contextmanager
def progress_bars() -> Iterator[Report]:
    """Show what is downloaded as bars on stderr, if someone looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        tasks = {}

        def report(name: str, done: int, total: int | None) -> None:
            if name not in tasks:
                tasks[name] = progress.add_task(name)
            progress.update(tasks[name], completed=done, total=total)

        yield report


def _megabytes(n_bytes: int) -> str:
    return f"{n_bytes / 1e6:.1f} MB"

"""``brainmidi train musicvae`` and ``brainmidi train transformer``: the recipes that made the shipped checkpoints."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainmidi.errors import ConfigError

if TYPE_CHECKING:
    from rich.progress import TaskID

    from brainmidi.training.material import Progress

train_app = typer.Typer(
    name="train", help="Train a model on public-domain scores, or on MIDI files of yours; a killed run resumes."
)
#: Most files that are named of those that gave nothing.
MOST_NAMED = 40

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the finished checkpoint goes.")]
Work = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="State to resume from after a kill; cache/train-NAME by default."),
]
Cache = Annotated[Path, typer.Option(metavar="FOLDER", help="Where scores are kept once they have been read.")]
Minutes = Annotated[float, typer.Option(metavar="MINUTES", min=0.01, help="Training time, over all runs together.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of the weights and of the order of the data.")]
Collections = Annotated[
    list[str],
    typer.Option(
        "--collection",
        metavar="NAME",
        help="Scores of the music21 corpus: ryan, oneill, aird, bach, haydn, mozart or beethoven; repeatable.",
    ),
]

_CACHE = Path("cache")


@train_app.callback()
def train() -> None:
    """Train a model on public-domain scores, or on MIDI files of yours; a killed run resumes."""


@train_app.command("musicvae")
def musicvae(
    out: Out,
    config: Annotated[str, typer.Option(metavar="NAME", help="Configuration, such as hier-mel_2bar.")],
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="MIDI files in place of the corpus, or the Groove MIDI Dataset."),
    ] = None,
    part: Annotated[
        str | None,
        typer.Option(metavar="PART", help="melody, bass, drums or groove; what the configuration is made for if left."),
    ] = None,
    collections: Collections = [],  # noqa: B006 (typer copies it)
    minutes: Minutes = 90.0,
    patience: Annotated[
        int,
        typer.Option(
            metavar="EPOCHS", min=0, help="Stop after so many epochs without a lower validation loss; 0: never."
        ),
    ] = 0,
    seed: Seed = 1,
    devices: Annotated[int, typer.Option(metavar="N", min=1, help="Devices that share every batch; needs JAX.")] = 1,
    cache: Cache = _CACHE,
    work: Work = None,
) -> None:
    """Train a MusicVAE of melodies, basses, drums or grooves."""
    from brainmidi.training.devices import need_back_end, need_devices
    from brainmidi.training.material import load, part_of

    # What can be refused at once is refused before the data is read, which may take minutes.
    part_of(config, part)
    _check(minutes, out, cache, work)
    if data is not None and collections:
        raise ConfigError(f"--data {data} and --collection {collections[0]} exclude each other; give one of them")
    if devices > 1:
        need_devices(devices)
    with progress_bar() as progress:
        source = load(config, cache=cache, collections=tuple(collections), data=data, part=part, progress=progress)
    _print_summary(source.summary)
    need_back_end()
    from brainmidi.training import musicvae as recipe

    figures = recipe.train(
        config,
        out,
        cache=cache,
        work=work or cache / f"train-{out.name}",
        minutes=minutes,
        seed=seed,
        collections=tuple(collections),
        data=data,
        part=part,
        patience=patience,
        n_devices=devices,
        source=source,
    )
    _print(figures)

    given = [word for key in collections for word in ("--collection", key)]
    given += ["--data", str(data)] if data is not None else []
    # Figures are those of the code that plays, on TensorFlow; Keras has one back end a process.
    command = [sys.executable, "-m", "brainmidi", "train", "finish", str(out), "--cache", str(cache), *given]
    done = subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, check=False)
    raise typer.Exit(done.returncode)


@train_app.command("finish")
def finish(
    folder: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A folder that `train musicvae` wrote.")],
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="As it was trained with.")] = None,
    collections: Collections = [],  # noqa: B006 (typer copies it)
    cache: Cache = _CACHE,
) -> None:
    """Choose anchors, learn attribute vectors, measure, and write the card; a training ends with it."""
    from brainmidi.evaluate.musicvae import shown
    from brainmidi.models import compiled  # noqa: F401 (before Keras, which it keeps quiet)
    from brainmidi.models.checkpoint import find_checkpoint
    from brainmidi.training import finish as recipe

    report = recipe.finish(find_checkpoint(folder), cache=cache, collections=tuple(collections), data=data)
    for section, lines in shown(report.figures):
        typer.echo(f"{section}\n" + "\n".join(f"  {what:<34} {value}" for what, value in lines))


@train_app.command("transformer")
def transformer(
    out: Out,
    minutes: Minutes = 90.0,
    seed: Seed = 1,
    collections: Collections = ["bach"],  # noqa: B006 (typer copies it)
    cache: Cache = _CACHE,
    work: Work = None,
) -> None:
    """Train a Music Transformer over performance tokens."""
    from brainmidi.training.devices import need_back_end

    _check(minutes, out, cache, work)
    need_back_end()
    from brainmidi.training import transformer as recipe

    work = work or cache / f"train-{out.name}"
    _print(recipe.train(out, cache=cache, work=work, minutes=minutes, seed=seed, collections=tuple(collections)))


@contextmanager
def progress_bar() -> Iterator[Progress]:
    """Show what is read as a bar on stderr, if someone looks at it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    columns = (SpinnerColumn(), TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn())
    with Bars(*columns, TimeElapsedColumn(), console=console, disable=not console.is_terminal) as bars:
        tasks: dict[str, TaskID] = {}

        def progress(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bars.add_task(what)
            bars.update(tasks[what], completed=done, total=total)

        yield progress


def _print_summary(summary: str) -> None:
    """Print counts and the files that gave nothing, on stderr: stdout is for the figures."""
    lines = summary.splitlines()
    for line in lines[: 1 + MOST_NAMED]:
        typer.echo(line, err=True)
    if len(lines) > 1 + MOST_NAMED:
        typer.echo(f"... and {len(lines) - 1 - MOST_NAMED} more", err=True)


def _check(minutes: float, *folders: Path | None) -> None:
    """Refuse what would otherwise fail when the training is done."""
    if not math.isfinite(minutes):
        raise ConfigError(f"--minutes {minutes} is not allowed, it must be 0.01 or more and finite; 90 suits two cores")
    for folder in folders:
        if folder is not None and folder.exists() and not folder.is_dir():
            raise ConfigError(f"{folder} is a file, a folder is needed; give another")


def _print(figures: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(figures, indent=2))

"""``brainmidi train musicvae`` and ``brainmidi train transformer``: the recipes that made the shipped checkpoints."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
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
Seed = Annotated[
    int, typer.Option(metavar="N", min=0, max=2**32 - 1, help="Of the weights and of the order of the data.")
]
Patience = Annotated[
    int,
    typer.Option(metavar="EPOCHS", min=0, help="Stop after so many epochs without a lower validation loss; 0: never."),
]
Devices = Annotated[int, typer.Option(metavar="N", min=1, help="Devices that share every batch; needs JAX.")]
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
    patience: Patience = 0,
    seed: Seed = 1,
    devices: Devices = 1,
    cache: Cache = _CACHE,
    work: Work = None,
) -> None:
    """Train a MusicVAE of melodies, basses, drums or grooves."""
    from brainmidi.training.devices import need_back_end, need_devices
    from brainmidi.training.material import load, part_of

    # What can be refused at once is refused before the data is read, which may take minutes.
    trained = {"kind": "musicvae", "name": config, "part": part_of(config, part)}
    work = check_folders(minutes, out, cache, work, trained)
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
        work=work,
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
    raise typer.Exit(_finish(out, "--cache", str(cache), *given))


@train_app.command("finish")
def finish(
    folder: Annotated[Path, typer.Argument(metavar="CHECKPOINT", help="A folder that `train` wrote.")],
    data: Annotated[Path | None, typer.Option(metavar="FOLDER", help="As it was trained with.")] = None,
    collections: Collections = [],  # noqa: B006 (typer copies it)
    cache: Cache = _CACHE,
) -> None:
    """Measure a model and write its card, a MusicVAE's anchors and attribute vectors too; a training ends with it."""
    from brainmidi.models.checkpoint import find_checkpoint, read_config

    folder = find_checkpoint(folder)
    if read_config(folder)["kind"] == "transformer":
        from brainmidi.evaluate.transformer import shown as lines_of
        from brainmidi.training import transformercard

        found = transformercard.finish(folder, cache=cache, collections=tuple(collections), data=data)
        typer.echo("\n".join(lines_of(found)))
        return
    from brainmidi.evaluate.musicvae import shown
    from brainmidi.models import compiled  # noqa: F401 (before Keras, which it keeps quiet)
    from brainmidi.training import finish as recipe

    report = recipe.finish(folder, cache=cache, collections=tuple(collections), data=data)
    for section, lines in shown(report.figures):
        typer.echo(f"{section}\n" + "\n".join(f"  {what:<34} {value}" for what, value in lines))


@train_app.command("transformer")
def transformer(
    out: Out,
    codec: Annotated[
        str, typer.Option(metavar="NAME", help="bars, to play in time with the band, or performance.")
    ] = "bars",
    data: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="MIDI files in place of the corpus; for bars, with an accompaniment."),
    ] = None,
    collections: Collections = [],  # noqa: B006 (typer copies it)
    minutes: Minutes = 90.0,
    patience: Patience = 0,
    seed: Seed = 1,
    devices: Devices = 1,
    cache: Cache = _CACHE,
    work: Work = None,
) -> None:
    """Train a Music Transformer on scores, or on what people played."""
    from brainmidi.training.devices import need_back_end, need_devices

    work = check_folders(minutes, out, cache, work, {"kind": "transformer"})
    if data is not None and collections:
        raise ConfigError(f"--data {data} and --collection {collections[0]} exclude each other; give one of them")
    if devices > 1:
        need_devices(devices)
    need_back_end()
    from brainmidi.training import transformer as recipe

    with progress_bar() as progress:
        source = recipe.load(
            codec, cache=cache, seed=seed, collections=tuple(collections), data=data, progress=progress
        )
    _print_summary(source.summary)
    figures = recipe.train(
        out.resolve(),  # Its name is the checkpoint's.
        source,
        work=work,
        minutes=minutes,
        seed=seed,
        patience=patience,
        n_devices=devices,
    )
    _print(figures)
    given = [word for key in collections for word in ("--collection", key)]
    given += ["--data", str(data)] if data is not None else []
    raise typer.Exit(_finish(out, "--cache", str(cache), *given))


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


def _finish(*arguments: object) -> int:
    """Run ``brainmidi train finish`` and return its exit status.

    Figures are those of the code that plays, on TensorFlow; Keras has one back end a process.
    """
    command = [sys.executable, "-m", "brainmidi", "train", "finish", *(str(argument) for argument in arguments)]
    return subprocess.run(command, env={**os.environ, "KERAS_BACKEND": "tensorflow"}, check=False).returncode


def check_folders(
    minutes: float, out: Path, cache: Path, work: Path | None, trained: Mapping[str, str], option: str = "--out"
) -> Path:
    """Refuse what would otherwise fail when the training is done; return the folder of its state.

    `option` is how the command line names `out`.
    """
    if not math.isfinite(minutes):
        raise ConfigError(f"--minutes {minutes} is not allowed, it must be 0.01 or more and finite; 90 suits two cores")
    work = work or cache / f"train-{out.resolve().name}"
    for folder in (out, cache, work):
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if not there.is_dir():
            raise ConfigError(f"{there} is a file, a folder is needed; give another")
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            raise ConfigError(f"{folder} cannot be written ({error.strerror}); give another folder") from None
    _need_place(out, cache, work, trained, option)
    return work


def _need_place(out: Path, cache: Path, work: Path, trained: Mapping[str, str], option: str) -> None:
    """Refuse a folder of other things than a checkpoint of what is trained: its files would be replaced."""
    from brainmidi.models.checkpoint import CONFIG_FILE, WEIGHTS_FILE, read_config

    if not out.exists() or (out.resolve() == work.resolve() and (out / "state.json").exists()):
        return  # Whose state it is, the training looks itself.
    ours = (cache.resolve(), work.resolve())
    held = {path.name for path in out.iterdir() if not any(own.is_relative_to(path.resolve()) for own in ours)}
    if held <= {WEIGHTS_FILE, WEIGHTS_FILE + ".partial"}:
        return  # Nothing, or what a run left that was killed while it wrote.
    if CONFIG_FILE not in held:
        raise ConfigError(f"{option} {out} is not empty and holds no checkpoint; give an empty folder or a new one")
    config = read_config(out)
    other = [f"{key} {config[key]}" for key, value in trained.items() if config.get(key, value) != value]
    if other:
        raise ConfigError(f"{option} {out} holds a checkpoint of {', '.join(other)}; give another folder, or delete it")


def _print(figures: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(figures, indent=2))

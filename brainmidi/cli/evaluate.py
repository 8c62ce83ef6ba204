"""``brainmidi evaluate ...``: the figures that cards and README quote, and the shipped profile."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainmidi.cli.train import Seed

evaluate_app = typer.Typer(
    name="evaluate", help="Measure the models and the signal path; make the simulated brain's profile."
)


@evaluate_app.callback()
def evaluate() -> None:
    """Measure the models and the signal path; make the simulated brain's profile."""


Checkpoint = Annotated[str, typer.Argument(metavar="CHECKPOINT", help="A shipped checkpoint's name, or a folder.")]
Cache = Annotated[Path, typer.Option(metavar="FOLDER", help="Where scores are kept once they have been read.")]
Collections = Annotated[
    list[str], typer.Option("--collection", metavar="NAME", help="What the model was trained on; repeatable.")
]


@evaluate_app.command("musicvae")
def musicvae(
    checkpoint: Checkpoint = "hier-mel_2bar",
    collections: Annotated[
        list[str], typer.Option("--collection", metavar="NAME", help="What it was trained on, if not the usual.")
    ] = [],  # noqa: B006 (typer copies it)
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of MIDI files that it was trained on.")
    ] = None,
    cache: Cache = Path("cache"),
    likelihood: Annotated[bool, typer.Option(help="Score melodies between others with the Music Transformer.")] = True,
) -> None:
    """Measure a MusicVAE on phrases that it has never seen: what comes back, what lies between, what it makes up."""
    folder = _known(checkpoint)
    from brainmidi.evaluate import musicvae as figures
    from brainmidi.evaluate.transformer import melody_likelihood

    score = melody_likelihood("music-transformer_chorales") if likelihood else None
    report = figures.evaluate(folder, cache=cache, collections=tuple(collections), data=data, log_likelihood=score)
    for section, lines in figures.shown(report.figures):
        typer.echo(f"{section}\n" + "\n".join(f"  {what:<34} {value}" for what, value in lines))


@evaluate_app.command("transformer")
def transformer(
    checkpoint: Checkpoint = "music-transformer_scores",
    collections: Collections = [],  # noqa: B006 (typer copies it)
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The folder of MIDI files that it was trained on.")
    ] = None,
    cache: Cache = Path("cache"),
    control: Annotated[
        bool,
        typer.Option("--control", help="Of a model of bars, see too if it follows its controls; ends with 1 if not."),
    ] = False,
) -> None:
    """Measure a Music Transformer on music that it has never seen: what it foresees, and what it makes of it."""
    folder = _known(checkpoint)
    if control:
        from brainmidi.evaluate import control as levels

        levels.need_bars(folder)  # before all else is measured
    from brainmidi.evaluate import transformer as figures

    found = figures.evaluate(folder, cache=cache, collections=tuple(collections), data=data)
    typer.echo("\n".join(figures.shown(found)))
    if control:
        measured = levels.evaluate(folder, progress=lambda line: typer.echo(line, err=True))
        lines = levels.shown(measured)
        typer.echo("control\n" + "\n".join(f"  {what:<46} {value}" for what, value in lines))
        if not all(measured["held"].values()):
            raise typer.Exit(1)


@evaluate_app.command("jsb")
def jsb(
    checkpoint: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of the chorale model.")],
    data: Annotated[
        Path,
        typer.Option(metavar="FILE", help="Jsb16thSeparated.npz, of https://github.com/czhuang/JSB-Chorales-dataset."),
    ],
    train: Annotated[bool, typer.Option("--train", help="Train it first; a run that was stopped goes on.")] = False,
    minutes: Annotated[float, typer.Option(metavar="M", min=0.01, help="Of training.")] = 100.0,
    seed: Seed = 1,
    patience: Annotated[int, typer.Option(metavar="N", min=0, help="Passes without progress; 0 never stops.")] = 0,
) -> None:
    """Train and score the Music Transformer on the JSB chorales, beside the paper's table."""
    if train:
        from brainmidi.cli.train import check_folders
        from brainmidi.training.devices import need_back_end

        work = check_folders(minutes, checkpoint, checkpoint.parent, None, {"kind": "chorale"}, "FOLDER")
        need_back_end()
        from brainmidi.training import jsb as recipe

        checkpoint = checkpoint.resolve()  # Its name is the checkpoint's.
        recipe.train(checkpoint, data=data, work=work, minutes=minutes, seed=seed, patience=patience)
    _known(str(checkpoint))
    from brainmidi.evaluate import jsb as figures

    found = figures.evaluate(checkpoint, data)
    if train:
        recipe.finish(checkpoint, figures=found)
    typer.echo("\n".join(f"{what:<46} {value}" for what, value in figures.shown(found)))


@evaluate_app.command("eeg")
def eeg(
    part: Annotated[
        list[str] | None,
        typer.Option("--part", metavar="NAME", help="eyes, p300, artifacts, chunks or unplugging alone; repeatable."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--json", metavar="FILE", help="Write the figures there too, as JSON.")
    ] = None,
) -> None:
    """Measure the live signal path on real recordings, with intervals and controls; ends with 1 where a bar is missed.

    BRAINMIDI_DATA names the folder that holds eeg/; without it, the error says where the recordings are to be had.
    """
    from brainmidi.cli.options import need_folder
    from brainmidi.errors import ConfigError
    from brainmidi.evaluate import eeg as figures
    from brainmidi.evaluate.eegfigure import table, write

    need_folder("--json", out)
    parts = figures.PARTS if part is None else tuple(part)
    for name in parts:
        if name not in figures.PARTS:
            raise ConfigError(f"--part {name} is unknown, known are {', '.join(figures.PARTS)}; name one of them")
    found = figures.evaluate(parts=parts, progress=lambda line: typer.echo(line, err=True))
    typer.echo("\n".join(table(found)))
    if out is not None:
        write(out, found)
    if any(figure.missed for figure in found):
        raise typer.Exit(1)


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


def _known(checkpoint: str) -> str:
    """Return `checkpoint` once it has been found; before anything heavy loads."""
    from brainmidi.models.checkpoint import find_checkpoint

    return str(find_checkpoint(checkpoint))

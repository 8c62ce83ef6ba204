"""``brainmidi sham``: scores of a brain and of shams under a blind key, and which was whose."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brainmidi.cli import options as opt
from brainmidi.errors import ConfigError

if TYPE_CHECKING:
    from brainmidi.evaluate.shamkey import Key


def sham(
    recordings: Annotated[
        list[str],
        typer.Argument(
            metavar="RECORDING...",
            help="Of one brain. Several are joined; they are the phases that the music is held against, by their "
            "labels: open=1.edf closed=2.edf open=3.edf. With --reveal: the folder that was written.",
        ),
    ],
    folder: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FOLDER", help="Where scores and sealed key go.")
    ] = None,
    others: Annotated[
        list[Path] | None,
        typer.Option("--others", metavar="FILE", help="Somebody else's recording; repeatable."),
    ] = None,
    phases: Annotated[
        bool, typer.Option("--phases", help="The recordings' own markers are the phases, each up to the next.")
    ] = False,
    n: Annotated[int, typer.Option("-n", "--n", metavar="N", help="Surrogates with randomised phases, 1..99.")] = 20,
    reveal: Annotated[bool, typer.Option("--reveal", help="Open the key: which score is whose, and p.")] = False,
    guess: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --reveal: the score that you think is the real one.")
    ] = None,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="The board that made a BrainFlow csv, where it fits several.")
    ] = None,
    config: opt.ConfigFile = None,
    parts: opt.Parts = None,
    bars: opt.Bars = None,
    seed: opt.Seed = None,
    baseline: opt.Baseline = None,
    baseline_from: opt.BaselineFrom = None,
    baseline_profile: opt.BaselineProfile = None,
) -> None:
    """Make scores from a recording, from surrogates of it and from other brains, named so that nobody knows which.

    A surrogate has the same rhythms, as strong and as coherent as the recording's, at other times. Listen, guess, then
    `brainmidi sham FOLDER --reveal`: it says how far the real one follows the recording and how many shams do as well.
    """
    from brainmidi.evaluate.shamkey import KEY_FILE, Key

    if guess is not None and not reveal:
        raise ConfigError(f"--guess {guess} is told when the key is opened, --reveal is needed; add it")
    if reveal and folder is None:
        if len(recordings) > 1:
            raise ConfigError(f"--reveal opens one folder, {len(recordings)} are named; name one")
        _show(Key.open(Path(recordings[0])), guess)
        return
    if folder is None:
        raise ConfigError("-o is missing, a folder for the scores is needed; add -o FOLDER")
    opt.need_folder("-o", folder / KEY_FILE if folder.is_dir() else folder)
    settings = opt.read_config(config, {**locals(), "recordings": None, "n": None, "folder": None})

    from brainmidi.evaluate.brains import labelled
    from brainmidi.evaluate.sham import make_sham

    key = make_sham(
        settings,
        labelled(recordings),
        folder,
        others=others or (),
        n=n,
        marked=phases,
        progress=lambda line: typer.echo(line, err=True),
    )
    names = sorted(key.origins)
    typer.echo(f"{len(names)} scores, {names[0]}.mid to {names[-1]}.mid, in {folder}; one is the real one")
    if reveal:
        _show(key, guess)
    else:
        typer.echo(f"listen first; then `brainmidi sham {folder} --reveal --guess NAME` opens the key")


def _show(key: Key, guess: str | None) -> None:
    if guess is not None and guess not in key.origins:
        names = sorted(key.origins)
        raise ConfigError(f"--guess {guess} is no score, {names[0]}..{names[-1]} are; name one of them")
    typer.echo(f"{key.real} is the real one")
    if guess is not None:
        verdict = "right" if guess == key.real else f"wrong: {key.origins[guess]}"
        typer.echo(f"your guess {guess} is {verdict}; by chance, 1 guess in {len(key.origins)} is right")
    typer.echo("\n".join(key.lines))

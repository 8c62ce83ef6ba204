"""``brainmidi train musicvae`` and ``brainmidi train transformer``: the recipes that made the shipped checkpoints."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

train_app = typer.Typer(name="train", help="Train a model on public-domain scores; a killed run resumes.")

Out = Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the finished checkpoint goes.")]
Work = Annotated[
    Path | None,
    typer.Option(metavar="FOLDER", help="State to resume from after a kill; cache/train-NAME by default."),
]
Cache = Annotated[Path, typer.Option(metavar="FOLDER", help="Where scores are kept once they have been read.")]
Minutes = Annotated[float, typer.Option(metavar="MINUTES", min=0.01, help="Training time, over all runs together.")]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of the weights and of the order of the data.")]
Collections = Annotated[
    list[str], typer.Option("--collection", metavar="NAME", help="ryan, oneill, aird or bach; repeatable.")
]

_CACHE = Path("cache")


@train_app.callback()
def train() -> None:
    """Train a model on public-domain scores; a killed run resumes."""


@train_app.command("musicvae")
def musicvae(
    out: Out,
    name: Annotated[str, typer.Option(metavar="NAME", help="Configuration.")] = "cat-mel_2bar_small",
    minutes: Minutes = 90.0,
    seed: Seed = 1,
    collections: Collections = ["ryan", "oneill", "aird", "bach"],  # noqa: B006 (typer copies it)
    cache: Cache = _CACHE,
    work: Work = None,
) -> None:
    """Train a MusicVAE of two-bar melodies."""
    from brainmidi.training import musicvae as recipe

    work = work or cache / f"train-{out.name}"
    _print(recipe.train(name, out, cache=cache, work=work, minutes=minutes, seed=seed, collections=tuple(collections)))


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
    from brainmidi.training import transformer as recipe

    work = work or cache / f"train-{out.name}"
    _print(recipe.train(out, cache=cache, work=work, minutes=minutes, seed=seed, collections=tuple(collections)))


def _print(figures: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(figures, indent=2))

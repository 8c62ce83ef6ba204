"""Model cards: what a checkpoint is, what it was trained on, by which command, and how well it does."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from brainmidi.training.corpora import COLLECTIONS

CARD_FILE = "README.md"


def chosen_collections(collections: tuple[str, ...]) -> str:
    """Return the command-line options that name `collections`."""
    return "".join(f" --collection {collection}" for collection in collections)


def write_card(
    folder: Path,
    *,
    title: str,
    what: str,
    collections: tuple[str, ...],
    command: str,
    training: Mapping[str, Any],
    figures: Mapping[str, Any],
    notes: str,
) -> None:
    """Write the card of a checkpoint; every figure in it comes from `training` and `figures`."""
    data = "\n".join(f"- {COLLECTIONS[name][1]} (music21 corpus, `{COLLECTIONS[name][0]}`)" for name in collections)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_FILE).write_text(
        f"# {title}\n\n{what}\n\n"
        f"## Data and licence\n\n{data}\n\nSplit by piece, 90 % training, 5 % validation, 5 % test, by a hash of the "
        "piece's name. The music is in the public domain; the weights are released under Apache-2.0 with the rest of "
        "the project, and what you play with them is yours.\n\n"
        f"## Recipe\n\n    {command}\n\n{_table(training)}\n\n"
        f"## Figures on the test split\n\n{_table(figures)}\n\n{notes}\n"
    )


def _table(values: Mapping[str, Any]) -> str:
    rows = [f"| {name.replace('_', ' ')} | {_shown(value)} |" for name, value in values.items()]
    return "\n".join(["| what | value |", "| --- | --- |", *rows])


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)

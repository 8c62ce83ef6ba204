"""Model cards: what a checkpoint is, what it was trained on, by which command, and how well it does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from brainmidi.models.checkpoint import CARD_FILE
from brainmidi.training.corpora import COLLECTIONS

#: What a training says of itself, for the card.
TRAINING_FILE = "training.json"
SPLIT = "Split by piece, never by phrase."
FREE = (
    f"{SPLIT} The weights are released under Apache-2.0 with the rest of the project, and what you play with them is "
    "yours."
)


@dataclass(frozen=True, slots=True)
class Card:
    """What a model card says; every figure in it was measured.

    Parameters
    ----------
    title, what : str
        Name, and what the model does.
    licences : sequence of str
        A line on each collection that it was trained on.
    command : str
        That made it.
    training : mapping
        Facts of the training.
    sections : mapping of str to sequence of (what, value)
        Figures, by section.
    notes : str
        How to read them.
    goal : str
        How far the goal is, and what was tried; empty for models without one.
    free : bool
        Whether the data lets anyone use the weights.
    heading : str
        Of the figures: which split they are of.
    """

    title: str
    what: str
    licences: Sequence[str]
    command: str
    training: Mapping[str, Any]
    sections: Mapping[str, Sequence[tuple[str, str]]]
    notes: str
    goal: str = ""
    free: bool = True
    heading: str = "Figures on the test split"


def licences(collections: Sequence[str]) -> tuple[str, ...]:
    """Return a line on each collection of the music21 corpus."""
    return tuple(f"{COLLECTIONS[name][1]} (music21 corpus, `{COLLECTIONS[name][0]}`)" for name in collections)


def write_card(folder: Path, card: Card) -> None:
    """Write the card of a checkpoint; the folder is made if missing."""
    data = "\n".join(f"- {line}" for line in card.licences)
    trained = _table([(name.replace("_", " "), rounded(value)) for name, value in card.training.items()])
    figures = "\n\n".join(f"### {section.capitalize()}\n\n{_table(rows)}" for section, rows in card.sections.items())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CARD_FILE).write_text(
        f"# {card.title}\n\n{card.what}\n\n## Data and licence\n\n{data}\n\n{FREE if card.free else SPLIT}\n\n"
        f"## Recipe\n\n    {card.command}\n\n{trained}\n\n## {card.heading}\n\n{figures}\n\n"
        + (f"{card.goal}\n\n" if card.goal else "")
        + f"{card.notes}\n"
    )


def rounded(value: Any) -> str:
    """Return a figure as people read it."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "\n".join(["| what | value |", "| --- | --- |", *(f"| {what} | {value} |" for what, value in rows)])

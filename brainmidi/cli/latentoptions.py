"""The options that the commands of ``brainmidi latent`` share, and what their words mean."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from brainmidi.errors import ConfigError

#: Most phrases in one file.
MOST = 1024


class Engine(StrEnum):
    """What reads and writes the phrases."""

    BRAINMIDI = "brainmidi"
    MAGENTA = "magenta"


_ENGINE = "Magenta's original"
PLACE = (
    "A .mid, from its first bar, or from bar 5 as FILE.mid@5; a preset's corner as anchor:A.calm; or seed:42. Of notes "
    "that begin together a melody keeps the highest and a bass the lowest; drums are on channel 10."
)

Place = Annotated[str, typer.Argument(metavar="PLACE", help=PLACE, show_default=False)]
Places = Annotated[list[str], typer.Argument(metavar="PLACE...", help=PLACE, show_default=False)]
Out = Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .mid to write.", show_default=False)]
Checkpoint = Annotated[str, typer.Option(metavar="NAME", help="A checkpoint's name or folder: melody, bass or drums.")]
Key = Annotated[str, typer.Option(metavar="KEY", help="Key of the phrases, moved to C for the model and back.")]
Chords = Annotated[
    str, typer.Option(metavar="CHORDS", help='Under every phrase, where the model is told any: "C Am F G".')
]
Tempo = Annotated[float, typer.Option(metavar="BPM", min=30, max=240, help="Of the file, in quarter notes a minute.")]
Temperature = Annotated[
    float, typer.Option(metavar="T", min=0, max=2, help="0 writes what is likeliest; above it is sampled.")
]
Seed = Annotated[int, typer.Option(metavar="N", min=0, help="Of all that is drawn.")]
EngineOption = Annotated[
    Engine, typer.Option("--engine", help="magenta lets the original read and write.", rich_help_panel=_ENGINE)
]
MagentaPython = Annotated[
    Path | None,
    typer.Option(metavar="PATH", help="Python of an environment with magenta 2.1.4.", rich_help_panel=_ENGINE),
]
MagentaConfig = Annotated[
    str | None,
    typer.Option("--config", metavar="NAME", help="Configuration of Magenta's files.", rich_help_panel=_ENGINE),
]


def parse_weights(text: str, n: int) -> list[float]:
    """Return a weight for each of `n` places."""
    try:
        found = [float(word) for word in text.split(",")] if text else [1.0 / n] * n
    except ValueError:
        raise ConfigError(f"--weights {text} are no numbers; write them as in 0.2,0.5,0.3") from None
    if len(found) != n:
        raise ConfigError(f"--weights {text} are {len(found)}, there are {n} places; give one weight for each")
    if not all(0.0 <= share < float("inf") for share in found) or not any(found):
        raise ConfigError(f"--weights {text} cannot be mixed; give 0 or more each, and at least one above 0")
    return found


def parse_grid(text: str, n: int) -> tuple[int, int]:
    """Return the rows and columns of a square."""
    rows, by, columns = text.lower().partition("x")
    if not (by and rows.isdecimal() and columns.isdecimal() and int(rows) > 1 < int(columns)):
        raise ConfigError(f"--grid {text} is no square of 2 or more rows and columns; write it as in 4x4")
    if int(rows) * int(columns) > MOST:
        raise ConfigError(f"--grid {text} has more than {MOST} phrases; choose fewer rows or columns")
    if n != 4:
        raise ConfigError(f"--grid {text} needs 4 places, its corners row by row; there are {n}")
    return int(rows), int(columns)


def parse_changes(words: Sequence[str], names: Sequence[str]) -> dict[str, float]:
    """Return by how much each named attribute is to move."""
    found: dict[str, float] = {}
    for word in words:
        name, _, amount = word.partition("=")
        name = " ".join(name.replace("-", " ").replace("_", " ").split())
        if name not in names:
            raise ConfigError(f"--attribute {word}: {name!r} is unknown; choose from {', '.join(names)}")
        try:
            found[name] = float(amount)
        except ValueError:
            raise ConfigError(f"--attribute {word} has no amount; write one as in {name}=+1.5") from None
        if not abs(found[name]) <= 5:
            raise ConfigError(f"--attribute {word} is outside -5..5 standard deviations; choose an amount inside")
    return found

"""One line of ``brainmidi evaluate eeg``: a figure with its interval and bar, and the controls beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from brainmidi.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Control:
    """The same figure where nothing is to be found: labels shuffled, or a sham recording.

    Parameters
    ----------
    value : float
        Median over the runs; infinite where nothing was found.
    low, high : float
        Between which 95 % of the runs lie.
    runs : int
        How many.
    p : float or None
        Permutation p-value of the real figure among them, (k + 1) / (n + 1); None where they are not exchangeable.
    """

    value: float
    low: float
    high: float
    runs: int
    p: float | None = None


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured figure.

    Parameters
    ----------
    subject : str
        What was measured on: ``"eyes"``, ``"brain invaders"``, ``"muse"``, ``"artifacts, eyes open"``, ``"chunks"``.
    name : str
        What it is, with its unit.
    value : float
        On the real recording; infinite where an event was not found.
    low, high : float or None
        Ends of the 95 % interval; None where there is no sampling error to speak of.
    bar : float or None
        What is asked for; None where the figure is only told.
    at_most : bool
        Whether the bar is an upper one.
    shuffled, sham : Control or None
        Label-shuffled and sham control.
    note : str
        A few words on how it was measured, or on what was found beside it.
    asked : bool
        Whether the bar is asked for; a bar that is told for comparison may be missed.
    """

    subject: str
    name: str
    value: float
    low: float | None = None
    high: float | None = None
    bar: float | None = None
    at_most: bool = False
    shuffled: Control | None = None
    sham: Control | None = None
    note: str = ""
    asked: bool = True

    @property
    def missed(self) -> bool:
        """Whether a bar that is asked for is not met."""
        return self.asked and self.held is False

    @property
    def held(self) -> bool | None:
        """Whether the value meets the bar; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.at_most else self.value >= self.bar

    def document(self) -> dict[str, Any]:
        """Return the figure as plain JSON; what is not finite becomes null."""
        return {"held": self.held} | {key: _plain(value) for key, value in asdict(self).items()}


HEAD = ("figure", "value", "95 % interval", "bar", "held", "shuffled", "sham")


def table(figures: Sequence[Figure]) -> list[str]:
    """Return the figures as lines of text, a heading before each subject; notes stand under the line they are about."""
    rows = [HEAD, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(HEAD))]

    def line(cells: Sequence[str]) -> str:
        first, *rest = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        return "  ".join(["  " + first, *rest]).rstrip()

    lines = [line(HEAD)]
    for place, figure in enumerate(figures):
        if place == 0 or figures[place - 1].subject != figure.subject:
            lines.append(figure.subject)
        lines.append(line(rows[1 + place]))
        if figure.note:
            lines.append(f"      {figure.note}")
    return lines


def write(path: Path, figures: Sequence[Figure]) -> None:
    """Write the figures as JSON to `path`; ConfigError where it cannot be written."""
    document = {"format": "brainmidi-eeg-figures", "version": 1, "figures": [each.document() for each in figures]}
    try:
        path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--json {path} cannot be written ({error.strerror}); choose another place") from error


def _cells(figure: Figure) -> tuple[str, ...]:
    interval = "" if figure.low is None or figure.high is None else f"{_number(figure.low)} .. {_number(figure.high)}"
    bar = "" if figure.bar is None else f"{'<=' if figure.at_most else '>='} {figure.bar:g}"
    held = {None: "", True: "yes", False: "NO"}[figure.held]
    if bar and not figure.asked:
        bar, held = f"({bar})", f"({held})"
    controls = (_control(figure.shuffled), _control(figure.sham))
    return (figure.name, _number(figure.value), interval, bar, held, *controls)


def _control(control: Control | None) -> str:
    if control is None:
        return ""
    text = f"{_number(control.value)} ({_number(control.low)} .. {_number(control.high)})"
    return text if control.p is None else f"{text} p {control.p:.3f}"


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "never" if value > 0 else "none"
    if abs(value) < 1e-3:
        return f"{value:.1e}" if value else "0"
    return f"{value:.3f}"


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    return value

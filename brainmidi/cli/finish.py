"""What ``improv`` and ``score`` do around a take: the screen while it plays, the page afterwards."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING

import typer

from brainmidi.cli.options import Screen
from brainmidi.types import Bar

if TYPE_CHECKING:
    from brainmidi.drivers.take import Take
    from brainmidi.ui.plain import PlainScreen


class Stage:
    """What the user sees while a take is made; with ``--ui none``, nothing. On leaving, all of it has been printed."""

    def __init__(self, ui: Screen) -> None:
        self._ui = ui
        self._screen: PlainScreen | None = None

    def say(self, line: str) -> None:
        """Show a line of text."""
        if self._screen is not None:
            self._screen.say(line)

    def show(self, bar: Bar, lateness_ms: float | None) -> None:
        """Show a bar that begins, with the lateness of the bar before where it was measured."""
        if self._screen is not None:
            self._screen.show(bar, lateness_ms)

    def __enter__(self) -> Stage:
        if self._ui is Screen.PLAIN:
            from brainmidi.ui.plain import PlainScreen

            self._screen = PlainScreen()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._screen is not None:
            self._screen.close()


def finish(take: Take, score: Path | None) -> None:
    """Print the figures of `take`, then write its score where one is wanted: what is slow and may fail comes last.

    Where the terminal has been closed, the score is written all the same.
    """
    for line in take.summary.lines():
        _say(line)
    if score is None:
        return
    from brainmidi.music.harmony import Key
    from brainmidi.notation.score import write_score

    write_score(
        score,
        take.bars,
        metre=take.metre,
        sharps=Key.parse(take.key).sharps,
        title=score.stem,
        end_beat=take.end_beat,
    )
    _say(f"saved       {score}")


def _say(line: str) -> None:
    try:
        typer.echo(line)
    except OSError:  # nobody reads any more: this line, and what is flushed at the end, go nowhere
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)

"""``--ui plain``: one line for every bar. A thread of its own prints, so that a slow terminal delays nobody."""

from __future__ import annotations

import queue
import sys
import threading
from typing import TextIO

from rich.console import Console
from rich.text import Text

from brainmidi.types import KNOBS, Bar

_LEVELS = "▁▂▃▄▅▆▇█"
_DIGITS = "0123456789"
_MIX_CELLS = 8
#: Knobs by the names that fit on a line; the latent mix has a bar of its own.
_SHORT = {"temperature": "temp", "density": "dens", "velocity": "vel", "tempo": "tempo", "register": "reg"}


def level(position: float, *, digits: bool = False) -> str:
    """Return one character that shows a knob position 0..1 as a column, or as a digit for plain terminals."""
    marks = _DIGITS if digits else _LEVELS
    return marks[round(min(max(position, 0.0), 1.0) * (len(marks) - 1))]


def line_of(bar: Bar, *, moved: bool = False, lateness_ms: float | None = None, digits: bool = False) -> Text:
    """Say one bar in one line: chord, anchor and mix, knobs, event, notes of each part, lateness.

    Parameters
    ----------
    bar : Bar
        What was played.
    moved : bool
        Whether an event has just moved the music to this anchor.
    lateness_ms : float, optional
        Worst lateness of a message in the bar before; None where nothing was timed.
    digits : bool
        Draw with ASCII alone.
    """
    chord = " ".join(symbol for _, symbol in bar.chords) or "-"
    filled = round(bar.latent_mix * _MIX_CELLS)
    full, empty = ("#", ".") if digits else ("█", "░")
    counts = "+".join(str(len(bar.phrase.part(part).notes)) for part in bar.parts)
    text = Text()
    text.append(f"{bar.index + 1:>4} ", style="bold")
    text.append(f" {chord:<8.16}", style="cyan")
    text.append(f" {bar.anchor:<10.16} ")
    text.append(full * filled + empty * (_MIX_CELLS - filled), style="green")
    text.append(f" {bar.latent_mix:4.2f} ")
    for knob in KNOBS:
        if knob in _SHORT:
            text.append(f" {_SHORT[knob]} ", style="dim")
            text.append(level(bar.controls.knobs[knob], digits=digits), style="magenta")
    text.append("  ERP" if moved else "     ", style="bold yellow")
    text.append(f"  {counts:>5} notes")
    if lateness_ms is not None:
        text.append(f"  late {lateness_ms:.1f} ms", style="red" if lateness_ms > 10 else "dim")
    if bar.fallback:
        text.append("  stand-in", style="red")
    if bar.controls.confidence < 0.5:
        text.append("  signal poor", style="yellow")
    return text


class PlainScreen:
    """Prints a line for every bar that it is shown; :meth:`close` waits until all are printed.

    Parameters
    ----------
    stream : TextIO, optional
        Where to; standard output by default.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        stream = sys.stdout if stream is None else stream
        self._console = Console(file=stream, highlight=False)
        self._digits = not _can_draw(stream)
        self._anchor: str | None = None
        self._steps = 0
        self._lines: queue.SimpleQueue[Text | str | None] = queue.SimpleQueue()
        self._printer = threading.Thread(target=self._print, name="screen", daemon=True)
        self._printer.start()

    def show(self, bar: Bar, lateness_ms: float | None = None) -> None:
        """Queue the line of `bar`, with the worst lateness in the bar before it; returns at once."""
        moved = bar.controls.anchor_steps > self._steps and bar.anchor != self._anchor and self._anchor is not None
        self._steps, self._anchor = bar.controls.anchor_steps, bar.anchor
        self._lines.put(line_of(bar, moved=moved, lateness_ms=lateness_ms, digits=self._digits))

    def say(self, line: str) -> None:
        """Queue a line of plain text; returns at once."""
        self._lines.put(line)

    def close(self) -> None:
        """Print what still waits and end the thread; a second call does nothing."""
        if self._printer.is_alive():
            self._lines.put(None)
            self._printer.join()

    def _print(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                self._console.print(line, soft_wrap=True, markup=False)
            except (OSError, ValueError):  # the terminal has gone; the music has not
                return


def _can_draw(stream: TextIO) -> bool:
    try:
        (_LEVELS + "░").encode(getattr(stream, "encoding", None) or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True

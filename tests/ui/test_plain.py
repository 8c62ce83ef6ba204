"""The plain screen: one line a bar, and nobody waits for it."""

from __future__ import annotations

import io
import threading
from dataclasses import replace
from fractions import Fraction

import pytest

from brainmidi.types import KNOBS, PARTS, Bar, ControlFrame, Note, Phrase
from brainmidi.ui.plain import PlainScreen, level, line_of

CONTROLS = ControlFrame(0.0, {name: index / 5 for index, name in enumerate(KNOBS)})
BAR = Bar(
    index=11,
    start=Fraction(44),
    phrase=Phrase(
        (Note(Fraction(0), Fraction(1), 60), Note(Fraction(0), Fraction(2), 48, 70, "accompaniment")), Fraction(4)
    ),
    tempo_bpm=96.0,
    chords=((Fraction(0), "Dm7"),),
    anchor="river",
    latent_mix=0.5,
    temperature=0.9,
    controls=CONTROLS,
)


class Terminal(io.StringIO):
    """A terminal of a given encoding that may be stuck until it is let go."""

    def __init__(self, encoding: str = "utf-8", *, stuck: bool = False) -> None:
        super().__init__()
        self._encoding = encoding
        self.free = threading.Event()
        if not stuck:
            self.free.set()

    @property
    def encoding(self) -> str:
        return self._encoding

    def write(self, text: str) -> int:
        self.free.wait(10)
        text.encode(self._encoding)
        return super().write(text)


def test_a_line_says_bar_chord_anchor_mix_knobs_notes_and_lateness():
    line = line_of(BAR, lateness_ms=0.31).plain
    for part in ("12", "Dm7", "river", "████░░░░ 0.50", "temp ▂", "reg █", "1+1 notes", "late 0.3 ms"):
        assert part in line
    assert "ERP" not in line
    assert "stand-in" not in line


def test_every_part_that_plays_is_counted():
    kick = Note(Fraction(0), Fraction(1, 4), 36, part="drums")
    band = replace(BAR, parts=PARTS, phrase=Phrase((*BAR.phrase.notes, kick), BAR.phrase.length))
    assert "1+1+0+1 notes" in line_of(band).plain


def test_a_stand_in_and_a_poor_signal_are_called_so():
    poor = replace(BAR, fallback=True, controls=ControlFrame.neutral(0.0))
    assert line_of(poor).plain.endswith("stand-in  signal poor")


@pytest.mark.parametrize(("position", "block", "digit"), [(0, "▁", "0"), (0.5, "▅", "4"), (1, "█", "9"), (7, "█", "9")])
def test_a_level_is_a_column_or_a_digit(position, block, digit):
    assert level(position) == block
    assert level(position, digits=True) == digit


def test_an_event_that_moves_to_another_anchor_is_flagged_once():
    terminal = Terminal()
    screen = PlainScreen(terminal)
    moved = replace(BAR, anchor="hill", controls=replace(CONTROLS, anchor_steps=1))
    for bar in (BAR, moved, moved):
        screen.show(bar)
    screen.close()
    assert ["ERP" in line for line in terminal.getvalue().splitlines()] == [False, True, False]


def test_a_stuck_terminal_delays_nobody_and_loses_nothing():
    terminal = Terminal(stuck=True)
    screen = PlainScreen(terminal)
    for _ in range(100):
        screen.show(BAR)
    assert terminal.getvalue() == ""
    terminal.free.set()
    screen.say("done")
    screen.close()
    screen.close()
    assert len(terminal.getvalue().splitlines()) == 101
    assert terminal.getvalue().endswith("done\n")


def test_a_terminal_without_blocks_gets_digits():
    terminal = Terminal("ascii")
    screen = PlainScreen(terminal)
    screen.show(BAR)
    screen.close()
    assert "####.... 0.50" in terminal.getvalue()


def test_a_terminal_that_goes_away_ends_the_screen_quietly():
    terminal = Terminal()
    screen = PlainScreen(terminal)
    terminal.close()
    screen.show(BAR)
    screen.close()

"""Small takes for the tests of the midi room, made without any other room."""

from __future__ import annotations

import random
from fractions import Fraction

from brainmidi.types import Bar, ControlFrame, Note, Phrase


def make_bar(
    index: int,
    notes: tuple[Note, ...],
    *,
    length: int | Fraction = 4,
    bpm: float = 120.0,
    anchor: str = "river",
    fallback: bool = False,
    start: Fraction | None = None,
) -> Bar:
    """Return bar `index` of a take whose bars all last `length` beats."""
    return Bar(
        index=index,
        start=Fraction(index * length) if start is None else start,
        phrase=Phrase(notes, Fraction(length)),
        tempo_bpm=bpm,
        chords=((Fraction(0), "C"),),
        anchor=anchor,
        latent_mix=0.5,
        temperature=1.0,
        controls=ControlFrame.neutral(0.0),
        fallback=fallback,
    )


def whole_note(index: int, pitch: int = 60, *, bpm: float = 120.0) -> Bar:
    """Return a bar of four beats that one note fills."""
    return make_bar(index, (Note(Fraction(0), Fraction(4), pitch, 80),), bpm=bpm)


def make_take(n_bars: int, *, seed: int = 0, bpm: float = 120.0, notes_per_part: int = 8) -> list[Bar]:
    """Return bars of two parts with repeated and overlapping pitches, the same for the same seed."""
    rng = random.Random(seed)
    bars = []
    for index in range(n_bars):
        notes = []
        for part, low in (("melody", 60), ("accompaniment", 40)):
            for _ in range(notes_per_part):
                step = rng.randrange(16)
                length = Fraction(rng.randint(1, 16 - step), 4)
                notes.append(Note(Fraction(step, 4), length, low + rng.randrange(12), rng.randint(40, 110), part))
        bars.append(make_bar(index, tuple(notes), bpm=bpm))
    return bars


def stand_in(bar: Bar, pitch: int = 72) -> Bar:
    """Return a fallback for the bar after `bar`: one whole note, easy to tell apart."""
    note = Note(Fraction(0), bar.phrase.length, pitch)
    return make_bar(bar.index + 1, (note,), length=bar.phrase.length, bpm=bar.tempo_bpm, fallback=True, start=bar.end)


class ComingBars:
    """A composer for a player process: hands over a bar whenever one has begun, and keeps when each did."""

    def __init__(self, player, bars):
        self.player, self.bars, self.handed = player, bars, 0
        self.started, self.paused = {}, []
        self.hand_over()
        player.begin(0.0)

    def hand_over(self):
        if self.handed < len(self.bars):
            self.player.send(self.bars[self.handed], stand_in(self.bars[self.handed]))
            self.handed += 1

    def play_until(self, true):
        while not true():
            notices = self.player.poll(20.0)
            assert notices, "nothing happens"
            for notice in notices:
                if notice.kind == "started":
                    self.started[notice.index] = notice
                    self.hand_over()
                elif notice.kind == "paused":
                    self.paused.append(notice.index)

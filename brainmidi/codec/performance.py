"""Performances as Magenta's 310 events: note-on, note-off, time shifts of 10 ms, velocities.

Ids: 0 PAD, 1 EOS, 88 note-ons (MIDI 21..108), 88 note-offs, 100 shifts, 32 velocities (Oore et al. 2018, "This
Time with Feeling"; Huang et al. 2018, "Music Transformer", section 4.3). Score time is written at 125 beats a minute,
where a sixteenth is exactly 12 shifts, so that bars and triplets stay on the grid.

On one instant the order is canonical: note-offs from the lowest pitch, then for each note-on from the highest pitch a
velocity if it changed. The highest voice is thus known before the ones below it are chosen.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import CodecError
from brainmidi.types import BoolArray, Note, Phrase

PAD = 0
EOS = 1
MIN_PITCH = 21
MAX_PITCH = 108
N_PITCHES = MAX_PITCH - MIN_PITCH + 1
NOTE_ON = 2
NOTE_OFF = NOTE_ON + N_PITCHES
SHIFT = NOTE_OFF + N_PITCHES
MAX_SHIFT = 100
VELOCITY = SHIFT + MAX_SHIFT
N_VELOCITIES = 32
N_CLASSES = VELOCITY + N_VELOCITIES
VELOCITY_BIN = 4  # MIDI velocities to a class: ceil(127 / 32), as in note_seq's performance_lib
#: Of notes struck before any velocity event.
DEFAULT_VELOCITY = 81
TICKS_PER_BEAT = 48
TICKS_PER_SIXTEENTH = TICKS_PER_BEAT // 4


def note_on(pitch: int) -> int:
    """Return the id that starts `pitch`."""
    return NOTE_ON + pitch - MIN_PITCH


def note_off(pitch: int) -> int:
    """Return the id that ends `pitch`."""
    return NOTE_OFF + pitch - MIN_PITCH


def shift(ticks: int) -> int:
    """Return the id that lets 1..100 ticks pass."""
    return SHIFT + ticks - 1


def velocity_token(velocity: int) -> int:
    """Return the id of the class that a MIDI velocity 1..127 falls in."""
    return VELOCITY + (velocity - 1) // VELOCITY_BIN


def metrical_velocity(step: int, bar_steps: int) -> int:
    """Return the accent that a sixteenth of the bar carries, as a MIDI velocity.

    Performance events have no bar lines. The shipped model is trained on scores played with these accents, so that
    loudness tells it where in the bar it is.
    """
    if step == 0:
        return 93
    if bar_steps % 8 == 0 and step == bar_steps // 2:
        return 85
    if step % 4 == 0:
        return 81
    return 73 if step % 2 == 0 else 65


def quantise(phrase: Phrase, part: str = "accompaniment") -> Phrase:
    """Return the phrase on the tick grid, as :func:`decode` of its tokens gives it.

    Times go to the nearest tick (halves up), a note lasts at least one tick, a pitch struck again ends its earlier
    note, of equal pitches struck together the longest stays, and velocities fall to the bottom of their class.

    Raises
    ------
    CodecError
        If a pitch lies outside 21..108.
    """
    struck: dict[int, dict[int, Note]] = {}
    length = _ticks(phrase.length)
    for note in phrase.notes:
        if not MIN_PITCH <= note.pitch <= MAX_PITCH:
            raise CodecError(f"pitch {note.pitch} is outside {MIN_PITCH}..{MAX_PITCH}; transpose the phrase into range")
        start = _ticks(note.start)
        row = struck.setdefault(note.pitch, {})
        if start < length and (start not in row or note.length > row[start].length):
            row[start] = note
    notes = []
    for pitch, row in struck.items():
        starts = sorted(row)
        for start, following in pairwise([*starts, length]):
            note = row[start]
            end = min(max(_ticks(note.end), start + 1), following)
            velocity = (note.velocity - 1) // VELOCITY_BIN * VELOCITY_BIN + 1
            notes.append(Note(_beats(start), _beats(end - start), pitch, velocity, part))
    return Phrase(tuple(notes), _beats(length))


def encode(phrase: Phrase) -> NDArray[np.int32]:
    """Return the ids that spell the phrase, up to its end.

    Returns
    -------
    ndarray of int32, shape (n_events,)
    """
    grid = quantise(phrase)
    # (tick, 0 off / 1 on, order within) sorts into the canonical order.
    events = sorted(
        [(_ticks(n.end), 0, n.pitch, n) for n in grid.notes] + [(_ticks(n.start), 1, -n.pitch, n) for n in grid.notes],
        key=lambda event: event[:3],
    )
    tokens: list[int] = []
    now = 0
    loudness = None
    for tick, starts, _, note in events:
        tokens += shifts(tick - now)
        now = tick
        if not starts:
            tokens.append(note_off(note.pitch))
            continue
        if velocity_token(note.velocity) != loudness:
            loudness = velocity_token(note.velocity)
            tokens.append(loudness)
        tokens.append(note_on(note.pitch))
    tokens += shifts(_ticks(grid.length) - now)
    return np.array(tokens, dtype=np.int32)


def shifts(ticks: int) -> list[int]:
    """Return the ids that let `ticks` pass: full shifts first, then the rest."""
    full, rest = divmod(ticks, MAX_SHIFT)
    return [shift(MAX_SHIFT)] * full + ([shift(rest)] if rest else [])


def decode(tokens: Sequence[int] | NDArray[np.integer], part: str = "accompaniment") -> Phrase:
    """Return the phrase that the ids spell; its length is the time that they let pass.

    Every row of ids spells one: a note-off in silence says nothing, a pitch struck again ends its earlier note, a note
    ended on the instant it began is dropped, notes still sounding stop at the end.
    """
    grammar = Grammar()
    for token in tokens:
        grammar.push(int(token))
    return grammar.phrase(part)


class Grammar:
    """Which ids may come next, given those so far; what passes it is in canonical order and always decodes.

    Attributes
    ----------
    tick : int
        Time passed.
    sounding : dict of int to (int, int)
        Start tick and velocity of each pitch now sounding.
    """

    def __init__(self) -> None:
        self.tick = 0
        self.sounding: dict[int, tuple[int, int]] = {}
        self._notes: list[Note] = []
        self._velocity: int | None = None
        self._last = PAD
        #: Pitches struck on this instant: canonical order goes down from the last of them.
        self._struck = MAX_PITCH + 1

    def allowed(self) -> BoolArray:
        """Return which ids may come next.

        Returns
        -------
        ndarray of bool, shape (310,)
        """
        mask = np.zeros(N_CLASSES, dtype=bool)
        strikable = [note_on(pitch) for pitch in range(MIN_PITCH, self._struck) if pitch not in self.sounding]
        mask[strikable] = self._velocity is not None
        if self._last >= VELOCITY:
            return mask
        if self._struck > MAX_PITCH:
            lowest = self._last - NOTE_OFF + MIN_PITCH if NOTE_OFF <= self._last < SHIFT else MIN_PITCH - 1
            for pitch, (start, _) in self.sounding.items():
                mask[note_off(pitch)] = pitch > lowest and start < self.tick
        if strikable:
            mask[VELOCITY:] = True
            if self._velocity is not None:
                mask[velocity_token(self._velocity)] = False
        # A rest after a shift that was not full would have another spelling.
        if not SHIFT <= self._last < shift(MAX_SHIFT):
            mask[SHIFT:VELOCITY] = True
        return mask

    def push(self, token: int) -> None:
        """Take the next id.

        Raises
        ------
        CodecError
            If `token` is no id.
        """
        if not 0 <= token < N_CLASSES:
            raise CodecError(f"token {token} is outside 0..{N_CLASSES - 1}; this is not a performance of 310 classes")
        if token >= VELOCITY:
            self._velocity = (token - VELOCITY) * VELOCITY_BIN + 1
        elif token >= SHIFT:
            self.tick += token - SHIFT + 1
            self._struck = MAX_PITCH + 1
        elif token >= NOTE_OFF:
            self._close(token - NOTE_OFF + MIN_PITCH)
        elif token >= NOTE_ON:
            pitch = token - NOTE_ON + MIN_PITCH
            self._close(pitch)
            self.sounding[pitch] = (self.tick, DEFAULT_VELOCITY if self._velocity is None else self._velocity)
            self._struck = pitch
        self._last = token

    def _close(self, pitch: int) -> None:
        start, velocity = self.sounding.pop(pitch, (self.tick, 1))
        if start < self.tick:
            self._notes.append(Note(_beats(start), _beats(self.tick - start), pitch, velocity))

    def phrase(self, part: str = "accompaniment") -> Phrase:
        """Return the notes so far; those that still sound stop now."""
        open_notes = [
            Note(_beats(start), _beats(self.tick - start), pitch, velocity)
            for pitch, (start, velocity) in self.sounding.items()
            if start < self.tick
        ]
        notes = [Note(n.start, n.length, n.pitch, n.velocity, part) for n in (*self._notes, *open_notes)]
        return Phrase(tuple(notes), _beats(self.tick))


def _ticks(beat: Fraction) -> int:
    """Return the tick nearest to `beat`, halves up."""
    return int((beat * TICKS_PER_BEAT + Fraction(1, 2)) // 1)


def _beats(ticks: int) -> Fraction:
    return Fraction(ticks, TICKS_PER_BEAT)

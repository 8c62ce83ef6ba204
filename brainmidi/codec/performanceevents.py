"""Notes in ticks and the event ids that spell them, whatever a tick lasts: the one spelling, and the grammar of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec.performanceids import MAGENTA, VELOCITY_BIN, Vocabulary
from brainmidi.errors import CodecError
from brainmidi.types import BoolArray

#: Start and end in ticks, MIDI pitch, MIDI velocity.
TickNote = tuple[int, int, int, int]
#: Of notes struck before any velocity event.
DEFAULT_VELOCITY = 81


def settle(notes: Iterable[TickNote], length: int, vocabulary: Vocabulary = MAGENTA) -> list[TickNote]:
    """Return the notes as ids can say them, those that begin at `length` ticks or later left out.

    A note lasts at least one tick and not beyond `length`, a pitch struck again ends its earlier note, of equal pitches
    struck together the longest stays, and velocities fall to the bottom of their class.

    Raises
    ------
    CodecError
        If a pitch has no id.
    """
    struck: dict[int, dict[int, tuple[int, int]]] = {}
    for start, end, pitch, velocity in notes:
        vocabulary.check(pitch)
        row = struck.setdefault(pitch, {})
        if start < length and (start not in row or end > row[start][0]):
            row[start] = (end, velocity)
    settled = []
    for pitch, row in struck.items():
        for start, following in pairwise([*sorted(row), length]):
            end, velocity = row[start]
            bottom = (velocity - 1) // VELOCITY_BIN * VELOCITY_BIN + 1
            settled.append((start, min(max(end, start + 1), following), pitch, bottom))
    return settled


def spell(notes: Sequence[TickNote], length: int, vocabulary: Vocabulary = MAGENTA) -> NDArray[np.int32]:
    """Return the ids of settled notes, and of the rest up to `length` ticks, in canonical order."""
    # (tick, 0 off / 1 on, order within, the note's pitch and velocity)
    events = [(end, 0, pitch, pitch, velocity) for _, end, pitch, velocity in notes]
    events += [(start, 1, -pitch, pitch, velocity) for start, _, pitch, velocity in notes]
    tokens: list[int] = []
    now = 0
    loudness = None
    for tick, starts, _, pitch, velocity in sorted(events):
        tokens += vocabulary.wait(tick - now)
        now = tick
        if not starts:
            tokens.append(vocabulary.off(pitch))
            continue
        if vocabulary.loudness(velocity) != loudness:
            loudness = vocabulary.loudness(velocity)
            tokens.append(loudness)
        tokens.append(vocabulary.on(pitch))
    tokens += vocabulary.wait(length - now)
    return np.array(tokens, dtype=np.int32)


class Grammar:
    """Which ids may come next, given those so far; what passes it is in canonical order and always decodes.

    Attributes
    ----------
    tick : int
        Time passed.
    sounding : dict of int to (int, int)
        Start tick and velocity of each pitch now sounding.
    """

    def __init__(self, vocabulary: Vocabulary = MAGENTA) -> None:
        self.tick = 0
        self.sounding: dict[int, tuple[int, int]] = {}
        self._ids = vocabulary
        self._notes: list[TickNote] = []
        self._velocity: int | None = None
        self._last = -1
        #: Pitches struck on this instant: canonical order goes down from the last of them.
        self._struck = vocabulary.max_pitch + 1

    def allowed(self) -> BoolArray:
        """Return which ids may come next.

        Returns
        -------
        ndarray of bool, shape (n_classes,)
        """
        ids, last = self._ids, self._last
        mask = np.zeros(ids.n_classes, dtype=bool)
        strikable = [ids.on(pitch) for pitch in range(ids.min_pitch, self._struck) if pitch not in self.sounding]
        mask[strikable] = self._velocity is not None
        if last >= ids.velocity:
            return mask
        if self._struck > ids.max_pitch:
            lowest = last - ids.note_off + ids.min_pitch if ids.note_off <= last < ids.shift else ids.min_pitch - 1
            for pitch, (start, _) in self.sounding.items():
                mask[ids.off(pitch)] = pitch > lowest and start < self.tick
        if strikable:
            mask[ids.velocity :] = True
            if self._velocity is not None:
                mask[ids.loudness(self._velocity)] = False
        # A rest after a shift that was not full would have another spelling.
        if not ids.shift <= last < ids.velocity - 1:
            mask[ids.shift : ids.velocity] = True
        return mask

    def push(self, token: int) -> None:
        """Take the next id.

        Raises
        ------
        CodecError
            If `token` is no id.
        """
        ids = self._ids
        if not 0 <= token < ids.n_classes:
            raise CodecError(
                f"token {token} is outside 0..{ids.n_classes - 1}; this is not a performance of {ids.n_classes} classes"
            )
        if token >= ids.velocity:
            self._velocity = (token - ids.velocity) * VELOCITY_BIN + 1
        elif token >= ids.shift:
            self.tick += token - ids.shift + 1
            self._struck = ids.max_pitch + 1
        elif token >= ids.note_off:
            self._close(token - ids.note_off + ids.min_pitch)
        elif token >= ids.note_on:
            pitch = token - ids.note_on + ids.min_pitch
            self._close(pitch)
            self.sounding[pitch] = (self.tick, DEFAULT_VELOCITY if self._velocity is None else self._velocity)
            self._struck = pitch
        self._last = token

    def _close(self, pitch: int) -> None:
        start, velocity = self.sounding.pop(pitch, (self.tick, 1))
        if start < self.tick:
            self._notes.append((start, self.tick, pitch, velocity))

    def notes(self) -> list[TickNote]:
        """Return the notes so far; those that still sound stop now."""
        still = [
            (start, self.tick, pitch, velocity)
            for pitch, (start, velocity) in self.sounding.items()
            if start < self.tick
        ]
        return [*self._notes, *still]

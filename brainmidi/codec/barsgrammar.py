"""Which ids of the bar-aware vocabulary may come next: every row that passes is one score's only spelling.

::

    piece := STYLE bar* [EOS]
    bar   := BAR CHORD group*            # the chord at the bar line is always said
    group := POSITION [CHORD] row*       # positions ascend; a chord where it changes, after the bar line; never empty
    row   := PART note+                  # parts in the order of PARTS, each once
    note  := [VELOCITY] PITCH DURATION   # pitches descend; the velocity where it differs from the part's last one
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

import numpy as np

from brainmidi.codec.barscore import (
    BAR,
    CHORD,
    DURATION,
    DURATIONS,
    EOS,
    MAX_PITCH,
    MIN_PITCH,
    N_CLASSES,
    N_PITCHES,
    PAD,
    PART,
    PARTS,
    PITCH,
    POSITION,
    STYLE,
    STYLES,
    VELOCITY,
    Score,
    ScoreBar,
    velocity_of,
)
from brainmidi.errors import CodecError
from brainmidi.types import BoolArray, Note

#: First id of every kind, and the kind of every id.
KINDS = {
    PAD: "pad",
    EOS: "end",
    STYLE: "style",
    BAR: "bar",
    CHORD: "chord",
    POSITION: "position",
    PART: "part",
    PITCH: "pitch",
    DURATION: "duration",
    VELOCITY: "velocity",
}
_KIND = tuple(max(first for first in KINDS if first <= token) for token in range(N_CLASSES))


def _mask(*blocks: tuple[int, int]) -> BoolArray:
    mask = np.zeros(N_CLASSES, dtype=bool)
    for first, last in blocks:
        mask[first:last] = True
    return mask


#: What may follow each kind whatever was before it.
_ALWAYS = {
    PAD: _mask((STYLE, BAR)),
    EOS: _mask(),
    STYLE: _mask((EOS, STYLE), (BAR, CHORD)),
    BAR: _mask((CHORD, POSITION)),
    CHORD: _mask((EOS, STYLE), (BAR, CHORD)),
    POSITION: _mask(),
    PART: _mask(),
    PITCH: _mask((DURATION, VELOCITY)),
    DURATION: _mask((EOS, STYLE), (BAR, CHORD)),
    VELOCITY: _mask(),
}
#: Sixteenths as beats.
_BEATS = tuple(Fraction(steps, 4) for steps in range(max(DURATIONS) + 1))


class _Closed(NamedTuple):
    """The bars that are over, the last one first: one more costs the same however many there are."""

    before: _Closed | None
    bar: ScoreBar


class Grammar:
    """What was said so far, and what may be said next.

    Attributes
    ----------
    style : str or None
        None before it was said.
    bar : int
        Index of the open bar, -1 before the first.
    bar_start : int
        Absolute sixteenth on which it begins.
    bar_length : int
        Its sixteenths.
    step : int
        Position of the open group in the bar, -1 before the first.
    chord : int or None
        Class of the chord that holds.
    part : str or None
        Part of the open row.
    notes : tuple of Note
        Those of the open bar, as spelled.
    sounding : mapping of (str, int) to int
        Absolute sixteenth at which each (part, pitch) that sounds now will stop.
    ended : bool
        Whether EOS was said.
    """

    # No value is changed in place, only replaced: a shallow copy shares nothing that could change under it.

    def __init__(self) -> None:
        self.style: str | None = None
        self.bar = -1
        self.bar_start = 0
        self.bar_length = 0
        self.step = -1
        self.chord: int | None = None
        self.part: str | None = None
        self.notes: tuple[Note, ...] = ()
        self.sounding: Mapping[tuple[str, int], int] = {}
        self.ended = False
        self._closed: _Closed | None = None
        self._chords: tuple[tuple[int, int], ...] = ()
        self._velocities: Mapping[str, int] = {}  # part -> its last velocity id
        self._pitch = MAX_PITCH + 1  # the row's last
        self._kind = PAD  # of the last id
        self._mask: BoolArray | None = None

    def copy(self) -> Grammar:
        """Return a second one that goes its own way from here."""
        other = Grammar.__new__(Grammar)
        other.__dict__.update(self.__dict__)
        return other

    def allowed(self) -> BoolArray:
        """Return which ids may come next; never none before EOS.

        Returns
        -------
        ndarray of bool, shape (220,), read-only
        """
        if self._mask is None:
            self._mask = self._look()
            self._mask.flags.writeable = False
        return self._mask

    def _look(self) -> BoolArray:
        kind = self._kind
        mask = _ALWAYS[kind].copy()
        if kind in (CHORD, DURATION):
            mask[POSITION + self.step + 1 : POSITION + self.bar_length] = True
            # On the bar line the chord is said already, so that a group there needs a pitch to strike.
            if self.step < 0 and not any(map(self._strikable, PARTS)):
                mask[POSITION] = False
        if kind == POSITION and self.step > 0 and self.chord is not None:
            mask[CHORD:POSITION] = True
            mask[CHORD + self.chord] = False
        if kind in (POSITION, DURATION) or (kind == CHORD and self.step >= 0):
            first = 0 if self.part is None else PARTS.index(self.part) + 1
            for index in range(first, len(PARTS)):
                mask[PART + index] = self._strikable(PARTS[index])
        if kind in (PART, DURATION, VELOCITY):
            self._allow_note(mask)
        return mask

    def _allow_note(self, mask: BoolArray) -> None:
        pitches = mask[PITCH : PITCH + self._pitch - MIN_PITCH]
        pitches[:] = True
        for part, pitch in self.sounding:
            if part == self.part:
                mask[PITCH + pitch - MIN_PITCH] = False
        if self._kind == VELOCITY or not pitches.any():
            return
        mask[VELOCITY:] = True
        last = self._velocities.get(self.part or "")
        if last is None:
            pitches[:] = False
        else:
            mask[last] = False

    def _strikable(self, part: str) -> bool:
        """Return whether the part has a pitch that it does not sound."""
        return len(self.sounding) < N_PITCHES or sum(p == part for p, _ in self.sounding) < N_PITCHES

    def push(self, token: int) -> None:
        """Take the next id.

        Raises
        ------
        CodecError
            If it may not come here.
        """
        if not 0 <= token < N_CLASSES:
            raise CodecError(f"token {token} is outside 0..{N_CLASSES - 1}; this is no score of {N_CLASSES} classes")
        kind = _KIND[token]
        if not self.allowed()[token]:
            last = KINDS[self._kind] if self._kind else "nothing"
            raise CodecError(f"token {token} ({KINDS[kind]}) may not come after {last} here; push what is allowed()")
        index = token - kind
        if kind == PITCH:
            self._pitch = index + MIN_PITCH
        elif kind == DURATION:
            self._strike(DURATIONS[index])
        elif kind == VELOCITY:
            self._velocities = {**self._velocities, self.part or "": token}
        elif kind == PART:
            self.part, self._pitch = PARTS[index], MAX_PITCH + 1
        elif kind == POSITION:
            self.step, self.part = index, None
            self._silence()
        elif kind == CHORD:
            self.chord = index
            self._chords = (*self._chords, (max(self.step, 0), index))
        elif kind == BAR:
            if self._chords:
                self._closed = _Closed(self._closed, ScoreBar(self.bar_length, self._chords, self.notes))
            self.bar += 1
            self.bar_start += self.bar_length
            self.bar_length, self.step, self.part = index + 1, -1, None
            self.notes = self._chords = ()
            self._silence()
        elif kind == STYLE:
            self.style = STYLES[index]
        else:
            self.ended = True
        self._kind = kind
        self._mask = None

    def _strike(self, steps: int) -> None:
        assert self.part is not None
        velocity = velocity_of(self._velocities[self.part])
        note = Note(_BEATS[self.step], _BEATS[steps], self._pitch, velocity, self.part)
        self.notes = (*self.notes, note)
        self.sounding = {**self.sounding, (self.part, self._pitch): self.bar_start + self.step + steps}

    def _silence(self) -> None:
        now = self.bar_start + max(self.step, 0)
        self.sounding = {key: end for key, end in self.sounding.items() if end > now}

    def score(self) -> Score:
        """Return what was said so far; a note without its duration and a bar without its chord are left out."""
        found = [ScoreBar(self.bar_length, self._chords, self.notes)] if self._chords else []
        closed = self._closed
        while closed is not None:
            found.append(closed.bar)
            closed = closed.before
        return Score(tuple(reversed(found)), self.style or STYLES[0], self.ended)

"""Scores as bars, chords, positions, parts, pitches, durations and velocities: 220 ids for playing in time with a band.

The ids and the scores are those of :mod:`brainmidi.codec.barscore`, their order that of
:mod:`brainmidi.codec.barsgrammar`: the melody of an instant is known before its bass, the bass before its
accompaniment.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from fractions import Fraction
from itertools import accumulate, pairwise

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec.barscore import (
    BAR,
    CHORD,
    DURATION,
    DURATIONS,
    EOS,
    MAX_BAR,
    MAX_PITCH,
    MIN_PITCH,
    N_CLASSES,
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
    bar_token,
    chord_token,
    duration_token,
    part_token,
    pitch_token,
    position_token,
    style_token,
    velocity_of,
    velocity_token,
)
from brainmidi.codec.barsgrammar import Grammar
from brainmidi.types import Note

__all__ = [
    "BAR",
    "CHORD",
    "DURATION",
    "DURATIONS",
    "EOS",
    "MAX_BAR",
    "MAX_PITCH",
    "MIN_PITCH",
    "N_CLASSES",
    "PAD",
    "PART",
    "PARTS",
    "PITCH",
    "POSITION",
    "STYLE",
    "STYLES",
    "VELOCITY",
    "Grammar",
    "Score",
    "ScoreBar",
    "bar_token",
    "chord_token",
    "decode",
    "duration_token",
    "encode",
    "part_token",
    "pitch_token",
    "position_token",
    "quantise",
    "style_token",
    "velocity_of",
    "velocity_token",
]


def quantise(score: Score) -> Score:
    """Return the score on the grid, as :func:`decode` of its tokens gives it.

    Times go to the nearest sixteenth (halves up; into the next bar where there is one) and lengths to the nearest of
    :data:`DURATIONS` (the shorter of two), at least a sixteenth. A pitch that its part strikes again ends its earlier
    note there, or as late before it as a duration allows; of equal pitches struck together the longest stays.
    Velocities go to the middle of their class. A chord that repeats the one before it in its bar is left out.
    """
    if not score.bars:
        return score
    lines = [0, *accumulate(bar.length for bar in score.bars)]
    struck: dict[tuple[str, int], dict[int, tuple[int, int]]] = {}
    for line, bar in zip(lines, score.bars, strict=False):
        for note in bar.notes:
            start = min(line + _steps(note.start), lines[-1] - 1)
            heard = (line + _steps(note.end) - start, note.velocity)
            row = struck.setdefault((note.part, note.pitch), {})
            row[start] = max(heard, row.get(start, heard))
    notes: list[list[Note]] = [[] for _ in score.bars]
    for (part, pitch), row in struck.items():
        for start, following in pairwise([*sorted(row), lines[-1] + DURATIONS[-1]]):
            steps, velocity = row[start]
            length = min(_nearest(steps), DURATIONS[bisect_right(DURATIONS, following - start) - 1])
            index = bisect_right(lines, start) - 1
            at = Fraction(start - lines[index], 4)
            notes[index].append(Note(at, Fraction(length, 4), pitch, velocity_of(velocity_token(velocity)), part))
    bars = [
        ScoreBar(bar.length, _changes(bar.chords), tuple(found)) for bar, found in zip(score.bars, notes, strict=True)
    ]
    return Score(tuple(bars), score.style, score.ended)


def encode(score: Score) -> NDArray[np.int32]:
    """Return the ids that spell the score.

    Returns
    -------
    ndarray of int32, shape (n_tokens,)
    """
    grid = quantise(score)
    tokens = [style_token(grid.style)]
    loudness: dict[str, int] = {}
    for bar in grid.bars:
        tokens += [bar_token(bar.length), chord_token(bar.chords[0][1])]
        said: dict[int, list[int]] = {step: [chord_token(chord)] for step, chord in bar.chords[1:]}
        row = (-1, "")
        for note in sorted(bar.notes, key=lambda n: (_steps(n.start), PARTS.index(n.part), -n.pitch)):
            step = _steps(note.start)
            group = said.setdefault(step, [])
            if row != (step, note.part):
                row = (step, note.part)
                group.append(part_token(note.part))
            if loudness.get(note.part) != velocity_token(note.velocity):
                loudness[note.part] = velocity_token(note.velocity)
                group.append(loudness[note.part])
            group += [pitch_token(note.pitch), duration_token(_steps(note.length))]
        for step in sorted(said):
            tokens += [position_token(step), *said[step]]
    return np.array([*tokens, EOS] if grid.ended else tokens, dtype=np.int32)


def decode(tokens: Sequence[int] | NDArray[np.integer]) -> Score:
    """Return the score that the ids spell; PAD at the end says nothing, a note or bar that is cut off is left out.

    Raises
    ------
    CodecError
        If an id may not come where it stands.
    """
    grammar = Grammar()
    for token in np.trim_zeros(np.asarray(tokens, dtype=np.int32), "b"):
        grammar.push(int(token))
    return grammar.score()


def _steps(beat: Fraction) -> int:
    """Return the sixteenth nearest to `beat`, halves up."""
    return int((8 * beat.numerator + beat.denominator) // (2 * beat.denominator))


def _nearest(steps: int) -> int:
    """Return the duration nearest to `steps`, of two the shorter."""
    return steps if steps in DURATIONS else min(DURATIONS, key=lambda duration: abs(duration - steps))


def _changes(chords: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    return chords[:1] + tuple(new for old, new in pairwise(chords) if new[1] != old[1])

"""Performed music as events: notes at real seconds, the sustain pedal heard, in shifts of 10 ms.

Notes are rows of (start in seconds, end in seconds, MIDI pitch, MIDI velocity). The pedal is rows of (time in seconds,
down), down where controller 64 is 64 or more; both as one instrument of a MIDI file has them.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brainmidi.codec.performanceevents import Grammar, TickNote, settle, spell
from brainmidi.codec.performanceids import MAGENTA, Vocabulary

#: 10 ms, as in Oore et al. 2018 and in Magenta's checkpoints.
TICKS_PER_SECOND = 100

Floats = NDArray[np.float64]


def sustained(notes: ArrayLike, pedal: ArrayLike) -> Floats:
    """Return the notes as they sound, each held as long as the pedal holds it.

    A note whose key is let go while the pedal is down sounds until the pedal lifts, or to the end of the file if it
    does not lift. A pitch struck again while the pedal is down ends its earlier note there.

    Parameters
    ----------
    notes : array_like, shape (n_notes, 4)
    pedal : array_like, shape (n_changes, 2)

    Returns
    -------
    ndarray of float64, shape (n_notes, 4)
        The notes in their order.

    Notes
    -----
    This is what note_seq's ``apply_sustain_control_changes`` makes of one instrument, which the datasets of the papers
    went through. It takes equal times apart in another way: there a pedal lifted and pressed on one instant stays up,
    here the later row holds; there of two equal pitches struck together under the pedal the first is removed, here the
    codec keeps the longer.
    """
    rows, changes = _table(notes, 4), _table(pedal, 2)
    if not (len(rows) and len(changes)):
        return rows
    changes = changes[np.argsort(changes[:, 0], kind="stable")]
    times, down = changes[:, 0], changes[:, 1] > 0
    last = max(rows[:, 1].max(), times[-1])
    lifts = np.append(times[~down], last)

    def held(at_s: Floats) -> NDArray[np.bool_]:
        """Return whether the pedal is down at each time, its changes at that time heard already."""
        before = np.searchsorted(times, at_s, side="right")
        return np.asarray((before > 0) & down[before - 1])

    ends = rows[:, 1].copy()
    under = held(ends)
    ends[under] = lifts[np.minimum(np.searchsorted(lifts, ends[under], side="right"), len(lifts) - 1)]
    for pitch in np.unique(rows[:, 2]):
        same = np.flatnonzero(rows[:, 2] == pitch)
        strikes = np.unique(rows[same, 0])
        strikes = np.append(strikes[held(strikes)], np.inf)
        following = strikes[np.searchsorted(strikes, rows[same, 0], side="right")]
        ends[same] = np.minimum(ends[same], following)
    rows[:, 1] = ends
    return rows


def quantise(notes: ArrayLike, vocabulary: Vocabulary = MAGENTA) -> Floats:
    """Return the notes on the grid of 10 ms, as :func:`decode` of their tokens gives them.

    Times go to the nearest tick (halves up); the rest is :func:`brainmidi.codec.performanceevents.settle`.

    Returns
    -------
    ndarray of float64, shape (n_kept, 4)
        By start, then by pitch.

    Raises
    ------
    CodecError
        If a pitch has no id.
    """
    return _seconds(_settled(notes, vocabulary))


def encode(notes: ArrayLike, pedal: ArrayLike = (), vocabulary: Vocabulary = MAGENTA) -> NDArray[np.int32]:
    """Return the ids that spell the notes as the pedal lets them sound, from second 0 to the last note's end.

    Raises
    ------
    CodecError
        If a pitch has no id.
    """
    settled = _settled(sustained(notes, pedal), vocabulary)
    return spell(settled, max((end for _, end, _, _ in settled), default=0), vocabulary)


def decode(tokens: Sequence[int] | NDArray[np.integer], vocabulary: Vocabulary = MAGENTA) -> Floats:
    """Return the notes that the ids spell, shape (n_notes, 4), by start, then by pitch.

    Every row of ids spells some, as in :func:`brainmidi.codec.performance.decode`.
    """
    grammar = Grammar(vocabulary)
    for token in tokens:
        grammar.push(int(token))
    return _seconds(grammar.notes())


def _settled(notes: ArrayLike, vocabulary: Vocabulary) -> list[TickNote]:
    rows = _table(notes, 4)
    rows[:, :2] = np.floor(rows[:, :2] * TICKS_PER_SECOND + 0.5)
    ticks: list[TickNote] = [(start, end, pitch, velocity) for start, end, pitch, velocity in rows.astype(int).tolist()]
    return settle(ticks, max((max(end, start + 1) for start, end, _, _ in ticks), default=0), vocabulary)


def _seconds(notes: list[TickNote]) -> Floats:
    rows = _table(sorted(notes, key=lambda note: (note[0], note[2])), 4)
    rows[:, :2] /= TICKS_PER_SECOND
    return rows


def _table(rows: ArrayLike, width: int) -> Floats:
    """Return a copy of `rows` with `width` columns, also where there are none."""
    return np.array(rows, dtype=np.float64).reshape(-1, width)

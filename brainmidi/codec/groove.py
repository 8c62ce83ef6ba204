"""Drum performances as GrooVAE's 27 numbers a sixteenth: nine hits, nine velocities, nine offsets.

A hit is 0 or 1; a velocity is the MIDI velocity over 127; an offset says by how many half steps the drum comes *before*
its grid line, so that 1 is half a sixteenth early and -1 half a sixteenth late (Gillick et al. 2019, "Learning to
Groove with Inverse Sequence Transformations", section 3.2; the sign is that of Magenta's groovae configurations).
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec.drums import N_DRUMS, OPEN_HAT, PART, REDUCED, STEP, Kit, classes, steps
from brainmidi.types import Note, Phrase

N_FEATURES = 3 * N_DRUMS
HITS = slice(0, N_DRUMS)
VELOCITIES = slice(N_DRUMS, 2 * N_DRUMS)
OFFSETS = slice(2 * N_DRUMS, 3 * N_DRUMS)
TICKS_PER_BEAT = 96
TICKS_PER_STEP = TICKS_PER_BEAT // 4
TICKS_PER_HALF_STEP = TICKS_PER_STEP // 2
#: A model says how likely a hit is; it is struck above this.
THRESHOLD = 0.5
#: Where tapped rhythms go: Magenta collapses every drum onto the open hi-hat.
TAPPED = OPEN_HAT


def quantise(phrase: Phrase, kit: Kit = REDUCED) -> Phrase:
    """Return the phrase with starts on 1/96 beat and one hit of a drum a sixteenth, as :func:`decode` gives it.

    Of hits of one drum on one step the loudest stays, and of equally loud ones the earliest. A hit nearer to the
    phrase's end than to its last step is left out, and so are pitches of no class. Every hit lasts a sixteenth, or to
    the phrase's end.

    Raises
    ------
    CodecError
        If the phrase's length is not a multiple of a sixteenth.
    """
    class_of = classes(kit)
    n_steps = steps(phrase.length)
    kept: dict[tuple[int, int], tuple[int, int]] = {}
    for note in phrase.notes:
        if note.pitch not in class_of:
            continue
        tick = int((note.start * TICKS_PER_BEAT + Fraction(1, 2)) // 1)
        at = (_step(tick), class_of[note.pitch])
        if at[0] < n_steps:
            kept[at] = max(kept.get(at, (0, 0)), (note.velocity, -tick))
    hits = [_hit(-minus_tick, kit[k][0], velocity, n_steps) for (_, k), (velocity, minus_tick) in kept.items()]
    return Phrase(tuple(hits), phrase.length)


def encode(phrase: Phrase, kit: Kit = REDUCED) -> NDArray[np.float32]:
    """Return hits, velocities and offsets of each sixteenth.

    Parameters
    ----------
    phrase : Phrase
    kit : tuple of tuples of int
        Nine classes of pitches, see :mod:`brainmidi.codec.drums`.

    Returns
    -------
    ndarray of float32, shape (n_steps, 27)
    """
    class_of = classes(kit)
    notes = quantise(phrase, kit).notes
    return matrix(
        np.array([float(note.start) for note in notes]),
        np.array([class_of[note.pitch] for note in notes], dtype=np.int64),
        np.array([note.velocity for note in notes], dtype=np.int64),
        steps(phrase.length),
    )


def matrix(
    start_beats: NDArray[np.float64], drums: NDArray[np.int64], velocities: NDArray[np.int64], n_steps: int
) -> NDArray[np.float32]:
    """Return hits, velocities and offsets of hits given as arrays, timed as finely as they come.

    Parameters
    ----------
    start_beats, drums, velocities : ndarray, shape (n_hits,)
        Beats from the first step, classes 0..8, MIDI velocities.
    n_steps : int
        Hits nearest to a step from `n_steps` on are left out.

    Returns
    -------
    ndarray of float32, shape (n_steps, 27)
    """
    # The last written of a drum and step stays: the loudest, and of those the earliest.
    order = np.lexsort((-start_beats, velocities))
    at = start_beats[order] * 4
    step = np.floor(at + 0.5).astype(np.int64)
    inside = step < n_steps
    step, at, drum, velocity = step[inside], at[inside], drums[order][inside], velocities[order][inside]
    rows = np.zeros((n_steps, N_FEATURES), dtype=np.float32)
    rows[step, drum] = 1.0
    rows[step, VELOCITIES.start + drum] = velocity / 127
    rows[step, OFFSETS.start + drum] = 2 * (step - at)
    return rows


def decode(rows: NDArray[np.floating[Any]]) -> Phrase:
    """Return the performance that the rows (n_steps, 27) spell; every matrix of finite numbers spells one.

    Velocities are clipped to 1..127. Offsets are clipped so that a hit stays nearest to its own step, and starts so
    that none lies before the phrase.
    """
    values = np.asarray(rows, dtype=np.float64)
    n_steps = len(values)
    velocities = np.clip(np.floor(values[:, VELOCITIES] * 127 + 0.5), 1, 127).astype(int)
    # Half a step late is the next step's, half a step early is this one's.
    ticks = np.floor(values[:, OFFSETS] * TICKS_PER_HALF_STEP + 0.5)
    ticks = np.clip(ticks, 1 - TICKS_PER_HALF_STEP, TICKS_PER_HALF_STEP).astype(int)
    hits = [
        _hit(
            max(0, int(step) * TICKS_PER_STEP - int(ticks[step, k])),
            REDUCED[k][0],
            int(velocities[step, k]),
            n_steps,
        )
        for step, k in np.argwhere(values[:, HITS] > THRESHOLD)
    ]
    return Phrase(tuple(hits), n_steps * STEP)


def humanise_input(rows: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Return the rows (..., 27) with their hits alone: what ``groovae_2bar_humanize`` reads."""
    kept = np.zeros(rows.shape, dtype=np.float32)
    kept[..., HITS] = rows[..., HITS]
    return kept


def tap_input(rows: NDArray[np.floating[Any]], *, fixed_velocity: bool = True) -> NDArray[np.float32]:
    """Return the rhythm of the rows (..., 27) tapped on one drum: what the ``groovae_2bar_tap`` configurations read.

    On each step the loudest drum (the first of equally loud ones) stands for all, moved to the open hi-hat with its
    timing.

    Parameters
    ----------
    rows : ndarray, shape (..., 27)
    fixed_velocity : bool
        Set velocities to 0, so that the model decides them.

    Returns
    -------
    ndarray of float32, shape (..., 27)
    """
    loudest = np.argmax(rows[..., VELOCITIES], axis=-1)[..., None]
    tapped = np.zeros(rows.shape, dtype=np.float32)
    for block in (HITS, OFFSETS) if fixed_velocity else (HITS, VELOCITIES, OFFSETS):
        tapped[..., block.start + TAPPED] = np.take_along_axis(rows[..., block], loudest, axis=-1)[..., 0]
    return tapped


def _step(tick: int) -> int:
    """Return the sixteenth nearest to `tick`, halves up."""
    return (tick + TICKS_PER_HALF_STEP) // TICKS_PER_STEP


def _hit(tick: int, pitch: int, velocity: int, n_steps: int) -> Note:
    length = min(TICKS_PER_STEP, n_steps * TICKS_PER_STEP - tick)
    return Note(Fraction(tick, TICKS_PER_BEAT), Fraction(length, TICKS_PER_BEAT), pitch, velocity, PART)

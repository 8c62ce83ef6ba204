"""What a melody is like, in numbers: attributes of token rows, many rows at once.

Rows are those of :mod:`brainmidi.codec.melody`: one class a sixteenth, a whole number of 4/4 bars. An attribute of
notes is not defined for a row without any, and is NaN there.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import melody
from brainmidi.errors import CodecError

Rows = NDArray[np.integer]
Floats = NDArray[np.float64]

STEPS_PER_BEAT = int(1 / melody.STEP)
STEPS_PER_BAR = 4 * STEPS_PER_BEAT
#: Weight of each sixteenth of a 4/4 bar: minus the depth at which the bar's binary tree first reaches it
#: (H. C. Longuet-Higgins and C. S. Lee, "The Rhythmic Interpretation of Monophonic Music", Music Perception 1(4),
#: 1984): bar 0, half -1, quarter -2, eighth -3, sixteenth -4.
METRICAL_WEIGHTS = np.array([0, -4, -3, -4, -2, -4, -3, -4, -1, -4, -3, -4, -2, -4, -3, -4])
#: Pitch classes of the tonic's triads, major and minor, in melodies whose tonic is C.
TONIC_TRIADS = ((0, 4, 7), (0, 3, 7))


def onsets(rows: Rows) -> NDArray[np.bool_]:
    """Return where notes begin, shape (n, t), for token rows of that shape."""
    return np.asarray(rows) >= melody.FIRST_PITCH_CLASS


def pitches(rows: Rows) -> NDArray[np.int64]:
    """Return the MIDI pitch, shape (n, t), that begins at each step; it means nothing where :func:`onsets` is false."""
    return np.asarray(rows, dtype=np.int64) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH


def lengths(rows: Rows) -> NDArray[np.int64]:
    """Return the steps, shape (n, t), from each step up to the next event or the end: at an onset, the note length."""
    return _steps_until(np.asarray(rows) != melody.NO_EVENT)


def gaps(rows: Rows) -> NDArray[np.int64]:
    """Return the steps, shape (n, t), from each step up to the next onset or the end, rests counted in."""
    return _steps_until(onsets(rows))


def density(rows: Rows) -> Floats:
    """Return onsets per beat, shape (n,)."""
    return np.asarray(onsets(rows).mean(axis=-1) * STEPS_PER_BEAT, dtype=np.float64)


def register(rows: Rows) -> Floats:
    """Return the mean MIDI pitch of the notes, shape (n,), each counted once."""
    return _mean(pitches(rows), onsets(rows))


def pitch_range(rows: Rows) -> Floats:
    """Return the semitones from the lowest to the highest note, shape (n,)."""
    begins, pitch = onsets(rows), pitches(rows)
    span = np.max(pitch, axis=-1, where=begins, initial=0) - np.min(pitch, axis=-1, where=begins, initial=127)
    return np.where(begins.any(axis=-1), span, np.nan)


def note_length(rows: Rows) -> Floats:
    """Return log2 of the length in beats of the note that one hears at a random moment, shape (n,): 0 is quarters.

    It is the notes' mean length, each weighted by its length. The plain mean would be little more than one over
    the density.
    """
    begins = onsets(rows)
    beats = np.where(begins, lengths(rows) / STEPS_PER_BEAT, 0.0)
    total = beats.sum(axis=-1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.log2((beats**2).sum(axis=-1) / total), dtype=np.float64)


def syncopation(rows: Rows) -> Floats:
    """Return how far the onsets of a bar lie from its strongest steps, on average over the bars, shape (n,).

    Raises
    ------
    CodecError
        If the rows are no whole number of bars.

    Notes
    -----
    This is Toussaint's metrical complexity: what the :data:`METRICAL_WEIGHTS` of a bar's onsets add up to, below the
    most that so many onsets could. It is 0 where the strongest steps are taken first, as in even quarters or eighths,
    and 2 where the second of two halves comes an eighth late. A measure that counts only onsets held over a stronger
    step (Longuet-Higgins & Lee's own) is 0 for four in five phrases of folk tunes, too few for a latent to learn from;
    the two correlate.

    References
    ----------
    G. T. Toussaint, "A Mathematical Analysis of African, Brazilian, and Cuban Clave Rhythms", BRIDGES 2002.
    """
    begins = onsets(rows)
    n_bars, rest = divmod(begins.shape[-1], STEPS_PER_BAR)
    if rest:
        raise CodecError(f"{begins.shape[-1]} steps are no whole number of 4/4 bars; give {STEPS_PER_BAR} a bar")
    bars = begins.reshape(-1, n_bars, STEPS_PER_BAR)
    most = np.concatenate([[0], np.cumsum(np.sort(METRICAL_WEIGHTS)[::-1])])[bars.sum(axis=-1)]
    return np.asarray((most - bars @ METRICAL_WEIGHTS).mean(axis=-1), dtype=np.float64)


def chord_tone_ratio(rows: Rows, chords: NDArray[np.bool_] | None = None) -> Floats:
    """Return the share of notes that begin on a tone of the chord, shape (n,).

    Parameters
    ----------
    rows : ndarray of int, shape (n, t)
    chords : ndarray of bool, shape (12,), (t, 12) or (n, t, 12), optional
        Pitch classes of the chord under each step, from C upwards. Without it the tonic triad of C is meant, of the
        mode, major or minor, that more of the row's notes belong to.
    """
    begins, classes = onsets(rows), pitches(rows) % 12
    if chords is None:
        return np.maximum(*(_mean(np.isin(classes, triad), begins) for triad in TONIC_TRIADS))
    under = np.broadcast_to(chords, (*begins.shape, 12))
    return _mean(np.take_along_axis(under, classes[..., None], axis=-1)[..., 0], begins)


#: Every attribute by name, in the order of :func:`measure`'s columns.
ATTRIBUTES: dict[str, Callable[[Rows], Floats]] = {
    "density": density,
    "register": register,
    "syncopation": syncopation,
    "note length": note_length,
    "pitch range": pitch_range,
    "chord tones": chord_tone_ratio,
}


def measure(rows: Rows) -> Floats:
    """Return all :data:`ATTRIBUTES` of token rows (n, t), shape (n, n_attributes)."""
    return np.stack([attribute(rows) for attribute in ATTRIBUTES.values()], axis=-1)


def _steps_until(event: NDArray[np.bool_]) -> NDArray[np.int64]:
    steps = np.ones(event.shape, dtype=np.int64)
    for step in range(event.shape[-1] - 2, -1, -1):
        steps[:, step] = np.where(event[:, step + 1], 1, steps[:, step + 1] + 1)
    return steps


def _mean(values: NDArray[np.generic], begins: NDArray[np.bool_]) -> Floats:
    """Return the mean over the notes of each row, NaN where a row has none."""
    total = np.sum(values, axis=-1, where=begins, dtype=np.float64)
    count = begins.sum(axis=-1)
    return np.asarray(np.divide(total, count, out=np.full(total.shape, np.nan), where=count > 0), dtype=np.float64)

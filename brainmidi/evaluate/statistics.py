"""Numbers that describe and compare melodies, given as token rows of :mod:`brainmidi.codec.melody`.

A row is one phrase, one class a sixteenth, shape (n, t) for n of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from brainmidi.codec import attributes

Rows = NDArray[np.integer]
Floats = NDArray[np.float64]

#: Semitones beyond which intervals, up or down, are counted together in their histogram.
LARGEST_INTERVAL = 12
#: Width, in bits, of the bins in which phrases are counted by their pitch-class entropy.
ENTROPY_BIN = 0.25


def spearman(a: ArrayLike, b: ArrayLike) -> float:
    """Return Spearman's rank correlation, ties by their mean rank; NaN where either side never changes."""
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if np.ptp(a) == 0.0 or np.ptp(b) == 0.0:
        return float("nan")
    return float(stats.spearmanr(a, b).statistic)


def edit_distance(a: Rows, b: Rows) -> Floats:
    """Return the normalised edit distance of each row of `a` to the same row of `b`.

    Parameters
    ----------
    a, b : ndarray of int, shapes (n, t) and (n, u)

    Returns
    -------
    ndarray of float64, shape (n,)
        Fewest tokens to insert, delete or replace (Levenshtein 1966), divided by the longer length: 0..1.
    """
    a, b = np.asarray(a), np.asarray(b)
    places = np.arange(b.shape[1] + 1)
    costs = np.tile(places, (len(a), 1))
    for i in range(a.shape[1]):
        # Deletions and replacements first; a running minimum then does the insertions of a whole row at once.
        new = np.empty_like(costs)
        new[:, 0] = i + 1
        new[:, 1:] = np.minimum(costs[:, 1:] + 1, costs[:, :-1] + (a[:, i, None] != b))
        costs = np.minimum.accumulate(new - places, axis=1) + places
    return np.asarray(costs[:, -1] / max(a.shape[1], b.shape[1]), dtype=np.float64)


def pitch_class_entropy(rows: Rows) -> Floats:
    """Return the entropy, in bits, of each row's notes over the twelve pitch classes, shape (n,); 0 without notes.

    Each note counts once, whatever its length.
    """
    begins, classes = attributes.onsets(rows), attributes.pitches(rows) % 12
    counts = np.stack([(begins & (classes == c)).sum(axis=1) for c in range(12)], axis=1)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(np.abs((shares * logs).sum(axis=1)), dtype=np.float64)


def entropy_histogram(rows: Rows) -> Floats:
    """Return how many rows have a :func:`pitch_class_entropy` in each bin of :data:`ENTROPY_BIN` bits from 0 up."""
    edges = np.arange(0.0, np.log2(12) + ENTROPY_BIN, ENTROPY_BIN)
    return np.histogram(pitch_class_entropy(rows), edges)[0].astype(np.float64)


def length_histogram(rows: Rows) -> Floats:
    """Return how many notes last 1, 2, ... t sixteenths, shape (t,)."""
    lengths = attributes.lengths(rows)[attributes.onsets(rows)]
    return np.bincount(lengths, minlength=np.shape(rows)[1] + 1)[1:].astype(np.float64)


def interval_histogram(rows: Rows) -> Floats:
    """Return how many intervals lie between notes that follow each other in a row.

    Returns
    -------
    ndarray of float64, shape (25,)
        From an octave down to an octave up in semitones; what is larger counts as an octave.
    """
    limit = LARGEST_INTERVAL
    pitches, _, phrase = _notes(rows)
    intervals = np.diff(pitches)[np.diff(phrase) == 0]
    return np.bincount(np.clip(intervals, -limit, limit) + limit, minlength=2 * limit + 1).astype(np.float64)


def overlap(a: ArrayLike, b: ArrayLike) -> float:
    """Return the overlap of two histograms of the same bins: the sum of the smaller of both shares, 0..1.

    It is 1 less the total variation distance (Swain & Ballard 1991, "Color Indexing", call it intersection).
    """
    a, b = np.asarray(a, dtype=np.float64), np.asarray(b, dtype=np.float64)
    if a.sum() == 0.0 or b.sum() == 0.0:
        return 0.0
    return float(np.minimum(a / a.sum(), b / b.sum()).sum())


@dataclass(frozen=True, slots=True)
class Match:
    """What phrases share with a training set, whatever the key: one number for each phrase, shape (n,).

    Parameters
    ----------
    notes : ndarray of int64
        Notes of the longest run that also stands in the training set; 1 where no two successive notes do.
    beats : ndarray of float64
        Most beats from the first onset to the last of such a run.
    whole : ndarray of bool
        Whether the run is the whole phrase, of at least two notes.
    """

    notes: NDArray[np.int64]
    beats: Floats
    whole: NDArray[np.bool_]


def longest_match(rows: Rows, training: Rows) -> Match:
    """Return the longest verbatim match of each phrase with any training phrase.

    A run of notes matches where its successive (pitch interval, time between onsets) pairs are equal: transposition
    and place in the bar do not matter, and a rest counts as part of the note before it.

    Parameters
    ----------
    rows : ndarray of int, shape (n, t)
    training : ndarray of int, shape (m, u)

    Notes
    -----
    Runs of one more pair are numbered at each turn from (number of the run, next pair), as in prefix doubling (Karp,
    Miller & Rosenberg 1972): exact, no hash can collide. Runs that stand on one side alone are dropped.
    """
    ours, theirs = _pairs(rows), _pairs(training)
    counts = attributes.onsets(rows).sum(axis=1)
    notes, beats = np.minimum(counts, 1), np.zeros(len(rows))
    symbols = np.concatenate([ours.symbol, theirs.symbol])
    phrase = np.concatenate([ours.phrase, theirs.phrase + len(rows)])
    at_steps = np.concatenate([[0], np.cumsum(np.concatenate([ours.steps, theirs.steps]))])
    is_ours = np.arange(len(symbols)) < len(ours.symbol)
    base = int(symbols.max(initial=0)) + 1
    where, run = np.arange(len(symbols)), np.zeros(len(symbols), dtype=np.int64)
    n_pairs = 0
    while True:
        # Lengthen each run by the pair that follows it in its own phrase.
        last = where + n_pairs
        goes_on = last < len(symbols)
        goes_on[goes_on] = phrase[last[goes_on]] == phrase[where[goes_on]]
        where, run, last = where[goes_on], run[goes_on], last[goes_on]
        _, run = np.unique(run * base + symbols[last], return_inverse=True)
        shared = np.intersect1d(run[is_ours[where]], run[~is_ours[where]])
        kept = np.isin(run, shared)
        where, run = where[kept], run[kept]
        if len(where) == 0:
            break
        n_pairs += 1
        here = where[is_ours[where]]
        notes[phrase[here]] = n_pairs + 1
        np.maximum.at(beats, phrase[here], (at_steps[here + n_pairs] - at_steps[here]) / attributes.STEPS_PER_BEAT)
    return Match(notes.astype(np.int64), beats, (notes == counts) & (counts > 1))


@dataclass(frozen=True, slots=True)
class _Pairs:
    """The steps from note to note of all phrases in a row: interval and time as one symbol, phrase, time in steps."""

    symbol: NDArray[np.int64]
    phrase: NDArray[np.int64]
    steps: NDArray[np.int64]


def _pairs(rows: Rows) -> _Pairs:
    pitches, steps, phrase = _notes(rows)
    same = np.diff(phrase) == 0
    steps = steps[:-1][same]
    # A pitch is below 128, and no phrase has as many steps as the stride.
    return _Pairs((np.diff(pitches)[same] + 128) * 2**16 + steps, phrase[:-1][same], steps)


def _notes(rows: Rows) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return pitch, steps up to the next onset, and row number of all notes, phrase after phrase."""
    begins = attributes.onsets(rows)
    return attributes.pitches(rows)[begins], attributes.gaps(rows)[begins], np.nonzero(begins)[0].astype(np.int64)

"""Two-bar melodies for MusicVAE: windows of the corpora's tunes, tonic on C, one class a sixteenth."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import melody
from brainmidi.training.corpora import Piece, need_pieces
from brainmidi.types import Note, Phrase

#: Time signatures that make 4/4 bars, with the factor that stretches them to quarter-note beats of a 4/4 bar.
STRETCH: dict[str, Fraction] = {"4/4": Fraction(1), "2/2": Fraction(1), "2/4": Fraction(2)}
BARS = 2
BAR = Fraction(4)
#: A window must have this many onsets and no longer silence or hold than a bar, else there is nothing to learn.
MIN_ONSETS = 3
MEAN_PITCH = 72


def windows(piece: Piece) -> list[NDArray[np.uint8]]:
    """Return the piece's 2-bar phrases, one starting at every full bar, each 32 tokens.

    Tunes give their melody; chorales (several parts) their soprano, as written and twice as slow. The tonic is moved to
    C in the octave that brings the mean pitch nearest to C5 (72).
    """
    stretch = STRETCH.get(piece.metre)
    if stretch is None:
        return []
    factors = (stretch,) if len(piece.parts) == 1 else (stretch, stretch * 2)
    return [window for factor in factors for window in _windows(piece, factor)]


def _windows(piece: Piece, factor: Fraction) -> list[NDArray[np.uint8]]:
    part = piece.parts[0]
    shift = _to_c(piece)
    notes = [
        Note(start * factor, length * factor, pitch + shift)
        for start, length, pitch in part
        if melody.MIN_PITCH <= pitch + shift <= melody.MAX_PITCH
    ]
    # A pickup shifts the bars; every full bar line after it lies a whole bar further.
    starts = [b * factor for b in piece.bar_starts]
    pickup = starts[1] - starts[0]
    first = pickup % BAR if len(starts) > 1 and pickup < BAR else Fraction(0)
    end = max(note.end for note in notes) if notes else Fraction(0)
    found = []
    at = first
    while at + BARS * BAR <= end:
        inside = tuple(
            Note(note.start - at, min(note.end, at + BARS * BAR) - note.start, note.pitch)
            for note in notes
            if at <= note.start < at + BARS * BAR
        )
        tokens = melody.encode(Phrase(inside, BARS * BAR)) if inside else None
        if tokens is not None and _worth_learning(tokens):
            found.append(tokens.astype(np.uint8))
        at += BAR
    return found


def _to_c(piece: Piece) -> int:
    pitches = [pitch for _, _, pitch in piece.parts[0]]
    mean = sum(pitches) / len(pitches)
    shift = -piece.tonic
    return shift + 12 * round((MEAN_PITCH - mean - shift) / 12)


def _worth_learning(tokens: NDArray[np.int32]) -> bool:
    onsets = np.flatnonzero(tokens >= melody.FIRST_PITCH_CLASS)
    if len(onsets) < MIN_ONSETS:
        return False
    gaps = np.diff(np.concatenate([[0], onsets, [len(tokens)]]))
    return bool(gaps.max() <= 16)


def dataset(pieces: list[Piece]) -> dict[str, NDArray[np.uint8]]:
    """Return unique phrases by split.

    Returns
    -------
    dict of str to ndarray of uint8, shape (n_phrases, 32)
        ``"train"``, ``"validation"``, ``"test"``. Splits are by piece; a phrase of a held-out piece that also stands in
        a training piece (tunes share phrases) is taken out of the held-out split.
    """
    rows: dict[str, list[NDArray[np.uint8]]] = {"train": [], "validation": [], "test": []}
    for piece in pieces:
        rows[piece.split].extend(windows(piece))
    seen = {row.tobytes() for row in rows["train"]}
    for name in ("validation", "test"):
        rows[name] = [row for row in rows[name] if row.tobytes() not in seen]
    need_pieces(rows, "with phrases of their own of two bars in 4/4, 2/2 or 2/4")
    return {name: np.unique(np.stack(found), axis=0) for name, found in rows.items()}

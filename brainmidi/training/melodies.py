"""Melodies of a few bars for MusicVAE: windows of the corpora's tunes, tonic on C, one class a sixteenth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
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
_NEEDED = "with phrases of their own of {} bars in 4/4, 2/2 or 2/4"


def windows(piece: Piece, n_bars: int = BARS) -> list[NDArray[np.uint8]]:
    """Return the piece's phrases of `n_bars`, one starting at every full bar, each 16 tokens a bar.

    Tunes give their melody; chorales (several parts) their soprano, as written and twice as slow. The tonic is moved to
    C in the octave that brings the mean pitch nearest to C5 (72).
    """
    stretch = STRETCH.get(piece.metre)
    if stretch is None:
        return []
    factors = (stretch,) if len(piece.parts) == 1 else (stretch, stretch * 2)
    return [window for factor in factors for window in _windows(piece, factor, n_bars)]


def _windows(piece: Piece, factor: Fraction, n_bars: int) -> list[NDArray[np.uint8]]:
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
    while at + n_bars * BAR <= end:
        inside = tuple(
            Note(note.start - at, min(note.end, at + n_bars * BAR) - note.start, note.pitch)
            for note in notes
            if at <= note.start < at + n_bars * BAR
        )
        tokens = melody.encode(Phrase(inside, n_bars * BAR)) if inside else None
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


@dataclass(frozen=True, slots=True)
class MelodyExamples:
    """Melodies of one split.

    Parameters
    ----------
    tokens : ndarray of uint8, shape (n, 16 * n_bars)
        Classes of :mod:`brainmidi.codec.melody`, one a sixteenth.
    piece : ndarray of int32, shape (n,)
        Index into `names`.
    names : tuple of str
        Pieces that the rows come from.
    """

    tokens: NDArray[np.uint8]
    piece: NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.tokens)


def dataset(pieces: Sequence[Piece], n_bars: int = BARS) -> dict[str, MelodyExamples]:
    """Return unique phrases by split.

    Parameters
    ----------
    pieces : sequence of Piece
        Those in other metres than 4/4, 2/2 and 2/4 give none.
    n_bars : int
        Length of a phrase.

    Returns
    -------
    dict of str to MelodyExamples
        ``"train"``, ``"validation"``, ``"test"``. Splits are by piece; a phrase of a held-out piece that also stands in
        a training piece (tunes share phrases) is taken out of the held-out split.

    Raises
    ------
    ConfigError
        If a split stays empty.
    """
    rows: dict[str, dict[bytes, tuple[str, NDArray[np.uint8]]]] = {"train": {}, "validation": {}, "test": {}}
    for piece in pieces:
        for row in windows(piece, n_bars):
            rows[piece.split].setdefault(row.tobytes(), (piece.name, row))
    for name in ("validation", "test"):
        rows[name] = {key: row for key, row in rows[name].items() if key not in rows["train"]}
    need_pieces({name: list(found) for name, found in rows.items()}, _NEEDED.format(n_bars))
    return {name: _examples(list(found.values())) for name, found in rows.items()}


def _examples(rows: list[tuple[str, NDArray[np.uint8]]]) -> MelodyExamples:
    names = tuple(dict.fromkeys(name for name, _ in rows))
    number = {name: index for index, name in enumerate(names)}
    piece = np.array([number[name] for name, _ in rows], dtype=np.int32)
    return MelodyExamples(np.stack([row for _, row in rows]), piece, names)

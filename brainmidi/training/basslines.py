"""Two-bar basses with their chords, for the chord-conditioned MusicVAE: lowest voices of scores, tonic on C."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords, melody
from brainmidi.training.chordtrack import SLOT, Notes, chord_track
from brainmidi.training.corpora import Piece, need_pieces
from brainmidi.training.melodies import BAR, BARS, STRETCH
from brainmidi.training.sametune import splits
from brainmidi.types import Note, Phrase

N_STEPS = int(BARS * BAR / melody.STEP)
#: With fewer voices the chord would be a guess.
MIN_PARTS = 3
MIN_ONSETS = 3
#: Longest silence or hold, in steps, and the least share of steps under a chord: else there is nothing to learn.
MAX_GAP = 16
MIN_CHORDED = 0.75
#: The octave is chosen that brings the mean pitch nearest to A2.
MEAN_PITCH = 45

Row = tuple[NDArray[np.uint8], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class BassExamples:
    """Basses of one split.

    Parameters
    ----------
    tokens : ndarray of uint8, shape (n, 32)
        Classes of :mod:`brainmidi.codec.melody`, one a sixteenth.
    chords : ndarray of uint8, shape (n, 32)
        Classes of :mod:`brainmidi.codec.chords` over the same steps.
    piece : ndarray of int32, shape (n,)
        Index into `names`.
    names : tuple of str
        Pieces that the rows come from.
    in_training : int
        Rows left out because a training piece has the same tokens.
    """

    tokens: NDArray[np.uint8]
    chords: NDArray[np.uint8]
    piece: NDArray[np.int32]
    names: tuple[str, ...]
    in_training: int = 0

    def __len__(self) -> int:
        return len(self.tokens)


def windows(piece: Piece, *, slow: bool = True) -> list[Row]:
    """Return the piece's 2-bar basses, one starting at every full bar, as tokens and chord classes of 32 steps each.

    Parameters
    ----------
    piece : Piece
        Gives its lowest part, with the tonic moved to C. None comes of a piece of less than three parts.
    slow : bool
        Give each phrase twice as slow as well: the movement of chorales is that of a song at half its speed.
    """
    stretch = STRETCH.get(piece.metre)
    if stretch is None or len(piece.parts) < MIN_PARTS:
        return []
    lines = [start * stretch for start in piece.bar_starts]
    # Times are counted from where slots fall on the first full bar's line, whatever the pickup.
    zero = lines[1] + (lines[0] - lines[1]) // SLOT * SLOT
    bars = {line - zero for line in (*lines, lines[-1] + BAR)}
    parts = [
        [(start * stretch - zero, length * stretch, pitch) for start, length, pitch in part] for part in piece.parts
    ]
    downbeats = frozenset(int(line / SLOT) for line in bars)
    track = chord_track(parts, int(max(bars) / SLOT), downbeats, piece.tonic, piece.mode)
    track = chords.transpose(track, -piece.tonic)
    bass = _to_c(_lowest(parts[-1]), piece.tonic)
    found = _cut(bass, track, bars, 1)
    return found + _cut(bass, track, bars, 2) if slow else found


def _lowest(part: Notes) -> Notes:
    """Return the part as one voice: of the notes that fall on one step the lowest."""
    kept: dict[int, tuple[Fraction, Fraction, int]] = {}
    for note in part:
        step = int((note[0] / melody.STEP + Fraction(1, 2)) // 1)
        if step not in kept or note[2] < kept[step][2]:
            kept[step] = note
    return [kept[step] for step in sorted(kept)]


def _to_c(bass: Notes, tonic: int) -> Notes:
    mean = sum(pitch for _, _, pitch in bass) / len(bass)
    shift = -tonic + 12 * round((MEAN_PITCH - mean + tonic) / 12)
    return [
        (start, length, pitch + shift)
        for start, length, pitch in bass
        if melody.MIN_PITCH <= pitch + shift <= melody.MAX_PITCH
    ]


def _cut(bass: Notes, track: NDArray[np.int32], bars: set[Fraction], slower: int) -> list[Row]:
    """Return the windows of the bass, `slower` times as slow; `bars` are bar lines and the end."""
    bar = BAR / slower
    # A slower bar begins at the middle of a bar as well. Where bars have another length, none begins.
    onsets = [start for start, _, _ in bass]
    lines = bars | {line + half * bar for line in bars for half in range(slower) if line + BAR in bars}
    found = []
    for at in sorted(lines):
        length = BARS * bar
        if at + bar not in lines or at + length not in lines:
            continue
        notes = tuple(
            Note((start - at) * slower, (min(start + duration, at + length) - start) * slower, pitch)
            for start, duration, pitch in bass[bisect_left(onsets, at) : bisect_left(onsets, at + length)]
        )
        slots = track[int(at / SLOT) : int((at + length) / SLOT)]
        tokens = melody.encode(Phrase(notes, BARS * BAR)).astype(np.uint8)
        if _worth_learning(tokens, slots):
            found.append((tokens, np.repeat(slots, N_STEPS // len(slots)).astype(np.uint8)))
    return found


def _worth_learning(tokens: NDArray[np.uint8], slots: NDArray[np.int32]) -> bool:
    onsets = np.flatnonzero(tokens >= melody.FIRST_PITCH_CLASS)
    gaps = np.diff(np.concatenate([[0], onsets, [len(tokens)]]))
    chorded = (slots != chords.NO_CHORD).mean()
    return bool(len(onsets) >= MIN_ONSETS and gaps.max() <= MAX_GAP and chorded >= MIN_CHORDED)


def dataset(pieces: Sequence[Piece], *, slow: bool = True) -> dict[str, BassExamples]:
    """Return unique basses by split.

    Parameters
    ----------
    pieces : sequence of Piece
        Pieces of less than three parts, or in other metres than 4/4, 2/2 and 2/4, give none.
    slow : bool
        As in :func:`windows`.

    Returns
    -------
    dict of str to BassExamples
        ``"train"``, ``"validation"``, ``"test"``, split by piece. A bass of a held-out piece whose tokens also stand in
        a training piece is taken out of the held-out split.

    Raises
    ------
    ConfigError
        If a split stays empty.
    """
    split = splits(pieces)
    rows: dict[str, list[tuple[str, Row]]] = {"train": [], "validation": [], "test": []}
    for piece in pieces:
        rows[split[piece.name]].extend((piece.name, row) for row in windows(piece, slow=slow))
    need_pieces(rows, "of three or more parts with two bars in 4/4, 2/2 or 2/4")
    seen = {tokens.tobytes() for _, (tokens, _) in rows["train"]}
    held = {name: [row for row in rows[name] if row[1][0].tobytes() not in seen] for name in ("validation", "test")}
    need_pieces(held, "with basses that no training piece has")
    return {
        "train": _examples(rows["train"]),
        **{name: replace(_examples(kept), in_training=len(rows[name]) - len(kept)) for name, kept in held.items()},
    }


def _examples(rows: list[tuple[str, Row]]) -> BassExamples:
    unique = list({(t.tobytes(), c.tobytes()): (name, t, c) for name, (t, c) in reversed(rows)}.values())[::-1]
    names = tuple(dict.fromkeys(name for name, _, _ in unique))
    number = {name: index for index, name in enumerate(names)}
    return BassExamples(
        np.stack([tokens for _, tokens, _ in unique]),
        np.stack([classes for _, _, classes in unique]),
        np.array([number[name] for name, _, _ in unique], dtype=np.int32),
        names,
    )

"""Two-bar basses with their chords, for the chord-conditioned MusicVAE: lowest voices of scores, tonic on C."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords, melody
from brainmidi.training.chordtrack import SLOT, chord_track
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

#: Notes as (start, length, pitch), in beats.
Voice = Sequence[tuple[Fraction, Fraction, int]]
#: Tokens and chord classes.
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
    scale, offset = float(stretch), float(zero)
    heard = [[(float(s) * scale - offset, float(d) * scale, p) for s, d, p in part] for part in piece.parts]
    downbeats = frozenset(int(line / SLOT) for line in bars)
    track = chord_track(heard, int(max(bars) / SLOT), downbeats, piece.tonic, piece.mode)
    track = chords.transpose(track, -piece.tonic)
    bass = [(s * stretch - zero, d * stretch, p + _to_c(piece)) for s, d, p in piece.parts[-1]]
    return [row for slower in ((1, 2) if slow else (1,)) for row in _cut(bass, track, bars, slower)]


def _to_c(piece: Piece) -> int:
    pitches = [pitch for _, _, pitch in piece.parts[-1]]
    return -piece.tonic + 12 * round((MEAN_PITCH - sum(pitches) / len(pitches) + piece.tonic) / 12)


def _cut(bass: Voice, track: NDArray[np.int32], bars: set[Fraction], slower: int) -> list[Row]:
    """Return the windows of the bass, `slower` times as slow; `bars` are bar lines and the end."""
    line = _encoded([(start * slower, length * slower, pitch) for start, length, pitch in bass], len(track) * slower)
    # A slower bar begins at the middle of a bar as well. Where bars have another length, no window begins.
    bar = BAR / slower
    begins = bars | {at + half * bar for at in bars for half in range(slower) if at + BAR in bars}
    found = []
    for at in sorted(begins):
        step = at * slower / melody.STEP
        if step.denominator != 1 or not {at + n * bar for n in range(1, BARS + 1)} <= begins:
            continue
        tokens = line[int(step) : int(step) + N_STEPS].copy()
        # What sounds on from before is not part of the phrase, and so neither is its end.
        tokens[: int(np.argmax(tokens >= melody.FIRST_PITCH_CLASS))] = melody.NO_EVENT
        slots = track[int(at / SLOT) : int((at + BARS * bar) / SLOT)]
        if _worth_learning(tokens, slots):
            found.append((tokens, np.repeat(slots, N_STEPS // len(slots)).astype(np.uint8)))
    return found


def _encoded(bass: Voice, n_slots: int) -> NDArray[np.uint8]:
    """Return the tokens of the bass as one voice: of the notes that fall on one step the lowest stays."""
    length = n_slots * SLOT
    lowest: dict[int, Note] = {}
    for start, duration, pitch in bass:
        step = int((start / melody.STEP + Fraction(1, 2)) // 1)
        playable = 0 <= start < length and melody.MIN_PITCH <= pitch <= melody.MAX_PITCH
        if playable and (step not in lowest or pitch < lowest[step].pitch):
            lowest[step] = Note(start, min(duration, length - start), pitch)
    return melody.encode(Phrase(tuple(lowest.values()), length)).astype(np.uint8)


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

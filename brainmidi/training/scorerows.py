"""Scores as rows of bar-aware tokens: read once and cached, cut into windows at bar lines, varied."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import bars, chords
from brainmidi.training import corpora
from brainmidi.training.corpora import COLLECTIONS, Piece, load_pieces, need_pieces
from brainmidi.training.folder import digest, read_folder
from brainmidi.training.sametune import splits
from brainmidi.training.scores import AS_WRITTEN, scores, style_of

CACHE_VERSION = 1
#: What a training of each codec reads if it is not told.
USUAL: dict[str, tuple[str, ...]] = {"bars": tuple(COLLECTIONS), "performance": ("bach",)}
SPLITS = ("train", "validation", "test")
#: Semitones by which a window is moved at most; the tonic stays near C.
MOST_SEMITONES = 3
#: The chord classes moved by -3..+3 semitones.
_MOVED = {
    n: chords.transpose(np.arange(chords.N_CLASSES), n) + bars.CHORD for n in range(-MOST_SEMITONES, MOST_SEMITONES + 1)
}
#: What is read, how many of it, of how many in all.
Progress = Callable[[str, int, int], None]
Tokens = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Row:
    """One piece at one speed.

    Parameters
    ----------
    name : str
        Of the piece.
    split : str
        One of :data:`SPLITS`, the same for all pieces of one tune.
    as_written : bool
        Whether this is the piece's own speed.
    tokens : ndarray of int32, shape (n_tokens,)
        As :func:`brainmidi.codec.bars.encode` spells it, from the style to EOS.
    """

    name: str
    split: str
    as_written: bool
    tokens: Tokens

    @property
    def style(self) -> str:
        """The style that it begins with."""
        return bars.STYLES[int(self.tokens[0]) - bars.STYLE]

    @property
    def bar_indices(self) -> NDArray[np.int64]:
        """Where bars begin, shape (n_bars,)."""
        return np.flatnonzero((self.tokens >= bars.BAR) & (self.tokens < bars.CHORD))


@dataclass(frozen=True, slots=True)
class ScoreData:
    """What a training reads.

    Parameters
    ----------
    rows : tuple of Row
    left_out : int
        Pieces that do not fit the grid.
    licences : tuple of str
        A line on each source, for the model card.
    """

    rows: tuple[Row, ...]
    left_out: int
    licences: tuple[str, ...]

    def split(self, name: str, *, as_written: bool = True) -> list[Row]:
        """Return the rows of a split, those at other speeds among them if not `as_written`."""
        return [row for row in self.rows if row.split == name and (row.as_written or not as_written)]


def load(
    *, cache: Path, collections: Sequence[str] = (), data: Path | None = None, progress: Progress | None = None
) -> ScoreData:
    """Return scores as tokens, from `cache` where they have been read before.

    Parameters
    ----------
    cache : Path
        Folder for what was read; made if missing.
    collections : sequence of str
        Collections of the music21 corpus. Not looked at if there is a folder.
    data : Path, optional
        A folder of MIDI files: of each, melody, bass and accompaniment.
    progress : callable, optional
        Called with what is read, how many of it, and of how many in all.

    Raises
    ------
    ConfigError
        If the folder holds no music, a collection is unknown, or a split stays empty.
    """
    tell = progress or _silently
    if data is not None:
        source = f"{data.resolve().name}-{digest(data)}"
        licences: tuple[str, ...] = (
            f"MIDI files of the folder {data.resolve().name}: their rights are for its owner to know",
        )
    else:
        source = f"{'-'.join(collections)}-v{corpora.CACHE_VERSION}"
        licences = tuple(COLLECTIONS[name][1] for name in collections if name in COLLECTIONS)
    path = cache / f"scores-v{CACHE_VERSION}-{hashlib.sha256(source.encode()).hexdigest()[:12]}.npz"
    if not path.exists():
        if data is not None:
            found = read_folder(data, cache, lambda done, total: tell("MIDI files", done, total))
            pieces = [(piece, style_of(data.resolve().name)) for piece in found.bands]
        else:
            pieces = [(piece, style_of(name)) for name in collections for piece in load_pieces((name,), cache)]
        _write(path, *_spelled(pieces, tell))
    rows, left_out = _read(path)
    need_pieces({name: [row for row in rows if row.split == name] for name in SPLITS}, "on a grid of sixteenths")
    return ScoreData(rows, left_out, licences)


def _silently(what: str, done: int, total: int) -> None:
    """Tell no one."""


def _spelled(pieces: Sequence[tuple[Piece, str]], tell: Progress) -> tuple[list[Row], int]:
    split = splits([piece for piece, _ in pieces])
    rows, left_out = [], 0
    for number, (piece, style) in enumerate(pieces, start=1):
        found = scores(piece, style)
        left_out += not found
        rows += [
            Row(piece.name, split[piece.name], factor == AS_WRITTEN, bars.encode(score))
            for factor, score in found.items()
        ]
        tell("scores", number, len(pieces))
    return rows, left_out


def _write(path: Path, rows: Sequence[Row], left_out: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        np.savez_compressed(
            out,
            tokens=np.concatenate([np.zeros(0, np.uint8), *(row.tokens.astype(np.uint8) for row in rows)]),
            ends=np.cumsum([len(row.tokens) for row in rows], dtype=np.int64),
            names=np.array([row.name for row in rows], dtype=np.str_),
            splits=np.array([row.split for row in rows], dtype=np.str_),
            as_written=np.array([row.as_written for row in rows], dtype=bool),
            left_out=left_out,
        )
    partial.replace(path)


def _read(path: Path) -> tuple[tuple[Row, ...], int]:
    with np.load(path, allow_pickle=False) as stored:
        tokens = np.split(stored["tokens"].astype(np.int32), stored["ends"][:-1])
        facts = zip(stored["names"], stored["splits"], stored["as_written"], tokens, strict=bool(len(stored["ends"])))
        return tuple(Row(str(name), str(split), bool(own), row) for name, split, own, row in facts), int(
            stored["left_out"]
        )


def excerpt(
    tokens: Tokens, start: int, length: int, *, style: int | None = None, without: Collection[int] = ()
) -> Tokens:
    """Return the score from a bar on as a score of its own, cut or padded to `length` tokens.

    Parameters
    ----------
    tokens : ndarray of int32, shape (n_tokens,)
        A whole piece.
    start : int
        Index at which a bar begins.
    length : int
        Tokens to return.
    style : int, optional
        Id to begin with in place of the piece's own.
    without : collection of int
        Parts to leave out, as indices of :data:`brainmidi.codec.bars.PARTS`.

    Returns
    -------
    ndarray of int32, shape (length,)
        The style, then the bars; each part's first note says its velocity, as at the beginning of a piece.
    """
    # Of a score that loses a part, more is needed to fill the window.
    found = tokens[start : start + length * (4 if without else 1)]
    part = part_of(found)
    if without:
        kept = ~np.isin(part, list(without))
        found, part = found[kept], part[kept]
        following = np.append(found[1:], bars.EOS)
        is_group = (found >= bars.POSITION) & (found < bars.PART)
        said = ((following >= bars.CHORD) & (following < bars.POSITION)) | (
            (following >= bars.PART) & (following < bars.PITCH)
        )
        found, part = found[~is_group | said], part[~is_group | said]
    at, loudness = [], []
    before = tokens[:start]
    before_part = part_of(before)
    for index in range(len(bars.PARTS)):
        rows = np.flatnonzero(part == index)
        if len(rows) and rows[0] + 1 < len(found) and found[rows[0] + 1] < bars.VELOCITY:
            last = np.flatnonzero((before_part == index) & (before >= bars.VELOCITY))[-1]
            at.append(int(rows[0]) + 1)
            loudness.append(int(before[last]))
    found = np.insert(found, at, loudness)
    row = np.full(length, bars.PAD, dtype=np.int32)
    row[0] = tokens[0] if style is None else style
    row[1 : 1 + len(found)] = found[: length - 1]
    return row


def part_of(tokens: Tokens) -> NDArray[np.int64]:
    """Return the part whose row each token belongs to, as an index; -1 where it belongs to none."""
    breaks = (tokens < bars.PITCH) & (tokens != bars.PAD)
    last = np.maximum.accumulate(np.where(breaks, np.arange(len(tokens)), 0))
    part = tokens[last] - bars.PART if len(tokens) else tokens
    return np.where(part >= 0, part, -1).astype(np.int64)


def transposed(tokens: Tokens, semitones: int) -> Tokens:
    """Return pitches and chords moved by at most three semitones, less where a pitch would leave the keyboard."""
    is_pitch = (tokens >= bars.PITCH) & (tokens < bars.DURATION)
    pitches = tokens[is_pitch] - bars.PITCH
    if len(pitches):
        room = bars.MAX_PITCH - bars.MIN_PITCH
        semitones = int(np.clip(semitones, -pitches.min(), room - pitches.max()))
    moved = tokens + is_pitch * semitones
    is_chord = (tokens >= bars.CHORD) & (tokens < bars.POSITION)
    moved[is_chord] = _MOVED[semitones][tokens[is_chord] - bars.CHORD]
    return np.asarray(moved, dtype=np.int32)


def held_out(rows: Sequence[Row], length: int) -> Tokens:
    """Return pieces cut at bar lines into consecutive windows, every token once: shape (n_windows, length + 1)."""
    windows = []
    room = length - len(bars.PARTS)  # for the style, and for velocities that are said again
    for row in rows:
        borders = np.append(row.bar_indices, len(row.tokens))
        start = int(borders[0])
        while start < len(row.tokens):
            end = int(borders[borders <= start + room][-1])
            # A bar that is longer than a window is cut.
            stop = end if end > start else start + room
            windows.append(excerpt(row.tokens[:stop], start, length + 1))
            start = int(borders[borders >= stop][0])
    return np.stack(windows)

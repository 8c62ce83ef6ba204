"""Public-domain scores of the music21 corpus, read once and cached as plain JSON.

The collections are Ryan's Mammoth Collection (1883), O'Neill's Music of Ireland (1850 tunes, 1903), Aird's Selection
(1782-1803), J. S. Bach's chorales, and string quartets of Haydn, Mozart and Beethoven: the music is in the public
domain, and the encodings ship with music21; none of the files that are read names a restriction. The Essen collection,
which music21 ships too, is for non-commercial use and is left out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from brainmidi.errors import ConfigError

#: Collections by name: the folder of the music21 corpus, and what a model card says of it.
COLLECTIONS: dict[str, tuple[str, str]] = {
    "ryan": ("ryansMammoth", "Ryan's Mammoth Collection (1883), public domain"),
    "oneill": ("oneills1850", "O'Neill's Music of Ireland (1903), public domain"),
    "aird": ("airdsAirs", "Aird's Selection of Scotch, English, Irish and Foreign Airs (1782-1803), public domain"),
    "bach": ("bach", "J. S. Bach, chorales and other works, public domain"),
    "haydn": ("haydn", "J. Haydn, string quartets op. 1 no. 1 and op. 74 no. 1, public domain"),
    "mozart": ("mozart", "W. A. Mozart, string quartets K. 80, 155, 156, 458, public domain"),
    "beethoven": ("beethoven", "L. van Beethoven, string quartets op. 18, 59, 74, 132 and 133, public domain"),
}
#: Formats that are read. Humdrum files (.krn) reserve rights on what is derived from them, .rntxt holds analyses alone;
#: each has a free twin among these.
READ = (".mxl", ".xml", ".abc")
CACHE_VERSION = 2


@dataclass(frozen=True, slots=True)
class Piece:
    """One score, reduced to what the models learn from.

    Parameters
    ----------
    name : str
        Collection, file and number within the file; the unit by which data is split.
    metre : str
        Time signature of the first bar, such as ``"4/4"``.
    tonic : int
        Pitch class 0..11 of the key's tonic.
    mode : str
        ``"major"``, ``"minor"``, ``"dorian"``, ...
    bar_starts : tuple of Fraction
        Beats at which bars begin; a pickup bar comes first and may be short.
    parts : tuple of tuples of (start, length, pitch)
        Notes of each part, highest part first, in beats from the piece's beginning.
    velocities : tuple of tuples of int
        MIDI velocity of each note of each part; empty for scores, which have none.
    """

    name: str
    metre: str
    tonic: int
    mode: str
    bar_starts: tuple[Fraction, ...]
    parts: tuple[tuple[tuple[Fraction, Fraction, int], ...], ...]
    velocities: tuple[tuple[int, ...], ...] = ()

    @property
    def split(self) -> str:
        """``"train"``, ``"validation"`` or ``"test"`` (90/5/5), decided by a hash of the name."""
        return split_of(self.name)


def split_of(name: str) -> str:
    """Return the split (90 % train, 5 % validation, 5 % test) that a piece's name hashes to."""
    bucket = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100
    return "validation" if bucket < 5 else "test" if bucket < 10 else "train"


def need_pieces(splits: Mapping[str, Sequence[object]], what: str) -> None:
    """Refuse data in which a split is empty.

    Raises
    ------
    ConfigError
        Naming the split; `what` says what pieces must be to count.
    """
    for name, rows in splits.items():
        if not rows:
            raise ConfigError(f"0 pieces {what} are in the {name} split, 1 is needed; add pieces")


def load_pieces(collections: tuple[str, ...], cache: Path) -> list[Piece]:
    """Return the pieces of `collections`, from `cache` where they have been read before.

    Parameters
    ----------
    collections : tuple of str
        Keys of :data:`COLLECTIONS`.
    cache : Path
        Folder for one gzipped JSON-lines file a collection; made if missing.

    Raises
    ------
    ConfigError
        If a collection is unknown.
    """
    pieces: list[Piece] = []
    for collection in collections:
        if collection not in COLLECTIONS:
            raise ConfigError(f"collection {collection!r} is unknown; choose from {', '.join(COLLECTIONS)}")
        path = cache / f"{collection}-v{CACHE_VERSION}.jsonl.gz"
        if not path.exists():
            _write_cache(collection, path)
        with gzip.open(path, "rt") as lines:
            pieces.extend(from_json(line) for line in lines)
    return pieces


def _write_cache(collection: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with gzip.open(partial, "wt") as out:
        for piece in _read_collection(collection):
            out.write(to_json(piece) + "\n")
    partial.replace(path)


def _read_collection(collection: str) -> Iterator[Piece]:
    from music21 import converter, corpus, stream
    from music21.exceptions21 import Music21Exception

    folder = COLLECTIONS[collection][0]
    for path in sorted(corpus.corpora.CoreCorpus().getPaths()):
        # A quartet may be a folder of movements within its composer's folder.
        if folder not in (path.parent.name, path.parent.parent.name) or path.suffix not in READ:
            continue
        try:
            parsed = converter.parse(path)
        except (Music21Exception, ValueError, ZeroDivisionError, IndexError, AttributeError) as error:
            print(f"left out {path.name}: {type(error).__name__}: {error}")
            continue
        scores = list(parsed.scores) if isinstance(parsed, stream.Opus) else [parsed]
        work = path.stem if path.parent.name == folder else f"{path.parent.name}.{path.stem}"
        for number, score in enumerate(scores):
            piece = _piece_of(f"{collection}/{work}/{number}", score)
            if piece is not None:
                yield piece


def _piece_of(name: str, score: object) -> Piece | None:
    """Reduce a music21 score; None where it has no metre or no notes."""
    from music21 import chord, key, meter, note, stream

    assert isinstance(score, stream.Score)
    parts = list(score.parts)
    metres = score.recurse().getElementsByClass(meter.TimeSignature)
    if not parts or not metres:
        return None
    found = score.recurse().getElementsByClass(key.Key).first()
    tonality = found if found is not None else score.analyze("key")
    starts = tuple(
        Fraction(m.offset).limit_denominator(96)
        for m in parts[0].getElementsByClass(stream.Measure)
        if m.duration.quarterLength > 0
    )
    notes = []
    for part in parts:
        # Ties are merged, graces (no length) dropped, of a chord the top note kept: a part is one voice here.
        row = []
        for element in part.stripTies().flatten().notes:
            if element.duration.quarterLength <= 0 or not isinstance(element, note.Note | chord.Chord):
                continue
            pitch = max(p.midi for p in element.pitches)
            row.append(
                (
                    Fraction(element.offset).limit_denominator(96),
                    Fraction(element.duration.quarterLength).limit_denominator(96),
                    int(pitch),
                )
            )
        if row:
            notes.append(tuple(row))
    if not notes or len(starts) < 2:
        return None
    notes.sort(key=lambda row: -sum(p for _, _, p in row) / len(row))
    first = metres[0]
    return Piece(name, first.ratioString, tonality.tonic.pitchClass, tonality.mode, starts, tuple(notes))


def to_json(piece: Piece) -> str:
    """Return the piece as one line of JSON."""
    return json.dumps(
        {
            "name": piece.name,
            "metre": piece.metre,
            "tonic": piece.tonic,
            "mode": piece.mode,
            "bars": [str(b) for b in piece.bar_starts],
            "parts": [[[str(s), str(d), p] for s, d, p in part] for part in piece.parts],
            **({"velocities": piece.velocities} if piece.velocities else {}),
        }
    )


def from_json(line: str) -> Piece:
    """Return the piece that :func:`to_json` wrote."""
    row = json.loads(line)
    return Piece(
        row["name"],
        row["metre"],
        row["tonic"],
        row["mode"],
        tuple(_beats(b) for b in row["bars"]),
        tuple(tuple((_beats(s), _beats(d), p) for s, d, p in part) for part in row["parts"]),
        tuple(map(tuple, row.get("velocities", ()))),
    )


@lru_cache(maxsize=1 << 16)
def _beats(text: str) -> Fraction:
    """Return beats from text; pieces begin and last alike, so that most have been read before."""
    return Fraction(text)

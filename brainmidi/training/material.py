"""What a configuration learns from: phrases of each split, in the arrays that the model is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords, drums, groove, melody
from brainmidi.errors import ConfigError
from brainmidi.models.configs import CONFIGS, MusicVaeConfig
from brainmidi.training import basslines, bassvariants, melodies, variants
from brainmidi.training import drums as drum_data
from brainmidi.training.corpora import COLLECTIONS, Piece, load_pieces
from brainmidi.training.folder import FolderData, drum_examples, read_folder

#: What is read, how many of it, of how many in all.
Progress = Callable[[str, int, int], None]
#: Collections whose lowest voice is a bass, and those with a tune on top.
TUNES = ("ryan", "oneill", "aird", "bach")
BASSES = ("bach", "haydn", "mozart")


@dataclass(frozen=True, slots=True)
class Material:
    """Phrases of one split.

    Parameters
    ----------
    events : ndarray, shape (n, t) of classes or (n, t, k) of columns
        What the decoder writes.
    chords : ndarray of uint8, shape (n, t), or None
        Classes of :mod:`brainmidi.codec.chords`.
    piece : ndarray of int32, shape (n,)
        Index into `names` of the piece that each phrase is of.
    names : tuple of str
        Pieces.
    """

    events: NDArray[Any]
    chords: NDArray[np.uint8] | None
    piece: NDArray[np.int32]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.events)

    def take(self, rows: NDArray[np.intp]) -> Material:
        """Return some of the phrases."""
        chosen = None if self.chords is None else self.chords[rows]
        return replace(self, events=self.events[rows], chords=chosen, piece=self.piece[rows])


@dataclass(frozen=True, slots=True)
class Source:
    """The data of one configuration.

    Parameters
    ----------
    part : str
        ``"melody"``, ``"bass"``, ``"drums"`` or ``"groove"``.
    splits : mapping of str to Material
        ``"train"``, ``"validation"``, ``"test"``; by piece, never by phrase.
    licences : tuple of str
        A line on each collection, for the model card.
    notes : mapping of str to int
        Counts worth a card's line, such as phrases left out.
    summary : str
        Of a folder's files, those that gave nothing by name; a line each.
    """

    part: str
    splits: Mapping[str, Material]
    licences: tuple[str, ...]
    notes: Mapping[str, int]
    summary: str = ""

    def augmented(self, rng: np.random.Generator) -> Material:
        """Return the training split with every phrase varied."""
        train = self.splits["train"]
        if self.part == "melody":
            return replace(train, events=variants.augmented(train.events, train.piece, rng))
        if self.part == "bass" and train.chords is not None:
            events, under = bassvariants.augmented(train.events, train.chords, train.piece, rng)
            return replace(train, events=events, chords=under)
        if self.part == "drums":
            return replace(train, events=drum_data.augmented(train.events, train.piece, rng))
        return train


def parts_of(name: str) -> tuple[str, ...]:
    """Return the parts that a configuration can be trained on, the usual one first; none if on nothing here.

    What is missing is music for it: trios, performances of several instruments, melodies with chords, and grooves of
    another length, with other columns or with taps left out at random.
    """
    config = CONFIGS[name]
    two_bars = config.n_steps == 32
    if config.events == "groove":
        known = not name.endswith(("note_dropout", "closed_hh", "tfds"))
        return ("groove",) if two_bars and known else ()
    if config.input_depth == drums.N_DRUMS + 1:
        return ("drums",) if two_bars else ()
    if config.outputs != (melody.N_CLASSES,):
        return ()
    if config.control_depth:
        return ("bass",) if two_bars else ()
    return ("melody", "bass") if two_bars else ("melody",)


def part_of(name: str, part: str | None = None) -> str:
    """Return the part that a configuration is trained on: the usual one if none is given.

    Raises
    ------
    ConfigError
        If the configuration is unknown or cannot be trained here, or not on that part.
    """
    trainable = ", ".join(key for key in CONFIGS if parts_of(key))
    if name not in CONFIGS:
        raise ConfigError(f"configuration {name!r} is unknown; choose from {trainable}")
    parts = parts_of(name)
    if not parts:
        raise ConfigError(f"configuration {name!r} can be loaded but not trained here; choose from {trainable}")
    if part is not None and part not in parts:
        raise ConfigError(f"configuration {name!r} cannot be trained on {part!r}; choose from {', '.join(parts)}")
    return part or parts[0]


def load(
    name: str,
    *,
    cache: Path,
    collections: tuple[str, ...] = (),
    data: Path | None = None,
    part: str | None = None,
    progress: Progress | None = None,
) -> Source:
    """Return what configuration `name` learns from.

    Parameters
    ----------
    name : str
        Key of :data:`brainmidi.models.configs.CONFIGS`.
    cache : Path
        Folder where what was read is kept.
    collections : tuple of str
        Collections of the music21 corpus; those that suit the part if empty. Not looked at if there is a folder.
    data : Path, optional
        A folder: the Groove MIDI Dataset's, known by its index, or one of any MIDI files.
    part : str, optional
        One of :func:`parts_of`; the first if not given.
    progress : callable, optional
        Called with what is read, how many of it, and of how many in all.

    Raises
    ------
    ConfigError
        If the configuration cannot be trained, or the data holds too little for it.
    """
    part = part_of(name, part)
    tell = progress or _silently
    if part in ("drums", "groove"):
        return _drums(name, part, data, cache, tell)
    if data is not None:
        found = read_folder(data, cache, lambda done, total: tell("MIDI files", done, total))
        pieces = list(found.melodies if part == "melody" else found.bands)
        source = _pitched(name, part, pieces, slow=False)
        return _from_folder(source, data, found)
    collections = collections or (TUNES if part == "melody" else BASSES)
    pieces = []
    for n, key in enumerate(collections):
        tell("collections", n, len(collections))
        pieces += load_pieces((key,), cache)
    tell("collections", len(collections), len(collections))
    return replace(_pitched(name, part, pieces, slow=True), licences=tuple(COLLECTIONS[key][1] for key in collections))


def _silently(what: str, done: int, total: int) -> None:
    """Tell no one."""


def _pitched(name: str, part: str, pieces: list[Piece], *, slow: bool) -> Source:
    config = CONFIGS[name]
    if part == "bass":
        basses = basslines.dataset(pieces, slow=slow)
        splits = {
            key: Material(rows.tokens, rows.chords if config.control_depth else None, rows.piece, rows.names)
            for key, rows in basses.items()
        }
        left_out = {f"{key}_also_in_training": rows.in_training for key, rows in basses.items() if key != "train"}
        return Source(part, splits, (), left_out)
    tunes = melodies.dataset(pieces, n_bars=config.n_steps // 16)
    splits = {key: Material(rows.tokens, None, rows.piece, rows.names) for key, rows in tunes.items()}
    return Source(part, splits, (), {})


def _from_folder(source: Source, data: Path, found: FolderData) -> Source:
    """Say where it came from, and which files gave nothing."""
    return replace(
        source,
        licences=(f"MIDI files of the folder {data.resolve().name}: their rights are for its owner to know",),
        notes={**source.notes, "files": found.n_files, "files_left_out": len(found.left_out)},
        summary=found.summary(),
    )


def _drums(name: str, part: str, data: Path | None, cache: Path, tell: Progress) -> Source:
    if data is None:
        raise ConfigError(
            f"{name} learns from drummers; give MIDI files or the Groove MIDI Dataset's folder with --data"
        )
    found = None
    if (data / drum_data.INDEX_FILE).is_file():
        tell("drummers", 0, 1)
        examples = drum_data.load(data, cache)
        tell("drummers", 1, 1)
    else:
        found = read_folder(data, cache, lambda done, total: tell("MIDI files", done, total))
        examples = drum_examples(found)
    source = _grooves(examples) if part == "groove" else _patterns(examples)
    return replace(source, licences=(drum_data.DATASET,)) if found is None else _from_folder(source, data, found)


def _grooves(examples: Mapping[str, drum_data.DrumExamples]) -> Source:
    splits = {key: Material(rows.grooves, None, rows.piece, rows.names) for key, rows in examples.items()}
    return Source("groove", splits, (), {})


def _patterns(examples: Mapping[str, drum_data.DrumExamples]) -> Source:
    unique, left_out = drum_data.patterns(examples)
    splits = {}
    for key, rows in examples.items():
        _, first = np.unique(rows.tokens, axis=0, return_index=True)
        kept = {row.tobytes() for row in unique[key]}
        first = np.array([n for n in first if rows.tokens[n].tobytes() in kept], dtype=np.intp)
        splits[key] = Material(rows.tokens[first], None, rows.piece[first], rows.names)
    return Source("drums", splits, (), {f"{key}_also_in_training": n for key, n in left_out.items()})


def feed(name: str, config: MusicVaeConfig) -> Callable[[Material], tuple[NDArray[Any], ...]]:
    """Return a function from phrases to the model's inputs: (events, targets), or (events, targets, controls).

    What a GrooVAE's encoder reads is less than what its decoder writes: hits alone for ``humanize`` and ``hits`` (whose
    decoder is told them too), taps for ``tap``.
    """

    def arrays(rows: Material) -> tuple[NDArray[Any], ...]:
        if config.events == "groove":
            targets = rows.events.astype(np.float32)
            events = targets
            if name.endswith(("humanize", "hits")):
                events = groove.humanise_input(targets)
            elif "tap" in name:
                events = groove.tap_input(targets)
            return (events, targets, targets[..., groove.HITS]) if config.control_depth else (events, targets)
        if config.events == "nade":
            bits = drums.unpack(rows.events).astype(np.float32)
            return bits, bits
        classes = rows.events.astype(np.int32)[..., None]
        if rows.chords is None:
            return classes, classes
        return classes, classes, np.eye(chords.N_CLASSES, dtype=np.float32)[rows.chords]

    return arrays

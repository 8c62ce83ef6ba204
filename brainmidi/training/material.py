"""What a configuration learns from: phrases of each split, in the arrays that the model is fed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords, drums, groove
from brainmidi.errors import ConfigError
from brainmidi.models.configs import CONFIGS, MusicVaeConfig
from brainmidi.training import basslines, bassvariants, melodies, variants
from brainmidi.training import drums as drum_data
from brainmidi.training.corpora import COLLECTIONS, load_pieces

SPLITS = ("train", "validation", "test")
#: Collections whose lowest voice is a bass, and those with a tune on top.
TUNES = ("ryan", "oneill", "aird", "bach")
BASSES = ("bach", "haydn", "mozart", "beethoven")


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
    """

    part: str
    splits: Mapping[str, Material]
    licences: tuple[str, ...]
    notes: Mapping[str, int]

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


def part_of(name: str) -> str:
    """Return the part that a configuration plays.

    Raises
    ------
    ConfigError
        If the configuration is unknown, or of several parts, which cannot be trained here yet.
    """
    if name not in CONFIGS:
        raise ConfigError(f"configuration {name!r} is unknown; choose from {', '.join(CONFIGS)}")
    config = CONFIGS[name]
    if config.events == "groove":
        return "groove"
    if config.input_depth == drums.N_DRUMS + 1:
        return "drums"
    if config.outputs == (90,):
        return "bass" if config.control_depth else "melody"
    known = ", ".join(key for key, other in CONFIGS.items() if other.outputs in ((90,), (512,), (9,), (27,)))
    raise ConfigError(f"configuration {name!r} can be loaded but not trained here; choose from {known}")


def load(name: str, *, cache: Path, collections: tuple[str, ...] = (), data: Path | None = None) -> Source:
    """Return what configuration `name` learns from.

    Parameters
    ----------
    name : str
        Key of :data:`brainmidi.models.configs.CONFIGS`.
    cache : Path
        Folder where what was read is kept.
    collections : tuple of str
        Collections of the music21 corpus; those that suit the part if empty.
    data : Path, optional
        A folder: of the Groove MIDI Dataset for drums, or of any MIDI files.
    """
    part = part_of(name)
    if part in ("drums", "groove"):
        return _drums(name, part, data, cache)
    pieces = load_pieces(collections or (TUNES if part == "melody" else BASSES), cache)
    licences = tuple(COLLECTIONS[key][1] for key in collections or (TUNES if part == "melody" else BASSES))
    if part == "bass":
        basses = basslines.dataset(pieces)
        splits = {key: Material(rows.tokens, rows.chords, rows.piece, rows.names) for key, rows in basses.items()}
        left_out = {f"{key}_also_in_training": rows.in_training for key, rows in basses.items() if key != "train"}
        return Source(part, splits, licences, left_out)
    tunes = melodies.dataset(pieces, n_bars=CONFIGS[name].n_steps // 16)
    splits = {key: Material(rows.tokens, None, rows.piece, rows.names) for key, rows in tunes.items()}
    return Source(part, splits, licences, {})


def _drums(name: str, part: str, data: Path | None, cache: Path) -> Source:
    if data is None:
        raise ConfigError(f"{name} learns from drummers; give the Groove MIDI Dataset's folder with --data")
    examples = drum_data.load(data, cache)
    if part == "groove":
        splits = {key: Material(rows.grooves, None, rows.piece, rows.names) for key, rows in examples.items()}
        return Source(part, splits, (drum_data.DATASET,), {})
    unique, left_out = drum_data.patterns(examples)
    splits = {}
    for key, rows in examples.items():
        _, first = np.unique(rows.tokens, axis=0, return_index=True)
        kept = {row.tobytes() for row in unique[key]}
        first = np.array([n for n in first if rows.tokens[n].tobytes() in kept], dtype=np.intp)
        splits[key] = Material(rows.tokens[first], None, rows.piece[first], rows.names)
    return Source(part, splits, (drum_data.DATASET,), {f"{k}_also_in_training": n for k, n in left_out.items()})


def feed(name: str, config: MusicVaeConfig) -> Callable[[Material], tuple[NDArray[Any], ...]]:
    """Return a function from phrases to the model's inputs: (events, targets), or (events, targets, controls).

    What a GrooVAE's encoder reads is less than what its decoder writes: hits alone for ``humanize``, taps for ``tap``.
    """

    def arrays(rows: Material) -> tuple[NDArray[Any], ...]:
        if config.events == "groove":
            targets = rows.events.astype(np.float32)
            events = targets
            if "humanize" in name:
                events = groove.humanise_input(targets)
            elif "tap" in name:
                events = groove.tap_input(targets)
            return events, targets
        if config.events == "nade":
            bits = drums.unpack(rows.events).astype(np.float32)
            return bits, bits
        classes = rows.events.astype(np.int32)[..., None]
        if rows.chords is None:
            return classes, classes
        return classes, classes, np.eye(chords.N_CLASSES, dtype=np.float32)[rows.chords]

    return arrays

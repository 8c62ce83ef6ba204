"""Train a Music Transformer: on scores in bars, chords and parts, or on performance events.

These are chorales written at a steady tempo, or a folder of what people played.

The recipe: windows that begin at a bar line, varied anew each time, split by piece, AdamW with weight averaging and a
cosine schedule.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import bars, performance, played
from brainmidi.errors import ConfigError
from brainmidi.evaluate.common import evenly
from brainmidi.models.transformer import MusicTransformer, TransformerConfig
from brainmidi.training import fit, performed, scorerows
from brainmidi.training.cards import TRAINING_FILE
from brainmidi.training.corpora import Piece, load_pieces, need_pieces
from brainmidi.training.devices import mixed_precision, shared_by
from brainmidi.training.folder import summary_of
from brainmidi.training.performances import MIN_PARTS, Performance, held_out, performances, transposed, window
from brainmidi.training.performed import Played
from brainmidi.training.scorerows import USUAL, Progress, Row

SIZES: dict[str, TransformerConfig] = {
    "bars": TransformerConfig(n_classes=bars.N_CLASSES, size=192, inner_size=768),
    "performance": TransformerConfig(),
}
PEAK_RATE = 1e-3
#: Of an hour on one core, steps are few: smaller batches make more of them.
BATCH_SIZES = {"bars": 4, "performance": 8}
BATCHES_PER_EPOCH = 150
#: Most held-out windows that are looked at after each epoch.
VALIDATION = 64
#: Of windows of scores: share of tunes where there is other music, of pieces played at another speed, in C, of "any"
#: style, and with parts left out.
TUNES, OTHER_SPEED, IN_C, ANY_STYLE, PART_OUT = 0.1, 0.2, 0.4, 0.2, 0.4
#: What may be left out of a score of three parts, as indices of the parts: one of them, or all but the melody.
LEFT_OUT = ((0,), (1,), (2,), (1, 2))


class Windows(fit.SeededBatches):
    """Random windows of random pieces: inputs, and targets one later."""

    def __init__(self, weights: NDArray[np.float64], batch_size: int, seed: int) -> None:
        super().__init__(seed)
        self.batch_size, self.share = batch_size, weights / weights.sum()

    def __len__(self) -> int:
        return BATCHES_PER_EPOCH

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        pieces = rng.choice(len(self.share), self.batch_size, p=self.share)
        rows = np.stack([self.draw(rng, int(piece)) for piece in pieces])
        return rows[:, :-1], rows[:, 1:]

    def draw(self, rng: np.random.Generator, piece: int) -> NDArray[np.int32]:
        """Return a window of a piece."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Source:
    """What a training of one codec learns from.

    Parameters
    ----------
    codec : str
    config : TransformerConfig
        Sizes of the model.
    batches : Windows
        Of training windows.
    validation : ndarray of int32, shape (n_windows, length + 1)
    data : tuple of arrays
        All that is learned from, to know a run by.
    facts : dict
        What was read, as ``"collections"`` or the name of a ``"folder"``, and counts for the model card.
    options : str
        Of the command line, that said which data.
    summary : str
        Of a folder, lines that say which files gave nothing; empty for the corpus.
    """

    codec: str
    config: TransformerConfig
    batches: Windows
    validation: NDArray[np.int32]
    data: tuple[NDArray[Any], ...]
    facts: dict[str, Any]
    options: str = ""
    summary: str = ""


class ScoreWindows(Windows):
    """Windows of scores, of all parts or some, in a key near C."""

    def __init__(self, rows: Sequence[Row], length: int, batch_size: int, seed: int) -> None:
        super().__init__(_weights(rows), batch_size, seed)
        self.rows, self.length = rows, length
        self.starts = [_starts(row.bar_indices, len(row.tokens), length) for row in rows]
        self.n_parts = [len(np.unique(scorerows.part_of(row.tokens))) - 1 for row in rows]  # -1 is no part

    def draw(self, rng: np.random.Generator, piece: int) -> NDArray[np.int32]:
        """Return a window that begins at a bar line."""
        tokens = self.rows[piece].tokens
        style = bars.style_token("any") if rng.random() < ANY_STYLE else None
        semitones = 0
        if rng.random() >= IN_C:
            semitones = int(rng.integers(-scorerows.MOST_SEMITONES, scorerows.MOST_SEMITONES + 1))
        without: tuple[int, ...] = ()
        if self.n_parts[piece] == len(bars.PARTS) and rng.random() < PART_OUT:
            without = LEFT_OUT[int(rng.integers(len(LEFT_OUT)))]
        start = int(rng.choice(self.starts[piece]))
        return scorerows.transposed(
            scorerows.excerpt(tokens, start, self.length + 1, style=style, without=without), semitones
        )


class PerformanceWindows(Windows):
    """Windows of performance events, in all keys, louder or softer."""

    def __init__(self, pieces: Sequence[Performance], length: int, batch_size: int, seed: int) -> None:
        super().__init__(np.array([len(piece.tokens) for piece in pieces], dtype=np.float64), batch_size, seed)
        self.pieces, self.length = pieces, length
        self.starts = [_starts(piece.bar_indices, len(piece.tokens), length) for piece in pieces]

    def draw(self, rng: np.random.Generator, piece: int) -> NDArray[np.int32]:
        """Return a window that begins at a bar line."""
        chosen = self.pieces[piece]
        semitones = int(rng.integers(chosen.low, chosen.high + 1))
        tokens = transposed(chosen.tokens, semitones, int(rng.integers(-4, 5)))
        return window(tokens, int(rng.choice(self.starts[piece])), self.length + 1)


class PlayedWindows(Windows):
    """Windows of what people played, from any note on, a little faster or slower, in a key nearby."""

    def __init__(self, pieces: Sequence[Played], length: int, batch_size: int, seed: int) -> None:
        super().__init__(np.array([len(piece.notes) for piece in pieces], dtype=np.float64), batch_size, seed)
        self.pieces, self.length = pieces, length

    def draw(self, rng: np.random.Generator, piece: int) -> NDArray[np.int32]:
        """Return a window that begins with a note."""
        notes = self.pieces[piece].notes
        # A note is two events or more; windows of a piece's last notes alone would be mostly padding.
        first = int(rng.integers(max(len(notes) - self.length // 4, 1)))
        semitones = int(rng.integers(-performed.MOST_SEMITONES, performed.MOST_SEMITONES + 1))
        part = performed.varied(notes[first : first + self.length], float(rng.choice(performed.STRETCHES)), semitones)
        return window(played.encode(part), 0, self.length + 1)


def _starts(bar_indices: NDArray[np.int64], n_tokens: int, length: int) -> NDArray[np.int64]:
    """Return where windows may begin: those of a piece's last bars alone would be mostly padding."""
    return bar_indices[bar_indices < max(n_tokens - length // 2, int(bar_indices[0]) + 1)]


def _weights(rows: Sequence[Row]) -> NDArray[np.float64]:
    """Return how often each piece is drawn: by its tokens, within the shares of tunes and of other speeds."""
    weights = np.array([len(row.tokens) for row in rows], dtype=np.float64)
    tunes = np.array([row.style == "tunes" for row in rows])
    own = np.array([row.as_written for row in rows])
    for kind in (tunes, ~tunes):
        for speed, share in ((own, 1 - OTHER_SPEED), (~own, OTHER_SPEED)):
            weights[kind & speed] *= share / max(weights[kind & speed].sum(), 1.0)
    return np.where(tunes, TUNES, 1 - TUNES) * weights


def load(
    codec: str,
    *,
    cache: Path,
    seed: int,
    collections: tuple[str, ...] = (),
    data: Path | None = None,
    config: TransformerConfig | None = None,
    progress: Progress | None = None,
) -> Source:
    """Return what a training learns from.

    Parameters
    ----------
    codec : str
        ``"bars"``, for playing in time with the band, or ``"performance"``.
    cache : Path
        Where what was read is kept.
    seed : int
        Of the windows.
    collections : tuple of str
        Of the music21 corpus; those of :data:`.scorerows.USUAL` if empty.
    data : Path, optional
        A folder of MIDI files in their place.
    config : TransformerConfig, optional
        Sizes; those of :data:`SIZES` if not given.
    progress : callable, optional
        Called with what is read, how many of it, and of how many in all.

    Raises
    ------
    ConfigError
        If the codec is unknown, does not go with the data, or there is too little of it.
    """
    if codec not in SIZES:
        raise ConfigError(f"codec {codec!r} is unknown; choose from {', '.join(SIZES)}")
    config = config or SIZES[codec]
    options = "".join(f" --collection {name}" for name in collections)
    collections = collections or USUAL[codec]
    read: dict[str, Any] = {"collections": list(collections)}
    if data is not None:
        options, read = f" --data {shlex.quote(data.resolve().name)}", {"folder": data.resolve().name}
    if codec == "performance":
        if data is not None:
            files = performed.read_played(data, cache, progress)
            told = summary_of(data, {file.name for file in files}, "notes of the piano's range")
            source = replace(_played(files, config, seed), summary=told)
        else:
            source = _performances(load_pieces(collections, cache), config, seed)
        return replace(source, facts=read | source.facts, options=options)
    found = scorerows.load(cache=cache, collections=collections, data=data, progress=progress)
    learnt = found.split("train", as_written=False)
    validation = scorerows.held_out(found.split("validation"), config.window)
    facts = read | {"pieces_left_out": found.left_out}
    facts |= {f"{name}_pieces": len({row.name for row in found.split(name)}) for name in scorerows.SPLITS}
    facts |= {f"{name}_tokens": sum(len(row.tokens) for row in found.split(name)) for name in scorerows.SPLITS}
    told = ""
    if data is not None:
        told = summary_of(data, {row.name for row in found.rows}, "melody over an accompaniment in sixteenths")
    return Source(
        codec,
        config,
        ScoreWindows(learnt, config.window, BATCH_SIZES[codec], seed),
        validation[evenly(len(validation), VALIDATION)],
        tuple(row.tokens for row in learnt),
        facts,
        options,
        told,
    )


def _performances(pieces: Sequence[Piece], config: TransformerConfig, seed: int) -> Source:
    splits: dict[str, list[Performance]] = {"train": [], "validation": [], "test": []}
    for piece in pieces:
        splits[piece.split].extend(performances(piece))
    need_pieces(splits, f"of {MIN_PARTS} parts or more in 4/4 or 3/4")
    return Source(
        "performance",
        config,
        PerformanceWindows(splits["train"], config.window, BATCH_SIZES["performance"], seed),
        held_out(splits["validation"], config.window),
        tuple(row for piece in splits["train"] for row in (piece.tokens, piece.bar_indices)),
        {f"{name}_events": sum(len(piece.tokens) for piece in rows) for name, rows in splits.items()},
    )


def _played(pieces: Sequence[Played], config: TransformerConfig, seed: int) -> Source:
    splits = {name: [piece for piece in pieces if piece.split == name] for name in scorerows.SPLITS}
    held = held_out([piece.events() for piece in splits["validation"]], config.window)
    facts = {f"{name}_pieces": len(rows) for name, rows in splits.items()}
    return Source(
        "performance",
        config,
        PlayedWindows(splits["train"], config.window, BATCH_SIZES["performance"], seed),
        held[evenly(len(held), VALIDATION)],
        tuple(piece.notes for piece in splits["train"]),
        facts | {f"{name}_notes": sum(len(piece.notes) for piece in rows) for name, rows in splits.items()},
    )


def compiled(config: TransformerConfig, seed: int) -> MusicTransformer:
    """Return a fresh model with loss and optimizer."""
    keras.utils.set_random_seed(seed)
    model = MusicTransformer(config)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            PEAK_RATE, weight_decay=0.01, beta_2=0.98, clipnorm=1.0, use_ema=True, ema_momentum=0.995
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=performance.PAD),
        jit_compile=True,
    )
    return model


def train(
    out: Path,
    source: Source,
    *,
    work: Path,
    minutes: float,
    seed: int,
    patience: int = 0,
    n_devices: int = 1,
) -> dict[str, Any]:
    """Train, write the checkpoint to `out`, and return what a model card says of the training.

    Parameters
    ----------
    out, work, minutes, patience
        See :func:`brainmidi.training.fit.run`.
    source : Source
        Of :func:`load`.
    seed : int
        Of the weights.
    n_devices : int
        See :func:`brainmidi.training.devices.shared_by`.
    """
    said = {} if source.codec == "performance" else {"codec": source.codec}
    batch_size = source.batches.batch_size
    with shared_by(n_devices, batch_size), mixed_precision():
        training = fit.run(
            compiled(source.config, seed),
            source.batches,
            (source.validation[:, :-1], source.validation[:, 1:]),
            config={"kind": "transformer", "name": out.name, **said, **source.config.to_json()},
            out=out,
            work=work,
            minutes=minutes,
            peak_rate=PEAK_RATE,
            batch_size=batch_size,
            patience=patience,
            data=source.data,
        )
    given = source.options
    given += f" --patience {patience}" if patience else ""
    given += f" --devices {n_devices}" if n_devices > 1 else ""
    training |= source.facts
    training["command"] = (
        f"KERAS_BACKEND={training['backend']} brainmidi train transformer --codec {source.codec} --out {out.name} "
        f"--minutes {minutes:g} --seed {seed}{given}"
    )
    (out / TRAINING_FILE).write_text(json.dumps(training, indent=2) + "\n")
    return training

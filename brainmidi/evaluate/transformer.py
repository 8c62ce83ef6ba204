"""How well a Music Transformer foresees the next event of pieces that it has never seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from brainmidi.codec import melody, performance
from brainmidi.errors import ConfigError
from brainmidi.evaluate import scores
from brainmidi.evaluate.common import load_model, negative_log_likelihood
from brainmidi.evaluate.ngrams import Ngrams
from brainmidi.evaluate.scores import Figures
from brainmidi.models.checkpoint import find_checkpoint, read_config
from brainmidi.models.transformer import MusicTransformer, TransformerConfig
from brainmidi.training.cards import TRAINING_FILE, rounded
from brainmidi.training.corpora import load_pieces
from brainmidi.training.performances import Performance, held_out, performances
from brainmidi.training.performed import read_played
from brainmidi.training.scorerows import SPLITS, USUAL

BATCH, LIKELIHOOD_BATCH = 8, 128
#: What a Music Transformer is loaded as.
KIND = ("transformer", TransformerConfig.from_json, MusicTransformer)


def evaluate(
    checkpoint: str | Path, *, cache: Path, collections: tuple[str, ...] = (), data: Path | None = None
) -> Figures:
    """Measure a checkpoint on the test split, which is by piece.

    Parameters
    ----------
    checkpoint : str or Path
        Name of a shipped checkpoint, or a folder.
    cache, collections, data
        As it was trained with; see :func:`collections_of`.

    Returns
    -------
    dict
        Figures by section. Of a model of bars see :func:`brainmidi.evaluate.scores.evaluate`; of one of performance
        events those of :func:`foreseen`.
    """
    folder = find_checkpoint(checkpoint)
    codec = str(read_config(folder, "transformer").get("codec", "performance"))
    chosen = collections_of(folder, collections, data)
    if codec == "bars":
        return scores.evaluate(folder, cache=cache, collections=chosen, data=data)
    return {"continuation": foreseen(folder, cache=cache, collections=chosen, data=data)}


def collections_of(folder: Path, collections: tuple[str, ...], data: Path | None) -> tuple[str, ...]:
    """Return the collections to measure a checkpoint on, which are not looked at where there is a folder `data`.

    They are those that are given, or else those that its training notes, or else the usual ones of its codec.

    Raises
    ------
    ConfigError
        If it was trained on a folder, and none is given: on other music its test pieces would be others.
    """
    made = json.loads((folder / TRAINING_FILE).read_text()) if (folder / TRAINING_FILE).exists() else {}
    if data is None and "folder" in made:
        raise ConfigError(
            f"checkpoint {folder.name} was trained on the folder {made['folder']}, none is given; give it with --data"
        )
    codec = str(read_config(folder, "transformer").get("codec", "performance"))
    return collections or tuple(made.get("collections", ())) or USUAL.get(codec, ())


def shown(figures: Figures) -> list[str]:
    """Return the figures as lines for people."""
    return [
        line
        for section, rows in figures.items()
        for line in (section, *(f"  {name.replace('_', ' '):<42} {rounded(value)}" for name, value in rows.items()))
    ]


def foreseen(folder: Path, *, cache: Path, collections: tuple[str, ...], data: Path | None = None) -> dict[str, Any]:
    """Measure how well a model of performance events foresees test pieces, of the collections or of a folder.

    Returns
    -------
    dict
        Negative log-likelihood in nats an event (``nll``), share of events foreseen (``accuracy``), and beside them the
        floors of an event-frequency table (``floor_unigram``) and of one that knows the event before
        (``floor_bigram``), both counted on the training split with add-one smoothing, and of one that knows the two
        before (``floor_trigram``), see :class:`.Ngrams`, its weights chosen on the validation split.
    """
    model = load_model(folder, *KIND)
    found: dict[str, list[Performance]] = {name: [] for name in SPLITS}
    if data is not None:
        for file in read_played(data, cache):
            found[file.split].append(file.events())
    else:
        for piece in load_pieces(collections, cache):
            found[piece.split].extend(performances(piece))
    train, held = ([piece.tokens for piece in found[name]] for name in ("train", "validation"))
    rows = held_out(found["test"], model.config.window)
    losses, hits = [], []
    for start in range(0, len(rows), BATCH):
        batch = rows[start : start + BATCH]
        logits = np.asarray(ops.convert_to_numpy(model(ops.convert_to_tensor(batch[:, :-1]))), dtype=np.float64)
        known = batch[:, 1:] != performance.PAD
        losses.append(negative_log_likelihood(logits, batch[:, 1:])[known])
        hits.append((logits.argmax(axis=-1) == batch[:, 1:])[known])
    unigram, bigram = floors(train, rows)
    table = Ngrams(train, held, performance.N_CLASSES, 3)
    trigram = np.concatenate([table.losses(row[row != performance.PAD]) for row in rows])
    return {
        "nll": float(np.concatenate(losses).mean()),
        "accuracy": float(np.concatenate(hits).mean()),
        "floor_unigram": unigram,
        "floor_bigram": bigram,
        "floor_trigram": float(trigram.mean()),
        "events": int(sum(len(part) for part in losses)),
        "backend": keras.backend.backend(),
    }


def melody_likelihood(checkpoint: str | Path) -> Callable[[NDArray[Any]], NDArray[np.float64]]:
    """Return a function from melodies, token rows (n, 32) of the melody codec, to the nats an event (n,) of each."""
    model = load_model(find_checkpoint(checkpoint), *KIND)

    def score(rows: NDArray[Any]) -> NDArray[np.float64]:
        played = [performance.encode(melody.decode(row)) for row in rows]
        found = np.empty(len(rows))
        for start in range(0, len(rows), LIKELIHOOD_BATCH):
            part = played[start : start + LIKELIHOOD_BATCH]
            batch = np.full((len(part), max(len(tokens) for tokens in part) + 1), performance.PAD, dtype=np.int32)
            for n, tokens in enumerate(part):
                batch[n, 1 : 1 + len(tokens)] = tokens
            logits = np.asarray(ops.convert_to_numpy(model(ops.convert_to_tensor(batch[:, :-1]))), dtype=np.float64)
            losses = np.where(batch[:, 1:] != performance.PAD, negative_log_likelihood(logits, batch[:, 1:]), 0.0)
            found[start : start + len(part)] = -losses.sum(axis=1) / [max(len(tokens), 1) for tokens in part]
        return found

    return score


def floors(train: list[NDArray[np.int32]], rows: NDArray[np.int32]) -> tuple[float, float]:
    """Return unigram and bigram negative log-likelihood, in nats, of windows `rows` (n_windows, length + 1)."""
    n = performance.N_CLASSES
    pairs = np.ones((n, n))
    for tokens in train:
        np.add.at(pairs, (tokens[:-1], tokens[1:]), 1.0)
    single = pairs.sum(axis=0) / pairs.sum()
    pairs /= pairs.sum(axis=1, keepdims=True)
    before, after = rows[:, :-1], rows[:, 1:]
    known = after != performance.PAD
    return float(-np.log(single[after[known]]).mean()), float(-np.log(pairs[before[known], after[known]]).mean())

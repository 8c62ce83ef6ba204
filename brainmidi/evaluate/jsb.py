"""The chorale table of the Music Transformer paper: note-wise negative log-likelihood on JSB chorales.

*Note-wise* is the mean over all cells (four voices of every frame, rests too) of minus the natural logarithm of the
probability that the model gave to what is there, each cell foreseen from all cells before it (Huang et al. 2018, table
3; Huang et al. 2017, "Counterpoint by Convolution").
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from brainmidi.evaluate.common import load_model, negative_log_likelihood
from brainmidi.models.checkpoint import find_checkpoint
from brainmidi.models.chorale import N_VOICES, ChoraleConfig, ChoraleTransformer, observed
from brainmidi.training.chorales import classes_of, load, shared_sopranos

BATCH = 8
#: The paper's table, validation split, nats a cell.
PAPER = {
    "CoCoNet, chronological": 0.436,
    "Transformer": 0.417,
    "Transformer, relative": 0.357,
    "Transformer, relative pitch and time": 0.335,
}
#: A piece longer than the model reaches is read in windows that begin so many frames later each.
STRIDE = 16
PHASES = 4  # frames of a beat

#: Takes (n, reach, N_COLUMNS) of what is observed, gives logits (n, reach, 4, c).
Predict = Callable[[NDArray[np.int32]], NDArray[np.float64]]
FloatArray = NDArray[np.float64]


def evaluate(checkpoint: str | Path, data: Path) -> dict[str, Any]:
    """Score a checkpoint on the validation and test splits.

    Parameters
    ----------
    checkpoint : str or Path
        A shipped checkpoint's name, or a folder.
    data : Path
        The JSB chorales' file, or its folder.

    Returns
    -------
    dict
        For either split ``nll``, in nats a cell, its ``floors`` (see :func:`floors`), the number of ``cells``, and how
        many ``chorales`` there are and how many of them ``share_soprano`` with training; and the back end.
    """
    model = load_model(find_checkpoint(checkpoint), "chorale", ChoraleConfig.from_json, ChoraleTransformer)
    splits = load(data)
    shared = shared_sopranos(splits)
    train = [classes_of(row, model.config) for row in splits["train"]]

    def predict(rows: NDArray[np.int32]) -> FloatArray:
        return np.asarray(ops.convert_to_numpy(model(ops.convert_to_tensor(rows))), dtype=np.float64)

    found: dict[str, Any] = {"backend": keras.backend.backend()}
    for name in ("validation", "test"):
        pieces = [classes_of(row, model.config) for row in splits[name]]
        losses = np.concatenate([cell_losses(predict, piece, model.config.reach).ravel() for piece in pieces])
        found[name] = {
            "nll": float(losses.mean()),
            "floors": floors(train, pieces, model.config.n_classes),
            "cells": len(losses),
            "chorales": len(pieces),
            "share_soprano": shared[name],
        }
    return found


def cell_losses(predict: Predict, classes: NDArray[np.int32], reach: int) -> FloatArray:
    """Return the negative log-likelihood of every cell of a piece, each once, shape (n_frames, 4).

    A piece longer than `reach` is read in overlapping windows, and a cell is scored in the window in which it is among
    the last :data:`STRIDE` frames, so that it has nearly the whole reach before it. The piece's first window scores
    all its frames.
    """
    seen = observed(classes)
    n = len(seen)
    starts = [0, *range(STRIDE, n - reach + STRIDE, STRIDE)] if n > reach else [0]
    starts = [min(start, max(n - reach, 0)) for start in starts]
    losses = np.full((n, N_VOICES), np.nan)
    for at in range(0, len(starts), BATCH):
        group = starts[at : at + BATCH]
        rows = np.stack([_window(seen, start, reach) for start in group])
        for start, logits in zip(group, predict(rows), strict=True):
            end = min(start + reach, n)
            scored = negative_log_likelihood(logits[: end - start], classes[start:end])
            new = np.isnan(losses[start:end])
            losses[start:end][new] = scored[new]
    return losses


def _window(seen: NDArray[np.int32], start: int, reach: int) -> NDArray[np.int32]:
    rows = seen[start : start + reach]
    return np.pad(rows, ((0, reach - len(rows)), (0, 0)), constant_values=-1)


def floors(train: Sequence[NDArray[np.int32]], pieces: Sequence[NDArray[np.int32]], n_classes: int) -> dict[str, float]:
    """Return what two tables score on `pieces`, counted on `train` with add-one smoothing, in nats a cell.

    ``hold_unigram``: a voice holds its class with the share with which it does so in training, or else takes another by
    its frequency. ``metrical_hold_bigram``: both shares are known for each frame of the beat, and the class it moves to
    depends on the class it leaves. A piece's first cells are foreseen by frequency.
    """
    single = np.ones((N_VOICES, n_classes))
    moves = np.ones((N_VOICES, n_classes, n_classes))
    holds = np.ones((N_VOICES, PHASES, 2))
    for piece in train:
        phases = np.arange(1, len(piece)) % PHASES
        for voice in range(N_VOICES):
            before, after = piece[:-1, voice], piece[1:, voice]
            np.add.at(single[voice], piece[:, voice], 1)
            np.add.at(moves[voice], (before, after), 1)
            np.add.at(holds[voice], (phases, (before == after).astype(int)), 1)
    single /= single.sum(axis=-1, keepdims=True)
    totals = {"hold_unigram": 0.0, "metrical_hold_bigram": 0.0}
    metrical = holds / holds.sum(axis=-1, keepdims=True)
    plain = holds.sum(axis=1) / holds.sum(axis=(1, 2))[:, None]
    cells = 0
    for piece in pieces:
        cells += piece.size
        phases = np.arange(1, len(piece)) % PHASES
        for voice in range(N_VOICES):
            first = -np.log(single[voice, piece[0, voice]])
            before, after = piece[:-1, voice], piece[1:, voice]
            held = before == after
            others = 1.0 - single[voice, before]
            leave = moves[voice].sum(axis=-1)[before] - moves[voice, before, before]
            unigram = np.where(held, plain[voice, 1], plain[voice, 0] * single[voice, after] / others)
            bigram = np.where(
                held, metrical[voice, phases, 1], metrical[voice, phases, 0] * moves[voice, before, after] / leave
            )
            totals["hold_unigram"] += first - np.log(unigram).sum()
            totals["metrical_hold_bigram"] += first - np.log(bigram).sum()
    return {name: float(total / cells) for name, total in totals.items()}


def shown(figures: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the table's lines: what, and nats a cell on validation and test."""

    def pair(*keys: str) -> str:
        found = []
        for split in ("validation", "test"):
            value = figures[split]
            for key in keys:
                value = value[key]
            found.append(f"{value:.4f}")
        return "     ".join(found)

    lines = [("", "validation test"), ("this model", pair("nll"))]
    lines += [(f"floor: {name.replace('_', ' ')}", pair("floors", name)) for name in figures["validation"]["floors"]]
    lines += [(f"paper: {name}", f"{value:.3f}") for name, value in PAPER.items()]
    for name in ("validation", "test"):
        row = figures[name]
        lines.append((f"{name}: soprano mostly in training", f"{row['share_soprano']} of {row['chorales']}"))
    return lines

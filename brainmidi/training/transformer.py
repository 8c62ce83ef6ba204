"""Train the Music Transformer on Bach's chorales, written as performance events.

The recipe: windows that begin at a bar line, all twelve keys, two speeds, a small change of loudness, split by piece,
Adam with weight averaging and a cosine schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import performance
from brainmidi.evaluate.transformer import evaluate
from brainmidi.models.transformer import MusicTransformer, TransformerConfig
from brainmidi.training import fit
from brainmidi.training.cards import Card, licences, rounded, write_card
from brainmidi.training.corpora import load_pieces, need_pieces
from brainmidi.training.performances import MIN_PARTS, Performance, held_out, performances, transposed, window

PEAK_RATE = 1e-3
BATCH_SIZE = 8
BATCHES_PER_EPOCH = 150


class Windows(fit.SeededBatches):
    """Random windows of random pieces."""

    def __init__(self, pieces: list[Performance], length: int, seed: int) -> None:
        super().__init__(seed)
        self.pieces, self.length = pieces, length
        weights = np.array([len(piece.tokens) for piece in pieces], dtype=np.float64)
        self.share = weights / weights.sum()

    def __len__(self) -> int:
        return BATCHES_PER_EPOCH

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        rows = np.stack([self._draw(rng) for _ in range(BATCH_SIZE)])
        return rows[:, :-1], rows[:, 1:]

    def _draw(self, rng: np.random.Generator) -> NDArray[np.int32]:
        piece = self.pieces[rng.choice(len(self.pieces), p=self.share)]
        tokens = transposed(piece.tokens, int(rng.integers(piece.low, piece.high + 1)), int(rng.integers(-4, 5)))
        # Windows of a piece's last bars alone would be mostly padding.
        last = max(len(tokens) - self.length // 2, 1)
        starts = piece.bar_indices[piece.bar_indices < last]
        return window(tokens, int(rng.choice(starts)), self.length + 1)


def train(
    out: Path,
    *,
    cache: Path,
    work: Path,
    minutes: float,
    seed: int,
    collections: tuple[str, ...] = ("bach",),
    config: TransformerConfig | None = None,
) -> dict[str, Any]:
    """Train and write the checkpoint to `out`; see :func:`brainmidi.training.fit.run`."""
    config = config or TransformerConfig()
    splits: dict[str, list[Performance]] = {"train": [], "validation": [], "test": []}
    for piece in load_pieces(collections, cache):
        splits[piece.split].extend(performances(piece))
    need_pieces(splits, f"of {MIN_PARTS} parts or more in 4/4 or 3/4")
    keras.utils.set_random_seed(seed)
    model = MusicTransformer(config)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            PEAK_RATE, weight_decay=0.01, beta_2=0.98, clipnorm=1.0, use_ema=True, ema_momentum=0.995
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=performance.PAD),
        jit_compile=True,
    )
    validation = held_out(splits["validation"], config.window)
    training = fit.run(
        model,
        Windows(splits["train"], config.window, seed),
        (validation[:, :-1], validation[:, 1:]),
        config={"kind": "transformer", "name": out.name, **config.to_json()},
        out=out,
        work=work,
        minutes=minutes,
        peak_rate=PEAK_RATE,
        batch_size=BATCH_SIZE,
        data=tuple(row for piece in splits["train"] for row in (piece.tokens, piece.bar_indices)),
    )
    training |= {f"{name}_events": sum(len(piece.tokens) for piece in rows) for name, rows in splits.items()}
    return finish(out, training, cache=cache, minutes=minutes, seed=seed, collections=collections)


def finish(
    out: Path, training: Mapping[str, Any], *, cache: Path, minutes: float, seed: int, collections: tuple[str, ...]
) -> dict[str, Any]:
    """Measure a trained checkpoint and write its card."""
    figures = evaluate(out, cache=cache, collections=collections)
    card = Card(
        title="Music Transformer, chorales",
        what=(
            "A Music Transformer over Magenta's 310 performance events, with learned relative positions (4 layers, "
            "model size 192, 4 heads, a window of 512 events), 2.2 million weights in half precision. It plays the "
            "second part: it is fed the melody and writes around it. Score time is 125 beats a minute, so that a "
            "sixteenth is 12 shifts, and loudness carries the metre's accents."
        ),
        licences=licences(collections),
        command=f"KERAS_BACKEND={training['backend']} brainmidi train transformer --out {out.name} "
        f"--minutes {minutes:g} --seed {seed}" + "".join(f" --collection {name}" for name in collections),
        training=training,
        sections={"continuation": [(name.replace("_", " "), rounded(value)) for name, value in figures.items()]},
        notes=(
            "Made by `brainmidi evaluate transformer`. `nll` is in nats an event; the floors are what a table of event "
            "frequencies and a table of pairs of events score on the same events. Chorales are alike: phrases of a "
            "test chorale may stand, transposed, in a training chorale."
        ),
    )
    write_card(out, card)
    return {**training, **figures}

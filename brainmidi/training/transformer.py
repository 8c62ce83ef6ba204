"""Train the Music Transformer on Bach's chorales, written as performance events.

The recipe: windows that begin at a bar line, all twelve keys, two speeds, a small change of loudness, split by piece,
Adam with weight averaging and a cosine schedule.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import performance
from brainmidi.models.transformer import MusicTransformer, TransformerConfig
from brainmidi.training import fit
from brainmidi.training.corpora import load_pieces
from brainmidi.training.performances import Performance, performances, transposed, window

PEAK_RATE = 1e-3
BATCH_SIZE = 8
BATCHES_PER_EPOCH = 150


class Windows(keras.utils.PyDataset):
    """Random windows of random pieces, the same for the same seed and epoch."""

    def __init__(self, pieces: list[Performance], length: int, seed: int) -> None:
        super().__init__()
        self.pieces, self.length, self.seed, self.epoch = pieces, length, seed, 0
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

    def on_epoch_end(self) -> None:
        """Draw other windows next time."""
        self.epoch += 1


def held_out(pieces: list[Performance], length: int) -> NDArray[np.int32]:
    """Return the pieces cut into consecutive windows, untransposed: (n_windows, length + 1)."""
    rows = [
        window(piece.tokens, start, length + 1)
        for piece in pieces
        for start in range(0, len(piece.tokens), length)
        if len(piece.tokens) - start > length // 4
    ]
    return np.stack(rows)


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
    figures = fit.run(
        model,
        Windows(splits["train"], config.window, seed),
        (validation[:, :-1], validation[:, 1:]),
        config={"kind": "transformer", "name": out.name, **config.to_json()},
        out=out,
        work=work,
        minutes=minutes,
        peak_rate=PEAK_RATE,
        batch_size=BATCH_SIZE,
    )
    counts = {f"{name}_events": int(sum(len(p.tokens) for p in rows)) for name, rows in splits.items()}
    return {**figures, **counts}

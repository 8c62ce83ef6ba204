"""Train the chorale model on JSB chorales: random stretches of random pieces, moved as far as the voices allow."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from brainmidi.evaluate.jsb import PAPER, STRIDE
from brainmidi.models.checkpoint import read_sizes
from brainmidi.models.chorale import N_COLUMNS, N_VOICES, PADDING, PHASES, ChoraleConfig, ChoraleTransformer, observed
from brainmidi.training import fit
from brainmidi.training.cards import TRAINING_FILE, Card, rounded, write_card
from brainmidi.training.chorales import Chorale, classes_of, load, ranges, transpositions

PEAK_RATE = 1e-3
BATCH_SIZE = 4
BATCHES_PER_EPOCH = 50
FRAMES_PER_BEAT = 4
#: Semitones beyond the range of each voice to which pieces are moved.
BEYOND = 3
#: Least part of a stretch that a piece has to fill; what begins later in the piece is drawn with its end.
FILLED = 0.5


class Stretches(fit.SeededBatches):
    """Batches of stretches: what is observed (b, reach, N_COLUMNS), and classes (b, reach, 4), -1 after a piece's end.

    Parameters
    ----------
    chorales : list of ndarray, shape (n_frames, 4)
        Training pieces; longer ones are drawn more often.
    config : ChoraleConfig
    seed : int
    """

    def __init__(self, chorales: list[Chorale], config: ChoraleConfig, seed: int) -> None:
        super().__init__(seed)
        limits = [(max(low - BEYOND, config.low), min(high + BEYOND, config.high)) for low, high in ranges(chorales)]
        self.length = config.reach
        self.pieces = [
            [observed(classes_of(piece, config, by)) for by in transpositions(piece, limits)] for piece in chorales
        ]
        lengths = np.array([len(chorale) for chorale in chorales], dtype=np.float64)
        self.share = lengths / lengths.sum()

    def __len__(self) -> int:
        return BATCHES_PER_EPOCH

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        rng = np.random.default_rng((self.seed, self.epoch, index))
        rows = np.stack([self._draw(rng) for _ in range(BATCH_SIZE)])
        return rows, rows[..., :N_VOICES]

    def _draw(self, rng: np.random.Generator) -> NDArray[np.int32]:
        moved = self.pieces[rng.choice(len(self.pieces), p=self.share)]
        piece = moved[rng.integers(len(moved))]
        row = stretch(piece, int(rng.integers(max(len(piece) - int(self.length * FILLED), 0) + 1)), self.length)
        # No one knows where the first bar line is: a piece may begin on any beat of 16 frames.
        row[:, -1] = np.where(row[:, -1] == PADDING, PADDING, (row[:, -1] + FRAMES_PER_BEAT * rng.integers(4)) % PHASES)
        return row


def stretch(piece: NDArray[np.int32], start: int, length: int) -> NDArray[np.int32]:
    """Return `length` frames from `start`, padded with -1; a stretch of a longer piece is never padded."""
    start = max(min(start, len(piece) - length), 0)
    row = np.full((length, N_COLUMNS), PADDING, dtype=np.int32)
    found = piece[start : start + length]
    row[: len(found)] = found
    return row


def train(
    out: Path,
    *,
    data: Path,
    work: Path,
    minutes: float,
    seed: int,
    config: ChoraleConfig | None = None,
    patience: int = 0,
) -> dict[str, Any]:
    """Train and write the checkpoint to `out`; see :func:`brainmidi.training.fit.run`.

    The averaged weights are looked at after every pass on the first `reach` frames of the validation pieces.
    """
    splits = load(data)
    config = config or ChoraleConfig()
    keras.utils.set_random_seed(seed)
    model = ChoraleTransformer(config)
    model.compile(
        optimizer=keras.optimizers.AdamW(
            PEAK_RATE, weight_decay=0.1, beta_2=0.98, clipnorm=1.0, use_ema=True, ema_momentum=0.998
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=PADDING),
        jit_compile=True,
    )
    held = np.stack([stretch(observed(classes_of(row, config)), 0, config.reach) for row in splits["validation"]])
    batches = Stretches(splits["train"], config, seed)
    training = fit.run(
        model,
        batches,
        (held, held[..., :N_VOICES]),
        config={"kind": "chorale", "name": out.name, **config.to_json()},
        out=out,
        work=work,
        minutes=minutes,
        peak_rate=PEAK_RATE,
        batch_size=BATCH_SIZE,
        patience=patience,
        data=tuple(rows[0] for rows in batches.pieces),
    )
    training |= {f"{name}_chorales": len(rows) for name, rows in splits.items()}
    training["command"] = (
        f"KERAS_BACKEND={training['backend']} brainmidi evaluate jsb {shlex.quote(out.name)} --train "
        f"--data {shlex.quote(data.resolve().name)} --minutes {minutes:g} --seed {seed}"
        + (f" --patience {patience}" if patience else "")
    )
    (out / TRAINING_FILE).write_text(json.dumps(training, indent=2) + "\n")
    return training


def finish(out: Path, *, figures: Mapping[str, Any]) -> None:
    """Write the card of a checkpoint that :func:`train` wrote, with the `figures` that were found for it."""
    training = json.loads((out / TRAINING_FILE).read_text())
    config = read_sizes(out, "chorale", ChoraleConfig.from_json)
    gap = figures["validation"]["nll"] - min(PAPER.values())
    card = Card(
        title="Music Transformer, four voices on a sixteenth grid",
        what=(
            "Foresees every cell of a chorale (soprano, alto, tenor and bass of every sixteenth) from the cells before "
            f"it, with relative attention in position, time and pitch: {config.n_layers} layers, model size "
            f"{config.size}, {config.n_heads} heads, {config.reach} frames. Beyond the paper's model it is told, of "
            "each cell, the newest pitch of every voice, how long each is held, the intervals between them, the place "
            "in the beat, and what followed an earlier place like this one; and what it says is added up from pitches "
            "and from intervals."
        ),
        licences=("JSB chorales, split of Boulanger-Lewandowski (2012): music in the public domain",),
        command=training.pop("command"),
        training=training,
        sections={
            name: [
                ("nats a cell", rounded(row["nll"])),
                *((f"floor {floor.replace('_', ' ')}", rounded(value)) for floor, value in row["floors"].items()),
                ("cells", str(row["cells"])),
                ("chorales", str(row["chorales"])),
                ("share their soprano with training", str(row["share_soprano"])),
            ]
            for name, row in ((name, figures[name]) for name in ("validation", "test"))
        },
        goal=(
            "The goal is the paper's best on the validation split, 0.335 (relative pitch and time; relative 0.357, "
            f"plain 0.417, CoCoNet in order 0.436): {'reached' if gap <= 0 else f'{gap:.3f} short of it'}."
        ),
        notes=(
            "Made by `brainmidi evaluate jsb`. Every cell is counted once, rests too, each with at least the reach "
            f"less {STRIDE} frames before it where the piece has them. A chorale shares its soprano if more than half "
            "of its windows of 32 frames stand, transposed, in a training chorale. The floors: a voice holds or takes "
            "another class by its frequency; the same by the frame of the beat, and by the class that it leaves."
        ),
        free=False,
        heading="Figures by split",
    )
    write_card(out, card)

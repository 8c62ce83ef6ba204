"""A training of a tiny Music Transformer that takes a moment, shared by several devices.

    python tiny_transformer.py FOLDER N_DEVICES...

trains once for each number of devices, in a folder of that name; with "halves" for a number it computes as on a GPU and
prints the precision of logits, of weights afterwards, and of those of the next model.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec.bars import Score, ScoreBar
from brainmidi.types import Note

N_BATCHES, WINDOW = 4, 32


def scores(seed: int) -> list[np.ndarray]:
    """Return the tokens of three scores of three parts."""
    rng = np.random.default_rng(seed)

    def bar() -> ScoreBar:
        notes = [
            Note(Fraction(beat), Fraction(1), int(rng.integers(low, low + 12)), 84, part)
            for part, low in zip(bars.PARTS, (72, 40, 56), strict=True)
            for beat in range(4)
        ]
        return ScoreBar(16, ((0, 1),), tuple(notes))

    return [bars.encode(Score(tuple(bar() for _ in range(8)), "bach", True)) for _ in range(3)]


def main(folder: Path, runs: list[str]) -> None:
    """Train once for each of `runs`."""
    import keras

    from brainmidi.models.transformer import TransformerConfig
    from brainmidi.training import devices, fit, scorerows, transformer
    from brainmidi.training.scorerows import Row, ScoreData

    transformer.BATCHES_PER_EPOCH = N_BATCHES
    found = tuple(Row(split, split, True, row) for split, row in zip(scorerows.SPLITS, scores(0), strict=True))
    scorerows.load = lambda **_: ScoreData(found, 0, ())
    run_of = fit.run
    fit.run = lambda *rest, **options: run_of(*rest, **{**options, "epochs": 3})
    config = TransformerConfig(
        n_classes=bars.N_CLASSES, n_layers=1, size=8, n_heads=2, inner_size=8, window=WINDOW, dropout=0.0
    )
    for run in runs:
        source = transformer.load("bars", cache=folder, seed=1, config=config)
        if run == "halves":
            listed = keras.distribution.list_devices
            keras.distribution.list_devices = lambda: ["gpu:0"]
            with devices.mixed_precision():
                model = transformer.compiled(config, 1)
                inputs, targets = source.batches[0]
                logits = model(inputs)
                model.train_on_batch(inputs, targets)
            keras.distribution.list_devices = listed
            after = transformer.compiled(config, 1)(inputs)
            print(logits.dtype, model.trainable_variables[0].dtype, after.dtype)
            continue
        where = folder / run
        transformer.train(where / "out", source, work=where / "work", minutes=60.0, seed=1, n_devices=int(run))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])

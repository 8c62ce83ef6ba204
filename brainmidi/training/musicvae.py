"""Train a MusicVAE: melodies, basses under chords, drums, or grooves.

The recipe is the paper's (Roberts et al. 2018, section 4.1) on less data and time: the KL term's weight rises to its
maximum, some bits of it are free, the decoder is more and more often fed its own samples (Bengio et al. 2015). Added
are variants of every phrase, drawn anew each epoch, and weight averaging.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from brainmidi.evaluate.common import evenly
from brainmidi.models.configs import CONFIGS, MusicVaeConfig
from brainmidi.models.musicvae import MusicVae
from brainmidi.training import fit
from brainmidi.training.cards import TRAINING_FILE
from brainmidi.training.devices import shared_by
from brainmidi.training.material import Material, Source, feed, load

#: Beta reaches its maximum within the few thousand steps that two cores can take (Magenta's rate is made for 200,000).
BETA_RATE = 0.999
PEAK_RATE = 2e-3
BATCH_SIZE = 128
#: Most held-out phrases that are looked at after each epoch.
VALIDATION = 1024


class Batches(fit.SeededBatches):
    """Shuffled batches of phrases, varied anew each epoch.

    Parameters
    ----------
    source : Source
        The data.
    arrays : callable
        From phrases to the model's inputs.
    batch_size, seed : int
        Rows of a batch; of order and variants.
    """

    def __init__(
        self, source: Source, arrays: Callable[[Material], tuple[NDArray[Any], ...]], batch_size: int, seed: int
    ) -> None:
        super().__init__(seed)
        self.source, self.arrays, self.batch_size = source, arrays, batch_size
        self.start_at(0)

    def start_at(self, epoch: int) -> None:
        """Draw order and variants of `epoch`."""
        super().start_at(epoch)
        rng = np.random.default_rng((self.seed, epoch))
        varied = self.source.augmented(rng)
        self.rows = varied.take(rng.permutation(len(varied)))

    def __len__(self) -> int:
        return len(self.rows) // self.batch_size

    def __getitem__(self, index: int) -> tuple[tuple[NDArray[Any], ...], NDArray[Any]]:
        rows = np.arange(index * self.batch_size, (index + 1) * self.batch_size)
        inputs = self.arrays(self.rows.take(rows))
        return inputs, inputs[1]


class ScheduledSampling(keras.callbacks.Callback):
    """Raise the share of the decoder's inputs that are its own samples: one minus the inverse sigmoid of the steps."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the share for this batch from the steps taken so far."""
        k = self.model.config.sampling_rate
        if k:
            steps = float(self.model.optimizer.iterations)
            self.model.sampled_share.assign(1.0 - k / (k + np.exp(min(steps / k, 50.0))))


def compiled(config: MusicVaeConfig, seed: int) -> MusicVae:
    """Return a fresh model with loss, accuracy and optimizer."""
    keras.utils.set_random_seed(seed)
    model = MusicVae(config, seed)

    def accuracy(targets: Any, raw: Any) -> Any:
        return keras.ops.cast(model.right(targets, raw), "float32")

    model.compile(
        optimizer=keras.optimizers.Adam(PEAK_RATE, clipnorm=1.0, use_ema=True, ema_momentum=0.998),
        loss=model.loss_of,
        metrics=[keras.metrics.MeanMetricWrapper(accuracy, name="accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # XLA on TensorFlow cannot differentiate the scan
    )
    return model


def train(
    name: str,
    out: Path,
    *,
    cache: Path,
    work: Path,
    minutes: float,
    seed: int,
    collections: tuple[str, ...] = (),
    data: Path | None = None,
    part: str | None = None,
    patience: int = 0,
    n_devices: int = 1,
    source: Source | None = None,
) -> dict[str, Any]:
    """Train configuration `name`; write the checkpoint to `out` and return what a model card says of the training.

    See :func:`brainmidi.training.fit.run` for what resumes and when it ends, :func:`brainmidi.training.material.load`
    for the data, which is loaded if it is not given as `source`, and :func:`brainmidi.training.devices.shared_by` for
    several devices.

    Raises
    ------
    ConfigError
        If the configuration cannot be trained, or there is too little data for it.
    """
    if source is None:
        source = load(name, cache=cache, collections=collections, data=data, part=part)
    config = replace(CONFIGS[name], beta_rate=BETA_RATE)
    arrays = feed(name, config)
    learnt, held = source.splits["train"], source.splits["validation"]
    held = held.take(evenly(len(held), VALIDATION))
    inputs = arrays(held)
    with shared_by(n_devices, BATCH_SIZE):
        training = fit.run(
            compiled(config, seed),
            Batches(source, arrays, BATCH_SIZE, seed),
            (inputs, inputs[1]),
            config={"kind": "musicvae", "name": name, "part": source.part, **config.to_json()},
            out=out,
            work=work,
            minutes=minutes,
            peak_rate=PEAK_RATE,
            batch_size=BATCH_SIZE,
            patience=patience,
            callbacks=(ScheduledSampling(),),
            data=tuple(a for a in (learnt.events, learnt.chords, learnt.piece) if a is not None),
        )
    training |= {f"{key}_phrases": len(rows) for key, rows in source.splits.items()}
    given = "".join(f" --collection {key}" for key in collections)
    if data is not None:
        given = f" --data {shlex.quote(data.resolve().name)}"
    given += f" --part {part}" if part else ""
    given += f" --patience {patience}" if patience else ""
    given += f" --devices {n_devices}" if n_devices > 1 else ""
    training["command"] = (
        f"KERAS_BACKEND={training['backend']} brainmidi train musicvae --config {name} --out {name} "
        f"--minutes {minutes:g} --seed {seed}{given}"
    )
    (out / TRAINING_FILE).write_text(json.dumps(training, indent=2) + "\n")
    return training

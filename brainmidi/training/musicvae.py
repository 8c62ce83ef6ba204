"""Train a MusicVAE on the public-domain melodies of the music21 corpus.

The recipe: tonic on C, one window at every bar, split by piece, Adam with weight averaging, scheduled sampling with an
inverse-sigmoid schedule (Bengio et al. 2015), beta rising to its maximum (Roberts et al. 2018, section 4.1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ConfigError
from brainmidi.evaluate.musicvae import PAPER, evaluate, load_model
from brainmidi.models.checkpoint import read_config
from brainmidi.models.musicvae import CONFIGS, MusicVae
from brainmidi.training import anchors, fit, melodies
from brainmidi.training.cards import chosen_collections, write_card
from brainmidi.training.corpora import load_pieces

#: Beta reaches its maximum within the few thousand steps that two cores can take (Magenta's rate is made for 200,000).
BETA_RATE = 0.9995
PEAK_RATE = 1.5e-3
BATCH_SIZE = 128
#: Step at which half the decoder's inputs are nearly its own, in the inverse sigmoid k / (k + exp(step / k)).
SAMPLING_K = 1100.0
N_ANCHORS = 6


class Batches(fit.SeededBatches):
    """Shuffled batches of phrases."""

    def __init__(self, phrases: NDArray[np.uint8], batch_size: int, seed: int) -> None:
        super().__init__(seed)
        self.phrases, self.batch_size = phrases, batch_size
        self.start_at(0)

    def start_at(self, epoch: int) -> None:
        """Draw the order of `epoch`."""
        super().start_at(epoch)
        self.order = np.random.default_rng((self.seed, epoch)).permutation(len(self.phrases))

    def __len__(self) -> int:
        return len(self.phrases) // self.batch_size

    def __getitem__(self, index: int) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        rows = self.order[index * self.batch_size : (index + 1) * self.batch_size]
        tokens = self.phrases[rows].astype(np.int32)
        return tokens, tokens


class ScheduledSampling(keras.callbacks.Callback):
    """Raise the share of the decoder's inputs that are its own samples."""

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the share for this batch from the steps taken so far."""
        steps = float(self.model.optimizer.iterations)
        self.model.sampled_share.assign(1.0 - SAMPLING_K / (SAMPLING_K + np.exp(min(steps / SAMPLING_K, 50.0))))


def train(
    name: str, out: Path, *, cache: Path, work: Path, minutes: float, seed: int, collections: tuple[str, ...]
) -> dict[str, Any]:
    """Train configuration `name`; write checkpoint, anchors and model card to `out`, and return the card's figures.

    See :func:`brainmidi.training.fit.run` for what resumes and when it ends.
    """
    if name not in CONFIGS:
        raise ConfigError(f"configuration {name!r} is unknown; choose from {', '.join(CONFIGS)}")
    config = replace(CONFIGS[name], beta_rate=BETA_RATE)
    data = melodies.dataset(load_pieces(collections, cache))
    keras.utils.set_random_seed(seed)
    model = MusicVae(config, seed)
    model.compile(
        optimizer=keras.optimizers.Adam(PEAK_RATE, clipnorm=1.0, use_ema=True, ema_momentum=0.995),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        jit_compile=keras.backend.backend() == "jax",  # XLA on TensorFlow cannot differentiate the scan
    )
    held_out = data["validation"].astype(np.int32)
    training = fit.run(
        model,
        Batches(data["train"], BATCH_SIZE, seed),
        (held_out, held_out),
        config={"kind": "musicvae", "name": name, **config.to_json()},
        out=out,
        work=work,
        minutes=minutes,
        peak_rate=PEAK_RATE,
        batch_size=BATCH_SIZE,
        callbacks=(ScheduledSampling(),),
    )
    training |= {f"{split}_phrases": len(rows) for split, rows in data.items()}
    return finish(out, training, cache=cache, minutes=minutes, seed=seed, collections=collections)


def finish(
    out: Path, training: Mapping[str, Any], *, cache: Path, minutes: float, seed: int, collections: tuple[str, ...]
) -> dict[str, Any]:
    """Choose the anchors of a trained checkpoint, measure it, and write its card."""
    pieces = [piece for piece in load_pieces(collections, cache) if piece.split == "train"]
    anchors.write_anchors(out / "anchors.json", anchors.choose(load_model(out), pieces, N_ANCHORS))
    figures = evaluate(out, cache=cache, collections=collections)
    name = read_config(out)["name"]
    write_card(
        out,
        title=f"MusicVAE {name}",
        what=(
            "A variational autoencoder of two-bar melodies (32 sixteenths, 90 classes), of Magenta's architecture of "
            "that name, with 4,423,770 weights in half precision. Its latent is what the brain moves through; "
            "`anchors.json` holds the calm and active phrases between which it moves, all from the tunes below."
        ),
        collections=collections,
        command=f"KERAS_BACKEND={training['backend']} brainmidi train musicvae --out {name} --minutes {minutes:g} "
        f"--seed {seed}{chosen_collections(collections)}",
        training=training,
        figures=figures,
        notes=(
            f"Made by `brainmidi evaluate musicvae`. The paper (Roberts et al. 2018, table 1) reports "
            f"{PAPER['teacher_forced']} teacher-forced and {PAPER['sampled']} sampled on 2-bar melodies, trained on "
            "1.5 million MIDI files for far longer: a reference, not like for like. `floor hold` is what always "
            'answering "no event" scores, `floor other` what another test melody scores.'
        ),
    )
    return {**training, **figures}

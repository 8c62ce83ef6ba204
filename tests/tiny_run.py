"""A training of a tiny MusicVAE that takes a moment, and as a script kills itself.

python tiny_run.py FOLDER EPOCHS KILL_IN_EPOCH
"""

from __future__ import annotations

import os
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

N_BATCHES, BATCH = 3, 16


def tiny_run(folder: Path, *, stop_in_epoch: int | None = None, n_devices: int = 1, **options: Any) -> dict[str, Any]:
    """Train for `epochs`; with `stop_in_epoch` the process kills itself in the middle of that epoch, from 0."""
    import keras

    from brainmidi.models.configs import CONFIGS
    from brainmidi.training import fit
    from brainmidi.training.devices import shared_by
    from brainmidi.training.material import Material, Source, feed
    from brainmidi.training.musicvae import Batches, ScheduledSampling, compiled

    class Killed(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
            if fitting.epoch == stop_in_epoch and batch == 1:
                os.kill(os.getpid(), signal.SIGKILL)

    # All that a run has to keep: chance in the encoder, scheduled sampling from the start, a rising beta.
    config = replace(
        CONFIGS["hier-mel_2bar"],
        encoder_units=(8,),
        decoder_units=(8,),
        latent_size=4,
        beta_rate=0.9,
        sampling_rate=2.0,
    )
    rng = np.random.default_rng(0)
    rows = rng.integers(40, 90, (N_BATCHES * BATCH, 32)).astype(np.uint8)
    phrases = Material(rows, None, np.arange(len(rows), dtype=np.int32) // 8, tuple("abcdef"))
    held = phrases.take(np.arange(10))
    source = Source("melody", {"train": phrases, "validation": held, "test": held}, (), {})
    arrays = feed("hier-mel_2bar", config)
    inputs = arrays(held)
    with shared_by(n_devices, BATCH):
        fitting = Batches(source, arrays, BATCH, options.pop("seed", 1))
        return fit.run(
            compiled(config, 1),
            fitting,
            (inputs, inputs[1]),
            config={"kind": "musicvae", "name": "tiny", **config.to_json()},
            out=folder / "out",
            work=folder / "work",
            peak_rate=2e-2,
            batch_size=BATCH,
            callbacks=(ScheduledSampling(), Killed()),
            **{"minutes": 60.0, **options},
        )


if __name__ == "__main__":
    tiny_run(Path(sys.argv[1]), epochs=int(sys.argv[2]), stop_in_epoch=int(sys.argv[3]))

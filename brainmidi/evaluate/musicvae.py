"""How well a MusicVAE gives back melodies that it has never seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from brainmidi.codec.melody import FIRST_PITCH_CLASS
from brainmidi.models.checkpoint import find_checkpoint, put_weights, read_sizes, read_weights
from brainmidi.models.musicvae import MusicVae, MusicVaeConfig
from brainmidi.training import melodies
from brainmidi.training.corpora import load_pieces

#: Accuracy on 2-bar melodies in Roberts et al. 2018, table 1 (trained on 1.5 million MIDI files, of many kinds).
PAPER = {"teacher_forced": 0.986, "sampled": 0.951}
BATCH = 256


def load_model(folder: Path) -> MusicVae:
    """Return the Keras model of a checkpoint, on whichever back end Keras runs."""
    model = MusicVae(read_sizes(folder, "musicvae", MusicVaeConfig.from_json))
    put_weights(model, read_weights(folder))
    return model


def evaluate(checkpoint: str | Path, *, cache: Path, collections: tuple[str, ...], limit: int = 1024) -> dict[str, Any]:
    """Measure a checkpoint on the test split, which is by piece.

    Parameters
    ----------
    checkpoint : str or Path
        Name of a shipped checkpoint, or a folder.
    cache : Path
        Where the corpora were read to.
    collections : tuple of str
        Those that the model was trained on.
    limit : int
        Most phrases to measure on, evenly spread over the split.

    Returns
    -------
    dict
        Accuracies over all sixteenths: ``teacher_forced`` (given the true past), ``greedy`` and ``sampled``
        (temperature 1) from z alone; ``greedy_onsets`` over the sixteenths that begin a note; and beside them
        ``floor_hold`` (always "no event") and ``floor_other`` (another test phrase in place of the right one).
    """
    model = load_model(find_checkpoint(checkpoint))
    test = melodies.dataset(load_pieces(collections, cache))["test"].astype(np.int32)
    test = test[np.linspace(0, len(test) - 1, min(limit, len(test))).astype(int)]
    rng = np.random.default_rng(0)
    right: dict[str, list[NDArray[np.bool_]]] = {"teacher_forced": [], "greedy": [], "sampled": []}
    for start in range(0, len(test), BATCH):
        rows = test[start : start + BATCH]
        mu, _ = model.encode(ops.convert_to_tensor(rows))
        logits = model.teacher_forced(mu, ops.convert_to_tensor(rows), ops.zeros(()))
        right["teacher_forced"].append(_numpy(ops.argmax(logits, axis=-1)) == rows)
        shape = (*rows.shape, model.config.n_classes)
        for name, noise in (("greedy", np.zeros(shape)), ("sampled", rng.gumbel(size=shape))):
            decoded = model.decode(
                mu,
                ops.zeros(shape),
                ops.convert_to_tensor(noise.astype(np.float32)),
                ops.ones((len(rows),)),
                ops.full(rows.shape, -1, dtype="int32"),
            )
            right[name].append(_numpy(decoded) == rows)
    onsets = test >= FIRST_PITCH_CLASS
    greedy = np.concatenate(right["greedy"])
    return {
        **{name: float(np.mean(np.concatenate(rows))) for name, rows in right.items()},
        "greedy_onsets": float(greedy[onsets].mean()),
        "floor_hold": float(np.mean(test == 0)),
        "floor_other": float(np.mean(test == np.roll(test, len(test) // 2, axis=0))),
        "phrases": len(test),
        "backend": keras.backend.backend(),
    }


def _numpy(tensor: Any) -> NDArray[np.int32]:
    return np.asarray(ops.convert_to_numpy(tensor), dtype=np.int32)

"""Small models in Magenta's formats, for the tests of their import."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from brainmidi.models.configs import MAGENTA
from brainmidi.models.magenta import variables

#: Configurations in small sizes, by names of their own.
TINY = {
    f"tiny-{name}": replace(
        config,
        latent_size=5,
        encoder_units=tuple(3 + n for n, _ in enumerate(config.encoder_units)),
        decoder_units=(4,) * len(config.decoder_units),
        nade_units=6 if config.nade_units else 0,
    )
    for name, config in MAGENTA.items()
}
MELODY = "tiny-cat-mel_2bar_small"
Weights = dict[str, np.ndarray]


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the small configurations known by name."""
    for name, config in TINY.items():
        monkeypatch.setitem(MAGENTA, name, config)


def random_weights(name: str = MELODY) -> Weights:
    """Return Magenta's variables of a configuration, drawn at random."""
    rng = np.random.default_rng(3)
    return {key: rng.normal(size=shape).astype(np.float32) for key, shape in variables(MAGENTA[name]).items()}


def write_js(folder: Path, weights: Weights, *, stored: str = "float32", n_shards: int = 3) -> Path:
    """Write a magenta.js model, quantised as its converter does, and return its folder."""
    folder.mkdir(parents=True)
    entries, data = [], b""
    for name, value in weights.items():
        entry = {"name": name, "shape": list(value.shape), "dtype": str(value.dtype)}
        if value.dtype == np.float32 and stored.startswith("uint"):
            low, high = float(value.min()), float(value.max())
            scale = (high - low) / np.iinfo(stored).max or 1.0
            entry["quantization"] = {"dtype": stored, "scale": scale, "min": low}
            value = np.round((value - low) / scale)
        elif value.dtype == np.float32 and stored == "float16":
            entry["quantization"] = {"dtype": "float16"}
        data += value.astype(stored if value.dtype.kind == "f" else value.dtype).tobytes()
        entries.append(entry)
    names = [f"group1-shard{n + 1}of{n_shards}" for n in range(n_shards)]
    cuts = [len(data) * n // n_shards for n in range(n_shards + 1)]
    for name, start, end in zip(names, cuts, cuts[1:], strict=False):
        (folder / name).write_bytes(data[start:end])
    (folder / "config.json").write_text(json.dumps({"type": "MusicVAE"}))
    (folder / "weights_manifest.json").write_text(json.dumps([{"paths": names, "weights": entries}]))
    return folder


def write_tensorflow(prefix: Path, weights: Weights) -> Path:
    """Write a TensorFlow checkpoint and return its prefix."""
    import tensorflow as tf

    prefix.parent.mkdir(parents=True, exist_ok=True)
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(weights),
        shape_and_slices=[""] * len(weights),
        tensors=list(weights.values()),
    )
    return prefix

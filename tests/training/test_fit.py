from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.models


@pytest.fixture
def fit():
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.training import fit

    return fit


def small_run(fit, folder: Path, minutes: float) -> dict:
    """Train a small MusicVAE on random phrases for a moment."""
    import keras

    from brainmidi.models.musicvae import MusicVae, MusicVaeConfig
    from brainmidi.training.musicvae import Batches

    phrases = np.random.default_rng(0).integers(0, 4, (32, 8)).astype(np.uint8)
    config = MusicVaeConfig(n_steps=8, n_classes=90, encoder_units=8, decoder_units=(8,), latent_size=4)
    model = MusicVae(config)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-2, use_ema=True, ema_momentum=0.5),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    held_out = phrases.astype(np.int32)
    return fit.run(
        model,
        Batches(phrases, 16, 1),
        (held_out, held_out),
        config={"kind": "musicvae", "name": "small", **config.to_json()},
        out=folder / "out",
        work=folder / "work",
        minutes=minutes,
        peak_rate=1e-2,
        batch_size=16,
    )


def test_a_run_that_is_started_again_goes_on_where_it_was(fit, tmp_path: Path) -> None:
    from brainmidi.models.checkpoint import read_weights

    first = small_run(fit, tmp_path, minutes=1e-6)
    assert json.loads((tmp_path / "work" / "budget.json").read_text())["epoch"] == 1
    before = read_weights(tmp_path / "out")
    second = small_run(fit, tmp_path, minutes=1e-6)
    assert json.loads((tmp_path / "work" / "budget.json").read_text())["epoch"] == 2
    assert second["seconds"] > first["seconds"]
    after = read_weights(tmp_path / "out")
    assert any(not np.array_equal(before[name], after[name]) for name in before)
    # One more epoch from the first's weights, not from new ones.
    moved = max(float(np.abs(before[name] - after[name]).max()) for name in before)
    assert moved < 0.1


def test_batches_depend_on_seed_and_epoch_alone(fit) -> None:
    from brainmidi.training.musicvae import Batches

    phrases = np.arange(64, dtype=np.uint8).reshape(32, 2)
    straight, resumed = Batches(phrases, 8, 5), Batches(phrases, 8, 5)
    straight.on_epoch_end()
    straight.on_epoch_end()
    resumed.start_at(2)
    assert np.array_equal(straight[1][0], resumed[1][0])
    assert not np.array_equal(resumed[1][0], Batches(phrases, 8, 5)[1][0])

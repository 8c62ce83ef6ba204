"""What ships is whole: weights, card, anchors; and it plays."""

from __future__ import annotations

import numpy as np
import pytest

from brainmidi.models.checkpoint import CONFIG_FILE, checkpoints_root, read_config, read_weights

FOLDERS = sorted(path.parent for path in checkpoints_root().glob(f"*/{CONFIG_FILE}"))


def test_a_melody_model_and_an_accompaniment_model_ship() -> None:
    assert {read_config(folder)["kind"] for folder in FOLDERS} >= {"musicvae", "transformer"}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_checkpoint_has_finite_weights_and_a_card_with_licence_and_command(folder) -> None:
    assert all(np.isfinite(weight).all() and weight.std() > 0 for weight in read_weights(folder).values())
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12e6
    card = (folder / "README.md").read_text()
    for part in ("Data and licence", "public domain", "brainmidi train", "seed"):
        assert part in card


@pytest.mark.models
def test_shipped_anchors_come_back_from_the_shipped_model() -> None:
    pytest.importorskip("tensorflow")
    from brainmidi.drivers.voices import load_anchors, load_voices
    from brainmidi.music.voices import Constraint

    melody, _ = load_voices()
    free = Constraint(np.zeros((32, 128), np.float32), np.zeros(32, np.float32))
    shares = []
    for anchor in load_anchors():
        for corner in (anchor.calm, anchor.active):
            # Nearly no temperature: what the model thinks likeliest.
            back = melody.decode(melody.encode(corner), free, 0.01, np.random.default_rng(0), None)
            want = {(note.start, note.pitch) for note in corner}
            shares.append(len(want & {(note.start, note.pitch) for note in back}) / len(want))
    assert np.mean(shares) > 0.9


@pytest.mark.models
def test_busier_corners_lie_on_the_active_side() -> None:
    pytest.importorskip("tensorflow")
    from brainmidi.drivers.voices import load_anchors, load_voices
    from brainmidi.music.voices import Constraint

    melody, _ = load_voices()
    free = Constraint(np.zeros((32, 128), np.float32), np.zeros(32, np.float32))
    onsets = dict.fromkeys((0.0, 0.5, 1.0), 0)
    for anchor in load_anchors():
        calm, active = melody.encode(anchor.calm), melody.encode(anchor.active)
        for mix in onsets:
            z = melody.between(calm, active, mix)
            onsets[mix] += len(melody.decode(z, free, 0.01, np.random.default_rng(0), None).notes)
    assert onsets[0.0] < onsets[0.5] < onsets[1.0]

"""What ships is whole: weights, card, anchors; and it plays."""

from __future__ import annotations

import numpy as np
import pytest

from brainmidi.models.checkpoint import CONFIG_FILE, checkpoints_root, read_config, read_weights
from brainmidi.types import PARTS

FOLDERS = sorted(path.parent for path in checkpoints_root().glob(f"*/{CONFIG_FILE}"))


def test_a_model_ships_for_every_part_of_the_band() -> None:
    from brainmidi.drivers.voices import CHECKPOINTS

    assert set(CHECKPOINTS) == set(PARTS)
    assert {name for names in CHECKPOINTS.values() for name in names} <= {folder.name for folder in FOLDERS}
    assert all(read_config(folder)["kind"] in ("musicvae", "transformer") for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_checkpoint_has_finite_weights_and_a_card_with_licence_and_command(folder) -> None:
    assert all(np.isfinite(weight).all() and weight.std() > 0 for weight in read_weights(folder).values())
    assert sum(path.stat().st_size for path in folder.iterdir()) < 12e6
    card = (folder / "README.md").read_text()
    for part in ("Data and licence", "brainmidi train", "seed"):
        assert part in card
    assert any(licence in card for licence in ("public domain", "CC BY 4.0", "**the songs are in copyright**"))


@pytest.mark.parametrize("part", ["melody", "bass", "drums"])
def test_the_anchors_of_a_part_are_two_bars_of_it(part) -> None:
    from brainmidi.drivers.voices import load_anchors

    anchors = load_anchors(part)
    assert len(anchors) == 6
    for anchor in anchors:
        assert len(anchor.calm.notes) < len(anchor.active.notes)
        assert {note.part for phrase in (anchor.calm, anchor.active) for note in phrase} == {part}


def test_the_attribute_vectors_of_the_melody_know_its_attributes() -> None:
    from brainmidi.codec.attributes import ATTRIBUTES
    from brainmidi.drivers.voices import CHECKPOINTS
    from brainmidi.models.attribute_vectors import ATTRIBUTES_FILE, AttributeVectors
    from brainmidi.models.checkpoint import find_checkpoint

    vectors = AttributeVectors.load(find_checkpoint(CHECKPOINTS["melody"][0]) / ATTRIBUTES_FILE)
    assert vectors.names == tuple(ATTRIBUTES)


@pytest.mark.models
def test_shipped_anchors_come_back_from_the_shipped_model() -> None:
    pytest.importorskip("tensorflow")
    from brainmidi.drivers.voices import load_anchors, load_voices
    from brainmidi.music.voices import Constraint

    melody = load_voices().melody
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

    melody = load_voices().melody
    free = Constraint(np.zeros((32, 128), np.float32), np.zeros(32, np.float32))
    onsets = dict.fromkeys((0.0, 0.5, 1.0), 0)
    for anchor in load_anchors():
        calm, active = melody.encode(anchor.calm), melody.encode(anchor.active)
        for mix in onsets:
            z = melody.between(calm, active, mix)
            onsets[mix] += len(melody.decode(z, free, 0.01, np.random.default_rng(0), None).notes)
    assert onsets[0.0] < onsets[0.5] < onsets[1.0]

"""The chorale model: nothing is foreseen from what comes later, and its relations are what the paper says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from brainmidi.models.chorale import HELD, PADDING, ChoraleConfig, observed

pytestmark = pytest.mark.models
CONFIG = ChoraleConfig(low=60, high=71, n_layers=2, size=16, n_heads=2, inner_size=32, reach=8, dropout=0.0)


@pytest.fixture(scope="module")
def model() -> Any:
    pytest.importorskip("tensorflow")
    import keras

    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.chorale import ChoraleTransformer

    keras.utils.set_random_seed(3)
    made = ChoraleTransformer(CONFIG)
    for weight in made.weights:  # all relations matter
        weight.assign(weight + 0.3 * np.random.default_rng(0).normal(size=weight.shape))
    return made


def logits_of(model: Any, classes: NDArray[np.int32]) -> NDArray[np.float32]:
    return np.asarray(model(observed(classes)[None]))[0]


def random_piece(seed: int, n: int = CONFIG.reach) -> NDArray[np.int32]:
    return np.random.default_rng(seed).integers(0, CONFIG.n_classes, (n, 4)).astype(np.int32)


def test_what_is_observed_is_classes_frames_held_the_class_before_and_the_phase() -> None:
    classes = np.array([[5, 1, 2, 3]] * 20, dtype=np.int32)
    classes[2:, 0] = 7
    seen = observed(classes)
    assert seen[:4, 4].tolist() == [0, 1, 0, 1]
    assert seen[19, 4:8].tolist() == [len(HELD)] * 4
    assert seen[:4, 8].tolist() == [PADDING, PADDING, 5, 5]
    assert seen[19, -1] == 3


@pytest.mark.parametrize("cell", [0, 1, 2, 3, 9, 30, 31])
def test_a_cell_is_foreseen_from_the_cells_before_it_alone(model: Any, cell: int) -> None:
    piece = random_piece(1)
    other = piece.copy()
    frame, voice = divmod(cell, 4)
    other[frame, voice] = (other[frame, voice] + 3) % CONFIG.n_classes
    before, after = (logits_of(model, row).reshape(-1, CONFIG.n_classes) for row in (piece, other))
    np.testing.assert_allclose(before[: cell + 1], after[: cell + 1], atol=1e-5)
    if cell < 31:
        assert np.abs(before[cell + 1] - after[cell + 1]).max() > 1e-3


def test_attention_adds_content_distance_in_cells_and_frames_and_interval(model: Any) -> None:
    """The scores of one layer against a plain loop over every pair of cells."""
    from keras import ops

    attention = model.blocks[0].attention
    rng = np.random.default_rng(2)
    t, p = 4 * CONFIG.reach, CONFIG.n_pitches
    x = rng.normal(size=(1, t, CONFIG.size)).astype(np.float32)
    reference, pitch = rng.integers(1, p + 1, t), rng.integers(0, p + 1, t)  # class 0 rests
    rows = np.arange(1, p + 1) - reference[:, None] + p - 1
    sounded = np.eye(p + 1, dtype=np.float32)[pitch][:, 1:]
    found = np.asarray(
        attention(
            ops.convert_to_tensor(x),
            ops.convert_to_tensor(rows[None, None].astype(np.int32)),
            ops.convert_to_tensor(sounded[None, None]),
        )
    )[0]

    e = CONFIG.size // CONFIG.n_heads
    qkv = (x[0] @ np.asarray(attention.qkv)).reshape(t, 3, CONFIG.n_heads, e)
    by_cell, by_frame, by_interval, heard = (
        np.asarray(table) for table in (attention.by_cell, attention.by_frame, attention.by_interval, attention.heard)
    )
    mixed = np.zeros((t, CONFIG.n_heads, e))
    for head in range(CONFIG.n_heads):
        for i in range(t):
            q = qkv[i, 0, head] / np.sqrt(e)
            scores = [0.0]
            for j in range(i):
                score = q @ (qkv[j, 1, head] + by_cell[head, i - j] + by_frame[head, i // 4 - j // 4])
                if pitch[j]:
                    score += q @ by_interval[head, :, pitch[j] - reference[i] + p - 1]
                scores.append(score)
            odds = np.exp(np.array(scores) - max(scores))
            values = qkv[:i, 2, head] + sounded[:i] @ heard[head]
            mixed[i, head] = (odds / odds.sum())[1:] @ values
    np.testing.assert_allclose(found, mixed.reshape(t, -1) @ np.asarray(attention.out), atol=2e-4)


def test_rests_and_padding_give_numbers(model: Any) -> None:
    rows = observed(np.zeros((CONFIG.reach, 4), dtype=np.int32))
    rows[3:] = PADDING
    assert np.isfinite(np.asarray(model(rows[None]))).all()


def test_a_line_that_comes_again_is_recognised_and_what_followed_is_told() -> None:
    line = random_piece(5, 20)
    piece = np.concatenate([line, random_piece(6, 7), line])
    seen = observed(piece)
    # Four frames into the second line, 16 cells are alike; from then on the first line says what comes.
    again = slice(27 + 4, len(piece))
    np.testing.assert_array_equal(seen[again, 12:16], piece[again])
    assert (seen[again, 16:20] > 0).all()
    assert seen[-1, 16:20].tolist() == [4, 4, 4, 4]  # 76 to 79 cells
    assert (seen[: 27 + 3, 12:16] == PADDING).all()


@pytest.mark.parametrize("cell", [100, 131, 150])
def test_what_is_observed_at_a_cell_depends_on_no_later_cell(cell: int) -> None:
    line = random_piece(5, 20)
    piece = np.concatenate([line, line, line])
    other = piece.copy().ravel()
    other[cell] = (other[cell] + 1) % CONFIG.n_classes
    before, after = observed(piece), observed(other.reshape(-1, 4))
    # What followed elsewhere is told of the cell itself, from the cells before it alone.
    for columns in (slice(12, 16), slice(16, 20)):
        one, two = before[:, columns].ravel(), after[:, columns].ravel()
        np.testing.assert_array_equal(one[: cell + 1], two[: cell + 1])

"""The note-wise likelihood of chorales: every cell once, as computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("keras")

from brainmidi.evaluate.common import negative_log_likelihood
from brainmidi.evaluate.jsb import STRIDE, cell_losses, floors


def test_a_piece_of_two_frames_scores_what_it_scores_by_hand() -> None:
    # Silence, and two pitches; soprano and alto are always given odds of 1 : 2 : 1, tenor and bass 1 : 1 : 2.
    high, low = np.log([0.25, 0.5, 0.25]), np.log([0.25, 0.25, 0.5])
    table = np.array([high, high, low, low])

    def predict(rows: NDArray[np.int32]) -> NDArray[np.float64]:
        return np.broadcast_to(table, (*rows.shape[:2], 4, 3))

    classes = np.array([[1, 0, 2, 1], [1, 1, 2, 0]], dtype=np.int32)
    # Five cells of 1/2 and three of 1/4: soprano 1/2 1/2, alto 1/4 1/2, tenor 1/2 1/2, bass 1/4 1/4.
    by_hand = 5 * np.log(2) + 3 * np.log(4)
    losses = cell_losses(predict, classes, 8)
    assert losses.shape == (2, 4)
    assert losses.sum() == pytest.approx(by_hand)


@given(n_frames=st.integers(1, 150))
def test_every_cell_of_a_longer_piece_is_counted_once_with_nearly_the_whole_reach_before_it(n_frames: int) -> None:
    reach = 48
    begins: list[int] = []
    classes = np.arange(n_frames)[:, None] + np.zeros((1, 4), dtype=np.int64)

    def predict(rows: NDArray[np.int32]) -> NDArray[np.float64]:
        # The more context a cell has, the likelier its class: the loss tells how much there was.
        logits = np.zeros((len(rows), reach, 4, n_frames + 1))
        for n, row in enumerate(rows):
            begins.append(int(row[0, 0]))
            for frame, number in enumerate(row[:, 0]):
                if number >= 0:
                    logits[n, frame, :, number] = frame / 10
        return logits

    losses = cell_losses(predict, classes.astype(np.int32), reach)
    assert np.isfinite(losses).all()
    last = max(n_frames - reach, 0)
    # Windows are as many as are needed: each a stride after the one before, the last at the piece's end.
    assert begins == [*range(0, last, STRIDE), last]
    context = np.array([row[0] for row in losses])
    enough = negative_log_likelihood(
        np.eye(n_frames + 1)[:1] * min(n_frames - 1, reach - STRIDE) / 10, np.zeros(1, dtype=int)
    )[0]
    assert (context[min(n_frames - 1, reach - STRIDE) :] <= enough + 1e-9).all()


def test_the_floors_of_a_voice_that_always_holds_lie_near_nothing() -> None:
    still = [np.tile(np.array([[1, 2, 3, 4]], dtype=np.int32), (400, 1))]
    moving = [np.random.default_rng(0).integers(0, 5, (400, 4)).astype(np.int32)]
    held, moved = floors(still, still, 5), floors(moving, moving, 5)
    assert held["metrical_hold_bigram"] <= 0.05
    assert held["hold_unigram"] <= 0.05
    assert moved["hold_unigram"] == pytest.approx(np.log(5), abs=0.1)


def test_a_table_that_knows_the_beat_foresees_a_voice_that_moves_on_the_beat() -> None:
    rows = np.repeat(np.tile([1, 2], 50), 4)[:, None] + np.zeros((1, 4), dtype=np.int64)
    found = floors([rows.astype(np.int32)], [rows.astype(np.int32)], 4)
    assert found["metrical_hold_bigram"] < 0.1 < found["hold_unigram"]

"""A Music Transformer of performances as a voice: what it has heard before the first bar."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from brainmidi.drivers.voices import ContinuedPerformance


class CountingModel:
    """Its cache is what it was told; it likes the event of that number."""

    def __init__(self, silent_start: bool) -> None:
        self.config = SimpleNamespace(silent_start=silent_start)

    def initial(self) -> tuple[int, ...]:
        return ()

    def step(self, token: int, cache: tuple[int, ...]) -> tuple[np.ndarray, tuple[int, ...]]:
        told = (*cache, token)
        return np.eye(310, dtype=np.float32)[len(told)], told


@pytest.mark.parametrize(("silent_start", "told"), [(True, (0,)), (False, ())])
def test_a_model_whose_rows_began_with_event_0_is_told_it_before_the_first_bar(silent_start, told):
    memory = ContinuedPerformance(CountingModel(silent_start)).initial()
    assert memory.cache == told
    assert memory.logits is None if not told else int(memory.logits.argmax()) == 1

"""Models of bars that stand in for the real one: deterministic, of numpy alone, with an immutable cache."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import bars
from brainmidi.midi.clock import VirtualClock
from brainmidi.models.sampling import Float32Array


class DreamingModel:
    """Likes what a seed and all that was said make it like; its cache is what was said.

    With a clock every token takes `step_s` seconds of it.
    """

    def __init__(self, seed: int = 1, *, spread: float = 3.0, clock: VirtualClock | None = None, step_s: float = 0.01):
        self.seed, self.spread, self.clock, self.step_s = seed, spread, clock, step_s
        self.asked: list[float] = []

    def initial(self) -> tuple[int, ...]:
        return ()

    def step(self, token: int, cache: Any) -> tuple[Float32Array, Any]:
        self._take_time(1)
        said = (*cache, int(token))
        return self.logits(said), said

    def prefill(self, tokens: NDArray[np.int32] | Sequence[int], cache: Any) -> tuple[Float32Array, Any]:
        self._take_time(len(tokens))
        said = (*cache, *(int(token) for token in tokens))
        return np.stack([self.logits(said[: n + 1]) for n in range(len(cache), len(said))]), said

    def _take_time(self, tokens: int) -> None:
        if self.clock is not None:
            self.asked += [self.clock.now_s()] * tokens
            self.clock.sleep_until(self.clock.now_s() + tokens * self.step_s)

    def logits(self, said: tuple[int, ...]) -> Float32Array:
        rng = np.random.default_rng([self.seed, len(said), *said[-12:]])
        liked = rng.normal(scale=self.spread, size=bars.N_CLASSES).astype(np.float32)
        liked[bars.BAR : bars.POSITION] -= 8.0  # there are many bars and chords: else it would hardly say anything else
        return liked


class LostModel(DreamingModel):
    """Every logit is NaN."""

    def logits(self, said: tuple[int, ...]) -> Float32Array:
        return np.full(bars.N_CLASSES, np.nan, dtype=np.float32)


class OrderlyModel(DreamingModel):
    """Knows one song by heart: after each of its tokens it expects the next one."""

    def __init__(self, song: Sequence[int]) -> None:
        super().__init__()
        self.song = tuple(int(token) for token in song)

    def logits(self, said: tuple[int, ...]) -> Float32Array:
        expected = np.full(bars.N_CLASSES, -20.0, dtype=np.float32)
        if said == self.song[: len(said)] and len(said) < len(self.song):
            expected[self.song[len(said)]] = 0.0
        else:
            expected[bars.BAR : bars.CHORD] = 0.0
        return expected


class TabledModel(DreamingModel):
    """After a token ("chord" for any of a kind, "position 8" for one) likes tokens of a kind, the first one most."""

    FIRST: ClassVar[dict[str, int]] = {
        "chord": bars.CHORD,
        "position": bars.POSITION,
        "part": bars.PART,
        "pitch": bars.PITCH,
        "duration": bars.DURATION,
        "velocity": bars.VELOCITY,
    }

    def __init__(self, after: dict[str, dict[str, tuple[int, ...]]]) -> None:
        super().__init__()
        self.after = after

    def logits(self, said: tuple[int, ...]) -> Float32Array:
        liked = np.zeros(bars.N_CLASSES, dtype=np.float32)
        kind = max(
            (name for name in self.FIRST if self.FIRST[name] <= said[-1]), key=self.FIRST.__getitem__, default=""
        )
        index = said[-1] - self.FIRST.get(kind, 0)
        for name, wanted in self.after.get(f"{kind} {index}", self.after.get(kind, {})).items():
            for rank, number in enumerate(wanted):
                liked[self.FIRST[name] + number] = 50.0 - 10.0 * rank
        return liked

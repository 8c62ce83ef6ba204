"""A model of bars that is asked while there is time; what is said after that it hears when there is time again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec.bars import Grammar
from brainmidi.models.sampling import Float32Array, Sampling, drawn, entropy, pooled, probabilities
from brainmidi.types import Clock

#: Tokens that a model which is always late still catches up with.
MOST_PENDING = 512


class StepModel(Protocol):
    """A next-token model over the 220 ids, with a cache that may be kept and gone back to."""

    def initial(self) -> Any:
        """Return the cache before the first token."""
        ...

    def step(self, token: int, cache: Any) -> tuple[Float32Array, Any]:
        """Return logits, shape (220,), after `token`, and the new cache."""
        ...

    def prefill(self, tokens: NDArray[np.int32], cache: Any) -> tuple[Float32Array, Any]:
        """Return logits, shape (t, 220), after each of t tokens, and the new cache."""
        ...


@dataclass(frozen=True, slots=True)
class Memory:
    """What was said so far; a value that may be kept and gone back to.

    Parameters
    ----------
    cache : object
        The model's.
    logits : ndarray, shape (220,), or None
        What the model expects after the last token that it heard, None before the first.
    grammar : Grammar
        Of all that was said; never changed.
    pending : tuple of int
        Last tokens of that which the model has not heard yet.
    """

    cache: Any
    logits: Float32Array | None
    grammar: Grammar
    pending: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Deadline:
    """When an answer is due: second `at_s` of `clock`."""

    clock: Clock
    at_s: float


class LateError(Exception):
    """There is no time to ask the model; never leaves this room."""


class TimedModel:
    """Grammar and model side by side.

    Parameters
    ----------
    model : StepModel
        Never asked when its answer would come after the deadline, as its last answer took.
    memory : Memory
        To go on from.
    rng : numpy.random.Generator
        All randomness.
    deadline : Deadline, optional
        Without one there is always time.
    """

    def __init__(
        self, model: StepModel, memory: Memory, rng: np.random.Generator, deadline: Deadline | None = None
    ) -> None:
        self._model, self._rng, self._deadline = model, rng, deadline
        self._begun_s = self._now_s()
        self._step_s = 0.0
        self._cache, self._logits, self._pending = memory.cache, memory.logits, list(memory.pending)
        self.grammar = memory.grammar.copy()
        self.late = False
        self.tokens = 0
        self.entropies: list[float] = []
        self._marked = memory

    @property
    def logits(self) -> Float32Array:
        """What the model expects after the last token; LateError where it has not heard it."""
        if self._logits is None or self._pending or self.late:
            raise LateError
        return self._logits

    @property
    def memory(self) -> Memory:
        """All of this as a value."""
        return Memory(self._cache, self._logits, self.grammar.copy(), tuple(self._pending[-MOST_PENDING:]))

    @property
    def seconds(self) -> float:
        """Seconds since the beginning, 0 without a clock."""
        return self._now_s() - self._begun_s

    @property
    def share(self) -> float:
        """What share of the time up to the deadline that is; 1 where there was none, 0 without a deadline."""
        if self._deadline is None:
            return 0.0
        whole = self._deadline.at_s - self._begun_s
        return self.seconds / whole if whole > 0 else 1.0

    def catch_up(self) -> None:
        """Let the model hear what it has not heard yet, as far as there is time."""
        while self._pending and self._in_time():
            self._logits, self._cache = self._ask(self._pending.pop(0))

    def force(self, token: int) -> None:
        """Say a token that was not the model's; it hears it now or, where it is late, later."""
        self.grammar.push(token)
        if self._pending or not self._in_time():
            self._pending.append(token)
        else:
            self._logits, self._cache = self._ask(token)

    def say(self, token: int) -> None:
        """Say a token of the model's; LateError, and nothing is said, where there is no time to go on from it."""
        self.take(token, self.look(token))

    def look(self, token: int) -> tuple[Float32Array, Any]:
        """Return what the model would expect after `token`, and its cache; LateError where there is no time."""
        if self._pending or not self._in_time():
            raise LateError
        return self._ask(token)

    def take(self, token: int, seen: tuple[Float32Array, Any]) -> None:
        """Say a token that was looked at."""
        self.grammar.push(token)
        self._logits, self._cache = seen

    def draw(self, logits: Float32Array, bias: Float32Array, settings: Sampling) -> int:
        """Return a token drawn under a bias, shape (220,)."""
        shares = probabilities(logits, settings, bias)
        self.entropies.append(entropy(shares))
        return drawn(shares, self._rng)

    def mark(self) -> None:
        """Remember this place."""
        self._marked = self.memory

    def go_back(self) -> None:
        """Unsay what came after the last mark."""
        kept = self._marked
        self._cache, self._logits, self._pending = kept.cache, kept.logits, list(kept.pending)
        self.grammar = kept.grammar.copy()

    def _ask(self, token: int) -> tuple[Float32Array, Any]:
        begun_s = self._now_s()
        seen = self._model.step(token, self._cache)
        self._step_s = self._now_s() - begun_s
        self.tokens += 1
        return seen

    def _in_time(self) -> bool:
        """Return whether an answer would come in time; once it would not, the rest of the bar is closed without."""
        if self._deadline is not None and self._now_s() + self._step_s >= self._deadline.at_s:
            self.late = True
        return not self.late

    def _now_s(self) -> float:
        return 0.0 if self._deadline is None else self._deadline.clock.now_s()


def pool(logits: Float32Array, settings: Sampling) -> float:
    """Return the logit that "any of these" has before it is divided by the temperature."""
    if settings.temperature < 1e-6:
        return float(np.max(logits[~np.isnan(logits)], initial=-np.inf))
    return settings.temperature * pooled(logits / settings.temperature)

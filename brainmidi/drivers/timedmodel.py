"""A model of bars that is asked while there is time; what is said after that it hears when there is time again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec.bars import Grammar
from brainmidi.models.sampling import Float32Array, Sampling, drawn, entropy, pooled
from brainmidi.types import Deadline

__all__ = ["Deadline", "LateError", "Memory", "StepModel", "TimedModel", "pool"]

#: Tokens that a model which is always late still catches up with, and how many it hears before the time is looked at.
MOST_PENDING, MOST_AT_ONCE = 512, 32


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


class LateError(Exception):
    """There is no time to ask the model; never leaves this room."""


class TimedModel:
    """Grammar and model side by side: what was said is heard, all at once, when the model is next asked.

    Parameters
    ----------
    model : StepModel
        Never asked when, going by its last answer, the next would come after the deadline.
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
        self._answer_s, self._answer_tokens = 0.0, 0
        self._cache, self._logits, self._pending = memory.cache, memory.logits, list(memory.pending)
        self.grammar = memory.grammar.copy()
        self.late = False
        self.tokens = 0
        self.entropies: list[float] = []
        self._marked = memory

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

    def say(self, token: int) -> None:
        """Say a token; CodecError where the grammar does not allow it."""
        self.grammar.push(token)
        self._pending.append(token)

    def logits(self) -> Float32Array:
        """Return what the model expects after all that was said; LateError where there is no time to ask."""
        while self._pending:
            # How long an answer takes is known once there was one.
            tokens = self._pending[: MOST_AT_ONCE if self._answer_tokens else 1]
            self._logits, self._cache = self._ask(tokens)
            del self._pending[: len(tokens)]
        if self.late or self._logits is None:
            raise LateError
        return self._logits

    def look(self, token: int) -> tuple[Float32Array, Any]:
        """Return what the model would expect after `token`, and its cache; LateError where there is no time."""
        self.logits()
        return self._ask([token])

    def take(self, token: int, seen: tuple[Float32Array, Any]) -> None:
        """Say a token that was looked at."""
        self.grammar.push(token)
        self._logits, self._cache = seen

    def draw(self, shares: Float32Array) -> int:
        """Return a token drawn from a distribution, shape (220,)."""
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

    def _ask(self, tokens: list[int]) -> tuple[Float32Array, Any]:
        begun_s = self._now_s()
        expected_s = self._answer_s * max(1.0, len(tokens) / max(self._answer_tokens, 1))
        if self._deadline is not None and begun_s + expected_s >= self._deadline.at_s:
            self.late = True
        if self.late:
            raise LateError
        if len(tokens) == 1:
            seen = self._model.step(tokens[0], self._cache)
        else:
            every, cache = self._model.prefill(np.array(tokens, dtype=np.int32), self._cache)
            seen = every[-1], cache
        self._answer_s, self._answer_tokens = self._now_s() - begun_s, len(tokens)
        self.tokens += len(tokens)
        return seen

    def _now_s(self) -> float:
        return 0.0 if self._deadline is None else self._deadline.clock.now_s()


def pool(logits: Float32Array, settings: Sampling) -> float:
    """Return the logit that "any of these" has before it is divided by the temperature."""
    if settings.temperature < 1e-6:
        return float(np.max(logits[~np.isnan(logits)], initial=-np.inf))
    return settings.temperature * pooled(logits / settings.temperature)

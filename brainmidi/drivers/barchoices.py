"""The choices that a model of bars has while it writes one: where it goes on, in which part, how high, how long.

Each is a distribution over the 220 ids, of which :data:`NONE` stands for "none of these": a bar never says it itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec.bars import PARTS, Grammar
from brainmidi.drivers.steering import Steering
from brainmidi.drivers.timedmodel import pool
from brainmidi.models.sampling import Float32Array, probabilities

NONE = bars.EOS
_PITCHES, _LOUDNESS = slice(bars.PITCH, bars.DURATION), slice(bars.VELOCITY, bars.N_CLASSES)


class Place:
    """A place that the model named and was asked about.

    Parameters
    ----------
    seen : tuple
        What it expects there, and its cache.
    shares : ndarray, shape (220,)
        Of the parts that are wanted, and of none of them.
    """

    def __init__(self, seen: tuple[Float32Array, Any], shares: Float32Array) -> None:
        self.seen, self.parts = seen, shares.copy()
        self.parts[NONE] = 0.0
        total = float(self.parts.sum())
        self.wanted = float(np.log(total)) if total > 0 else -np.inf
        self.parts /= total or 1.0


def of_steps(
    logits: Float32Array,
    grammar: Grammar,
    steering: Steering,
    steps: Sequence[int],
    limit: int,
    looked: Mapping[int, Place],
) -> Float32Array:
    """Return where the model strikes next: at one of `steps`, or not before `limit`, which is none of these.

    A place that was looked at counts as far as what is wanted there.
    """
    now = max(grammar.step, 0)
    settings, waits = steering.sampling(now), steering.waits(now)
    logits, bias = _open(logits, grammar)
    later = logits[bars.POSITION + limit : bars.PART]
    logits[NONE] = pool(np.concatenate([later, logits[: bars.CHORD]]), settings)
    bias[NONE] = waits[limit]
    for step in steps:
        known = looked[step].wanted if step in looked else 0.0
        bias[bars.POSITION + step] = waits[step] + steering.onset(step) + known
    return probabilities(logits, settings, bias)


def of_parts(
    logits: Float32Array, grammar: Grammar, steering: Steering, free: Sequence[str], others: Sequence[str]
) -> Float32Array:
    """Return which of the free parts the model goes on with, or none of these.

    Of the parts that are not free `others` count as an answer. In a group of the model's own that is every part: it
    meant them when it named the place. In a group that is given the rest is known to be silent. What led to the place
    has heard the onset's bias already; there only what favours an onset counts again.
    """
    settings, pull = steering.sampling(grammar.step), steering.onset(grammar.step)
    tokens = [bars.part_token(part) for part in free]
    silent = [bars.part_token(part) for part in PARTS if part not in others and part not in free]
    logits, bias = _open(logits, grammar)
    logits[NONE] = pool(np.delete(logits[: bars.PITCH], tokens + silent), settings)
    bias[NONE] = 0.0
    bias[tokens] = max(pull, 0.0) if others == PARTS else pull
    return probabilities(logits, settings, bias)


def of_pitches(
    logits: Float32Array, grammar: Grammar, steering: Steering, pull: Float32Array, *, may_stop: bool
) -> Float32Array:
    """Return which pitch the model strikes, biased by `pull`, shape (88,), or how loud; or that it wants no more."""
    settings, allowed = steering.sampling(grammar.step), grammar.allowed()
    logits, bias = _open(logits, grammar)
    bias[_PITCHES] = np.where(allowed[_PITCHES], pull, -np.inf)
    bias[_LOUDNESS] = np.where(allowed[_LOUDNESS], 0.0, -np.inf)
    if may_stop:
        logits[NONE] = pool(logits[: bars.PITCH], settings)
        bias[NONE] = 0.0
    return probabilities(logits, settings, bias)


def of_lengths(logits: Float32Array, grammar: Grammar, steering: Steering, room: int) -> Float32Array:
    """Return how long the note lasts, `room` sixteenths at most; it rather ends where new notes are welcome."""
    settings = steering.sampling(grammar.step)
    logits, bias = _open(logits, grammar)
    last = bars.duration_token(room)
    logits[last] = pool(logits[last : bars.VELOCITY], settings)  # what would sound longer ends with the bar
    for steps in range(1, room):
        bias[bars.duration_token(steps)] = min(steering.onset(grammar.step + steps), 0.0)
    bias[last] = 0.0
    return probabilities(logits, settings, bias)


def _open(logits: Float32Array, grammar: Grammar) -> tuple[Float32Array, Float32Array]:
    """Return the logits of what the grammar allows, and a bias that forbids everything.

    How the piece goes on after the bar is one answer, the likeliest: else a high temperature would rather end a bar
    than say anything in it, there being so many lengths of the next.
    """
    known = np.where(grammar.allowed(), logits, -np.inf).astype(np.float32)
    ends = known[: bars.CHORD]
    top = np.fmax.reduce(ends)
    ends[:] = -np.inf
    ends[bars.BAR] = top
    return known, np.full(bars.N_CLASSES, -np.inf, dtype=np.float32)

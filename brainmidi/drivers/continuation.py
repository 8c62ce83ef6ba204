"""Continuation in time: a model of bars is asked for the next bar by a deadline.

The vocabulary is that of :mod:`brainmidi.codec.bars`; :mod:`brainmidi.drivers.barintime` writes the bar.
"""

from __future__ import annotations

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec.bars import Grammar, Score
from brainmidi.drivers.barintime import BarInTime
from brainmidi.drivers.barrequest import BarRequest, Report
from brainmidi.drivers.steering import Controls, ControlSteering, Steering
from brainmidi.drivers.timedmodel import Deadline, Memory, StepModel, TimedModel
from brainmidi.errors import MusicError

__all__ = ["BarInTime", "BarRequest", "Continuation", "ControlSteering", "Controls", "Deadline", "Memory", "Report"]


class Continuation:
    """A model of bars that goes on from what was played.

    Parameters
    ----------
    model : StepModel
        Over the 220 ids of :mod:`brainmidi.codec.bars`.
    window : int
        How many tokens of a prompt it is told, 2 or more: the style is the first.

    Raises
    ------
    MusicError
        If the window is smaller.
    """

    def __init__(self, model: StepModel, window: int = 512) -> None:
        if window < 2:
            raise MusicError(f"window {window} is below 2, the style and one more token; make it longer")
        self._model, self._window = model, window

    def initial(self, style: str = "any") -> Memory:
        """Return the memory of silence; the model is not asked yet."""
        grammar = Grammar()
        token = bars.style_token(style)
        grammar.push(token)
        return Memory(self._model.initial(), None, grammar, (token,))

    def heard(self, score: Score) -> Memory:
        """Return the memory of a prompt, which may be empty; of one longer than the window, of its last whole bars."""
        tokens, first = bars.encode(Score(score.bars, score.style)), 0
        while len(tokens) > self._window and first < len(score.bars) - 1:
            lines = np.flatnonzero((tokens >= bars.BAR) & (tokens < bars.CHORD))
            first += max(1, min(int(np.searchsorted(lines, len(tokens) - self._window)), len(lines) - 1))
            tokens = bars.encode(Score(score.bars[first:], score.style))
        grammar = Grammar()
        for token in tokens:
            grammar.push(int(token))
        told = np.concatenate([tokens[:1], tokens[1:][-self._window + 1 :]])  # one bar may still be too long
        logits, cache = self._model.prefill(told, self._model.initial())
        return Memory(cache, logits[-1], grammar)

    def next_bar(
        self,
        memory: Memory,
        request: BarRequest,
        steering: Steering,
        rng: np.random.Generator,
        deadline: Deadline | None = None,
    ) -> BarInTime:
        """Return the next bar, which is written while its notes are taken.

        Parameters
        ----------
        memory : Memory
            Of what came before; not changed.
        request : BarRequest
            What is wanted.
        steering : Steering
            How; asked anew for every token.
        rng : numpy.random.Generator
            All randomness.
        deadline : Deadline, optional
            When the bar has to be there.
        """
        return BarInTime(TimedModel(self._model, memory, rng, deadline), request, steering)

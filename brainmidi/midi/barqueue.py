"""The bars that the player was given, and what it plays where the next one is not there on its first beat."""

from __future__ import annotations

from dataclasses import replace

from brainmidi.midi.wire import Segment


class BarQueue:
    """Bars and fallbacks by their index, until they are played or their time has passed."""

    def __init__(self) -> None:
        self._bars: dict[int, Segment] = {}
        self._fallbacks: dict[int, Segment | None] = {}
        self.late: list[int] = []

    def put(self, bar: Segment, fallback: Segment | None, next_index: int) -> None:
        """Keep a bar, and its fallback for the bar after, unless their time has passed.

        Parameters
        ----------
        bar : Segment
            As it was handed over.
        fallback : Segment or None
            What stands in for the bar after it; None for a rest.
        next_index : int
            Index of the bar that comes next.
        """
        if bar.index >= next_index:
            self._bars[bar.index] = bar
        if bar.index + 1 >= next_index:
            self._fallbacks[bar.index + 1] = fallback

    def __bool__(self) -> bool:
        return bool(self._bars)

    @property
    def first(self) -> Segment | None:
        """Bar 0 while it waits to begin."""
        return self._bars.get(0)

    def take_first(self) -> Segment:
        """Return bar 0 and forget it."""
        return self._bars.pop(0)

    def after(self, current: Segment) -> Segment:
        """Return what follows `current` and forget it: the bar; else its fallback; else a rest.

        Where the bar that should have brought the fallback is itself late, what was last played as a fallback is
        repeated. A bar that was not there is noted in :attr:`late`.
        """
        index = current.index + 1
        fallback = self._fallbacks.pop(index, current if current.kind != "bar" else None)
        segment = self._bars.pop(index, None)
        if segment is not None:
            return segment
        self.late.append(index)
        if fallback is None:
            return Segment(index, current.end, current.length, current.bpm, (), "rest", index)
        return fallback.moved(index, current.end)

    def again(self, current: Segment) -> Segment:
        """Return `current` once more, in place of what was to follow it, which is forgotten."""
        index = current.index + 1
        self._bars.pop(index, None)
        self._fallbacks.pop(index, None)
        segment = current.moved(index, current.end)
        return replace(segment, kind="held") if current.kind == "bar" else segment

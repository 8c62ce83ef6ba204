"""Knobs go out as control changes: when they change, at their own time, and never more than a cable carries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf

#: Control changes a second, all knobs together: plenty for the ear, and a tenth of what a MIDI cable carries.
MOST_CONTROLS = 100


class ControlsOut:
    """Which control changes a set of knob positions asks for.

    Parameters
    ----------
    controllers : mapping of str to (int, int)
        MIDI channel 1..16 and controller number of each knob that is sent out.
    """

    def __init__(self, controllers: Mapping[str, tuple[int, int]]) -> None:
        self._controllers = dict(controllers)
        self._pause_s = 1 / max(1, MOST_CONTROLS // max(1, len(self._controllers)))
        self._sent: dict[str, tuple[int, float]] = {}  # what was sent last, and when

    def due(self, values: Mapping[str, float], now_s: float) -> Iterator[tuple[str, tuple[int, int, int]]]:
        """Yield (knob, message bytes) of each knob that has moved and may be sent again; confirm with :meth:`sent`."""
        for name, (channel, controller) in self._controllers.items():
            if name not in values:
                continue
            value = min(127, max(0, round(127 * values[name])))
            before, sent_s = self._sent.get(name, (-1, -inf))
            if value != before and now_s >= sent_s + self._pause_s:
                yield name, (0xB0 | channel - 1, controller, value)

    def sent(self, name: str, data: tuple[int, int, int], now_s: float) -> None:
        """Take note that a message of :meth:`due` has gone out."""
        self._sent[name] = (data[2], now_s)

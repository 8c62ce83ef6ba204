"""What the player has to tell: notices as things happen, and the report of what was played."""

from __future__ import annotations

from bisect import bisect_right
from fractions import Fraction
from math import ceil
from typing import Any

from brainmidi.midi.sounding import is_release, is_strike
from brainmidi.midi.wire import LATENESS_EDGES_MS, TICKS_PER_BEAT, Message, Segment, TimedEvent, pack_beat, pack_events


class PlayLog:
    """Keeps the player's book: which bars began when and as what, how late messages were, what the performer played.

    Attributes
    ----------
    first_note_s : float or None
        Clock time at which the first note was sent.
    """

    def __init__(self) -> None:
        self._notices: list[Message] = []
        self._played: list[Message] = []
        self._performed: list[TimedEvent] = []
        self._lateness_s: list[float] = []
        self._worst_s = 0.0
        self.first_note_s: float | None = None

    def notice(self, kind: str, index: int, **more: Any) -> None:
        """Tell the composer that something happened in bar `index`; `more` are fields of a notice."""
        self._notices.append({"kind": kind, "index": index, **more})

    def take_notices(self) -> list[Message]:
        """Return the notices since the last call."""
        notices, self._notices = self._notices, []
        return notices

    def began(self, segment: Segment, time_s: float | None, bpm: float | None) -> None:
        """Take note that a bar begins, at a clock time, in a master's tempo or (None) in its own."""
        self._played.append(
            {
                "index": segment.index,
                "start": pack_beat(segment.start),
                "kind": segment.kind,
                "source": segment.source,
            }
        )
        self.notice(
            "started",
            segment.index,
            time_s=time_s,
            fallback=segment.kind != "bar",
            segment=segment.kind,
            source=segment.source,
            lateness_ms=self._worst_s * 1000.0,
            bpm=bpm,
        )
        self._worst_s = 0.0

    def sent(self, data: tuple[int, ...], due_s: float, lateness_s: float) -> None:
        """Take note of a message of the timetable's that was due at a clock time and left so much later."""
        self._lateness_s.append(lateness_s)
        self._worst_s = max(self._worst_s, lateness_s)
        if is_strike(data) and self.first_note_s is None:
            self.first_note_s = due_s + lateness_s

    def heard(self, index: int, data: tuple[int, ...], time_s: float, beat: Fraction | None) -> None:
        """Take note of a message of the performer's, on its beat of the take, if that plays."""
        more: Message = {"time_s": time_s, "data": list(data)}
        if beat is not None:
            beat = Fraction(round(beat * TICKS_PER_BEAT), TICKS_PER_BEAT)
            rank = 0 if is_release(data) else 2 if is_strike(data) else 1
            self._performed.append(TimedEvent(beat, rank, data))
            more["beat"] = pack_beat(beat)
        self.notice("heard", index, **more)

    def report(self) -> Message:
        """Return what is known here of the take, as plain data."""
        lateness_ms = sorted(1000.0 * lateness_s for lateness_s in self._lateness_s)
        return {
            "performed": pack_events(tuple(self._performed)),
            "played": self._played,
            "lateness_ms": [_quantile(lateness_ms, share) for share in (0.5, 0.99, 1.0)],
            "lateness_counts": _histogram(lateness_ms),
            "first_note_s": self.first_note_s,
        }


def _histogram(values_ms: list[float]) -> list[int]:
    """Return how many of `values_ms` lie below each edge of the histogram and above the one before, and beyond all."""
    counts = [0] * (len(LATENESS_EDGES_MS) + 1)
    for value_ms in values_ms:
        counts[bisect_right(LATENESS_EDGES_MS, value_ms)] += 1
    return counts


def _quantile(ordered: list[float], share: float) -> float:
    """Return the smallest value that `share` of `ordered` do not exceed; 0 where there is none."""
    return ordered[max(0, ceil(share * len(ordered)) - 1)] if ordered else 0.0

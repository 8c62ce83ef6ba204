"""What composer and player say to each other: JSON lines, and the few plain types behind them.

The player process must start at once and stay small, and `brainmidi.types` brings numpy (0.1 s and 30 MB that the
player would never use), so the player's own vocabulary stands here and only the composer's side knows both.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from brainmidi.errors import MidiError

#: Ticks a quarter note in our files; the beat of a message that is not in the timetable is rounded to one.
TICKS_PER_BEAT = 960

#: Milliseconds at which the player's histogram of lateness is cut; what is later falls behind the last.
LATENESS_EDGES_MS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)

Message = dict[str, Any]


class TimedEvent(NamedTuple):
    """Message bytes `data` due on `beat`; the same three fields as :class:`brainmidi.types.MidiEvent`."""

    beat: Fraction
    rank: int
    data: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Segment:
    """One bar as the player knows it.

    Parameters
    ----------
    index : int
        Place of the bar in the take, from 0.
    start, length : Fraction
        First beat, counted from the take's first, and number of beats.
    bpm : float
        Quarter notes a minute from the first beat on.
    events : tuple of TimedEvent
        In sending order; every note opened is closed by the bar's last beat.
    kind : str
        ``"bar"``, ``"fallback"`` (stands in for a late bar), ``"rest"`` (nothing was there to stand in) or ``"held"``
        (a bar that is repeated because the performer holds it).
    source : int
        Index of the bar or fallback that the events were handed over as.
    """

    index: int
    start: Fraction
    length: Fraction
    bpm: float
    events: tuple[TimedEvent, ...]
    kind: str = "bar"
    source: int = -1

    @property
    def end(self) -> Fraction:
        """Beat on which the next bar begins."""
        return self.start + self.length

    def moved(self, index: int, start: Fraction) -> Segment:
        """Return the same music as bar `index` of the take, from beat `start` on."""
        by = start - self.start
        events = tuple(TimedEvent(event.beat + by, event.rank, event.data) for event in self.events)
        return Segment(index, start, self.length, self.bpm, events, self.kind, self.source)


def dump(message: Mapping[str, Any]) -> bytes:
    """Return `message` as one line of the wire; it may hold segments."""
    return json.dumps(message, separators=(",", ":"), default=pack_segment).encode("ascii") + b"\n"


def load(line: bytes) -> Message:
    """Return the message that a line of the wire spells; a ``bar`` message holds segments.

    Raises
    ------
    MidiError
        If the line is not a JSON object.
    """
    try:
        message = json.loads(line)
    except ValueError as error:
        raise MidiError(f"line {line[:60]!r} between composer and player is not JSON; report this: {error}") from error
    if not isinstance(message, dict):
        raise MidiError(f"line {line[:60]!r} between composer and player is not an object; report this")
    if message.get("op") == "bar":  # here, since the player's reader is a thread that no note waits for
        bar, fallback = message["bar"], message["fallback"]
        message["bar"] = unpack_segment(bar)
        message["fallback"] = None if fallback is None else unpack_segment(fallback)
    return message


def pack_beat(beat: Fraction) -> list[int]:
    """Return `beat` as numerator and denominator."""
    return [beat.numerator, beat.denominator]


def unpack_beat(pair: list[int]) -> Fraction:
    """Return the beat that :func:`pack_beat` packed."""
    return Fraction(pair[0], pair[1])


def pack_events(events: tuple[TimedEvent, ...]) -> list[list[Any]]:
    """Return `events` as plain lists."""
    return [[*pack_beat(event.beat), event.rank, list(event.data)] for event in events]


def unpack_events(rows: list[list[Any]]) -> tuple[TimedEvent, ...]:
    """Return the events that :func:`pack_events` packed."""
    return tuple(TimedEvent(Fraction(row[0], row[1]), row[2], tuple(row[3])) for row in rows)


def pack_segment(segment: Segment) -> Message:
    """Return `segment` as a JSON object."""
    return {
        "index": segment.index,
        "start": pack_beat(segment.start),
        "length": pack_beat(segment.length),
        "bpm": segment.bpm,
        "events": pack_events(segment.events),
        "kind": segment.kind,
        "source": segment.source,
    }


def unpack_segment(message: Message) -> Segment:
    """Return the segment that :func:`pack_segment` packed."""
    return Segment(
        index=message["index"],
        start=unpack_beat(message["start"]),
        length=unpack_beat(message["length"]),
        bpm=message["bpm"],
        events=unpack_events(message["events"]),
        kind=message["kind"],
        source=message["source"],
    )

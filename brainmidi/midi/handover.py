"""What crosses between composer and player, in both vocabularies: bars out; notices and the report back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from brainmidi.errors import MidiError
from brainmidi.midi.timetable import Channel, Timetable
from brainmidi.midi.wire import Message, Segment, TimedEvent, unpack_beat, unpack_events
from brainmidi.types import Bar, MidiEvent, Phrase


@dataclass(frozen=True, slots=True)
class PlayerInfo:
    """What the player could get.

    Parameters
    ----------
    port : str or None
        Name of the port, None where messages go nowhere.
    api : str
        ``"CoreMIDI"``, ``"ALSA"``, ``"JACK"``, ``"Windows MM"`` or ``"none"``.
    realtime : bool
        Whether the system gave real-time priority.
    reason : str or None
        One line on why there is no port, with the remedy.
    realtime_detail : str
        Which priority was given, or why none.
    input : str or None
        Name of the port that is heard, None while there is none.
    input_reason : str or None
        One line on why there is no input.
    """

    port: str | None
    api: str
    realtime: bool
    reason: str | None
    realtime_detail: str = ""
    input: str | None = None
    input_reason: str | None = None

    @classmethod
    def unpack(cls, message: Message) -> PlayerInfo:
        """Return what the player's first line says."""
        return cls(**{name: value for name, value in message.items() if name != "op"})


@dataclass(frozen=True, slots=True)
class PlayerNotice:
    """Something that happened at the player.

    Parameters
    ----------
    kind : str
        ``"started"`` (a bar began), ``"late"`` (a bar was not there on its first beat; comes before the ``started`` of
        what stands in for it), ``"paused"`` (a master stopped or jumped, and broke the bar off), ``"stopped"`` (the
        player ended the take by itself), ``"heard"`` (the performer sent a message), ``"marked"`` (a stimulus
        was sent), ``"panic"``, ``"hold"``, ``"capture"``, ``"release"`` (a key asked for it) or ``"input"`` (an input
        came or went).
    index : int
        The bar.
    time_s : float or None
        Clock time of the bar's first beat, for ``"started"``; of its arrival, for ``"heard"``; of its sending, for
        ``"marked"``.
    fallback : bool
        True where a fallback or a rest stands in for the bar.
    lateness_ms : float
        Worst lateness of a message in the bar before, for ``"started"``.
    detail : str
        In words; ``"on"`` or ``"off"`` for ``"hold"``.
    segment : str
        What stands in for the bar: ``"fallback"``, ``"rest"`` or ``"held"``; ``"bar"`` where it is the bar itself.
    source : int
        Index of the bar or fallback that it was handed over as.
    data : tuple of int
        Message bytes, for ``"heard"`` and ``"marked"``.
    bpm : float or None
        A master's tempo in quarter notes a minute, for ``"started"``; None where the bar's own goes.
    beat : Fraction or None
        Beat of the take on which it arrived, for ``"heard"`` while the take plays.
    """

    kind: str
    index: int
    time_s: float | None = None
    fallback: bool = False
    lateness_ms: float = 0.0
    detail: str = ""
    segment: str = "bar"
    source: int = -1
    data: tuple[int, ...] = ()
    bpm: float | None = None
    beat: Fraction | None = None

    @classmethod
    def unpack(cls, message: Message) -> PlayerNotice:
        """Return the notice that a line of the player's spells."""
        values = {name: value for name, value in message.items() if name != "op"}
        beat = unpack_beat(values["beat"]) if "beat" in values else None
        return cls(**{**values, "data": tuple(values.get("data", ())), "beat": beat})


@dataclass(frozen=True, slots=True)
class PlayReport:
    """What was played.

    Parameters
    ----------
    sent_events : tuple of MidiEvent
        Exactly the messages that went to the port, in order, each with its beat.
    performed : tuple of MidiEvent
        What the performer sent while the take played, each on the beat on which it arrived, rounded to a tick.
    bars : tuple of Bar
        The bars as they sounded: where one was late, what stood in for it, with ``fallback`` set.
    late_bars : tuple of int
        Indices of the bars that were not there on their first beat.
    lateness_p50_ms, lateness_p99_ms, lateness_max_ms : float
        How late messages were handed to the MIDI system.
    begun_s : float or None
        Clock time of beat 0.
    first_note_s : float or None
        Clock time at which the first note was sent.
    end_beat : Fraction
        Beat on which the take ended: the last bar's end, or where it was cut.
    reason : str or None
        Why the player stopped by itself, if it did.
    tempi : tuple of (Fraction, float)
        Beat and quarter notes a minute of each change that a master made; none where the bars' own tempi went.
    lateness_counts : tuple of int
        How many messages were late by less than each of :data:`brainmidi.midi.wire.LATENESS_EDGES_MS`, and by more.
    """

    sent_events: tuple[MidiEvent, ...]
    performed: tuple[MidiEvent, ...]
    bars: tuple[Bar, ...]
    late_bars: tuple[int, ...]
    lateness_p50_ms: float
    lateness_p99_ms: float
    lateness_max_ms: float
    begun_s: float | None
    first_note_s: float | None
    end_beat: Fraction
    reason: str | None = None
    lateness_counts: tuple[int, ...] = ()
    tempi: tuple[tuple[Fraction, float], ...] = ()


class Handover:
    """The composer's book of what it handed over: packs bars for the wire, and reads reports with it.

    Parameters
    ----------
    channels : mapping of str to Channel
        MIDI channel 1..16, or zone, of each part.
    """

    def __init__(self, channels: Mapping[str, Channel]) -> None:
        self._timetable = Timetable(channels)
        self._bars: dict[int, Bar] = {}
        self._fallbacks: dict[int, Bar] = {}

    @property
    def last_index(self) -> int:
        """Index of the last bar handed over, -1 where none was."""
        return len(self._bars) - 1

    def pack(self, bar: Bar, fallback: Bar | None) -> Message:
        """Return the message that hands over `bar`, and `fallback` for the bar after it.

        Raises
        ------
        MidiError
            If `bar` does not follow the last one, or `fallback` does not follow `bar`.
        """
        self._check(bar, self.last_index + 1, self._bars[self.last_index].end if self._bars else Fraction(0), "bar")
        if fallback is not None:
            self._check(fallback, bar.index + 1, bar.end, "fallback")
            self._fallbacks[fallback.index] = fallback
        message: Message = {
            "op": "bar",
            "bar": self._segment(bar, "bar"),
            "fallback": None if fallback is None else self._segment(fallback, "fallback"),
        }
        self._bars[bar.index] = bar
        return message

    def report(self, message: Mapping[str, Any]) -> PlayReport:
        """Return the player's report in the composer's terms."""
        p50_ms, p99_ms, max_ms = message["lateness_ms"]
        return PlayReport(
            sent_events=tuple(MidiEvent(*event) for event in unpack_events(message["events"])),
            performed=tuple(MidiEvent(*event) for event in unpack_events(message["performed"])),
            bars=tuple(self._played(entry) for entry in message["played"]),
            late_bars=tuple(message["late"]),
            lateness_p50_ms=p50_ms,
            lateness_p99_ms=p99_ms,
            lateness_max_ms=max_ms,
            lateness_counts=tuple(message["lateness_counts"]),
            begun_s=message["begun_s"],
            first_note_s=message["first_note_s"],
            end_beat=unpack_beat(message["end_beat"]),
            reason=message["reason"],
            tempi=tuple((Fraction(top, bottom), bpm) for top, bottom, bpm in message["tempi"]),
        )

    def _played(self, entry: Mapping[str, Any]) -> Bar:
        index, start = entry["index"], unpack_beat(entry["start"])
        if entry["kind"] == "bar":
            return self._bars[index]
        if entry["kind"] == "held":
            return replace(self._bars[entry["source"]], index=index, start=start, fallback=True)
        if entry["kind"] == "fallback":
            return replace(self._fallbacks[entry["source"]], index=index, start=start, fallback=True)
        bar = self._bars[entry["source"] - 1]  # a rest is as long as the bar that had nothing to follow it
        return replace(bar, index=index, start=start, phrase=Phrase((), bar.phrase.length), fallback=True)

    def _segment(self, bar: Bar, kind: str) -> Segment:
        table = self._timetable.events(bar, keep=kind == "bar")
        events = tuple(TimedEvent(event.beat, event.rank, event.data) for event in table)
        return Segment(bar.index, bar.start, bar.phrase.length, bar.tempo_bpm, events, kind, bar.index)

    def _check(self, bar: Bar, index: int, start: Fraction, what: str) -> None:
        if bar.index != index or bar.start != start:
            raise MidiError(
                f"{what} {bar.index} at beat {bar.start} does not follow; bar {index} at beat {start} comes next"
            )

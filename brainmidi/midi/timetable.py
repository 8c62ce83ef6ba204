"""A bar becomes a table of MIDI messages, each at its exact beat, with every note closed inside the bar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction

from brainmidi.errors import MidiError
from brainmidi.types import Bar, MidiEvent, Note


@dataclass(frozen=True, slots=True)
class Zone:
    """The lower zone of MIDI Polyphonic Expression (MPE 1.1), for one part: each of its notes has its own channel.

    Parameters
    ----------
    members : int
        How many member channels there are, 1..15; they are those from 2 on.
    """

    members: int

    @property
    def master(self) -> int:
        """The channel of what goes for the whole zone."""
        return 1

    @property
    def channels(self) -> tuple[int, ...]:
        """The member channels."""
        return tuple(range(2, self.members + 2))

    @property
    def setup(self) -> tuple[tuple[int, ...], ...]:
        """The MPE Configuration Message: registered parameter 6 on the master channel, how many members there are.

        Afterwards no parameter is chosen, lest a later controller 6 changes it.
        """
        pairs = ((101, 0), (100, 6), (6, self.members), (101, 127), (100, 127))
        return tuple((CONTROL_CHANGE, number, value) for number, value in pairs)


#: Where a part plays: on one MIDI channel 1..16, or in a zone.
Channel = int | Zone

#: MIDI channel, 1..16, of each part.
DEFAULT_CHANNELS: Mapping[str, Channel] = {"melody": 1, "accompaniment": 2}

#: Order of messages on the same beat: what ends, then what changes, then what begins.
RANK_OFF, RANK_CONTROL, RANK_ON = 0, 1, 2

NOTE_OFF, NOTE_ON, CONTROL_CHANGE = 0x80, 0x90, 0xB0


class Timetable:
    """Turns bar after bar into messages; of a zone it keeps in mind which channel has been free the longest.

    Parameters
    ----------
    channels : mapping of str to Channel
        MIDI channel 1..16, or zone, of each part.
    """

    def __init__(self, channels: Mapping[str, Channel] = DEFAULT_CHANNELS) -> None:
        self._channels = dict(channels)
        self._until: dict[int, Fraction] = {}

    def events(self, bar: Bar, *, keep: bool = True) -> tuple[MidiEvent, ...]:
        """Return the messages that play `bar`, in the order in which they must be sent.

        A pitch that repeats while it still sounds on the same channel, or in the same zone, is closed on the beat of
        its repetition, and then sounds until the later of the two ends: it sounds over exactly the union of its notes
        and is struck once at each onset. Two notes on the same onset become one, with the greater velocity. So a note
        is never struck while open, and no note-off belongs to another note than the one that is open.

        In a zone a note has the member channel that was let go the longest ago, or where none is free the one that is
        free first. Bar 0 begins with the zone's configuration.

        Parameters
        ----------
        bar : Bar
            Notes relative to the bar's first beat.
        keep : bool
            Whether the next bar follows this one, and not the one before it.

        Returns
        -------
        tuple of MidiEvent
            Beats counted from the take's first, sorted by beat, rank and bytes after the zone's configuration;
            note-offs lie at or before ``bar.end``.

        Raises
        ------
        MidiError
            If a part has no channel or a channel is outside 1..16.
        """
        keys: dict[tuple[Channel, int], list[Note]] = {}
        for note in bar.phrase:
            _check(note.part, self._channels)
            keys.setdefault((self._channels[note.part], note.pitch), []).append(note)
        strikes = [(*strike, pitch, place) for (place, pitch), notes in keys.items() for strike in _strikes(notes)]
        until = dict(self._until)
        events: list[MidiEvent] = []
        for start, end, velocity, pitch, place in sorted(strikes, key=lambda strike: (strike[0], strike[3])):
            channel = place if isinstance(place, int) else _member(place, until)
            until[channel] = max(until.get(channel, bar.start), bar.start + end)
            events.append(MidiEvent(bar.start + start, RANK_ON, (NOTE_ON | channel - 1, pitch, velocity)))
            events.append(MidiEvent(bar.start + end, RANK_OFF, (NOTE_OFF | channel - 1, pitch, 0)))
        if keep:
            self._until = until
        zones = [place for place in self._channels.values() if isinstance(place, Zone)] if bar.index == 0 else []
        setup = [MidiEvent(bar.start, RANK_CONTROL, data) for zone in zones for data in zone.setup]
        return (*setup, *sorted(events))


def bar_events(bar: Bar, channels: Mapping[str, Channel] = DEFAULT_CHANNELS) -> tuple[MidiEvent, ...]:
    """Return the messages that play `bar` alone; see :meth:`Timetable.events`."""
    return Timetable(channels).events(bar)


def channels_of(place: Channel) -> tuple[int, ...]:
    """Return the MIDI channels that a part uses, the one by which it is known first."""
    return (place,) if isinstance(place, int) else (place.master, *place.channels)


def _member(zone: Zone, until: Mapping[int, Fraction]) -> int:
    """Return the channel for the next note, where each channel used sounds `until` some beat."""
    unused = [channel for channel in zone.channels if channel not in until]
    return unused[0] if unused else min(zone.channels, key=lambda channel: until[channel])


def _strikes(notes: Iterable[Note]) -> list[tuple[Fraction, Fraction, int]]:
    """Return (start, end, velocity) of one key's strikes: none overlaps the next, none is lost."""
    strikes: list[tuple[Fraction, Fraction, int]] = []
    for note in sorted(notes):
        start, end, velocity = note.start, note.end, note.velocity
        if strikes and strikes[-1][1] > start:
            open_start, open_end, open_velocity = strikes.pop()
            end = max(end, open_end)
            if open_start == start:
                velocity = max(velocity, open_velocity)
            else:
                strikes.append((open_start, start, open_velocity))
        strikes.append((start, end, velocity))
    return strikes


def _check(part: str, channels: Mapping[str, Channel]) -> None:
    if part not in channels:
        raise MidiError(f"part {part!r} has no MIDI channel, parts with one are {', '.join(channels)}; see [parts]")
    for channel in channels_of(channels[part]):
        if not 1 <= channel <= 16:
            raise MidiError(f"channel {channel} of part {part} is outside 1..16; see [parts.{part}] channel")

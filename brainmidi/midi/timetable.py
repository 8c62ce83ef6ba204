"""A bar becomes a table of MIDI messages, each at its exact beat, with every note closed inside the bar."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from brainmidi.errors import MidiError
from brainmidi.types import Bar, MidiEvent, Note

#: MIDI channel, 1..16, of each part.
DEFAULT_CHANNELS: Mapping[str, int] = {"melody": 1, "accompaniment": 2}

#: Order of messages on the same beat: what ends, then what changes, then what begins.
RANK_OFF, RANK_CONTROL, RANK_ON = 0, 1, 2

NOTE_OFF, NOTE_ON, CONTROL_CHANGE = 0x80, 0x90, 0xB0


def bar_events(bar: Bar, channels: Mapping[str, int] = DEFAULT_CHANNELS) -> tuple[MidiEvent, ...]:
    """Return the messages that play `bar`, in the order in which they must be sent.

    A pitch that repeats while it still sounds on the same channel is closed on the beat of its repetition, and then
    sounds until the later of the two ends: the channel's pitch sounds over exactly the union of its notes and is struck
    once at each onset. Two notes on the same onset become one, with the greater velocity. So a note is never struck
    while open, and no note-off belongs to another note than the one that is open.

    Parameters
    ----------
    bar : Bar
        Notes relative to the bar's first beat.
    channels : mapping of str to int
        MIDI channel, 1..16, of each part.

    Returns
    -------
    tuple of MidiEvent
        Beats counted from the take's first, sorted by beat, rank and bytes; note-offs lie at or before ``bar.end``.

    Raises
    ------
    MidiError
        If a part has no channel or a channel is outside 1..16.
    """
    keys: dict[tuple[int, int], list[Note]] = {}
    for note in bar.phrase:
        keys.setdefault((_channel(note.part, channels), note.pitch), []).append(note)
    events: list[MidiEvent] = []
    for (channel, pitch), notes in keys.items():
        for start, end, velocity in _strikes(notes):
            on = (NOTE_ON | channel - 1, pitch, velocity)
            events.append(MidiEvent(bar.start + start, RANK_ON, on))
            events.append(MidiEvent(bar.start + end, RANK_OFF, (NOTE_OFF | channel - 1, pitch, 0)))
    return tuple(sorted(events))


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


def _channel(part: str, channels: Mapping[str, int]) -> int:
    if part not in channels:
        raise MidiError(f"part {part!r} has no MIDI channel, parts with one are {', '.join(channels)}; see [parts]")
    channel = channels[part]
    if not 1 <= channel <= 16:
        raise MidiError(f"channel {channel} of part {part} is outside 1..16; see [parts.{part}] channel")
    return channel

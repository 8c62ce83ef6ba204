"""A take as a standard MIDI file, type 1: a conductor track and a named track per part, written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType

import mido  # type: ignore[import-untyped]

from brainmidi.errors import MidiError
from brainmidi.midi.timetable import DEFAULT_CHANNELS, RANK_CONTROL, RANK_OFF, RANK_ON, Channel, Timetable, channels_of
from brainmidi.midi.wire import TICKS_PER_BEAT
from brainmidi.types import Bar, MidiEvent

#: Key signatures as a MIDI file spells them, from seven flats to seven sharps.
_MAJOR = ("Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#")
_MINOR = ("Abm", "Ebm", "Bbm", "Fm", "Cm", "Gm", "Dm", "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "A#m")


def write_midi(
    path: Path | str,
    bars: Sequence[Bar],
    *,
    metre: str,
    sharps: int,
    minor: bool,
    title: str,
    end_beat: Fraction | None = None,
    events: Sequence[MidiEvent] | None = None,
    channels: Mapping[str, Channel] = DEFAULT_CHANNELS,
    performed: Sequence[MidiEvent] = (),
    tempi: Sequence[tuple[Fraction, float]] = (),
    labels: Mapping[str, Sequence[tuple[Fraction, str]]] = MappingProxyType({}),
) -> None:
    """Write a take as a type-1 file of 960 ticks a quarter note, replacing `path` at once.

    The file appears under its name only when it is whole, so that a process killed while it saves leaves the last save.

    Parameters
    ----------
    path : Path or str
        Where to; its folder is made if need be.
    bars : sequence of Bar
        The take, in order. Tempi, and markers where the anchor changes, are taken from here.
    metre : str
        Such as ``"4/4"``.
    sharps : int
        Sharps of the key signature, -7 (flats) to 7.
    minor : bool
        Whether the key has a minor third: D dorian, without an accidental, is written as A minor is.
    title : str
        Name of the conductor track.
    end_beat : Fraction, optional
        Where the take was cut: later messages are left out and what is open then is closed then. The end of the last
        bar by default.
    events : sequence of MidiEvent, optional
        The messages themselves, as a :class:`~brainmidi.midi.handover.PlayReport` has them; those of `bars` by default.
    channels : mapping of str to Channel, optional
        MIDI channel 1..16, or zone, of each part.
    performed : sequence of MidiEvent
        What a performer played along, for a track named "performer"; no such track without any.
    tempi : sequence of (Fraction, float)
        Beat and quarter notes a minute of each change of tempo, where a master made them; the bars' own without any.
    labels : mapping of str to sequence of (Fraction, str)
        Markers on the track of a part, each with its beat.

    Raises
    ------
    MidiError
        If the metre or the key signature cannot be written, or the file cannot be written.
    """
    end = end_beat if end_beat is not None else bars[-1].end if bars else Fraction(0)
    if events is None:
        timetable = Timetable(channels)
        events = _cut((event for bar in bars for event in timetable.events(bar)), end)
    song = mido.MidiFile(type=1, ticks_per_beat=TICKS_PER_BEAT)
    song.tracks.append(_conductor(bars, metre, sharps, minor, title, end, tempi))
    names = {channel: part for part, place in channels.items() for channel in channels_of(place)}
    used = {event.data[0] & 0x0F for event in events}
    tracks: dict[str, set[int]] = {}
    for channel in sorted({number - 1 for number in names} | used):
        tracks.setdefault(names.get(channel + 1, f"channel {channel + 1}"), set()).add(channel)
    for name, own in tracks.items():
        table = [(event.beat, mido.Message.from_bytes(event.data)) for event in events if event.data[0] & 0x0F in own]
        marked = [(at, mido.MetaMessage("marker", text=_latin(text))) for at, text in labels.get(name, ()) if at < end]
        song.tracks.append(_track(name, sorted([*marked, *table], key=_beat_of), end))
    if performed:
        table = [
            (event.beat, mido.Message.from_bytes(event.data)) for event in _cut(sorted(performed, key=_place), end)
        ]
        song.tracks.append(_track("performer", table, end))
    _save(song, Path(path))


def read_events(path: Path | str) -> tuple[MidiEvent, ...]:
    """Return the channel messages of a file, in the order in which they sound.

    On one tick the tracks are merged by rank (what ends, what changes, what begins), never against a track's own order.

    Parameters
    ----------
    path : Path or str
        A standard MIDI file with ticks a quarter note.

    Raises
    ------
    MidiError
        If the file is missing or is not a MIDI file.
    """
    try:
        song = mido.MidiFile(os.fspath(path))
    except (OSError, EOFError, ValueError, KeyError, IndexError) as error:
        raise MidiError(f"{path} cannot be read as a MIDI file ({error}); choose a .mid file") from error
    rows: list[tuple[int, int, MidiEvent]] = []
    for track in song.tracks:
        tick, standing = 0, RANK_OFF
        for message in track:
            if message.time:
                tick, standing = tick + message.time, RANK_OFF
            if message.is_meta or message.type == "sysex":
                continue
            rank = _rank(message)
            standing = max(standing, rank)
            rows.append((tick, standing, MidiEvent(Fraction(tick, song.ticks_per_beat), rank, tuple(message.bytes()))))
    rows.sort(key=lambda row: row[:2])
    return tuple(event for _, _, event in rows)


def _conductor(
    bars: Sequence[Bar],
    metre: str,
    sharps: int,
    minor: bool,
    title: str,
    end: Fraction,
    tempi: Sequence[tuple[Fraction, float]],
) -> mido.MidiTrack:
    match = re.fullmatch(r"\s*(\d+)\s*/\s*(1|2|4|8|16|32)\s*", metre)
    if match is None or not 1 <= int(match[1]) <= 255:
        raise MidiError(f"metre {metre!r} cannot be written; use a number of beats over 1, 2, 4, 8, 16 or 32 as in 4/4")
    if not -7 <= sharps <= 7:
        raise MidiError(f"{sharps} sharps cannot be written, -7 (flats) to 7 are allowed; respell the key")
    zero = Fraction(0)
    table = [(zero, mido.MetaMessage("time_signature", numerator=int(match[1]), denominator=int(match[2])))]
    table.append((zero, mido.MetaMessage("key_signature", key=(_MINOR if minor else _MAJOR)[sharps + 7])))
    played = [bar for bar in bars if bar.start < end or bar.index == 0]
    bpm, anchor = 0.0, ""
    events = played[0].controls.anchor_steps if played else 0  # those before the music are no marks in it
    for beat, tempo in tempi or [(bar.start, bar.tempo_bpm) for bar in played]:
        if tempo != bpm and (beat < end or beat == 0):
            bpm = tempo
            table.append((beat, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))))
    for bar in played:
        if bar.anchor != anchor:
            anchor = bar.anchor
            table.append((bar.start, mido.MetaMessage("marker", text=_latin(anchor))))
        if bar.controls.anchor_steps > events:  # composed after an ERP, or whatever else [on] listens for
            events = bar.controls.anchor_steps
            table.append((bar.start, mido.MetaMessage("marker", text=f"event {events}")))
    return _track(title, sorted(table, key=_beat_of), end)


def _beat_of(row: tuple[Fraction, mido.Message]) -> Fraction:
    return row[0]


def _track(name: str, table: Iterable[tuple[Fraction, mido.Message]], end: Fraction) -> mido.MidiTrack:
    """Return a track of messages in their own order; ticks round beats that lie off the grid, and never go back."""
    track = mido.MidiTrack([mido.MetaMessage("track_name", name=_latin(name))])
    now = 0
    for beat, message in table:
        tick = max(now, round(beat * TICKS_PER_BEAT))
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(0, round(end * TICKS_PER_BEAT) - now)))
    return track


def _place(event: MidiEvent) -> Fraction:
    return event.beat


def _cut(events: Iterable[MidiEvent], end: Fraction) -> list[MidiEvent]:
    """Return the messages before `end` and, at `end`, the note-offs of what is open there."""
    kept: list[MidiEvent] = []
    sounding: set[tuple[int, int]] = set()
    for event in events:
        if event.beat > end or (event.beat == end and event.rank != RANK_OFF):
            break
        key = (event.data[0] & 0x0F, event.data[1])
        if event.rank == RANK_ON:
            sounding.add(key)
        elif event.rank == RANK_OFF:  # a controller may have the number of a key
            sounding.discard(key)
        kept.append(event)
    kept += [MidiEvent(end, RANK_OFF, (0x80 | channel, pitch, 0)) for channel, pitch in sorted(sounding)]
    return kept


def _rank(message: mido.Message) -> int:
    if message.type == "note_off" or (message.type == "note_on" and message.velocity == 0):
        return RANK_OFF
    return RANK_ON if message.type == "note_on" else RANK_CONTROL


def _latin(text: str) -> str:
    """Return `text` as the format's Latin-1 can hold it."""
    return text.encode("latin-1", "replace").decode("latin-1")


def _save(song: mido.MidiFile, path: Path) -> None:
    # One fixed name beside the target: what a killed process leaves is overwritten by the next save, and the rename
    # stays on one file system. No fsync: it would hold up the composer, and only a power cut asks for it.
    part = path.with_name(f".{path.name}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        song.save(os.fspath(part))
        os.replace(part, path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise MidiError(f"{path} cannot be written ({error.strerror}); choose another file with -o") from error

"""A MIDI file with more after it: what was in the file stays as it is, notes are added to its tracks or to new ones."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import mido  # type: ignore[import-untyped]

from brainmidi.errors import MidiError
from brainmidi.midi.song import SongNote


def append_notes(source: Path, out: Path, notes: Sequence[SongNote], start: Fraction, end: Fraction) -> None:
    """Write the file `source` with `notes` after it as `out`, replacing `out` at once.

    A note goes to the first track of its name, or to a new one of that name. What lies after `start` in the source
    (a note let go late, a pedal) is moved to `start`, so that it closes nothing that begins there.

    Parameters
    ----------
    source, out : Path
        A MIDI file that :func:`~brainmidi.midi.song.read_song` has read, and where to write.
    notes : sequence of SongNote
        In beats from the beginning of the source; those of one channel and pitch do not overlap.
    start, end : Fraction
        Beats where the added music begins and ends.

    Raises
    ------
    MidiError
        If the file cannot be written.
    """
    song = mido.MidiFile(os.fspath(source))
    first, last = (round(beat * song.ticks_per_beat) for beat in (start, end))
    rows = [_absolute(track, first) for track in song.tracks]
    names = [track.name for track in song.tracks]
    for note in notes:
        if note.track not in names:
            names.append(note.track)
            rows.append([(0, mido.MetaMessage("track_name", name=note.track))])
        row = rows[names.index(note.track)]
        on, off = round(note.start * song.ticks_per_beat), round(note.end * song.ticks_per_beat)
        struck = {"channel": note.channel, "note": note.pitch}
        row.append((on, mido.Message("note_on", velocity=note.velocity, **struck)))
        row.append((max(off, on + 1), mido.Message("note_off", **struck)))
    song.tracks = [_track(row, first, last) for row in rows]
    song.type = max(song.type, int(len(song.tracks) > 1))
    partial = out.with_name(f".{out.name}.part")
    try:
        song.save(os.fspath(partial))
        os.replace(partial, out)
    except OSError as error:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise MidiError(f"{out} cannot be written ({error.strerror}); choose another file with -o") from error


def _absolute(track: mido.MidiTrack, latest: int) -> list[tuple[int, mido.Message]]:
    """Return a track's messages, each with its tick; its end is left out."""
    tick, rows = 0, []
    for message in track:
        tick += message.time
        if message.type != "end_of_track":
            rows.append((min(tick, latest), message))
    return rows


def _track(rows: list[tuple[int, mido.Message]], first: int, last: int) -> mido.MidiTrack:
    """Return a track of messages at ticks; of those added, what ends comes before what begins."""
    old = [row for row in rows if row[0] < first]
    added = sorted((row for row in rows if row[0] >= first), key=lambda row: (row[0], _begins(row[1])))
    track, now = mido.MidiTrack(), 0
    for tick, message in [*old, *added]:
        track.append(message.copy(time=tick - now))
        now = tick
    track.append(mido.MetaMessage("end_of_track", time=max(last - now, 0)))
    return track


def _begins(message: mido.Message) -> bool:
    return bool(message.type == "note_on" and message.velocity)

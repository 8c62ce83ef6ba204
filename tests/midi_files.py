"""MIDI files that tests write: notes in beats on one track."""

from __future__ import annotations

from pathlib import Path

import mido


def write_notes(
    path: Path | str,
    notes: list[tuple[float, float, int]],
    *,
    channel: int = 0,
    track: str = "",
    key: str = "C",
    metre: tuple[int, int] = (4, 4),
) -> None:
    """Write notes (start, length, pitch), in beats, as a MIDI file of one track."""
    song = mido.MidiFile(ticks_per_beat=480)
    rows = []
    for start, length, pitch in notes:
        rows.append((round(start * 480), 1, mido.Message("note_on", note=pitch, velocity=70, channel=channel)))
        rows.append((round((start + length) * 480), 0, mido.Message("note_off", note=pitch, channel=channel)))
    messages = [mido.MetaMessage("track_name", name=track)]
    messages.append(mido.MetaMessage("time_signature", numerator=metre[0], denominator=metre[1]))
    messages.append(mido.MetaMessage("key_signature", key=key))
    now = 0
    for tick, _, message in sorted(rows, key=lambda row: row[:2]):
        messages.append(message.copy(time=tick - now))
        now = tick
    song.tracks.append(mido.MidiTrack(messages))
    song.save(str(path))

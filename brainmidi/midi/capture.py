"""The last bars as a file of their own, written while the music goes on, to be dragged into a clip of a DAW."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

from brainmidi.errors import MidiError
from brainmidi.midi.clock import date_stamp
from brainmidi.midi.files import write_midi
from brainmidi.midi.timetable import DEFAULT_CHANNELS, RANK_CONTROL, RANK_ON, Channel
from brainmidi.types import Bar, MidiEvent


def last_bars(bars: Mapping[int, Bar], sounding: int, count: int) -> tuple[Bar, ...]:
    """Return the last `count` bars that have ended while bar `sounding` sounds; that one itself where none has.

    Parameters
    ----------
    bars : mapping of int to Bar
        As they sounded, by index.
    sounding : int
        Index of the bar in which the key was pressed.
    count : int
        How many; fewer where there are not so many yet.
    """
    ended = [bars[index] for index in sorted(bars) if index < sounding]
    return tuple(ended[-count:]) if ended else tuple(bars[index] for index in (sounding,) if index in bars)


def write_capture(
    folder: Path,
    bars: Sequence[Bar],
    *,
    metre: str,
    sharps: int,
    minor: bool,
    performed: Sequence[MidiEvent] = (),
    channels: Mapping[str, Channel] = DEFAULT_CHANNELS,
) -> Path:
    """Write `bars` as a type-1 file that begins with the first of them; return its name, dated and new.

    Parameters
    ----------
    folder : Path
        Where to.
    bars : sequence of Bar
        One after the other, as they sounded.
    metre, sharps, minor, channels
        As for :func:`~brainmidi.midi.files.write_midi`.
    performed : sequence of MidiEvent
        What the performer sent in the whole take; what falls into the bars goes with them. A note held since before
        begins with them.

    Raises
    ------
    MidiError
        If there is no bar, or the file cannot be written.
    """
    if not bars:
        raise MidiError("no bar has begun yet, at least one is needed to capture; press again in a moment")
    start, end = bars[0].start, bars[-1].end
    moved = [replace(bar, index=place, start=bar.start - start) for place, bar in enumerate(bars)]
    inside = [replace(event, beat=max(start, event.beat) - start) for event in _heard(performed, start, end)]
    path = _new_name(folder)
    write_midi(
        path,
        moved,
        metre=metre,
        sharps=sharps,
        minor=minor,
        title=f"bars {bars[0].index + 1} to {bars[-1].index + 1}",
        end_beat=Fraction(end - start),
        channels=channels,
        performed=inside,
    )
    return path


def _heard(performed: Sequence[MidiEvent], start: Fraction, end: Fraction) -> list[MidiEvent]:
    """Return the messages from `start` on and before `end`, and before them the note-ons that are open at `start`."""
    held: dict[tuple[int, int], MidiEvent] = {}
    inside = []
    for event in sorted(performed, key=lambda each: each.beat):
        if start <= event.beat < end:
            inside.append(event)
        elif event.beat < start and event.rank != RANK_CONTROL:
            key = (event.data[0] & 0x0F, event.data[1])
            if event.rank == RANK_ON:
                held[key] = event
            else:
                held.pop(key, None)
    return [*held.values(), *inside]


def _new_name(folder: Path) -> Path:
    """Return a dated name that no file had, and make that file, so that nobody else takes it."""
    stem, again = f"capture_{date_stamp()}", 1
    path = folder / f"{stem}.mid"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while not _made(path):
            again += 1
            path = folder / f"{stem}_{again}.mid"
    except OSError as error:
        raise MidiError(f"{path} cannot be written ({error.strerror}); choose another folder with -o") from error
    return path


def _made(path: Path) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except FileExistsError:
        return False
    return True

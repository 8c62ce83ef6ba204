"""A MIDI file as its bars: the notes of one part, from one bar line on, as a phrase."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import mido  # type: ignore[import-untyped]

from brainmidi.errors import MidiError
from brainmidi.types import Note, Phrase

#: Beats of a bar of 4/4, which is what the models know.
BAR = Fraction(4)
#: The channel, from 0, that General MIDI keeps for drums; their lengths mean nothing.
DRUM_CHANNEL = 9
#: Played by hand, a note of a bar may begin so many beats before the line: it is nearer to the line's own sixteenth.
EARLY = Fraction(1, 8)
#: A time signature that counts shorter notes, or no notes in a bar, is damage.
SHORTEST = 64


@dataclass(frozen=True, slots=True)
class SongNote:
    """A note as the file has it: beats from its beginning, channel from 0, and the name of its track."""

    start: Fraction
    end: Fraction
    pitch: int
    velocity: int
    channel: int
    track: str


@dataclass(frozen=True, slots=True)
class Song:
    """The notes of a file and its metres.

    Parameters
    ----------
    name : str
        Of the file, for error lines.
    notes : tuple of SongNote
        In the order of their starts.
    metres : tuple of (Fraction, int, int)
        From which beat which time signature holds; the first from beat 0.
    """

    name: str
    notes: tuple[SongNote, ...]
    metres: tuple[tuple[Fraction, int, int], ...]

    @property
    def bar_lines(self) -> tuple[tuple[Fraction, bool], ...]:
        """The beat on which each bar begins, and whether it is one of 4/4; up to the last note's end."""
        end = max((note.end for note in self.notes), default=Fraction(0))
        lines: list[tuple[Fraction, bool]] = []
        for (start, beats, unit), (until, _, _) in pairwise((*self.metres, (end, 4, 4))):
            length = Fraction(4 * beats, unit)
            count = -(-(until - start) // length) if until > start else 0
            lines += [(start + n * length, length == BAR) for n in range(int(count))]
        return tuple(lines)

    def part(self, part: str) -> tuple[SongNote, ...]:
        """Return the notes of a part.

        Drums are what is on channel 10, or else on tracks with "drum" in their name. Of other parts it is what is on
        tracks with the part's name in theirs, or else everything but drums.
        """
        drums = [note for note in self.notes if note.channel == DRUM_CHANNEL]
        word = "drum" if part == "drums" else part
        named = [note for note in self.notes if word in note.track.lower()]
        if part == "drums":
            return tuple(drums or named)
        pitched = [note for note in self.notes if note.channel != DRUM_CHANNEL]
        return tuple([note for note in named if note.channel != DRUM_CHANNEL] or pitched)

    def phrases(self, part: str, length: Fraction) -> tuple[Phrase, ...]:
        """Return a part cut into phrases of `length` beats from the first bar on, silent ones too; see :meth:`excerpt`.

        Raises
        ------
        MidiError
            A bar is not of 4/4, or the part is silent throughout.
        """
        bars = int(length / BAR)
        if not self.part(part):
            raise MidiError(f"{self.name} has no notes of the {part}; choose another file")
        return tuple(self._cut(part, bar, length) for bar in range(1, len(self.bar_lines) + 1, bars))

    def excerpt(self, part: str, bar: int, length: Fraction) -> Phrase:
        """Return `length` beats of a part from a bar on; what begins there, cut at both ends.

        Parameters
        ----------
        part : str
            As :meth:`part` has it; the notes of the phrase are of this part.
        bar : int
            From 1.
        length : Fraction
            A whole number of bars of 4/4.

        Raises
        ------
        MidiError
            If the file has no such bar, the bars are not of 4/4, or the part is silent there.
        """
        n_bars = len(self.bar_lines)
        if not 1 <= bar <= n_bars:
            there = f"bars 1..{n_bars}" if n_bars else "no notes at all"
            raise MidiError(f"{self.name} has {there}, bar {bar} is none of them; choose another with {self.name}@BAR")
        phrase = self._cut(part, bar, length)
        if not phrase.notes:
            last = bar + int(length / BAR) - 1
            raise MidiError(f"bars {bar}..{last} of {self.name} have no notes of the {part}; choose other bars")
        return phrase

    def _cut(self, part: str, bar: int, length: Fraction) -> Phrase:
        lines, last = self.bar_lines, bar + int(length / BAR) - 1
        if not all(in_four for _, in_four in lines[bar - 1 : last]):
            raise MidiError(
                f"bars {bar}..{last} of {self.name} are not all in 4/4, which the models know; choose others"
            )
        start = lines[bar - 1][0]
        notes = []
        for note in self.part(part):
            begin, end = max(note.start, start) - start, min(note.end, start + length) - start
            if start - EARLY <= note.start < start + length - EARLY and begin < end:
                notes.append(Note(begin, end - begin, note.pitch, note.velocity, part))
        return Phrase(tuple(notes), length)


def read_song(path: Path) -> Song:
    """Return what a MIDI file holds.

    Raises
    ------
    MidiError
        If the file is missing, is no MIDI file, or counts no ticks a quarter note.
    """
    try:
        song = mido.MidiFile(os.fspath(path))
    except (OSError, EOFError, ValueError, KeyError, IndexError, mido.KeySignatureError) as error:
        reason = getattr(error, "strerror", None) or error or "it ends too early"
        raise MidiError(f"{path} cannot be read as a MIDI file ({reason}); choose a .mid file") from error
    if song.ticks_per_beat <= 0:
        raise MidiError(f"{path} counts frames, not beats; export it with ticks a quarter note")
    notes: list[SongNote] = []
    metres: dict[Fraction, tuple[int, int]] = {Fraction(0): (4, 4)}  # by the standard, until the file says otherwise
    for track in song.tracks:
        found, changes = _read_track(track, song.ticks_per_beat)
        notes += found
        metres |= changes
    notes.sort(key=lambda note: (note.start, note.pitch, note.channel))
    return Song(path.name, tuple(notes), tuple((beat, *metres[beat]) for beat in sorted(metres)))


def _read_track(
    track: Sequence[mido.Message], ticks_per_beat: int
) -> tuple[list[SongNote], dict[Fraction, tuple[int, int]]]:
    """Return notes and time signatures; a note that is never let go lasts to the track's end."""
    name, tick = "", 0
    sounding: dict[tuple[int, int], list[tuple[int, int]]] = {}
    rows: list[tuple[int, int, int, int, int]] = []
    metres: dict[Fraction, tuple[int, int]] = {}
    for message in track:
        tick += message.time
        if message.type == "track_name":
            name = message.name
        elif message.type == "time_signature" and message.numerator > 0 and message.denominator <= SHORTEST:
            metres[Fraction(tick, ticks_per_beat)] = (message.numerator, message.denominator)
        elif message.type == "note_on" and message.velocity > 0:
            sounding.setdefault((message.channel, message.note), []).append((tick, message.velocity))
        elif message.type in ("note_on", "note_off"):
            begun = sounding.get((message.channel, message.note))
            if begun:
                start, velocity = begun.pop(0)
                rows.append((start, tick, message.note, velocity, message.channel))
    for (channel, pitch), begun in sounding.items():
        rows += [(start, tick, pitch, velocity, channel) for start, velocity in begun]
    notes = [
        SongNote(
            Fraction(start, ticks_per_beat),
            Fraction(max(end, start + 1), ticks_per_beat),
            pitch,
            velocity,
            channel,
            name,
        )
        for start, end, pitch, velocity, channel in rows
    ]
    return notes, metres

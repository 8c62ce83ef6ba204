"""A MIDI file as a model of bars hears it: melody, bass and accompaniment in bars with chords, the tonic on C."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec import chords as chord_codec
from brainmidi.codec.bars import PARTS, Score, ScoreBar
from brainmidi.errors import MidiError
from brainmidi.midi.song import DRUM_CHANNEL, EARLY, Song, SongNote
from brainmidi.music.harmony import Key
from brainmidi.music.keyfinder import find_key
from brainmidi.types import Note

#: MIDI channels, from 0, of parts that the file has not.
CHANNELS: Mapping[str, int] = {"melody": 0, "accompaniment": 1, "bass": 2}
#: So many bars are read: more than a model hears.
HEARD = 64
#: A chord whose root is the lowest note, or whose tones are all of the key, counts as so many more of its beats.
ROOT_IN_BASS, IN_KEY = 0.2, 0.1
_MINOR_SEVENTHS = frozenset({10, 11})


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is gone on from.

    Parameters
    ----------
    score : Score
        The last :data:`HEARD` bars, tonic on C; bars of more than four beats are split into equal ones.
    key : Key
        Of the file.
    end : Fraction
        Beat of the bar line after its last bar.
    metre : tuple of (int, int)
        Its last time signature.
    homes : mapping of str to (str, int)
        Name of the track, and channel from 0, of each part, of those too that the file has not.
    """

    score: Score
    key: Key
    end: Fraction
    metre: tuple[int, int]
    homes: Mapping[str, tuple[str, int]]

    @property
    def split(self) -> int:
        """Into how many bars of the model's one of the last metre is split."""
        return len(_split(_full(self.metre)))

    @property
    def length(self) -> int:
        """Sixteenths of one of these."""
        return _split(_full(self.metre))[0]


def read_prompt(song: Song, key: Key | None = None, style: str = "any") -> Prompt:
    """Return what a model of bars is told of a file.

    A track belongs to the part that it is named for; of the others the highest is the melody where none is called so,
    the lowest of three or more the bass, the rest the accompaniment. What melody and bass play beside one voice goes
    to the accompaniment; drums are not heard.

    Parameters
    ----------
    song : Song
    key : Key, optional
        Found from the notes if not given.
    style : str
        One of :data:`brainmidi.codec.bars.STYLES`.

    Raises
    ------
    MidiError
        The file has no pitched notes, or a bar that cannot be counted in sixteenths.
    """
    pitched = [note for note in song.notes if note.channel != DRUM_CHANNEL]
    if not pitched:
        raise MidiError(f"{song.name} has no notes to go on from; choose a file with a melody or chords")
    parts = _parts(pitched)
    if key is None:
        key = find_key(_sounding(pitched, Fraction(0), max(note.end for note in pitched))[0])
    lines, end = _lines(song)
    lines = lines[-HEARD - 1 :]
    rows: list[list[Note]] = [[] for _ in lines[1:]]
    for part, notes in parts.items():
        for note in notes:
            step, pitch = _step(note.start), note.pitch - key.transposition
            bar = int(np.searchsorted(lines, step, side="right")) - 1
            if 0 <= bar < len(rows) and bars.MIN_PITCH <= pitch <= bars.MAX_PITCH:
                length = max(min(_step(note.end), lines[-1]) - step, 1)
                rows[bar].append(
                    Note(Fraction(step - lines[bar], 4), Fraction(length, 4), pitch, max(note.velocity, 1), part)
                )
    found = tuple(
        ScoreBar(until - line, ((0, _chord(pitched, Fraction(line, 4), Fraction(until, 4), key)),), tuple(row))
        for (line, until), row in zip(pairwise(lines), rows, strict=True)
    )
    metre = next((beats, unit) for start, beats, unit in reversed(song.metres) if start < end)
    return Prompt(Score(found, style), key, end, metre, _homes(song, parts))


def _parts(notes: Sequence[SongNote]) -> dict[str, list[SongNote]]:
    groups: dict[tuple[str, int], list[SongNote]] = {}
    for note in notes:
        groups.setdefault((note.track, note.channel), []).append(note)
    part_of = {home: part for home in groups for part in PARTS if part in home[0].lower()}
    ranked = sorted(groups, key=lambda home: sum(note.pitch for note in groups[home]) / len(groups[home]))
    free = [home for home in ranked if home not in part_of]
    if free and "melody" not in part_of.values():
        part_of[free.pop()] = "melody"
    if free and "bass" not in part_of.values() and len(groups) > 2:
        part_of[free.pop(0)] = "bass"
    found: dict[str, list[SongNote]] = {part: [] for part in PARTS}
    for home, row in groups.items():
        found[part_of.get(home, "accompaniment")] += row
    for part, sign in (("melody", -1), ("bass", 1)):
        outer: dict[int, SongNote] = {}
        for note in sorted(found[part], key=lambda note: sign * note.pitch):
            outer.setdefault(_step(note.start), note)
        kept = set(map(id, outer.values()))
        found["accompaniment"] += [note for note in found[part] if id(note) not in kept]
        row = sorted(outer.values(), key=lambda note: note.start)
        untils = [*(note.start for note in row[1:]), row[-1].end] if row else []
        found[part] = [replace(note, end=min(note.end, until)) for note, until in zip(row, untils, strict=True)]
    return found


def _homes(song: Song, parts: Mapping[str, Sequence[SongNote]]) -> dict[str, tuple[str, int]]:
    """Return where each part goes on: in its own track, or, where it has none that is named, in a new one."""
    homes: dict[str, tuple[str, int]] = {}
    taken = {note.channel for note in song.notes} | {DRUM_CHANNEL}
    for part in PARTS:
        home = Counter((note.track, note.channel) for note in parts[part]).most_common(1)
        if home and home[0][0][0].strip() and home[0][0] not in homes.values():
            homes[part] = home[0][0]
            continue
        usual = CHANNELS[part]
        channel = usual if usual not in taken else next((c for c in range(16) if c not in taken), usual)
        taken.add(channel)
        homes[part] = (part, channel)
    return homes


def _lines(song: Song) -> tuple[list[int], Fraction]:
    """Return the sixteenths on which the model's bars begin, and the last one's end; and that in beats."""
    last = max(max(note.start + EARLY, note.end - EARLY) for note in song.notes)
    starts = [line for line, _ in song.bar_lines if line < last]
    beats, unit = next((beats, unit) for start, beats, unit in reversed(song.metres) if start <= starts[-1])
    end = starts[-1] + Fraction(4 * beats, unit)
    found = [_step(starts[0])]
    for line in (*starts[1:], end):
        length = _step(line) - found[-1]
        found += [found[-1] + n * size for n, size in enumerate(_split(length), start=1)] if length else []
    if 16 * beats % unit or end != Fraction(found[-1], 4):
        raise MidiError(f"{song.name} has bars of {beats}/{unit}, which sixteenths do not fill; choose another file")
    return found, end


def _split(length: int) -> list[int]:
    """Return the sixteenths of the bars that one of `length` is split into: equal ones, of whole pulses if possible."""
    if length <= bars.MAX_BAR:
        return [length]
    fitting = [n for n in range(bars.MAX_BAR, 0, -1) if length % n == 0]
    best = next((n for pulse in (4, 6, 2) for n in fitting if n % pulse == 0), fitting[0])
    return [best] * (length // best)


def _full(metre: tuple[int, int]) -> int:
    return 16 * metre[0] // metre[1]


def _chord(notes: Sequence[SongNote], start: Fraction, end: Fraction, key: Key) -> int:
    """Return the class, tonic on C, of the triad that covers most of what sounds; no chord where nothing does."""
    beats, lowest = _sounding(notes, start, end)
    if not any(beats):
        return chord_codec.NO_CHORD
    shares = np.array(beats) / sum(beats)
    scale = frozenset(key.classes) | ({(key.tonic_class + n) % 12 for n in _MINOR_SEVENTHS} if key.is_minor else set())

    def fit(index: int) -> float:
        tones, triad = chord_codec.tones(index), chord_codec.decode(index)
        root = triad is not None and triad[0] == lowest % 12
        return float(shares[list(tones)].sum()) + ROOT_IN_BASS * root + IN_KEY * (tones <= scale)

    # Of equals the first: major before minor before augmented before diminished.
    best = max(range(1, chord_codec.N_CLASSES), key=fit)
    return int(chord_codec.transpose([best], -key.transposition)[0])


def _sounding(notes: Sequence[SongNote], start: Fraction, end: Fraction) -> tuple[list[float], int]:
    """Return for how many beats each pitch class sounds between two beats, and the lowest pitch, 128 if none."""
    beats, lowest = [0.0] * 12, 128
    for note in notes:
        length = min(note.end, end) - max(note.start, start)
        if length > 0:
            beats[note.pitch % 12] += float(length)
            lowest = min(lowest, note.pitch)
    return beats, lowest


def _step(beat: Fraction) -> int:
    """Return the sixteenth nearest to `beat`, halves up."""
    return int((8 * beat.numerator + beat.denominator) // (2 * beat.denominator))

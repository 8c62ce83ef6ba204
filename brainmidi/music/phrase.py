"""Phrases cut, moved and mapped; and the anchors between which a brain steers."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from fractions import Fraction

from brainmidi.errors import MusicError
from brainmidi.music.harmony import Key
from brainmidi.music.metre import MODEL_BAR_STEPS, STEPS_PER_BEAT
from brainmidi.types import Note, Phrase

#: Length in beats of what the melody model writes at once: two bars of sixteen sixteenths.
MODEL_LENGTH = Fraction(2 * MODEL_BAR_STEPS, STEPS_PER_BEAT)

_MAJOR = (0, 2, 4, 5, 7, 9, 11)


def beat_of(step: int) -> Fraction:
    """Return the beat on which sixteenth `step` begins."""
    return Fraction(step, STEPS_PER_BEAT)


def step_of(beat: Fraction) -> int:
    """Return the sixteenth step that `beat` falls in."""
    return int(beat * STEPS_PER_BEAT)


def excerpt(phrase: Phrase, start: Fraction, length: Fraction) -> Phrase:
    """Return `length` beats of `phrase` from `start`: what begins there, cut at the end. Notes tied in are left out."""
    notes = [
        replace(note, start=note.start - start, length=min(note.length, start + length - note.start))
        for note in phrase
        if start <= note.start < start + length
    ]
    return Phrase(tuple(notes), length)


def padded(phrase: Phrase, length: Fraction) -> Phrase:
    """Return `phrase` followed by silence up to `length` beats."""
    return Phrase(phrase.notes, length)


def joined(first: Phrase, second: Phrase) -> Phrase:
    """Return `second` after `first`."""
    moved = tuple(replace(note, start=note.start + first.length) for note in second)
    return Phrase(first.notes + moved, first.length + second.length)


def transposed(phrase: Phrase, semitones: int) -> Phrase:
    """Return `phrase` moved by `semitones`; a note that would leave 0..127 goes back by octaves."""
    notes = []
    for note in phrase:
        pitch = note.pitch + semitones
        while pitch > 127:
            pitch -= 12
        while pitch < 0:
            pitch += 12
        notes.append(replace(note, pitch=pitch))
    return Phrase(tuple(notes), phrase.length)


def without_overlaps(phrase: Phrase, *, monophonic: bool) -> Phrase:
    """Return `phrase` with each note ended where the next one of its pitch begins; of two at once the longer stays.

    With `monophonic` a note ends where the next one of any pitch begins, and of two at once the higher stays.
    """
    kept: list[Note] = []
    for note in sorted(phrase.notes, key=lambda n: (n.start, -n.pitch if monophonic else 0, n.pitch, -n.length)):
        clash = next((k for k in reversed(kept) if (monophonic or k.pitch == note.pitch) and k.end > note.start), None)
        if clash is not None:
            if clash.start == note.start:
                continue
            kept[kept.index(clash)] = replace(clash, length=note.start - clash.start)
        kept.append(note)
    return Phrase(tuple(kept), phrase.length)


def to_mode(phrase: Phrase, key: Key) -> Phrase:
    """Return `phrase`, written in C major, by scale degrees in the mode of `key` on C.

    A degree that the mode lacks (pentatonics, blues) goes to the mode's nearest tone, the lower of two; a note outside
    C major keeps its distance from the degree below it where the mode has that tone, and goes to the nearest otherwise.
    """
    intervals = key.intervals
    notes = []
    for note in phrase:
        octave, within = divmod(note.pitch, 12)
        degree = max(index for index, semitones in enumerate(_MAJOR) if semitones <= within)
        moves = intervals[degree] - _MAJOR[degree] if len(intervals) == len(_MAJOR) else 0
        wanted = within + moves
        tones = [tone + 12 * shift for tone in intervals for shift in (-1, 0, 1)]
        nearest = min(tones, key=lambda tone: (abs(tone - wanted), tone))
        notes.append(replace(note, pitch=12 * octave + nearest))
    return Phrase(tuple(notes), phrase.length)


@dataclass(frozen=True, slots=True)
class Anchor:
    """Two phrases of two bars: the corners between which a part's latent moves, from rest to activity.

    Parameters
    ----------
    name : str
        Shown in the trace and as a marker in the take.
    calm, active : Phrase
        Eight beats each, on the sixteenth grid: a line in C major, or what drums strike.
    """

    name: str
    calm: Phrase
    active: Phrase

    def __post_init__(self) -> None:
        for label, phrase in (("calm", self.calm), ("active", self.active)):
            if phrase.length != MODEL_LENGTH or not phrase.notes:
                raise MusicError(
                    f"anchor {self.name!r}: the {label} phrase has {len(phrase.notes)} notes in {phrase.length} beats; "
                    f"write at least 1 note in {MODEL_LENGTH} beats"
                )

    def in_mode(self, key: Key) -> Anchor:
        """Return the anchor by scale degrees in the mode of `key`, on C."""
        return Anchor(self.name, to_mode(self.calm, key), to_mode(self.active, key))


def phrase_from_steps(rows: list[list[int]], *, velocity: int = 80, part: str = "melody") -> Phrase:
    """Return the two-bar phrase of rows ``[start, length, pitch]``, in sixteenths and MIDI pitch."""
    notes = tuple(Note(beat_of(start), beat_of(length), pitch, velocity, part) for start, length, pitch in rows)
    return Phrase(notes, MODEL_LENGTH)


def anchors_from_json(text: str, part: str = "melody") -> tuple[Anchor, ...]:
    """Return the anchors of a part that are written in `text`.

    Parameters
    ----------
    text : str
        ``[{"name": ..., "calm": [[start_sixteenths, length_sixteenths, pitch], ...], "active": [...]}, ...]``, two bars
        of 4/4, in C major or in General MIDI's drums.
    part : str
        The part that plays them.

    Raises
    ------
    MusicError
        The text is not that.
    """
    remedy = "restore the checkpoint's anchors.json"
    try:
        rows = json.loads(text)
        anchors = tuple(
            Anchor(str(row["name"]), *(phrase_from_steps(row[corner], part=part) for corner in ("calm", "active")))
            for row in rows
        )
    except (ValueError, KeyError, TypeError) as problem:
        raise MusicError(f"anchors are not readable ({problem!r}); {remedy}") from problem
    if not anchors:
        raise MusicError(f"0 anchors found, at least 1 is needed; {remedy}")
    return anchors

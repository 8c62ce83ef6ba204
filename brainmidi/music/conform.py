"""What no model may break: a bar is put in order after it was sampled, whatever the voice returned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from brainmidi.music.harmony import Metre, Tones
from brainmidi.music.phrase import beat_of, step_of, without_overlaps
from brainmidi.music.voices import Constraint
from brainmidi.types import Note, Phrase


def conformed(bar: Phrase, constraint: Constraint, tones: Sequence[Tones], *, monophonic: bool, voices: int) -> Phrase:
    """Return `bar` with every note allowed where it starts, ended where its tone is no longer, and none overlapping.

    Parameters
    ----------
    bar : Phrase
        One bar, in the models' space.
    constraint : Constraint
        One row a step; a pitch that it forbids goes to the nearest allowed one, an onset that it forbids is dropped.
    tones : sequence of Tones
        One a step; a note held into a chord that excludes it ends there.
    monophonic : bool
        Whether a note ends where the next begins.
    voices : int
        Most notes that may sound at once; later ones give way.
    """
    notes = []
    for note in bar:
        step = step_of(note.start)
        allowed = constraint.allowed(step)
        if not allowed or constraint.onset_bias[step] == float("-inf"):
            continue
        pitch = min(allowed, key=lambda other: (abs(other - note.pitch), other))
        end = min(note.end, bar.length)
        for later in range(step + 1, len(tones)):
            if beat_of(later) >= end:
                break
            if pitch % 12 not in tones[later].allowed:
                end = beat_of(later)
        notes.append(replace(note, pitch=pitch, length=end - note.start))
    tidy = without_overlaps(Phrase(tuple(notes), bar.length), monophonic=monophonic)
    kept: list[Note] = []
    for note in tidy:
        if sum(other.end > note.start for other in kept) < voices:
            kept.append(note)
    return Phrase(tuple(kept), bar.length)


def landed(bar: Phrase, step: int, pitches: Sequence[int], near: int, part: str) -> Phrase:
    """Return `bar` with a note from `step` to its end on one of `pitches`, and nothing of its own after it.

    `near` is the pitch to land close to where the bar has no note; the last note before the landing decides otherwise.
    """
    at = beat_of(step)
    before = [note for note in bar if note.start < at]
    landing = next((note for note in bar if note.start == at), None)
    if landing is None:
        reference = before[-1].pitch if before else near
        pitch = min(pitches, key=lambda other: (abs(other - reference), other))
        landing = Note(at, bar.length - at, pitch, 80, part)
    cut = [replace(note, length=min(note.length, at - note.start)) for note in before]
    return Phrase((*cut, replace(landing, length=bar.length - at)), bar.length)


def with_dynamics(bar: Phrase, velocities: Sequence[float]) -> Phrase:
    """Return `bar` with each note struck as hard as `velocities`, one a step, say."""
    notes = (replace(note, velocity=round(velocities[step_of(note.start)])) for note in bar)
    return Phrase(tuple(notes), bar.length)


def dynamics(metre: Metre, level: float, *, low: int, high: int, accent: float) -> tuple[float, ...]:
    """Return a velocity 1..127 for each step: `level` 0..1 from `low` to `high`, with the metre's accents on top."""
    base = low + (high - low) * level
    return tuple(min(127.0, max(1.0, base + accent * (weight - 0.5))) for weight in metre.weights)

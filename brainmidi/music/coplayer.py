"""The parts when no model speaks: chords led from voice to voice, and the notes nearest to the last ones."""

from __future__ import annotations

from collections.abc import Sequence

from brainmidi.music.harmony import Tones
from brainmidi.music.phrase import beat_of
from brainmidi.types import Note


def voicing(tones: Tones, before: Sequence[int], *, low: int, high: int, voices: int = 3) -> tuple[int, ...]:
    """Return a chord whose voices move as little as they can from `before`.

    Parameters
    ----------
    tones : Tones
        The chord.
    before : sequence of int
        Pitches sounding before; empty at the start.
    low, high : int
        Range of the part; at least an octave.
    voices : int
        Most notes in the chord, the bass included.

    Returns
    -------
    tuple of int
        Rising pitches: the chord's bass in the lower half of the range, other chord tones above it.
    """
    start = sorted(before)
    bass_before = start[0] if start else low + 5
    basses = [pitch for pitch in range(low, high + 1) if pitch % 12 == tones.bass]
    bass = min(basses, key=lambda pitch: (max(0, pitch - low - 14) * 4 + abs(pitch - bass_before), pitch))
    chosen = [bass]
    # The fifth says least about a chord: thirds and sevenths come first.
    fifth = (tones.root + 7) % 12
    order = sorted(tones.chord - {tones.bass}, key=lambda tone: (tone == fifth, (tone - tones.root) % 12))
    middle = (low + high) / 2
    upper = start[1:] or start

    def cost(pitch: int) -> tuple[float, int]:
        moved = min((abs(pitch - other) for other in upper), default=0)
        return moved + abs(pitch - middle) / 4, pitch

    for tone in order[: voices - 1]:
        # A tenth or more above a deep bass sounds clear; thirds right above it do not.
        floor = bass + (7 if bass < 48 else 3)
        options = [pitch for pitch in range(low, high + 1) if pitch % 12 == tone and pitch >= floor]
        options = options or [pitch for pitch in range(low, high + 1) if pitch % 12 == tone]
        options = [pitch for pitch in options if pitch not in chosen] or options
        chosen.append(min(options, key=cost))
    return tuple(sorted(set(chosen)))


def chord_changes(tones: Sequence[Tones], start: int = 0) -> list[tuple[int, int, Tones]]:
    """Return (first step, step after the last, tones) of each chord from step `start` of a bar on."""
    changes = [start, *(step for step in range(start + 1, len(tones)) if tones[step] != tones[step - 1])]
    return [(step, end, tones[step]) for step, end in zip(changes, [*changes[1:], len(tones)], strict=True)]


def held_chords(
    tones: Sequence[Tones], before: Sequence[int], *, start: int, low: int, high: int, voices: int, velocity: int
) -> tuple[Note, ...]:
    """Return the chords of a bar from step `start` on, each held until the next, led from the pitches `before`.

    `tones` are those of every sixteenth step of the bar; the other parameters are those of :func:`voicing`.
    """
    notes: list[Note] = []
    for step, end, chord in chord_changes(tones, start):
        before = voicing(chord, before, low=low, high=high, voices=voices)
        notes += [Note(beat_of(step), beat_of(end - step), pitch, velocity, "accompaniment") for pitch in before]
    return tuple(notes)


def held_bass(tones: Sequence[Tones], near: int, *, low: int, high: int, velocity: int = 80) -> tuple[Note, ...]:
    """Return a bar of bass that holds each chord's lowest tone, every one as near as it can be to the one before.

    `tones` are those of every sixteenth step of the bar, `near` is the pitch before it.
    """
    notes: list[Note] = []
    for step, end, chord in chord_changes(tones):
        near = nearest(frozenset({chord.bass}), near, low=low, high=high)
        notes.append(Note(beat_of(step), beat_of(end - step), near, velocity, "bass"))
    return tuple(notes)


def held_top(tones: Sequence[Tones], near: int, *, low: int, high: int, velocity: int) -> tuple[Note, ...]:
    """Return a bar of melody that holds a tone of each chord; parameters as for :func:`held_bass`."""
    notes: list[Note] = []
    for step, end, chord in chord_changes(tones):
        near = nearest(chord.chord, near, low=low, high=high)
        notes.append(Note(beat_of(step), beat_of(end - step), near, velocity, "melody"))
    return tuple(notes)


def nearest(classes: frozenset[int], pitch: int, *, low: int, high: int) -> int:
    """Return the pitch in `low`..`high` nearest to `pitch` whose class is one of `classes`."""
    options = [other for other in range(low, high + 1) if other % 12 in classes]
    return min(options, key=lambda other: (abs(other - pitch), other))

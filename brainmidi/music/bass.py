"""The bass: a latent model that is told the chords, held to roots where chords change, below the melody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from brainmidi.music import constraint as tables
from brainmidi.music import form
from brainmidi.music.conform import conformed, dynamics, landed, with_dynamics
from brainmidi.music.coplayer import chord_changes, held_bass
from brainmidi.music.ensemble import HALF_MODEL, BarPlan, Dynamics, PartRange
from brainmidi.music.form import Role
from brainmidi.music.harmony import Metre, Tones
from brainmidi.music.metre import MODEL_BAR_STEPS
from brainmidi.music.phrase import beat_of, excerpt, padded
from brainmidi.music.voices import BassVoice, Constraint, Float32Array
from brainmidi.types import Phrase

# Log-odds, as in constraint.py: a bias persuades, only -inf forbids.
_BASS, _ROOT = 4.0, 1.5  # the chord's bass note and its root, where it begins
_CHORD_PULL = 1.5  # towards chord tones on a downbeat
_CHANGE = 3.0  # an onset with a new chord
_REACH, _COMFORT = 0.03, 7  # as for the melody: a line that stays near the bottom
_HEIGHT = 12  # semitones above its lowest note around which the line lies
_BELOW = 3  # semitones that it keeps from the melody's lowest note
_STRONG = 0.6  # metrical weight of a pulse

_BEHIND, _ACCENT = 6, 12.0


def constraint(
    tones: Sequence[Tones],
    metre: Metre,
    role: Role,
    *,
    low: int,
    high: int,
    density: float,
    above: Phrase,
) -> Constraint:
    """Return the constraint of one bass bar.

    Where a chord begins only chord tones may start, and the chord's bass leads; on the other pulses chord tones are
    favoured. A tone outside the chord never rubs against the melody: a semitone apart, in any octave, is forbidden.

    Parameters
    ----------
    tones : sequence of Tones
        One a step of the bar.
    metre : Metre
        Its weights say where onsets and chord tones belong.
    role : Role
        A cadence comes to rest with the melody's landing, on the chord's bass; the end on the tonic.
    low, high : int
        Lowest and highest pitch, an octave apart or more; below the melody where that leaves an octave.
    density : float
        0..1; 0.5 leaves the model its own.
    above : Phrase
        The melody's bar, in the models' space; silence where it is not known.

    Returns
    -------
    Constraint
        ``metre.steps`` rows.
    """
    pitches = np.arange(128)
    classes = pitches % 12
    lowest = min((note.pitch for note in above), default=128)
    high = max(low + 12, min(high, lowest - _BELOW))
    reach = np.maximum(0, np.abs(pitches - low - _HEIGHT) - _COMFORT)
    pitch_bias = np.full((metre.steps, 128), -np.inf, dtype=np.float32)
    onset_bias = tables.onsets(metre, density)
    for step, now in enumerate(tones):
        in_chord = np.isin(classes, list(now.chord))
        allowed = np.isin(classes, list(now.allowed)) & (pitches >= low) & (pitches <= high)
        bias = -_REACH * reach.astype(np.float32) ** 2
        weight = metre.weights[step]
        if step == 0 or tones[step - 1] != now:
            allowed &= in_chord
            bias = bias + _BASS * (classes == now.bass) + _ROOT * (classes == now.root)
            onset_bias[step] += _CHANGE
        elif weight >= _STRONG:
            bias = bias + _CHORD_PULL * weight * in_chord
        sung = [note.pitch for note in above if note.start <= beat_of(step) < note.end]
        rubs = np.isin(classes, [(pitch + by) % 12 for pitch in sung for by in (-1, 1)])
        allowed &= in_chord | ~rubs
        pitch_bias[step, allowed] = bias[allowed]
    landing = tables.landing_step(role, metre, tones)
    if landing is not None:
        onset_bias[landing] = _CHANGE
        onset_bias[landing + 1 :] = -np.inf
        pitch_bias[landing:, classes != rest_class(tones[landing], role)] = -np.inf
    return Constraint(pitch_bias, onset_bias)


def rest_class(tones: Tones, role: Role) -> int:
    """Return the pitch class on which the bass comes to rest: the root at the end, the chord's bass before."""
    return tones.root if role is Role.FINAL else tones.bass


def bass(
    voice: BassVoice,
    z: Float32Array,
    plans: tuple[BarPlan, BarPlan],
    *,
    metre: Metre,
    pitch_range: PartRange,
    density: float,
    temperature: float,
    level: float,
    limits: Dynamics,
    seed: int,
    first: Phrase | None,
    theme: Phrase | None,
    above: Phrase,
) -> Phrase:
    """Return one bar of bass in the models' space.

    Parameters are those of :func:`brainmidi.music.ensemble.melody`, but for `level` 0..1 and `limits`, how loud it is,
    and `above`, the melody's bar. Of the theme it recalls the rhythm: its tones belong to the chords. A chord under
    which the model plays nothing has its lowest tone held.
    """
    second = first is not None
    rows = []
    for half, plan in enumerate(plans):
        row = constraint(
            plan.tones,
            metre,
            plan.role,
            low=pitch_range.low,
            high=pitch_range.high,
            density=density,
            above=above if half == second else Phrase((), metre.length),
        )
        if theme is not None and plan.role is not Role.FINAL:
            row = tables.recalled(row, excerpt(theme, half * metre.length, metre.length), tones=False)
        rows.append(row)
    chords = [now for plan in plans for now in _model_bar(plan.tones)]
    prefix = None if first is None else padded(first, HALF_MODEL)
    plan, row = plans[second], rows[second]
    rng = form.generator(seed, form.theme_key(plan.index), form.BASS)
    played = voice.decode(z, chords, tables.two_bars(rows[0], rows[1]), temperature, rng, prefix)
    bar = excerpt(played, HALF_MODEL if second else beat_of(0), metre.length)
    bar = Phrase(tuple(replace(note, part="bass") for note in bar), bar.length)
    bar = conformed(bar, row, plan.tones, monophonic=True, voices=1)
    near = first.notes[-1].pitch if first is not None and first.notes else pitch_range.low + _HEIGHT
    landing = tables.landing_step(plan.role, metre, plan.tones)
    if landing is not None:
        bar = landed(bar, landing, row.allowed(landing), near, "bass")
    bar = _spoken(_released(bar, plan.tones), plan.tones, near, pitch_range)
    low, high = max(1, limits.low - _BEHIND), max(1, limits.high - _BEHIND)
    return with_dynamics(bar, dynamics(metre, level, low=low, high=high, accent=_ACCENT))


def _released(bar: Phrase, tones: Sequence[Tones]) -> Phrase:
    """Return `bar` with no note held into a chord that it is no tone of: there a bass says something else."""
    notes = []
    for note in bar:
        left = (beat_of(step) for step, _, now in chord_changes(tones) if note.pitch % 12 not in now.chord)
        end = min((beat for beat in left if note.start < beat < note.end), default=note.end)
        notes.append(replace(note, length=end - note.start))
    return Phrase(tuple(notes), bar.length)


def _spoken(bar: Phrase, tones: Sequence[Tones], near: int, limits: PartRange) -> Phrase:
    """Return `bar` with every chord under which nothing sounds given its lowest tone, `near` the pitch before."""
    held = held_bass(tones, near, low=limits.low, high=limits.high)
    missing = [note for note in held if not any(own.start < note.end and own.end > note.start for own in bar)]
    return Phrase((*bar.notes, *missing), bar.length)


def _model_bar(tones: Sequence[Tones]) -> list[Tones]:
    """Return the model's sixteen steps of a bar: a shorter one holds its last chord."""
    return [*tones, *[tones[-1]] * (MODEL_BAR_STEPS - len(tones))]

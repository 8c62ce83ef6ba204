"""The drums: a latent model of patterns on the grid, and a player of them who leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from brainmidi.music import constraint as tables
from brainmidi.music import form
from brainmidi.music.ensemble import HALF_MODEL, BarPlan, Dynamics
from brainmidi.music.form import Role
from brainmidi.music.harmony import Metre
from brainmidi.music.metre import MODEL_BAR_STEPS, STEPS_PER_BEAT
from brainmidi.music.phrase import beat_of, excerpt, joined, step_of
from brainmidi.music.voices import DrumVoice, Float32Array
from brainmidi.types import Note, Phrase

PART = "drums"
#: What may be struck, by General MIDI's pitches: the nine drums of Magenta's drum models.
KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = 36, 38, 42, 46, 45, 48, 50, 49, 51
KIT = (KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE)

#: A hit is this long, and this hard before anyone has played it.
STEP = Fraction(1, STEPS_PER_BEAT)
PLAIN = 80

# A drummer's four sixteenths in a dotted quarter: what lies between the pulses is played as a shuffle.
_SHUFFLE = (0, 2, 4, 5)

# Log-odds, as in constraint.py; a model of drums is surer of itself than one of lines.
_DENSITY = 32.0  # onsets on the weakest steps from a density knob at 0 to one at 1; pulses hardly move

#: How far a fill goes from where the brain stands towards the active corner.
FILL = 0.5


def model_steps(metre: Metre) -> dict[int, int]:
    """Return the model's step for each step of the bar on which drums may be struck.

    The models know quarters alone. A dotted quarter is one of theirs, so that kick and snare fall on the pulses of 6/8;
    in other metres step is step.
    """
    if metre.denominator != 8:
        return {step: step for step in range(metre.steps)}
    found: dict[int, int] = {}
    pulses = metre.pulses
    for quarter, (start, end) in enumerate(zip(pulses, (*pulses[1:], metre.steps), strict=True)):
        within = _SHUFFLE if end - start == 6 else range(end - start)
        found |= {start + at: quarter * STEPS_PER_BEAT + place for place, at in enumerate(within)}
    return found


def onset_bias(metre: Metre, role: Role, density: float) -> Float32Array:
    """Return what a bar adds to the log-odds of striking anything at each step, shape (n_steps,).

    A bar that leads into the next form is as dense as can be from its middle on: a fill.
    """
    weights = np.asarray(metre.weights, dtype=np.float32)
    dense = np.full(metre.steps, density, dtype=np.float32)
    if role is Role.CADENCE:
        dense[metre.middle :] = 1.0
    return np.asarray(tables.onsets(metre, 0.5) + _DENSITY * (dense - 0.5) * (1 - weights) ** 2, dtype=np.float32)


def drums(
    voice: DrumVoice,
    z: Float32Array,
    plans: tuple[BarPlan, BarPlan],
    *,
    metre: Metre,
    density: float,
    temperature: float,
    seed: int,
    first: Phrase | None,
) -> Phrase:
    """Return one bar of drums on the sixteenth grid, all hits equally hard.

    Parameters are those of :func:`brainmidi.music.ensemble.melody`. The end of a piece is one hit on its downbeat.
    """
    second = first is not None
    plan = plans[second]
    if plan.role is Role.FINAL:
        return closing_hit(metre)
    there = model_steps(metre)
    bias = np.full((2, MODEL_BAR_STEPS), -np.inf, dtype=np.float32)
    for half, each in enumerate(plans):
        bias[half, list(there.values())] = onset_bias(metre, each.role, density)[list(there)]
    prefix = None if first is None else _moved(first, there, HALF_MODEL)
    rng = form.generator(seed, form.theme_key(plan.index), form.DRUMS)
    struck = voice.decode(z, bias.reshape(-1), temperature, rng, prefix)
    half_struck = on_grid(excerpt(struck, HALF_MODEL if second else beat_of(0), HALF_MODEL))
    return _moved(half_struck, {step: own for own, step in there.items()}, metre.length)


def _moved(bar: Phrase, steps: Mapping[int, int], length: Fraction) -> Phrase:
    """Return the hits of `bar`, on the grid, on other steps; those of a step that is not among them are left out."""
    hits = (replace(note, start=beat_of(steps[at])) for note in bar if (at := step_of(note.start)) in steps)
    return Phrase(tuple(hits), length)


def on_grid(bar: Phrase) -> Phrase:
    """Return the hits of `bar` on the nearest sixteenth, equally hard, each drum once; what is no drum is left out.

    A hit nearer to the bar's end than to its last sixteenth is left out too.
    """
    steps = step_of(bar.length)
    at = {(_nearest_step(note.start), note.pitch) for note in bar if note.pitch in KIT}
    hits = (Note(beat_of(step), STEP, pitch, PLAIN, PART) for step, pitch in at if step < steps)
    return Phrase(tuple(hits), bar.length)


def played(
    voice: DrumVoice,
    bar: Phrase,
    first: Phrase | None,
    *,
    metre: Metre,
    groove: float,
    level: float,
    limits: Dynamics,
    seed: int,
    index: int,
) -> Phrase:
    """Return `bar`, on the grid, as a drummer plays it: every hit somewhat harder, softer, sooner or later.

    Parameters
    ----------
    voice : DrumVoice
        The drummer.
    bar : Phrase
        As :func:`drums` returned it.
    first : Phrase or None
        The phrase's first bar on the grid, where this is the second one.
    metre : Metre
        Of the session.
    groove : float
        0..1: how far hits may leave the grid.
    level : float
        0..1: the velocity knob.
    limits : Dynamics
        What its ends mean for a hit of medium strength.
    seed, index : int
        Of the session and of the bar: no two bars are played alike, whatever they repeat.

    Returns
    -------
    Phrase
        Each hit nearest to its own step, within the bar, and over before its drum is struck again.
    """
    rng = form.generator(seed, index, form.DRUMS, 1)
    there = model_steps(metre)
    halves = [_moved(half, there, HALF_MODEL) for half in (bar if first is None else first, bar)]
    loose = voice.humanise(joined(*halves), groove, rng)
    offset = 0 if first is None else MODEL_BAR_STEPS
    # What the drummer moved as far as another step, or left out, stays where it was.
    moves: dict[tuple[int, int], tuple[Fraction, int]] = {}
    for note in loose:
        step = _nearest_step(note.start)
        moves[step - offset, note.pitch] = (note.start - beat_of(step), note.velocity)
    base = limits.low + (limits.high - limits.low) * level
    hits = []
    for note in bar:
        late, struck = moves.get((there.get(step_of(note.start), -1), note.pitch), (beat_of(0), PLAIN))
        velocity = int(np.clip(round(base * struck / PLAIN), 1, 127))
        hits.append(replace(note, start=max(beat_of(0), note.start + late), velocity=velocity))
    return Phrase(tuple(_ended(hit, hits, bar.length) for hit in hits), bar.length)


def _ended(hit: Note, hits: list[Note], length: Fraction) -> Note:
    """Return `hit` no longer than to the bar line and to the next hit of its drum."""
    later = (other.start for other in hits if other.pitch == hit.pitch and other.start > hit.start)
    return replace(hit, length=min(hit.length, min(later, default=length) - hit.start, length - hit.start))


def plain_beat(metre: Metre) -> Phrase:
    """Return a bar that any drummer falls back on: kick on the downbeat, snare in the middle, hi-hat on the pulses."""
    hits = [(0, KICK), (metre.middle, SNARE), *((step, CLOSED_HAT) for step in metre.pulses)]
    return Phrase(tuple(Note(beat_of(step), STEP, pitch, PLAIN, PART) for step, pitch in hits), metre.length)


def closing_hit(metre: Metre) -> Phrase:
    """Return the last bar of a piece: one hit on its downbeat, and silence after it."""
    hits = (Note(beat_of(0), Fraction(1), pitch, PLAIN, PART) for pitch in (KICK, CRASH))
    return Phrase(tuple(hits), metre.length)


def _nearest_step(beat: Fraction) -> int:
    return int((beat * STEPS_PER_BEAT + Fraction(1, 2)) // 1)

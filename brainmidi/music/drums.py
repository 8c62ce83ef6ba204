"""The drums: a latent model of patterns on the grid, and a player of them who leaves it."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np

from brainmidi.music import constraint as tables
from brainmidi.music import form
from brainmidi.music.ensemble import HALF_MODEL, BarPlan, Dynamics
from brainmidi.music.form import Role
from brainmidi.music.harmony import Metre
from brainmidi.music.metre import MODEL_BAR_STEPS, STEPS_PER_BEAT
from brainmidi.music.phrase import beat_of, excerpt, padded, step_of, two_bars
from brainmidi.music.voices import DrumVoice, Float32Array
from brainmidi.types import Note, Phrase

PART = "drums"
#: What may be struck, by General MIDI's pitches: the nine drums of Magenta's drum models.
KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE = 36, 38, 42, 46, 45, 48, 50, 49, 51
KIT = (KICK, SNARE, CLOSED_HAT, OPEN_HAT, LOW_TOM, MID_TOM, HIGH_TOM, CRASH, RIDE)

#: A hit is this long, and this hard before anyone has played it.
STEP = Fraction(1, STEPS_PER_BEAT)
PLAIN = 80

_FILL = 2.0  # log-odds of every onset in the second half of a bar that leads into the next form


def onset_bias(metre: Metre, role: Role, density: float) -> Float32Array:
    """Return what a bar adds to the log-odds of striking anything at each step, shape (n_steps,)."""
    bias = tables.onsets(metre, density)
    if role is Role.CADENCE:
        bias[metre.middle :] += _FILL
    return bias


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
    bias = np.full((2, MODEL_BAR_STEPS), -np.inf, dtype=np.float32)
    for half, each in enumerate(plans):
        bias[half, : metre.steps] = onset_bias(metre, each.role, density)
    prefix = None if first is None else padded(first, HALF_MODEL)
    rng = form.generator(seed, form.theme_key(plan.index), form.DRUMS)
    struck = voice.decode(z, bias.reshape(-1), temperature, rng, prefix)
    return on_grid(excerpt(struck, HALF_MODEL if second else beat_of(0), metre.length))


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
    loose = voice.humanise(two_bars(bar if first is None else first, bar), groove, rng)
    offset = beat_of(0) if first is None else HALF_MODEL
    moves = {(_nearest_step(note.start - offset), note.pitch): (note.start - offset, note.velocity) for note in loose}
    base = limits.low + (limits.high - limits.low) * level
    hits = []
    for note in bar:
        moved, struck = moves.get((step_of(note.start), note.pitch), (note.start, PLAIN))
        velocity = int(np.clip(round(base * struck / PLAIN), 1, 127))
        hits.append(replace(note, start=max(beat_of(0), moved), velocity=velocity))
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

"""From controls to a bar: the melody walks its latent between two anchors, the second part continues what was played.

The models' space has its tonic on C. Both parts are composed there and moved to the session's tonic at the end, so that
a model trained on tunes in C serves every key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from brainmidi.music import constraint as tables
from brainmidi.music import form
from brainmidi.music.conform import conformed, dynamics, landed, with_dynamics
from brainmidi.music.coplayer import held_chords
from brainmidi.music.form import Role
from brainmidi.music.harmony import Key, Metre, Tones
from brainmidi.music.phrase import MODEL_LENGTH, beat_of, excerpt, padded
from brainmidi.music.voices import (
    AccompanimentVoice,
    Constraint,
    Course,
    Float32Array,
    LatentVoice,
    MelodyVoice,
    Surroundings,
    VoiceState,
)
from brainmidi.types import Deadline, Phrase

__all__ = ["AccompanimentVoice", "BarPlan", "Constraint", "Dynamics", "MelodyVoice", "PartRange", "VoiceState"]
__all__ += ["HALF_MODEL", "accompaniment", "melody", "standpoint"]

#: Where the second bar begins in what a latent model writes.
HALF_MODEL = MODEL_LENGTH / 2

# The second part stays under the first, and its accents are flatter.
_BEHIND, _ACCENT, _ACCENT_BEHIND = 14, 20.0, 12.0


@dataclass(frozen=True, slots=True)
class PartRange:
    """Lowest and highest MIDI pitch of a part, at least an octave apart."""

    low: int
    high: int

    def lowered(self, semitones: int) -> PartRange:
        """Return the range moved down by `semitones`."""
        return PartRange(self.low - semitones, self.high - semitones)


@dataclass(frozen=True, slots=True)
class BarPlan:
    """What is settled about a bar before a model is asked.

    Parameters
    ----------
    index : int
        Bar of the take, from 0.
    role : Role
        Whether the bar closes something.
    tones : tuple of Tones
        What may sound at each sixteenth, in the models' space.
    """

    index: int
    role: Role
    tones: tuple[Tones, ...]


@dataclass(frozen=True, slots=True)
class Dynamics:
    """Velocity at knob positions 0 and 1."""

    low: int = 50
    high: int = 105


def standpoint(
    voice: LatentVoice, corners: Sequence[tuple[Float32Array, Float32Array]], anchor: int, mix: float, index: int
) -> Float32Array:
    """Return where a part's latent stands in bar `index`.

    Parameters
    ----------
    voice : LatentVoice
        Whose space it is.
    corners : sequence of two ndarrays, each of shape (latent_size,)
        The calm and the active corner of every anchor.
    anchor : int
        How often the music has moved on to the next anchor; it goes around.
    mix : float
        0 calm to 1 active.
    index : int
        The bar. A contrasting phrase looks towards the next anchor.
    """
    z = voice.between(*corners[anchor % len(corners)], mix)
    if form.contrasts(index):
        # As far along the next anchor's axis as the brain stands on this one's: the brain is heard here too.
        beyond = voice.between(*corners[(anchor + 1) % len(corners)], mix)
        z = voice.between(z, beyond, form.CONTRAST)
    return z


def melody(
    voice: MelodyVoice,
    z: Float32Array,
    plans: tuple[BarPlan, BarPlan],
    *,
    key: Key,
    metre: Metre,
    pitch_range: PartRange,
    register: float,
    density: float,
    temperature: float,
    seed: int,
    first: Phrase | None,
    theme: Phrase | None,
) -> Phrase:
    """Return one bar of melody in the models' space, without dynamics.

    Parameters
    ----------
    voice : MelodyVoice
        The latent model.
    z : ndarray, shape (latent_size,)
        Where the brain stands.
    plans : tuple of two BarPlan
        Both bars of the two-bar phrase.
    key, metre : Key, Metre
        Of the session.
    pitch_range : PartRange
        Of the part, in the models' space.
    register : float
        Semitones by which the line's centre is moved.
    density, temperature : float
        0..1, and the sampling temperature.
    seed : int
        Of the session.
    first : Phrase or None
        The phrase's first bar as it was heard, where this is the second one.
    theme : Phrase or None
        The two bars to recall.
    """
    second = first is not None
    middle = (pitch_range.low + pitch_range.high) / 2 - 3  # lines sing in the lower middle of their range
    centre = float(np.clip(middle + register, pitch_range.low + 4, pitch_range.high - 4))
    rows = []
    for half, plan in enumerate(plans):
        row = tables.melody_bar(
            plan.tones,
            metre,
            plan.role,
            low=pitch_range.low,
            high=pitch_range.high,
            centre=centre,
            density=density,
        )
        if theme is not None and plan.role is not Role.FINAL:
            row = tables.recalled(row, excerpt(theme, half * metre.length, metre.length))
        rows.append(row)
    prefix = None if first is None else padded(first, HALF_MODEL)
    plan, row = plans[second], rows[second]
    rng = form.generator(seed, form.theme_key(plan.index), form.MELODY)
    sung = voice.decode(z, tables.two_bars(rows[0], rows[1]), temperature, rng, prefix)
    bar = excerpt(sung, HALF_MODEL if second else beat_of(0), metre.length)
    bar = conformed(bar, row, plan.tones, monophonic=True, voices=1)
    landing = tables.landing_step(plan.role, metre, plan.tones)
    if landing is not None:
        near = first.notes[-1].pitch if first is not None and first.notes else round(centre)
        rest = tables.rest_tones(plan.tones[landing], plan.role)
        pitches = [pitch for pitch in row.allowed(landing) if pitch % 12 in rest]
        bar = landed(bar, landing, pitches, near, "melody")
    return bar


def sung(bar: Phrase, metre: Metre, level: float, limits: Dynamics) -> Phrase:
    """Return a melody bar with dynamics: the velocity knob's `level` 0..1, with the metre's accents."""
    return with_dynamics(bar, dynamics(metre, level, low=limits.low, high=limits.high, accent=_ACCENT))


def behind(metre: Metre, level: float, limits: Dynamics) -> tuple[float, ...]:
    """Return the second part's velocity at each step of the bar."""
    low, high = max(1, limits.low - _BEHIND), max(1, limits.high - _BEHIND)
    return dynamics(metre, level, low=low, high=high, accent=_ACCENT_BEHIND)


def accompaniment(
    voice: AccompanimentVoice,
    state: VoiceState,
    melody_bar: Phrase,
    bass_bar: Phrase,
    plan: BarPlan,
    *,
    metre: Metre,
    pitch_range: PartRange,
    density: float,
    temperature: float,
    level: float,
    limits: Dynamics,
    seed: int,
    before: Sequence[int],
    max_voices: int,
    harmony: float,
    since: tuple[float, float],
    deadline: Deadline | None,
) -> tuple[VoiceState, Phrase]:
    """Return the model's new memory and one bar of the second part, in the models' space.

    A bar in which the model leaves the harmony unsaid (no note at all, or a close without its chord) is given the
    chord, led from the pitches `before`. `since` are density and temperature of the bar before: a voice that follows
    the controls within the bar reaches this bar's at its end. One that can stop in time does so at the `deadline`.
    """

    def table(density: float | Float32Array) -> Constraint:
        low, high = pitch_range.low, pitch_range.high
        return tables.accompaniment_bar(
            plan.tones, metre, plan.role, low=low, high=high, density=density, harmony=harmony
        )

    row, way = table(density), np.arange(1, metre.steps + 1, dtype=np.float32) / metre.steps
    densities, temperatures = (
        np.asarray(before + (now - before) * way, dtype=np.float32)
        for before, now in zip(since, (density, temperature), strict=True)
    )
    velocities = np.asarray(behind(metre, level, limits), dtype=np.float32)
    rng = form.generator(seed, plan.index, form.ACCOMPANIMENT)
    course = Course(temperatures, table(densities).onset_bias)
    around = Surroundings(melody_bar, bass_bar, plan.tones, course, deadline)
    state, played = voice.continue_bar(state, around, row, temperature, velocities, rng, max_voices)
    bar = conformed(excerpt(played, beat_of(0), metre.length), row, plan.tones, monophonic=False, voices=max_voices)
    landing = tables.landing_step(plan.role, metre, plan.tones)
    at = landing or 0
    kept = excerpt(bar, beat_of(0), beat_of(at)).notes if at else ()
    if not bar.notes or (landing is not None and all(note.start != beat_of(at) for note in bar)):
        # The chord too lies below the melody, where an octave is left for it.
        top = min((note.pitch - 1 for note in melody_bar if note.end > beat_of(at)), default=pitch_range.high)
        struck = held_chords(
            plan.tones,
            [note.pitch for note in bar] or list(before),
            start=at,
            low=pitch_range.low,
            high=min(pitch_range.high, max(top, pitch_range.low + 12)),
            voices=min(3, max_voices),
            velocity=round(float(velocities[at])),
        )
        bar = Phrase((*kept, *struck), metre.length)
    elif landing is not None:
        close = (replace(note, length=bar.length - note.start) for note in bar if note.start == beat_of(at))
        bar = Phrase((*kept, *close), metre.length)
    return state, bar

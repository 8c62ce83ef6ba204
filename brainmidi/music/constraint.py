"""The tables that keep a model in key, chord, register and metre: additions to the log-odds of each onset.

All pitches here are in the models' space, in which the tonic is C.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from brainmidi.music.form import Role
from brainmidi.music.harmony import Chord, Key, Metre, Tones
from brainmidi.music.metre import MODEL_BAR_STEPS
from brainmidi.music.phrase import step_of
from brainmidi.music.voices import Constraint, Float32Array
from brainmidi.types import Phrase

# Log-odds, set by ear and by the law that a bias persuades while only -inf forbids.
_CHORD_PULL = 1.5  # towards chord tones on a downbeat
_TENSION_PUSH = 0.6  # away from other scale tones on a downbeat
_ACCENT = 0.7  # onsets on strong steps against weak ones
_DENSITY = 6.0  # onsets from a density knob at 0 to one at 1, on the weakest steps
_STEEP = 40.0  # the second part's onsets against the metre: a model that moves in sixteenths is hard to persuade
_OPEN_CALM, _OPEN_BUSY = 0.78, 0.36  # metrical weight from which it may move, for a density knob at 0 and at 1
_SHUT, _WELCOME = -14.0, 4.0  # the ends of that scale
_COMFORT = 5  # semitones from the register's centre that cost nothing
_REACH = 0.05  # cost of each semitone squared beyond that
_LANDING = 6.0  # an onset where a cadence wants one
_STRICT = 3.0  # how steeply the second part's harmony above its middle bends the odds of tones that are foreign
_MEMORY = 1.2  # what the theme did, when it comes back
_JARRING = -0.3  # a tone with less than this does not fit where it stands


def tones_by_step(chords: Sequence[tuple[Fraction, Chord]], key: Key, metre: Metre) -> tuple[Tones, ...]:
    """Return what may sound at each sixteenth of a bar, in the models' space."""
    changes = {step_of(beat): chord.tones(key).transposed(-key.transposition) for beat, chord in chords}
    found: list[Tones] = []
    for step in range(metre.steps):
        found.append(changes[step] if step in changes else found[-1])
    return tuple(found)


def landing_step(role: Role, metre: Metre, tones: Sequence[Tones]) -> int | None:
    """Return the step on which a bar comes to rest, None where it does not.

    At a cadence that is the middle of the bar or, where the bar's last chord comes later, with that chord; at the end
    it comes with the bar's last chord, which is the downbeat of a bar of one chord.
    """
    if role is Role.OPEN:
        return None
    changes = (step for step in range(1, len(tones)) if tones[step] != tones[step - 1])
    return max(changes, default=0) if role is Role.FINAL else max((metre.middle, *changes))


def rest_tones(tones: Tones, role: Role) -> frozenset[int]:
    """Return the pitch classes on which a cadence may land: the tonic at the end, chord tones before."""
    return frozenset({tones.tonic}) if role is Role.FINAL else tones.chord


def onsets(metre: Metre, density: float) -> Float32Array:
    """Return what the metre and a density 0..1 add to the log-odds of an onset at each step, shape (n_steps,)."""
    weights = np.asarray(metre.weights, dtype=np.float32)
    bias = _ACCENT * (weights - 0.35) + _DENSITY * (density - 0.5) * (1.25 - weights)
    return np.asarray(bias, dtype=np.float32)


def melody_bar(
    tones: Sequence[Tones], metre: Metre, role: Role, *, low: int, high: int, centre: float, density: float
) -> Constraint:
    """Return the constraint of one melody bar.

    Parameters
    ----------
    tones : sequence of Tones
        One a step of the bar.
    metre : Metre
        Its weights say where onsets and chord tones belong.
    role : Role
        A cadence forbids onsets after its landing and wants one on it.
    low, high : int
        Lowest and highest pitch, hard limits.
    centre : float
        Pitch around which the line lies, a soft pull.
    density : float
        0..1; 0.5 leaves the model its own.

    Returns
    -------
    Constraint
        ``metre.steps`` rows.
    """
    weights = np.asarray(metre.weights, dtype=np.float32)
    pitches = np.arange(128)
    classes = pitches % 12
    reach = np.maximum(0.0, np.abs(pitches - centre) - _COMFORT)
    pitch_bias = np.full((metre.steps, 128), -np.inf, dtype=np.float32)
    for step, now in enumerate(tones):
        allowed = np.isin(classes, list(now.allowed)) & (pitches >= low) & (pitches <= high)
        in_chord = np.isin(classes, list(now.chord))
        pull = np.where(in_chord, _CHORD_PULL * weights[step], -_TENSION_PUSH * weights[step])
        pitch_bias[step, allowed] = (pull - _REACH * reach**2)[allowed]
    onset_bias = onsets(metre, density)
    landing = landing_step(role, metre, tones)
    if landing is not None:
        onset_bias[landing] = _LANDING
        onset_bias[landing + 1 :] = -np.inf
        away = ~np.isin(classes, list(rest_tones(tones[landing], role)))
        pitch_bias[landing:, away] = -np.inf
        pitch_bias[landing, classes == tones[landing].tonic] += _CHORD_PULL
    return Constraint(pitch_bias, onset_bias)


def recalled(constraint: Constraint, theme: Phrase, *, tones: bool = True) -> Constraint:
    """Return `constraint` leaning towards the rhythm of `theme`, bar against bar, step against step.

    With `tones` it leans towards the pitches of `theme` too.
    """
    pitch_bias = np.array(constraint.pitch_bias)
    onset_bias = np.array(constraint.onset_bias)
    begun = {step_of(note.start): note.pitch for note in theme}
    for step in range(len(constraint)):
        if step in begun:
            onset_bias[step] += _MEMORY
            if not tones:
                continue
            distance = np.abs(np.arange(128) - begun[step])
            closeness = np.where(distance == 0, _MEMORY, np.where(distance <= 2, _MEMORY / 2, 0.0))
            # The harmony may have changed under the theme: what jars with it now is not asked for again.
            pitch_bias[step] += np.where(pitch_bias[step] > _JARRING, closeness, 0.0)
        else:
            onset_bias[step] -= _MEMORY / 2
    return Constraint(pitch_bias, onset_bias)


def two_bars(first: Constraint, second: Constraint) -> Constraint:
    """Return the model's 32 steps: each bar on the first steps of its half, nothing to start on the steps left over."""

    def half(bar: Constraint) -> tuple[Float32Array, Float32Array]:
        pitch_bias = np.full((MODEL_BAR_STEPS, 128), -np.inf, dtype=np.float32)
        onset_bias = np.full(MODEL_BAR_STEPS, -np.inf, dtype=np.float32)
        pitch_bias[: len(bar)] = bar.pitch_bias
        onset_bias[: len(bar)] = bar.onset_bias
        return pitch_bias, onset_bias

    (pitch_a, onset_a), (pitch_b, onset_b) = half(first), half(second)
    return Constraint(np.concatenate([pitch_a, pitch_b]), np.concatenate([onset_a, onset_b]))


def accompaniment_bar(
    tones: Sequence[Tones],
    metre: Metre,
    role: Role,
    *,
    low: int,
    high: int,
    density: float | Float32Array,
    harmony: float = 0.5,
) -> Constraint:
    """Return the constraint of one accompaniment bar: chord tones on the pulses, roots below, open spacing in the bass.

    Parameters and return are those of :func:`melody_bar`, but for these.

    Parameters
    ----------
    density : float or ndarray, shape (n_steps,)
        0..1, of the bar or of each step. It opens one level of the metre after the other, from the two strongest pulses
        of a bar over every pulse to their halves.
    harmony : float
        0..1. At 0 the chord pulls at nothing, so that the model has its own way within the key; at 0.5 it pulls as far
        as it persuades; at 1 nothing but its tones may start on a pulse of the metre.
    """
    weights = np.asarray(metre.weights, dtype=np.float32)
    pull, strict = min(1.0, 2 * harmony), max(0.0, 2 * harmony - 1)
    push = -np.inf if strict == 1 else _STRICT * float(np.log1p(-strict))
    pitches = np.arange(128)
    classes = pitches % 12
    pitch_bias = np.full((metre.steps, 128), -np.inf, dtype=np.float32)
    for step, now in enumerate(tones):
        allowed = np.isin(classes, list(now.allowed)) & (pitches >= low) & (pitches <= high)
        in_chord = np.isin(classes, list(now.chord))
        bias = pull * np.where(in_chord, 1.0 + 1.5 * weights[step], -1.0 - 2.5 * weights[step])
        # Thirds and seconds are mud in the bass: there the root and its fifth lead.
        deep = (pitches < low + 12) & ~np.isin(classes, [now.bass, now.root, (now.root + 7) % 12])
        bias = bias - 2.5 * deep
        if step == 0 or tones[step - 1] != now:
            bias = bias + pull * 4.0 * ((classes == now.bass) & (pitches < low + 14))
        if step in metre.pulses:
            bias = np.where(in_chord, bias, bias + push)
        pitch_bias[step, allowed] = bias[allowed]
    opened = _OPEN_CALM + (_OPEN_BUSY - _OPEN_CALM) * density
    onset_bias = np.clip(_STEEP * (weights - opened), _SHUT, _WELCOME).astype(np.float32)
    landing = landing_step(role, metre, tones)
    if landing is not None:
        onset_bias[landing] = _LANDING
        onset_bias[landing + 1 :] = -np.inf
        away = ~np.isin(classes, list(tones[landing].chord))
        pitch_bias[landing:, away] = -np.inf
    return Constraint(pitch_bias, onset_bias)

"""Whether the controls of a continuation do what they say: level by level, over many seeds.

Each run is an accompaniment to the same four bars of a tune in C; one control moves from level to level, the others
stand still. A control is judged by the means of its levels; a limit by every note of every run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords as chord_codec
from brainmidi.codec.barstrial import n_decoded
from brainmidi.codec.performance import metrical_velocity
from brainmidi.drivers.continuation import BarRequest, Continuation, Controls, ControlSteering
from brainmidi.drivers.timedmodel import StepModel
from brainmidi.errors import ModelError
from brainmidi.evaluate.statistics import spearman
from brainmidi.models.checkpoint import find_checkpoint, read_config
from brainmidi.models.sampling import most_onsets
from brainmidi.types import Note

#: What must hold: rank correlation of level means, share of chord tones on strong beats at full strength.
RANK, STRICT = 0.9, 0.95
LEVELS, SEEDS = 11, 20
#: Random rows through the grammar, and their tokens at least.
ROWS, ROW_TOKENS = 10_000, 64
_TEMPERATURES = (0.3, 2.0)
#: Busy, so that every run has notes enough to be judged: the entropy of a few notes is that of their number.
_STILL = Controls(density=0.8, low=40, high=72, max_voices=4)
_STRONG = 4  # every fourth sixteenth
_BAR = 16

#: The tune: (step, sixteenths, pitch) by bar, and the chords under it.
_TUNE = (
    ((0, 4, 76), (4, 4, 79), (8, 8, 76)),
    ((0, 4, 72), (4, 2, 74), (6, 2, 76), (8, 8, 69)),
    ((0, 6, 77), (6, 2, 76), (8, 4, 74), (12, 4, 72)),
    ((0, 4, 71), (4, 4, 74), (8, 8, 67)),
)
_CHORDS = (((0, "C"),), ((0, "Am"),), ((0, "F"), (8, "Dm")), ((0, "G"),))
_CLASSES = {
    "C": chord_codec.encode(0, "major"),
    "Am": chord_codec.encode(9, "minor"),
    "F": chord_codec.encode(5, "major"),
    "Dm": chord_codec.encode(2, "minor"),
    "G": chord_codec.encode(7, "major"),
}


@dataclass(frozen=True, slots=True)
class Run:
    """What came of one run.

    Parameters
    ----------
    entropy : float
        Mean entropy, in nats, of what was drawn from.
    class_entropy : float
        Entropy, in bits, of the notes' pitch classes; 0 without notes.
    chord_tones, strong : int
        Chord tones among the notes struck on strong beats, and all of these.
    onsets : float
        Sixteenths of a bar on which something is struck, on the mean.
    broken : int
        Notes outside register or bar, or one voice too many, and onsets beyond the density's limit.
    """

    entropy: float
    class_entropy: float
    chord_tones: int
    strong: int
    onsets: float
    broken: int


def evaluate(checkpoint: str | Path, *, progress: Callable[[str], None] = lambda line: None) -> dict[str, Any]:
    """Return :func:`control` of a checkpoint; see :func:`need_bars`."""
    folder = need_bars(checkpoint)
    from brainmidi.models.stepper import TransformerStepper

    return control(TransformerStepper(folder), progress=progress)


def need_bars(checkpoint: str | Path) -> Path:
    """Return the folder of a checkpoint whose controls can be measured, without loading its weights.

    Raises
    ------
    ModelError
        If it is none of bars.
    """
    folder = find_checkpoint(checkpoint)
    codec = read_config(folder, "transformer").get("codec", "performance")
    if codec != "bars":
        raise ModelError(f"checkpoint {folder.name} writes {codec}, controls are measured of bars; name one of bars")
    return folder


def play(model: StepModel, controls: Controls, seed: int) -> Run:
    """Return what a model plays to the tune."""
    player, rng = Continuation(model), np.random.default_rng(seed)
    memory = player.initial()
    entropies, counts = [], np.zeros(12)
    chord_tones = strong = onsets = broken = 0
    for tune, names in zip(_TUNE, _CHORDS, strict=True):
        melody = tuple(
            Note(Fraction(at, 4), Fraction(length, 4), pitch, metrical_velocity(at, _BAR)) for at, length, pitch in tune
        )
        chords = tuple((at, _CLASSES[name]) for at, name in names)
        request = BarRequest(_BAR, chords, melody)
        bar = player.next_bar(memory, request, ControlSteering(lambda beat: controls, _BAR, chords), rng)
        notes = tuple(bar)
        memory = bar.memory
        entropies.append(bar.report.entropy)
        struck = {note.start for note in notes}
        onsets += len(struck)
        broken += max(0, len(struck) - most_onsets(controls.density, _BAR))
        for note in notes:
            counts[note.pitch % 12] += 1
            step = int(note.start * 4)
            if step % _STRONG == 0:
                strong += 1
                now = max(change for change in chords if change[0] <= step)[1]
                chord_tones += note.pitch % 12 in chord_codec.tones(now)
            sounding = sum(other.start <= note.start < other.end for other in notes)
            inside = controls.low <= note.pitch <= controls.high and note.end * 4 <= _BAR
            broken += not inside or sounding > controls.max_voices
    shares = counts[counts > 0] / max(counts.sum(), 1)
    class_entropy = float(abs((shares * np.log2(shares)).sum()))
    return Run(float(np.mean(entropies)), class_entropy, chord_tones, strong, onsets / len(_TUNE), broken)


def control(
    model: StepModel,
    *,
    levels: int = LEVELS,
    seeds: int = SEEDS,
    rows: int = ROWS,
    progress: Callable[[str], None] = lambda line: None,
) -> dict[str, Any]:
    """Measure what the controls do to a model of bars.

    Parameters
    ----------
    model : StepModel
        Over the 220 ids of :mod:`brainmidi.codec.bars`.
    levels, seeds : int
        Of each control, from its lowest value to its highest, and of each level.
    rows : int
        Random rows that are put through the grammar.
    progress : callable, optional
        Told in a line what comes next.

    Returns
    -------
    dict
        Means by level of each control (``temperature``, ``harmony``, ``density``), with Spearman's rank correlations of
        level and mean; ``broken``, how often a limit was; ``rows_decoded``, how many random rows were; ``held``, by
        what must hold, whether it did.
    """
    share = np.linspace(0.0, 1.0, levels)
    low, high = _TEMPERATURES
    temperatures = low + (high - low) * share
    runs: dict[str, list[list[Run]]] = {}
    for name, values in (("temperature", temperatures), ("harmony", share), ("density", share)):
        progress(f"{name}: {levels} levels of {seeds} seeds")
        runs[name] = [
            [play(model, _moved(name, float(value), seed), seed) for seed in range(seeds)] for value in values
        ]
    progress(f"{rows} random rows")
    tokens, classes = _means(runs["temperature"], "entropy"), _means(runs["temperature"], "class_entropy")
    onsets = _means(runs["density"], "onsets")
    # A level's share is that of all its notes: some runs strike nothing on a strong beat.
    strict = [sum(r.chord_tones for r in row) / max(sum(r.strong for r in row), 1) for row in runs["harmony"]]
    found: dict[str, Any] = {
        "temperature": _rounded(temperatures),
        "token_entropy_nats": _rounded(tokens),
        "pitch_class_entropy_bits": _rounded(classes),
        "harmony": _rounded(share),
        "chord_tones_on_strong_beats": _rounded(strict),
        "density": _rounded(share),
        "onsets_a_bar": _rounded(onsets),
        "rank_token_entropy": spearman(temperatures, tokens),
        "rank_pitch_class_entropy": spearman(temperatures, classes),
        "rank_chord_tones": spearman(share, strict),
        "rank_onsets": spearman(share, onsets),
        "broken": sum(run.broken for levels_of in runs.values() for row in levels_of for run in row),
        "runs": 3 * levels * seeds,
        "rows": rows,
        "rows_decoded": n_decoded(rows, ROW_TOKENS, seed=1),
    }
    found["held"] = {
        "temperature raises token entropy": found["rank_token_entropy"] >= RANK,
        "temperature raises pitch-class entropy": found["rank_pitch_class_entropy"] >= RANK,
        "harmony raises chord tones": strict[-1] >= STRICT and strict[-1] > strict[0],
        "limits hold": found["broken"] == 0,
        "random logits decode": found["rows_decoded"] == rows,
    }
    return found


def shown(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Return the figures of :func:`control` as lines of what and how much; a law that is broken says what it lacks."""

    def ends(name: str) -> str:
        return f"{found[name][0]:.3f} to {found[name][-1]:.3f}"

    lines = [
        ("token entropy (nats), Spearman", f"{ends('token_entropy_nats')}, {found['rank_token_entropy']:.3f}"),
        (
            "pitch-class entropy (bits), Spearman",
            f"{ends('pitch_class_entropy_bits')}, {found['rank_pitch_class_entropy']:.3f}",
        ),
        (
            "chord tones on strong beats, Spearman",
            f"{ends('chord_tones_on_strong_beats')}, {found['rank_chord_tones']:.3f}",
        ),
        ("onsets a bar, Spearman", f"{ends('onsets_a_bar')}, {found['rank_onsets']:.3f}"),
        ("limits broken", f"{found['broken']} in {found['runs']} runs"),
        ("random logits decode", f"{found['rows_decoded']} of {found['rows']}"),
    ]
    lacks = {
        "temperature raises token entropy": f"Spearman {found['rank_token_entropy']:.3f}, at least {RANK} is needed",
        "temperature raises pitch-class entropy": (
            f"Spearman {found['rank_pitch_class_entropy']:.3f}, at least {RANK} is needed"
        ),
        "harmony raises chord tones": (
            f"share {ends('chord_tones_on_strong_beats')}, at least {STRICT} and more than at first are needed at last"
        ),
        "limits hold": f"{found['broken']} notes or onsets are beyond them",
        "random logits decode": f"{found['rows'] - found['rows_decoded']} of {found['rows']} rows do not",
    }
    return lines + [(f"held: {what}", "yes" if kept else f"NO, {lacks[what]}") for what, kept in found["held"].items()]


def _moved(name: str, value: float, seed: int) -> Controls:
    """Return the controls with one of them at `value`; for density, under limits that are another for each seed."""
    if name == "temperature":
        return replace(_STILL, temperature=value)
    if name == "harmony":
        return replace(_STILL, harmony=value)
    rng = np.random.default_rng(seed)
    low = int(rng.integers(30, 60))
    return Controls(density=value, low=low, high=low + int(rng.integers(5, 24)), max_voices=int(rng.integers(1, 5)))


def _means(rows: list[list[Run]], name: str) -> NDArray[np.float64]:
    return np.array([np.mean([getattr(run, name) for run in row]) for row in rows])


def _rounded(values: Any) -> list[float]:
    return [round(float(value), 4) for value in values]

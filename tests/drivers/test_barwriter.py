from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.codec import melody as melody_codec
from brainmidi.codec import performance as codec
from brainmidi.drivers.barwriter import BarWriter
from brainmidi.music.ensemble import PartRange
from brainmidi.music.harmony import Key
from brainmidi.music.voices import Constraint
from brainmidi.session import HIGHEST, LOWEST
from brainmidi.types import Note, Phrase

LOW, HIGH = 36, 60


def constraint(n_steps: int, onset: float = 0.0) -> Constraint:
    pitch_bias = np.full((n_steps, 128), -np.inf, dtype=np.float32)
    pitch_bias[:, LOW : HIGH + 1] = 0.0
    return Constraint(pitch_bias, np.full(n_steps, onset, dtype=np.float32))


@st.composite
def melody_bars(draw: st.DrawFn) -> Phrase:
    """One voice on the sixteenth grid, rests included, in a bar of 12 or 16 steps."""
    n_steps = draw(st.sampled_from([12, 16]))
    edges = sorted(draw(st.sets(st.integers(0, n_steps), max_size=8)))
    notes = [
        Note(Fraction(a, 4), Fraction(b - a, 4), draw(st.integers(55, 84)))
        for a, b in pairwise(edges)
        if draw(st.booleans())
    ]
    return Phrase(tuple(notes), Fraction(n_steps, 4))


class Scripted:
    """A model that likes what a seed says; remembers what it was fed."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.fed: list[int] = []

    def __call__(self, token: int) -> np.ndarray:
        self.fed.append(token)
        return self.rng.normal(scale=3.0, size=codec.N_CLASSES).astype(np.float32)


def write(model: Scripted, melody: Phrase, table: Constraint, voices: int = 3) -> Phrase:
    writer = BarWriter(model, model.rng.normal(size=310), melody, table, 1.0, np.random.default_rng(1), voices)
    return writer.write(np.full(len(table), 70.0, dtype=np.float32))


@given(melody_bars(), st.integers(0, 10_000), st.integers(1, 4))
@settings(max_examples=80)
def test_whatever_the_model_likes_the_bar_keeps_metre_register_and_voices(melody, seed, voices) -> None:
    steps = int(melody.length * 4)
    bar = write(Scripted(seed), melody, constraint(steps), voices)
    assert bar.length == melody.length
    for note in bar:
        assert note.part == "accompaniment"
        assert LOW <= note.pitch <= HIGH
        assert (note.start * 4).denominator == 1
        assert (note.end * 4).denominator == 1
        at_once = [other for other in bar if other.start <= note.start < other.end]
        assert len(at_once) <= voices
        assert len({other.pitch for other in at_once}) == len(at_once)


@given(melody_bars(), st.integers(0, 10_000))
@settings(max_examples=80)
def test_the_model_hears_the_melody_in_its_place_and_its_own_notes(melody, seed) -> None:
    model = Scripted(seed)
    bar = write(model, melody, constraint(int(melody.length * 4)))
    heard = codec.decode(model.fed)
    assert heard.length == melody.length
    want = {(n.start, n.pitch) for n in (*melody, *bar)}
    # A melody note that takes over a pitch of ours cuts it; onsets are otherwise exactly both parts'.
    assert {(n.start, n.pitch) for n in heard} == want


@given(melody_bars(), st.integers(0, 10_000))
@settings(max_examples=30)
def test_where_onsets_are_forbidden_none_comes(melody, seed) -> None:
    bar = write(Scripted(seed), melody, constraint(int(melody.length * 4), onset=-np.inf))
    assert bar.notes == ()


def test_the_widest_range_in_the_farthest_key_stays_among_the_pitches_that_the_models_know() -> None:
    moves = [Key(letter + sign).transposition for letter in "CDEFGAB" for sign in ("", "#", "b")]
    widest = PartRange(LOWEST, HIGHEST)
    assert min(widest.lowered(move).low for move in moves) >= max(codec.MIN_PITCH, melody_codec.MIN_PITCH)
    assert max(widest.lowered(move).high for move in moves) <= min(codec.MAX_PITCH, melody_codec.MAX_PITCH)


def test_the_same_seed_writes_the_same_bar() -> None:
    melody = Phrase((Note(Fraction(0), Fraction(1), 72),), Fraction(4))
    assert write(Scripted(3), melody, constraint(16)) == write(Scripted(3), melody, constraint(16))


@given(st.integers(0, 10_000))
@settings(max_examples=30)
def test_where_new_notes_are_unwelcome_the_old_ones_are_held(seed) -> None:
    table = constraint(16)
    unwelcome = np.full(16, -1e6, dtype=np.float32)
    unwelcome[0] = 1e6
    bar = write(Scripted(seed), Phrase((), Fraction(4)), Constraint(table.pitch_bias, unwelcome))
    assert bar.notes
    assert all((note.start, note.length) == (0, 4) for note in bar)

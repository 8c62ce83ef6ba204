"""What is put in order after a model has spoken, and the chords that need none."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import MusicError
from brainmidi.music import constraint as tables
from brainmidi.music import form
from brainmidi.music.conform import conformed, landed
from brainmidi.music.coplayer import voicing
from brainmidi.music.form import Role
from brainmidi.music.harmony import Chord, Key, Metre, Progression
from brainmidi.music.voices import Constraint
from brainmidi.types import Note, Phrase

FOUR = Metre(4, 4)
C = Key("C")


def bar_constraint(role=Role.OPEN, density=0.5, metre=FOUR):
    tones = tables.tones_by_step(Progression.parse("C", C).bar(0, metre), C, metre)
    return tones, tables.melody_bar(tones, metre, role, low=60, high=84, centre=71.0, density=density)


def test_a_constraint_forbids_what_is_out_of_key_or_range_and_nothing_else():
    tones, row = bar_constraint()
    assert row.allowed(0) == tuple(p for p in range(60, 85) if p % 12 in tones[0].allowed)


def test_chord_tones_on_the_downbeat_outweigh_other_scale_tones():
    _, row = bar_constraint()
    assert row.pitch_bias[0, 72] > row.pitch_bias[0, 71] + 1
    assert row.pitch_bias[1, 72] - row.pitch_bias[1, 71] < 0.5


def test_density_moves_weak_steps_more_than_strong_ones():
    sparse, dense = bar_constraint(density=0.0)[1].onset_bias, bar_constraint(density=1.0)[1].onset_bias
    assert np.all(dense > sparse)
    assert dense[1] - sparse[1] > 2 * (dense[0] - sparse[0])


@pytest.mark.parametrize("text", ["4/4", "3/4", "2/4", "6/8"])
def test_density_opens_the_metre_to_the_second_part_level_by_level(text):
    metre, counts = Metre.parse(text), []
    tones, _ = bar_constraint(metre=metre)
    for density in (0.0, 0.5, 1.0):
        row = tables.accompaniment_bar(tones, metre, Role.OPEN, low=36, high=67, density=density)
        assert np.isfinite(row.onset_bias).all(), "a bias persuades, it does not forbid"
        assert row.onset_bias[0] == max(row.onset_bias) > 0
        counts.append(int(np.sum(row.onset_bias > -1)))
    assert counts[0] <= 2
    assert counts[1] == len(metre.pulses)
    assert counts[2] > counts[1] >= counts[0]


def test_harmony_goes_from_the_models_own_way_in_the_key_over_persuasion_to_chord_tones_on_the_pulses():
    metre = Metre.parse("6/8")
    tones, _ = bar_constraint(metre=metre)

    def pitches(harmony):
        row = tables.accompaniment_bar(tones, metre, Role.OPEN, low=36, high=67, density=0.5, harmony=harmony)
        return row.pitch_bias

    usual = tables.accompaniment_bar(tones, metre, Role.OPEN, low=36, high=67, density=0.5).pitch_bias
    assert np.array_equal(pitches(0.5), usual)
    chord, other = 60, 62
    assert {60, 64, 67} == {pitch for pitch in range(60, 68) if pitch % 12 in tones[0].chord}
    odds = [pitches(harmony)[6, chord] - pitches(harmony)[6, other] for harmony in (0.0, 0.25, 0.5, 0.75, 1.0)]
    assert odds[0] == 0
    assert all(after > before for before, after in pairwise(odds))
    strict = np.isfinite(pitches(1.0))
    for step in range(metre.steps):  # the pulses are dotted quarters: step 6 is one, 4 and 8 are none
        allowed = {pitch % 12 for pitch in np.flatnonzero(strict[step])}
        assert allowed == (tones[step].chord if step in (0, 6) else tones[step].allowed)


def test_the_second_part_follows_a_density_that_moves_within_the_bar():
    metre = Metre.parse("4/4")
    tones, _ = bar_constraint()
    densities = np.linspace(0, 1, 16, dtype=np.float32)
    moving, *still = (
        tables.accompaniment_bar(tones, metre, Role.OPEN, low=36, high=67, density=density).onset_bias
        for density in (densities, *densities.tolist())
    )
    assert np.allclose(moving, [row[step] for step, row in enumerate(still)], atol=1e-4)
    assert any(row[2] != moving[2] for row in still)


def test_a_cadence_forbids_onsets_after_its_landing():
    _, row = bar_constraint(Role.CADENCE)
    assert np.all(np.isneginf(row.onset_bias[9:]))
    assert row.onset_bias[8] == row.onset_bias.max()
    _, last = bar_constraint(Role.FINAL)
    assert {pitch % 12 for pitch in last.allowed(0)} == {0}


def test_a_theme_is_leant_on_and_forbids_nothing():
    _, row = bar_constraint()
    theme = Phrase((Note(Fraction(1), Fraction(1), 67),), Fraction(4))
    leaning = tables.recalled(row, theme)
    assert leaning.onset_bias[4] > row.onset_bias[4]
    assert leaning.onset_bias[6] < row.onset_bias[6]
    assert np.argmax(leaning.pitch_bias[4] - np.nan_to_num(row.pitch_bias[4], neginf=0)) == 67
    assert leaning.allowed(4) == row.allowed(4)


def test_a_tone_of_the_theme_that_jars_with_the_new_chord_is_not_asked_for():
    _, row = bar_constraint()
    theme = Phrase((Note(Fraction(0), Fraction(1), 71), Note(Fraction(2), Fraction(1), 72)), Fraction(4))
    leaning = tables.recalled(row, theme)
    assert leaning.pitch_bias[0, 71] == row.pitch_bias[0, 71]
    assert leaning.pitch_bias[8, 72] > row.pitch_bias[8, 72] + 1


def test_the_models_steps_beyond_a_short_bar_stay_silent():
    _, row = bar_constraint(metre=Metre(3, 4))
    both = tables.two_bars(row, row)
    assert len(both) == 32
    assert np.all(np.isneginf(both.onset_bias[12:16]))
    assert np.all(np.isneginf(both.onset_bias[28:]))
    np.testing.assert_array_equal(both.pitch_bias[16:28], row.pitch_bias)


def test_a_constraint_of_the_wrong_shape_is_refused():
    with pytest.raises(MusicError, match="one row a step"):
        Constraint(np.zeros((4, 127)), np.zeros(4))


def test_a_forbidden_pitch_goes_to_the_nearest_allowed_one():
    tones, row = bar_constraint()
    bar = Phrase((Note(Fraction(0), Fraction(1), 61), Note(Fraction(2), Fraction(1), 90)), Fraction(4))
    assert [note.pitch for note in conformed(bar, row, tones, monophonic=True, voices=1)] == [60, 84]


def test_a_note_ends_where_the_next_chord_sends_its_tone_away():
    tones = tables.tones_by_step(Progression.parse("C E7 | C", C).bar(0, FOUR), C, FOUR)
    row = tables.melody_bar(tones, FOUR, Role.OPEN, low=60, high=84, centre=71.0, density=0.5)
    bar = Phrase((Note(Fraction(1), Fraction(3), 67), Note(Fraction(0), Fraction(1), 64)), Fraction(4))
    ends = {note.pitch: note.end for note in conformed(bar, row, tones, monophonic=True, voices=1)}
    assert ends == {64: 1, 67: 2}


def test_a_landing_cuts_what_sounds_before_it_and_holds_to_the_bar_line():
    bar = Phrase((Note(Fraction(0), Fraction(4), 64), Note(Fraction(3), Fraction(1), 65)), Fraction(4))
    assert [(n.start, n.length, n.pitch) for n in landed(bar, 8, (60, 67, 72), 70, "melody")] == [
        (0, 2, 64),
        (2, 2, 67),
    ]
    assert [n.pitch for n in landed(Phrase((), Fraction(4)), 0, (60, 72), 70, "melody")] == [72]


SYMBOLS = st.sampled_from(["C", "Dm7", "G7", "F#m7b5", "Bbmaj7/D", "Edim7", "A13", "Csus4", "Ab"])


@given(SYMBOLS, st.lists(st.integers(30, 80), max_size=4), st.integers(24, 48), st.integers(12, 40), st.integers(1, 5))
def test_a_voicing_has_the_bass_below_chord_tones_in_range(symbol, before, low, width, voices):
    tones = Chord.parse(symbol).tones(C)
    chord = voicing(tones, before, low=low, high=low + width, voices=voices)
    assert 1 <= len(chord) <= voices
    assert all(low <= pitch <= low + width and pitch % 12 in tones.chord for pitch in chord)
    assert tones.bass in {pitch % 12 for pitch in chord}


def test_voices_move_as_little_as_they_can():
    key = Key("C")
    first = voicing(Chord.parse("C").tones(key), (), low=40, high=67)
    second = voicing(Chord.parse("Am").tones(key), first, low=40, high=67)
    assert (first, second) == ((48, 52, 55), (45, 52, 60))


def test_the_form_is_a_a_b_a_with_a_cadence_every_eighth_bar():
    assert [form.theme_key(bar) for bar in range(0, 16, 2)] == [0, 0, 1, 0, 2, 2, 3, 2]
    assert [bar for bar in range(16) if form.role(bar) is Role.CADENCE] == [7, 15]
    assert form.role(3, last=True) is Role.FINAL
    assert [form.recalls_theme(bar) for bar in range(8)] == [False, False, True, True, False, False, True, True]


@given(st.integers(0, 2**63 - 1), st.integers(0, 10_000), st.integers(0, 1))
def test_randomness_belongs_to_its_counters(seed, counter, part):
    drawn = form.generator(seed, counter, part).random(4)
    np.testing.assert_array_equal(drawn, form.generator(seed, counter, part).random(4))
    for other in ((seed + 1, counter, part), (seed, counter + 1, part), (seed, counter, 1 - part)):
        assert not np.array_equal(drawn, form.generator(*other).random(4))

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.errors import MusicError
from brainmidi.music.harmony import MODES, Key, Metre
from brainmidi.music.oddball import Oddball, label_of, tones

METRES = ("4/4", "3/4", "6/8", "7/8", "2/4", "5/8")


def classes(oddball, key, metre, seed, n_bars):
    notes = [note for index in range(n_bars) for note in oddball.notes(index, key, metre, seed)]
    return [label_of(note.pitch, key) for note in notes]


@settings(max_examples=60)
@given(
    every=st.integers(1, 8),
    share=st.sampled_from([0.05, 0.125, 0.2, 0.25, 0.34]),
    metre=st.sampled_from(METRES),
    seed=st.integers(0, 2**63 - 1),
)
def test_no_two_targets_follow_each_other_and_each_group_has_one(every, share, metre, seed):
    found = classes(Oddball(every, share), Key("D", "dorian"), Metre.parse(metre), seed, 40)
    assert all("target" not in (one, two) or one != two for one, two in itertools.pairwise(found))
    size = round(1 / share)
    groups = [found[start : start + size] for start in range(0, len(found) - size + 1, size)]
    assert all(group.count("oddball.target") == 1 and group[0] == "oddball.nontarget" for group in groups)


@pytest.mark.parametrize("metre", METRES)
@pytest.mark.parametrize("every", [1, 2, 3, 4])
def test_stimuli_stand_on_every_so_many_pulses_across_bar_lines(metre, every):
    metre, key = Metre.parse(metre), Key("C")
    pulses = [index * metre.length + Fraction(step, 4) for index in range(12) for step in metre.pulses]
    onsets = [
        index * metre.length + note.start for index in range(12) for note in Oddball(every).notes(index, key, metre, 1)
    ]
    assert onsets == pulses[::every]


def test_a_bar_depends_on_seed_and_index_alone():
    key, metre = Key("A", "minor"), Metre.parse("4/4")
    assert Oddball().notes(7, key, metre, 3) == Oddball().notes(7, key, metre, 3)
    assert classes(Oddball(), key, metre, 1, 20) != classes(Oddball(), key, metre, 2, 20)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("tonic", ["C", "F#", "Bb"])
def test_both_tones_are_in_the_key_and_differ(tonic, mode):
    key = Key(tonic, mode)
    standard, target = tones(key)
    assert 72 <= standard < target <= 91
    assert {standard % 12, target % 12} <= set(key.classes)
    assert standard % 12 == key.tonic_class
    labels = tuple(label_of(pitch, key) for pitch in (standard, target, 1))
    assert labels == ("oddball.nontarget", "oddball.target", None)


@pytest.mark.parametrize("given", [{"every": 0}, {"every": 9}, {"share": 0.5}, {"share": 0.0}, {"velocity": 0}])
def test_settings_outside_their_range_are_refused(given):
    with pytest.raises(MusicError, match=r"outside .*\[oddball\]"):
        Oddball(**given)

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.errors import MidiError
from brainmidi.midi.tempo import TEMPO_RANGE_BPM, TempoMap

BPM = st.floats(*TEMPO_RANGE_BPM)
BEATS = st.fractions(0, 400, max_denominator=48)
CHANGES = st.lists(st.tuples(BEATS, BPM), max_size=6).map(lambda changes: sorted(changes, key=lambda change: change[0]))


def tempo_map(bpm: float, changes: list[tuple[Fraction, float]]) -> TempoMap:
    tempo = TempoMap.steady(bpm)
    for beat, new_bpm in changes:
        tempo = tempo.with_tempo(beat, new_bpm)
    return tempo


@settings(max_examples=50, deadline=None)
@given(BPM, CHANGES, BEATS, BEATS)
def test_a_later_beat_falls_on_a_later_second(bpm, changes, one, other):
    tempo = tempo_map(bpm, changes)
    early, late = sorted((one, other))
    assert (tempo.seconds(early) < tempo.seconds(late)) == (early < late)


@settings(max_examples=50, deadline=None)
@given(BPM, CHANGES, BEATS)
def test_beat_and_seconds_are_inverse(bpm, changes, beat):
    tempo = tempo_map(bpm, changes)
    assert abs(tempo.beat(tempo.seconds(beat)) - beat) < 1e-9


@settings(max_examples=50, deadline=None)
@given(BPM, CHANGES, BPM, BEATS, BEATS)
def test_a_tempo_change_never_moves_the_past(bpm, changes, new_bpm, at_beat, beat):
    before = tempo_map(bpm, changes)
    at_beat = max(at_beat, before.anchors[-1].beat)
    after = before.with_tempo(at_beat, new_bpm)
    past = min(beat, at_beat)
    assert after.seconds(past) == before.seconds(past)
    assert after.bpm(at_beat) == new_bpm


def test_seconds_follow_each_tempo_in_turn():
    tempo = TempoMap.steady(120.0).with_tempo(Fraction(4), 60.0)
    assert [tempo.seconds(Fraction(beat)) for beat in (0, 4, 5, 8)] == [0.0, 2.0, 3.0, 6.0]
    assert tempo.beat(2.5) == Fraction(9, 2)


def test_twelve_triplets_are_exactly_one_bar():
    assert TempoMap.steady(120.0).seconds(sum([Fraction(1, 3)] * 12, Fraction(0))) == 2.0


@pytest.mark.parametrize("bpm", [0.0, -120.0, 9.9, 481.0, float("nan")])
def test_a_tempo_that_would_never_bring_the_next_beat_is_refused(bpm):
    with pytest.raises(MidiError, match=r"outside 10..480"):
        TempoMap.steady(bpm)


def test_a_change_before_an_earlier_change_is_refused():
    tempo = TempoMap.steady(120.0).with_tempo(Fraction(8), 90.0)
    with pytest.raises(MidiError, match="append changes in order"):
        tempo.with_tempo(Fraction(7), 100.0)

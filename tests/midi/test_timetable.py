from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_takes import make_bar

from brainmidi.errors import MidiError
from brainmidi.midi.timetable import bar_events
from brainmidi.types import Note


@st.composite
def notes(draw) -> Note:
    start = draw(st.fractions(0, Fraction(15, 4), max_denominator=12))
    length = draw(st.fractions(Fraction(1, 12), 4 - start, max_denominator=12))
    part = draw(st.sampled_from(["melody", "accompaniment"]))
    return Note(start, length, draw(st.integers(60, 63)), draw(st.integers(1, 127)), part)


BARS = st.lists(notes(), max_size=20).map(lambda drawn: make_bar(3, tuple(drawn)))
F = Fraction


def table(*drawn: Note) -> list[tuple[Fraction, str, int, int]]:
    names = {0x80: "off", 0x90: "on"}
    events = bar_events(make_bar(0, drawn))
    return [(event.beat, names[event.data[0] & 0xF0], event.data[1], event.data[2]) for event in events]


@settings(max_examples=40, deadline=None)
@given(BARS)
def test_every_note_on_is_closed_before_it_is_struck_again_and_nothing_is_open_at_the_end(bar):
    sounding = set()
    for event in bar_events(bar):
        key = (event.data[0] & 0x0F, event.data[1])
        if event.data[0] & 0xF0 == 0x90:
            assert key not in sounding
            sounding.add(key)
        else:
            sounding.remove(key)
        assert bar.start <= event.beat <= bar.end
    assert not sounding


@settings(max_examples=40, deadline=None)
@given(BARS)
def test_events_come_in_order_of_beat_and_rank(bar):
    events = bar_events(bar)
    assert list(events) == sorted(events)


@settings(max_examples=30, deadline=None)
@given(BARS)
def test_a_pitch_sounds_over_the_union_of_its_notes_and_is_struck_at_every_onset(bar):
    grid = [Fraction(step, 144) for step in range(0, 4 * 144)]
    struck = {(event.data[0] & 15, event.data[1], event.beat) for event in bar_events(bar) if event.rank == 2}
    channel = {"melody": 0, "accompaniment": 1}
    assert struck == {(channel[note.part], note.pitch, bar.start + note.start) for note in bar.phrase}
    for key in {(note.part, note.pitch) for note in bar.phrase}:
        wanted = [any(n.start <= beat < n.end for n in bar.phrase if (n.part, n.pitch) == key) for beat in grid]
        changes = [
            (event.beat - bar.start, event.rank == 2)
            for event in bar_events(bar)
            if (event.data[0] & 15, event.data[1]) == (channel[key[0]], key[1])
        ]
        state, sounding = iter([*changes, (Fraction(99), False)]), []
        now, (next_beat, next_on) = False, next(state)
        for beat in grid:
            while next_beat <= beat:
                now, (next_beat, next_on) = next_on, next(state)
            sounding.append(now)
        assert sounding == wanted


def test_note_off_precedes_note_on_at_the_same_beat():
    assert table(Note(F(0), F(1), 60, 80), Note(F(1), F(1), 60, 90), Note(F(1), F(1), 48, 70)) == [
        (0, "on", 60, 80),
        (1, "off", 60, 0),
        (1, "on", 48, 70),
        (1, "on", 60, 90),
        (2, "off", 48, 0),
        (2, "off", 60, 0),
    ]


def test_a_pitch_repeated_while_open_is_closed_first_and_sounds_to_the_later_end():
    assert table(Note(F(0), F(4), 60, 80), Note(F(1), F(1), 60, 90)) == [
        (0, "on", 60, 80),
        (1, "off", 60, 0),
        (1, "on", 60, 90),
        (4, "off", 60, 0),
    ]


def test_two_notes_on_one_onset_become_one_with_the_greater_velocity_and_length():
    assert table(Note(F(0), F(1), 60, 90), Note(F(0), F(2), 60, 80)) == [(0, "on", 60, 90), (2, "off", 60, 0)]


def test_parts_on_one_channel_do_not_cut_each_other():
    bar = make_bar(0, (Note(F(0), F(2), 60, 80), Note(F(1), F(3), 60, 70, "accompaniment")))
    events = bar_events(bar, {"melody": 5, "accompaniment": 5})
    assert [(event.beat, event.data) for event in events] == [
        (0, (0x94, 60, 80)),
        (1, (0x84, 60, 0)),
        (1, (0x94, 60, 70)),
        (4, (0x84, 60, 0)),
    ]


def test_an_empty_bar_has_no_events():
    assert bar_events(make_bar(7, ())) == ()


def test_a_part_without_a_channel_is_named():
    with pytest.raises(MidiError, match=r"part 'drums' has no MIDI channel"):
        bar_events(make_bar(0, (Note(F(0), F(1), 36, 80, "drums"),)))


@pytest.mark.parametrize("channel", [0, 17])
def test_a_channel_outside_1_to_16_is_refused(channel):
    with pytest.raises(MidiError, match=r"outside 1\.\.16"):
        bar_events(make_bar(0, (Note(F(0), F(1), 60),)), {"melody": channel})

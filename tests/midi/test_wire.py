from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st
from midi_takes import make_bar, stand_in

from brainmidi.errors import MidiError
from brainmidi.midi.handover import Handover
from brainmidi.midi.timetable import DEFAULT_CHANNELS
from brainmidi.midi.wire import Segment, TimedEvent, dump, load
from brainmidi.types import Note

beats = st.fractions(min_value=0, max_value=64, max_denominator=960)
events = st.builds(TimedEvent, beats, st.sampled_from((0, 1, 2)), st.tuples(*[st.integers(0, 127)] * 3))
segments = st.builds(
    Segment,
    st.integers(0, 999),
    beats,
    st.just(Fraction(7, 2)),
    st.floats(10.0, 480.0),
    st.lists(events, max_size=8).map(tuple),
    st.sampled_from(("bar", "fallback")),
    st.integers(0, 999),
)


@given(segments, st.none() | segments)
def test_a_bar_and_its_fallback_are_the_same_at_the_other_end(bar, fallback):
    message = {"op": "bar", "bar": bar, "fallback": fallback}
    assert load(dump(message)) == message


def test_what_the_composer_hands_over_is_the_same_for_a_player_in_its_process_and_one_behind_the_pipe():
    message = Handover(DEFAULT_CHANNELS).pack(bar := make_bar(0, (Note(0, 1, 60, 80),)), stand_in(bar))
    assert load(dump(message)) == message


@pytest.mark.parametrize(
    "message", [{"op": "knobs", "values": {"bar": 0.5}}, {"op": "stop"}, {"op": "hold", "on": None}]
)
def test_other_messages_pass_as_they_are(message):
    assert load(dump(message)) == message


@pytest.mark.parametrize("line", [b"{", b"[]", b'"bar"'])
def test_what_is_no_message_is_refused(line):
    with pytest.raises(MidiError, match="between composer and player"):
        load(line)

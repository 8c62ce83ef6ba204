"""Notes in a zone, held against what the specification of MPE (M1-100-UM, version 1.1) asks of a sender."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_takes import make_bar
from mpe_receiver import Receiver

from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.handover import Handover
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timetable import Timetable, Zone, bar_events
from brainmidi.types import Note

F = Fraction
CHANNELS = {"melody": Zone(5), "accompaniment": 9}
MCM = [(0xB0, 101, 0), (0xB0, 100, 6), (0xB0, 6, 5)]


@st.composite
def phrases(draw):
    """Return bars of notes no two of which begin or end together: which channel has been free longest is then plain."""
    bars = []
    for _ in range(draw(st.integers(1, 3))):
        ends = draw(st.lists(st.integers(2, 191), min_size=1, max_size=20, unique=True))
        notes = []
        for place, end in enumerate(sorted(ends)):
            start = draw(st.integers(max(0, end - 40), end - 1))
            notes.append(Note(F(start, 48), F(end - start, 48), 40 + place, 80))
        bars.append(tuple({note.start: note for note in notes}.values()))
    return bars


@settings(max_examples=60, deadline=None)
@given(phrases())
def test_each_note_has_the_member_channel_that_was_let_go_the_longest_ago(phrases):
    table, receiver = Timetable(CHANNELS), Receiver()
    for index, notes in enumerate(phrases):
        for event in table.events(make_bar(index, notes)):
            receiver.take(event.data)
    assert receiver.members == 5
    assert not receiver.sounding


def test_the_zone_is_configured_before_its_first_note_and_no_parameter_stays_chosen():
    events = [event.data for event in bar_events(make_bar(0, (Note(F(0), F(1), 60, 80),)), CHANNELS)]
    assert events[:3] == MCM
    assert events[3:5] == [(0xB0, 101, 127), (0xB0, 100, 127)]
    assert events[5:] == [(0x91, 60, 80), (0x81, 60, 0)]
    assert all(data[0] & 0xF0 != 0xB0 for data in (e.data for e in bar_events(make_bar(1, ()), CHANNELS)))


def test_more_notes_than_members_share_the_channel_that_is_free_first_and_close_where_they_began():
    notes = [Note(F(0), F(4 - place, 2), 60 + place, 80) for place in range(3)]
    events = [event.data for event in bar_events(make_bar(1, tuple(notes)), {"melody": Zone(2)})]
    assert [data for data in events if data[0] & 0xF0 == 0x90] == [(0x91, 60, 80), (0x92, 61, 80), (0x92, 62, 80)]
    assert {(data[0] & 15, data[1]) for data in events if data[0] & 0xF0 == 0x80} == {(1, 60), (2, 61), (2, 62)}


def test_what_may_stand_in_for_a_bar_takes_the_channels_that_the_bar_would_have():
    handover = Handover({"melody": Zone(5)})
    note = (Note(F(0), F(1), 60, 80),)
    first = handover.pack(make_bar(0, note), make_bar(1, note))
    second = handover.pack(make_bar(1, note), make_bar(2, note))
    struck = [
        [event.data for event in segment.events if event.data[0] & 0xF0 == 0x90]
        for segment in (first["bar"], first["fallback"], second["bar"], second["fallback"])
    ]
    assert struck == [[(0x91, 60, 80)], [(0x92, 60, 80)], [(0x92, 60, 80)], [(0x93, 60, 80)]]


@pytest.mark.parametrize("how", ["panic", "close"])
def test_a_panic_closes_notes_on_their_own_channels_and_lets_each_go(how):
    output, clock = RecordingOutput(), VirtualClock()
    player = LocalPlayer(clock, output, channels=CHANNELS, settings=PlayerSettings())
    player.send(make_bar(0, tuple(Note(F(0), F(4), 60 + place, 80) for place in range(3))), None)
    start_s = player.begin(0.0)
    clock.sleep_until(start_s + 0.5)
    player.poll()
    before = len(output.sent)
    player.panic() if how == "panic" else player.stop()
    after = output.sent[before:]
    assert after[:3] == [(0x81 + place, 60 + place, 0) for place in range(3)]
    for channel in (1, 2, 3):
        assert [data[1:] for data in after if data[0] == 0xB0 | channel] == [(64, 0), (123, 0), (120, 0)]

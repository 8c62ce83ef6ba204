from __future__ import annotations

from fractions import Fraction

import pytest
from midi_takes import make_take

from brainmidi.errors import MidiError
from brainmidi.midi.capture import last_bars, write_capture
from brainmidi.midi.files import read_events
from brainmidi.midi.song import read_song
from brainmidi.midi.timetable import bar_events
from brainmidi.types import MidiEvent

STYLE = {"metre": "4/4", "sharps": 0, "minor": True}


@pytest.mark.parametrize(
    ("sounding", "count", "indices"), [(5, 2, [3, 4]), (5, 9, [0, 1, 2, 3, 4]), (1, 4, [0]), (0, 4, [0])]
)
def test_the_last_bars_are_those_that_have_ended(sounding, count, indices):
    bars = dict(enumerate(make_take(6)))
    assert [bar.index for bar in last_bars(bars, sounding, count)] == indices


def test_before_the_first_bar_there_is_nothing_to_capture(tmp_path):
    assert last_bars({}, -1, 4) == ()
    with pytest.raises(MidiError, match="no bar has begun yet"):
        write_capture(tmp_path, (), **STYLE)


def test_a_capture_begins_with_its_first_bar_and_holds_what_was_played_along(tmp_path):
    bars = make_take(4, seed=3)[2:]
    on, off = (
        MidiEvent(Fraction(beat), rank, (status, 62, velocity))
        for beat, rank, status, velocity in ((9, 2, 0x93, 70), (10, 0, 0x83, 0))
    )
    before, after = (MidiEvent(Fraction(beat), 2, (0x93, 61, 70)) for beat in (7, 16))
    let_go = MidiEvent(Fraction(15, 2), 0, (0x83, 61, 0))
    path = write_capture(tmp_path, bars, **STYLE, performed=(before, let_go, on, off, after))
    wanted = [(event.beat - 8, event.rank, event.data) for bar in bars for event in bar_events(bar)]
    events = [(event.beat, event.rank, event.data) for event in read_events(path)]
    ours = [event for event in events if event[2][0] & 0x0F != 3]
    assert sorted(ours) == sorted(wanted)
    assert [event for event in events if event not in ours] == [(1, 2, (0x93, 62, 70)), (2, 0, (0x83, 62, 0))]
    assert {note.track for note in read_song(path).notes} == {"melody", "accompaniment", "performer"}


def test_a_capture_never_overwrites_another(tmp_path):
    bars = make_take(1)
    paths = [write_capture(tmp_path / "new", bars, **STYLE) for _ in range(3)]
    assert len(set(paths)) == 3
    assert len({path.read_bytes() for path in paths}) == 1
    assert all(path.name.startswith("capture_20") for path in paths)


def test_a_folder_that_cannot_be_written_is_said_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(MidiError, match=r"cannot be written .* -o"):
        write_capture(tmp_path / "file", make_take(1), **STYLE)


def test_what_the_performer_holds_at_the_end_is_let_go_there(tmp_path):
    path = write_capture(tmp_path, make_take(1), **STYLE, performed=(MidiEvent(Fraction(3), 2, (0x93, 62, 70)),))
    last = [event for event in read_events(path) if event.data[0] & 0x0F == 3][-1]
    assert (last.beat, last.data) == (4, (0x83, 62, 0))


@pytest.mark.parametrize("let_go", [None, 9, 13])
def test_a_note_held_since_before_the_capture_begins_with_it(tmp_path, let_go):
    bars = make_take(4)[2:]
    earlier = [MidiEvent(Fraction(5), 2, (0x93, 50, 60)), MidiEvent(Fraction(6), 0, (0x83, 50, 0))]
    held = [MidiEvent(Fraction(7), 2, (0x93, 62, 70)), MidiEvent(Fraction(15, 2), 1, (0xB3, 62, 1))]
    ends = [] if let_go is None else [MidiEvent(Fraction(let_go), 0, (0x83, 62, 0))]
    path = write_capture(tmp_path, bars, **STYLE, performed=(*earlier, *held, *ends))
    found = [(event.beat, event.data) for event in read_events(path) if event.data[0] & 0x0F == 3]
    assert found == [(0, (0x93, 62, 70)), (let_go - 8 if let_go else 8, (0x83, 62, 0))]

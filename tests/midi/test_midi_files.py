from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from itertools import chain

import mido
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_takes import make_bar, make_take

from brainmidi.errors import MidiError
from brainmidi.midi.files import read_events, write_midi
from brainmidi.midi.timetable import bar_events
from brainmidi.types import MidiEvent, Note

F = Fraction


def save(path, bars, **options):
    write_midi(path, bars, metre="4/4", sharps=0, minor=True, title="take", **options)


def events_of(bars):
    return tuple(chain.from_iterable(bar_events(bar) for bar in bars))


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.integers(0, 4), st.floats(40.0, 200.0))
def test_a_written_take_is_read_back_as_the_same_event_table(tmp_path_factory, seed, n_bars, bpm):
    path = tmp_path_factory.mktemp("midi") / "take.mid"
    bars = make_take(n_bars, seed=seed, bpm=bpm)
    save(path, bars)
    assert read_events(path) == events_of(bars)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000), st.integers(0, 12 * 960).map(lambda tick: F(tick, 960)))
def test_a_cut_take_keeps_what_was_before_the_cut_and_closes_what_was_open(tmp_path_factory, seed, end):
    path = tmp_path_factory.mktemp("midi") / "take.mid"
    bars = make_take(3, seed=seed)
    save(path, bars, end_beat=end)
    events = read_events(path)
    assert [event for event in events if event.beat < end] == [e for e in events_of(bars) if e.beat < end]
    assert max((event.beat for event in events), default=F(0)) <= end
    sounding = set()
    for event in events:
        key = (event.data[0] & 15, event.data[1])
        sounding = sounding | {key} if event.rank == 2 else sounding - {key}
    assert not sounding


def test_the_conductor_track_has_title_metre_key_tempi_and_markers_where_the_anchor_changes(tmp_path):
    bars = [
        make_bar(0, (), length=3, bpm=120.0, anchor="river"),
        make_bar(1, (), length=3, bpm=120.0, anchor="river"),
        make_bar(2, (), length=3, bpm=90.0, anchor="meadow"),
    ]
    write_midi(tmp_path / "take.mid", bars, metre="3/4", sharps=0, minor=True, title="a take")
    song = mido.MidiFile(tmp_path / "take.mid")
    conductor, now, rows = song.tracks[0], 0, []
    for message in conductor:
        now += message.time
        values = [value for name, value in message.dict().items() if name not in ("type", "time")]
        rows.append((now, message.type, values[0] if values else ""))
    assert (song.type, song.ticks_per_beat) == (1, 960)
    assert rows == [
        (0, "track_name", "a take"),
        (0, "time_signature", 3),
        (0, "key_signature", "Am"),
        (0, "set_tempo", 500000),
        (0, "marker", "river"),
        (6 * 960, "set_tempo", 666667),
        (6 * 960, "marker", "meadow"),
        (9 * 960, "end_of_track", ""),
    ]


def test_a_masters_tempi_go_before_the_bars_own_and_events_are_marked(tmp_path):
    bars = make_take(3)
    seen = [replace(bar.controls, anchor_steps=steps) for bar, steps in zip(bars, (4, 4, 5), strict=True)]
    bars = [replace(bar, controls=controls) for bar, controls in zip(bars, seen, strict=True)]
    tempi = [(Fraction(0), 100.0), (Fraction(5), 125.0), (Fraction(40), 200.0)]
    write_midi(tmp_path / "take.mid", bars, metre="4/4", sharps=0, minor=True, title="a take", tempi=tempi)
    now, rows = 0, []
    for message in mido.MidiFile(tmp_path / "take.mid").tracks[0]:
        now += message.time
        if message.type in ("set_tempo", "marker"):
            rows.append((now / 960, message.dict().get("tempo", message.dict().get("text"))))
    assert rows == [(0, 600_000), (0, "river"), (5, 480_000), (8, "event 5")]


def test_each_part_has_a_named_track_with_its_own_channel(tmp_path):
    save(tmp_path / "take.mid", make_take(2))
    tracks = mido.MidiFile(tmp_path / "take.mid").tracks[1:]
    assert [track.name for track in tracks] == ["melody", "accompaniment"]
    assert [{m.channel for m in track if not m.is_meta} for track in tracks] == [{0}, {1}]


def test_bass_and_drums_have_their_tracks_and_keep_their_timing(tmp_path):
    notes = (Note(F(0), F(1), 36, part="bass"), Note(F(11, 96), F(1, 4), 38, part="drums"))
    channels = {"melody": 1, "accompaniment": 2, "bass": 3, "drums": 10}
    save(tmp_path / "take.mid", [make_bar(0, notes)], channels=channels)
    tracks = mido.MidiFile(tmp_path / "take.mid").tracks[1:]
    assert [track.name for track in tracks] == list(channels)
    assert {m.channel for m in tracks[3] if not m.is_meta} == {9}
    on = next(event for event in read_events(tmp_path / "take.mid") if event.data[0] == 0x99)
    assert (on.beat, on.data[1]) == (F(11, 96), 38)


def test_messages_given_outright_are_written_as_they_are(tmp_path):
    events = (
        MidiEvent(F(0), 2, (0x90, 60, 80)),
        MidiEvent(F(1, 2), 1, (0xB4, 21, 64)),
        MidiEvent(F(3, 4), 0, (0x80, 60, 0)),
        MidiEvent(F(3, 4), 1, (0xB0, 64, 0)),
        MidiEvent(F(3, 4), 1, (0xB0, 123, 0)),
        MidiEvent(F(3, 4), 1, (0xB0, 120, 0)),
    )
    save(tmp_path / "take.mid", make_take(1), events=events, end_beat=F(3, 4))
    assert read_events(tmp_path / "take.mid") == events
    assert [track.name for track in mido.MidiFile(tmp_path / "take.mid").tracks][3:] == ["channel 5"]


def test_a_note_shorter_than_a_tick_stays_closed_after_it_is_opened(tmp_path):
    save(tmp_path / "take.mid", [make_bar(0, (Note(F(1, 7), F(1, 9999), 60),))])
    assert [event.rank for event in read_events(tmp_path / "take.mid")] == [2, 0]


def test_an_independent_reader_finds_every_note(tmp_path):
    pretty_midi = pytest.importorskip("pretty_midi")
    bars = make_take(4, seed=5)
    save(tmp_path / "take.mid", bars)
    song = pretty_midi.PrettyMIDI(str(tmp_path / "take.mid"))
    n_notes = sum(len(instrument.notes) for instrument in song.instruments)
    assert n_notes == sum(event.rank == 2 for event in events_of(bars))
    assert song.get_end_time() <= 8.0


def test_a_save_that_fails_half_way_leaves_the_last_save(tmp_path, monkeypatch):
    path = tmp_path / "take.mid"
    save(path, make_take(1))
    before = path.read_bytes()

    def half(song, filename):
        with open(filename, "wb") as file:
            file.write(b"MThd")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(mido.MidiFile, "save", half)
    with pytest.raises(MidiError, match="No space left on device"):
        save(path, make_take(2))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_empty_take_is_still_a_file(tmp_path):
    save(tmp_path / "new folder" / "take.mid", [])
    assert read_events(tmp_path / "new folder" / "take.mid") == ()


@pytest.mark.parametrize("content", [b"", b"not a midi file", None])
def test_what_is_no_midi_file_is_said_in_one_line(tmp_path, content):
    path = tmp_path / "take.mid"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(MidiError, match=r"take\.mid cannot be read as a MIDI file"):
        read_events(path)


@pytest.mark.parametrize("metre", ["4", "4/5", "four/four", "0/4"])
def test_a_metre_that_no_file_can_hold_is_refused(tmp_path, metre):
    with pytest.raises(MidiError, match="cannot be written"):
        write_midi(tmp_path / "take.mid", [], metre=metre, sharps=0, minor=False, title="take")


@pytest.mark.parametrize(
    ("sharps", "minor", "signature"),
    [(0, False, "C"), (0, True, "Am"), (3, True, "F#m"), (-2, False, "Bb"), (-7, False, "Cb"), (7, True, "A#m")],
)
def test_the_key_signature_is_written_as_it_is_given(tmp_path, sharps, minor, signature):
    write_midi(tmp_path / "take.mid", [], metre="4/4", sharps=sharps, minor=minor, title="take")
    found = [
        message.key for message in mido.MidiFile(tmp_path / "take.mid").tracks[0] if message.type == "key_signature"
    ]
    assert found == [signature]


@pytest.mark.parametrize("sharps", [-8, 8])
def test_a_key_signature_that_no_file_can_hold_is_refused(tmp_path, sharps):
    with pytest.raises(MidiError, match=r"-7 \(flats\) to 7 are allowed"):
        write_midi(tmp_path / "take.mid", [], metre="4/4", sharps=sharps, minor=False, title="take")


@pytest.mark.parametrize("data", [(0xB3, 64, 127), (0xA3, 64, 9), (0xC3, 64), (0xD3, 64)])
def test_a_message_with_the_number_of_an_open_key_does_not_hide_that_it_is_open(tmp_path, data):
    path = tmp_path / "take.mid"
    played = (MidiEvent(Fraction(1), 2, (0x93, 64, 70)), MidiEvent(Fraction(2), 1, data))
    save(path, make_take(1), performed=played)
    found = [event for event in read_events(path) if event.data[0] & 0x0F == 3]
    assert [(event.beat, event.data) for event in found] == [
        (1, (0x93, 64, 70)),
        (2, data),
        (4, (0x83, 64, 0)),
    ]

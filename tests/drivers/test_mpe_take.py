"""A take whose melody has a channel for each note: live and offline, in the file and in a capture."""

from __future__ import annotations

from drivers_takes import make_session, make_signal
from mpe_receiver import Receiver

from brainmidi.drivers.offline import score_signal
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.take import TakeFiles, TakeKeeper
from brainmidi.midi.capture import write_capture
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.files import read_events
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.song import read_song
from brainmidi.midi.timetable import Zone
from brainmidi.music.harmony import Key

CHANNELS = {"melody": Zone(5), "accompaniment": 9}


def make_keeper(path):
    return TakeKeeper(TakeFiles(path), metre="4/4", key=Key.parse("D dorian"), channels=CHANNELS, autosave=False)


def test_a_take_in_a_zone_is_the_same_live_and_offline_and_has_one_named_track(tmp_path):
    output, clock = RecordingOutput(), VirtualClock()
    live, plain = tmp_path / "live.mid", tmp_path / "offline.mid"
    with (
        LocalPlayer(clock, output, channels=CHANNELS) as player,
        make_keeper(live) as keeper,
    ):
        take = Performance(make_signal(), make_session, player, clock, keeper, virtual=True).run()
    with make_keeper(plain) as keeper:
        score_signal(make_signal(), make_session(), keeper)
    assert read_events(live) == read_events(plain)
    receiver = Receiver()
    for data in output.sent:
        receiver.take(data)
    assert receiver.members == 5
    assert not receiver.sounding
    song = read_song(live)
    assert {note.track for note in song.notes} == {"melody", "accompaniment"}
    assert {note.channel for note in song.notes if note.track == "melody"} == {1, 2, 3, 4, 5}
    captured = read_song(write_capture(tmp_path, take.bars[2:4], metre="4/4", sharps=0, minor=True, channels=CHANNELS))
    assert {note.track for note in captured.notes} == {"melody", "accompaniment"}

"""A performer at the keys while the brain plays, on the virtual clock: every press falls on a bar of the take."""

from __future__ import annotations

import json
from pathlib import Path

from drivers_takes import CHANNELS, SlowMelody, make_keeper, make_session, make_signal, offline
from fakes import ANCHORS, FakeAccompaniment, FakeMelody
from saved import assert_sent_as_saved

from brainmidi.config import parse_config
from brainmidi.drivers.desk import Desk
from brainmidi.drivers.faders import FaderRule
from brainmidi.drivers.live import improvise
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.take import TakeFiles
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.files import read_events
from brainmidi.midi.keys import Key
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.song import read_song


def perform(path: Path, presses, *, desk=None, settings=None, trace=None, melody=None, told=None):
    """Play live; when bar `n` begins, ``presses[n](player)`` is called. `melody` is a function of the clock."""
    clock, output = VirtualClock(), RecordingOutput()

    def pressed(bar, lateness_ms):
        if told is not None:
            told.append(bar)
        if bar.index in presses:
            presses[bar.index](player)

    with (
        LocalPlayer(clock, output, channels=CHANNELS, settings=settings) as player,
        make_keeper(path, on_bar=pressed, trace=trace) as keeper,
    ):
        make = lambda: make_session(None if melody is None else melody(clock))  # noqa: E731
        take = Performance(make_signal(), make, player, clock, keeper, virtual=True, desk=desk).run()
    return take, output


def test_a_performer_who_does_nothing_changes_nothing(tmp_path):
    desk = Desk({"density": FaderRule(7)}, capture_bars=2)
    live, _ = perform(tmp_path / "live.mid", {}, desk=desk)
    assert live.bars == offline(tmp_path / "offline.mid").bars


def test_a_fader_takes_a_knob_over_from_the_next_controls_on_and_the_trace_says_so(tmp_path):
    trace = tmp_path / "trace.jsonl"
    desk = Desk({"density": FaderRule(7)})
    take, _ = perform(tmp_path / "a.mid", {1: lambda player: player.hear((0xB0, 7, 127))}, desk=desk, trace=trace)
    density = [bar.controls.knobs["density"] for bar in take.bars]
    assert all(value < 1.0 for value in density[:2])
    assert density[3:] == [1.0] * len(density[3:])
    assert len(density) > 4
    traced = [json.loads(line)["knobs"]["density"] for line in trace.read_text().splitlines()]
    assert traced == [round(value, 4) for value in density]


def test_a_key_gives_the_knob_back_to_the_brain_and_is_not_saved_as_played(tmp_path):
    presses = {
        1: lambda player: player.hear((0xB0, 7, 127)),
        3: lambda player: (player.hear((0x90, 23, 1)), player.hear((0x80, 23, 0))),
    }
    settings = PlayerSettings(keys={"release": Key(note=23)})
    desk = Desk({"density": FaderRule(7)})
    take, _ = perform(tmp_path / "a.mid", presses, desk=desk, settings=settings)
    density = [bar.controls.knobs["density"] for bar in take.bars]
    plain = [bar.controls.knobs["density"] for bar in offline(tmp_path / "plain.mid").bars]
    assert density[3] == 1.0
    assert density[5:] == plain[5:] != []
    assert not any(note.track == "performer" for note in read_song(tmp_path / "a.mid").notes)


def test_a_fallback_that_is_held_is_told_as_it_sounds(tmp_path):
    told = []
    presses = {2: lambda player: player.hold(True), 5: lambda player: player.hold(False)}
    melody = lambda clock: SlowMelody(clock, 3.0, {2})  # noqa: E731
    take, _ = perform(tmp_path / "a.mid", presses, melody=melody, told=told)
    assert [bar.fallback for bar in take.bars[:7]] == [False, False, True, True, True, True, False]
    assert all(bar.phrase == take.bars[2].phrase for bar in take.bars[3:6])
    assert [(bar.index, bar.start, bar.phrase) for bar in told] == [
        (bar.index, bar.start, bar.phrase) for bar in take.bars
    ]


def test_what_is_played_along_is_saved_on_a_track_of_its_own(tmp_path):
    path = tmp_path / "a.mid"
    presses = {1: lambda player: player.hear((0x94, 50, 99)), 2: lambda player: player.hear((0x84, 50, 0))}
    take, output = perform(path, presses)
    (note,) = [note for note in read_song(path).notes if note.track == "performer"]
    assert (note.pitch, note.velocity, note.channel) == (50, 99, 4)
    assert take.bars[1].start <= note.start < note.end <= take.bars[3].start
    assert not any(data[0] & 0x0F == 4 for data in output.sent), "nothing is echoed"


def test_a_held_bar_sounds_again_and_is_saved_as_it_sounded(tmp_path):
    path = tmp_path / "a.mid"
    presses = {2: lambda player: player.hold(), 3: lambda player: player.hold(False)}
    take, output = perform(path, presses)
    plain = offline(tmp_path / "plain.mid").bars
    assert [bar.phrase for bar in take.bars[:3]] == [bar.phrase for bar in plain[:3]]
    assert take.bars[3].phrase == take.bars[2].phrase
    assert [bar.index for bar in take.bars if bar.fallback] == [3]
    assert take.summary.timing is None or take.summary.timing.late_bars == ()
    assert_sent_as_saved(read_events(path), output.sent)


def test_a_key_saves_the_last_bars_and_the_music_goes_on(tmp_path):
    said = []
    desk = Desk(capture_bars=2, say=said.append)
    settings = PlayerSettings(keys={"capture": Key(note=22)})
    take, _ = perform(
        tmp_path / "a.mid",
        {3: lambda player: player.hear((0x90, 22, 1)), 4: lambda player: player.capture()},
        desk=desk,
        settings=settings,
    )
    first, second = sorted(tmp_path.glob("capture_*.mid"), key=lambda path: (len(path.name), path.name))
    assert said == [f"captured bars 2 to 3 in {first}", f"captured bars 3 to 4 in {second}"]
    notes = sum(len(bar.phrase.notes) for bar in take.bars[1:3])
    assert len(read_song(first).notes) == notes > 0
    assert take.bars == offline(tmp_path / "plain.mid").bars


def test_a_session_file_sends_features_and_knobs_out_as_whatever_it_says(tmp_path):
    tables = {
        "alpha": {"feature": "alpha.posterior", "send": "nrpn", "number": 300, "bits": 14},
        "fine": {"knob": "density", "number": 20, "bits": 14, "channel": 5},
        "bend": {"knob": "tempo", "send": "bend", "channel": 6, "low": 1.0, "high": 0.0},
    }
    config = parse_config({"session": {"bars": 4}, "cc": tables})
    files = TakeFiles(tmp_path / "a.mid")
    improvise(config, files, virtual=True, voices=lambda: (FakeMelody(), FakeAccompaniment()), anchors=ANCHORS)
    sent = [event.data for event in read_events(tmp_path / "a.mid")]
    parameter = [data[1:] for data in sent if data[0] == 0xBF]
    assert len(parameter) > 40
    assert [data[0] for data in parameter[:4]] == [99, 98, 6, 38]
    assert parameter[:2] == [(99, 300 >> 7), (98, 300 & 127)]
    assert {data[1] for data in sent if data[0] == 0xB4} == {20, 52}
    assert len({data for data in sent if data[0] == 0xE5}) > 5

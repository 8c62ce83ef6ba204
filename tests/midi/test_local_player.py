from __future__ import annotations

from fractions import Fraction
from itertools import chain

from midi_takes import make_bar, make_take, stand_in
from saved import assert_sent_as_saved

from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.files import read_events, write_midi
from brainmidi.midi.link import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timetable import bar_events
from brainmidi.types import Note


def test_a_take_on_the_virtual_clock_is_the_table_of_its_bars():
    clock, output, bars = VirtualClock(100.0), RecordingOutput(), make_take(4)
    with LocalPlayer(clock, output) as player:
        assert player.begin(1.5) == 101.5
        for bar in bars:
            player.send(bar, stand_in(bar))
        report = player.finish()
    assert report.sent_events == tuple(chain.from_iterable(bar_events(bar) for bar in bars))
    assert_sent_as_saved(report.sent_events, output.sent)
    assert report.bars == tuple(bars)
    assert (report.late_bars, report.lateness_max_ms, report.first_note_s is not None) == ((), 0.0, True)
    assert clock.now_s() == 101.5 + 4 * 2.0


def test_a_driver_one_bar_ahead_is_never_late_even_on_the_very_beat():
    clock, bars = VirtualClock(), make_take(4)
    player = LocalPlayer(clock, RecordingOutput())
    player.begin(0.0)
    for index, bar in enumerate(bars):
        clock.sleep_until(2.0 * index)
        player.send(bar, stand_in(bar))
    assert player.finish().late_bars == ()


def test_a_driver_that_is_late_on_the_virtual_clock_gets_its_fallback():
    clock, bars = VirtualClock(), make_take(2)
    player = LocalPlayer(clock, RecordingOutput())
    player.begin(0.0)
    player.send(bars[0], stand_in(bars[0]))
    clock.sleep_until(2.5)
    assert [(notice.kind, notice.index, notice.fallback) for notice in player.poll()] == [
        ("started", 0, False),
        ("late", 1, False),
        ("started", 1, True),
    ]
    player.send(bars[1], None)
    assert player.finish().late_bars == (1,)


def test_a_take_that_is_stopped_is_saved_exactly_as_it_was_sent(tmp_path):
    clock, output = VirtualClock(), RecordingOutput()
    player = LocalPlayer(clock, output, settings=PlayerSettings(controls=(ControlRule("tempo", 1, number=21),)))
    player.begin(0.0)
    for bar in make_take(4):
        player.send(bar, stand_in(bar))
    for second in (0.3, 1.1, 2.2, 3.3):
        clock.sleep_until(second)
        player.knobs({"tempo": second / 4.0})
    player.panic()
    clock.sleep_until(4.7)
    player.heartbeat()
    report = player.stop()
    path = tmp_path / "take.mid"
    write_midi(
        path,
        report.bars,
        metre="4/4",
        sharps=0,
        minor=False,
        title="take",
        end_beat=report.end_beat,
        events=report.sent_events,
    )
    assert read_events(path) == report.sent_events
    assert_sent_as_saved(report.sent_events, output.sent)
    assert report.end_beat == Fraction(9 * 960 + 384, 960)


def test_closing_a_player_that_still_sounds_silences_it():
    output = RecordingOutput()
    with LocalPlayer(VirtualClock(), output) as player:
        player.begin(0.0)
        player.send(make_bar(0, (Note(Fraction(0), Fraction(4), 60, 80),)), None)
        assert output.sent == [(0x90, 60, 80)]
    assert output.sent[1] == (0x80, 60, 0)


def test_the_local_player_says_that_nothing_is_wanted_of_a_port():
    info = LocalPlayer(VirtualClock(), RecordingOutput()).info
    assert (info.port, info.api, info.realtime, info.reason) == (None, "none", False, None)

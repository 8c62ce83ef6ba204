"""A real input, and a player that is killed for good: the next start closes what it left open."""

from __future__ import annotations

import os
import signal

import pytest
from midi_jack import SPY, open_notes
from midi_takes import whole_note

from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.ports import open_output
from brainmidi.midi.settings import PlayerSettings

pytestmark = pytest.mark.port


@pytest.fixture
def jack(jack_server, monkeypatch, tmp_path):
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


def next_notice(player, kind):
    while True:
        for notice in player.poll(20.0):
            if notice.kind == kind:
                return notice


def test_what_is_played_to_the_virtual_input_is_told_with_its_time_and_beat(jack):
    with PlayerProcess.start() as player:
        assert player.info.input == "brainmidi-in:in"
        keyboard = open_output("brainmidi-in")
        player.send(whole_note(0, bpm=10.0), None)
        begun_s = player.begin(0.0)
        next_notice(player, "started")
        keyboard.send((0x93, 50, 99))
        notice = next_notice(player, "heard")
        keyboard.close()
        report = player.stop()
    assert notice.data == (0x93, 50, 99)
    assert notice.time_s > begun_s
    assert [event.data for event in report.performed] == [(0x93, 50, 99)]
    assert report.performed[0].beat == notice.beat


def test_a_named_input_is_opened_when_it_appears(jack):
    import rtmidi

    with PlayerProcess.start(PlayerSettings(input="pads")) as player:
        assert player.info.input is None
        assert "port 'pads' is not there yet" in player.info.input_reason
        pads = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, "pads")
        pads.open_virtual_port("out")
        assert next_notice(player, "input").detail == "input pads:out is open"
        pads.send_message((0x99, 36, 1))
        assert next_notice(player, "heard").data == (0x99, 36, 1)
        pads.close_port()
        pads.delete()
        assert "has gone" in next_notice(player, "input").detail


def test_a_connection_that_was_undone_is_made_again_where_jack_tells_of_it(jack, jack_server):
    import rtmidi

    pytest.importorskip("jack", reason="JACK-Client is not installed: pip install '.[jack]'")
    pads = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, "pads")
    pads.open_virtual_port("out")
    with PlayerProcess.start(PlayerSettings(input="pads", backend="jack")) as player:
        jack_server.run("jack_disconnect", "pads:out", "brainmidi:in")
        for told in ("input pads:out is open", "input pads:out has gone", "input pads:out is open"):
            assert told in next_notice(player, "input").detail
        pads.send_message((0x99, 36, 1))
        assert next_notice(player, "heard").data == (0x99, 36, 1)
    pads.close_port()
    pads.delete()


def test_what_a_killed_player_left_open_is_closed_by_the_next(jack, spy):
    settings = PlayerSettings(port=SPY)
    player = PlayerProcess.start(settings)
    player.send(whole_note(0, bpm=10.0), None)
    player.begin(0.0)
    while not open_notes(spy.received):
        spy.next()
    os.kill(player.pid, signal.SIGKILL)
    player._process.wait(20)
    player.close()
    assert open_notes(spy.received) == {(0, 60)}
    with PlayerProcess.start(settings):
        while open_notes(spy.received):
            spy.next()
    received = spy.read_to_the_end()
    assert received[1:5] == [(0x80, 60, 0), (0xB0, 64, 0), (0xB0, 123, 0), (0xB0, 120, 0)]

"""A real port, an independent receiver: what arrives is what is saved, and nothing hangs whatever is killed."""

from __future__ import annotations

import random
import signal

import pytest
from midi_jack import Composer, Program, open_notes
from saved import assert_sent_as_saved

from brainmidi.midi.files import read_events
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.ports import list_ports, open_output
from brainmidi.midi.settings import PlayerSettings

pytestmark = pytest.mark.port


def play(jack_server, spy, path, n_bars, seed, end="finish", backend="rtmidi"):
    """Let a composer play to its own end with the spy listening; return its exit code."""
    composer = Composer(jack_server, path, n_bars, seed, end, backend)
    try:
        spy.listen()
        composer.go()
        composer.await_player(60.0)
        return composer.process.wait(20)
    finally:
        composer.close()


@pytest.mark.parametrize(("end", "backend"), [("finish", "rtmidi"), ("1", "rtmidi"), ("finish", "jack"), ("1", "jack")])
def test_a_receiver_gets_exactly_the_events_of_the_saved_file_in_order(
    waiting_server, waiting_spy, tmp_path, end, backend
):
    path = tmp_path / "take.mid"
    assert play(waiting_server, waiting_spy, path, 3, 11, end, backend) == 0
    received = waiting_spy.read_to_the_end()
    assert_sent_as_saved(read_events(path), received)
    assert sum(data[0] & 0xF0 == 0x90 for data in received) > 10, "too little was played to show anything"
    assert open_notes(received) == set()


@pytest.mark.models
def test_a_receiver_gets_exactly_what_improv_saves_with_the_shipped_models(waiting_server, waiting_spy, tmp_path):
    path = tmp_path / "take.mid"
    program = Program(waiting_server, path, n_bars=4, seed=1)
    try:
        summary, _ = program.process.communicate(timeout=120)
        program.await_player()
    finally:
        program.close()
    received = waiting_spy.read_to_the_end()
    assert program.process.returncode == 0
    assert_sent_as_saved(read_events(path), received)
    assert {data[0] for data in received if data[0] & 0xF0 == 0x90} == {0x90, 0x91}, "both parts play"
    assert open_notes(received) == set()
    assert "first note" in summary


@pytest.mark.parametrize(
    ("number", "seed", "backend"),
    [
        (signal.SIGTERM, 1, "rtmidi"),
        (signal.SIGKILL, 2, "rtmidi"),
        (signal.SIGSEGV, 3, "rtmidi"),
        (signal.SIGKILL, 4, "jack"),
        (signal.SIGTERM, 5, "jack"),
    ],
)
def test_a_composer_killed_at_a_random_moment_leaves_no_open_note_and_a_readable_file(
    jack_server, spy, tmp_path, number, seed, backend
):
    path = tmp_path / "take.mid"
    composer = Composer(jack_server, path, 8, seed, backend=backend)
    try:
        spy.listen()
        composer.go()
        for _ in range(random.Random(seed).randint(1, 60)):
            spy.next()
        composer.process.send_signal(number)
        composer.await_player()
    finally:
        composer.close()
    received = spy.read_to_the_end()
    assert composer.process.returncode == -number
    assert open_notes(received) == set()
    assert any(data[1] == 123 for data in received)
    assert read_events(path)


def test_an_existing_port_is_played_by_part_of_its_name(jack_server, spy, monkeypatch):
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    assert "spy:input" in list_ports()
    with PlayerProcess.start(PlayerSettings(port="SPY:in")) as player:
        assert (player.info.port, player.info.api) == ("spy:input", "JACK")
    output = open_output()
    assert (output.port, output.api) == ("brainmidi:out", "JACK")
    assert "brainmidi:out" in jack_server.run("jack_lsp").split()
    output.close()

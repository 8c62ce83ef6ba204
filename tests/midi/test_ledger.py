from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from midi_takes import make_bar, whole_note

from brainmidi.errors import MidiError
from brainmidi.midi import player
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.handover import Handover
from brainmidi.midi.ledger import Ledger, runtime_folder
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.timetable import DEFAULT_CHANNELS
from brainmidi.midi.twice import OffTwice
from brainmidi.midi.wire import dump, load
from brainmidi.types import Note

LEFT = ((0x80, 60, 0), (0xB0, 64, 0), (0xB0, 123, 0), (0xB0, 120, 0))


def opened(folder, port="brainmidi:out"):
    ledger = Ledger(port, folder)
    ledger.open()
    return ledger


def killed(ledger):
    """Let go of a ledger as a killed process does: its lock goes, its notes stay."""
    ledger._notes.close()
    os.close(ledger._file)


def test_a_player_that_closes_leaves_nothing_behind(tmp_path):
    ledger = opened(tmp_path)
    ledger.note(0, 60, True)
    ledger.note(0, 60, False)
    ledger.close()
    ledger.close()
    assert list(tmp_path.iterdir()) == []
    assert opened(tmp_path).left == ()


def test_what_a_killed_player_left_open_is_known_to_the_next_on_that_port_and_to_no_third(tmp_path):
    ledger = opened(tmp_path)
    ledger.note(0, 60, True)
    ledger.note(0, 62, True)
    ledger.note(0, 62, False)
    killed(ledger)
    assert opened(tmp_path, "another").left == ()
    following = opened(tmp_path)
    assert following.left == LEFT
    following.close()
    assert opened(tmp_path).left == ()


@pytest.fixture(params=["here", "Windows"])
def system(request, monkeypatch):
    """This machine's locks, and Windows' through a stand-in for msvcrt; those were not run by us."""
    if request.param == "here":
        return
    fcntl = pytest.importorskip("fcntl", reason="stands in for Windows' locks")

    def locking(file, mode, count):
        assert (mode, count) == (2, 1)
        assert os.lseek(file, 0, os.SEEK_CUR) >= 16 * 129, "Windows lets nobody read what is locked"
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    monkeypatch.setitem(sys.modules, "fcntl", None)
    monkeypatch.setitem(sys.modules, "msvcrt", SimpleNamespace(LK_NBLCK=2, locking=locking))


def test_two_players_on_ports_of_one_name_keep_out_of_each_others_way(tmp_path, system):
    first, second = opened(tmp_path), opened(tmp_path)
    first.note(0, 60, True)
    second.note(1, 61, True)
    killed(second)
    third = opened(tmp_path)
    assert third.left[0] == (0x81, 61, 0), "the first one lives"
    assert (0x80, 60, 0) not in third.left
    killed(first)
    third.close()
    assert opened(tmp_path).left == LEFT


def test_a_folder_that_cannot_be_written_costs_the_safety_and_not_the_music(tmp_path):
    (tmp_path / "file").write_text("")
    ledger = opened(tmp_path / "file")
    ledger.note(0, 60, True)
    ledger.close()
    assert ledger.left == ()


class Failing(RecordingOutput):
    """An output that takes no more than so many messages."""

    def __init__(self, takes):
        super().__init__()
        self.takes = takes

    def send(self, data, at_s=None):
        if len(self.sent) == self.takes:
            raise MidiError("the port has gone")
        super().send(data)


def play(output, ledger, *messages):
    """Play a whole note as the player does, give it `messages` while it sounds, and end; return the core."""
    inbox, clock = queue.SimpleQueue(), VirtualClock()
    twice = OffTwice(output)
    core = PlayerCore(clock, twice, ledger=ledger)
    for message in (Handover(DEFAULT_CHANNELS).pack(whole_note(0, 60), None), {"op": "begin", "at_s": 0.0}):
        core.handle(message)
    for message in (*messages, player._Gone()):
        inbox.put(message)
    cut_off = player._play(core, clock, inbox, queue.SimpleQueue())
    player._release(core, clock, twice, ledger, cut_off=cut_off)
    return core


def test_notes_that_an_output_which_failed_left_open_are_closed_by_the_next_player(tmp_path):
    core = play(Failing(1), opened(tmp_path))
    assert core.done
    assert opened(tmp_path).left == LEFT


def test_what_the_player_does_not_understand_ends_the_take_and_leaves_nothing_open(tmp_path):
    output = Failing(100)
    core = play(output, opened(tmp_path), {"op": "newer"})
    assert "'newer' is not known" in core.reason
    assert output.sent == [(0x90, 60, 80), *LEFT, *LEFT], "twice, since nobody asked for it"
    assert list(tmp_path.iterdir()) == []


def test_the_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert runtime_folder() == tmp_path / "brainmidi"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert f"brainmidi-{os.getuid()}" in str(runtime_folder())


def test_what_was_left_open_is_closed_at_once_and_again_when_the_music_begins(tmp_path):
    ledger = opened(tmp_path)
    ledger.note(0, 60, True)
    killed(ledger)
    clock, output = VirtualClock(), RecordingOutput()
    core = PlayerCore(clock, output, ledger=opened(tmp_path))
    assert tuple(output.sent) == LEFT
    core.handle(Handover(DEFAULT_CHANNELS).pack(whole_note(0, 70), None))
    core.handle({"op": "begin", "at_s": 0.0})
    core.advance()
    assert tuple(output.sent) == (*LEFT, *LEFT, (0x90, 70, 80))
    assert [event[3] for event in core.report()["events"]] == [[0x90, 70, 80]], "clearing is no part of the take"


def test_a_note_stands_in_the_ledger_from_before_it_is_struck_until_after_it_is_closed(tmp_path):
    ledger, seen = opened(tmp_path), []

    class Looking(RecordingOutput):
        def send(self, data, at_s=None):
            seen.append(ledger._notes[data[1]])

    clock = VirtualClock()
    core = PlayerCore(clock, Looking(), ledger=ledger)
    core.handle(Handover(DEFAULT_CHANNELS).pack(make_bar(0, (Note(0, 1, 60, 80),)), None))
    core.handle({"op": "begin", "at_s": 0.0})
    for second in (0.0, 0.5):
        clock.sleep_until(second)
        core.advance()
    assert seen == [1, 1]
    assert ledger._notes[60] == 0


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_after_a_player_was_killed_for_good_the_next_knows_its_open_notes(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "brainmidi-tests-have-none")
    command = [sys.executable, "-m", "brainmidi.midi.player", "--silence-after=60"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        process.stdin.write(dump(Handover(DEFAULT_CHANNELS).pack(whole_note(0, 60, bpm=10.0), None)))
        process.stdin.write(dump({"op": "begin", "at_s": 0.0}))
        process.stdin.flush()
        port = None
        for line in process.stdout:
            message = load(line)
            port = message.get("port", port)
            if message.get("kind") == "started":
                break
        process.send_signal(signal.SIGKILL)
    assert opened(tmp_path / "brainmidi", port or "no port").left == LEFT

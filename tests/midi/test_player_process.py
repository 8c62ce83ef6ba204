"""The player in its process: these tests wait for its lines and its exit, never for a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import Future
from itertools import chain
from pathlib import Path

import pytest
from midi_takes import make_take, stand_in, whole_note

from brainmidi.errors import MidiError
from brainmidi.midi import link
from brainmidi.midi.handover import Handover
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timetable import DEFAULT_CHANNELS, bar_events
from brainmidi.midi.wire import dump, load

FAST_BPM = 480.0  # a bar lasts half a second
posix = pytest.mark.skipif(os.name != "posix", reason="signals and sessions are POSIX's")


@pytest.fixture(autouse=True)
def _no_midi_system(monkeypatch):
    """Keep these tests off a JACK server of the machine's; a virtual port of another system does no harm."""
    monkeypatch.setenv("JACK_NO_START_SERVER", "1")
    monkeypatch.setenv("JACK_DEFAULT_SERVER", "brainmidi-tests-have-none")


@pytest.fixture
def player():
    with PlayerProcess.start() as process:
        yield process


def wait_for(player, kind, index):
    """Read notices until one of `kind` for bar `index` has come."""
    while not any((notice.kind, notice.index) == (kind, index) for notice in player.poll(20.0)):
        continue


def exit_code(player):
    return player._process.wait(20.0)


def test_the_player_loads_nothing_heavy():
    pytest.importorskip("rtmidi", reason="python-rtmidi is not installed: pip install '.[ports]'")
    code = (
        "import sys, brainmidi.midi.player, rtmidi\n"
        "print(sorted({'numpy', 'mido', 'tensorflow', 'mne', 'scipy'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


def test_a_take_is_played_to_its_end_and_reported_as_sent(player):
    bars = make_take(2, bpm=FAST_BPM)
    begun_s = player.begin(0.05)
    for bar in bars:
        player.send(bar, stand_in(bar))
    report = player.finish()
    assert report.sent_events == tuple(chain.from_iterable(bar_events(bar) for bar in bars))
    assert (report.begun_s, report.bars, report.late_bars) == (begun_s, tuple(bars), ())
    assert [notice.index for notice in player.poll()] == [0, 1]


def test_the_player_says_what_it_got(player):
    assert player.info.realtime in (True, False)
    assert player.info.realtime_detail
    assert (player.info.port is None) == (player.info.reason is not None)


def test_a_bar_that_never_comes_is_replaced_and_stop_cuts_the_take(player):
    bar = make_take(1, bpm=FAST_BPM)[0]
    player.send(bar, stand_in(bar))
    player.begin(0.0)
    wait_for(player, "started", 1)
    report = player.stop()
    assert report.late_bars[0] == 1
    assert [bar.fallback for bar in report.bars[:2]] == [False, True]
    assert report.sent_events[-1].data == (0xB1, 120, 0)
    assert report.end_beat == report.sent_events[-1].beat


def test_a_port_that_does_not_exist_is_an_error_in_the_composer():
    with pytest.raises(MidiError, match=r"port 'no such port' does not exist, known ports are"):
        PlayerProcess.start(PlayerSettings(port="no such port"))


def test_a_player_that_is_killed_is_an_error_at_the_next_poll(player):
    player._process.kill()
    exit_code(player)
    with pytest.raises(MidiError, match="the player process ended with code"):
        player.poll(20.0)
    with pytest.raises(MidiError, match="the player process ended with code"):
        player.stop()


@pytest.mark.parametrize("line", ["no JSON", "[1, 2]", '{"op": "notice", "colour": 3}', "{}"])
def test_a_line_that_cannot_be_read_ends_the_take_with_its_reason(line):
    ready = '{"op":"ready","port":null,"api":"none","reason":"-","realtime":false,"realtime_detail":"-"}'
    program = f"import sys; print({ready!r}, {line!r}, sep=chr(10), flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    with PlayerProcess(process, DEFAULT_CHANNELS) as player:
        player._await_ready()
        with pytest.raises(MidiError, match=r"report this|cannot be understood"):
            player.finish()
        with pytest.raises(MidiError, match=r"report this|cannot be understood"):
            player.poll(20.0)


def test_a_player_that_is_closed_takes_no_more_bars():
    player = PlayerProcess.start()
    player.close()
    player.close()
    with pytest.raises(MidiError, match="was closed"):
        player.send(make_take(1)[0], None)


@posix
def test_ctrl_c_is_left_to_the_composer(player):
    os.kill(player.pid, signal.SIGINT)
    bars = make_take(1, bpm=FAST_BPM)
    player.send(bars[0], None)
    player.begin(0.0)
    assert player.finish().bars == tuple(bars)


@posix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_player_silences_it_and_still_gives_the_report(player, number):
    bar = whole_note(0, bpm=10.0)
    player.send(bar, None)
    player.begin(0.0)
    wait_for(player, "started", 0)
    os.kill(player.pid, number)
    assert exit_code(player) == 1
    report = player.stop()
    assert report.reason == f"the player was told to end (signal {int(number)})"
    assert report.sent_events[-1].data[1:] == (120, 0)
    assert player.poll()[-1].kind == "stopped"
    with pytest.raises(MidiError, match="the player stopped by itself"):
        player.poll()


@posix
def test_the_player_has_a_session_of_its_own_and_none_of_our_descriptors():
    read, write = os.pipe()
    os.set_inheritable(write, True)
    with PlayerProcess.start() as player:
        assert os.getsid(player.pid) == player.pid != os.getsid(0)
        os.close(write)
        assert os.read(read, 1) == b"", "the player still holds our end"
    os.close(read)


def bare_player(*arguments):
    """Start a player without a link, whose heartbeat would go on."""
    return subprocess.Popen(
        [sys.executable, "-m", "brainmidi.midi.player", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def read_until(process, op):
    for line in process.stdout:
        message = load(line)
        if message["op"] == op:
            return message
    raise AssertionError(f"the player ended before it said {op}")


def test_without_a_heartbeat_the_player_silences_itself_though_the_pipe_is_open():
    with bare_player("--silence-after=0.1") as process:
        bar = whole_note(0, bpm=10.0)
        process.stdin.write(dump(Handover(DEFAULT_CHANNELS).pack(bar, None)))
        process.stdin.write(dump({"op": "begin", "at_s": 0.0}))
        process.stdin.flush()
        report = read_until(process, "report")
        assert report["reason"] == "nothing heard from the composer for 0.1 s"
        assert report["events"][-1][3][1:] == [120, 0]


def test_the_player_ends_when_the_composer_closes_its_pipe():
    process = bare_player()
    read_until(process, "ready")
    process.stdin.close()
    assert process.wait(20.0) == 0
    process.stdout.close()


COMPOSER = """
import subprocess, sys
player = subprocess.Popen([sys.executable, "-m", "brainmidi.midi.player"], stdin=int(sys.argv[1]))
player.wait()
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells of a death before the end")
def test_the_player_ends_when_its_composer_dies_though_the_pipe_stays_open():
    read, write = os.pipe()
    composer = subprocess.Popen(
        [sys.executable, "-c", COMPOSER, str(read)],
        pass_fds=[read],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    os.close(read)
    os.write(write, dump(Handover(DEFAULT_CHANNELS).pack(whole_note(0, bpm=10.0), None)))
    os.write(write, dump({"op": "begin", "at_s": 0.0}))
    read_until(composer, "ready")
    composer.kill()
    assert read_until(composer, "report")["reason"] is None
    assert composer.stdout.read() == b"", "the player has ended"
    composer.wait()
    composer.stdout.close()
    os.close(write)


def test_a_composer_that_never_reads_does_not_delay_the_music():
    with bare_player("--silence-after=60") as process:
        handover = Handover(DEFAULT_CHANNELS)
        process.stdin.write(dump({"op": "begin", "at_s": 0.0}))
        for bar in make_take(4, bpm=FAST_BPM, notes_per_part=200):
            process.stdin.write(dump(handover.pack(bar, None)))
        process.stdin.write(dump({"op": "finish", "last": 3}))
        process.stdin.flush()
        assert read_until(process, "report")["late"] == []


@pytest.mark.parametrize("text", ["tempo", "[]", '{"colour": 3}', '{"controls": [{}]}', '{"keys": 3}'])
def test_settings_that_are_not_the_players_are_refused(text):
    with bare_player(f"--settings={text}") as process:
        assert "are not the player's" in read_until(process, "error")["message"]
    assert process.returncode == 1


def in_good_time(work):
    """Run `work` in a thread, so that what blocks for ever fails; return what it returns."""
    done = Future()

    def run():
        try:
            done.set_result(work())
        except MidiError as error:
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done.result(60.0)


def flood(player):
    """Tell more than a pipe takes."""
    for _ in range(2000):
        player.knobs({f"feature {number}": 0.123456789 for number in range(20)})


@posix
def test_a_player_that_does_not_read_holds_nobody_up_and_wakes_to_silence_itself(player, monkeypatch):
    monkeypatch.setattr(link, "_STOP_TIMEOUT_S", 0.5)
    monkeypatch.setattr(link, "_LAST_WORD_S", 20.0)
    player.send(whole_note(0, bpm=10.0), None)
    player.begin(0.0)
    wait_for(player, "started", 0)
    os.kill(player.pid, signal.SIGSTOP)
    in_good_time(lambda: flood(player))
    assert in_good_time(player.stop).sent_events[-1].data == (0xB0, 120, 0)


SILENT = """
import json, os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(json.dumps({"op": "ready", "port": None, "api": "none", "reason": "-", "realtime": False, "realtime_detail": ""}))
sys.stdout.flush()
while True: time.sleep(1)
"""


def test_a_player_that_answers_no_heartbeat_is_told_of_and_ended_by_force(monkeypatch):
    for name, value in (("HEARTBEAT_S", 0.02), ("_STOP_TIMEOUT_S", 0.1), ("_LAST_WORD_S", 0.1)):
        monkeypatch.setattr(link, name, value)
    pipe = subprocess.PIPE
    process = subprocess.Popen([sys.executable, "-c", SILENT], stdin=pipe, stdout=pipe, stderr=pipe)
    player = PlayerProcess(process, DEFAULT_CHANNELS)
    player._await_ready()
    flood(player)
    with pytest.raises(MidiError, match=r"has been silent for 0\.2 s"):
        in_good_time(lambda: player.poll(50.0))
    with pytest.raises(MidiError, match="has been silent"):
        player.stop()
    in_good_time(player.close)
    assert process.returncode == (-signal.SIGKILL if os.name == "posix" else 1)


def test_a_player_that_lives_answers_every_heartbeat(player):
    player.heartbeat()
    with player._news:
        player._unanswered = 7
        assert player._news.wait_for(lambda: player._unanswered < 7, 20.0)

from __future__ import annotations

import subprocess
import sys
import threading
from fractions import Fraction

import pytest
from midi_takes import ComingBars, make_take

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock, VirtualClock
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.followed import FollowedTimeline
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.linkclock import LinkMaster, open_link
from brainmidi.midi.settings import PlayerSettings

F = Fraction


def test_a_session_whose_transport_nobody_uses_plays():
    master = LinkMaster()
    assert not master.running
    assert master.read(10.0, 3.0, 120.0, False)
    assert master.running
    assert master.beat(11.0) == 5.0
    assert master.time_s(7) == 12.0
    assert not master.read(11.0, 5.0, 120.0, False)


def test_once_a_peer_has_started_its_stop_is_obeyed():
    master = LinkMaster()
    master.read(0.0, 0.0, 120.0, False)
    assert master.placements == 1
    master.read(1.0, 2.0, 120.0, True)
    assert (master.running, master.placements) == (True, 1)
    assert master.read(2.0, 4.0, 120.0, False)
    assert not master.running
    assert master.time_s(8) is None
    assert master.read(3.0, 6.0, 120.0, True)
    assert (master.running, master.placements) == (True, 2)


def test_a_change_of_tempo_is_no_jump_but_joining_another_session_is():
    line = FollowedTimeline(LinkMaster())
    line.begin(0.0)
    line._master.read(0.0, 1.0, 120.0, False)
    line.place(F(0), F(4), 0.0)
    assert line.clock_s(F(0)) == 1.5
    assert line._master.read(1.0, 3.0, 60.0, False)
    assert not line.look(1.0)
    assert line.clock_s(F(0)) == 2.0
    assert line._master.read(1.5, 30.25, 60.0, False)
    assert line.look(1.5)
    assert line.waits


def test_without_the_package_one_line_names_the_licence_and_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "aalink", None)
    with pytest.raises(MidiError, match=r"GPL, version 3.*pip install 'brainmidi\[link\]'"):
        open_link(VirtualClock(), bpm=120.0, bar_beats=4.0, on_change=lambda: None)


PEER = """
import asyncio, sys, time, aalink
async def main():
    link = aalink.Link(90.0)
    link.quantum = 4
    link.start_stop_sync_enabled = True
    link.enabled = True
    loop = asyncio.get_running_loop()
    print("up", flush=True)
    while True:
        line = (await loop.run_in_executor(None, sys.stdin.readline)).split()
        if not line:
            return
        if line[0] == "tempo":
            link.tempo = float(line[1])
        elif line[0] == "play":
            link.playing = line[1] == "1"
        else:
            print(time.perf_counter(), link.beat, link.tempo, link.num_peers, flush=True)
asyncio.run(main())
"""


class Peer:
    """Another program of the session, in a process of its own."""

    def __init__(self):
        self.process = subprocess.Popen(
            [sys.executable, "-c", PEER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "up\n"

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def ask(self):
        self.tell("beat")
        return [float(word) for word in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.mark.port
def test_two_peers_agree_on_tempo_bar_phase_start_and_stop():
    pytest.importorskip("aalink")
    peer, changed, clock = Peer(), threading.Event(), MonotonicClock()
    link = open_link(clock, bpm=120.0, bar_beats=4.0, on_change=changed.set)

    def until(true):
        end_s = clock.now_s() + 20.0
        while not true():
            assert clock.now_s() < end_s, "the peers do not agree"
            changed.wait(0.1)
            changed.clear()

    try:
        # Which of two young sessions joins the other is Link's affair.
        until(lambda: link.n_peers == 1 and abs(link.master.tempo_bpm - peer.ask()[2]) < 0.01)
        peer.tell("tempo 140")
        until(lambda: abs(link.master.tempo_bpm - 140.0) < 0.01)
        time_s, beat, bpm, n_peers = peer.ask()
        assert (bpm, n_peers) == (pytest.approx(140.0, abs=0.01), 1)
        apart = (link.master.beat(time_s) - beat + 2.0) % 4.0 - 2.0
        assert abs(apart) * 60 / 140 < 0.005
        peer.tell("play 1")
        until(lambda: link.master._played)
        peer.tell("play 0")
        until(lambda: not link.master.running)
    finally:
        link.close()
        peer.close()


@pytest.mark.port
def test_bars_of_a_player_begin_on_the_sessions_bar_lines():
    pytest.importorskip("aalink")
    peer = Peer()
    try:
        peer.tell("tempo 240")
        with PlayerProcess.start(PlayerSettings(clock=ClockSettings(source="link", bpm=240.0))) as player:
            bars = ComingBars(player, make_take(12))
            bars.play_until(lambda: 6 in bars.started)
            time_s, beat, bpm, n_peers = peer.ask()
            player.stop()
    finally:
        peer.close()
    assert n_peers == 1
    onsets = [beat + (bars.started[index].time_s - time_s) * bpm / 60 for index in (4, 5, 6)]
    apart = [(onset + 2.0) % 4.0 - 2.0 for onset in onsets]
    assert max(map(abs, apart)) * 60 / bpm < 0.01, apart

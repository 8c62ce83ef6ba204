"""A player in its own process follows another program's clock through real ports, and sends one."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import mido
import pytest
from midi_jack import open_notes, package_path
from midi_takes import ComingBars, make_take
from saved import assert_sent_as_saved

from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.files import read_events
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.settings import PlayerSettings

pytestmark = pytest.mark.port

BAR = 96
LIVE_PROGRAM = Path(__file__).parents[1] / "drivers" / "live_program.py"


class Master:
    def __init__(self, server):
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("jack_master.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=server.everything(),
        )
        assert self.process.stdout.readline() == "up\n"

    def roll(self, *words):
        self.process.stdin.write(f"roll {' '.join(map(str, words))}\n")
        self.process.stdin.flush()

    def told(self):
        return [float(word) for word in self.process.stdout.readline().split()]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


def test_bars_begin_on_the_bar_lines_of_another_program_and_stop_with_it(jack_server, monkeypatch):
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    settings = PlayerSettings(clock=ClockSettings(source="midi", bpm=120.0))
    with PlayerProcess.start(settings) as player:
        composer, master = ComingBars(player, make_take(12)), Master(jack_server)
        try:
            master.roll(160.0, 4 * BAR + 30)
            composer.play_until(lambda: composer.paused)
            first_s, _ = master.told()
            bar_s = 4 * 60 / 160
            assert composer.paused == [4]
            lines = [composer.started[index].time_s - first_s - bar_s * index for index in range(2, 5)]
            assert all(-0.01 <= late_s <= 0.06 for late_s in lines), lines  # JACK keeps a message for two periods
            master.roll(160.0, 2 * BAR, 8)  # from the third beat of a bar
            composer.play_until(lambda: len(composer.paused) == 2)
            again_s, _ = master.told()
            assert composer.started[5].time_s - again_s - bar_s / 2 == pytest.approx(0.03, abs=0.06)
            report = player.stop()
        finally:
            master.close()
    assert [bar.index for bar in report.bars] == list(range(7))
    assert report.tempi[-1][1] == pytest.approx(160.0, rel=0.02)
    assert open_notes([event.data for event in report.sent_events]) == set()


def test_another_program_hears_our_clock(jack_server, spy, monkeypatch):
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    bars = make_take(2, bpm=200.0)
    with PlayerProcess.start(PlayerSettings(clock=ClockSettings(send=True))) as player:
        spy.listen()
        for bar in bars:
            player.send(bar, None)
        player.begin(0.2)
        report = player.finish()
    received = spy.read_to_the_end()
    clocks = [data[0] for data in received if data[0] >= 0xF0]
    assert clocks == [0xFA] + [0xF8] * (2 * BAR) + [0xFC]
    assert_sent_as_saved(report.sent_events, [data for data in received if data[0] < 0xF0])


def test_a_live_take_plays_waits_and_plays_on_with_another_programs_transport(jack_server, tmp_path):
    take = tmp_path / "take.mid"
    program = subprocess.Popen(
        [sys.executable, str(LIVE_PROGRAM), str(take), "24", "midi"],
        stdout=subprocess.PIPE,
        env=package_path(jack_server.everything()),
        text=True,
    )
    master = None
    try:
        assert program.stdout.readline() == "ready\n"
        master = Master(jack_server)
        master.roll(200.0, 12 * 48 + 20)  # two beats a bar
        master.told()
        master.roll(200.0, 40 * 48, 0)
        told, _ = program.communicate(timeout=60)
    finally:
        program.kill()
        program.wait(10)
        if master is not None:
            master.process.kill()  # in the middle of its song
            master.close()
    assert program.returncode == 0
    assert "as many bars as asked for" in told
    rows = [json.loads(line) for line in take.with_suffix(".jsonl").read_text().splitlines()]
    assert [row["bar"] for row in rows] == list(range(24))
    gaps_s = [after["time_s"] - before["time_s"] for before, after in pairwise(rows)]
    waits = [gap_s for gap_s in gaps_s if gap_s > 0.63]
    assert len(waits) == 1, gaps_s  # a bar lasts 0.6 s: the one in which the master stood was broken off and waited for
    assert open_notes([event.data for event in read_events(take)]) == set()
    tempi = [message.tempo for message in mido.MidiFile(take).tracks[0] if message.type == "set_tempo"]
    assert tempi[-1] == pytest.approx(300_000, rel=0.02)

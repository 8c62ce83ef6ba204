"""A take in a master's time: the master plays, stops, jumps, and the brain comes in on its bar lines."""

from __future__ import annotations

import sys
from collections import deque
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import mido
import pytest
from drivers_takes import make_keeper, make_session, make_signal
from fakes import ANCHORS, FakeAccompaniment, FakeMelody, FakeSource

from brainmidi.config import parse_config
from brainmidi.drivers.live import improvise
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.take import TakeFiles
from brainmidi.errors import ConfigError, MidiError
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings

sys.path.insert(0, str(Path(__file__).parents[1] / "midi"))
from clock_master import CLOCK, CONTINUE, START, STOP, tick_times

FOLLOW = ClockSettings(source="midi", bpm=96.0)


class FollowingPlayer(LocalPlayer):
    """A player on the virtual clock that hears a master's messages, each at its own time."""

    def __init__(self, clock, output, messages):
        super().__init__(clock, output, settings=PlayerSettings(clock=FOLLOW))
        self._messages = deque(messages)

    def _catch_up(self, now_s):
        while self._messages and self._messages[0][0] <= now_s:
            time_s, data = self._messages.popleft()
            super()._catch_up(time_s)
            self._core.hear(data, time_s)
            self._core.advance()
        super()._catch_up(now_s)

    def finish(self):
        self._tell({"op": "finish", "last": self._handover.last_index})
        while not self._core.done and self._messages:
            self._clock.sleep_until(self._messages[0][0])
            self.poll()
        return self._handover.report(self._core.report())


def follow(path, messages, **given):
    clock = VirtualClock()
    with closing(FollowingPlayer(clock, RecordingOutput(), messages)) as player, make_keeper(path) as keeper:
        signal = make_signal(FakeSource(60.0))
        make = lambda: make_session(**given)  # noqa: E731
        return Performance(signal, make, player, clock, keeper, virtual=True, clock_settings=FOLLOW).run()


def playing(times):
    return [(times[0] - 0.1, START), *((time_s, CLOCK) for time_s in times)]


def test_bars_come_in_on_the_masters_bar_lines_in_its_tempo_whatever_the_knob_says(tmp_path):
    times = tick_times(20 * 96, ((0, 132.0),), start_s=9.0)
    take = follow(tmp_path / "a.mid", playing(times), bars=10)
    assert [bar.index for bar in take.bars] == list(range(10))
    assert not any(bar.fallback for bar in take.bars)
    assert [bar.tempo_bpm for bar in take.bars[2:]] == pytest.approx([132.0] * 8, abs=0.05)


def test_the_file_has_every_bar_line_where_the_master_had_it(tmp_path):
    times = tick_times(20 * 96, ((0, 100.0), (6 * 96, 140.0)), start_s=9.0)
    follow(tmp_path / "a.mid", playing(times), bars=10)
    song = mido.MidiFile(tmp_path / "a.mid")
    second, tick, tempo, lines = 0.0, 0, 500_000, []
    for message in song.tracks[0]:
        for _ in range(message.time):
            if tick % (4 * song.ticks_per_beat) == 0:
                lines.append(second)
            second, tick = second + tempo / song.ticks_per_beat / 1e6, tick + 1
        if message.type == "set_tempo":
            tempo = message.tempo
    wanted = [times[96 * bar] - times[0] for bar in range(10)]
    assert lines == pytest.approx(wanted, abs=0.06)  # the tempo is unknown at first, and steps in the seventh bar
    settled = [bar for bar in range(3, 9) if bar not in (6, 7)]
    for bar in settled:
        assert lines[bar + 1] - lines[bar] == pytest.approx(wanted[bar + 1] - wanted[bar], abs=0.02)


def test_after_a_stop_the_next_bar_waits_for_the_master(tmp_path):
    first = tick_times(500, ((0, 120.0),), start_s=9.0)
    again = tick_times(20 * 96, ((0, 120.0),), start_s=30.0)
    messages = [*playing(first), (first[-1] + 0.01, STOP), (29.9, CONTINUE), *((time_s, CLOCK) for time_s in again)]
    take = follow(tmp_path / "a.mid", messages, bars=10)
    assert [bar.index for bar in take.bars] == list(range(10))
    assert all(after.start == before.end for before, after in pairwise(take.bars))
    assert not any(bar.fallback for bar in take.bars)


def test_on_the_virtual_clock_of_the_program_there_is_nobody_to_follow(tmp_path):
    config = parse_config({"clock": {"source": "midi"}})
    with pytest.raises(ConfigError, match="leave out --virtual-time"):
        improvise(config, TakeFiles(tmp_path / "a.mid"), virtual=True)


def test_without_an_input_there_is_no_clock_to_follow(tmp_path, monkeypatch):
    player = LocalPlayer(VirtualClock(), RecordingOutput())
    monkeypatch.setattr("brainmidi.drivers.live.PlayerProcess.start", lambda *arguments, **options: player)
    with pytest.raises(MidiError, match="needs an input"):
        improvise(parse_config({"clock": {"source": "midi"}}), TakeFiles(tmp_path / "a.mid"))


def test_on_the_virtual_clock_count_in_and_clock_change_nothing_that_is_played(tmp_path):
    takes = []
    for clock in ({}, {"count_in": 2, "metronome": True, "send": True, "nudge_ms": 20.0}):
        session = {"tempo_bpm": 120.0, "bars": 3}
        takes.append(
            improvise(
                parse_config({"session": session, "clock": clock}),
                TakeFiles(tmp_path / "a.mid"),
                virtual=True,
                voices=lambda: (FakeMelody(), FakeAccompaniment()),
                anchors=ANCHORS,
            )
        )
    assert takes[0].bars == takes[1].bars

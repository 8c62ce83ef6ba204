"""The player with a clock: what it sends for others to follow, and how it goes with one that it follows."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from clock_master import (
    CLOCK,
    CONTINUE,
    START,
    STOP,
    arrivals,
    played_from_standing,
    quantile,
    song_position,
    tick_times,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_takes import make_bar, make_take, stand_in, whole_note

from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.handover import Handover
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timetable import DEFAULT_CHANNELS
from brainmidi.types import Note

F = Fraction


class TimedOutput(RecordingOutput):
    """An output that keeps when each message was sent."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock
        self.timed = []

    def send(self, data, at_s=None):
        super().send(data, at_s)
        self.timed.append((self.clock.now_s(), tuple(data)))

    def strikes(self):
        return [(time_s, data[1]) for time_s, data in self.timed if data[0] & 0xF0 == 0x90 and data[2]]


class Stage:
    """A core on the virtual clock, a composer that is always one bar ahead, and a master that sends what it is told."""

    def __init__(self, bars=None, begin_s=0.0, **clock):
        self.clock = VirtualClock()
        self.output = TimedOutput(self.clock)
        self.core = PlayerCore(self.clock, self.output, settings=PlayerSettings(clock=ClockSettings(**clock)))
        self.handover = Handover(DEFAULT_CHANNELS)
        self.bars = bars or [whole_note(index, 60 + index) for index in range(24)]
        self.started = []
        self.paused = []
        self.send_bar()
        self.core.handle({"op": "begin", "at_s": begin_s})
        self.send_bar()

    def send_bar(self):
        if (index := self.handover.last_index + 1) < len(self.bars):
            self.core.handle(self.handover.pack(self.bars[index], stand_in(self.bars[index])))

    def look(self):
        self.core.advance()
        for notice in self.core.take_notices():
            if notice["kind"] == "started":
                self.started.append((notice["index"], notice["time_s"], notice["bpm"]))
                self.send_bar()
            elif notice["kind"] == "paused":
                self.paused.append(notice["index"])

    def play_until(self, second):
        self.look()
        while (deadline_s := self.core.deadline_s) is not None and deadline_s <= second:
            self.clock.sleep_until(deadline_s)
            self.look()
        self.clock.sleep_until(second)
        self.look()

    def hear(self, time_s, *messages):
        self.play_until(time_s)
        for data in messages:
            self.core.hear(data, time_s)
        self.look()

    def master(self, since_s, n_ticks, bpm=120.0):
        """Let a steady master play; return when the tick after would fall."""
        for tick in range(n_ticks):
            self.hear(since_s + tick * 2.5 / bpm, CLOCK)
        return since_s + n_ticks * 2.5 / bpm

    def report(self):
        return self.handover.report(self.core.report())


def bar_starts(stage):
    return [(index, pytest.approx(time_s, abs=1e-3)) for index, time_s, _ in stage.started]


# ------------------------------------------------------------------------------------------------------------ master


def test_clock_goes_out_24_to_the_quarter_between_start_and_stop():
    stage = Stage(bars=make_take(3), send=True)
    stage.core.handle({"op": "finish", "last": 2})
    stage.play_until(10.0)
    transport = [(time_s, data) for time_s, data in stage.output.timed if data[0] >= 0xF8]
    assert [data for _, data in transport] == [START] + [CLOCK] * (3 * 96) + [STOP]
    times = [time_s for time_s, data in transport if data == CLOCK]
    assert times == [pytest.approx(tick / 48) for tick in range(3 * 96)]
    assert transport[-1][0] == pytest.approx(6.0)


def test_on_a_beat_clock_goes_out_before_the_note():
    stage = Stage(send=True)
    stage.play_until(1.99)
    assert [data for time_s, data in stage.output.timed if time_s == 0.0] == [START, CLOCK, (0x90, 60, 80)]


def test_clock_and_clicks_are_no_part_of_the_take():
    loud, plain = Stage(bars=make_take(3), send=True, metronome=True), Stage(bars=make_take(3))
    for stage in (loud, plain):
        stage.core.handle({"op": "finish", "last": 2})
        stage.play_until(10.0)
    assert loud.report().sent_events == plain.report().sent_events
    clicks = [(time_s, pitch) for time_s, pitch in loud.output.strikes() if pitch in (76, 77)]
    assert [time_s for time_s, _ in clicks] == [beat / 2 for beat in range(12)]


def test_a_stop_in_the_middle_of_a_click_closes_it():
    stage = Stage(metronome=True)
    stage.play_until(0.51)
    stage.core.stop(None)
    assert (0x8E, 77, 0) in stage.output.sent


def unclosed(messages):
    sounding = set()
    for status, *rest in messages:
        if status & 0xF0 == 0x90 and rest[1]:
            sounding.add((status & 15, rest[0]))
        elif status & 0xF0 in (0x80, 0x90):
            sounding.discard((status & 15, rest[0]))
    return sounding


CLICKS_LET_GO = [(0xBE, 64, 0), (0xBE, 123, 0), (0xBE, 120, 0)]


@pytest.mark.parametrize("op", ["stop", "panic"])
@pytest.mark.parametrize("at_s", [0.01, 0.51, 1.2])
def test_a_stop_or_a_panic_in_the_count_in_closes_its_click_and_is_no_part_of_the_take(op, at_s):
    stage = Stage(begin_s=2.0, count_in=1)
    stage.play_until(at_s)
    stage.core.handle({"op": op})
    sent = [data for _, data in stage.output.timed]
    assert unclosed(sent) == set()
    assert sent[-3:] == CLICKS_LET_GO
    assert (stage.report().sent_events, stage.report().end_beat) == ((), 0)
    assert stage.core.done is (op == "stop")
    stage.play_until(2.0)
    assert ((2.0, 60) in stage.output.strikes()) is (op == "panic")


def test_a_stop_in_a_click_before_the_takes_first_note_closes_it():
    stage = Stage(bars=[make_bar(0, (Note(F(2), F(1), 60, 80),))], metronome=True)
    stage.play_until(0.01)
    stage.core.stop("told to end")
    assert unclosed(data for _, data in stage.output.timed) == set()
    assert stage.report().sent_events == ()


def test_clicks_are_let_go_beside_the_take():
    stage = Stage(metronome=True)
    stage.play_until(0.51)
    stage.core.stop(None)
    assert {data[0] & 15 for _, data in stage.output.timed} == {0, 14}
    assert {event.data[0] & 15 for event in stage.report().sent_events} == {0}


def test_the_tempo_of_the_clock_is_that_of_the_bars():
    stage = Stage(bars=[whole_note(0, bpm=120.0), whole_note(1, bpm=100.0), whole_note(2, bpm=100.0)], send=True)
    stage.play_until(5.0)
    times = [time_s for time_s, data in stage.output.timed if data == CLOCK]
    assert times[96] == pytest.approx(2.0)
    assert times[97] - times[96] == pytest.approx(0.025)


def test_a_count_in_clicks_before_the_first_note():
    clock = VirtualClock()
    output = TimedOutput(clock)
    core = PlayerCore(clock, output, settings=PlayerSettings(clock=ClockSettings(count_in=1)))
    core.handle(Handover(DEFAULT_CHANNELS).pack(whole_note(0), None))
    core.handle({"op": "begin", "at_s": 2.0})
    while (deadline_s := core.deadline_s) is not None and deadline_s <= 2.0:
        clock.sleep_until(deadline_s)
        core.advance()
    assert output.strikes() == [(0.0, 76), (0.5, 77), (1.0, 77), (1.5, 77), (2.0, 60)]


@pytest.mark.parametrize("nudge_s", [-0.03, 0.03])
def test_a_nudge_shifts_all_that_is_sent(nudge_s):
    plain, nudged = (Stage(make_take(3), begin_s=1.0, send=True, nudge_s=each) for each in (0.0, nudge_s))
    for stage in (plain, nudged):
        stage.play_until(5.0)
    compared = [each for each in zip(plain.output.timed, nudged.output.timed, strict=False) if each[0][0] >= 1.0]
    assert len(compared) > 100
    for (plain_s, data), (nudged_s, same) in compared:
        assert (nudged_s, same) == (pytest.approx(plain_s + nudge_s), data)


# ------------------------------------------------------------------------------------------------------------- slave


def test_nothing_plays_before_the_master_does():
    stage = Stage(source="midi")
    stage.master(0.0, 100)
    assert stage.output.timed == []
    stage.hear(5.0, START)
    assert stage.output.timed == []


def test_bars_begin_on_the_masters_bar_lines_in_its_tempo():
    stage = Stage(source="midi")
    stage.hear(0.5, START)
    stage.master(1.0, 4 * 96, bpm=90.0)
    bar_s = 4 * 60 / 90
    # The tempo is a guess until clocks have told it; from the second bar on it is the master's.
    assert stage.output.strikes()[0] == (1.0, 60)
    assert bar_starts(stage) == [(index, 1.0 + bar_s * index) for index in range(4)]
    assert stage.started[2][2] == pytest.approx(90.0, abs=0.01)


def test_a_start_that_waited_for_the_player_is_still_on_its_bar_line():
    stage = Stage(source="midi")
    stage.hear(0.5, START)
    stage.play_until(1.06)  # a busy machine: the clock of 1.0 s is seen three clocks late
    stage.core.hear(CLOCK, 1.0)
    stage.look()
    assert stage.output.strikes() == [(1.06, 60)]
    assert stage.started[0][:2] == (0, pytest.approx(1.0))


def test_a_count_in_with_a_master_clicks_through_its_first_bar():
    stage = Stage(source="midi", count_in=1)
    stage.hear(0.5, START)
    stage.master(1.0, 110)
    clicks = [pytest.approx(1.0 + beat / 2, abs=1e-3) for beat in range(4)]
    assert [time_s for time_s, pitch in stage.output.strikes() if pitch in (76, 77)] == clicks
    assert stage.output.strikes()[-1] == (pytest.approx(3.0, abs=1e-3), 60)


def test_a_stop_of_the_masters_in_the_count_in_closes_its_click_and_start_counts_in_again():
    stage = Stage(source="midi", count_in=2)
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 50)
    stage.hear(end_s, STOP)
    assert unclosed(data for _, data in stage.output.timed) == set()
    stage.play_until(20.0)
    assert stage.output.timed[-1][0] == end_s
    before = len(stage.output.strikes())
    stage.hear(20.0, START)
    stage.master(21.0, 200)
    strikes = stage.output.strikes()[before:]
    assert [pitch for _, pitch in strikes] == [76, 77, 77, 77, 76, 77, 77, 77, 60]
    assert [time_s for time_s, _ in strikes] == pytest.approx([21.0 + beat / 2 for beat in range(9)], abs=1e-3)


def test_stop_silences_at_once_and_continue_brings_the_next_bar_in_on_the_next_bar_line():
    stage = Stage(source="midi")
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 130)
    stage.hear(end_s, STOP)
    assert stage.output.timed[-4:][0] == (end_s, (0x80, 61, 0))
    assert stage.paused == [1]
    stage.play_until(30.0)
    assert stage.output.timed[-1][0] == end_s
    stage.hear(30.0, CONTINUE)
    stage.master(31.0, 200)  # from tick 130: the next bar line is tick 192
    assert stage.started[2][:2] == (2, pytest.approx(31.0 + 62 / 48))
    assert stage.started[3][:2] == (3, pytest.approx(31.0 + 158 / 48))


def test_a_song_position_lands_on_its_bar_line():
    stage = Stage(source="midi")
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 130)
    stage.hear(end_s, STOP, song_position(36), CONTINUE)  # bar 2, beat 2: a bar line comes three beats later
    stage.master(10.0, 100)
    assert stage.started[2][:2] == (2, pytest.approx(10.0 + 1.5))


@pytest.mark.parametrize("idle", [False, True], ids=["silent while it stands", "its clock runs while it stands"])
def test_a_song_position_on_a_bar_line_and_continue_begin_the_bar_at_that_very_clock(idle):
    for bar in range(0, 400, 7):
        stage = Stage(source="midi")
        if idle:
            stage.master(1.0, 40)
        stage.hear(9.0 if not idle else 1.0 + 39.3 / 48, song_position(16 * bar), CONTINUE)
        first_s = stage.clock.now_s() + 0.0131
        stage.hear(first_s, CLOCK)
        assert stage.output.strikes() == [(first_s, 60)], f"bar {bar}"
        assert stage.started[0][:2] == (0, pytest.approx(first_s))


@pytest.mark.parametrize("phase", [0.3, 0.5, 1.0, 1.7, 1.9])
def test_a_master_that_begins_its_clock_anew_on_play_has_every_bar_on_its_bar_line(phase):
    stage = Stage(source="midi")
    song, messages = played_from_standing(phase, 6 * 96, jitter_s=0.0)
    for time_s, data in messages:
        stage.hear(time_s, data)
    assert [time_s for _, time_s, _ in stage.started] == pytest.approx([song[96 * bar] for bar in range(6)], abs=1e-6)


def test_start_while_playing_begins_anew_on_the_first_clock():
    stage = Stage(source="midi")
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 130)
    stage.hear(end_s, START)
    stage.master(end_s, 4)
    assert stage.started[2][:2] == (2, pytest.approx(end_s))


def test_a_master_that_dies_is_taken_for_one_that_stops():
    stage = Stage(source="midi")
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 130)
    stage.play_until(20.0)
    assert stage.paused == [1]
    assert stage.output.timed[-1][0] == pytest.approx(end_s - 1 / 48 + 0.5)


def test_a_stop_in_the_last_bar_ends_the_take():
    stage = Stage(bars=[whole_note(0)], source="midi")
    stage.core.handle({"op": "finish", "last": 0})
    assert not stage.core.done
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 50)
    stage.hear(end_s, STOP)
    assert stage.core.done
    assert stage.report().end_beat == pytest.approx(50 / 24, abs=1e-2)


def test_what_was_sent_is_in_order_of_its_beats_whatever_the_master_does():
    stage = Stage(bars=make_take(12), source="midi")
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 130)
    stage.hear(end_s, STOP, song_position(0), CONTINUE)
    end_s = stage.master(end_s, 250, bpm=160.0)
    stage.hear(end_s, song_position(640))
    end_s = stage.master(end_s, 250, bpm=60.0)
    report = stage.report()
    beats = [event.beat for event in report.sent_events]
    assert beats == sorted(beats)
    assert [bar.index for bar in report.bars] == list(range(len(report.bars)))


def test_a_master_of_whom_we_follow_the_clock_can_be_passed_on():
    stage = Stage(source="midi", send=True)
    stage.hear(0.5, START)
    end_s = stage.master(1.0, 96 + 24)
    stage.hear(end_s, STOP)
    stage.hear(9.0, CONTINUE)
    stage.master(9.0, 96)
    told = [data for _, data in stage.output.timed if data[0] >= 0xF0 and data != CLOCK]
    assert told == [START, STOP, song_position(32), CONTINUE]


def test_notes_lie_within_2_ms_of_a_master_that_jitters_and_steps_its_tempo():
    times = tick_times(16 * 96, ((0, 100.0), (8 * 96, 140.0)))
    errors = []
    for seed in range(3):
        stage = Stage(bars=make_take(16, notes_per_part=16), source="midi")
        stage.hear(0.0, START)
        for arrival_s, _ in arrivals(times, seed=seed):
            stage.hear(arrival_s, CLOCK)
        events = stage.report().sent_events
        notes = [(time_s, event.beat) for (time_s, _), event in zip(stage.output.timed, events, strict=True)]
        settled = [(8, 32), (36, 62)]
        for time_s, beat in notes:
            if beat.denominator in (1, 2, 4) and any(low <= beat < high for low, high in settled):
                errors.append(time_s - times[int(beat * 24)])
    assert len(errors) > 500
    assert quantile(errors, 0.99) <= 2e-3


PLAYS = st.tuples(st.integers(1, 150), st.sampled_from([60.0, 120.0, 200.0]))
SAYS = st.lists(st.sampled_from([START, STOP, CONTINUE, song_position(0), song_position(37)]), max_size=3)


@given(st.lists(st.tuples(SAYS, PLAYS, st.floats(0.0, 2.0)), max_size=8), st.booleans())
@settings(max_examples=25, deadline=None)
def test_whatever_a_master_does_nothing_hangs_and_bars_follow_each_other(deeds, sends):
    stage = Stage(bars=make_take(40, notes_per_part=3), source="midi", send=sends, metronome=sends)
    for says, (n_ticks, bpm), pause_s in deeds:
        stage.hear(stage.clock.now_s(), *says)
        stage.master(stage.clock.now_s(), n_ticks, bpm)
        stage.play_until(stage.clock.now_s() + pause_s)
    stage.core.stop(None)
    report = stage.report()
    beats = [event.beat for event in report.sent_events]
    assert beats == sorted(beats)
    assert [bar.index for bar in report.bars] == list(range(len(report.bars)))
    sounding = set()
    for status, *rest in (data for _, data in stage.output.timed if data[0] < 0xF0):
        key = (status & 15, rest[0])
        if status & 0xF0 == 0x90 and rest[1]:
            assert key not in sounding, "struck while open"
            sounding.add(key)
        elif status & 0xF0 in (0x80, 0x90):
            sounding.discard(key)
    assert sounding == set()
    told = [data[0] for _, data in stage.output.timed if data[0] in (0xFA, 0xFB, 0xFC)]
    assert all(before != after for before, after in pairwise([one == 0xFC for one in told])), "two Starts or two Stops"

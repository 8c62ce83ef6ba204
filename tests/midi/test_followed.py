from __future__ import annotations

from fractions import Fraction

import pytest
from clock_master import CLOCK, CONTINUE, START, STOP, song_position
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.midi.followed import FollowedTimeline, tempo_changes
from brainmidi.midi.sync import ClockFollower

F = Fraction
BAR = F(4)


def timeline():
    line = FollowedTimeline(ClockFollower())
    line.begin(0.0)
    return line


def play(line, since_s, n_ticks):
    """Let a steady master of 120 bpm play, and look after each of its clocks."""
    for tick in range(n_ticks):
        line.hear(CLOCK, since_s + tick / 48)
        line.look(since_s + tick / 48)
    return since_s + n_ticks / 48


def test_no_beat_has_a_time_before_the_master_plays():
    line = timeline()
    assert line.clock_s(F(0)) is None
    assert not line.waits
    line.hear(START, 0.0)
    assert not line.waits
    line.hear(CLOCK, 1.0)
    assert line.waits


def test_bar_0_falls_on_the_first_clock_after_start():
    line = timeline()
    line.hear(START, 0.0)
    play(line, 1.0, 1)
    line.place(F(0), BAR, 1.0)
    assert line.clock_s(F(0)) == pytest.approx(1.0)
    assert line.clock_s(F(4)) == pytest.approx(3.0)
    line.enter(F(0), 96.0)
    assert line.begun_s == pytest.approx(1.0)


def test_a_bar_that_comes_in_later_waits_for_the_next_bar_line():
    line = timeline()
    line.hear(START, 0.0)
    now_s = play(line, 1.0, 110)
    line.place(F(0), BAR, now_s)
    assert line.clock_s(F(0)) == pytest.approx(1.0 + 4.0)


def test_a_count_in_lets_bars_of_the_master_go_by():
    line = timeline()
    line.hear(START, 0.0)
    play(line, 1.0, 1)
    line.place(F(0), BAR, 1.0, 2)
    assert line.clock_s(F(0)) == pytest.approx(1.0 + 4.0)
    assert line.clock_s(F(-8)) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("jump", "position"),
    [((), F(131, 24)), ((song_position(72),), F(18)), ((song_position(0),), F(0))],
    ids=["continue", "ahead", "back to the beginning"],
)
def test_after_a_stop_the_take_goes_on_with_its_next_bar_on_the_masters_next_bar_line(jump, position):
    line = timeline()
    line.hear(START, 0.0)
    play(line, 0.0, 1)
    line.place(F(0), BAR, 0.0)
    line.enter(F(0), 96.0)
    now_s = play(line, 1 / 48, 130)
    line.hear(STOP, now_s)
    assert line.look(now_s)
    assert not line.look(now_s)
    assert line.clock_s(F(8)) is None
    reached = line.beat(now_s + 10.0)
    assert float(reached) == pytest.approx(130 / 24, abs=1e-3)
    for data in jump:
        line.hear(data, 50.0)
    line.hear(CONTINUE, 50.0)
    play(line, 60.0, 1)
    assert line.waits
    line.place(F(8), BAR, 60.0)
    beats_to_bar_line = -position % 4
    assert line.clock_s(F(8)) == pytest.approx(60.0 + float(beats_to_bar_line) / 2)
    assert line.beat(60.0) >= reached


def test_a_jump_while_playing_loses_the_place():
    line = timeline()
    line.hear(START, 0.0)
    now_s = play(line, 0.0, 50)
    line.place(F(0), BAR, now_s)
    line.hear(song_position(640), now_s)
    line.hear(CLOCK, now_s)
    assert line.look(now_s)
    assert line.waits


def test_a_master_that_falls_silent_stops_the_take():
    line = timeline()
    line.hear(START, 0.0)
    now_s = play(line, 0.0, 50)
    line.place(F(0), BAR, now_s)
    assert line.deadline_s == pytest.approx(now_s - 1 / 48 + 0.5)
    assert line.look(line.deadline_s)


def test_the_written_tempo_is_the_masters_not_the_composers():
    line = timeline()
    line.hear(START, 0.0)
    play(line, 0.0, 1)
    line.place(F(0), BAR, 0.0)
    line.enter(F(0), 96.0)
    play(line, 1 / 48, 24 * 12)
    ((beat, bpm),) = line.tempi()
    assert (beat, bpm) == (0, pytest.approx(120.0, abs=0.1))


def test_a_master_that_stops_at_once_and_goes_on_has_a_written_tempo_from_the_beginning():
    line = timeline()
    line.hear(START, 0.0)
    play(line, 0.0, 5)
    line.place(F(0), BAR, 0.0)
    line.enter(F(0), 96.0)
    line.hear(STOP, 0.2)
    line.look(0.2)
    line.hear(CONTINUE, 0.5)
    play(line, 1.0, 1)
    line.place(F(4), BAR, 1.0)
    play(line, 1 + 1 / 48, 92)
    line.enter(F(4), 96.0)
    play(line, 1 + 93 / 48, 96)
    assert line.tempi() == [(0, pytest.approx(120.0, abs=0.1)), (4, pytest.approx(120.0, abs=0.1))]


def test_a_tempo_that_steps_is_written_where_it_does():
    slow_half = [(F(beat), beat * 0.6) for beat in range(9)]
    points = slow_half + [(F(8 + beat), 4.8 + beat * 60 / 140) for beat in range(1, 9)]
    (first, slow), (second, fast) = tempo_changes(points)
    assert (first, second) == (0, 8)
    assert (slow, fast) == (pytest.approx(100.0, rel=5e-3), pytest.approx(140.0, rel=5e-3))


@given(st.lists(st.floats(0.2, 2.0), min_size=1, max_size=60))
def test_a_file_with_the_written_tempi_has_every_beat_within_3_ms_of_where_it_fell(gaps):
    times = [0.0]
    for gap in gaps:
        times.append(times[-1] + gap)
    points = [(F(beat), time_s) for beat, time_s in enumerate(times)]
    changes = tempo_changes(points)
    ends = [beat for beat, _ in changes[1:]] + [F(len(gaps))]
    written_s = 0.0
    for (start, bpm), end in zip(changes, ends, strict=True):
        for beat in range(int(start), int(end) + 1):
            assert written_s + (beat - int(start)) * 60 / bpm == pytest.approx(times[beat], abs=3e-3)
        written_s += float(end - start) * 60 / bpm

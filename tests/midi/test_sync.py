from __future__ import annotations

from fractions import Fraction

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

from brainmidi.midi.sync import ClockFollower

BAR = 96  # ticks


def follow(times, came, follower=None):
    """Start, then take the ticks that came; return the phase error in seconds after each."""
    follower = follower or ClockFollower()
    follower.take(0.0, START)
    errors = []
    for arrival_s, tick in came:
        follower.take(arrival_s, CLOCK)
        errors.append((tick, follower.time_s(Fraction(tick, 24)) - times[tick]))
    return errors


def next_bar(follower):
    """Return the bar line at or after the follower's place, in 4/4."""
    return -(-follower.position // 4) * 4


def errors_after(first_tick, n_ticks, tempi, seeds=range(8), **how):
    times = tick_times(n_ticks, tempi)
    return [
        error
        for seed in seeds
        for tick, error in follow(times, arrivals(times, seed=seed, **how))
        if tick >= first_tick
    ]


@pytest.mark.parametrize("bpm", [40.0, 120.0, 220.0])
def test_after_two_bars_of_a_clock_that_jitters_by_3_ms_the_phase_is_within_2_ms(bpm):
    assert quantile(errors_after(2 * BAR, 12 * BAR, ((0, bpm),)), 0.99) <= 2e-3


@pytest.mark.parametrize("bpm", [50.0, 103.0, 140.0, 200.0])
def test_a_step_of_tempo_is_followed_within_one_bar(bpm):
    step = 4 * BAR
    assert quantile(errors_after(step + BAR, 12 * BAR, ((0, 100.0), (step, bpm))), 0.99) <= 2e-3


def test_a_tempo_that_rises_with_every_beat_is_followed():
    rising = tuple((24 * beat, 100.0 + beat) for beat in range(40))
    assert max(map(abs, errors_after(2 * BAR, 40 * 24, rising))) <= 10e-3  # half a tick: no tick is miscounted


def test_a_clock_without_jitter_is_followed_exactly():
    assert max(map(abs, errors_after(3 * BAR, 8 * BAR, ((0, 96.0),), seeds=[0], jitter_s=0.0))) <= 1e-6


@pytest.mark.parametrize(
    "how",
    [
        {"lost": frozenset({300})},
        {"lost": frozenset({300, 301, 302})},
        {"doubled": frozenset({300})},
        {"held": (300, 308)},
        {"lost": frozenset({300, 500}), "doubled": frozenset({400})},
    ],
    ids=["a tick lost", "three lost", "one doubled", "a burst", "lost and doubled"],
)
def test_ticks_that_are_lost_doubled_or_held_back_move_no_beat(how):
    assert quantile(errors_after(2 * BAR, 10 * BAR, ((0, 120.0),), **how), 0.99) <= 2e-3


def test_where_messages_come_in_periods_as_long_as_a_tick_every_tick_counts():
    period_s, errors = 1024 / 48000, []
    times = tick_times(20 * BAR, ((0, 120.0),))
    came = [(period_s * (time_s // period_s + 1), tick) for tick, time_s in enumerate(times)]
    errors = [error for tick, error in follow(times, came, ClockFollower(grain_s=period_s)) if tick >= 2 * BAR]
    assert all(0.0 <= error <= period_s for error in errors)


def test_the_first_clock_after_start_is_beat_0():
    follower = ClockFollower()
    for tick in range(30):  # a clock that runs while the master stands
        follower.take(tick / 48, CLOCK)
    assert (follower.running, follower.beat(1.0)) == (False, 0.0)
    follower.take(0.63, START)
    assert not follower.running
    follower.take(30 / 48, CLOCK)
    assert follower.running
    assert follower.position == 0
    assert follower.placements == 1
    assert follower.time_s(0) == pytest.approx(30 / 48)
    assert follower.time_s(4) == pytest.approx(30 / 48 + 2.0)


def errors_from_standing(phase, n_ticks, **how):
    """Return (tick, phase error in seconds) where the clock begins anew with Start, `phase` ticks after the last."""
    follower = ClockFollower()
    song, messages = played_from_standing(phase, n_ticks, **how)
    errors, tick = [], 0
    for arrival_s, data in messages:
        follower.take(arrival_s, data)
        if follower.running:
            errors.append((tick, follower.time_s(Fraction(tick, 24)) - song[tick]))
            tick += 1
    assert tick == n_ticks
    return errors


PHASES = [step / 20 for step in range(1, 50)]


@pytest.mark.parametrize("bpm", [60.0, 120.0, 200.0])
def test_a_clock_that_begins_anew_on_play_is_in_phase_from_its_first_on(bpm):
    for phase in PHASES:
        errors = errors_from_standing(phase, 4 * BAR, jitter_s=0.0, bpm=bpm)
        assert max(abs(error) for _, error in errors) <= 1e-6, phase


def test_a_clock_that_begins_anew_and_jitters_by_3_ms_is_within_2_ms_after_a_bar():
    found = [each for seed in range(4) for phase in PHASES for each in errors_from_standing(phase, 4 * BAR, seed=seed)]
    assert max(abs(error) for tick, error in found if tick == 0) <= 3e-3 + 1e-6
    assert quantile([error for tick, error in found if tick >= BAR], 0.99) <= 2e-3
    assert max(abs(error) for _, error in found) <= 6e-3


@pytest.mark.parametrize("bpm", [60.0, 100.0, 140.0, 180.0])
def test_a_jump_to_where_the_song_has_another_tempo_is_followed_within_one_bar(bpm):
    errors = []
    for seed in range(8):
        follower = ClockFollower()
        follow(tick_times(4 * BAR, ((0, 120.0),)), arrivals(tick_times(4 * BAR, ((0, 120.0),)), seed=seed), follower)
        follower.take(9.0, song_position(160))
        times = tick_times(4 * BAR, ((0, bpm),), start_s=9.0 + 1 / 48)
        for arrival_s, tick in arrivals(times, seed=seed):
            follower.take(arrival_s, CLOCK)
            if tick >= BAR:
                errors.append(follower.time_s(40 + Fraction(tick, 24)) - times[tick])
    assert quantile(errors, 0.99) <= 2e-3


def test_start_without_a_clock_starts_nothing():
    follower = ClockFollower()
    follower.take(1.0, START)
    assert not follower.running
    assert follower.time_s(0) is None
    assert follower.patient_until_s is None
    follower.take(1.5, STOP)
    follower.take(2.0, CLOCK)
    assert not follower.running


def run(follower, since_s, n_ticks):
    """Let a steady master of 120 bpm play; return when the tick after would fall."""
    for tick in range(n_ticks):
        follower.take(since_s + tick / 48, CLOCK)
    return since_s + n_ticks / 48


def test_continue_goes_on_where_stop_came():
    follower = ClockFollower()
    follower.take(0.0, START)
    end_s = run(follower, 0.0, 100)
    follower.take(end_s - 0.01, STOP)
    assert not follower.running
    assert follower.position == Fraction(100, 24)
    follower.take(20.0, CONTINUE)
    run(follower, 20.0, 1)
    assert follower.position == Fraction(100, 24)
    assert follower.placements == 2
    assert next_bar(follower) == 8
    assert follower.time_s(8) == pytest.approx(20.0 + 92 / 48)


def test_a_song_position_places_the_next_clock():
    follower = ClockFollower()
    follower.take(0.0, song_position(18))
    follower.take(0.0, CONTINUE)
    run(follower, 1.0, 1)
    assert follower.position == Fraction(18, 4)
    assert next_bar(follower) == 8
    assert follower.time_s(8) == pytest.approx(1.0 + 3.5 / 2)


def test_a_jump_while_playing_is_at_the_new_place_with_the_next_clock():
    follower = ClockFollower()
    follower.take(0.0, START)
    end_s = run(follower, 0.0, 90)
    follower.take(end_s - 0.01, song_position(160))
    assert not follower.running
    run(follower, end_s, 1)
    assert (follower.running, follower.position, follower.placements) == (True, 40, 2)


def test_a_song_position_that_is_off_by_whole_bars_leaves_the_bar_lines_and_start_counts_from_0():
    follower = ClockFollower()
    follower.take(0.0, song_position(96))  # a DAW said so where the standard says 16
    follower.take(0.0, CONTINUE)
    end_s = run(follower, 1.0, 48)
    assert next_bar(follower) == 28
    assert follower.time_s(28) == pytest.approx(1.0 + 2.0)
    follower.take(end_s, STOP)
    follower.take(end_s, START)
    run(follower, end_s, 1)
    assert follower.position == 0


def test_a_master_whose_clock_ceases_is_given_up_and_goes_on_where_it_was():
    follower = ClockFollower()
    follower.take(0.0, START)
    end_s = run(follower, 0.0, 100)
    until_s = follower.patient_until_s
    assert until_s == pytest.approx(end_s - 1 / 48 + 0.5)
    assert not follower.give_up(until_s - 0.01)
    assert follower.running
    assert follower.give_up(until_s)
    assert not follower.running
    run(follower, 30.0, 1)
    assert follower.running
    assert follower.position == Fraction(100, 24)


events = st.lists(
    st.tuples(st.floats(0.0, 0.1), st.sampled_from([CLOCK] * 12 + [START, STOP, CONTINUE, song_position(7)])),
    max_size=120,
)


@given(events, st.floats(0.0, 5.0), st.floats(0.0, 5.0), st.floats(0.0, 400.0))
@settings(deadline=None)
def test_whatever_comes_beats_rise_with_time_and_each_conversion_undoes_the_other(messages, one_s, other_s, beat):
    follower, now_s = ClockFollower(), 0.0
    for pause_s, data in messages:
        now_s += pause_s
        follower.take(now_s, data)
    early_s, late_s = sorted((now_s + one_s, now_s + other_s))
    assert follower.beat(early_s) <= follower.beat(late_s)
    assert 10.0 - 1e-6 <= follower.tempo_bpm <= 480.0 + 1e-6
    if follower.running:
        assert follower.beat(follower.time_s(beat)) == pytest.approx(beat, abs=1e-6)
        assert follower.time_s(follower.beat(late_s)) == pytest.approx(late_s, abs=1e-6)

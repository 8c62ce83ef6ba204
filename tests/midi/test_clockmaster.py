from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.midi.clockmaster import ClockMaster, ClockSettings, Metronome, Pulses

F = Fraction
START, CONTINUE, STOP, CLOCK = (0xFA,), (0xFB,), (0xFC,), (0xF8,)


def messages(source, n):
    """Return the next `n` messages of a source with their beats."""
    return [(source.beat, source.take()) for _ in range(n)]


def test_start_goes_out_before_the_first_clock_which_is_beat_0():
    master = ClockMaster()
    assert master.beat is None
    master.roll(F(0))
    assert messages(master, 3) == [(F(-1, 48), START), (F(0), CLOCK), (F(1, 24), CLOCK)]


def test_a_take_that_goes_on_tells_its_place_in_sixteenths():
    master = ClockMaster()
    master.roll(F(132))
    place = (0xF2, 528 & 127, 528 >> 7)
    assert messages(master, 3) == [(F(132) - F(1, 48), place), (F(132) - F(1, 48), CONTINUE), (F(132), CLOCK)]


@given(st.integers(0, 10_000), st.integers(1, 200))
def test_there_is_always_a_next_clock_a_24th_of_a_beat_on(bar, n):
    master = ClockMaster()
    master.roll(F(4 * bar))
    clocks = [beat for beat, data in messages(master, n + 2) if data == CLOCK]
    assert clocks == [4 * bar + F(tick, 24) for tick in range(len(clocks))]
    assert master.beat is not None


def test_stop_is_told_to_who_was_told_to_start():
    master = ClockMaster()
    assert master.halt() == []
    master.roll(F(0))
    assert master.halt() == []
    master.roll(F(0))
    master.take()
    assert master.halt() == [STOP]
    assert master.beat is None


def test_the_metronome_clicks_on_every_pulse_and_higher_on_the_first():
    metronome = Metronome(15, (0, 6))
    metronome.bar(F(3), F(3))
    assert messages(metronome, 4) == [
        (F(3), (0x9E, 76, 112)),
        (F(25, 8), (0x8E, 76, 0)),
        (F(9, 2), (0x9E, 77, 88)),
        (F(37, 8), (0x8E, 77, 0)),
    ]
    assert metronome.beat is None


def test_a_count_in_clicks_before_the_first_beat_and_then_is_silent():
    pulses = Pulses(ClockSettings(count_in=1))
    pulses.roll(F(0), F(4), 1)
    pulses.bar(F(0), F(4))
    assert [beat for beat, data in messages(pulses, 8) if data[0] & 0xF0 == 0x90] == [-4, -3, -2, -1]
    assert pulses.beat is None


def test_clock_goes_before_a_click_on_the_same_beat():
    pulses = Pulses(ClockSettings(send=True, metronome=True))
    pulses.roll(F(0), F(4), 0)
    pulses.bar(F(0), F(4))
    assert [data for _, data in messages(pulses, 3)] == [START, CLOCK, (0x9E, 76, 112)]


@pytest.mark.parametrize("settings", [ClockSettings(), ClockSettings(source="midi")])
def test_nothing_is_sent_unless_it_was_asked_for(settings):
    pulses = Pulses(settings)
    pulses.roll(F(0), F(4), 0)
    pulses.bar(F(0), F(4))
    assert pulses.beat is None
    assert pulses.halt() == []

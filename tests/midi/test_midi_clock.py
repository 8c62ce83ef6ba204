from __future__ import annotations

import pytest

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock, VirtualClock


def test_the_virtual_clock_is_at_a_deadline_at_once():
    clock = VirtualClock(5.0)
    clock.sleep_until(3600.0)
    assert clock.now_s() == 3600.0


def test_the_virtual_clock_never_goes_back():
    clock = VirtualClock(5.0)
    clock.sleep_until(4.0)
    assert clock.now_s() == 5.0


@pytest.mark.parametrize("deadline_s", [float("inf"), float("nan")])
def test_the_virtual_clock_refuses_to_wait_for_ever(deadline_s):
    with pytest.raises(MidiError, match="finite"):
        VirtualClock().sleep_until(deadline_s)


def test_the_monotonic_clock_has_reached_a_deadline_when_it_returns():
    clock = MonotonicClock()
    deadline_s = clock.now_s() + 0.001
    clock.sleep_until(deadline_s)
    assert clock.now_s() >= deadline_s

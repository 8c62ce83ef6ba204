from __future__ import annotations

import queue

import pytest

from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.waiting import AWAKE_S, wait


class WatchedClock:
    """A clock that stands at 10 s until it is watched; a message may come in while it is."""

    def __init__(self, inbox, comes=()):
        self.time_s, self.watched, self.inbox, self.comes = 10.0, [], inbox, comes

    def now_s(self):
        return self.time_s

    def watch_until(self, deadline_s):
        self.watched.append(deadline_s)
        self.time_s = max(self.time_s, deadline_s)
        for message in self.comes:
            self.inbox.put(message)


@pytest.fixture
def inbox():
    return queue.SimpleQueue()


def test_a_message_that_is_there_long_before_the_deadline_is_returned_before_it(inbox):
    inbox.put("knobs")
    clock = WatchedClock(inbox)
    assert wait(lambda: 11.0, clock, inbox) == "knobs"
    assert clock.watched == []


@pytest.mark.parametrize("left_s", [AWAKE_S / 2, 0.0, -1.0])
def test_a_message_that_comes_shortly_before_the_deadline_is_returned_at_it(inbox, left_s):
    inbox.put("bar")
    clock = WatchedClock(inbox)
    assert wait(lambda: 10.0 + left_s, clock, inbox) == "bar"
    assert clock.watched == [10.0 + left_s]


def test_a_message_that_comes_while_the_clock_is_watched_is_returned_at_the_deadline(inbox):
    clock = WatchedClock(inbox, comes=["panic", "stop"])
    assert wait(lambda: 10.0 + AWAKE_S / 2, clock, inbox) == "panic"
    assert inbox.get_nowait() == "stop"


@pytest.mark.parametrize("left_s", [AWAKE_S, 1.5 * AWAKE_S, -1.0])
def test_nothing_is_returned_when_the_deadline_has_come_first(inbox, left_s):
    clock = WatchedClock(inbox)
    assert wait(lambda: 10.0 + left_s, clock, inbox) is None
    assert clock.time_s >= 10.0 + left_s


def test_without_a_deadline_what_comes_in_is_waited_for(inbox):
    inbox.put("begin")
    clock = WatchedClock(inbox)
    assert wait(lambda: None, clock, inbox) == "begin"
    assert clock.watched == []


@pytest.mark.parametrize(("moved_s", "until_s"), [(10.0001, 10.0001), (12.0, 10.0002), (None, 10.0002)])
def test_a_deadline_that_moved_is_met_if_it_is_earlier_and_not_watched_for_if_it_is_later(inbox, moved_s, until_s):
    deadlines = iter([10.0002, moved_s])
    clock = WatchedClock(inbox)
    assert wait(lambda: next(deadlines), clock, inbox) is None
    assert clock.watched == [until_s]


def test_the_machines_clock_has_reached_a_deadline_that_was_watched():
    clock = MonotonicClock()
    deadline_s = clock.now_s() + 0.0001
    clock.watch_until(deadline_s)
    assert clock.now_s() >= deadline_s

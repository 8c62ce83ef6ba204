"""What is asked of each system for a thread that is never late; macOS and Windows are stand-ins, not run by us."""

from __future__ import annotations

import ctypes
import os
from types import SimpleNamespace

import pytest

from brainmidi.midi import priority


class Asked:
    """A function of a system's library: it keeps what it is called with, and answers as the test wants."""

    def __init__(self, answer, log):
        self.answer, self.log = answer, log

    def __call__(self, *arguments):
        self.log.append(arguments)
        return self.answer


@pytest.mark.parametrize(
    ("coarse", "critical", "told"),
    [
        (0, 1, "a time-critical thread in the high priority class instead, and the timer ticks every 1 ms"),
        (97, 0, "the high priority class instead, and the system's timer is coarse"),
    ],
)
def test_windows_is_asked_for_a_fine_timer_and_says_what_there_is_in_place_of_fifo(monkeypatch, coarse, critical, told):
    periods, priorities = [], []
    kernel = SimpleNamespace(GetCurrentThread=Asked(-2, []), SetThreadPriority=Asked(critical, priorities))
    winmm = SimpleNamespace(timeBeginPeriod=Asked(coarse, periods))
    monkeypatch.delattr(os, "sched_setscheduler", raising=False)
    monkeypatch.setattr(ctypes, "windll", SimpleNamespace(winmm=winmm, kernel32=kernel), raising=False)
    assert priority.request_realtime() == (False, f"Windows has no SCHED_FIFO; {told}")
    assert periods == [(1,)]
    assert priorities[0][1] == 15


@pytest.mark.parametrize(("refused", "granted"), [(0, True), (46, False)])
def test_macos_is_asked_for_its_time_constraint_policy_in_its_own_unit_of_time(refused, granted):
    asked = []

    def timebase(base):
        base._obj.numer, base._obj.denom = 125, 3  # an Apple chip's: 24 ticks a microsecond

    def set_policy(thread, flavour, policy, count):
        each = policy._obj
        asked.append((thread.value, flavour, each.computation, each.constraint, each.preemptible, count))
        return refused

    system = SimpleNamespace(mach_timebase_info=timebase, mach_thread_self=Asked(7, []), thread_policy_set=set_policy)
    assert priority._macos(system)[0] is granted
    assert asked == [(7, 2, 24_000, 48_000, 1, 4)]


def test_a_system_without_any_of_it_says_so(monkeypatch):
    monkeypatch.delattr(os, "sched_setscheduler", raising=False)
    monkeypatch.delattr(ctypes, "windll", raising=False)
    monkeypatch.setattr("sys.platform", "haiku")
    assert priority.request_realtime() == (False, "haiku has no SCHED_FIFO for Python")

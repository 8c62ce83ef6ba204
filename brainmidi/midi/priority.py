"""The right to run when a note is due, which every system gives in its own way. macOS and Windows: not run by us."""

from __future__ import annotations

import ctypes
import os
import sys
from typing import Any

#: Low, so that audio servers (JACK runs at 10 and above) keep their place; any FIFO priority is above every normal one.
_PRIORITY = 5

#: macOS is told how long we compute, and within which time that has to be done: see thread_policy_set in its headers.
_COMPUTES_NS, _WITHIN_NS = 1_000_000, 2_000_000
_TIME_CONSTRAINT_POLICY = 2

#: Windows wakes a waiting thread on a tick, each 15.6 ms unless a program asks for less.
_TIMER_MS = 1
_TIME_CRITICAL = 15


class _Timebase(ctypes.Structure):
    _fields_ = (("numer", ctypes.c_uint32), ("denom", ctypes.c_uint32))


class _TimeConstraint(ctypes.Structure):
    _fields_ = tuple((name, ctypes.c_uint32) for name in ("period", "computation", "constraint", "preemptible"))


def request_realtime() -> tuple[bool, str]:
    """Ask the system to run this thread (on Linux those that it starts, too) before all ordinary ones.

    Returns
    -------
    granted : bool
        Whether it is one of the system's real-time threads.
    detail : str
        What was granted, or why nothing was and what would help.
    """
    if hasattr(os, "sched_setscheduler"):
        return _fifo()
    try:
        if hasattr(ctypes, "windll"):
            return _windows(ctypes.windll)
        if sys.platform == "darwin":
            return _macos(ctypes.CDLL("/usr/lib/libSystem.B.dylib"))
    except (OSError, AttributeError) as error:
        return False, f"{sys.platform} could not be asked for priority ({error})"
    return False, f"{sys.platform} has no SCHED_FIFO for Python"


def _fifo() -> tuple[bool, str]:
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError as error:
        return False, f"SCHED_FIFO not granted ({error.strerror}); allow rtprio in /etc/security/limits.d"
    return True, f"SCHED_FIFO {_PRIORITY}"


def _macos(system: Any) -> tuple[bool, str]:
    base = _Timebase()
    system.mach_timebase_info(ctypes.byref(base))
    computes, within = (nanoseconds * base.denom // base.numer for nanoseconds in (_COMPUTES_NS, _WITHIN_NS))
    policy = _TimeConstraint(0, computes, within, 1)
    system.mach_thread_self.restype = ctypes.c_uint32
    thread = ctypes.c_uint32(system.mach_thread_self())
    refused = system.thread_policy_set(thread, _TIME_CONSTRAINT_POLICY, ctypes.byref(policy), len(policy._fields_))
    if refused:
        return False, f"macOS granted no time-constraint policy (error {refused}); close other real-time programs"
    return True, "macOS' time-constraint policy"


def _windows(windll: Any) -> tuple[bool, str]:
    coarse = windll.winmm.timeBeginPeriod(_TIMER_MS)  # of this process, until it ends
    kernel = windll.kernel32
    kernel.GetCurrentThread.restype = ctypes.c_void_p
    critical = kernel.SetThreadPriority(ctypes.c_void_p(kernel.GetCurrentThread()), _TIME_CRITICAL)
    timer = "the system's timer is coarse" if coarse else f"the timer ticks every {_TIMER_MS} ms"
    thread = "a time-critical thread in the high priority class" if critical else "the high priority class"
    return False, f"Windows has no SCHED_FIFO; {thread} instead, and {timer}"

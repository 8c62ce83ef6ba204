"""How the player waits for what comes first, a message or a deadline, with nothing else to do when a note is due."""

from __future__ import annotations

import os
import queue
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol, TypeVar

#: So long before a deadline the thread is awake. A system that wakes it late by less than this delays no note, and a
#: processor that has just computed the deadline computes the note faster. To look at the clock for so long before each
#: of a hundred notes a second takes a twentieth of one core. Longer, and without priority a thread is put off for it.
#: Windows wakes on a tick of its timer, of which the player has asked for one a millisecond.
AWAKE_S = 0.002 if os.name == "nt" else 0.0005

_Item = TypeVar("_Item")


class Watch(Protocol):
    """A clock that can be watched."""

    def now_s(self) -> float:
        """Return the current time, in seconds."""
        ...

    def watch_until(self, deadline_s: float) -> None:
        """Return once `now_s` has reached `deadline_s`, exactly."""
        ...


def wait(deadline: Callable[[], float | None], clock: Watch, inbox: queue.SimpleQueue[_Item]) -> _Item | None:
    """Return what comes into `inbox`, or None once the deadline has come.

    In the last :data:`AWAKE_S` nothing is taken from `inbox`, since to handle a bar takes time that a note would wait
    for. What has come by then is returned at the deadline: whoever calls plays first what is due, then handles it.

    Parameters
    ----------
    deadline : callable
        Returns the clock time to wait for; None where only what comes in counts.
    clock : Watch
        That the deadline is on.
    inbox : queue.SimpleQueue
        Where messages come in.
    """
    due_s = deadline()
    if due_s is None:
        return inbox.get()
    awake_s = due_s - AWAKE_S - clock.now_s()
    if awake_s > 0:
        with suppress(queue.Empty):
            return inbox.get(timeout=awake_s)
    moved_s = deadline()  # by a master meanwhile; a later one is waited for next time
    clock.watch_until(due_s if moved_s is None else min(due_s, moved_s))
    with suppress(queue.Empty):
        return inbox.get_nowait()
    return None

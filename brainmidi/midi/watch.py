"""Whether the composer is dying, asked of the system, since its pipe closes only when its memory has been taken back.

On Linux a process that is killed lets go of its files last: with a gigabyte in use 80 to 140 ms later, and after the
core dump where one is written. That it is dying stands in ``/proc/PID/stat`` from the first. Nothing else comes so
early: the descriptor of a process (pidfd) and the signal at a parent's death come after the files. Other systems have
no such file; there the end of the pipe and the missing heartbeat have to do.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.types import Clock

#: Seconds between looks, each of which takes some 15 microseconds.
LOOK_S = 0.02

# The kernel's PF_EXITING, PF_POSTCOREDUMP, PF_DUMPCORE and PF_SIGNALED (include/linux/sched.h): each means the end.
_ENDS = 0x4 | 0x8 | 0x200 | 0x400

_PROC = Path("/proc")


def await_death(pid: int, clock: Clock, *, proc: Path = _PROC) -> bool:
    """Wait until a process is dying.

    Parameters
    ----------
    pid : int
        Of the process.
    clock : Clock
        On which we wait between looks.
    proc : Path, optional
        Where the system tells of its processes.

    Returns
    -------
    bool
        True when it is dying or dead; False, at once, where the system does not tell.
    """
    try:
        file = os.open(proc / str(pid) / "stat", os.O_RDONLY)  # the same process for ever, though the number be reused
    except OSError:
        return False
    try:
        while not _dies(file):
            clock.sleep_until(clock.now_s() + LOOK_S)
    finally:
        os.close(file)
    return True


def _dies(file: int) -> bool:
    """Return what an open ``/proc/PID/stat`` says: number, (name), state, five numbers more, then the flags."""
    try:
        os.lseek(file, 0, os.SEEK_SET)
        fields = os.read(file, 1024).rpartition(b")")[2].split()
    except OSError:  # it has been dead for so long that its parent has been told
        return True
    return fields[0] in (b"Z", b"X") or bool(int(fields[6]) & _ENDS)

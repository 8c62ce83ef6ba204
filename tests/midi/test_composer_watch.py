"""A process that dies is known to die before it lets go of its files; with fake files of the kernel and a real one."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from brainmidi.midi.clock import MonotonicClock, VirtualClock
from brainmidi.midi.watch import LOOK_S, await_death

LIVES, LOOKS = 0x400000, 3
LINE = "7 (a name) with (S)) {state} 1 7 7 0 -1 {flags} 64 0 0 0\n"

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="only Linux tells of a death before the end")


class Turning(VirtualClock):
    """A clock that writes another line into the file at the third look."""

    def __init__(self, path, line):
        super().__init__()
        self.path, self.line, self.waits = path, line, 0

    def sleep_until(self, deadline_s):
        super().sleep_until(deadline_s)
        self.waits += 1
        if self.waits == LOOKS:
            self.path.write_text(self.line)
        assert self.waits <= LOOKS, "the death was not seen"


@pytest.mark.parametrize(
    ("state", "flags"),
    [
        ("R", 0x4),  # its threads are ending, its memory is still there
        ("D", 0x200),  # it writes its core dump
        ("S", 0x8),  # another thread of it writes one
        ("R", 0x400),  # a signal has killed it
        ("Z", 0),
        ("X", 0),
    ],
)
def test_a_death_is_seen_at_the_next_look(tmp_path, state, flags):
    path = tmp_path / "7" / "stat"
    path.parent.mkdir()
    path.write_text(LINE.format(state="S", flags=LIVES))
    clock = Turning(path, LINE.format(state=state, flags=LIVES | flags))
    assert await_death(7, clock, proc=tmp_path)
    assert clock.now_s() == pytest.approx(LOOKS * LOOK_S)


def test_a_system_that_does_not_tell_is_not_asked_again(tmp_path):
    clock = VirtualClock()
    assert not await_death(7, clock, proc=tmp_path)
    assert clock.now_s() == 0.0


@linux
def test_a_real_process_is_seen_to_die_while_another_still_holds_its_end_of_the_pipe():
    read, write = os.pipe()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[write])
    seen = []
    watcher = threading.Thread(target=lambda: seen.append(await_death(process.pid, MonotonicClock())))
    watcher.start()
    process.kill()
    watcher.join(20.0)
    assert seen == [True]
    os.set_blocking(read, False)
    with pytest.raises(BlockingIOError):
        os.read(read, 1)
    process.wait()
    process.stdin.close()
    os.close(read)
    os.close(write)

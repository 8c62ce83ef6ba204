"""BrainFlow's streaming board with a real master, in a process of its own, that dies and comes back."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from brainmidi.acquire.registry import open_source
from brainmidi.midi.clock import MonotonicClock

PROGRAM = Path(__file__).with_name("streaming_master.py")


@contextmanager
def master(port):
    process = subprocess.Popen(
        [sys.executable, str(PROGRAM), str(port)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def read_until(source, wanted, most_s):
    """Read as a pump does until `wanted` of a chunk that holds samples; return all such chunks."""
    clock, chunks = MonotonicClock(), []
    began_s = at_s = clock.now_s()
    while clock.now_s() - began_s < most_s:
        at_s += 0.02
        clock.sleep_until(at_s)
        chunk = source.read(clock.now_s())
        if len(chunk):
            chunks.append(chunk)
            if wanted(chunk):
                return chunks
    raise AssertionError(f"not in {most_s} s; {source.log.text()}")


def test_a_master_that_dies_is_a_gap_and_is_heard_again_when_it_is_back():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("", 0))
        port = free.getsockname()[1]
    options = {"ip_address": "225.1.1.1", "ip_port": port, "master_board": "synthetic"}
    source = open_source("streaming", clock=MonotonicClock(), options=options)
    assert source.simulated  # as its master is
    told = []
    source.log.tell = told.append

    def heard(chunk):
        return bool(np.isfinite(chunk.samples_uv).all())

    try:
        with master(port):
            source.start()
            chunks = read_until(source, lambda chunk: heard(chunk) and chunk.time_s[-1] > 1.0, 30.0)
        assert chunks[-1].samples_uv.shape[1] == 16
        chunks += read_until(source, lambda chunk: np.isnan(chunk.samples_uv).all() and len(told) > 1, 15.0)
        with master(port):
            chunks += read_until(source, heard, 60.0)
            chunks += read_until(source, lambda _: len(told) > 2, 15.0)
    finally:
        source.stop()
    times = np.concatenate([chunk.time_s for chunk in chunks])
    assert (np.diff(times) > 0).all()
    assert [line.split(" at ")[0] for line in told] == [
        "signal lost",
        "signal still away, connecting again",
        "signal back",
    ]

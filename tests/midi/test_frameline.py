"""The line from clock seconds to a server's frames: straight through jitter, and it follows what lasts."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from brainmidi.midi.frameline import FrameLine

RATE, PERIOD = 48000, 1024


def server(n_periods, *, start=0, rate_hz=RATE, jitter_s=0.0, seed=0, begun_s=100.0):
    """Return (clock time, counter) once a period, as a server with its own crystal and busy wake-ups tells it."""
    rng = random.Random(seed)
    rows = []
    for place in range(n_periods):
        at_s = begun_s + place * PERIOD / RATE
        frame = start + (at_s - begun_s + rng.uniform(-jitter_s, jitter_s)) * rate_hz
        rows.append((at_s, round(frame) % 2**32))
    return rows


def watched(rows):
    line = FrameLine(RATE)
    for at_s, frame in rows:
        line.observe(at_s, frame)
    return line


@given(st.integers(0, 2**32 - 1), st.integers(16, 400))
def test_a_steady_server_gives_exact_frames_wherever_its_counter_wraps(start, n_periods):
    rows = server(n_periods, start=start)
    line = watched(rows)
    assert line.settled
    at_s, frame = rows[-1]
    assert abs(line.frame(at_s) - line.unwrapped(frame)) <= 1


@given(st.integers(0, 1000))
def test_equal_times_lie_equal_frames_apart_however_the_server_jitters(seed):
    line = FrameLine(RATE)
    frames = []
    for place, (at_s, frame) in enumerate(server(600, jitter_s=0.0004, seed=seed)):
        line.observe(at_s, frame)
        if place > 100:
            frames.append(line.frame(at_s + 0.04))
    assert {after - before for before, after in pairwise(frames)} == {PERIOD}


def test_a_crystal_that_runs_fast_is_followed_within_a_millisecond():
    rows = server(20_000, rate_hz=RATE * (1 + 100e-6))
    line = watched(rows)
    at_s, frame = rows[-1]
    assert abs(line.frame(at_s) - line.unwrapped(frame)) < 0.001 * RATE


def test_one_outlier_moves_nothing_and_a_jump_is_followed_at_once():
    rows = server(200)
    line = watched(rows)
    before = line.frame(200.0)
    at_s, frame = rows[-1]
    line.observe(at_s + PERIOD / RATE, frame + PERIOD + 5000)
    assert line.frame(200.0) == before
    for place in range(2, 6):
        line.observe(at_s + place * PERIOD / RATE, frame + place * PERIOD + 5000)
    assert abs(line.frame(200.0) - before - 5000) <= 1

from __future__ import annotations

import numpy as np
import pytest

from brainmidi.acquire.board import BoardSource
from brainmidi.acquire.packages import PackageCounter
from brainmidi.acquire.registry import list_sources, open_source
from brainmidi.acquire.watch import Watch
from brainmidi.errors import SourceError
from brainmidi.midi.clock import VirtualClock

RATE_HZ = 256  # muse_2: rows 1..4 EEG, 6 time, 7 marker


class FakeShim:
    """A muse_2 whose samples arrive when the test says so."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.waiting = np.zeros((8, 0))
        self.packages = 0
        self.fails: set[str] = set()

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if name in self.fails:
            raise OSError(f"{name} failed")

    def prepare_session(self) -> None:
        self._call("prepare")

    def start_stream(self) -> None:
        self._call("start")

    def stop_stream(self) -> None:
        self._call("stop")

    def release_session(self) -> None:
        self._call("release")

    def get_board_data(self) -> np.ndarray:
        waiting, self.waiting = self.waiting, np.zeros((8, 0))
        return waiting

    def arrive(self, count: int, marker_at: int | None = None) -> None:
        rows = np.zeros((8, count))
        rows[1:5] = np.arange(count) + 1.0
        rows[0] = (self.packages + np.arange(count)) % 256
        self.packages += count
        if marker_at is not None:
            rows[7, marker_at] = 2.0
        self.waiting = np.concatenate([self.waiting, rows], axis=1)


@pytest.fixture
def board():
    shim, clock = FakeShim(), VirtualClock(100.0)
    source = BoardSource("muse_2", clock=clock, options={"mac_address": "00:11"}, make_shim=lambda: shim)
    return Watch(source, background=False), shim, clock


def pull(source, shim, clock, seconds, count, **marks):
    clock.sleep_until(clock.now_s() + seconds)
    if count:
        shim.arrive(count, **marks)
    return source.read(clock.now_s())


def test_times_are_even_although_samples_come_in_bursts(board):
    source, shim, clock = board
    source.start()
    rng = np.random.default_rng(0)
    times = []
    for _ in range(200):
        times.append(pull(source, shim, clock, 12 / RATE_HZ + rng.uniform(-0.01, 0.01), 12).time_s)
    steps = np.diff(np.concatenate(times))
    assert np.allclose(steps, 1 / RATE_HZ, rtol=0.006)
    assert times[0][0] == 0.0


def test_a_device_clock_that_drifts_is_followed(board):
    source, shim, clock = board
    source.start()
    for _ in range(3000):
        chunk = pull(source, shim, clock, 1.002 * 25.6 / RATE_HZ, 26 if _ % 5 < 3 else 25)
    assert chunk.time_s[-1] == pytest.approx(clock.now_s() - 100.0 - 0.1, abs=0.15)
    assert np.isfinite(chunk.samples_uv).all()


def test_a_marker_has_the_time_of_its_sample(board):
    source, shim, clock = board
    source.start()
    chunk = pull(source, shim, clock, 0.1, 26, marker_at=10)
    assert [(marker.time_s, marker.label) for marker in chunk.markers] == [(chunk.time_s[10], "2")]


def test_silence_is_seen_and_stands_as_missing_samples(board):
    source, shim, clock = board
    source.start()
    pull(source, shim, clock, 0.1, 26)
    assert len(pull(source, shim, clock, 0.3, 0)) == 0
    chunk = pull(source, shim, clock, 0.7, 0)
    assert len(chunk) > 150
    assert np.isnan(chunk.samples_uv).all()
    back = pull(source, shim, clock, 0.1, 26)
    assert back.time_s[0] > chunk.time_s[-1]
    assert np.isfinite(back.samples_uv[-1]).all()
    assert back.time_s[-1] == pytest.approx(clock.now_s() - 100.0, abs=0.3)


def test_lost_samples_leave_a_gap_as_long_as_they_were(board):
    source, shim, clock = board
    source.start()
    pull(source, shim, clock, 0.1, 26)
    chunk = pull(source, shim, clock, 0.45, 26)  # 115 were due
    assert np.isnan(chunk.samples_uv[:80]).all()
    assert np.isfinite(chunk.samples_uv[-26:]).all()


def test_samples_that_come_late_after_all_do_not_make_time_run_ahead(board):
    source, shim, clock = board
    source.start()
    pull(source, shim, clock, 0.1, 26)
    pull(source, shim, clock, 1.0, 0)
    chunk = pull(source, shim, clock, 0.1, 282)  # everything that was held back arrives at once
    assert chunk.time_s[-1] <= clock.now_s() - 100.0 + 0.05


def test_lost_packages_leave_a_gap_where_they_were_and_as_long(board):
    source, shim, clock = board
    source.start()
    for _ in range(20):
        pull(source, shim, clock, 0.1, 25 if _ % 2 else 26)
    clock.sleep_until(clock.now_s() + 0.1)
    shim.arrive(10)
    shim.packages += 7
    shim.arrive(9)
    chunk = source.read(clock.now_s())
    assert np.isnan(chunk.samples_uv).all(axis=1).tolist() == [False] * 10 + [True] * 7 + [False] * 9
    assert np.allclose(np.diff(chunk.time_s), 1 / RATE_HZ, rtol=0.01)


def test_a_counter_that_begins_again_is_no_loss(board):
    source, shim, clock = board
    source.start()
    for _ in range(7):
        pull(source, shim, clock, 0.1, 25 if _ % 2 else 26)
    shim.packages = 0
    chunk = pull(source, shim, clock, 0.1, 26)
    assert len(chunk) == 26
    assert np.isfinite(chunk.samples_uv).all()


@pytest.mark.parametrize(("step", "size", "wrap"), [(1, 1, 256), (2, 1, 256), (1, 12, 65536), (1, 2, 200)], ids=str)
def test_a_counter_is_followed_whatever_its_step_and_size(step, size, wrap):
    counter = PackageCounter(250.0)
    numbers = np.repeat(np.arange(0, 390 * step, step) % wrap, size).astype(float)
    behind_s = 0.0
    assert sum(int(counter.lost(part, behind_s).sum()) for part in np.array_split(numbers, 37)) == 0
    after = (numbers[-1] + step * 4 + step * np.arange(3)) % wrap
    lost = counter.lost(np.repeat(after, size), 3 * size / 250)
    assert lost.tolist() == [3 * size] + [0] * (3 * size - 1)
    before = counter.restarts
    assert not counter.lost(np.zeros(size), 0.0).any()
    assert counter.restarts == before + 1


def test_a_dead_board_is_connected_again_until_it_is_back(board):
    source, shim, clock = board
    source.start()
    pull(source, shim, clock, 0.1, 26)
    shim.fails = {"prepare"}
    for _ in range(600):
        pull(source, shim, clock, 0.1, 0)
    assert 5 <= shim.calls.count("prepare") <= 8, "1, 2, 4, 8, 16, 30 s between attempts"
    shim.fails = set()
    for _ in range(320):
        pull(source, shim, clock, 0.1, 0)
    chunk = pull(source, shim, clock, 0.1, 26)
    assert np.isfinite(chunk.samples_uv[-26:]).all()
    assert chunk.time_s[-1] == pytest.approx(clock.now_s() - 100.0, abs=0.2)


def test_a_board_is_given_up_only_where_the_session_file_says_so(board):
    _, shim, clock = board
    inner = BoardSource("muse_2", clock=clock, options={"mac_address": "00:11"}, make_shim=lambda: shim)
    source = Watch(inner, background=False, give_up_s=20.0)
    source.start()
    pull(source, shim, clock, 0.1, 26)
    pull(source, shim, clock, 19.0, 0)
    with pytest.raises(SourceError, match=r"away for 21 s.*give_up_s"):
        pull(source, shim, clock, 2.0, 0)


@pytest.mark.parametrize("fails", ["prepare", "start"])
def test_a_board_that_does_not_start_is_released(board, fails):
    source, shim, _ = board
    shim.fails = {fails}
    with pytest.raises(SourceError, match="did not start"):
        source.start()
    assert shim.calls[-1] == "release"


def test_the_session_is_released_even_if_the_stream_cannot_be_stopped(board):
    source, shim, _ = board
    source.start()
    shim.fails = {"stop"}
    source.stop()
    source.stop()
    assert shim.calls.count("release") == 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("muse2", {}, "did you mean muse_2"),
        ("cyton", {"serialport": "x"}, "did you mean serial_port"),
        ("cyton", {"ip_port": "many"}, "whole number"),
        ("streaming", {}, "--master-board"),
        ("streaming", {"master_board": "muze_2"}, "did you mean muse_2"),
        ("gforce_pro", {}, "0 EEG channels"),
        ("demo", {"serial_port": "x"}, "no connection parameters"),
    ],
)
def test_a_wrong_name_or_parameter_is_one_clear_line(name, options, words):
    with pytest.raises(SourceError) as caught:
        open_source(name, clock=VirtualClock(), options=options)
    assert words in str(caught.value)


def test_every_source_is_listed_without_connecting():
    names = [source.name for source in list_sources()]
    assert names[0] == "demo"
    assert {"synthetic", "muse_2", "cyton", "ganglion", "unicorn", "*.edf", "*.csv"} <= set(names)
    assert len(names) == len(set(names))


def test_brainflows_synthetic_board_gives_its_sixteen_channels():
    source = open_source("synthetic", clock=VirtualClock())
    assert source.simulated
    source.start()
    try:
        chunk = source.read(0.0)
        while len(chunk) == 0:
            chunk = source.read(0.0)
    finally:
        source.stop()
    assert chunk.samples_uv.shape[1] == 16
    assert chunk.time_s[0] == 0.0

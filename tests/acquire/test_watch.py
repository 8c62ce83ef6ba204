"""What a device fails to send, seen and stood in for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.acquire.beside import Beside
from brainmidi.acquire.replay import ArraySource
from brainmidi.acquire.timing import Dejitter
from brainmidi.acquire.watch import Watch
from brainmidi.types import Chunk, Marker, Montage

RATE_HZ = 100.0
MONTAGE = Montage(("Fz", "Oz"), RATE_HZ)


def recording(seconds=10.0, **change):
    samples = np.random.default_rng(0).normal(0, 10, (int(seconds * RATE_HZ), 2))
    for name, rows in change.items():
        samples[rows, MONTAGE.names.index(name)] = 7.0
    markers = [Marker(second + 0.005, str(second)) for second in range(1, int(seconds) - 1)]
    return ArraySource("recording", samples, MONTAGE, markers)


def read_all(source, step_s, seconds):
    chunks, at_s = [], 0.0
    while at_s < seconds - 1e-9:
        at_s = min(seconds, at_s + step_s)
        chunk = source.read(at_s)
        if chunk is not None and len(chunk):
            chunks.append(chunk)
    return chunks


@given(st.floats(0.013, 3.0))
def test_a_source_that_is_well_passes_through_as_it_is(step_s):
    plain, watched = recording(), Watch(recording(), background=False)
    plain.start()
    watched.start()
    one, other = read_all(plain, step_s, 9.0), read_all(watched, step_s, 9.0)
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.samples_uv, b.samples_uv)
        assert np.array_equal(a.time_s, b.time_s)
        assert a.markers == b.markers
    assert watched.log.report() == {"state": "ok", "gap_s": 0.0}


def test_an_electrode_that_stands_still_is_named_once_and_stands_in_the_trace():
    source = Watch(recording(Oz=slice(300, 600)), background=False)
    told, dead = [], []
    source.log.tell = told.append
    source.start()
    for step in range(1, 180):
        source.read(0.05 * step)
        if step % 20 == 0:
            dead.append(source.log.report().get("dead"))
    assert told == ["no signal on Oz: check the electrode"]
    assert dead == [None] * 4 + [["Oz"]] * 2 + [None] * 2
    assert source.log.state == "ok"


def test_a_recording_that_ends_has_ended():
    source = Watch(recording(2.0), background=False)
    source.start()
    read_all(source, 0.1, 2.0)
    assert source.read(2.1) is None


@pytest.mark.parametrize("drift", [-0.002, 0.0, 0.002])
def test_bluetooth_bursts_and_a_drifting_clock_give_even_times(drift):
    """Packets of 12 at 256 Hz that arrive 10 to 60 ms late, every tenth held back by 0.2 s: what a Muse does."""
    rng = np.random.default_rng(5)
    dejitter, rate_hz = Dejitter(256.0), 256.0 * (1 + drift)
    packet_s = 12 / rate_hz
    sent = np.arange(1, 4000) * packet_s
    held = np.repeat(rng.random(400) < 0.1, 10)[: len(sent)] * 0.2
    arrives = np.maximum.accumulate(sent + rng.uniform(0.01, 0.06, len(sent)) + held)
    times, taken = [], 0
    for now_s in np.arange(0.02, sent[-1], 0.02):
        count = int(np.searchsorted(arrives, now_s)) - taken
        if count:
            times.append(dejitter.place(now_s, count * 12))
            taken += count
    given_s = np.concatenate(times)
    true_s = np.arange(len(given_s)) / rate_hz
    error_s = (given_s - true_s)[2560:]
    assert np.ptp(np.diff(given_s)) < 0.011 / 256
    assert np.std(error_s) < 0.005, "arrival itself is out by 68 ms"
    assert len(given_s) == taken * 12


@pytest.mark.parametrize("off", [-0.03, 0.02])
def test_a_device_off_its_announced_rate_is_measured_and_loses_nothing_from_then_on(off):
    dejitter, rate_hz = Dejitter(250.0), 250.0 * (1 + off)
    times, taken = [], 0
    for now_s in np.arange(0.02, 150.0, 0.02):
        count = int(now_s * rate_hz) - taken
        times.append(dejitter.place(now_s, count))
        taken += count
    late = np.concatenate(times)[-int(60 * rate_hz) :]
    assert np.allclose(np.diff(late), 1 / rate_hz, rtol=0.011)
    assert late[-1] == pytest.approx(150.0, abs=0.5)


def placed(stamps: np.ndarray, size: int = 8) -> np.ndarray:
    """Return the times that packets of `size` samples at 256 Hz get, each known by its last stamp."""
    dejitter = Dejitter(256.0)
    return np.concatenate(
        [dejitter.place(float(packet[-1]), len(packet)) for packet in np.split(stamps, len(stamps) // size)]
    )


@pytest.mark.parametrize("lost_s", [0.0625, 0.125, 0.1875])
def test_a_short_loss_between_regular_stamps_is_a_leap_at_once(lost_s):
    stamps = np.arange(256 * 90) / 256.0
    stamps[256 * 60 :] += lost_s
    assert np.abs(placed(stamps) - stamps).max() < 1e-6


def test_packets_that_are_late_are_no_loss():
    """Stamps of arrival, with 60 ms of jitter."""
    true_s = np.arange(256 * 60) / 256.0
    jitter = np.repeat(np.random.default_rng(1).uniform(0.0, 0.06, len(true_s) // 8), 8)
    times = placed(true_s + jitter)
    assert np.ptp(np.diff(times)) < 0.011 / 256
    assert np.abs(times - true_s)[2560:].max() < 0.06


class Late(ArraySource):
    """Its time begins with its first sample, 1.5 s after the start."""

    def read(self, until_s):
        return super().read(until_s - 1.5)


def test_a_source_beside_another_is_read_as_far_and_told_of_on_the_others_time():
    came = []
    own = Late("own", np.ones((2000, 2)), MONTAGE)
    both = Beside(recording(), own, lambda chunk, base_s: came.append((chunk, base_s)))
    both.start()
    played = read_all(both, 0.05, 9.0)
    assert sum(map(len, played)) == 900
    assert both.duration_s == 10.0
    times = np.concatenate([chunk.time_s + base_s for chunk, base_s in came])
    assert times[0] == pytest.approx(1.5, abs=0.05)
    assert times[-1] == pytest.approx(9.0, abs=0.05)
    assert both.read(float("inf")) is not None
    assert sum(len(chunk) for chunk, _ in came) == len(times), "at the end the other one stays where it is"


class ByTheSecond(ArraySource):
    """An outlet that sends a whole second at a time."""

    def read(self, until_s):
        return super().read(float(int(until_s)))


def test_a_source_that_sends_a_second_at_a_time_is_soon_known_for_it():
    source = Watch(ByTheSecond("lumps", recording(60.0)._samples_uv, MONTAGE), background=False)
    source.start()
    chunks = [source.read(0.02 * step) for step in range(1, 2500)]
    late = [chunk for chunk in chunks if len(chunk) and chunk.time_s[0] > 6.0]
    assert all(len(chunk) == 100 for chunk in late)
    assert all(np.isfinite(chunk.samples_uv).all() for chunk in late)
    assert source.log.state == "ok"


def test_nothing_is_a_chunk_of_no_samples():
    class Silent(ArraySource):
        def read(self, until_s):
            return Chunk(np.empty((0, 2)), np.empty(0), MONTAGE)

    source = Watch(Silent("silent", np.ones((1, 2)), MONTAGE), background=False)
    source.start()
    assert sum(len(chunk) for chunk in read_all(source, 0.1, 60.0)) == 0, "no time runs before the first sample"
    assert source.log.state == "reconnecting"
    assert source.log.reconnects >= 3

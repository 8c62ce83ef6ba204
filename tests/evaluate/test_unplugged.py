"""A device that fails while music plays: what the measurement of it counts."""

from __future__ import annotations

import numpy as np
import pytest

from brainmidi.drivers.performance import Performance
from brainmidi.evaluate import failing, unplugged
from brainmidi.midi.clock import VirtualClock
from brainmidi.types import Chunk, Montage


def recording(seconds: float = 20.0) -> Chunk:
    montage = Montage(("O1", "O2"), 160.0)
    n = round(seconds * montage.rate_hz)
    time_s = np.arange(n) / montage.rate_hz
    samples = np.random.default_rng(0).normal(0, 5, (n, 2)) + 10 * np.sin(2 * np.pi * 10 * time_s)[:, None]
    return Chunk(samples, time_s, montage)


@pytest.fixture(scope="module")
def found() -> unplugged.Unplugged:
    return unplugged.unplug(recording(), moments=5, seed=3)


def test_a_device_that_fails_in_every_way_is_heard_again(found) -> None:
    assert {fault.kind for fault in found.faults} == set(failing.KINDS)
    assert (found.raised, found.hung) == (0, 0)
    assert found.back_s.max() < 5.5
    assert len(found.seen_s) > 0
    assert found.seen_s.max() <= unplugged.SEEN_BAR_S


def test_an_exception_and_a_hung_note_are_counted(monkeypatch) -> None:
    def broken(self):
        raise ValueError("broken on purpose")

    monkeypatch.setattr(Performance, "run", broken)
    found = unplugged.unplug(recording(), moments=1)
    assert found.raised == 1
    assert found.back_s.tolist() == [np.inf]
    assert unplugged._sounding([(0x90, 60, 9), (0x91, 60, 9), (0x80, 60, 0), (0xB0, 1, 1)]) == 1
    assert unplugged._sounding([(0x90, 60, 9), (0x90, 60, 0)]) == 0


def test_a_failing_device_does_what_its_faults_say() -> None:
    clock, whole = VirtualClock(), recording()
    faults = [failing.Fault(kind, 2.0 * at + 1, 2.0 * at + 2) for at, kind in enumerate(failing.KINDS)]
    device = failing.FailingDevice(clock, whole, faults)
    device.start()

    def at(time_s: float) -> Chunk:
        clock.sleep_until(time_s)
        return device.read(time_s)

    np.testing.assert_array_equal(at(0.9).samples_uv, whole.samples_uv[:144])
    assert len(at(1.5)) == 0
    with pytest.raises(OSError, match="no such device"):
        device.start()
    assert len(at(2.5)) == 160  # from the last silent read on
    assert np.isnan(at(3.5).samples_uv).all()
    assert not np.isnan(at(4.5).samples_uv).any()
    assert at(6.2).time_s[0] == 0.0
    assert len(at(7.5)) == 0
    assert device.montage.rate_hz == 160.0
    assert at(8.5).montage.rate_hz == 80.0

"""LSL with real outlets, each in a process of its own on this machine."""

from __future__ import annotations

import json
import subprocess
import sys
import uuid
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from brainmidi.acquire.lsl import LslSource, is_lsl, list_streams, load_pylsl
from brainmidi.acquire.registry import open_source
from brainmidi.acquire.timing import Dejitter
from brainmidi.acquire.watch import Watch
from brainmidi.errors import SourceError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.types import Montage

pytestmark = pytest.mark.lsl

PROGRAM = Path(__file__).with_name("lsl_outlet.py")


class Outlet:
    """An outlet that can be told to leave a gap, and killed."""

    def __init__(self, **given):
        self.name = given["name"]
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def gap(self):
        self._process.stdin.write("gap\n")
        self._process.stdin.flush()

    def kill(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


@contextmanager
def outlet(**given):
    made = Outlet(**{"name": f"test-{uuid.uuid4().hex[:8]}", **given})
    try:
        yield made
    finally:
        made.kill()


def collect(source, seconds, until=None):
    """Read as a pump does; return the chunks of `seconds`, or those until `until(chunks)`."""
    clock, chunks = MonotonicClock(), []
    began_s = at_s = clock.now_s()
    while at_s - began_s < seconds and (until is None or not until(chunks)):
        at_s += 0.02
        clock.sleep_until(at_s)
        chunk = source.read(clock.now_s())
        if len(chunk):
            chunks.append(chunk)
    return chunks


def joined(chunks):
    samples = np.concatenate([chunk.samples_uv for chunk in chunks])
    times = np.concatenate([chunk.time_s for chunk in chunks])
    return samples, times, [marker for chunk in chunks for marker in chunk.markers]


@pytest.mark.parametrize("kind", ["string", "int32"])
def test_samples_come_with_even_times_and_markers_with_those_of_their_samples(kind):
    with outlet(labels=["EEG Fz-REF", "oz", "ACC_X"], markers=kind) as out:
        source = open_source(f"lsl:{out.name}", clock=MonotonicClock(), markers=f"{out.name}-marks")
        assert source.montage.names == ("Fz", "Oz")
        assert source.montage.rate_hz == 250.0
        source.start()
        try:
            chunks = collect(source, 20.0, until=lambda so_far: sum(len(chunk.markers) for chunk in so_far) >= 4)
        finally:
            source.stop()
    samples, times, markers = joined(chunks)
    assert np.allclose(np.diff(samples[:, 0]), 1.0)
    assert np.allclose(np.diff(times), 1 / 250, rtol=0.006)
    assert len(markers) >= 4
    for marker in markers:
        sample = np.argmin(np.abs(samples[:, 0] - int(marker.label)))
        assert marker.time_s == pytest.approx(times[sample], abs=0.02)


def test_markers_of_a_stream_are_joined_to_a_board_by_the_time_of_arrival():
    with outlet(markers="string") as out:
        clock = MonotonicClock()
        board = open_source("synthetic", clock=clock, markers=f"{out.name}-marks")
        eeg = LslSource(f"lsl:{out.name}", markers=f"{out.name}-marks")
        board.start()
        eeg.start()
        try:
            chunks, sent = [], {}
            ahead_s = clock.now_s() - load_pylsl().local_clock()
            at_s = began_s = clock.now_s()
            while at_s - began_s < 20.0 and sum(len(chunk.markers) for chunk in chunks) < 4:
                at_s += 0.02
                clock.sleep_until(at_s)
                chunks.append(board.read(at_s))
                for marker in eeg.read(at_s).markers:
                    sent[marker.label] = eeg._dejitter.origin_s + marker.time_s + ahead_s
                if len(chunks[-1]):
                    origin_s = clock.now_s() - float(chunks[-1].time_s[-1])
        finally:
            board.stop()
            eeg.stop()
    marked = {marker.label: origin_s + marker.time_s for chunk in chunks for marker in chunk.markers}
    both = marked.keys() & sent.keys()
    assert len(both) >= 2
    for label in both:
        assert marked[label] == pytest.approx(sent[label], abs=0.1)


@pytest.mark.parametrize(("unit", "scale"), [("uV", 1.0), ("", 1.0), ("millivolts", 1e3), ("V", 1e6)])
def test_units_are_honoured(unit, scale):
    with outlet(unit=unit) as out:
        source = LslSource(f"lsl:source_id={out.name}", markers="none")
        source.start()
        chunks = collect(source, 10.0, until=lambda so_far: len(so_far) > 5)
        source.stop()
    assert np.allclose(np.diff(joined(chunks)[0][:, 0]), scale)


def test_an_outlet_that_dies_is_a_gap_and_comes_back_even_with_other_channels():
    with outlet() as first:
        source = Watch(LslSource(f"lsl:{first.name}", markers="none"))
        told = []
        source.log.tell = told.append
        source.start()
        try:
            before = collect(source, 1.5)
            first.kill()
            away = collect(source, 2.5)
            with outlet(name=first.name, labels=["Cz", "Pz", "O1"], rate_hz=200.0):
                back = collect(source, 40.0, until=lambda so_far: so_far and np.isfinite(so_far[-1].samples_uv).all())
        finally:
            source.stop()
    assert before[-1].montage.names == ("Fz", "Oz")
    assert np.isnan(away[-1].samples_uv).all()
    assert away[-1].time_s[-1] - before[-1].time_s[-1] == pytest.approx(2.5, abs=0.5)
    assert back[-1].montage.names == ("Cz", "Pz", "O1")
    assert back[-1].montage.rate_hz == 200.0
    times = np.concatenate([chunk.time_s for chunk in [*before, *away, *back]])
    assert (np.diff(times) > 0).all()
    assert any("signal lost" in line for line in told)


def test_a_gap_in_the_stamps_is_a_gap():
    with outlet() as out:
        source = Watch(LslSource(f"lsl:{out.name}", markers="none"))
        source.start()
        try:
            collect(source, 1.0)
            out.gap()
            samples, times, _ = joined(collect(source, 2.5))
        finally:
            source.stop()
    missing = np.isnan(samples).all(axis=1)
    assert 0.8 < missing.sum() / 250 < 1.2
    number = samples[~missing, 0]
    expected = number[-1] - (times[-1] - times[~missing]) * 250
    assert np.abs(number - expected).max() < 10, "40 ms"


def test_a_short_loss_within_a_chunk_is_a_leap_too():
    source = LslSource.__new__(LslSource)  # without a stream: stamps alone matter here
    source.montage, source._dejitter = Montage(("Oz",), 256.0), Dejitter(256.0)
    stamps = np.arange(256 * 40) / 256.0
    stamps[256 * 30 + 21 :] += 0.125
    times = np.concatenate([source._times(part) for part in np.split(stamps, 256)])
    assert np.abs(times - stamps).max() < 1e-6


def test_what_cannot_be_played_from_is_one_clear_line(monkeypatch):
    monkeypatch.setattr("brainmidi.acquire.lsl._LOOKS", 2)
    with pytest.raises(SourceError, match="no LSL stream fits lsl:nowhere"):
        LslSource("lsl:nowhere")
    with outlet(rate_hz=0.0) as out, pytest.raises(SourceError, match="irregular rate"):
        LslSource(f"lsl:{out.name}")
    with outlet(unit="degrees") as out, pytest.raises(SourceError, match="'degrees'"):
        LslSource(f"lsl:{out.name}")
    kind = f"EEG{uuid.uuid4().hex[:6]}"
    with outlet(type=kind) as one, outlet(type=kind) as two:
        with pytest.raises(SourceError, match="2 LSL streams fit"):
            LslSource(f"lsl:type={kind}")
        assert {one.name, two.name} <= {stream.name for stream in list_streams()}


def test_without_pylsl_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pylsl", None)
    with pytest.raises(SourceError, match=r"pip install 'brainmidi\[lsl\]'"):
        LslSource("lsl")


def test_a_name_that_means_lsl():
    assert is_lsl("lsl")
    assert is_lsl("lsl:my/stream.csv")
    assert not is_lsl("lslice")

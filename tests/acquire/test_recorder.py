"""What is played from is written down, and can be read again."""

from __future__ import annotations

import numpy as np
import pytest
from fakes import FakeSource

from brainmidi.acquire.recorder import Recorded
from brainmidi.acquire.recording import open_recording
from brainmidi.errors import SourceError
from brainmidi.types import Chunk, Marker, Montage


class Late:
    """Two channels at 100 Hz, a gap, a marker that comes a second late, and then one channel at 200 Hz."""

    name, simulated, montage = "late", False, Montage(("O1", "O2"), 100.0)

    def __init__(self):
        self.stopped = 0

    def start(self):
        self._at = 0

    def read(self, until_s):
        second, self._at = self._at, self._at + 1
        if second >= 8:
            self.montage = Montage(("Cz",), 200.0)
        rate_hz = self.montage.rate_hz
        times = second + np.arange(int(rate_hz)) / rate_hz
        samples = np.full((len(times), len(self.montage.names)), float(second)) + 0.01 * times[:, None]
        if second == 3:
            samples[:] = np.nan
        markers = (Marker(4.5, "target"), Marker(4.5, "2")) if second == 5 else ()
        return Chunk(samples, times, self.montage, markers)

    def stop(self):
        self.stopped += 1


def play(source, reads=12):
    source.start()
    for second in range(reads):
        source.read(float(second))
    source.stop()
    source.stop()


def test_samples_gaps_and_late_markers_are_written_and_read_back(tmp_path):
    inner = Late()
    source = Recorded(inner, tmp_path / "own.csv")
    play(source)
    assert source.files == [str(tmp_path / "own.csv"), str(tmp_path / "own-2.csv")]
    first, second = (open_recording(tmp_path / name) for name in ("own.csv", "own-2.csv"))
    assert first.montage == Montage(("O1", "O2"), 100.0)
    assert second.montage == Montage(("Cz",), 200.0)
    assert (first.duration_s, second.duration_s) == (8.0, 4.0)
    assert [(marker.time_s, marker.label) for marker in first.markers] == [(4.5, "target"), (4.51, "2")]
    chunk = first.read(np.inf)
    assert np.isnan(chunk.samples_uv[300:400]).all()
    np.testing.assert_allclose(chunk.samples_uv[450], 4.045, atol=1e-4)
    assert inner.stopped == 2


def test_what_is_read_is_what_the_source_gives(tmp_path):
    plain, recorded = FakeSource(5.0), Recorded(FakeSource(5.0), tmp_path / "a.csv")
    assert recorded.duration_s == 5.0
    for source in (plain, recorded):
        source.start()
    for until_s in (0.5, 2.0, 2.1, 6.0):
        assert np.array_equal(plain.read(until_s).samples_uv, recorded.read(until_s).samples_uv)
    assert plain.read(7.0) is None
    assert recorded.read(7.0) is None


def test_a_disk_that_fails_ends_the_recording_and_not_the_music(tmp_path, monkeypatch):
    source = Recorded(Late(), tmp_path / "own.csv")

    def full(chunk):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("brainmidi.acquire.recorder.csv_rows", full)
    play(source)
    assert source.files == [f"{tmp_path / 'own.csv'} (until 0.0 s: No space left on device)"]


def test_a_name_that_cannot_be_written_is_one_line_before_the_music(tmp_path):
    with pytest.raises(SourceError, match=r"\.csv is written"):
        Recorded(Late(), tmp_path / "own.edf")
    inner = Late()
    with pytest.raises(SourceError, match="cannot be written"):
        Recorded(inner, tmp_path / "no" / "own.csv").start()
    assert inner.stopped == 1

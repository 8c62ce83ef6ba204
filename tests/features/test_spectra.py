from __future__ import annotations

import sys

import numpy as np
import pytest

from brainmidi.features.spectra import background, phase_spectra
from brainmidi.types import Chunk, Montage

FREQUENCY_HZ = np.arange(0.0, 45.5, 0.5)
RATE_HZ = 128.0


def spectrum_db(peak_hz: float | None = 10.3, height_db: float = 9.0, slope: float = 1.2) -> np.ndarray:
    background_db = 20.0 - 10.0 * slope * np.log10(np.maximum(FREQUENCY_HZ, 0.5))
    bump = 0.0 if peak_hz is None else height_db * np.exp(-0.5 * ((FREQUENCY_HZ - peak_hz) / 1.0) ** 2)
    return background_db + bump


@pytest.fixture(params=["specparam", "least squares"])
def method(request, monkeypatch):
    if request.param == "specparam":
        pytest.importorskip("specparam", reason="pip install 'brainmidi[specparam]'")
    else:
        monkeypatch.setitem(sys.modules, "specparam", None)
    return request.param


def test_background_and_alpha_peak_are_found_by_either_method(method):
    found = background(FREQUENCY_HZ, spectrum_db())
    assert found.method == method
    assert found.peak_hz == pytest.approx(10.3, abs=0.3)
    assert found.height_db == pytest.approx(9.0, abs=1.0)
    fitted = (FREQUENCY_HZ >= 2) & (FREQUENCY_HZ <= 40)
    assert np.abs(found.line_db - spectrum_db(peak_hz=None))[fitted].max() < 1.0
    assert np.isnan(found.line_db[~fitted]).all()


def test_without_a_rhythm_there_is_no_peak(method):
    flat = background(FREQUENCY_HZ, spectrum_db(height_db=1.0))
    assert (flat.peak_hz, flat.height_db) == (None, None)


def waves() -> Chunk:
    """Twenty seconds: ten without alpha, ten with; O2 is condemned in the second half, Fz throughout."""
    time_s = np.arange(20 * int(RATE_HZ)) / RATE_HZ
    noise = np.random.default_rng(0).standard_normal((len(time_s), 3))
    alpha = np.where(time_s >= 10, 20.0, 0.0) * np.sin(2 * np.pi * 10 * time_s)
    good = np.ones(noise.shape, dtype=bool)
    good[time_s >= 10, 1] = False
    good[:, 2] = False
    return Chunk(noise + alpha[:, None], time_s, Montage(("O1", "O2", "Fz"), RATE_HZ), (), good)


def test_spectra_are_averaged_by_phase_over_what_is_good():
    spectra = phase_spectra([waves()], [[("open", 0.0, 10.0), ("closed", 10.0, 20.0)]])
    at = int(np.argmin(np.abs(spectra.frequency_hz - 10.0)))
    opened, closed = spectra.region_db("open", "occipital"), spectra.region_db("closed", "occipital")
    assert closed[at] - opened[at] > 20
    assert np.isnan(spectra.density["closed"][:, 1]).all()  # so that O1 alone is occipital there
    assert spectra.region_db("open", "frontal") is None
    assert spectra.region_db("open", "parietal") is None


def test_the_density_of_white_noise_is_its_variance_over_the_bandwidth():
    spectra = phase_spectra([waves()], [[("open", 0.0, 10.0)]])
    middle = (spectra.frequency_hz > 2) & (spectra.frequency_hz < 40)
    assert spectra.density["open"][middle, 0].mean() == pytest.approx(2.0 / RATE_HZ, rel=0.15)


def test_recordings_and_turns_count_alike():
    chunk = waves()
    once = phase_spectra([chunk], [[("open", 0.0, 8.0)]])
    twice = phase_spectra([chunk, chunk], [[("open", 0.0, 8.0)], [("open", 0.0, 8.0)]])
    assert np.allclose(once.density["open"][:, 0], twice.density["open"][:, 0])

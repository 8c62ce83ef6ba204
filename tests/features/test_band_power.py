from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from brainmidi.errors import SignalError
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.regions import region_channels, region_of
from brainmidi.features.settings import FeatureSettings, feature_names
from brainmidi.types import Chunk, FeatureFrame, Montage


def noise(names=("Fz", "O1", "O2"), rate_hz=128.0, seconds=5.0, sigma_uv=10.0, good=None) -> Chunk:
    n = round(rate_hz * seconds)
    samples = sigma_uv * np.random.default_rng(0).standard_normal((n, len(names)))
    return Chunk(samples, np.arange(n) / rate_hz, Montage(tuple(names), rate_hz), (), good)


def frames(chunk: Chunk, **settings):
    return FeatureExtractor(chunk.montage, FeatureSettings(**settings)).process(chunk)


def test_frames_come_twenty_a_second_from_the_first_full_window_on():
    chunk = noise(rate_hz=130.0, seconds=4.0)
    times = [frame.time_s for frame in frames(chunk)]
    expected = [int(k * 130 / 20) for k in range(200) if 259 <= int(k * 130 / 20) < 520]
    assert times == [index / 130 for index in expected]


def test_white_noise_has_the_power_that_its_variance_says():
    power = np.mean([10 ** (frame.band_power_db / 10) for frame in frames(noise(seconds=60.0))], axis=0)
    density = 2 * 10.0**2 / 128.0  # uV^2 per Hz, one-sided
    # Delta apart: its lowest bin loses a sixth with each segment's mean.
    for row, width_hz in zip(power[1:], (4, 5, 17, 15), strict=True):
        assert 10 * np.log10(row) == pytest.approx(10 * np.log10(density * width_hz), abs=0.5)


def test_the_estimate_is_scipys_welch():
    chunk = noise(seconds=2.1)
    ours = frames(chunk, update_hz=2.0)[-1]  # half-overlapping segments, the last one ending with sample 256
    frequency, density = signal.welch(chunk.samples_uv[1:257], 128.0, "hann", nperseg=128, noverlap=64, axis=0)
    for row, (low_hz, high_hz) in zip(ours.band_power_db, ((1, 4), (4, 8), (8, 13), (13, 30), (30, 45)), strict=True):
        theirs = density[(frequency >= low_hz) & (frequency < high_hz)].sum(axis=0)
        assert row == pytest.approx(10 * np.log10(theirs), abs=1e-5)


def test_an_alpha_rhythm_shows_where_it_is():
    chunk = noise()
    samples = chunk.samples_uv.copy()
    samples[:, 1:] += 30.0 * np.sin(2 * np.pi * 10.0 * chunk.time_s)[:, None]
    values = frames(Chunk(samples, chunk.time_s, chunk.montage))[-1].values
    assert values["alpha.occipital"] > values["alpha.frontal"] + 10
    assert values["alpha.posterior"] == values["alpha.occipital"]
    assert values["alpha.peak"] > 12
    assert values["engagement"] < 0


def test_a_power_that_overflows_is_left_out():
    chunk = noise()
    samples = chunk.samples_uv.copy()
    samples += 1e160 * np.sin(2 * np.pi * 20.0 * chunk.time_s)[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        values = frames(Chunk(samples, chunk.time_s, chunk.montage))[-1].values
    assert "beta" not in values
    assert "alpha" in values


def test_a_frame_refuses_a_feature_that_is_no_number():
    with pytest.raises(SignalError, match="alpha is nan"):
        FeatureFrame(0.0, (), np.zeros((0, 1)), np.ones(1), {"alpha": float("nan")}, 1.0)


def test_alpha_peak_ignores_how_loud_the_whole_spectrum_is():
    soft, loud = frames(noise(sigma_uv=2.0))[-1].values, frames(noise(sigma_uv=40.0))[-1].values
    assert loud["alpha"] - soft["alpha"] == pytest.approx(20 * np.log10(20.0), abs=0.1)
    assert loud["alpha.peak"] == pytest.approx(soft["alpha.peak"], abs=0.1)


def test_a_condemned_channel_leaves_the_means_and_lowers_the_quality():
    good = np.ones((640, 3), dtype=bool)
    good[:, 0] = False
    frame = frames(noise(good=good))[-1]
    assert frame.quality == pytest.approx(2 / 3)
    assert "alpha.frontal" not in frame.values
    assert frame.channel_quality.tolist() == [0.0, 1.0, 1.0]
    assert np.isnan(frame.band_power_db[:, 0]).all()


def test_a_short_artifact_does_not_change_the_level():
    chunk = noise(seconds=2.5)
    good = np.ones(chunk.samples_uv.shape, dtype=bool)
    samples = chunk.samples_uv.copy()
    good[200:230], samples[200:230] = False, 500.0
    frame = frames(Chunk(samples, chunk.time_s, chunk.montage, (), good))[-1]
    assert frame.values["beta"] == pytest.approx(frames(chunk)[-1].values["beta"], abs=1.0)


def test_without_a_good_channel_there_is_no_value_but_a_frame():
    good = np.zeros((640, 3), dtype=bool)
    frame = frames(noise(good=good))[-1]
    assert frame.quality == 0.0
    assert not frame.values


@pytest.mark.parametrize(
    ("name", "region"),
    [("Fp1", "frontal"), ("AF7", "frontal"), ("FC5", "central"), ("Cz", "central"), ("CP3", "central"),
     ("T8", "temporal"), ("TP9", "temporal"), ("T5", "parietal"), ("Pz", "parietal"),
     ("PO3", "occipital"), ("Oz", "occipital"), ("Iz", "occipital"), ("EEG3", None), ("A1", None)],
)  # fmt: skip
def test_a_name_tells_the_region(name, region):
    assert region_of(name) == region


@pytest.mark.parametrize(
    ("names", "posterior"),
    [
        (("Fz", "Pz", "O1"), (1, 2)),
        (("TP9", "AF7", "AF8", "TP10"), (0, 3)),
        (("EEG1", "EEG2"), (0, 1)),
        (("Fp1", "Fp2"), (0, 1)),
    ],
)
def test_every_montage_has_a_posterior_region(names, posterior):
    assert region_channels(names)["posterior"] == posterior


def test_a_band_that_does_not_fit_the_rate_is_left_out():
    assert frames(noise(rate_hz=100.0))[-1].bands == ("delta", "theta", "alpha", "beta", "gamma")
    assert frames(noise(rate_hz=80.0))[-1].bands == ("delta", "theta", "alpha", "beta")


def test_every_value_has_a_known_name():
    names = ("Fz", "O1", "O2")
    assert set(frames(noise(names))[-1].values) <= set(feature_names(electrodes=names))


@pytest.mark.parametrize(
    "settings",
    [{"window_s": 0.5}, {"update_hz": 0.0}, {"min_good": 0.0}, {"bands": {"odd": (9.0, 8.0)}}],
)
def test_settings_that_cannot_be_are_refused(settings):
    with pytest.raises(SignalError):
        FeatureSettings(**settings)


@pytest.mark.parametrize("bands", [{"fast": (70.0, 90.0)}, {"thin": (10.2, 10.4)}])
def test_a_band_table_that_does_not_fit_is_refused(bands):
    with pytest.raises(SignalError):
        FeatureExtractor(Montage(("Cz",), 128.0), FeatureSettings(bands=bands))

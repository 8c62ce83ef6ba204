from __future__ import annotations

import numpy as np
import pytest

from brainmidi.features.alphapeak import AlphaPeak
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import FeatureSettings, electrode_of, feature_names
from brainmidi.types import Chunk, Montage

NAMES = ("F3", "F4", "T7", "T8", "C3", "Pz", "O1", "O2")


def pink(n: int, n_channels: int, rate_hz: float, exponent: float, seed: int) -> np.ndarray:
    """Return noise whose power falls as 1/f**exponent, with unit density at 1 Hz."""
    frequency = np.maximum(np.fft.rfftfreq(n, 1 / rate_hz), 0.5)[:, None]
    noise = np.random.default_rng(seed).standard_normal((n, n_channels))
    shaped = np.fft.rfft(noise, axis=0) * np.sqrt(rate_hz / 2) * frequency ** (-exponent / 2)
    return np.fft.irfft(shaped, n, axis=0)


def brain(alpha_hz: float = 10.0, seconds: float = 12.0, gains=None, exponent: float = 1.0) -> Chunk:
    """Return 1/f noise with a narrow-band alpha rhythm, `gains` uV of it per channel."""
    n = round(128.0 * seconds)
    rng = np.random.default_rng(1)
    gains = np.array([2.0, 2.0, 2.0, 2.0, 4.0, 8.0, 12.0, 12.0] if gains is None else gains)
    wander = np.cumsum(rng.standard_normal(n)) * 0.03
    rhythm = np.sin(2 * np.pi * alpha_hz * np.arange(n) / 128.0 + wander)[:, None] * gains
    samples = 5.0 * pink(n, len(gains), 128.0, exponent, 2) + rhythm
    return Chunk(samples, np.arange(n) / 128.0, Montage(NAMES, 128.0))


def frames(chunk: Chunk, **settings):
    return FeatureExtractor(chunk.montage, FeatureSettings(**settings)).process(chunk)


def test_an_electrode_has_features_of_its_own_and_a_region_is_their_mean():
    values = frames(brain())[-1].values
    assert values["alpha.occipital"] == pytest.approx((values["alpha.O1"] + values["alpha.O2"]) / 2)
    assert values["alpha"] == pytest.approx(np.mean([values[f"alpha.{name}"] for name in NAMES]))
    assert set(values) <= set(feature_names(electrodes=NAMES))


def test_engagement_is_beta_over_alpha_plus_theta_at_the_sites_of_pope():
    values = frames(brain())[-1].values
    power = {band: 10 ** ((values[f"{band}.C3"] + values[f"{band}.Pz"]) / 20) for band in ("theta", "alpha", "beta")}
    assert values["engagement"] == pytest.approx(10 * np.log10(power["beta"] / (power["alpha"] + power["theta"])))


def test_asymmetry_is_positive_where_the_right_has_more_alpha_and_zero_where_both_have_the_same():
    values = frames(brain(gains=[2.0, 8.0, 2.0, 2.0, 4.0, 8.0, 12.0, 12.0]))[-1].values
    assert values["asymmetry.frontal"] == pytest.approx(values["alpha.F4"] - values["alpha.F3"])
    assert values["asymmetry.frontal"] > 2.0
    chunk = brain()
    mirrored = chunk.samples_uv.copy()
    mirrored[:, 1] = mirrored[:, 0]
    assert frames(Chunk(mirrored, chunk.time_s, chunk.montage))[-1].values["asymmetry.frontal"] == 0.0


@pytest.mark.parametrize(("right", "left"), [("AF4", "AF3"), ("F6", "F5"), ("F2", "F1")])
def test_other_frontal_pairs_tell_the_asymmetry_as_well(right, left):
    chunk = brain(gains=[2.0, 8.0, 2.0, 2.0, 4.0, 8.0, 12.0, 12.0])
    named = Chunk(chunk.samples_uv, chunk.time_s, Montage((left, right, *NAMES[2:]), 128.0))
    values = frames(named)[-1].values
    assert values["asymmetry.frontal"] == pytest.approx(values[f"alpha.{right}"] - values[f"alpha.{left}"])


def test_one_side_alone_has_no_asymmetry():
    chunk = brain()
    good = np.ones(chunk.samples_uv.shape, dtype=bool)
    good[:, 1] = False
    assert "asymmetry.frontal" not in frames(Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, (), good))[-1].values


@pytest.mark.parametrize("alpha_hz", [8.5, 10.0, 11.5])
def test_the_alpha_frequency_is_that_of_the_rhythm(alpha_hz):
    found = [frame.values["alpha.frequency"] for frame in frames(brain(alpha_hz))]
    assert np.median(found) == pytest.approx(alpha_hz, abs=0.25)


def test_without_a_rhythm_there_is_no_frequency():
    found = frames(brain(gains=np.zeros(8)))
    assert np.mean(["alpha.frequency" in frame.values for frame in found]) < 0.2
    assert np.median([frame.values["alpha.peak"] for frame in found]) < 2.5


def test_the_peak_is_highest_where_the_rhythm_is():
    values = frames(brain())[-1].values
    assert values["alpha.peak"] > values["alpha.peak.parietal"] > values["alpha.peak.frontal"] + 5.0
    assert values["alpha.peak.occipital"] > 10.0


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0])
def test_the_peak_does_not_depend_on_the_slope_of_the_background(exponent):
    frequency = np.arange(1.0, 46.0)
    background = -10.0 * exponent * np.log10(frequency)
    bump = 10.0 * np.exp(-0.5 * ((frequency - 10.0) / 1.0) ** 2)
    height_db, frequency_hz = AlphaPeak(frequency).measure((background + bump)[:, None])
    assert height_db[0] == pytest.approx(10.0, abs=1e-3)
    assert frequency_hz[0] == pytest.approx(10.0, abs=0.2)


@pytest.mark.parametrize(("peak_hz", "height", "exponent"), [(9.0, 0.6, 0.8), (10.3, 1.0, 1.2), (11.6, 1.4, 1.6)])
def test_peak_and_frequency_agree_with_specparam(peak_hz, height, exponent):
    specparam = pytest.importorskip("specparam")
    frequency = np.arange(1.0, 45.5, 0.5)
    log_power = 1.5 - exponent * np.log10(frequency) + height * np.exp(-0.5 * ((frequency - peak_hz) / 1.2) ** 2)
    log_power += 0.02 * np.random.default_rng(0).standard_normal(len(frequency))
    model = specparam.SpectralModel(peak_width_limits=(1.0, 8.0), max_n_peaks=3, verbose=False)
    model.fit(frequency, 10**log_power, [2.0, 40.0])
    centre, power, _ = np.reshape(model.get_params("peak"), (-1, 3))[0]
    height_db, frequency_hz = AlphaPeak(frequency).measure(10.0 * log_power[:, None])
    assert height_db[0] == pytest.approx(10.0 * power, abs=1.0)
    assert frequency_hz[0] == pytest.approx(centre, abs=0.3)


def clenched(start_s: float, stop_s: float, seconds: float = 20.0) -> tuple[Chunk, Chunk]:
    """Return a brain, and the same with a clenched jaw: 20 to 45 Hz at every electrode."""
    chunk = brain(seconds=seconds)
    noise = np.fft.rfft(np.random.default_rng(4).standard_normal(chunk.samples_uv.shape), axis=0)
    frequency = np.fft.rfftfreq(len(chunk), 1 / 128.0)
    noise[(frequency < 20.0) | (frequency > 45.0)] = 0.0
    jaw = 75.0 * np.fft.irfft(noise, len(chunk), axis=0)
    jaw[(chunk.time_s < start_s) | (chunk.time_s >= stop_s)] = 0.0
    return chunk, Chunk(chunk.samples_uv + jaw, chunk.time_s, chunk.montage)


def test_a_clenched_jaw_leaves_alpha_alone_and_moves_beta_little():
    calm, tense = (frames(chunk) for chunk in clenched(10.0, 11.0))
    for name, most_db in (("alpha.occipital", 0.6), ("beta", 4.5)):  # a burst's first moments are let through
        moved = [abs(b.values[name] - a.values[name]) for a, b in zip(calm, tense, strict=True) if name in b.values]
        assert max(moved) < most_db
    loud = [frame.values["beta"] for frame in frames(clenched(10.0, 11.0)[1], reject_zones=False)]
    assert max(loud) > max(frame.values["beta"] for frame in calm) + 10.0


def test_while_the_jaw_is_clenched_beta_is_absent_and_alpha_is_not():
    held = [frame for frame in frames(clenched(10.0, 14.0)[1]) if 13.0 < frame.time_s < 14.0]
    assert all("beta" not in frame.values and "gamma" not in frame.values for frame in held)
    assert all("alpha" in frame.values and "theta" in frame.values for frame in held)


def test_tension_that_stays_becomes_the_usual():
    assert "beta" in frames(clenched(10.0, 60.0, seconds=60.0)[1])[-1].values


def test_a_blink_takes_the_slow_bands_of_the_brow_alone():
    chunk = brain(seconds=14.0)
    samples = chunk.samples_uv.copy()
    samples[1400:1440, :2] += 190.0 * np.hanning(40)[:, None]
    calm, blinked = frames(chunk), frames(Chunk(samples, chunk.time_s, chunk.montage))
    loud = frames(Chunk(samples, chunk.time_s, chunk.montage), reject_zones=False)

    def moved(name, found):
        return max(abs(b.values[name] - a.values[name]) for a, b in zip(calm, found, strict=True) if name in b.values)

    for name in ("alpha.frontal", "beta.frontal", "delta.occipital"):
        assert moved(name, blinked) < 0.5
    for name in ("delta.frontal", "theta.frontal"):
        assert moved(name, blinked) < 7.0 < 10.0 < moved(name, loud)


@pytest.mark.parametrize(
    ("feature", "electrode"),
    [("alpha.O1", "O1"), ("beta.EEG3", "EEG3"), ("alpha.occipital", None), ("alpha.peak", None), ("alfa.O1", None),
     ("alpha", None), ("engagement", None), ("alpha.occiptal", None)],
)  # fmt: skip
def test_a_feature_of_one_electrode_is_told_by_its_name(feature, electrode):
    assert electrode_of(feature, FeatureSettings()) == electrode

"""A surrogate keeps every rhythm and every correlation, and loses when things happened."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.acquire.surrogate import phase_randomised

RATE_HZ = 128.0


def waking(n: int, seed: int = 0) -> np.ndarray:
    """Return three channels of coloured noise that hear each other, with an offset each."""
    rng = np.random.default_rng(seed)
    sources = np.cumsum(rng.standard_normal((n, 3)), axis=0)
    sources -= sources.mean(axis=0)
    return sources @ rng.normal(size=(3, 3)) + 1000.0 * rng.normal(size=3)


def flat_ends(samples: np.ndarray) -> np.ndarray:
    """Return samples that need no line taken away: their first quarter of a second has the mean of their last."""
    edge = min(len(samples) // 2, 32)
    samples[-edge:] += samples[:edge].mean(axis=0) - samples[-edge:].mean(axis=0)
    return samples


@given(st.integers(8, 400), st.integers(0, 5))
def test_spectra_and_cross_spectra_are_kept(n, seed) -> None:
    real = flat_ends(waking(n, seed))
    sham = phase_randomised(real, RATE_HZ, np.random.default_rng(seed))
    a, b = np.fft.rfft(real, axis=0), np.fft.rfft(sham, axis=0)
    scale = np.abs(a).max() ** 2
    cross = [spectrum[:, :, None] * spectrum[:, None, :].conj() for spectrum in (a, b)]
    np.testing.assert_allclose(cross[1] / scale, cross[0] / scale, atol=1e-9)
    np.testing.assert_allclose(sham.mean(axis=0), real.mean(axis=0))


def test_a_burst_is_spread_over_the_whole() -> None:
    rng = np.random.default_rng(1)
    time_s = np.arange(4096) / RATE_HZ
    real = rng.standard_normal((4096, 2))
    real[2048:] += 10 * np.sin(2 * np.pi * 10 * time_s[2048:] + rng.uniform(0, 0.1))[:, None]
    for seed in range(5):
        sham = phase_randomised(real, RATE_HZ, np.random.default_rng(seed))
        first, second = (half.std() for half in np.split(sham, 2))
        assert 0.3 < first / second < 3.0
        assert abs(np.corrcoef(real[:, 0], sham[:, 0])[0, 1]) < 0.5
    assert np.split(real, 2)[1].std() > 6 * np.split(real, 2)[0].std()


def test_a_drift_stays_where_it_was() -> None:
    real = waking(1280) + np.linspace(0, 1e5, 1280)[:, None]
    sham = phase_randomised(real, RATE_HZ, np.random.default_rng(0))
    assert np.abs(sham[:32].mean(axis=0) - real[:32].mean(axis=0)).max() < 1e3


def test_what_was_missing_is_missing_still() -> None:
    real = waking(300)
    real[40:50, 1] = np.nan
    real[:, 2] = np.nan
    sham = phase_randomised(real, RATE_HZ, np.random.default_rng(0))
    np.testing.assert_array_equal(np.isnan(sham), np.isnan(real))


def test_one_seed_gives_one_surrogate() -> None:
    one, two, other = (phase_randomised(waking(200), RATE_HZ, np.random.default_rng(seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - other).max() > 1.0

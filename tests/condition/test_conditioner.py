from __future__ import annotations

import numpy as np
import pytest
from eeg_files import noise_chunk, split
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.condition.line import find_line_hz
from brainmidi.errors import SignalError
from brainmidi.types import Chunk, Montage

CUTS = st.lists(st.integers(1, 767), max_size=10)


def damaged() -> Chunk:
    """Six seconds with short and long gaps, a flat channel, a pop, a stuck rail and a late start."""
    chunk = noise_chunk()
    samples = chunk.samples_uv.copy()
    samples[300:303, 0] = np.nan
    samples[400:480] = np.nan
    samples[500:640, 1] = samples[500, 1]
    samples[550, 2] += 900.0
    samples[:50, 3] = np.nan
    return Chunk(samples, chunk.time_s, chunk.montage)


def run(chunk: Chunk, cuts=(), **settings) -> Chunk:
    conditioner = Conditioner(chunk.montage, settings=ConditionSettings(**settings))
    parts = [conditioner.process(part) for part in split(chunk, cuts)]
    return Chunk(
        np.concatenate([part.samples_uv for part in parts]),
        chunk.time_s,
        chunk.montage,
        (),
        np.concatenate([part.good for part in parts]),
    )


@given(cuts=CUTS)
def test_any_chunking_gives_the_same_samples_and_the_same_verdicts(cuts):
    whole, parts = run(damaged(), reference="average"), run(damaged(), cuts, reference="average")
    assert np.array_equal(whole.samples_uv, parts.samples_uv)
    assert np.array_equal(whole.good, parts.good)


def test_one_sample_at_a_time_gives_the_same():
    chunk = damaged()
    assert np.array_equal(run(chunk).samples_uv, run(chunk, range(1, len(chunk))).samples_uv)


def test_an_offset_of_tens_of_millivolts_leaves_no_trace():
    rest = noise_chunk()
    shifted = Chunk(rest.samples_uv + 50_000.0, rest.time_s, rest.montage)
    assert np.abs(run(rest).samples_uv).max() < 150.0
    assert np.allclose(run(rest).samples_uv, run(shifted).samples_uv, atol=1e-5)


def test_the_filter_never_looks_ahead():
    chunk = noise_chunk()
    changed = chunk.samples_uv.copy()
    changed[500:] += 100.0
    after = run(Chunk(changed, chunk.time_s, chunk.montage))
    assert np.array_equal(run(chunk).samples_uv[:500], after.samples_uv[:500])


def test_missing_samples_are_condemned_and_never_come_out():
    cleaned = run(damaged())
    assert np.isfinite(cleaned.samples_uv).all()
    assert not cleaned.good[400:480].any()
    assert not cleaned.good[:50, 3].any()


def test_the_filters_start_anew_after_a_gap_so_that_a_jump_of_the_offset_does_no_harm():
    chunk = noise_chunk(seconds=8.0)
    samples = chunk.samples_uv.copy()
    samples[400:480] = np.nan
    samples[480:] += 40_000.0
    cleaned = run(Chunk(samples, chunk.time_s, chunk.montage))
    assert np.abs(cleaned.samples_uv).max() < 150.0
    assert not cleaned.good[480:540].any()
    assert cleaned.good[620:].all()


def test_a_jump_in_time_is_a_gap_too():
    chunk = noise_chunk(seconds=8.0)
    samples, times = chunk.samples_uv.copy(), chunk.time_s.copy()
    samples[480:] += 40_000.0
    times[480:] += 3.0
    cleaned = run(Chunk(samples, times, chunk.montage))
    assert np.abs(cleaned.samples_uv).max() < 150.0


def test_a_flat_channel_is_condemned_and_its_neighbours_are_not():
    good = run(damaged()).good
    assert not good[530:640, 1].any()
    assert good[700:, 1].all()
    assert good[600:, 0].all()


def test_a_pop_is_condemned_for_a_quarter_second():
    good = run(damaged()).good
    assert not good[550:582, 2].any()
    assert good[700:, 2].all()


@pytest.mark.parametrize(("hum_hz", "found"), [(50.0, 50.0), (60.0, 60.0), (None, None)])
def test_the_mains_frequency_is_found(hum_hz, found):
    rng = np.random.default_rng(1)
    time_s = np.arange(500) / 250.0
    samples = 10.0 * rng.standard_normal((500, 4))
    if hum_hz:
        samples += 8.0 * np.sin(2 * np.pi * hum_hz * time_s)[:, None]
    assert find_line_hz(samples, 250.0) == found


def test_a_mains_frequency_above_nyquist_is_not_looked_for():
    assert find_line_hz(np.random.default_rng(1).standard_normal((200, 2)), 100.0) is None


def test_hum_and_its_harmonic_are_taken_out():
    time_s = np.arange(2500) / 250.0
    hum = 40.0 * np.sin(2 * np.pi * 50 * time_s) + 20.0 * np.sin(2 * np.pi * 100 * time_s)
    chunk = Chunk(np.stack([hum, hum], axis=1), time_s, Montage(("Cz", "Pz"), 250.0))
    assert np.abs(run(chunk, low_pass_hz=100.0).samples_uv[1250:]).max() < 0.5


def test_the_average_reference_leaves_condemned_channels_out():
    chunk = noise_chunk(names=("F3", "F4", "C3", "C4"))
    samples = chunk.samples_uv.copy()
    samples[:, 3] = 7.0  # dead
    cleaned = run(Chunk(samples, chunk.time_s, chunk.montage), reference="average")
    assert np.abs(cleaned.samples_uv[300:, :3].mean(axis=1)).max() < 1e-9


def test_a_reference_by_name_is_subtracted():
    chunk = noise_chunk()
    cleaned = run(chunk, reference=("Cz",))
    assert np.abs(cleaned.samples_uv[300:, 1]).max() == 0.0


@pytest.mark.parametrize(
    ("rate_hz", "settings", "words"),
    [
        (40.0, {}, "40 Hz"),
        (250.0, {"high_pass_hz": 0.0}, "not in order"),
        (250.0, {"high_pass_hz": 50.0}, "not in order"),
        (250.0, {"line": "55"}, "line frequency"),
        (250.0, {"line": "mains"}, "line frequency"),
        (250.0, {"reference": ("M1",)}, "M1 is not among"),
    ],
)
def test_what_cannot_be_is_one_clear_line(rate_hz, settings, words):
    with pytest.raises(SignalError) as caught:
        Conditioner(Montage(("Cz", "Pz"), rate_hz), settings=ConditionSettings(**settings))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_recording_of_100_hz_still_works():
    assert run(noise_chunk(rate_hz=100.0)).good[200:].all()


def test_a_chunk_of_another_montage_is_refused():
    with pytest.raises(SignalError, match="were announced"):
        Conditioner(Montage(("Cz",), 128.0)).process(noise_chunk())

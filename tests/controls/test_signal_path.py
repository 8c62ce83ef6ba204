"""The four rooms in a row: samples to knobs."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from eeg_files import needs_recordings, noise_chunk, recordings, split, with_markers
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.acquire.demo import DemoSource
from brainmidi.acquire.recording import open_recording
from brainmidi.condition.conditioner import Conditioner
from brainmidi.controls.baseline import Baseline, demo_baseline, fit_baseline
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import DEFAULT_MAP
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.types import Chunk, ControlFrame, FeatureFrame, Marker


def features(chunk: Chunk, cuts=()) -> tuple[FeatureExtractor, list[FeatureFrame]]:
    conditioner, extractor = Conditioner(chunk.montage), FeatureExtractor(chunk.montage)
    return extractor, [f for part in split(chunk, cuts) for f in extractor.process(conditioner.process(part))]


def controls(frames: list[FeatureFrame], baseline: Baseline) -> list[ControlFrame]:
    controller = Controller(DEFAULT_MAP, baseline)
    return [controller.process(frame) for frame in frames]


def demo(seconds: float, seed: int = 0) -> Chunk:
    chunk = DemoSource(seed=seed, duration_s=seconds).read(float("inf"))
    assert chunk is not None
    return chunk


@cache
def damaged() -> Chunk:
    """Twelve seconds of the demo brain with gaps, a dead channel and a pop."""
    chunk = demo(12.0)
    samples = chunk.samples_uv.copy()
    samples[1000:1005] = np.nan
    samples[1800:2000, 3:] = np.nan
    samples[500:, 8] = 5.0
    samples[2400, :] += 4000.0
    return Chunk(samples, chunk.time_s, chunk.montage, chunk.markers)


@cache
def unbroken() -> list[ControlFrame]:
    return controls(features(damaged())[1], demo_baseline())


@settings(max_examples=25)
@given(cuts=st.lists(st.integers(1, 2999), max_size=30))
def test_any_chunking_of_the_same_samples_gives_the_same_control_frames(cuts):
    assert controls(features(damaged(), cuts)[1], demo_baseline()) == unbroken()


@settings(max_examples=10)
@given(rate_hz=st.sampled_from([100.0, 128.0, 160.0, 256.0]), size=st.integers(1, 97))
def test_even_chunks_of_any_size_give_the_same_frames_at_any_rate(rate_hz, size):
    markers = [Marker(0.4 + 0.31 * k, "target" if k % 4 == 1 else "nontarget") for k in range(20)]
    chunk = with_markers(noise_chunk(rate_hz=rate_hz, seconds=7.0), markers)
    whole, parts = features(chunk)[1], features(chunk, range(size, len(chunk), size))[1]
    assert len(whole) == len(parts) >= 90
    for one, other in zip(whole, parts, strict=True):
        assert (one.time_s, one.values, one.erp, one.quality) == (other.time_s, other.values, other.erp, other.quality)
        assert np.array_equal(one.band_power_db, other.band_power_db)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_demo_brain_moves_the_latent_between_its_corners_and_the_music_to_new_anchors(seed):
    chunk = demo(30.0, seed)
    frames = controls(features(chunk)[1], demo_baseline())
    calm = DemoSource(seed=seed)._script.calm(np.array([frame.time_s - 3.0 for frame in frames]))
    mix = np.array([frame.knobs["latent_mix"] for frame in frames])
    assert np.median(mix[calm > 0.85]) < 0.2
    assert np.median(mix[calm < 0.15]) > 0.75
    assert frames[-1].anchor_steps >= 1


@pytest.mark.parametrize("seed", [1, 2])
def test_a_brain_that_responds_to_nothing_seldom_moves_the_anchors(seed):
    chunk = DemoSource(seed=seed, scenario="rest", duration_s=300.0).read(float("inf"))
    assert controls(features(chunk)[1], demo_baseline())[-1].anchor_steps <= 1


def test_missing_samples_freeze_the_knobs_and_leave_the_frames_coming():
    chunk = demo(14.0)
    samples = chunk.samples_uv.copy()
    samples[1500:] = np.nan
    frames = controls(features(Chunk(samples, chunk.time_s, chunk.montage))[1], demo_baseline())
    assert len(frames) == 240
    assert frames[-1].confidence == 0.0
    assert abs(frames[-1].knobs["latent_mix"] - 0.5) < abs(frames[100].knobs["latent_mix"] - 0.5)


@pytest.mark.recording
@needs_recordings
def test_closing_the_eyes_moves_the_alpha_driven_knob_by_more_than_a_third():
    takes = {
        name: features(open_recording(recordings() / "eegbci" / f"{name}.edf").read(float("inf")))[1]
        for name in ("S001R01", "S001R02")
    }
    baseline = fit_baseline(takes["S001R01"])
    median = {
        name: np.median([frame.knobs["latent_mix"] for frame in controls(frames, baseline)[::40]])
        for name, frames in takes.items()
    }
    assert median["S001R01"] - median["S001R02"] >= 0.35
    assert 0.35 < median["S001R01"] < 0.65


@pytest.mark.recording
@needs_recordings
def test_a_muse_session_shows_a_negative_response_behind_the_right_ear():
    waves, weights, crossings = [], [], 0
    for path in sorted((recordings() / "muse_visual_p300" / "session1").glob("*.csv")):
        extractor, frames = features(open_recording(path).read(float("inf")))
        summary = extractor.erp_summary
        waves.append(summary.difference_uv)
        weights.append(summary.n_target)
        crossings += controls(frames, fit_baseline(frames[:400]))[-1].anchor_steps
    mean = np.average(waves, axis=0, weights=weights)[:, summary.channels.index("TP10")]
    window = (summary.time_s >= 0.25) & (summary.time_s <= 0.5)
    row = np.argmax(np.where(window, -mean, -np.inf))
    assert mean[row] < -3.0
    assert summary.time_s[row] == pytest.approx(0.34, abs=0.03)
    assert crossings >= 1

from __future__ import annotations

import numpy as np
import pytest

from brainmidi.errors import SignalError
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import ErpSettings, FeatureSettings
from brainmidi.types import Chunk, Marker, Montage

NAMES = ("Cz", "P3", "Pz", "P4")


def oddball(response_uv: float, seconds: float = 60.0, seed: int = 0, polarity: float = 1.0, good=None) -> Chunk:
    """Noise with a stimulus every half second, one in five a target with a response at Pz after 0.35 s."""
    rate_hz, rng = 128.0, np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    time_s = np.arange(n) / rate_hz
    samples = 8.0 * rng.standard_normal((n, len(NAMES)))
    markers = []
    for number in range(int(2 * seconds) - 4):
        at_s = 1.0 + 0.5 * number + 0.003
        target = number % 5 == 2
        markers.append(Marker(at_s, "target" if target else "nontarget"))
        if target:
            samples[:, 2] += polarity * response_uv * np.exp(-0.5 * ((time_s - at_s - 0.35) / 0.05) ** 2)
    return Chunk(samples, time_s, Montage(NAMES, rate_hz), tuple(markers), good)


def extract(chunk: Chunk, **settings):
    extractor = FeatureExtractor(chunk.montage, FeatureSettings(erp=ErpSettings(**settings)))
    return extractor, extractor.process(chunk)


def test_a_response_is_found_where_and_when_it_is():
    extractor, frames = extract(oddball(12.0))
    summary = extractor.erp_summary
    assert summary.channel == "Pz"
    assert summary.peak_s == pytest.approx(0.35, abs=0.05)
    assert summary.peak_uv == pytest.approx(12.0, abs=6.0)
    assert summary.confidence > 0.999
    assert (summary.n_target, summary.n_nontarget, summary.n_rejected) == (23, 93, 0)
    assert frames[-1].erp.channel == "Pz"
    assert frames[-1].values["erp.confidence"] > 0.95
    assert frames[-1].values["erp.amplitude"] > 5


def test_confidence_without_a_response_is_seldom_high():
    high = [extract(oddball(0.0, seconds=40.0, seed=seed))[0].erp_summary.confidence > 0.95 for seed in range(10)]
    assert sum(high) <= 2


def test_a_negative_response_counts_unless_only_positive_ones_are_wanted():
    negative = oddball(12.0, polarity=-1.0)
    assert extract(negative)[0].erp_summary.amplitude_uv < -5
    assert extract(negative, polarity="negative")[0].erp_summary.confidence > 0.99
    assert extract(negative, polarity="positive")[0].erp_summary.confidence < 0.9


def test_shuffled_labels_take_the_response_away():
    chunk = oddball(12.0)
    labels = [marker.label for marker in chunk.markers]
    np.random.default_rng(1).shuffle(labels)
    shuffled = tuple(Marker(m.time_s, label) for m, label in zip(chunk.markers, labels, strict=True))
    summary = extract(Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, shuffled))[0].erp_summary
    assert summary.confidence < 0.95


def test_a_frame_knows_an_epoch_only_once_its_last_sample_is_there():
    _, frames = extract(oddball(12.0, seconds=14.0), min_n=2)
    first = next(frame for frame in frames if frame.erp is not None)
    second_target_s = 1.0 + 0.5 * 7 + 0.003
    assert first.time_s >= second_target_s + 0.8
    assert first.time_s < second_target_s + 0.8 + 0.1


def test_an_epoch_with_a_condemned_sample_is_left_out_for_that_channel_alone():
    chunk = oddball(12.0)
    good = np.ones(chunk.samples_uv.shape, dtype=bool)
    good[1000:1010, 2] = False
    summary = extract(Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, chunk.markers, good))[0].erp_summary
    assert summary.channel == "Pz"
    assert 1 <= summary.n_rejected <= 3


def test_an_epoch_that_spans_too_much_is_left_out():
    assert extract(oddball(12.0), reject_uv=30.0)[0].erp_summary is None


def test_only_the_last_targets_are_averaged():
    _, frames = extract(oddball(12.0), average_n=6)
    assert (frames[-1].erp.n_target, frames[-1].erp.n_nontarget) == (6, 24)


def test_without_markers_there_is_no_erp():
    chunk = oddball(12.0)
    extractor, frames = extract(Chunk(chunk.samples_uv, chunk.time_s, chunk.montage))
    assert extractor.erp_summary is None
    assert not [name for name in frames[-1].values if name.startswith("erp.")]


def test_a_devices_late_marks_are_put_right():
    chunk = oddball(12.0)
    late = tuple(Marker(m.time_s + 0.1, m.label) for m in chunk.markers)
    summary = extract(Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, late), latency_s=0.1)[0].erp_summary
    assert summary.peak_s == pytest.approx(0.35, abs=0.05)


@pytest.mark.parametrize(
    "settings",
    [
        {"epoch_s": (0.1, 0.8)},
        {"response_s": (0.5, 0.25)},
        {"response_s": (0.5, 0.9)},
        {"average_n": 1},
        {"polarity": "up"},
        {"target": frozenset({"1"})},
    ],
)
def test_settings_that_do_not_fit_are_refused(settings):
    with pytest.raises(SignalError):
        ErpSettings(**settings)

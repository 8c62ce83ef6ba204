from __future__ import annotations

import numpy as np
import pytest
from eeg_files import noise_chunk, split, with_markers
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.features.epochs import EpochStream, epochs_of
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import ErpSettings, FeatureSettings
from brainmidi.types import Chunk, Marker, Montage

ERP = ErpSettings(epoch_s=(-0.1, 0.4), response_s=(0.1, 0.3), min_n=2)
MARKERS = tuple(Marker(0.5 + 0.37 * k, "target" if k % 4 == 1 else "nontarget") for k in range(12))


def stream_of(chunks, handed, latency_s=0.0, low_pass_hz=10.0):
    """Return the epochs of a stream into which `handed` markers come at chunk numbers, one frame a chunk."""
    settings = ErpSettings(epoch_s=ERP.epoch_s, response_s=ERP.response_s, latency_s=latency_s)
    stream = EpochStream(chunks[0].montage, settings, low_pass_hz)
    found, end = [], 0
    for number, chunk in enumerate(chunks):
        stream.mark([marker for marker, at in handed if at == number])
        stream.push(chunk.samples_uv, chunk.good, chunk.time_s)
        stream.mark(chunk.markers)
        end += len(chunk)
        found += stream.take(end - 1)
    return found


def table(epochs):
    return [(one.label, one.time_s, one.samples_uv.tobytes(), one.slow_uv.tobytes()) for one in epochs]


def test_an_epoch_begins_and_ends_around_the_first_sample_at_or_after_its_marker():
    time_s = np.arange(400) / 100.0
    chunk = Chunk(time_s[:, None] * 100.0, time_s, Montage(("Cz",), 100.0), (Marker(1.995, "target"),))
    (epoch,) = epochs_of([chunk], ERP)
    assert epoch.samples_uv[:, 0] == pytest.approx(np.arange(190, 241))
    assert np.array_equal(epoch.slow_uv, epoch.samples_uv)
    (late,) = epochs_of([chunk], ErpSettings(latency_s=0.05))
    assert late.samples_uv[20, 0] == pytest.approx(195)
    assert late.time_s == pytest.approx(1.945)


def test_an_epoch_that_began_before_the_stream_is_left_out():
    chunk = with_markers(noise_chunk(seconds=2.0), [Marker(0.05, "target"), Marker(1.8, "target"), Marker(9.0, "1")])
    assert epochs_of([chunk], ERP) == []


@pytest.mark.parametrize(("lost_s", "kept"), [(0.0, True), (0.01, True), (0.04, False), (0.2, False)])
def test_an_epoch_that_samples_are_missing_from_without_a_trace_is_rejected(lost_s, kept):
    chunk = noise_chunk(names=("Cz",), rate_hz=100.0)
    times = chunk.time_s.copy()
    times[200:] += lost_s
    markers = (Marker(1.5, "target"), Marker(1.9, "target"), Marker(2.3 + lost_s, "target"))
    epochs = epochs_of([Chunk(chunk.samples_uv, times, chunk.montage, markers)], ERP)
    assert [epoch.good.all() for epoch in epochs] == [True, kept, True]
    assert [epoch.good.any() for epoch in epochs] == [True, kept, True]


def test_a_stimulus_within_a_gap_has_no_response():
    chunk = noise_chunk(names=("Cz",), rate_hz=100.0)
    times = chunk.time_s.copy()
    times[200:] += 3.0
    (epoch,) = epochs_of([Chunk(chunk.samples_uv, times, chunk.montage, (Marker(3.0, "target"),))], ERP)
    assert not epoch.good.any()


def test_labels_of_neither_class_start_no_epoch():
    chunk = with_markers(noise_chunk(seconds=3.0), [Marker(1.0, "blink"), Marker(1.5, "2")])
    assert [epoch.label for epoch in epochs_of([chunk], ERP)] == ["2"]


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 767), max_size=30), latency_s=st.sampled_from([0.0, 0.04, -0.06]))
def test_any_chunking_gives_the_same_epochs(cuts, latency_s):
    chunk = with_markers(noise_chunk(), MARKERS)
    whole = table(stream_of([chunk], [], latency_s))
    assert sorted(table(stream_of(split(chunk, cuts), [], latency_s))) == sorted(whole)
    assert len(whole) >= 10


@settings(max_examples=40, deadline=None)
@given(cuts=st.lists(st.integers(1, 767), max_size=30), early=st.lists(st.integers(-3, 40), min_size=12, max_size=12))
def test_markers_may_be_handed_in_before_or_after_their_stimulus(cuts, early):
    bare = noise_chunk()
    chunks = split(bare, cuts)
    ends_s = [chunk.time_s[-1] for chunk in chunks]
    handed = []
    for marker, ahead in zip(MARKERS, early, strict=True):
        # at the latest with the chunk in which the epoch completes: frames there have not been made
        latest = int(np.searchsorted(ends_s, marker.time_s + ERP.epoch_s[1] - 0.01))
        handed.append((marker, max(0, min(latest, len(chunks) - 1) - max(ahead, 0))))
    with_them = table(stream_of([with_markers(bare, MARKERS)], []))
    assert sorted(table(stream_of(chunks, handed))) == sorted(with_them)


@settings(max_examples=15, deadline=None)
@given(cuts=st.lists(st.integers(1, 767), max_size=12), ahead=st.integers(0, 3))
def test_frames_do_not_depend_on_how_their_markers_came(cuts, ahead):
    chunk = with_markers(noise_chunk(), MARKERS)
    settings_ = FeatureSettings(window_s=1.0, erp=ERP)
    with_samples = FeatureExtractor(chunk.montage, settings_).process(chunk)
    extractor, frames = FeatureExtractor(chunk.montage, settings_), []
    parts = split(with_markers(chunk, ()), cuts)
    waiting = list(MARKERS)
    for number, part in enumerate(parts):
        until = parts[min(number + ahead, len(parts) - 1)].time_s[-1]
        extractor.mark([marker for marker in waiting if marker.time_s <= until])
        waiting = [marker for marker in waiting if marker.time_s > until]
        frames += extractor.process(part)
    assert [(one.time_s, one.values, one.erp) for one in frames] == [
        (one.time_s, one.values, one.erp) for one in with_samples
    ]
    assert frames[-1].erp is not None


def test_a_marker_that_comes_long_after_its_epoch_is_passed_over():
    chunk = noise_chunk(seconds=8.0)
    parts = split(chunk, range(64, len(chunk), 64))
    assert len(stream_of(parts, [(Marker(1.0, "target"), 6)])) == 1
    assert stream_of(parts, [(Marker(1.0, "target"), 12)]) == []

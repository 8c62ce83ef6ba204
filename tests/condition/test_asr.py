from __future__ import annotations

import json
import sys
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from eeg_files import noise_chunk, split, with_markers
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.condition.asr import AsrState, Reconstruction, fit_asr
from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.errors import SignalError
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.types import Chunk, Marker, Montage

pytest.importorskip("meegkit")

NAMES = ("Fp1", "Fp2", "C3", "C4", "O1", "O2")


def brain(seconds: float, seed: int) -> Chunk:
    """Correlated noise: what one electrode misses, the others know."""
    chunk = noise_chunk(names=NAMES, seconds=seconds, seed=0)
    sources = 10.0 * np.random.default_rng(seed).standard_normal((len(chunk), 3))
    mixing = np.random.default_rng(5).uniform(0.3, 1.0, (3, len(NAMES)))
    own = np.random.default_rng(seed + 1).standard_normal((len(chunk), len(NAMES)))
    return Chunk(sources @ mixing + own, chunk.time_s, chunk.montage)


@cache
def state() -> AsrState:
    rest = brain(40.0, 1)
    return fit_asr([Conditioner(rest.montage).process(rest)], cutoff=5.0)


@cache
def torn() -> Chunk:
    """Fourteen seconds with blinks, a gap, a jump and markers."""
    chunk = brain(14.0, 7)
    samples = chunk.samples_uv.copy()
    for start in (500, 1000, 1400):
        samples[start : start + 50, :2] += 120.0 * np.hanning(50)[:, None]
    samples[700:760] = np.nan
    samples[1200:, 3] += 900.0
    markers = [Marker(0.37 * number, "target") for number in range(1, 30)]
    return with_markers(Chunk(samples, chunk.time_s, chunk.montage), markers)


def run(chunk: Chunk, cuts=(), asr: AsrState | None = None) -> tuple[Chunk, list]:
    conditioner = Conditioner(chunk.montage, settings=ConditionSettings(asr=asr))
    extractor = FeatureExtractor(chunk.montage)
    parts = [conditioner.process(part) for part in split(chunk, cuts)]
    joined = Chunk(
        np.concatenate([part.samples_uv for part in parts]),
        np.concatenate([part.time_s for part in parts]),
        chunk.montage,
        tuple(marker for part in parts for marker in part.markers),
        np.concatenate([part.good for part in parts]),
    )
    return joined, [frame for part in parts for frame in extractor.process(part)]


@settings(max_examples=8)
@given(size=st.integers(1, 1280), with_asr=st.booleans())
def test_any_chunking_gives_the_same_features_with_and_without_reconstruction(size, with_asr):
    asr = state() if with_asr else None
    whole, parts = run(torn(), asr=asr)[1], run(torn(), range(size, len(torn()), size), asr)[1]
    assert [frame.time_s for frame in whole] == [frame.time_s for frame in parts]
    for one, other in zip(whole, parts, strict=True):
        assert one.values.keys() == other.values.keys()
        assert all(abs(one.values[name] - other.values[name]) <= 1e-9 for name in one.values)


def test_samples_come_out_late_and_keep_their_times_and_markers():
    chunk = torn()
    conditioner = Conditioner(chunk.montage, settings=ConditionSettings(asr=state()))
    assert conditioner.latency_s == 0.25
    seen_s, waited = 0.0, []
    for part in split(chunk, range(5, len(chunk), 5)):
        out = conditioner.process(part)
        seen_s = float(out.time_s[-1]) if len(out) else seen_s
        waited.append(part.time_s[-1] - seen_s)
        assert all(out.time_s[0] - 1 / 128 < marker.time_s <= out.time_s[-1] + 1e-9 for marker in out.markers)
    assert max(waited[20:]) < conditioner.latency_s
    joined, _ = run(chunk, asr=state())
    assert np.array_equal(joined.time_s, chunk.time_s[: len(joined)])
    assert joined.markers == tuple(marker for marker in chunk.markers if marker.time_s <= joined.time_s[-1])


def test_a_blink_is_taken_out_and_the_rest_is_left_alone():
    plain, cleaned = run(torn())[0], run(torn(), asr=state())[0]
    eyes = np.abs(plain.samples_uv[500:550, :2]).max(), np.abs(cleaned.samples_uv[500:550, :2]).max()
    assert eyes[1] < 0.6 * eyes[0]
    quiet = slice(100, 440)
    assert np.abs(cleaned.samples_uv[quiet] - plain.samples_uv[quiet]).max() < 1e-6


def test_what_is_condemned_stays_condemned():
    plain, cleaned = run(torn())[0], run(torn(), asr=state())[0]
    assert np.array_equal(plain.good[: len(cleaned)], cleaned.good)


def test_the_state_survives_its_document():
    assert AsrState.from_document(json.loads(json.dumps(state().document()))) == state()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("mixing", [[1.0]]),
        ("threshold", "none"),
        ("cutoff", None),
        ("channels", []),
        ("mixing", [[float("nan")] * 6] * 6),
    ],
)
def test_a_damaged_document_is_refused_in_a_line(key, value):
    with pytest.raises(SignalError) as caught:
        AsrState.from_document({**state().document(), key: value})
    assert "\n" not in str(caught.value)


def test_another_montage_is_refused():
    with pytest.raises(SignalError, match="calibrate anew"):
        Reconstruction(state(), Montage(NAMES, 250.0))


def test_too_little_and_too_few_are_refused():
    rest = Conditioner(Montage(NAMES, 128.0)).process(brain(10.0, 1))
    with pytest.raises(SignalError, match=r"\d s of clean signal are too few"):
        fit_asr([rest])
    headband = Montage(NAMES[:3], 128.0)
    with pytest.raises(SignalError, match="3 channels at 128 Hz are too few"):
        fit_asr([Chunk(rest.samples_uv[:, :3], rest.time_s, headband)])


def test_without_the_library_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "meegkit.asr", None)
    with pytest.raises(SignalError, match=r"pip install 'brainmidi\[asr\]'"):
        Reconstruction(state(), state().montage)


def test_unprotected_settings_have_no_reconstruction():
    assert replace(ConditionSettings(), asr=state()).unprotected().asr is None

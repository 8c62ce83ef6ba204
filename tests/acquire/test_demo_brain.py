from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.acquire.demo import DemoSource
from brainmidi.errors import SourceError
from brainmidi.types import Chunk


def read_in_steps(source: DemoSource, ends: list[float]) -> tuple[np.ndarray, list]:
    chunks = [chunk for end in ends if (chunk := source.read(end)) is not None]
    return np.concatenate([chunk.samples_uv for chunk in chunks]), [m for chunk in chunks for m in chunk.markers]


def whole(seconds: float = 9.0, seed: int = 3) -> Chunk:
    chunk = DemoSource(seed=seed, duration_s=seconds).read(float("inf"))
    assert chunk is not None
    return chunk


@given(ends=st.lists(st.floats(0.0, 9.0), max_size=12))
def test_any_way_of_reading_gives_the_same_samples_and_markers(ends):
    source = DemoSource(seed=3, duration_s=9.0)
    samples, markers = read_in_steps(source, [*sorted(ends), float("inf")])
    assert np.array_equal(samples, whole().samples_uv)
    assert tuple(markers) == whole().markers


def test_the_same_seed_gives_the_same_brain_and_another_seed_another():
    assert np.array_equal(whole(seed=5).samples_uv, whole(seed=5).samples_uv)
    assert not np.allclose(whole(seed=5).samples_uv, whole(seed=6).samples_uv)


def test_the_demo_says_that_it_is_simulated():
    source = DemoSource()
    assert source.simulated
    assert "simulated" in source.name


def test_a_marker_comes_with_the_first_sample_at_or_after_it():
    source = DemoSource(seed=1)
    for step in range(1, 400):
        chunk = source.read(step * 0.013)
        for marker in chunk.markers:
            assert chunk.time_s[0] - 1 / 250 < marker.time_s <= chunk.time_s[-1]


def test_about_one_stimulus_in_five_is_a_target_and_two_targets_never_follow_each_other():
    labels = [marker.label for marker in whole(60.0).markers]
    assert 110 <= len(labels) <= 140
    assert 0.17 < labels.count("target") / len(labels) < 0.23
    assert ("target", "target") not in set(itertools.pairwise(labels))


def test_posterior_alpha_is_stronger_while_calm():
    chunk, source = whole(32.0), DemoSource(seed=3)
    calm = source._script.calm(chunk.time_s)
    oz = chunk.samples_uv[:, chunk.montage.names.index("O1")]

    def alpha(rows: np.ndarray) -> float:
        part = oz[rows] - oz[rows].mean()
        power = np.abs(np.fft.rfft(part * np.hanning(len(part)))) ** 2 / len(part)
        frequency = np.fft.rfftfreq(len(part), 1 / 250)
        return float(power[(frequency > 8) & (frequency < 13)].mean())

    assert alpha(np.flatnonzero(calm > 0.85)) > 8 * alpha(np.flatnonzero(calm < 0.15))


def test_mains_hum_and_electrode_offsets_are_there_to_be_dealt_with():
    chunk = whole(8.0)
    assert np.abs(chunk.samples_uv.mean(axis=0)).max() > 5_000
    spectrum = np.abs(np.fft.rfft(chunk.samples_uv[:, 4] - chunk.samples_uv[:, 4].mean()))
    frequency = np.fft.rfftfreq(len(chunk), 1 / 250)
    assert frequency[np.argmax(np.where(frequency > 45, spectrum, 0))] == pytest.approx(50.0, abs=0.2)


def test_an_endless_brain_cannot_be_read_to_its_end():
    with pytest.raises(SourceError, match="give it a duration"):
        DemoSource().read(float("inf"))


@pytest.mark.parametrize("arguments", [{"seed": -1}, {"scenario": "asleep"}, {"duration_s": 0.0}])
def test_an_impossible_brain_is_refused(arguments):
    with pytest.raises(SourceError):
        DemoSource(**arguments)


def test_the_stream_ends_with_its_duration():
    source = DemoSource(duration_s=1.0)
    assert len(source.read(5.0)) == 250
    assert source.read(6.0) is None


def test_a_planned_brain_does_what_it_is_asked_for_and_attends_to_every_target():
    source = DemoSource(seed=1, plan=((0.0, 0.0), (20.0, 1.0)), duration_s=40.0)
    chunk = source.read(float("inf"))
    assert chunk is not None
    occipital = chunk.samples_uv[:, source.montage.names.index("O1")].reshape(40, 250)
    spectrum = np.abs(np.fft.rfft(occipital - occipital.mean(axis=1, keepdims=True), axis=1)) ** 2
    alpha = 10 * np.log10(spectrum[:, 9:12].sum(axis=1))
    assert np.median(alpha[23:]) > np.median(alpha[2:18]) + 8
    parietal = chunk.samples_uv[:, source.montage.names.index("Pz")]
    response: dict[str, list[float]] = {"target": [], "nontarget": []}
    for marker in chunk.markers:
        row = round(marker.time_s * 250)
        if 50 < row < len(parietal) - 150:
            response[marker.label].append(parietal[row + 75 : row + 105].mean() - parietal[row - 25 : row].mean())
    assert np.mean(response["target"]) > np.mean(response["nontarget"]) + 15

from __future__ import annotations

import numpy as np
import pytest
from eeg_files import needs_recordings, noise_chunk, recordings

from brainmidi.acquire.recording import open_recording
from brainmidi.evaluate.artifacts import INJECTIONS, measure_artifacts
from brainmidi.types import Chunk

NAMES = ("Fp1", "Fp2", "T7", "T8", "C3", "C4", "O1", "O2")


def rest() -> Chunk:
    return noise_chunk(names=NAMES, rate_hz=160.0, seconds=61.0)


@pytest.mark.parametrize("kind", INJECTIONS)
def test_an_artifact_is_the_same_for_the_same_seed_and_touches_what_it_says(kind):
    clean = rest()
    once, touched = INJECTIONS[kind](clean, np.random.default_rng(3))
    again, _ = INJECTIONS[kind](clean, np.random.default_rng(3))
    other, _ = INJECTIONS[kind](clean, np.random.default_rng(4))
    assert np.array_equal(once.samples_uv, again.samples_uv)
    assert not np.array_equal(once.samples_uv, other.samples_uv)
    changed = (once.samples_uv != clean.samples_uv).any(axis=1)
    assert touched.any()
    assert changed[touched].mean() > 0.9
    assert not changed[: round(4.0 * 160)].any()


def test_a_blink_is_largest_at_the_brow_and_a_jaw_at_the_temples():
    for kind, near, far in (("blinks", "Fp1", "O1"), ("jaw", "T7", "C3")):
        clean = rest()
        dirty, touched = INJECTIONS[kind](clean, np.random.default_rng(0))
        added = (dirty.samples_uv - clean.samples_uv)[touched].std(axis=0)
        assert added[NAMES.index(near)] > 1.5 * added[NAMES.index(far)]


def test_the_rail_lasts_for_thirty_seconds():
    _, touched = INJECTIONS["rail"](rest(), np.random.default_rng(0))
    assert touched.sum() == 30 * 160


def closing(alpha_uv: float) -> Chunk:
    clean = rest()
    tone = alpha_uv * np.sin(2 * np.pi * 10 * np.arange(len(clean)) / 160)
    return Chunk(clean.samples_uv + tone[:, None] * ([0.2] * 6 + [1.0] * 2), clean.time_s, clean.montage)


def test_a_dead_knob_is_told_beside_and_only_far_from_rest_it_is_told_apart():
    opened, closed = closing(1.0), closing(12.0)
    near = measure_artifacts(opened, placements=1, unprotected=0)
    far = measure_artifacts(closed, rest=opened, placements=1, unprotected=0)
    assert near.dead.keys() == near.protected.keys() == far.dead.keys() == INJECTIONS.keys()
    assert near.unprotected == {}
    assert near.dead["blinks"].passes  # so that the bar alone says little there
    assert not far.dead["blinks"].passes
    assert far.protected["blinks"].median < 0.1 < far.dead["blinks"].median
    # A knob that hears nothing of 30 s on the rail of all electrodes is no better than a dead one, and that shows.
    assert near.dead["rail"].frames == near.protected["rail"].frames


@pytest.mark.recording
@needs_recordings
def test_artifacts_move_the_alpha_knob_less_than_the_bars_and_far_more_where_nothing_protects_it():
    clean = open_recording(recordings() / "eegbci" / "S001R01.edf").read(float("inf"))
    found = measure_artifacts(clean, placements=1, unprotected=1)
    assert found.protected.keys() == found.unprotected.keys() == INJECTIONS.keys()
    assert all(travel.passes for travel in found.protected.values())
    assert not found.unprotected["rail"].passes
    assert found.unprotected["all"].p95 > 2 * found.protected["all"].p95

"""Real recordings become takes: closed eyes calm the music, and the markers of a P300 speller are averaged."""

from __future__ import annotations

import numpy as np
import pytest
from eeg_files import needs_recordings, recordings
from fakes import ANCHORS, FakeAccompaniment, FakeMelody

from brainmidi.acquire.recording import open_recording
from brainmidi.condition.conditioner import Conditioner
from brainmidi.config import parse_config
from brainmidi.controls.baseline import Baseline
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import DEFAULT_MAP
from brainmidi.drivers.offline import score
from brainmidi.drivers.take import TakeFiles
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import Chunk, Marker

pytestmark = [pytest.mark.recording, needs_recordings]

SHUFFLES = 3


def take_of(recording, folder, **tables):
    return score(
        parse_config(tables),
        recording,
        TakeFiles(folder / "take.mid"),
        voices=lambda: (FakeMelody(), FakeAccompaniment()),
        anchors=ANCHORS,
    )


def test_closed_and_open_eyes_differ_in_knob_and_latent(tmp_path):
    rest = recordings() / "eegbci" / "S001R01.edf"
    tables = {"baseline": {"recording": str(rest)}}
    opened = take_of(rest, tmp_path, **tables).summary
    closed = take_of(recordings() / "eegbci" / "S001R02.edf", tmp_path, **tables).summary
    assert opened.knob_medians["latent_mix"] - closed.knob_medians["latent_mix"] > 0.3
    assert opened.latent_mix_mean - closed.latent_mix_mean > 0.3


def test_a_p300_recording_tells_its_erp_and_events_move_the_anchor(tmp_path):
    (recording,) = (recordings() / "muse_visual_p300" / "session1").glob("*15_51_07*.csv")
    summary = take_of(recording, tmp_path).summary
    assert (summary.erp.channel, summary.erp.n_target) == ("TP10", 37)
    assert summary.erp.amplitude_uv < -2.0  # behind the ear the P300 is seen from below
    assert summary.erp.confidence > 0.999
    assert "target minus non-target -3." in "\n".join(summary.lines())
    assert "uV at TP10 (37 targets" in "\n".join(summary.lines())
    assert summary.anchor_steps == len(summary.anchors) - 1 >= 1


def test_true_labels_move_the_anchors_far_more_often_than_shuffled_ones():
    rng = np.random.default_rng(0)
    real, sham = 0, 0
    for recording in sorted((recordings() / "muse_visual_p300").glob("*/*.csv")):
        chunk = open_recording(recording).read(float("inf"))
        clean = Conditioner(chunk.montage).process(chunk)
        real += moves(clean)
        for _ in range(SHUFFLES):
            labels = rng.permutation([marker.label for marker in clean.markers])
            markers = tuple(Marker(m.time_s, str(label)) for m, label in zip(clean.markers, labels, strict=True))
            sham += moves(Chunk(clean.samples_uv, clean.time_s, clean.montage, markers, clean.good))
    assert real >= 4
    assert real > 2 * sham / SHUFFLES


def moves(clean):
    """Return how often the default map moves the anchors on conditioned samples."""
    controller = Controller(DEFAULT_MAP, Baseline({}, 0))
    frames = FeatureExtractor(clean.montage, FeatureSettings(update_hz=4.0)).process(clean)  # epochs come every second
    return [controller.process(frame) for frame in frames][-1].anchor_steps

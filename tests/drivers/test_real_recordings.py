"""Real recordings become takes: closed eyes calm the music, and the markers of a P300 speller are averaged."""

from __future__ import annotations

import pytest
from eeg_files import needs_recordings, recordings
from fakes import ANCHORS, FakeAccompaniment, FakeMelody

from brainmidi.config import parse_config
from brainmidi.drivers.offline import score
from brainmidi.drivers.take import TakeFiles

pytestmark = [pytest.mark.recording, needs_recordings]


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
    folder = recordings() / "muse_visual_p300" / "session1"
    moved = 0
    for recording in sorted(folder.glob("*.csv"))[:3]:
        summary = take_of(recording, tmp_path).summary
        assert summary.erp.n_target > 10
        assert "target minus non-target" in "\n".join(summary.lines())
        moved += len(summary.anchors) - 1
        assert summary.anchor_steps >= len(summary.anchors) - 1
    assert moved > 0

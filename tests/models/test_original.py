from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from brainmidi.errors import ConfigError, ModelError
from brainmidi.models import frames, original
from brainmidi.models.configs import MAGENTA
from brainmidi.models.original import MagentaProcess, OriginalMusicVae, from_samples, to_inputs, to_targets

FAKE = Path(__file__).with_name("fake_magenta.py")
PYTHON = Path(sys.executable)


@pytest.fixture
def behaving(monkeypatch):
    """Return a function that says how the process that stands in for Magenta's behaves."""

    def behave(how: str) -> None:
        monkeypatch.setenv("FAKE_MAGENTA", how)
        monkeypatch.setenv("FAKE_FRAMES", frames.__file__)
        monkeypatch.setattr(original, "WORKER", FAKE)

    return behave


@pytest.fixture
def checkpoint(tmp_path):
    """Return the prefix of what looks like a checkpoint."""
    (tmp_path / "model.ckpt.index").touch()
    return tmp_path / "model.ckpt"


def test_an_interpreter_that_does_not_exist_is_named_with_the_remedy(tmp_path):
    with pytest.raises(ModelError, match=r"--magenta-python .*nowhere cannot be run .*magenta 2\.1\.4"):
        MagentaProcess(tmp_path / "nowhere")


def test_an_environment_without_magenta_is_named_with_the_remedy(behaving):
    behaving("lacks")
    with pytest.raises(ModelError, match=r"does not load Magenta: .*No module named 'magenta'; .*magenta 2\.1\.4"):
        MagentaProcess(PYTHON)


def test_the_real_worker_says_that_this_environment_has_no_magenta():
    pytest.importorskip("numpy")
    with pytest.raises(ModelError, match=r"does not load Magenta: ModuleNotFoundError"):
        MagentaProcess(PYTHON)


def test_a_program_that_prints_is_no_magenta(behaving):
    behaving("prints")
    with pytest.raises(ModelError, match="what it answers is no frame"):
        MagentaProcess(PYTHON)


def test_a_process_that_ends_at_once_is_told_with_its_last_words(behaving):
    behaving("exits")
    with pytest.raises(ModelError, match=r"ended with status 132 \(Illegal instruction\)"):
        MagentaProcess(PYTHON)


def test_a_process_that_dies_at_a_request_is_told_with_its_last_words(behaving, checkpoint):
    behaving("dies")
    with pytest.raises(ModelError, match=r"ended with status 137 \(Out of memory\); start again"):
        OriginalMusicVae(PYTHON, "cat-mel_2bar_small", checkpoint)


def test_a_process_that_never_comes_up_is_ended_and_told(behaving, monkeypatch):
    behaving("hangs")
    monkeypatch.setattr(original, "PATIENCE_S", 0.01)
    with pytest.raises(ModelError, match=r"does not load Magenta: no answer came within 0\.01 s, .* ended .*2\.1\.4"):
        MagentaProcess(PYTHON)


@pytest.mark.parametrize(("how", "n_values"), [("stalls", 0), ("deaf", 1_000_000)], ids=["reads", "does not even read"])
def test_a_process_that_never_answers_a_request_is_ended_and_told(behaving, monkeypatch, how, n_values):
    behaving(how)
    with MagentaProcess(PYTHON) as process:
        monkeypatch.setattr(original, "PATIENCE_S", 0.01)
        with pytest.raises(ModelError, match=r"no answer came within 0\.01 s.*; start again when .* less busy"):
            process.request("encode", {"inputs": np.zeros(n_values)})
        assert process._process.poll() is not None


def test_what_magenta_refuses_is_told_in_one_line(behaving, checkpoint):
    behaving("refuses")
    with pytest.raises(ModelError, match=r"Key decoder/nade/w_enc not found$"):
        OriginalMusicVae(PYTHON, "cat-mel_2bar_small", checkpoint)


def test_an_unknown_configuration_and_a_missing_checkpoint_are_named_before_anything_starts(tmp_path):
    with pytest.raises(ConfigError, match="cat-mel_3bar"):
        OriginalMusicVae(tmp_path / "nowhere", "cat-mel_3bar", tmp_path)
    with pytest.raises(ModelError, match=r"model\.ckpt does not exist"):
        OriginalMusicVae(tmp_path / "nowhere", "cat-mel_2bar_small", tmp_path / "model.ckpt")


def test_phrases_and_latents_go_out_and_come_back(behaving, checkpoint):
    behaving("works")
    tokens = np.arange(32, dtype=np.int32)[:, None]
    with OriginalMusicVae(PYTHON, "cat-mel_2bar_small", checkpoint) as model:
        assert model.encode(tokens).tolist() == tokens[:, 0].tolist()
        assert np.array_equal(model.decode(tokens[:, 0].astype(np.float32), 1.0), tokens)
        assert np.array_equal(model.decode(tokens[:, 0].astype(np.float32), 0.0), np.ones_like(tokens))
        model.close()


def test_the_class_of_a_drum_step_is_read_bit_by_bit_and_silence_has_a_flag():
    drums = MAGENTA["cat-drums_2bar_small"]
    rows = to_inputs(drums, np.array([[[0], [1], [0b100000010]]]))
    assert rows[0].tolist() == [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 1, 0, 0, 0, 0, 0, 0, 1, 0],
    ]
    nade = MAGENTA["nade-drums_2bar_reduced"]
    roll = np.zeros((1, 2, 9), dtype=np.float32)
    roll[0, 1, 3] = 1
    assert to_inputs(nade, roll)[0].argmax(axis=-1).tolist() == [9, 3]
    assert np.array_equal(to_targets(nade, roll), roll)


@pytest.mark.parametrize("name", ["cat-mel_2bar_small", "hierdec-trio_16bar", "cat-drums_2bar_small"])
def test_classes_side_by_side_are_read_back(name):
    config = MAGENTA[name]
    rng = np.random.default_rng(0)
    events = np.stack([rng.integers(0, depth, (2, config.n_steps)) for depth in config.outputs], axis=-1)
    assert (
        to_targets(config, events).sum(axis=-1).tolist() == np.full((2, config.n_steps), len(config.outputs)).tolist()
    )
    assert np.array_equal(from_samples(config, to_targets(config, events)), events)


def test_a_segment_is_filled_from_its_end_on():
    config = MAGENTA["hier-multiperf_vel_1bar_med"]
    events = np.full((1, 512, 1), 5)
    events[0, [3, 64 + 10], 0] = 489
    found = from_samples(config, to_targets(config, events))[0, :, 0]
    assert (found[3:64] == 489).all()
    assert (found[64 + 10 : 128] == 489).all()
    assert (found == 489).sum() == 61 + 54

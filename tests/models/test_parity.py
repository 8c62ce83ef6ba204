"""Our models beside the real magenta 2.1.4 with the same weights, in every configuration.

Sizes are shrunken; BRAINMIDI_PARITY_WHOLE=1 compares in full size.
"""

from __future__ import annotations

import tarfile
from dataclasses import replace

import magenta_reference as reference
import numpy as np
import pytest

from brainmidi.errors import ModelError
from brainmidi.models.configs import MAGENTA
from brainmidi.models.original import MagentaProcess

pytestmark = [
    pytest.mark.models,
    pytest.mark.magenta,
    pytest.mark.skipif(not reference.PYTHON, reason="BRAINMIDI_MAGENTA_PYTHON names no Python with magenta 2.1.4"),
]

#: Of logits of about one; what is left is the order of float32 sums.
CLOSE = 1e-4


@pytest.fixture(scope="module")
def process():
    """Return Magenta's process, one for all configurations."""
    with MagentaProcess(reference.interpreter()) as process:
        yield process


@pytest.fixture(scope="module", params=list(MAGENTA))
def pair(request, process):
    """Return one configuration, Magenta's and ours."""
    return reference.build(process, request.param)


def test_our_table_has_the_sizes_of_every_configuration_of_magentas(process):
    theirs, _ = process.request("configurations")
    ours = {
        name: {
            "input_depth": config.input_depth,
            "output_depth": sum(config.outputs),
            "control_depth": config.control_depth,
            "segments": list(config.encoder_levels[1:]) if config.end_class is not None else [],
            "enc_rnn_size": list(config.encoder_units),
            "dec_rnn_size": list(config.decoder_units),
            "nade_num_hidden": config.nade_units,
            "sampling_rate": config.sampling_rate,
            "max_seq_len": config.n_steps,
            "z_size": config.latent_size,
            "free_bits": config.free_bits,
            "max_beta": config.max_beta,
            "beta_rate": config.beta_rate,
        }
        for name, config in MAGENTA.items()
    }
    assert ours == theirs


def test_the_same_phrase_is_encoded_alike(pair):
    events, controls, lengths = pair.events(), pair.controls(), pair.lengths()
    theirs = pair.their_encoding(events, controls, lengths)
    mu, sigma = pair.model.encode(events, controls, lengths)
    assert np.std(theirs["mu"]) > 0.1  # nothing to compare otherwise
    assert np.abs(np.asarray(mu) - theirs["mu"]).max() < CLOSE
    assert np.abs(np.asarray(sigma) - theirs["sigma"]).max() < CLOSE


def test_teacher_forced_logits_agree(pair):
    z, events, controls = pair.z(), pair.events(), pair.controls()
    theirs = pair.their_logits(z, events, controls)
    ours = np.asarray(pair.model.teacher_forced(z, events, controls))
    assert ours.shape == theirs.shape
    assert np.std(theirs) > 0.3
    assert np.abs(ours - theirs).max() < CLOSE


def test_greedy_decoding_writes_the_same_events(pair):
    z, controls = pair.z(), pair.controls()
    theirs, ours = pair.their_greedy(z, controls), pair.our_greedy(z, controls)
    assert len(np.unique(theirs.reshape(-1, theirs.shape[-1]), axis=0)) > 2
    if reference.theirs_end(pair.config) is not None:
        assert 0.0 < np.mean(theirs == pair.config.end_class) < 0.9
    if pair.config.events == "groove":
        n = pair.config.outputs[0] // 3
        assert np.array_equal(ours[..., :n], theirs[..., :n])
        assert np.abs(ours - theirs).max() < CLOSE
    else:
        assert np.array_equal(ours, theirs)


def test_a_checkpoint_that_magenta_saved_is_restored_from_its_prefix_its_folder_and_a_tar(process, tmp_path):
    pair = reference.build(process, "cat-mel_2bar_small")
    events = pair.events()
    expected = pair.their_encoding(events, None, None)["mu"]
    folder = tmp_path / "saved"
    folder.mkdir()
    process.request("save", prefix=str(folder / "model.ckpt"))
    with tarfile.open(tmp_path / "model.tar", "w") as tar:
        tar.add(folder, "elsewhere")
    for path in (folder / "model.ckpt", folder, tmp_path / "model.tar"):
        pair.build_theirs(path)
        assert np.array_equal(pair.their_encoding(events, None, None)["mu"], expected)
    with pytest.raises(ModelError, match=r"does not hold this configuration's weights"):
        replace(pair, name="cat-mel_2bar_med_chords").build_theirs(folder)

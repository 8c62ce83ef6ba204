"""Magenta's Music Transformer becomes ours: every name and shape, and the tokens that its own arithmetic would play."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from magenta_models import write_js, write_tensorflow
from numpy_transformer import of_magenta

from brainmidi.errors import ConfigError, ModelError
from brainmidi.models.checkpoint import read_config, read_sizes, read_weights
from brainmidi.models.imports import import_checkpoint
from brainmidi.models.magenta_transformer import (
    TRANSFORMERS,
    convert_transformer,
    resembling_transformers,
    transformer_variables,
)
from brainmidi.models.stepper import TransformerStepper
from brainmidi.models.transformer_config import TransformerConfig, weight_shapes

NAME = "music-transformer-unconditional"
#: Its shape in small: everything else about it, the vocabulary too, is as it is.
SMALL = replace(TRANSFORMERS[NAME], n_layers=3, size=32, n_heads=4, inner_size=48, window=24)
KINDS = {
    "published": (SMALL, False),
    "relative": (replace(SMALL, positions="both", max_distance=12), False),
    "relative, shared": (replace(SMALL, positions="both", max_distance=12), True),
}
#: What Tensor2Tensor's training leaves in a checkpoint.
LEFT = {
    "global_step": np.array(7, np.int64),
    "losses_avg/problem_0/total_loss": np.array(1.5, np.float32),
    "training/beta1_power": np.array(0.9, np.float32),
    "training/transformer/body/decoder/layer_0/ffn/conv1/kernel/Adam": np.ones((32, 48), np.float32),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the published configuration a small one."""
    monkeypatch.setitem(TRANSFORMERS, NAME, SMALL)


def drawn(kind: str = "published") -> dict[str, np.ndarray]:
    """Return Magenta's variables, drawn at random; attention is sharp and norms are not at one and zero."""
    config, shared = KINDS[kind]
    rng = np.random.default_rng(4)
    found = {}
    for name, shape in transformer_variables(config, shared=shared).items():
        # A small embedding, so that the layers have more to say than the event before.
        spread = 0.03 if "symbol_modality" in name else 0.5
        found[name] = rng.normal(0.0, spread, shape).astype(np.float32) + np.float32(name.endswith("scale"))
    return found


def test_the_variables_are_those_of_the_published_checkpoint(monkeypatch):
    monkeypatch.undo()
    shapes = transformer_variables(TRANSFORMERS[NAME])
    body = "transformer/body/decoder"
    assert shapes["transformer/symbol_modality_310_512/shared/weights_0"] == (310, 512)
    for layer in (0, 15):
        attention = f"{body}/layer_{layer}/self_attention/multihead_attention"
        for part in ("q", "k", "v", "output_transform"):
            assert shapes[f"{attention}/{part}/kernel"] == (512, 512)
        assert shapes[f"{body}/layer_{layer}/ffn/conv1/kernel"] == (512, 2048)
        assert shapes[f"{body}/layer_{layer}/ffn/conv1/bias"] == (2048,)
        assert shapes[f"{body}/layer_{layer}/ffn/conv2/kernel"] == (2048, 512)
        assert shapes[f"{body}/layer_{layer}/ffn/conv2/bias"] == (512,)
        for part in ("self_attention", "ffn"):
            norm = f"{body}/layer_{layer}/{part}/layer_prepostprocess/layer_norm/layer_norm"
            assert shapes[f"{norm}_scale"] == shapes[f"{norm}_bias"] == (512,)
    assert shapes[f"{body}/layer_prepostprocess/layer_norm/layer_norm_scale"] == (512,)
    assert len(shapes) == 16 * 12 + 3
    assert sum(int(np.prod(shape)) for shape in shapes.values()) == 50_565_120


@pytest.mark.parametrize("kind", KINDS)
def test_all_weights_of_the_model_come_out_and_none_besides(kind):
    config, found = convert_transformer(NAME, drawn(kind))
    assert config == KINDS[kind][0]
    assert {name: value.shape for name, value in found.items()} == weight_shapes(config)


@pytest.mark.models
@pytest.mark.parametrize("kind", KINDS)
def test_an_imported_checkpoint_plays_the_tokens_that_tensor2tensors_arithmetic_plays(tmp_path, kind):
    pytest.importorskip("tensorflow")
    variables = drawn(kind)
    prefix = write_tensorflow(tmp_path / "theirs" / "model.ckpt-7", {**variables, **LEFT})
    done = import_checkpoint(str(prefix.parent), NAME, tmp_path / "ours", cache=tmp_path / "cache")
    assert done.n_weights == sum(int(np.prod(shape)) for shape in weight_shapes(KINDS[kind][0]).values())
    reference = of_magenta(variables, SMALL.n_layers, SMALL.n_heads, SMALL.window)
    prompt = [0, 40, 300, 210, 0, 77]
    wanted = reference.greedy(prompt, 30)  # past the window
    assert len(set(wanted)) >= 4
    stepper = TransformerStepper(done.folder)
    logits, cache = stepper.prefill(np.array(prompt), stepper.initial())
    played, found = [], [logits[-1]]
    for _ in wanted:
        played.append(int(found[-1].argmax()))
        logits, cache = stepper.step(played[-1], cache)
        found.append(logits)
    assert played == wanted
    assert np.array(found) == pytest.approx(reference.logits([*prompt, *wanted])[5:], abs=2e-5)

    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.checkpoint import put_weights
    from brainmidi.models.transformer import MusicTransformer

    model = MusicTransformer(stepper.config)
    put_weights(model, read_weights(done.folder))
    row = np.array([[*prompt, *wanted]], dtype=np.int32)
    assert np.asarray(model(row))[0, 5:] == pytest.approx(np.array(found), abs=2e-5)


def test_an_import_says_what_it_is(tmp_path):
    folder = write_js(tmp_path / "model", drawn(), n_shards=1)
    (folder / "config.json").unlink()
    done = import_checkpoint(str(folder), NAME, tmp_path / "mine", cache=tmp_path)
    config = read_config(done.folder, "transformer")
    assert (config["name"], config["positions"], config["source"]["place"]) == (NAME, "sinusoidal", "model")
    assert read_sizes(done.folder, "transformer", TransformerConfig.from_json) == SMALL
    assert (done.folder / "README.md").read_text().startswith(f"# Music Transformer {NAME}, imported")


def test_what_is_missing_left_over_or_of_another_shape_is_named_and_nothing_is_written(tmp_path):
    weights = drawn()
    weights["transformer/extra"] = weights.pop("transformer/body/decoder/layer_1/ffn/conv1/bias")
    weights["transformer/body/decoder/layer_2/ffn/conv2/kernel"] = np.zeros((48, 33), np.float32)
    folder = write_js(tmp_path / "model", weights)
    with pytest.raises(ModelError) as error:
        import_checkpoint(str(folder), NAME, tmp_path / "mine", cache=tmp_path / "cache")
    assert str(error.value) == (
        f"these are not the weights of {NAME}: 1 missing: transformer/body/decoder/layer_1/ffn/conv1/bias; "
        "1 left over: transformer/extra; 1 of another shape: "
        "transformer/body/decoder/layer_2/ffn/conv2/kernel (48, 33) instead of (48, 32); no configuration fits"
    )
    assert not (tmp_path / "mine").exists()


def test_a_relative_variable_that_one_layer_lacks_is_named():
    weights = drawn("relative")
    name = next(name for name in weights if name.endswith("key_relative_embeddings") and "layer_2" in name)
    del weights[name]
    with pytest.raises(ModelError, match=f"1 missing: {name}"):
        convert_transformer(NAME, weights)


def test_weights_that_are_not_finite_are_refused():
    weights = drawn()
    weights["transformer/body/decoder/layer_0/ffn/conv2/bias"][3] = np.nan
    with pytest.raises(ModelError, match="weights are not finite: transformer/body/decoder/layer_0/ffn/conv2/bias"):
        convert_transformer(NAME, weights)


def test_a_transformer_given_as_a_musicvae_is_told_its_name(tmp_path):
    folder = write_js(tmp_path / "model", drawn("relative"))
    with pytest.raises(ModelError, match=f"they are those of {NAME}: give that as --config"):
        import_checkpoint(str(folder), "cat-mel_2bar_small", tmp_path / "mine", cache=tmp_path / "cache")
    assert resembling_transformers(drawn()) == [NAME]


def test_an_unknown_configuration_is_refused_with_the_known_ones(tmp_path):
    with pytest.raises(ConfigError, match=f"choose from cat-mel_2bar_small, .*, {NAME}$"):
        import_checkpoint(str(Path("nothing")), "music-transformer", tmp_path / "mine", cache=tmp_path)

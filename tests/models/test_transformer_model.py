from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy_transformer import of_ours
from small_transformers import CONFIGS, N_EVENTS, SMALL, TOKENS, drawn

from brainmidi.errors import ModelError
from brainmidi.models.transformer_config import TransformerConfig, weight_shapes


def built(config: TransformerConfig):
    """Return the Keras model with those weights."""
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.checkpoint import put_weights
    from brainmidi.models.transformer import MusicTransformer

    model = MusicTransformer(config)
    put_weights(model, drawn(config))
    return model


@pytest.fixture(scope="module")
def models():
    return {name: built(config) for name, config in CONFIGS.items()}


@pytest.fixture(scope="module")
def wanted() -> dict[str, np.ndarray]:
    """Return the logits (2, N_EVENTS, v) of each configuration, computed pair by pair."""
    found = {name: of_ours(config, drawn(config)) for name, config in CONFIGS.items()}
    return {name: np.array([one.logits(row.tolist()) for row in TOKENS]) for name, one in found.items()}


# --- sizes ---


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"positions": "absolute"}, "choose from relative, rotary, sinusoidal, both"),
        ({"activation": "tanh"}, "choose from gelu, relu"),
        ({"max_distance": 17}, r"max_distance 17 is outside 0\.\.16"),
        ({"n_heads": 3}, "no multiple of n_heads 3"),
        ({"positions": "rotary", "size": 6, "n_heads": 2}, "an even size a head"),
        ({"positions": "sinusoidal", "size": 15, "n_heads": 3}, "an even size"),
        ({"window": 0}, "window 0 of a transformer is below 1"),
    ],
)
def test_sizes_that_make_no_model_are_refused(change, match):
    with pytest.raises(ModelError, match=match):
        replace(SMALL, **change)


def test_a_configuration_written_before_there_were_positions_is_a_relative_one():
    old = {"n_classes": 310, "n_layers": 4, "size": 192, "n_heads": 4, "inner_size": 768, "window": 512, "dropout": 0.1}
    config = TransformerConfig.from_json(old)
    assert (config.positions, config.activation, config.n_distances) == ("relative", "gelu", 512)
    assert TransformerConfig.from_json(config.to_json()) == config


# --- the model ---


@pytest.mark.models
@pytest.mark.parametrize("name", CONFIGS)
def test_every_weight_has_the_name_and_shape_that_the_configuration_says(models, name):
    found = {v.path: tuple(v.shape) for v in models[name].trainable_variables}
    assert found == weight_shapes(CONFIGS[name])


@pytest.mark.models
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("length", [2, 9, 17, N_EVENTS])
def test_a_row_at_once_is_attention_computed_pair_by_pair_also_past_the_window(models, wanted, name, length):
    found = np.asarray(models[name](TOKENS[:, :length]))
    assert found == pytest.approx(wanted[name][:, :length], abs=1e-4)


@pytest.mark.models
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("chunks", [[1, 7, 1, 0, 1, 13, 16, 1], [N_EVENTS], [17, *[1] * 5, 18]])
def test_cached_logits_are_the_uncached_ones_also_past_the_window(models, wanted, name, chunks):
    model = models[name]
    cache = model.empty_cache(batch=2)
    found, at = [], 0
    for size in chunks:
        logits, cache = model.step(TOKENS[:, at : at + size], cache)
        found.append(np.asarray(logits))
        assert found[-1].shape == (2, size, SMALL.n_classes)
        at += size
    assert at == N_EVENTS == int(cache[2])
    assert np.concatenate(found, axis=1) == pytest.approx(wanted[name], abs=1e-4)


@pytest.mark.models
def test_an_event_does_not_change_the_logits_before_it(models):
    model, row = models["both"], TOKENS[:, :12].copy()
    before = np.asarray(model(row))
    row[:, 8] = (row[:, 8] + 1) % SMALL.n_classes
    after = np.asarray(model(row))
    assert np.array_equal(before[:, :8], after[:, :8])
    assert not np.allclose(before[:, 8], after[:, 8])


@pytest.mark.models
def test_a_cache_may_be_kept_and_gone_back_to(models):
    model = models["rotary"]
    _, cache = model.step(TOKENS[:, :9], model.empty_cache(batch=2))
    first, _ = model.step(TOKENS[:, 9:10], cache)
    model.step(TOKENS[:, 20:25], cache)
    again, _ = model.step(TOKENS[:, 9:10], cache)
    assert np.array_equal(np.asarray(first), np.asarray(again))


@pytest.mark.models
def test_one_row_may_be_continued_by_several(models, wanted):
    from brainmidi.models.transformer import repeated

    model = models["relative"]
    _, cache = model.step(TOKENS[:1, :20], model.empty_cache())
    last = np.tile(TOKENS[:1, 20:21], (3, 1))
    logits, _ = model.step(last, repeated(cache, 3))
    assert np.asarray(logits) == pytest.approx(np.tile(wanted["relative"][:1, 20:21], (3, 1, 1)), abs=1e-4)


@pytest.mark.models
@pytest.mark.parametrize("last", [True, False])
@pytest.mark.parametrize("n", [1, 8])
def test_positions_are_exact_after_days_of_playing(n, last):
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.transformer import waves

    numbers = np.array([0, 1, 255, 256, 65_535, 65_536, 1_000_003, 2**24 - 1], dtype=np.int32)
    steps = max(n - 1, 1) if last else n
    angles = numbers[:, None].astype(np.float64) * 10_000.0 ** (-np.arange(n) / steps)
    sine, cosine = waves(numbers, n, last=last)
    assert np.asarray(sine) == pytest.approx(np.sin(angles), abs=1e-6)
    assert np.asarray(cosine) == pytest.approx(np.cos(angles), abs=1e-6)

from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.models

N_EVENTS = 50


@pytest.fixture(scope="module")
def model():
    """Return a small transformer whose window the tests' rows outgrow."""
    pytest.importorskip("tensorflow")
    import keras

    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.transformer import MusicTransformer, TransformerConfig

    keras.utils.set_random_seed(3)
    return MusicTransformer(TransformerConfig(n_layers=2, size=32, n_heads=4, inner_size=64, window=16))


@pytest.fixture(scope="module")
def tokens() -> np.ndarray:
    return np.random.default_rng(5).integers(0, 310, (2, N_EVENTS)).astype(np.int32)


def windowed_logits(model, tokens: np.ndarray) -> np.ndarray:
    """Return each event's logits with attention over the window computed plainly, pair by pair."""
    config, window = model.config, model.config.window
    x = np.asarray(model._embed(tokens), dtype=np.float64)
    t = tokens.shape[1]
    distance = np.arange(t)[:, None] - np.arange(t)[None, :]
    hidden = (distance < 0) | (distance >= window)
    for block in model.blocks:
        attention = block.attention
        q, k, v = (np.asarray(part, dtype=np.float64) for part in attention.project(block.norm_attention(x)))
        relative = np.asarray(attention.relative, dtype=np.float64)
        scores = q @ k.transpose(0, 1, 3, 2)
        for i in range(t):
            for j in range(t):
                if not hidden[i, j]:
                    row = window - 1 - distance[i, j]
                    scores[:, :, i, j] += np.einsum("bae,ae->ba", q[:, :, i], relative[:, row])
        scores[:, :, hidden] = -np.inf
        weights = np.exp(scores - scores.max(axis=-1, keepdims=True))
        weights /= weights.sum(axis=-1, keepdims=True)
        mixed = (weights @ v).transpose(0, 2, 1, 3).reshape(*tokens.shape, config.size)
        x = x + mixed @ np.asarray(attention.out)
        x = x + np.asarray(block.feed_forward(x))
    return np.asarray(model._logits(x))


def test_skewed_attention_is_relative_attention_computed_pair_by_pair(model, tokens) -> None:
    row = tokens[:, : model.config.window]
    assert np.asarray(model(row)) == pytest.approx(windowed_logits(model, row), abs=1e-4)


@pytest.mark.parametrize("chunks", [[1] * N_EVENTS, [16, 16, 16, 2], [1, 7, 1, 1, 13, 16, 11]])
def test_cached_logits_are_the_uncached_ones_also_past_the_window(model, tokens, chunks) -> None:
    cache = model.empty_cache(batch=2)
    found = []
    at = 0
    for size in chunks:
        logits, cache = model.extend(tokens[:, at : at + size], cache)
        found.append(np.asarray(logits))
        at += size
    assert at == N_EVENTS
    assert np.concatenate(found, axis=1) == pytest.approx(windowed_logits(model, tokens), abs=1e-4)


def test_an_event_does_not_change_the_logits_before_it(model, tokens) -> None:
    row = tokens[:, :12].copy()
    before = np.asarray(model(row))
    row[:, 8] = (row[:, 8] + 1) % 310
    after = np.asarray(model(row))
    assert np.array_equal(before[:, :8], after[:, :8])
    assert not np.allclose(before[:, 8], after[:, 8])


def test_a_cache_may_be_kept_and_gone_back_to(model, tokens) -> None:
    _, cache = model.extend(tokens[:, :9], model.empty_cache(batch=2))
    first, _ = model.extend(tokens[:, 9:10], cache)
    model.extend(tokens[:, 20:25], cache)
    again, _ = model.extend(tokens[:, 9:10], cache)
    assert np.array_equal(np.asarray(first), np.asarray(again))

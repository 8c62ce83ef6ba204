from __future__ import annotations

import numpy as np
import pytest

pytestmark = pytest.mark.models


@pytest.fixture(scope="module")
def model():
    """Return a small MusicVAE with random weights."""
    pytest.importorskip("tensorflow")
    import keras

    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.musicvae import MusicVae, MusicVaeConfig

    keras.utils.set_random_seed(3)
    return MusicVae(MusicVaeConfig(n_steps=8, encoder_units=16, decoder_units=(12, 12), latent_size=6))


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def plain_lstm(lstm, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One LSTM step as the textbook has it, from the layer's weights."""
    gates = x @ np.asarray(lstm.kernel) + h @ np.asarray(lstm.recurrent_kernel) + np.asarray(lstm.bias)
    i, f, g, o = np.split(gates, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def plain_logits(model, z: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Teacher-forced logits with the decoder's input written out as concat(one-hot, z)."""
    state = np.split(np.asarray(model.initial_state(z)), 4, axis=-1)  # c0, h0, c1, h1
    out = []
    for t in range(tokens.shape[1]):
        one_hot = np.zeros((len(z), 90))
        if t:
            one_hot[np.arange(len(z)), tokens[:, t - 1]] = 1
        h = np.concatenate([one_hot, z], axis=-1)
        for n, lstm in enumerate(model.decoder):
            h, c = plain_lstm(lstm, h, state[2 * n + 1], state[2 * n])
            state[2 * n], state[2 * n + 1] = c, h
        out.append(np.asarray(model.logits(h)))
    return np.stack(out, axis=1)


def test_the_shipped_configuration_has_the_published_number_of_parameters() -> None:
    pytest.importorskip("tensorflow")
    from brainmidi.models.musicvae import CONFIGS, MusicVae

    model = MusicVae(CONFIGS["cat-mel_2bar_small"])
    assert sum(int(np.prod(v.shape)) for v in model.trainable_variables) == 4_423_770


def test_hoisted_products_give_the_logits_of_the_plain_recurrence(model) -> None:
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3, 6)).astype(np.float32)
    tokens = rng.integers(0, 90, (3, 8)).astype(np.int32)
    found = np.asarray(model.teacher_forced(z, tokens, 0.0))
    assert found == pytest.approx(plain_logits(model, z, tokens), abs=1e-5)


def test_the_encoder_reads_both_ways(model) -> None:
    tokens = np.random.default_rng(1).integers(0, 90, (2, 8)).astype(np.int32)
    h = np.zeros((2, 16))
    c = np.zeros((2, 16))
    ends = []
    for lstm, row in ((model.forward_lstm, tokens), (model.backward_lstm, tokens[:, ::-1])):
        h, c = np.zeros((2, 16)), np.zeros((2, 16))
        for t in range(8):
            h, c = plain_lstm(lstm, np.eye(90)[row[:, t]], h, c)
        ends.append(h)
    mu, sigma = model.encode(tokens)
    state = np.concatenate(ends, axis=-1)
    assert np.asarray(mu) == pytest.approx(np.asarray(model.mu(state)), abs=1e-5)
    assert np.asarray(sigma).min() > 0


def test_without_noise_the_likeliest_event_is_decoded_and_fed_back(model) -> None:
    z = np.random.default_rng(2).normal(size=(1, 6)).astype(np.float32)
    shape = (1, 8, 90)
    free = np.full((1, 8), -1, dtype=np.int32)
    tokens = np.asarray(model.decode(z, np.zeros(shape, "f4"), np.zeros(shape, "f4"), np.ones(1, "f4"), free))
    assert np.array_equal(plain_logits(model, z, tokens).argmax(axis=-1), tokens)


def test_forced_events_stand_and_forbidden_ones_never_come(model) -> None:
    rng = np.random.default_rng(4)
    z = rng.normal(size=(1, 6)).astype(np.float32)
    bias = np.zeros((1, 8, 90), "f4")
    bias[:, :, 40:] = -1e9
    forced = np.array([[7, 80, -1, -1, -1, -1, -1, -1]], dtype=np.int32)
    for _ in range(20):
        noise = rng.gumbel(size=(1, 8, 90)).astype("f4")
        tokens = np.asarray(model.decode(z, bias, noise, np.ones(1, "f4"), forced))
        assert tokens[0, :2].tolist() == [7, 80]
        assert (tokens[0, 2:] < 40).all()

"""Every configuration of MusicVAE, in small: what it says agrees with the textbook and with itself."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from brainmidi.models.configs import CONFIGS, MusicVaeConfig

pytestmark = pytest.mark.models

#: One configuration of each kind; the others differ in sizes.
KINDS = (
    "cat-mel_2bar_small",
    "cat-mel_2bar_med_chords",
    "cat-drums_2bar_small",
    "nade-drums_2bar_reduced",
    "hier-mel_16bar",
    "flat-trio_16bar",
    "hierdec-trio_16bar",
    "groovae_2bar_hits_control_tfds",
    "hier-bass_2bar_chords",
    "hier-drums_2bar",
)
N_STEPS = 16
#: Weights that the published checkpoints have (byte accounting of their files).
PUBLISHED = {"cat-mel_2bar_small": 4_423_770, "cat-drums_2bar_small": 4_636_672, "groovae_2bar_humanize": 4_085_019}


def small(name: str) -> MusicVaeConfig:
    """Return a configuration with a few units and 16 steps."""
    config = CONFIGS[name]
    config = replace(
        config,
        encoder_units=tuple(5 for _ in config.encoder_units),
        decoder_units=tuple(6 + n for n, _ in enumerate(config.decoder_units)),
        latent_size=4,
        nade_units=3 if config.nade_units else 0,
    )
    levels = {"encoder_levels": (4, 4)} if config.encoder_levels else {}
    levels |= {"decoder_levels": (4, 4)} if config.decoder_levels else {}
    return replace(config, n_steps=N_STEPS, **levels)


def built(config: MusicVaeConfig):
    """Return the model with weights that matter, biases and all."""
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.musicvae import MusicVae

    model = MusicVae(config)
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(0, 0.7, variable.shape).astype("f4"))
    return model


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return built(small(request.param))


def events_of(model, rng: np.random.Generator, n: int = 3) -> np.ndarray:
    config = model.config
    if config.events == "categorical":
        return np.stack([rng.integers(0, depth, (n, config.n_steps)) for depth in config.outputs], -1).astype("i4")
    return (rng.random((n, config.n_steps, config.outputs[0])) > 0.5).astype("f4")


def controls_of(model, rng: np.random.Generator, n: int = 3) -> np.ndarray | None:
    config = model.config
    return rng.random((n, config.n_steps, config.control_depth)).astype("f4") if config.control_depth else None


def decoded(model, z, controls=None, *, bias=None, noise=None, forced=None) -> np.ndarray:
    shape = (len(z), model.config.n_steps, model.n_odds)
    free = -1 if model.event_dtype == "int32" else np.nan
    if forced is None:
        forced = np.full((*shape[:2], model.width), free, model.event_dtype)
    zeros = np.zeros(shape, "f4")
    bias, noise = (zeros if rows is None else rows for rows in (bias, noise))
    return np.asarray(model.decode(z, bias, noise, np.ones(len(z), "f4"), forced, controls))


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_configuration_has_the_published_number_of_weights(name) -> None:
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.musicvae import MusicVae

    assert sum(int(np.prod(v.shape)) for v in MusicVae(CONFIGS[name]).trainable_variables) == PUBLISHED[name]


def test_what_is_decoded_is_what_teacher_forcing_foresees(model) -> None:
    rng = np.random.default_rng(1)
    z, controls = rng.normal(size=(3, 4)).astype("f4"), controls_of(model, rng)
    events = decoded(model, z, controls)
    raw = model.teacher_forced(z, events, controls)
    assert np.asarray(model.right(events, raw)).all()
    assert not np.asarray(model.right(np.roll(events, 1, axis=0), raw)).all()


def test_given_events_stand_and_the_rest_follows_from_them(model) -> None:
    rng = np.random.default_rng(2)
    z, controls = rng.normal(size=(3, 4)).astype("f4"), controls_of(model, rng)
    forced = events_of(model, rng)
    half = model.config.n_steps // 2
    forced[:, half:] = -1 if model.event_dtype == "int32" else np.nan
    events = decoded(model, z, controls, forced=forced)
    assert np.array_equal(events[:, :half], forced[:, :half])
    raw = model.teacher_forced(z, events, controls)
    assert np.asarray(model.right(events, raw))[:, half:].all()


def test_scheduled_sampling_at_share_zero_is_teacher_forcing(model) -> None:
    rng = np.random.default_rng(3)
    z, controls, events = rng.normal(size=(3, 4)).astype("f4"), controls_of(model, rng), events_of(model, rng)
    plain = np.asarray(model.teacher_forced(z, events, controls))
    none = np.asarray(model.teacher_forced(z, events, controls, np.float32(0.0)))
    own = np.asarray(model.teacher_forced(z, events, controls, np.float32(1.0)))
    assert none == pytest.approx(plain, abs=1e-5)
    assert np.abs(own - plain).max() > 1e-2


def test_the_posterior_depends_on_every_step_and_its_deviation_is_positive(model) -> None:
    rng = np.random.default_rng(4)
    events, controls = events_of(model, rng, 1), controls_of(model, rng, 1)
    mu, sigma = model.encode(events, controls)
    assert np.asarray(sigma).min() > 0
    for step in (0, model.config.n_steps // 2, model.config.n_steps - 1):
        other = events.copy()
        other[:, step] = 1 - other[:, step] if events.dtype == np.float32 else (other[:, step] + 1) % 9
        assert not np.array_equal(np.asarray(model.encode(other, controls)[0]), np.asarray(mu))


def test_the_loss_is_the_likelihood_of_the_events(model) -> None:
    """Of events drawn by the model itself; a loss of something else would not be least there."""
    rng = np.random.default_rng(5)
    z, controls = rng.normal(size=(3, 4)).astype("f4"), controls_of(model, rng)
    events = decoded(model, z, controls)
    raw = model.teacher_forced(z, events, controls)
    mine, others = model.loss_of(events, raw), model.loss_of(np.roll(events, 1, axis=0), raw)
    assert np.asarray(mine).mean() < np.asarray(others).mean()
    assert np.asarray(mine).shape == events.shape[:2]


def test_noise_draws_the_classes_that_the_odds_mean() -> None:
    model = built(replace(small("cat-mel_2bar_small"), n_steps=2))  # the first is enough
    rng = np.random.default_rng(6)
    z = np.repeat(rng.normal(size=(1, 4)).astype("f4"), 4000, axis=0)
    first = decoded(model, z, noise=rng.gumbel(size=(4000, 2, 90)).astype("f4"))[:, 0, 0]
    odds = np.asarray(model.teacher_forced(z[:1], np.zeros((1, 2, 1), "i4")))[0, 0]
    wanted = np.exp(odds - odds.max())
    wanted /= wanted.sum()
    assert np.bincount(first, minlength=90) / 4000 == pytest.approx(wanted, abs=0.03)


def test_forbidden_classes_never_come() -> None:
    model = built(small("cat-mel_2bar_small"))
    rng = np.random.default_rng(7)
    bias = np.zeros((50, N_STEPS, 90), "f4")
    bias[:, :, 40:] = -1e9
    z, noise = rng.normal(size=(50, 4)).astype("f4"), rng.gumbel(size=(50, N_STEPS, 90)).astype("f4")
    assert decoded(model, z, bias=bias, noise=noise).max() < 40


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def lstm_step(lstm, x: np.ndarray, h: np.ndarray, c: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """One LSTM step as the textbook has it, from the layer's weights."""
    gates = x @ np.asarray(lstm.kernel) + h @ np.asarray(lstm.recurrent_kernel) + np.asarray(lstm.bias)
    i, f, g, o = np.split(gates, 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def test_hoisted_products_give_the_logits_of_the_plain_recurrence() -> None:
    """The decoder's input written out as concat(one-hot, z), its state in Magenta's order c0, h0, c1, h1."""
    model = built(small("cat-mel_2bar_small"))
    rng = np.random.default_rng(8)
    z, tokens = rng.normal(size=(3, 4)).astype("f4"), rng.integers(0, 90, (3, N_STEPS, 1)).astype("i4")
    decoder = model.decoders[0]
    units = model.config.decoder_units
    state = np.split(np.asarray(decoder.initial(z)), np.cumsum([units[0], units[0], units[1]]), axis=-1)
    out = []
    for t in range(N_STEPS):
        x = np.zeros((3, 90))
        if t:
            x[np.arange(3), tokens[:, t - 1, 0]] = 1
        x = np.concatenate([x, z], axis=-1)
        for n, lstm in enumerate(decoder.stack.layers):
            h, c = lstm_step(lstm, x, state[2 * n + 1], state[2 * n])
            state[2 * n], state[2 * n + 1], x = c, h, h
        out.append(x @ np.asarray(decoder.raw.kernel) + np.asarray(decoder.raw.bias))
    assert np.asarray(model.teacher_forced(z, tokens)) == pytest.approx(np.stack(out, axis=1), abs=1e-4)


def test_the_encoder_reads_both_ways() -> None:
    model = built(small("cat-mel_2bar_small"))
    tokens = np.random.default_rng(9).integers(0, 90, (2, N_STEPS, 1)).astype("i4")
    ends = []
    for lstm, row in zip(model.encoder.levels[0][0], (tokens, tokens[:, ::-1]), strict=True):
        h, c = np.zeros((2, 5)), np.zeros((2, 5))
        for t in range(N_STEPS):
            h, c = lstm_step(lstm, np.eye(90)[row[:, t, 0]], h, c)
        ends.append(h)
    wanted = np.concatenate(ends, axis=-1) @ np.asarray(model.mu.kernel) + np.asarray(model.mu.bias)
    assert np.asarray(model.encode(tokens)[0]) == pytest.approx(wanted, abs=1e-4)


def test_drums_are_read_as_a_roll_with_a_flag_for_silence() -> None:
    from brainmidi.codec import drums

    model = built(small("cat-drums_2bar_small"))
    tokens = np.array([[0, 1, 5, 511] * (N_STEPS // 4)], "i4")
    kernel = np.asarray(model.encoder.levels[0][0][0].kernel)
    found = np.asarray(model._input_share(tokens[..., None])(kernel))
    assert found == pytest.approx(drums.roll(tokens) @ kernel, abs=1e-4)


def test_steps_behind_a_segments_length_are_not_read() -> None:
    config = replace(small("hier-multiperf_vel_1bar_med"), n_steps=16, encoder_levels=(4, 4), decoder_levels=(4, 4))
    model = built(config)
    rng = np.random.default_rng(10)
    events = rng.integers(0, 490, (2, 16, 1)).astype("i4")
    lengths = np.array([[4, 2, 0, 3], [1, 4, 4, 4]], "i4")
    other = events.copy()
    behind = np.arange(4)[None, None] >= lengths[..., None]
    other[behind.reshape(2, 16)] = 7
    mu = np.asarray(model.encode(events, None, lengths)[0])
    assert np.asarray(model.encode(other, None, lengths)[0]) == pytest.approx(mu, abs=1e-6)
    assert np.abs(np.asarray(model.encode(events)[0]) - mu).max() > 1e-3


def test_a_segment_stays_ended_once_it_has_ended() -> None:
    config = replace(small("hier-multiperf_vel_1bar_med"), n_steps=16, encoder_levels=(4, 4), decoder_levels=(4, 4))
    model = built(config)
    rng = np.random.default_rng(11)
    bias = np.zeros((40, 16, 490), "f4")
    bias[..., 489] = 4.0
    noise = rng.gumbel(size=bias.shape).astype("f4")
    rows = decoded(model, rng.normal(size=(40, 4)).astype("f4"), bias=bias, noise=noise)[..., 0].reshape(40, 4, 4)
    ended = np.maximum.accumulate(rows == 489, axis=2)
    assert ended.any()
    assert (rows[ended] == 489).all()

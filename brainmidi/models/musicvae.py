"""MusicVAE for melodies, in the shapes of Magenta's ``cat-mel_2bar`` configurations.

A bidirectional LSTM reads one-hot events into a Gaussian latent; an LSTM stack, started from the latent and fed it at
every step, writes them back (Roberts et al. 2018, https://arxiv.org/abs/1803.05428, sections 2 and 3). Two matrix
products are taken out of the time loop: a one-hot input times a kernel is a row of it, and the latent's share of every
step is the same.

Shapes: b batch, t steps, c classes, h units, z latent size. LSTM gates stand in Keras' order i, f, g, o. Every step
function given to ``ops.scan`` returns its carry as its output too, because the TensorFlow back end asks for outputs
shaped like the carry.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any


@dataclass(frozen=True, slots=True)
class MusicVaeConfig:
    """Sizes and loss of one configuration.

    Parameters
    ----------
    n_steps, n_classes : int
        Length and vocabulary of a phrase.
    encoder_units : int
        LSTM units in each direction.
    decoder_units : tuple of int
        LSTM units of each decoder layer.
    latent_size : int
        Dimensions of z.
    max_beta, beta_rate : float
        The KL term's weight after `s` training steps is ``(1 - beta_rate ** s) * max_beta``.
    free_bits : float
        Bits of the total KL that cost nothing.
    """

    n_steps: int = 32
    n_classes: int = 90
    encoder_units: int = 512
    decoder_units: tuple[int, ...] = (256, 256)
    latent_size: int = 256
    max_beta: float = 0.2
    beta_rate: float = 0.99999
    free_bits: float = 0.0

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``config.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> MusicVaeConfig:
        """Return the configuration that :meth:`to_json` wrote."""
        return cls(**{**values, "decoder_units": tuple(values["decoder_units"])})


#: Configurations by Magenta's names (``magenta/models/music_vae/configs.py``).
CONFIGS: dict[str, MusicVaeConfig] = {"cat-mel_2bar_small": MusicVaeConfig()}


class Lstm(keras.layers.Layer):
    """One LSTM layer's weights, with the input's share of the gates taken apart from the recurrent step.

    Parameters
    ----------
    input_size, units : int
        Columns of the input and of the state.
    """

    def __init__(self, input_size: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.kernel = self.add_weight(shape=(input_size, 4 * units), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(units, 4 * units), initializer="orthogonal", name="recurrent_kernel"
        )
        # The forget gate starts open (bias 1), as Magenta's cells have it.
        self.bias = self.add_weight(shape=(4 * units,), initializer=_forget_open(units), name="bias")

    def step(self, gates: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Advance one step.

        Parameters
        ----------
        gates : tensor, shape (b, 4h)
            The input's share, bias included.
        h, c : tensor, shape (b, h)
            State.
        """
        i, f, g, o = ops.split(gates + h @ self.recurrent_kernel, 4, axis=-1)
        c = ops.sigmoid(f) * c + ops.sigmoid(i) * ops.tanh(g)
        return ops.sigmoid(o) * ops.tanh(c), c


def _forget_open(units: int) -> Any:
    def initialise(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        bias = np.zeros(shape, dtype="float32")
        bias[units : 2 * units] = 1.0
        return ops.convert_to_tensor(bias, dtype=dtype)

    return initialise


class MusicVae(keras.Model):
    """Encoder and decoder of one configuration.

    Calling the model on integer tokens (b, t) returns teacher-forced logits (b, t, c) and adds the KL loss; during
    training some of the decoder's inputs are its own samples (scheduled sampling, Bengio et al. 2015).
    """

    def __init__(self, config: MusicVaeConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(name="musicvae", **kwargs)
        self.config = config
        c, z = config.n_classes, config.latent_size
        self.forward_lstm = Lstm(c, config.encoder_units, name="encoder_forward")
        self.backward_lstm = Lstm(c, config.encoder_units, name="encoder_backward")
        self.mu = keras.layers.Dense(z, name="mu")
        self.mu.build((None, 2 * config.encoder_units))
        self.sigma = keras.layers.Dense(z, activation="softplus", name="sigma")
        self.sigma.build((None, 2 * config.encoder_units))
        self.initial_state = keras.layers.Dense(2 * sum(config.decoder_units), activation="tanh", name="initial_state")
        self.initial_state.build((None, z))
        inputs = (c + z, *config.decoder_units[:-1])
        self.decoder = [
            Lstm(size, units, name=f"decoder_{n}")
            for n, (size, units) in enumerate(zip(inputs, config.decoder_units, strict=True))
        ]
        self.logits = keras.layers.Dense(c, name="logits")
        self.logits.build((None, config.decoder_units[-1]))
        self.seed_generator = keras.random.SeedGenerator(seed)
        #: Training steps taken, and the share of decoder inputs taken from the model's own samples.
        self.train_steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="train_steps")
        self.sampled_share = self.add_weight(shape=(), initializer="zeros", trainable=False, name="sampled_share")
        self.built = True

    def encode(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Return mean and standard deviation of q(z | x).

        Parameters
        ----------
        tokens : integer tensor, shape (b, t)

        Returns
        -------
        mu, sigma : tensor, shape (b, z)
        """
        tokens = ops.transpose(tokens)  # (t, b)
        ahead = self._read(self.forward_lstm, tokens)
        back = self._read(self.backward_lstm, ops.flip(tokens, axis=0))
        state = ops.concatenate([ahead, back], axis=-1)  # (b, 2h)
        return self.mu(state), self.sigma(state)

    def _read(self, lstm: Lstm, tokens: Tensor) -> Tensor:
        """Return the final hidden state (b, h) after reading tokens (t, b)."""
        zeros = ops.zeros((ops.shape(tokens)[1], lstm.units))

        def step(state: tuple[Tensor, Tensor], token: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
            gates = ops.take(lstm.kernel, token, axis=0) + lstm.bias
            h, c = lstm.step(gates, *state)
            return (h, c), (h, c)

        (h, _), _ = ops.scan(step, (zeros, zeros), tokens)
        return h

    def _start(self, z: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the decoder's first state (c and h of each layer, in Magenta's order) and z's share of the gates."""
        sizes = [units for units in self.config.decoder_units for _ in ("c", "h")]
        edges = np.cumsum(sizes)[:-1].tolist()
        state = ops.split(self.initial_state(z), edges, axis=-1)
        c = self.config.n_classes
        return list(state), z @ self.decoder[0].kernel[c:] + self.decoder[0].bias

    def _write(
        self, state: list[Tensor], from_z: Tensor, token: Tensor, started: Tensor
    ) -> tuple[list[Tensor], Tensor]:
        """Advance the decoder by one event; `started` is 0 on the first step, whose input event is all zeros."""
        gates = from_z + ops.take(self.decoder[0].kernel, token, axis=0) * started
        new: list[Tensor] = []
        h = gates
        for n, lstm in enumerate(self.decoder):
            if n:
                gates = h @ lstm.kernel + lstm.bias
            h, c = lstm.step(gates, state[2 * n + 1], state[2 * n])
            new += [c, h]
        return new, self.logits(h)

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Return logits (b, t, c) for tokens (b, t); adds the weighted KL divergence as a loss."""
        config = self.config
        mu, sigma = self.encode(tokens)
        kl = 0.5 * ops.sum(ops.square(mu) + ops.square(sigma) - 2.0 * ops.log(sigma + 1e-8) - 1.0, axis=-1)  # (b,)
        steps = ops.cast(self.train_steps, "float32")
        beta = (1.0 - ops.power(config.beta_rate, steps)) * config.max_beta
        # Magenta weighs KL against the *sum* of the steps' cross entropies divided by their number.
        self.add_loss(beta * ops.mean(ops.maximum(kl - config.free_bits * np.log(2.0), 0.0)) / config.n_steps)
        shape = (ops.shape(tokens)[0], config.latent_size)
        z = mu + sigma * keras.random.normal(shape, seed=self.seed_generator) if training else mu
        if training:
            self.train_steps.assign_add(1.0)
        share = ops.cast(self.sampled_share, "float32") if training else ops.zeros(())
        return self.teacher_forced(z, tokens, share)

    def teacher_forced(self, z: Tensor, tokens: Tensor, sampled_share: Tensor) -> Tensor:
        """Return logits (b, t, c); each step's input is the true event, or with `sampled_share` the model's own."""
        b = ops.shape(tokens)[0]
        t, c = self.config.n_steps, self.config.n_classes
        state, from_z = self._start(z)
        own = keras.random.uniform((t, b), seed=self.seed_generator) < sampled_share
        noise = keras.random.uniform((t, b, c), 1e-7, 1.0, seed=self.seed_generator)
        gumbel = -ops.log(-ops.log(noise))
        truth = ops.cast(ops.transpose(tokens), "int32")  # (t, b)
        started = ops.concatenate([ops.zeros((1,)), ops.ones((t - 1,))], axis=0)

        def step(carry: Any, xs: Any) -> Any:
            state, token, _ = carry
            true_token, use_own, noise_row, on = xs
            state, logits = self._write(state, from_z, token, on)
            drawn = ops.cast(ops.argmax(logits + noise_row, axis=-1), "int32")
            carry = (state, ops.where(use_own, drawn, true_token), logits)
            return carry, carry

        first = (state, ops.zeros((b,), dtype="int32"), ops.zeros((b, c)))
        _, (_, _, logits) = ops.scan(step, first, (truth, own, gumbel, started))
        return ops.transpose(logits, (1, 0, 2))

    def decode(self, z: Tensor, bias: Tensor, gumbel: Tensor, temperature: Tensor, forced: Tensor) -> Tensor:
        """Sample events; all randomness comes in as Gumbel noise, so that the same call gives the same phrase.

        Parameters
        ----------
        z : tensor, shape (b, z)
        bias : tensor, shape (b, t, c)
            Added to the log-odds after the temperature (-1e9 forbids).
        gumbel : tensor, shape (b, t, c)
            Standard Gumbel noise; zeros decode greedily.
        temperature : tensor, shape (b,)
            Above 0.
        forced : integer tensor, shape (b, t)
            Events that are given; -1 where the model is free.

        Returns
        -------
        integer tensor, shape (b, t)
        """
        state, from_z = self._start(z)
        t = self.config.n_steps
        started = ops.concatenate([ops.zeros((1,)), ops.ones((t - 1,))], axis=0)
        cool = ops.expand_dims(1.0 / temperature, -1)

        def step(carry: Any, xs: Any) -> Any:
            state, token = carry
            bias_row, noise_row, forced_row, on = xs
            state, logits = self._write(state, from_z, token, on)
            drawn = ops.cast(ops.argmax(logits * cool + bias_row + noise_row, axis=-1), "int32")
            token = ops.where(forced_row >= 0, forced_row, drawn)
            return (state, token), (state, token)

        first = ops.zeros((ops.shape(z)[0],), dtype="int32")
        xs = (
            ops.transpose(bias, (1, 0, 2)),
            ops.transpose(gumbel, (1, 0, 2)),
            ops.transpose(ops.cast(forced, "int32")),
            started,
        )
        _, (_, tokens) = ops.scan(step, (state, first), xs)
        return ops.transpose(tokens)

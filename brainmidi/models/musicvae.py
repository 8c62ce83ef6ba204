"""MusicVAE in Keras 3: every configuration of :mod:`brainmidi.models.configs` from the same few parts.

Bidirectional LSTMs read a phrase into a Gaussian latent; an LSTM stack, started from the latent and fed it at every
step, writes the phrase back (Roberts et al. 2018, https://arxiv.org/abs/1803.05428, sections 2 and 3). In a hierarchy a
conductor first writes one embedding a segment, and each segment is written from its embedding, its own beginning, and
the last event before it (section 3.2). Two matrix products are taken out of the time loop: a one-hot input times a
kernel is a row of it, and the latent's share of every step is the same.

Shapes: b batch, t steps, k width of an event (simultaneous classes, or columns), d columns of the encoder's input,
c columns of the controls, h units, z latent size, s segments of l steps, n raw output columns.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from brainmidi.models.configs import MusicVaeConfig
from brainmidi.models.heads import head_of
from brainmidi.models.lstm import Lstm, Stack

Tensor = Any


class Encoder:
    """Layers of bidirectional LSTMs over the steps, or over segments; then what joins the segments' embeddings.

    Parameters
    ----------
    config : MusicVaeConfig
        Sizes.
    """

    def __init__(self, config: MusicVaeConfig) -> None:
        self.config = config
        self.levels: list[list[tuple[Lstm, Lstm]]] = []
        size = config.input_depth + config.control_depth
        for level in range(2 if config.encoder_levels and config.joint == "lstm" else 1):
            layers = []
            for n, units in enumerate(config.encoder_units):
                name = f"encoder_{level}_{n}"
                layers.append((Lstm(size, units, name=f"{name}_forward"), Lstm(size, units, name=f"{name}_backward")))
                size = 2 * units
            self.levels.append(layers)
        self.output_size = size * (config.encoder_levels[1] if config.joint == "dense" else 1)

    def __call__(self, share: Any, controls: Tensor | None, lengths: Tensor | None) -> Tensor:
        """Return the embedding (b, 2h); `share` says what the input adds to a kernel's gates (b, t, 4h)."""
        config = self.config
        depth = config.input_depth

        def first(lstm: Lstm) -> Tensor:
            gates = share(lstm.kernel[:depth]) + lstm.bias
            return gates if controls is None else gates + controls @ lstm.kernel[depth:]

        if not config.encoder_levels:
            return self._read(self.levels[0], first, None)
        inner, outer = config.encoder_levels

        def segment(lstm: Lstm) -> Tensor:
            return ops.reshape(first(lstm), (-1, inner, 4 * lstm.units))  # (b * s, l, 4h)

        mask = None if lengths is None else ops.arange(inner)[None] < ops.reshape(lengths, (-1, 1))
        embedded = self._read(self.levels[0], segment, mask)
        if config.joint == "dense":
            return ops.reshape(embedded, (-1, self.output_size))
        embedded = ops.reshape(embedded, (-1, outer, embedded.shape[-1]))  # (b, s, 2h)
        return self._read(self.levels[1], lambda lstm: lstm.gates(embedded), None)

    def _read(self, layers: list[tuple[Lstm, Lstm]], gates: Any, mask: Tensor | None) -> Tensor:
        for forward, backward in layers:
            ahead, last = forward.read(gates(forward), mask)
            back, first = backward.read(gates(backward), mask, backward=True)
            outputs = ops.concatenate([ahead, back], axis=-1)

            def gates(lstm: Lstm, outputs: Tensor = outputs) -> Tensor:
                return lstm.gates(outputs)

        return ops.concatenate([last, first], axis=-1)


class Decoder:
    """An LSTM stack that writes events from a context: the latent, or a segment's embedding.

    Parameters
    ----------
    config : MusicVaeConfig
        Sizes.
    outputs : tuple of int
        Those of the configuration's outputs that this decoder writes.
    context_size : int
        Columns of the context.
    name : str
        Prefix of the layers' names.
    """

    def __init__(self, config: MusicVaeConfig, outputs: tuple[int, ...], context_size: int, name: str) -> None:
        self.head = head_of(config, outputs, f"{name}_nade")
        self.end_class = config.end_class
        self.context_end = self.head.n_columns + context_size
        self.stack = Stack(self.context_end + config.control_depth, config.decoder_units, f"{name}_lstm")
        self.initial = _dense(context_size, self.stack.state_size, f"{name}_initial_state", "tanh")
        self.raw = _dense(config.decoder_units[-1], self.head.n_raw, f"{name}_output")

    def _start(self, context: Tensor, controls: Tensor | None, steps: int) -> tuple[list[Tensor], Tensor, Tensor]:
        """Return the first state, the contexts' and the controls' share of the gates (t, b, 4h), and a table."""
        first = self.stack.layers[0]
        events, above = self.head.n_columns, self.context_end
        shares = _time_first(context @ first.kernel[events:above] + first.bias)  # (s, b, 4h)
        shares = ops.repeat(shares, steps // context.shape[1], axis=0)
        if controls is not None:
            shares = shares + _time_first(controls @ first.kernel[above:])
        return self.stack.state(self.initial(context[:, 0])), shares, self.head.table(first.kernel[:events])

    def forced(
        self, context: Tensor, before: Tensor, controls: Tensor | None, own: Tensor, noise: Tensor, any_own: bool
    ) -> Tensor:
        """Return raw outputs (b, t, n), each step given the event before it.

        Parameters
        ----------
        context : tensor, shape (b, s, context_size)
            One for each of s stretches of equal length.
        before : tensor, shape (b, t, k)
            The event before each step.
        controls : tensor, shape (b, t, c), or None
        own, noise : tensor, shape (b, t) and (b, t, n_odds)
            Where the step is fed the decoder's own last sample instead, and the noise that draws it.
        any_own : bool
            Whether `own` is looked at.
        """
        state, shares, table = self._start(context, controls, before.shape[1])
        head = self.head
        if not any_own:
            gates = _time_first(head.share(table, before)) + shares  # (t, b, 4h)

            def plain(carry: Any, row: Tensor) -> Any:
                state, _ = carry
                carry = self.stack.step(state, row)
                return carry, carry

            top = ops.zeros((ops.shape(context)[0], self.stack.layers[-1].units), dtype=context.dtype)
            _, (_, tops) = ops.scan(plain, (state, top), gates)
            return self.raw(_time_first(tops))

        warm = ops.ones((1, 1))

        def step(carry: Any, xs: Any) -> Any:
            state, raw, drawn_with = carry
            share, event, use_own, noise_row = xs
            drawn = head.draw(raw, warm, drawn_with)
            event = ops.where(use_own[:, None], drawn, event)
            state, top = self.stack.step(state, share + head.share(table, event))
            carry = (state, self.raw(top), noise_row)
            return carry, carry

        b = ops.shape(context)[0]
        first = (state, ops.zeros((b, head.n_raw)), ops.zeros((b, head.n_odds)))
        xs = (shares, *(_time_first(rows) for rows in (before, own, noise)))
        _, (_, raws, _) = ops.scan(step, first, xs)
        return _time_first(raws)

    def free(
        self, context: Tensor, last: Tensor, controls: Tensor | None, extra: Tensor, cool: Tensor, forced: Tensor
    ) -> Tensor:
        """Return events (b, t, k), drawn one after the other.

        Parameters
        ----------
        context : tensor, shape (b, s, context_size)
            One for each of s stretches of equal length.
        last : tensor, shape (b, k)
            The event before the first step.
        controls : tensor, shape (b, t, c), or None
        extra : tensor, shape (b, t, n_odds)
            Noise plus bias.
        cool : tensor, shape (b, 1)
            One over the temperature.
        forced : tensor, shape (b, t, k)
            Events that are given.
        """
        state, shares, table = self._start(context, controls, extra.shape[1])
        head, end = self.head, self.end_class

        def step(carry: Any, xs: Any) -> Any:
            state, event, ended = carry
            share, extra_row, forced_row = xs
            state, top = self.stack.step(state, share + head.share(table, event))
            drawn = ops.where(head.given(forced_row), forced_row, head.draw(self.raw(top), cool, extra_row))
            event = drawn if end is None else ops.where(ended, event, drawn)
            carry = (state, event, ended if end is None else event == end)
            return carry, carry

        xs = (shares, _time_first(extra), _time_first(forced))
        _, (_, events, _) = ops.scan(step, (state, last, ops.zeros_like(last, dtype="bool")), xs)
        return _time_first(events)


class Conductor:
    """Write one embedding a segment from the latent: by an LSTM without input, or all at once.

    Parameters
    ----------
    config : MusicVaeConfig
        Sizes; ``decoder_levels[0]`` segments.
    """

    def __init__(self, config: MusicVaeConfig) -> None:
        self.n_segments = config.decoder_levels[0]
        self.output_size = config.decoder_units[-1]
        self.stack: Stack | None = None
        if config.joint == "lstm":
            self.stack = Stack(0, config.decoder_units, "conductor_lstm")
            self.initial = _dense(config.latent_size, self.stack.state_size, "conductor_initial_state", "tanh")
        else:
            self.plan = _dense(config.latent_size, self.n_segments * self.output_size, "conductor_plan", "tanh")

    def __call__(self, z: Tensor) -> Tensor:
        """Return embeddings (b, s, h)."""
        if self.stack is None:
            return ops.reshape(self.plan(z), (-1, self.n_segments, self.output_size))
        stack = self.stack
        gates = ops.broadcast_to(stack.layers[0].bias, (ops.shape(z)[0], 4 * stack.layers[0].units))

        def step(carry: Any, _: Any) -> Any:
            carry = stack.step(carry[0], gates)
            return carry, carry

        top = ops.zeros((ops.shape(z)[0], self.output_size), dtype=z.dtype)
        _, (_, tops) = ops.scan(step, (stack.state(self.initial(z)), top), None, length=self.n_segments)
        return _time_first(tops)


class MusicVae(keras.Model):
    """Encoder and decoder of one configuration.

    Calling the model on (events, targets, controls) returns the raw outputs of teacher forcing (b, t, n) and adds the
    KL loss; during training some of the decoder's inputs are its own samples (scheduled sampling, Bengio et al. 2015).

    Parameters
    ----------
    config : MusicVaeConfig
        Sizes and loss.
    seed : int
        Of all that training draws.
    """

    def __init__(self, config: MusicVaeConfig, seed: int = 0, **kwargs: Any) -> None:
        super().__init__(name="musicvae", **kwargs)
        self.config = config
        z = config.latent_size
        self.encoder = Encoder(config)
        self.mu = _dense(self.encoder.output_size, z, "mu")
        self.sigma = _dense(self.encoder.output_size, z, "sigma", "softplus")
        self.conductor = Conductor(config) if config.decoder_levels else None
        context = self.conductor.output_size if self.conductor else z
        groups = [(depth,) for depth in config.outputs] if config.split_outputs else [config.outputs]
        self.decoders = [Decoder(config, group, context, f"decoder_{n}") for n, group in enumerate(groups)]
        self._layers_of_parts = _layers(self.encoder, self.conductor, *self.decoders)
        self.seed_generator = keras.random.SeedGenerator(seed)
        #: Training steps taken, and the share of decoder inputs taken from the model's own samples.
        self.train_steps = self.add_weight(shape=(), initializer="zeros", trainable=False, name="train_steps")
        self.sampled_share = self.add_weight(shape=(), initializer="zeros", trainable=False, name="sampled_share")
        self.built = True

    @property
    def width(self) -> int:
        """Columns of an event, k."""
        return sum(decoder.head.width for decoder in self.decoders)

    @property
    def event_dtype(self) -> str:
        """``"int32"`` for classes, ``"float32"`` for rolls and grooves."""
        return str(self.decoders[0].head.event_dtype)

    @property
    def n_odds(self) -> int:
        """Columns that noise and bias are added to."""
        return sum(decoder.head.n_odds for decoder in self.decoders)

    def encode(self, events: Tensor, controls: Tensor | None = None, lengths: Tensor | None = None) -> Any:
        """Return mean and standard deviation of q(z | x).

        Parameters
        ----------
        events : tensor, shape (b, t, k)
        controls : tensor, shape (b, t, c), optional
        lengths : integer tensor, shape (b, s), optional
            Steps of each segment that are read, where segments end early.

        Returns
        -------
        mu, sigma : tensor, shape (b, z)
        """
        state = self.encoder(self._input_share(events), controls, lengths)
        return self.mu(state), self.sigma(state)

    def _input_share(self, events: Tensor) -> Any:
        """Return what the encoder's input adds to the gates, as a function of the kernel's rows (d, 4h)."""
        config = self.config
        if config.events == "categorical" and config.input_depth == sum(config.outputs):
            head = head_of(config, config.outputs, "")
            return lambda rows: head.share(head.table(rows), events)
        if config.input_depth == config.outputs[0]:
            return lambda rows: events @ rows
        # A drum roll has one more column, which says that nothing is struck.
        bits = np.arange(config.input_depth - 1)
        roll = (
            ops.cast((events // (2**bits).astype("int32")) % 2, "float32") if config.events == "categorical" else events
        )
        empty = ops.cast(ops.sum(roll, axis=-1, keepdims=True) == 0, roll.dtype)
        roll = ops.concatenate([roll, empty], axis=-1)
        return lambda rows: roll @ rows

    def call(self, inputs: Any, training: bool = False) -> Tensor:
        """Return raw outputs (b, t, n) for (events, targets) or (events, targets, controls); add the weighted KL."""
        events, targets, controls = inputs if len(inputs) == 3 else (*inputs, None)
        config = self.config
        mu, sigma = self.encode(events, controls)
        kl = kl_divergence(mu, sigma)  # (b,)
        steps = ops.cast(self.train_steps, "float32")
        beta = (1.0 - ops.power(config.beta_rate, steps)) * config.max_beta
        # Magenta weighs KL against the *sum* of the steps' cross entropies; the loss here is their mean.
        self.add_loss(beta * ops.mean(ops.maximum(kl - config.free_bits * np.log(2.0), 0.0)) / config.n_steps)
        if not training:
            return self.teacher_forced(mu, targets, controls)
        self.train_steps.assign_add(1.0)
        z = mu + sigma * keras.random.normal(ops.shape(mu), seed=self.seed_generator)
        return self.teacher_forced(z, targets, controls, ops.cast(self.sampled_share, "float32"))

    def teacher_forced(
        self, z: Tensor, targets: Tensor, controls: Tensor | None = None, sampled_share: Tensor | None = None
    ) -> Tensor:
        """Return raw outputs (b, t, n); a step's input is the true event, or with `sampled_share` the model's own."""
        b, t = ops.shape(targets)[0], self.config.n_steps
        context, segments = self._contexts(z), self._segments
        raws = []
        for decoder, rows in zip(self.decoders, self._columns(targets), strict=True):
            head = decoder.head
            nothing = ops.full((b, 1, head.width), -1 if head.event_dtype == "int32" else 0.0, dtype=head.event_dtype)
            before = ops.concatenate([nothing, ops.cast(rows[:, :-1], head.event_dtype)], axis=1)
            own = noise = ops.zeros((b, t))
            if sampled_share is not None:
                own = keras.random.uniform((b, t), seed=self.seed_generator) < sampled_share
                noise = head.noise((b, t, head.n_odds), self.seed_generator)
                # What a segment begins after is another segment's business: there the truth is given.
                own = ops.logical_and(own, ops.arange(t) % (t // segments) > 0)
            raw = decoder.forced(
                _cut(context, segments),
                _cut(before, segments),
                None if controls is None else _cut(controls, segments),
                _cut(own, segments),
                _cut(noise, segments),
                sampled_share is not None,
            )
            raws.append(ops.reshape(raw, (-1, t, head.n_raw)))
        return ops.concatenate(raws, axis=-1)

    def _contexts(self, z: Tensor) -> Tensor:
        """Return what decoders write from, (b, s, size): the latent, or an embedding of each segment."""
        return z[:, None] if self.conductor is None else self.conductor(z)

    @property
    def _segments(self) -> int:
        """Segments that are written on their own; one decoder that goes on through all of them writes one."""
        return self.config.decoder_levels[0] if self.config.decoder_levels and self.config.joint == "lstm" else 1

    def _columns(self, events: Tensor, odds: bool = False) -> list[Tensor]:
        """Split the last axis among the decoders."""
        sizes = [decoder.head.n_odds if odds else decoder.head.width for decoder in self.decoders]
        edges = np.cumsum(sizes)[:-1].tolist()
        return list(ops.split(events, edges, axis=-1)) if edges else [events]

    def decode(
        self, z: Tensor, bias: Tensor, noise: Tensor, temperature: Tensor, forced: Tensor, controls: Any = None
    ) -> Tensor:
        """Sample events; all randomness comes in as noise, so that the same call gives the same phrase.

        Parameters
        ----------
        z : tensor, shape (b, z)
        bias : tensor, shape (b, t, n_odds)
            Added to the log-odds after the temperature (-1e9 forbids).
        noise : tensor, shape (b, t, n_odds)
            Standard Gumbel noise for classes, logistic for drums; zeros decode greedily.
        temperature : tensor, shape (b,)
            Above 0.
        forced : tensor, shape (b, t, k)
            Events that are given; -1 (classes) or NaN where the model is free.
        controls : tensor, shape (b, t, c), optional

        Returns
        -------
        tensor, shape (b, t, k)
        """
        cool = ops.expand_dims(1.0 / temperature, -1)
        segments = self._segments
        shared = [_segments(self._contexts(z), segments)]
        if controls is not None:
            shared.append(_segments(controls, segments))
        written = []
        for decoder, extra, given in zip(
            self.decoders, self._columns(bias + noise, odds=True), self._columns(forced), strict=True
        ):
            head = decoder.head
            none = -1 if head.event_dtype == "int32" else 0.0
            last = ops.full((ops.shape(z)[0], head.width), none, dtype=head.event_dtype)
            xs = (_segments(extra, segments), _segments(given, segments), *shared)

            def segment(carry: Any, xs: Any, decoder: Decoder = decoder) -> Any:
                rows = decoder.free(xs[2], carry[0], xs[3] if len(xs) > 3 else None, xs[0], cool, xs[1])
                return (rows[:, -1], rows), (rows[:, -1], rows)

            if segments == 1:
                written.append(segment((last,), [x[0] for x in xs])[0][1])
                continue
            _, (_, rows) = ops.scan(segment, (last, ops.zeros_like(xs[1][0])), xs)
            written.append(ops.reshape(_time_first(rows), ops.shape(given)))
        return ops.concatenate(written, axis=-1)

    def loss_of(self, targets: Tensor, raw: Tensor) -> Tensor:
        """Return the reconstruction loss (b, t) in nats."""
        return sum(
            decoder.head.loss(part, rows)
            for decoder, part, rows in zip(self.decoders, self._raw_columns(raw), self._columns(targets), strict=True)
        )

    def right(self, targets: Tensor, raw: Tensor) -> Tensor:
        """Return where all of a step (b, t) is foreseen."""
        marks = [
            decoder.head.right(part, rows)
            for decoder, part, rows in zip(self.decoders, self._raw_columns(raw), self._columns(targets), strict=True)
        ]
        return ops.all(ops.stack(marks, axis=-1), axis=-1)

    def _raw_columns(self, raw: Tensor) -> list[Tensor]:
        edges = np.cumsum([decoder.head.n_raw for decoder in self.decoders])[:-1].tolist()
        return list(ops.split(raw, edges, axis=-1)) if edges else [raw]


def kl_divergence(mu: Tensor, sigma: Tensor) -> Tensor:
    """Return KL(N(mu, sigma^2) || N(0, 1)), shape (b,), in nats."""
    return 0.5 * ops.sum(ops.square(mu) + ops.square(sigma) - 2.0 * ops.log(sigma + 1e-8) - 1.0, axis=-1)


def _dense(size: int, units: int, name: str, activation: str | None = None) -> keras.layers.Dense:
    layer = keras.layers.Dense(units, activation=activation, name=name)
    layer.build((None, size))
    return layer


def _time_first(rows: Tensor) -> Tensor:
    return ops.swapaxes(rows, 0, 1)


def _cut(rows: Tensor, segments: int) -> Tensor:
    """Fold segments into the batch: (b, t, ...) to (b * s, l, ...)."""
    if segments == 1:
        return rows
    return ops.reshape(rows, (-1, rows.shape[1] // segments, *rows.shape[2:]))


def _segments(rows: Tensor, segments: int) -> Tensor:
    """Put segments first: (b, t, ...) to (s, b, l, ...)."""
    cut = ops.reshape(rows, (-1, segments, rows.shape[1] // segments, *rows.shape[2:]))
    return ops.swapaxes(cut, 0, 1)


def _layers(*parts: Any) -> list[keras.layers.Layer]:
    """Return the Keras layers that the parts hold, so that the model tracks their weights."""
    found: list[keras.layers.Layer] = []
    for part in parts:
        if isinstance(part, keras.layers.Layer):
            found.append(part)
        elif isinstance(part, list | tuple):
            found += _layers(*part)
        elif isinstance(part, Encoder | Decoder | Conductor | Stack):
            found += _layers(*vars(part).values())
    return found

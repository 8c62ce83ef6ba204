"""What a MusicVAE decoder says at a step: classes, drums at once (NADE), or hits with velocities and offsets.

A head turns the decoder's raw output into events, into a loss, and an event into its share of the next step's gates.

Shapes: b batch, t steps, k simultaneous classes, d columns of a roll or groove, n raw columns. Class events are
integers (..., k) with -1 for "none" (the start); rolls and grooves are floats (..., d) with NaN for "not given".
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from brainmidi.models.configs import MusicVaeConfig

Tensor = Any


class Categorical:
    """One class for each output at a step.

    Parameters
    ----------
    depths : tuple of int
        Classes of each output.
    """

    def __init__(self, depths: tuple[int, ...]) -> None:
        self.depths = depths
        #: Columns of an event in a kernel, of the raw output, and of the odds that noise and bias are added to.
        self.n_columns = self.n_raw = self.n_odds = sum(depths)
        self.width, self.event_dtype, self.not_given = len(depths), "int32", -1
        self._offsets = np.cumsum([0, *depths[:-1]]).astype("int32")

    def table(self, rows: Tensor) -> Tensor:
        """Prepare the kernel's rows for events, so that event -1 finds zeros."""
        return ops.concatenate([ops.zeros_like(rows[:1]), rows], axis=0)

    def share(self, table: Tensor, events: Tensor) -> Tensor:
        """Return the events' (..., k) share of the gates: a one-hot row times a kernel is a row of it."""
        places = ops.where(events < 0, 0, events + self._offsets + 1)
        rows = ops.take(table, places, axis=0)  # (..., k, 4h)
        return rows[..., 0, :] if self.width == 1 else ops.sum(rows, axis=-2)

    def draw(self, raw: Tensor, cool: Tensor, extra: Tensor) -> Tensor:
        """Return classes (b, k) from raw (b, n), one over the temperature (b, 1), and noise plus bias (b, n)."""
        odds = raw * cool + extra
        edges = self._offsets[1:].tolist()
        parts = ops.split(odds, edges, axis=-1) if edges else [odds]
        return ops.stack([ops.cast(ops.argmax(part, axis=-1), "int32") for part in parts], axis=-1)

    def given(self, forced: Tensor) -> Tensor:
        """Return where an event is given, not free."""
        return forced >= 0

    def noise(self, shape: tuple[Any, ...], seed: Any) -> Tensor:
        """Return standard Gumbel noise: the largest of log-odds plus this is a sample."""
        return -ops.log(-ops.log(keras.random.uniform(shape, 1e-7, 1.0, seed=seed)))

    def loss(self, raw: Tensor, events: Tensor) -> Tensor:
        """Return the cross entropy (b, t) in nats, summed over the outputs."""
        total = 0.0
        for n, depth in enumerate(self.depths):
            start = int(self._offsets[n])
            part = raw[..., start : start + depth]
            total = total + ops.sparse_categorical_crossentropy(events[..., n], part, from_logits=True)
        return total

    def right(self, raw: Tensor, events: Tensor) -> Tensor:
        """Return where all outputs of a step (b, t) are foreseen."""
        return ops.all(self.draw(raw, 1.0, 0.0) == ops.cast(events, "int32"), axis=-1)


class Nade(keras.layers.Layer):
    """Several drums at once, each depending on those before it (Uria et al. 2016, https://arxiv.org/abs/1605.02226).

    Parameters
    ----------
    depth, units : int
        Drums and hidden units.
    """

    def __init__(self, depth: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_columns = self.n_odds = self.width = depth
        self.n_raw, self.units = units + depth, units
        self.event_dtype, self.not_given = "float32", float("nan")
        spread = keras.initializers.TruncatedNormal(stddev=depth**-0.5)
        self.w_enc = self.add_weight(shape=(depth, units), initializer=spread, name="w_enc")
        self.w_dec = self.add_weight(shape=(depth, units), initializer=spread, name="w_dec")

    def table(self, rows: Tensor) -> Tensor:
        """Return the kernel's rows as they are."""
        return rows

    def share(self, table: Tensor, events: Tensor) -> Tensor:
        """Return the rolls' (..., d) share of the gates."""
        return events @ table

    def draw(self, raw: Tensor, cool: Tensor, extra: Tensor) -> Tensor:
        """Return a roll (b, d), drum after drum."""
        hidden, bias = raw[..., : self.units], raw[..., self.units :]
        drums = []
        for n in range(self.width):
            odds = bias[..., n] + ops.sum(ops.sigmoid(hidden) * self.w_dec[n], axis=-1)  # (b,)
            hit = ops.cast(odds * cool[..., 0] + extra[..., n] >= 0, raw.dtype)
            hidden = hidden + hit[..., None] * self.w_enc[n]
            drums.append(hit)
        return ops.stack(drums, axis=-1)

    def given(self, forced: Tensor) -> Tensor:
        """Return where a drum is given, not free."""
        return ops.logical_not(ops.isnan(forced))

    def noise(self, shape: tuple[Any, ...], seed: Any) -> Tensor:
        """Return standard logistic noise: log-odds plus this are above 0 with the probability that they mean."""
        return _logistic(shape, seed)

    def odds(self, raw: Tensor, events: Tensor) -> Tensor:
        """Return every drum's log-odds (b, t, d), given the true drums before it."""
        hidden, bias = raw[..., : self.units], raw[..., self.units :]
        added = events[..., None] * self.w_enc  # (b, t, d, units)
        before = ops.cumsum(added, axis=-2) - added
        return bias + ops.sum(ops.sigmoid(hidden[..., None, :] + before) * self.w_dec, axis=-1)

    def loss(self, raw: Tensor, events: Tensor) -> Tensor:
        """Return minus the log-likelihood (b, t) in nats."""
        return ops.sum(_binary_cross_entropy(self.odds(raw, events), events), axis=-1)

    def right(self, raw: Tensor, events: Tensor) -> Tensor:
        """Return where all drums of a step (b, t) are foreseen."""
        return ops.all((self.odds(raw, events) >= 0) == (events > 0.5), axis=-1)


class Groove:
    """Hits, velocities 0..1 and offsets -1..1 of each drum (Gillick et al. 2019, section 3.2).

    Parameters
    ----------
    depth : int
        Three times the number of drums.
    """

    def __init__(self, depth: int) -> None:
        self.n_columns = self.n_raw = self.width = depth
        self.n_odds = depth // 3
        self.event_dtype, self.not_given = "float32", float("nan")

    def table(self, rows: Tensor) -> Tensor:
        """Return the kernel's rows as they are."""
        return rows

    def share(self, table: Tensor, events: Tensor) -> Tensor:
        """Return the grooves' (..., d) share of the gates."""
        return events @ table

    def draw(self, raw: Tensor, cool: Tensor, extra: Tensor) -> Tensor:
        """Return a groove (b, d): hits are drawn, velocities and offsets are what is expected."""
        hits, velocities, offsets = ops.split(raw, 3, axis=-1)
        struck = ops.cast(hits * cool + extra >= 0, raw.dtype)
        return ops.concatenate([struck, ops.sigmoid(velocities), ops.tanh(offsets)], axis=-1)

    def given(self, forced: Tensor) -> Tensor:
        """Return where a column is given, not free."""
        return ops.logical_not(ops.isnan(forced))

    def noise(self, shape: tuple[Any, ...], seed: Any) -> Tensor:
        """Return standard logistic noise for the hits."""
        return _logistic(shape, seed)

    def loss(self, raw: Tensor, events: Tensor) -> Tensor:
        """Return the hits' cross entropy plus the squared errors of velocities and offsets, summed, shape (b, t)."""
        hits, velocities, offsets = ops.split(raw, 3, axis=-1)
        true_hits, true_velocities, true_offsets = ops.split(events, 3, axis=-1)
        missed = _binary_cross_entropy(hits, true_hits)
        loud = ops.square(ops.sigmoid(velocities) - true_velocities)
        late = ops.square(ops.tanh(offsets) - true_offsets)
        return ops.sum(missed + loud + late, axis=-1)

    def right(self, raw: Tensor, events: Tensor) -> Tensor:
        """Return where all hits of a step (b, t) are foreseen."""
        n = self.n_odds
        return ops.all((raw[..., :n] >= 0) == (events[..., :n] > 0.5), axis=-1)


def _logistic(shape: tuple[Any, ...], seed: Any) -> Tensor:
    uniform = keras.random.uniform(shape, 1e-6, 1.0 - 1e-6, seed=seed)
    return ops.log(uniform) - ops.log(1.0 - uniform)


def _binary_cross_entropy(odds: Tensor, truth: Tensor) -> Tensor:
    return ops.softplus(odds) - truth * odds


def head_of(config: MusicVaeConfig, outputs: tuple[int, ...], name: str) -> Any:
    """Return the head of a configuration for `outputs`."""
    if config.events == "nade":
        return Nade(outputs[0], config.nade_units, name=name)
    if config.events == "groove":
        return Groove(outputs[0])
    return Categorical(outputs)

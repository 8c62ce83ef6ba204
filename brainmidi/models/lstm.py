"""LSTM layers with the input's share of the gates taken apart from the recurrent step, and stacks of them.

Shapes: b batch, t steps, d columns of an input, h units. Gates stand in Keras' order i, f, g, o. Every step function
given to ``ops.scan`` returns its carry as its output too, because the TensorFlow back end asks for outputs shaped like
the carry.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import keras
import numpy as np
from keras import ops

Tensor = Any
#: h and c of one layer, each (b, h).
State = tuple[Tensor, Tensor]


_blank: ContextVar[bool] = ContextVar("blank", default=False)


@contextmanager
def blank() -> Iterator[None]:
    """Make layers for weights that are read from a checkpoint: orthogonal ones take seconds in the large sizes."""
    token = _blank.set(True)
    try:
        yield
    finally:
        _blank.reset(token)


class Lstm(keras.layers.Layer):
    """One LSTM layer's weights (Hochreiter & Schmidhuber 1997, with forget gates).

    Parameters
    ----------
    input_size, units : int
        Columns of the input and of the state. An input of size 0 leaves bias and recurrence alone.
    """

    def __init__(self, input_size: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        if input_size:
            self.kernel = self.add_weight(shape=(input_size, 4 * units), initializer="glorot_uniform", name="kernel")
        self.recurrent_kernel = self.add_weight(
            shape=(units, 4 * units), initializer="zeros" if _blank.get() else "orthogonal", name="recurrent_kernel"
        )
        # The forget gate starts open (bias 1), as Magenta's cells have it.
        self.bias = self.add_weight(shape=(4 * units,), initializer=_forget_open(units), name="bias")

    def gates(self, inputs: Tensor) -> Tensor:
        """Return the share of inputs (..., d) in the gates (..., 4h), bias included."""
        return inputs @ self.kernel + self.bias

    def step(self, gates: Tensor, h: Tensor, c: Tensor) -> State:
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

    def read(self, gates: Tensor, mask: Tensor | None = None, *, backward: bool = False) -> tuple[Tensor, Tensor]:
        """Run over gates (b, t, 4h) from a zero state, from the last step on if `backward`.

        Steps where `mask` (b, t) is false leave the state as it is.

        Returns
        -------
        outputs : tensor, shape (b, t, h)
            In the order of the inputs.
        last : tensor, shape (b, h)
            The hidden state after the last step that was read.
        """
        zeros = ops.zeros((ops.shape(gates)[0], self.units), dtype=gates.dtype)

        def step(state: State, xs: list[Tensor]) -> tuple[State, State]:
            new = self.step(xs[0], *state)
            if mask is not None:
                new = (ops.where(xs[1], new[0], state[0]), ops.where(xs[1], new[1], state[1]))
            return new, new

        rows = [ops.transpose(gates, (1, 0, 2))]
        if mask is not None:
            rows.append(ops.transpose(mask)[..., None])
        (last, _), (outputs, _) = ops.scan(step, (zeros, zeros), rows, reverse=backward)
        return ops.transpose(outputs, (1, 0, 2)), last


def _forget_open(units: int) -> Any:
    def initialise(shape: tuple[int, ...], dtype: Any = None) -> Tensor:
        bias = np.zeros(shape, dtype="float32")
        bias[units : 2 * units] = 1.0
        return ops.convert_to_tensor(bias, dtype=dtype)

    return initialise


class Stack:
    """LSTM layers on top of each other, one step at a time; the first layer's gates come from outside.

    Parameters
    ----------
    input_size : int
        Columns of the first layer's input.
    units : sequence of int
        Of each layer.
    name : str
        Prefix of the layers' names.
    """

    def __init__(self, input_size: int, units: Sequence[int], name: str) -> None:
        inputs = (input_size, *units[:-1])
        self.layers = [Lstm(size, n, name=f"{name}_{k}") for k, (size, n) in enumerate(zip(inputs, units, strict=True))]
        self.sizes = [n for n in units for _ in ("c", "h")]

    @property
    def state_size(self) -> int:
        """Columns of the whole state."""
        return sum(self.sizes)

    def state(self, columns: Tensor) -> list[Tensor]:
        """Split columns (b, state_size) into c and h of each layer, in Magenta's order."""
        return list(ops.split(columns, np.cumsum(self.sizes)[:-1].tolist(), axis=-1))

    def step(self, state: list[Tensor], gates: Tensor) -> tuple[list[Tensor], Tensor]:
        """Advance all layers by one step; return the new state and the top layer's output (b, h)."""
        new: list[Tensor] = []
        h = gates
        for n, layer in enumerate(self.layers):
            if n:
                gates = layer.gates(h)
            h, c = layer.step(gates, state[2 * n + 1], state[2 * n])
            new += [c, h]
        return new, h

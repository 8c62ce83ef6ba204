"""A Music Transformer for playing: one event at a time, on numpy, without Keras and without TensorFlow.

A step multiplies vectors by matrices, for which numpy calls BLAS: there is nothing to trace, to compile or to dispatch.
(The same step as a TensorFlow function compiled by XLA, its keys written in place, took three times as long on the
shipped model, and many seconds to compile; benchmarks/transformer.py times this one.) What a layer's normalisation
multiplies and adds is folded into the matrix after it, once, at loading.

Keys and values stand on a *tape*, in the order of the events, with room beyond the window: a step writes one place of
it and reads the window as one slice. When the tape is full its last window is copied to a new one. A cache is a value,
the tape and how much of it counts: going on from a cache that another has gone on from copies the window first, so
that all may be kept and gone back to.

Shapes: b rows, t new events, a heads, e head size, d model size, s events attended to, v vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import erf
from threadpoolctl import threadpool_limits

from brainmidi.errors import ModelError
from brainmidi.models.checkpoint import check_weights, read_sizes, read_weights
from brainmidi.models.transformer_config import EPSILON, TransformerConfig, rates, weight_shapes

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.integer[Any]]
#: Events of a prompt that are read at once.
CHUNK = 128


class Tape:
    """Keys and values of consecutive events.

    Parameters
    ----------
    config : TransformerConfig
        Sizes.
    batch : int
        Rows b.
    first : int
        Number of the event in its first place.
    """

    def __init__(self, config: TransformerConfig, batch: int, first: int = 0) -> None:
        room = config.window + max(config.window // 2, CHUNK)
        shape = (config.n_layers, batch, config.n_heads, room, config.head_size)
        self.keys: Float32Array = np.empty(shape, dtype=np.float32)
        self.values: Float32Array = np.empty(shape, dtype=np.float32)
        self.first, self.end = first, first  #: Numbers of its first event, and of the one after its last.
        self.batch, self.room = batch, room


@dataclass(frozen=True, slots=True)
class Heard:
    """What a transformer has heard: the events before number `seen` of a tape."""

    tape: Tape
    seen: int


@dataclass(frozen=True, slots=True)
class _Layer:
    """One layer's matrices, the normalisations' gains and offsets folded in."""

    qkv: Float32Array  # (d, 3d), queries scaled
    qkv_bias: Float32Array
    out: Float32Array  # (d, d)
    relative: Float32Array | None  # (a, r, e)
    inner: Float32Array  # (d, inner)
    inner_bias: Float32Array
    outer: Float32Array  # (inner, d)
    outer_bias: Float32Array


class TransformerStepper:
    """A Music Transformer ready to be fed events.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    threads : int
        Cores for matrix products, of this whole process. Products of live sizes gain nothing from a second one, whose
        idle thread spins where the player may need it.

    Raises
    ------
    ModelError
        If the checkpoint is missing, damaged or of another kind.
    """

    def __init__(self, folder: Path, *, threads: int = 1) -> None:
        threadpool_limits(threads, user_api="blas")
        self.config = config = read_sizes(folder, "transformer", TransformerConfig.from_json)
        weights = read_weights(folder)
        check_weights(weights, weight_shapes(config))
        d = config.size
        scale = np.ones(3 * d, dtype=np.float32)
        scale[:d] = config.head_size**-0.5
        self._layers = [_layer(weights, f"layer_{n}", scale) for n in range(config.n_layers)]
        embedding = weights["music_transformer/embedding"]
        self._inputs = embedding * np.float32(d**0.5)  # (v, d)
        if config.silent_start:
            self._inputs[0] = 0.0
        self._outputs = np.ascontiguousarray((embedding * weights["norm/gamma"]).T)  # (d, v)
        self._outputs_bias = embedding @ weights["norm/beta"]
        self._mean = np.full((d, 1), 1.0 / d, dtype=np.float32)
        pairs = d // 2 if config.timed else config.head_size // 2
        self._rates = np.array(rates(pairs, last=config.timed))
        self._empty = Heard(Tape(config, 1), 0)

    def initial(self, batch: int = 1) -> Heard:
        """Return the cache of b rows before the first event."""
        return self._empty if batch == 1 else Heard(Tape(self.config, batch), 0)

    def repeated(self, cache: Heard, batch: int) -> Heard:
        """Return the cache of one row for `batch` continuations of it."""
        if cache.tape.batch != 1:
            raise ModelError(f"a cache of {cache.tape.batch} rows cannot be repeated; give one of a single row")
        return Heard(self._copied(cache, batch), cache.seen)

    def step(self, token: int | IntArray, cache: Heard) -> tuple[Float32Array, Heard]:
        """Return the logits after one event and the cache that holds it.

        Parameters
        ----------
        token : int or int array, shape (b,)
            The event, or one for each row.
        cache : Heard
            Of the events before; it stays what it was.

        Returns
        -------
        logits : float32 array, shape (v,), or (b, v) where an array was given
            Of the next event.
        cache : Heard
            With the event.
        """
        if isinstance(token, np.ndarray) and token.ndim:
            logits, cache = self._read(token[:, None], cache)
            return logits[:, 0], cache
        logits, cache = self._read(np.array([[token]]), cache)
        return logits[0, 0], cache

    def prefill(self, tokens: IntArray, cache: Heard) -> tuple[Float32Array, Heard]:
        """Return the logits after each event of a prompt, and the cache that holds them all.

        Parameters
        ----------
        tokens : int array, shape (t,) or (b, t)
            The events, as many as there are: none, or more than the window.
        cache : Heard
            Of the events before; it stays what it was.

        Returns
        -------
        logits : float32 array, shape (t, v) or (b, t, v)
            The last ones are those of the next event; an empty prompt has none.
        cache : Heard
            With the prompt.
        """
        rows = np.atleast_2d(tokens)
        found = [np.empty((len(rows), 0, self.config.n_classes), dtype=np.float32)]
        for start in range(0, rows.shape[1], CHUNK):
            logits, cache = self._read(rows[:, start : start + CHUNK], cache)
            found.append(logits)
        logits = np.concatenate(found, axis=1) if len(found) != 2 else found[1]
        return (logits if np.ndim(tokens) == 2 else logits[0]), cache

    def _copied(self, cache: Heard, batch: int) -> Tape:
        """Return a new tape of b rows with all that the next event attends to."""
        old, seen = cache.tape, cache.seen
        tape = Tape(self.config, batch, max(seen - self.config.window + 1, old.first))
        tape.end = seen
        here, there = slice(0, seen - tape.first), slice(tape.first - old.first, seen - old.first)
        tape.keys[:, :, :, here] = old.keys[:, :, :, there]
        tape.values[:, :, :, here] = old.values[:, :, :, there]
        return tape

    def _read(self, tokens: IntArray, cache: Heard) -> tuple[Float32Array, Heard]:
        """Return logits (b, t, v) after tokens (b, t), t of 1..CHUNK, and the new cache."""
        config, tape, seen = self.config, cache.tape, cache.seen
        b, t = tokens.shape
        if b != tape.batch:
            raise ModelError(f"{b} rows of events do not fit a cache of {tape.batch}; repeat the cache")
        if tape.end != seen or seen - tape.first + t > tape.room:
            tape = self._copied(cache, b)
        here = seen - tape.first  # Place of the first new event.
        low = max(here - config.window + 1, 0)
        new, held = slice(here, here + t), slice(low, here + t)
        distance = np.arange(here, here + t)[:, None] - np.arange(low, here + t)  # (t, s)
        hidden = (distance < 0) | (distance >= config.window) if t > 1 else None
        waves = self._waves(np.arange(seen, seen + t)) if config.positions != "relative" else None
        x = self._inputs[tokens.reshape(-1)]  # (n, d), n = b * t
        if config.timed and waves is not None:
            x = x + np.tile(np.concatenate(waves, axis=1), (b, 1))
        for layer, keys, values in zip(self._layers, tape.keys, tape.values, strict=True):
            qkv = self._normal(x) @ layer.qkv
            qkv += layer.qkv_bias
            q, k, v = qkv.reshape(b, t, 3, config.n_heads, -1).transpose(2, 0, 3, 1, 4)  # each (b, a, t, e)
            if config.positions == "rotary" and waves is not None:
                q, k = _turned(q, *waves), _turned(k, *waves)
            keys[:, :, new], values[:, :, new] = k, v
            scores = q @ keys[:, :, held].swapaxes(2, 3)  # (b, a, t, s)
            if layer.relative is not None:
                _add_relative(scores, q, layer.relative, distance)
            if hidden is not None:
                scores[:, :, hidden] = -np.inf
            scores -= np.maximum.reduce(scores, axis=-1, keepdims=True)
            np.exp(scores, out=scores)
            scores /= np.add.reduce(scores, axis=-1, keepdims=True)
            mixed = scores @ values[:, :, held]
            x = x + mixed.swapaxes(1, 2).reshape(b * t, -1) @ layer.out
            inner = self._normal(x) @ layer.inner
            inner += layer.inner_bias
            x += self._activated(inner) @ layer.outer
            x += layer.outer_bias
        logits = self._normal(x) @ self._outputs
        logits += self._outputs_bias
        tape.end = seen + t
        return logits.reshape(b, t, -1), Heard(tape, seen + t)

    def _normal(self, x: Float32Array) -> Float32Array:
        """Return rows x (n, d) with mean 0 and variance 1."""
        x = x - x @ self._mean
        variance = (x * x) @ self._mean
        variance += np.float32(EPSILON)
        x /= np.sqrt(variance)
        return x

    def _activated(self, x: Float32Array) -> Float32Array:
        """Apply the feed-forward layer's activation in place."""
        if self.config.activation == "relu":
            return np.maximum(x, 0.0, out=x)
        share = erf(x * np.float32(0.5**0.5))
        share += 1.0
        share *= 0.5
        x *= share
        return x

    def _waves(self, numbers: IntArray) -> tuple[Float32Array, Float32Array]:
        """Return sine and cosine, each (t, pairs), of the positions of events."""
        angles = numbers[:, None] * self._rates
        return np.sin(angles).astype(np.float32), np.cos(angles).astype(np.float32)


def _layer(weights: dict[str, Float32Array], name: str, scale: Float32Array) -> _Layer:
    """Return one layer's matrices; `scale` (3d,) makes queries as small as the heads want them."""
    gain, offset = weights[f"{name}_norm_attention/gamma"], weights[f"{name}_norm_attention/beta"]
    inner_gain, inner_offset = weights[f"{name}_norm_inner/gamma"], weights[f"{name}_norm_inner/beta"]
    qkv, inner = weights[f"{name}_attention/qkv"] * scale, weights[f"{name}_inner/kernel"]
    return _Layer(
        qkv=gain[:, None] * qkv,
        qkv_bias=offset @ qkv,
        out=weights[f"{name}_attention/out"],
        relative=weights.get(f"{name}_attention/relative"),
        inner=inner_gain[:, None] * inner,
        inner_bias=inner_offset @ inner + weights[f"{name}_inner/bias"],
        outer=weights[f"{name}_outer/kernel"],
        outer_bias=weights[f"{name}_outer/bias"],
    )


def _turned(x: Float32Array, sine: Float32Array, cosine: Float32Array) -> Float32Array:
    """Return x (b, a, t, e) with its pairs (k, k + e / 2) turned: rotary positions."""
    half = x.shape[-1] // 2
    one, two = x[..., :half], x[..., half:]
    return np.concatenate([one * cosine - two * sine, two * cosine + one * sine], axis=-1)


def _add_relative(scores: Float32Array, q: Float32Array, relative: Float32Array, distance: IntArray) -> None:
    """Add the relative term to scores (b, a, t, s); the last row of `relative` (a, r, e) is distance 0."""
    t, s = distance.shape
    n_rows = relative.shape[1]
    near = min(s, n_rows)
    if t == 1:  # The events stand in the order of the rows.
        scores[..., s - near :] += q @ relative[:, n_rows - near :].swapaxes(1, 2)
        return
    by_row = q @ relative[:, n_rows - near :].swapaxes(1, 2)  # (b, a, t, near)
    row = np.clip(near - 1 - distance, 0, near - 1)
    scores += np.where(distance < near, by_row[:, :, np.arange(t)[:, None], row], np.float32(0.0))

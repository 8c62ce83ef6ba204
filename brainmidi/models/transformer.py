"""A Music Transformer: causal self-attention that knows distances, cached for step-by-step playing.

Training computes the relative term by skewing (Huang et al. 2018, https://arxiv.org/abs/1809.04281, section 3.4.1);
a step looks it up by distance, over a ring of the last `window` keys, so that a session may go on for ever at a cost
per token that does not grow. Both give the same logits.

Shapes: b batch, t new tokens, w window, s tokens held, a heads, e head size, d model size, r distances, v vocabulary.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
from keras import ops

from brainmidi.models.transformer_config import EPSILON, TransformerConfig, rates

__all__ = ["Cache", "MusicTransformer", "TransformerConfig", "repeated"]

Tensor = Any
#: Keys and values, each (layers, b, a, w, e), and the number of tokens seen (int32, shape ()).
Cache = tuple[Tensor, Tensor, Tensor]
#: Angles are taken from a table for each digit of a token's number: float32 alone would lose them in a long session.
_BASE, _N_DIGITS = 256, 3


def waves(numbers: Tensor, n: int, *, last: bool) -> tuple[Tensor, Tensor]:
    """Return sine and cosine, each (t, n), of the angles of n pairs at tokens `numbers` (t,) of 0..2**24 - 1."""
    sine, cosine = ops.zeros((1, n)), ops.ones((1, n))
    for place in range(_N_DIGITS):
        angles = np.outer(np.arange(_BASE) * float(_BASE**place), rates(n, last=last))
        digit = ops.mod(ops.floor_divide(numbers, _BASE**place), _BASE)
        by_digit = [ops.convert_to_tensor(f(angles).astype(np.float32)) for f in (np.sin, np.cos)]
        s, c = (ops.take(table, digit, axis=0) for table in by_digit)
        sine, cosine = sine * c + cosine * s, cosine * c - sine * s  # of the sum of two angles
    return sine, cosine


def turned(x: Tensor, numbers: Tensor) -> Tensor:
    """Return x (b, a, t, e) with its pairs (k, k + e / 2) turned by the tokens' numbers (t,): rotary positions."""
    half = x.shape[-1] // 2
    sine, cosine = (ops.cast(part, x.dtype) for part in waves(numbers, half, last=False))
    one, two = x[..., :half], x[..., half:]
    return ops.concatenate([one * cosine - two * sine, two * cosine + one * sine], axis=-1)


class CausalAttention(keras.layers.Layer):
    """Multi-head causal attention over the last `window` tokens."""

    def __init__(self, config: TransformerConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        d, a = config.size, config.n_heads
        self.n_heads, self.head_size, self.window = a, config.head_size, config.window
        self.rotary, self.n_distances = config.positions == "rotary", config.n_distances
        self.qkv = self.add_weight(shape=(d, 3 * d), initializer="glorot_uniform", name="qkv")
        self.out = self.add_weight(shape=(d, d), initializer="glorot_uniform", name="out")
        if self.n_distances:
            #: The last row belongs to the token itself, the one before it to distance 1, and so on.
            self.relative = self.add_weight(
                shape=(a, self.n_distances, self.head_size),
                initializer=keras.initializers.RandomNormal(stddev=0.02),
                name="relative",
            )

    def project(self, x: Tensor, numbers: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (scaled), keys and values, each (b, a, t, e), of x (b, t, d), tokens `numbers` (t,)."""
        b, t = ops.shape(x)[0], ops.shape(x)[1]
        qkv = ops.reshape(x @ self.qkv, (b, t, 3, self.n_heads, self.head_size))
        q, k, v = (ops.transpose(qkv[:, :, n], (0, 2, 1, 3)) for n in range(3))
        if self.rotary:
            q, k = turned(q, numbers), turned(k, numbers)
        return q * self.head_size**-0.5, k, v

    def merge(self, scores: Tensor, v: Tensor) -> Tensor:
        """Return the output (b, t, d) for scores (b, a, t, s), -1e9 where masked, and values (b, a, s, e)."""
        mixed = ops.transpose(ops.softmax(scores, axis=-1) @ v, (0, 2, 1, 3))  # (b, t, a, e)
        b, t = ops.shape(mixed)[0], ops.shape(mixed)[1]
        return ops.reshape(mixed, (b, t, self.n_heads * self.head_size)) @ self.out

    def call(self, x: Tensor) -> Tensor:
        """Attend within x (b, t, d), of any length, its first token being number 0."""
        b, t = ops.shape(x)[0], x.shape[1]
        numbers = ops.arange(t, dtype="int32")
        q, k, v = self.project(x, numbers)
        scores = q @ ops.transpose(k, (0, 1, 3, 2))
        if self.n_distances:
            rows = min(t, self.n_distances)
            by_row = ops.einsum("bate,are->batr", q, self.relative[:, self.n_distances - rows :])
            # Skewing: make the rows one longer than wide, read them one shorter, drop the first: entry (i, j) then
            # holds the term of distance i - j. Zeros on the left are distances without a row.
            padded = ops.pad(by_row, ((0, 0), (0, 0), (0, 0), (1 + t - rows, 0)))
            scores = scores + ops.reshape(padded, (b, self.n_heads, t + 1, t))[:, :, 1:]
        distance = ops.expand_dims(numbers, 1) - ops.expand_dims(numbers, 0)  # (t, t)
        visible = ops.logical_and(distance >= 0, distance < self.window)
        return self.merge(ops.where(visible, scores, -1e9), v)

    def step(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from new tokens x (b, t, d), t of 1..w, to the ring and to each other; return output and the new ring.

        Parameters
        ----------
        keys, values : tensor, shape (b, a, w, e)
            Slot n holds the newest token whose number is n modulo w.
        seen : integer tensor, shape ()
            Tokens before x.
        """
        w, t = self.window, x.shape[1]
        slots = ops.arange(w, dtype="int32")
        held = seen - 1 - ops.mod(seen - 1 - slots, w)  # (w,) number of the token in each slot, below 0 where empty
        new = seen + ops.arange(t, dtype="int32")  # (t,)
        q, k, v = self.project(x, new)
        number = ops.concatenate([held, new], axis=0)  # (w + t,)
        distance = ops.expand_dims(new, 1) - ops.expand_dims(number, 0)  # (t, w + t)
        visible = ops.logical_and(ops.logical_and(distance >= 0, distance < w), ops.expand_dims(number, 0) >= 0)
        all_keys, all_values = ops.concatenate([keys, k], axis=2), ops.concatenate([values, v], axis=2)
        scores = q @ ops.transpose(all_keys, (0, 1, 3, 2))
        if self.n_distances:
            by_row = ops.einsum("bate,are->batr", q, self.relative)
            row = ops.clip(self.n_distances - 1 - distance, 0, self.n_distances - 1)
            row = ops.broadcast_to(row, (*ops.shape(by_row)[:2], t, w + t))
            near = ops.cast(distance < self.n_distances, by_row.dtype)
            scores = scores + ops.take_along_axis(by_row, row, axis=-1) * near
        out = self.merge(ops.where(visible, scores, -1e9), all_values)
        # Slot n now holds the newest of its old token and the new ones.
        offset = ops.mod(slots - seen, w)  # (w,) which new token falls into the slot, if below t
        pick = ops.where(offset < t, w + offset, slots)
        return out, ops.take(all_keys, pick, axis=2), ops.take(all_values, pick, axis=2)


class Block(keras.layers.Layer):
    """A pre-norm Transformer layer."""

    def __init__(self, config: TransformerConfig, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        d = config.size
        # Weights are stored by the path of their layer, so every layer's name says which block it belongs to.
        self.norm_attention = keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm_attention")
        self.norm_inner = keras.layers.LayerNormalization(epsilon=EPSILON, name=f"{name}_norm_inner")
        self.attention = CausalAttention(config, name=f"{name}_attention")
        self.inner = keras.layers.Dense(config.inner_size, activation=config.activation, name=f"{name}_inner")
        self.outer = keras.layers.Dense(d, name=f"{name}_outer")
        self.dropout = keras.layers.Dropout(config.dropout)
        self.norm_attention.build((None, None, d))
        self.norm_inner.build((None, None, d))
        self.inner.build((None, None, d))
        self.outer.build((None, None, config.inner_size))

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Return the layer's output (b, t, d)."""
        x = x + self.dropout(self.attention(self.norm_attention(x)), training=training)
        return x + self.dropout(self.feed_forward(x), training=training)

    def feed_forward(self, x: Tensor) -> Tensor:
        """Return the feed-forward branch (b, t, d)."""
        return self.outer(self.inner(self.norm_inner(x)))


class MusicTransformer(keras.Model):
    """Next-event logits (b, t, v) for events (b, t); the embedding is tied to the output."""

    def __init__(self, config: TransformerConfig, **kwargs: Any) -> None:
        super().__init__(name="music_transformer", **kwargs)
        self.config = config
        self.embedding = self.add_weight(
            shape=(config.n_classes, config.size),
            initializer=keras.initializers.RandomNormal(stddev=config.size**-0.5),
            name="embedding",
        )
        self.blocks = [Block(config, name=f"layer_{n}") for n in range(config.n_layers)]
        self.norm = keras.layers.LayerNormalization(epsilon=EPSILON, name="norm")
        self.norm.build((None, None, config.size))
        self.dropout = keras.layers.Dropout(config.dropout)
        self.built = True

    def embed(self, tokens: Tensor, numbers: Tensor) -> Tensor:
        """Return the input (b, t, d) of the first layer for tokens (b, t) with the numbers (t,)."""
        x = ops.take(self.embedding, tokens, axis=0) * self.config.size**0.5
        if self.config.silent_start:
            x = x * ops.cast(ops.expand_dims(ops.not_equal(tokens, 0), -1), x.dtype)
        if self.config.timed:
            x = x + ops.cast(ops.concatenate(waves(numbers, self.config.size // 2, last=True), axis=-1), x.dtype)
        return x

    def read_out(self, x: Tensor) -> Tensor:
        """Return the logits (b, t, v) of the last layer's output (b, t, d)."""
        return self.norm(x) @ ops.transpose(self.embedding)

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Return logits for rows of any length from their beginning; each event attends to the last `window`."""
        x = self.dropout(self.embed(tokens, ops.arange(tokens.shape[1], dtype="int32")), training=training)
        for block in self.blocks:
            x = block(x, training=training)
        return self.read_out(x)

    def empty_cache(self, batch: int = 1) -> Cache:
        """Return the cache before the first event."""
        config = self.config
        shape = (config.n_layers, batch, config.n_heads, config.window, config.head_size)
        return ops.zeros(shape), ops.zeros(shape), ops.zeros((), dtype="int32")

    def step(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """Return logits (b, t, v) for t new events after those in the cache, and the cache with them.

        t may be 1 (a step), 0 (an empty prompt: no logits, the same cache) or any number, also above the window (a
        prompt, read in chunks of the window). Caches are values: they may be kept and gone back to.
        """
        t, w = tokens.shape[1], self.config.window
        if t == 0:
            return ops.zeros((tokens.shape[0], 0, self.config.n_classes)), cache
        found = []
        for start in range(0, t, w):
            logits, cache = self._chunk(tokens[:, start : start + w], cache)
            found.append(logits)
        return (found[0] if len(found) == 1 else ops.concatenate(found, axis=1)), cache

    def _chunk(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        keys, values, seen = cache
        x = self.embed(tokens, seen + ops.arange(tokens.shape[1], dtype="int32"))
        new_keys, new_values = [], []
        for n, block in enumerate(self.blocks):
            branch, k, v = block.attention.step(block.norm_attention(x), keys[n], values[n], seen)
            x = x + branch
            x = x + block.feed_forward(x)
            new_keys.append(k)
            new_values.append(v)
        return self.read_out(x), (ops.stack(new_keys), ops.stack(new_values), seen + tokens.shape[1])


def repeated(cache: Cache, batch: int) -> Cache:
    """Return the cache of one row, (layers, 1, a, w, e), for `batch` continuations of it."""
    keys, values, seen = cache
    return ops.repeat(keys, batch, axis=1), ops.repeat(values, batch, axis=1), seen

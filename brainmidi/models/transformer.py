"""A Music Transformer: causal self-attention with learned relative positions, cached for step-by-step playing.

Training computes the relative term by skewing (Huang et al. 2018, https://arxiv.org/abs/1809.04281, section 3.4.1);
playing looks it up by distance, over a ring of the last `window` keys, so that a session may go on for ever at a cost
per token that does not grow. Both give the same logits.

Shapes: b batch, t new tokens, w window, a heads, e head size, d model size, v vocabulary.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
from keras import ops

Tensor = Any
#: Keys and values, each (layers, b, a, w, e), and the number of tokens seen (int32, shape ()).
Cache = tuple[Tensor, Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes of a Music Transformer.

    Parameters
    ----------
    n_classes : int
        Vocabulary.
    n_layers, size, n_heads, inner_size : int
        Depth, model size d, heads, and width of the feed-forward layer.
    window : int
        How many tokens back attention reaches, itself included.
    dropout : float
        During training.
    """

    n_classes: int = 310
    n_layers: int = 4
    size: int = 192
    n_heads: int = 4
    inner_size: int = 768
    window: int = 512
    dropout: float = 0.1

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``config.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TransformerConfig:
        """Return the configuration that :meth:`to_json` wrote."""
        return cls(**values)


class RelativeAttention(keras.layers.Layer):
    """Multi-head causal attention with one learned vector for each head and distance."""

    def __init__(self, config: TransformerConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        d, a, w = config.size, config.n_heads, config.window
        self.n_heads, self.head_size, self.window = a, d // a, w
        self.qkv = self.add_weight(shape=(d, 3 * d), initializer="glorot_uniform", name="qkv")
        self.out = self.add_weight(shape=(d, d), initializer="glorot_uniform", name="out")
        #: Row r belongs to the relative position r - (w - 1): the last row is the token itself.
        self.relative = self.add_weight(
            shape=(a, w, self.head_size), initializer=keras.initializers.RandomNormal(stddev=0.02), name="relative"
        )

    def project(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return queries (scaled), keys and values, each (b, a, t, e), of x (b, t, d)."""
        b, t = ops.shape(x)[0], ops.shape(x)[1]
        qkv = ops.reshape(x @ self.qkv, (b, t, 3, self.n_heads, self.head_size))
        q, k, v = (ops.transpose(qkv[:, :, n], (0, 2, 1, 3)) for n in range(3))
        return q * self.head_size**-0.5, k, v

    def merge(self, scores: Tensor, v: Tensor) -> Tensor:
        """Return the output (b, t, d) for scores (b, a, t, s), -1e9 where masked, and values (b, a, s, e)."""
        mixed = ops.transpose(ops.softmax(scores, axis=-1) @ v, (0, 2, 1, 3))  # (b, t, a, e)
        b, t = ops.shape(mixed)[0], ops.shape(mixed)[1]
        return ops.reshape(mixed, (b, t, self.n_heads * self.head_size)) @ self.out

    def call(self, x: Tensor) -> Tensor:
        """Attend within x (b, t, d), t at most `window`."""
        q, k, v = self.project(x)
        t = x.shape[1]
        by_row = ops.einsum("bate,awe->batw", q, self.relative[:, self.window - t :])
        # Skewing: pad a column on the left, read the rows one shorter, drop the first: entry (i, j) then holds i - j.
        b = ops.shape(x)[0]
        padded = ops.pad(by_row, ((0, 0), (0, 0), (0, 0), (1, 0)))
        skewed = ops.reshape(padded, (b, self.n_heads, t + 1, t))[:, :, 1:]
        future = ops.triu(ops.full((t, t), -1e9), k=1)
        return self.merge(q @ ops.transpose(k, (0, 1, 3, 2)) + skewed + future, v)

    def extend(self, x: Tensor, keys: Tensor, values: Tensor, seen: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Attend from new tokens x (b, t, d) to the ring and to each other; return output and the new ring.

        Parameters
        ----------
        keys, values : tensor, shape (b, a, w, e)
            Slot s holds the newest token whose number is s modulo w.
        seen : integer tensor, shape ()
            Tokens before x.
        """
        w, t = self.window, x.shape[1]
        q, k, v = self.project(x)
        slots = ops.arange(w, dtype="int32")
        held = seen - 1 - ops.mod(seen - 1 - slots, w)  # (w,) number of the token in each slot, below 0 where empty
        new = seen + ops.arange(t, dtype="int32")  # (t,)
        number = ops.concatenate([held, new], axis=0)  # (w + t,)
        distance = ops.expand_dims(new, 1) - ops.expand_dims(number, 0)  # (t, w + t)
        visible = ops.logical_and(ops.logical_and(distance >= 0, distance < w), ops.expand_dims(number, 0) >= 0)
        by_row = ops.einsum("bate,awe->batw", q, self.relative)
        row = ops.clip(w - 1 - distance, 0, w - 1)
        row = ops.broadcast_to(row, (*ops.shape(by_row)[:2], t, w + t))
        relative = ops.take_along_axis(by_row, row, axis=-1)
        all_keys = ops.concatenate([keys, k], axis=2)
        scores = q @ ops.transpose(all_keys, (0, 1, 3, 2)) + relative
        scores = ops.where(visible, scores, -1e9)
        out = self.merge(scores, ops.concatenate([values, v], axis=2))
        # Slot s now holds the newest of its old token and the new ones; t is at most w.
        offset = ops.mod(slots - seen, w)  # (w,) which new token falls into the slot, if below t
        pick = ops.where(offset < t, w + offset, slots)
        keys = ops.take(all_keys, pick, axis=2)
        values = ops.take(ops.concatenate([values, v], axis=2), pick, axis=2)
        return out, keys, values


class Block(keras.layers.Layer):
    """A pre-norm Transformer layer."""

    def __init__(self, config: TransformerConfig, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        d = config.size
        # Weights are stored by the path of their layer, so every layer's name says which block it belongs to.
        self.norm_attention = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm_attention")
        self.norm_inner = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm_inner")
        self.attention = RelativeAttention(config, name=f"{name}_attention")
        self.inner = keras.layers.Dense(config.inner_size, activation="gelu", name=f"{name}_inner")
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
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")
        self.norm.build((None, None, config.size))
        self.dropout = keras.layers.Dropout(config.dropout)
        self.built = True

    def _embed(self, tokens: Tensor) -> Tensor:
        return ops.take(self.embedding, tokens, axis=0) * self.config.size**0.5

    def _logits(self, x: Tensor) -> Tensor:
        return self.norm(x) @ ops.transpose(self.embedding)

    def call(self, tokens: Tensor, training: bool = False) -> Tensor:
        """Return logits for up to `window` events at once."""
        x = self.dropout(self._embed(tokens), training=training)
        for block in self.blocks:
            x = block(x, training=training)
        return self._logits(x)

    def empty_cache(self, batch: int = 1) -> Cache:
        """Return the cache before the first event."""
        config = self.config
        shape = (config.n_layers, batch, config.n_heads, config.window, config.size // config.n_heads)
        return ops.zeros(shape), ops.zeros(shape), ops.zeros((), dtype="int32")

    def extend(self, tokens: Tensor, cache: Cache) -> tuple[Tensor, Cache]:
        """Return logits (b, t, v) for t new events after those in the cache, and the cache with them.

        t may be 1 (a step) or any number up to the window (prefill in chunks).
        """
        keys, values, seen = cache
        x = self._embed(tokens)
        new_keys, new_values = [], []
        for n, block in enumerate(self.blocks):
            branch, k, v = block.attention.extend(block.norm_attention(x), keys[n], values[n], seen)
            x = x + branch
            x = x + block.feed_forward(x)
            new_keys.append(k)
            new_values.append(v)
        return self._logits(x), (ops.stack(new_keys), ops.stack(new_values), seen + tokens.shape[1])

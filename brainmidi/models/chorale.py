"""A Music Transformer for four voices on a sixteenth grid, with relative attention in position, time and pitch.

The chorale is read as a raster: soprano, alto, tenor, bass of one frame, then of the next. Every cell is foreseen from
the cells before it (Huang et al. 2018, "Music Transformer", https://arxiv.org/abs/1809.04281, sections 3.4 and 4.1: the
row "relative pitch and time" of its table of Bach's chorales). Besides the attention, a cell is told what stands in the
grid already: the newest pitch of each voice, how long it has been held, and the intervals between the voices; and what
it says is said in three ways that are added: as a pitch, and as intervals from the newest pitch of each voice.

Shapes: b batch, f frames, v voice that is foreseen, u voice that is known, t = 4 f cells, a heads, e head size, d model
size, c classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

Tensor = Any
N_VOICES = 4
#: Class of a voice that rests; then come the pitches from the lowest.
SILENCE = 0
#: A frame that is no part of the piece.
PADDING = -1
#: How long a pitch has been held is told in classes, of which these are the last frames. (Told exactly, four voices'
#: lengths name a place in a piece, and the training pieces are soon known by heart.)
HELD = np.array([1, 2, 3, 4, 6, 8, 12])
N_HELD = len(HELD) + 1
#: Columns of what :func:`observed` returns: classes, how long held, class before that, what followed an earlier place
#: like this one, how much alike, place in a span of 16 frames.
N_COLUMNS = 5 * N_VOICES + 1
PHASES = 16
#: An earlier place is like this one if so many cells before both are equal, up to a number that tells how much; and if
#: it lies at least so many frames back, which is no held chord any more.
ALIKE = np.array([16, 32, 48, 64, 96])
N_ALIKE = len(ALIKE) + 1
FURTHER = 16


@dataclass(frozen=True, slots=True)
class ChoraleConfig:
    """Sizes of a chorale model.

    Parameters
    ----------
    low, high : int
        MIDI pitches of the lowest and the highest class.
    n_layers, size, n_heads, inner_size : int
        Depth, model size d, heads, and width of the feed-forward layer.
    reach : int
        Most frames that are attended to at once.
    dropout : float
        During training.
    """

    low: int = 33
    high: int = 84
    n_layers: int = 2
    size: int = 192
    n_heads: int = 4
    inner_size: int = 768
    reach: int = 128
    dropout: float = 0.3

    @property
    def n_pitches(self) -> int:
        """Pitches that have a class."""
        return self.high - self.low + 1

    @property
    def n_classes(self) -> int:
        """Classes of a cell: silence and the pitches."""
        return self.n_pitches + 1

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``config.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> ChoraleConfig:
        """Return the configuration that :meth:`to_json` wrote."""
        return cls(**values)


def observed(classes: NDArray[np.integer]) -> NDArray[np.int32]:
    """Return what the model is told of a whole piece, frame by frame.

    Parameters
    ----------
    classes : ndarray of int, shape (n_frames, 4)
        Of soprano, alto, tenor, bass.

    Returns
    -------
    ndarray of int32, shape (n_frames, 21)
        The classes; for how long each has stood, this frame counted, as classes 0..7 (:data:`HELD`); the class before
        it, -1 where there is none; the class that followed where the cells before were like those before this one
        (-1 for nowhere), and how much alike, 0..5 (:data:`ALIKE`); the frame's number modulo 16.
    """
    rows = np.asarray(classes, dtype=np.int32)
    n = len(rows)
    found = np.empty((n, N_COLUMNS), dtype=np.int32)
    found[:, :N_VOICES] = rows
    found[:, -1] = np.arange(n) % PHASES
    for voice in range(N_VOICES):
        line = rows[:, voice]
        begins = np.flatnonzero(np.concatenate([[True], line[1:] != line[:-1]]))
        number = np.repeat(np.arange(len(begins)), np.diff(np.concatenate([begins, [n]])))
        found[:, N_VOICES + voice] = np.searchsorted(HELD, np.arange(n) - begins[number] + 1)
        found[:, 2 * N_VOICES + voice] = np.where(number > 0, line[begins[number] - 1], PADDING)
    followed, alike = _repeats(rows.ravel())
    found[:, 3 * N_VOICES : 4 * N_VOICES] = followed.reshape(n, N_VOICES)
    found[:, 4 * N_VOICES : 5 * N_VOICES] = alike.reshape(n, N_VOICES)
    return found


def _repeats(cells: NDArray[np.int32]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return for each cell what followed the most similar earlier place, the nearest of equals, and how similar.

    Chorales repeat whole lines: what the tune has done once, all voices do again.
    """
    longest, followed = np.zeros(len(cells), dtype=np.int64), np.full(len(cells), PADDING, dtype=np.int32)
    for lag in range(FURTHER * N_VOICES, len(cells), N_VOICES):
        equal = cells[lag:] == cells[:-lag]
        place = np.arange(len(equal))
        broken = np.maximum.accumulate(np.where(equal, -1, place))  # the last place that differs, this one counted
        before = np.concatenate([[0], (place - broken)[:-1]])  # how many cells before each place are equal
        better = before > longest[lag:]
        longest[lag:][better] = before[better]
        followed[lag:][better] = cells[:-lag][better]
    alike = np.searchsorted(ALIKE, longest, side="right").astype(np.int32)
    return np.where(alike > 0, followed, PADDING).astype(np.int32), alike


class RelationalAttention(keras.layers.Layer):
    """Causal attention whose scores add content, distance in cells, distance in frames, and interval in pitch."""

    def __init__(self, config: ChoraleConfig, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        d, a, cells = config.size, config.n_heads, config.reach * N_VOICES
        self.n_heads, self.head_size, self.n_pitches, self.cells = a, d // a, config.n_pitches, cells
        self.qkv = self.add_weight(shape=(d, 3 * d), initializer="glorot_uniform", name="qkv")
        self.out = self.add_weight(shape=(d, d), initializer="glorot_uniform", name="out")
        self.rate, self.seeds = config.dropout / 2, keras.random.SeedGenerator()
        self.heard = self.add_weight(
            shape=(a, config.n_pitches, self.head_size), initializer="glorot_uniform", name="heard"
        )
        small = keras.initializers.RandomNormal(stddev=0.02)
        #: Row r of each belongs to the distance r.
        self.by_cell = self.add_weight(shape=(a, cells, self.head_size), initializer=small, name="by_cell")
        self.by_frame = self.add_weight(shape=(a, config.reach + 1, self.head_size), initializer=small, name="by_frame")
        self.by_interval = self.add_weight(
            shape=(a, self.head_size, 2 * config.n_pitches - 1), initializer=small, name="by_interval"
        )

    def call(self, x: Tensor, intervals: Tensor, sounded: Tensor, training: bool = False) -> Tensor:
        """Let every cell attend to the cells before it.

        What a cell holds is no part of its own x, which says what is foreseen there; but the cells after it may look at
        both, so that "what came after such a place" is one look away.

        Parameters
        ----------
        x : tensor, shape (b, t, d)
            What is known before each cell.
        intervals : integer tensor, shape (b, 1, t, n_pitches)
            Row of `by_interval` for each pitch, seen from what the cell's voice sang before.
        sounded : tensor, shape (b, 1, t, n_pitches)
            One-hot pitch of each cell; zeros for silence.
        """
        b, t = ops.shape(x)[0], x.shape[1]
        qkv = ops.reshape(x @ self.qkv, (b, t, 3, self.n_heads, self.head_size))
        q, k, v = (ops.transpose(qkv[:, :, n], (0, 2, 1, 3)) for n in range(3))  # (b, a, t, e)
        q, v = q * self.head_size**-0.5, v + sounded @ self.heard
        # How each query would score a key of each pitch; keys then pick theirs by being one-hot.
        scores_of_pitch = ops.einsum("bate,aei->bati", q, self.by_interval)
        heads = (b, self.n_heads, t, self.n_pitches)
        scores_of_pitch = ops.take_along_axis(scores_of_pitch, ops.broadcast_to(intervals, heads), axis=-1)
        queries = ops.concatenate([q, scores_of_pitch], axis=-1)
        keys = ops.concatenate([k, ops.broadcast_to(sounded, heads)], axis=-1)
        not_before = ops.triu(ops.full((t, t), -1e9), k=0)
        if training:  # some cells are hidden from all that look back
            hidden = keras.random.uniform((b, 1, 1, t), seed=self.seeds) < self.rate
            not_before = not_before + ops.where(hidden, -1e9, 0.0)
        scores = queries @ ops.transpose(keys, (0, 1, 3, 2)) + self._by_distance(q) + not_before
        # A score of 0 for looking nowhere, which the first cell has to.
        scores = ops.pad(scores, ((0, 0), (0, 0), (0, 0), (1, 0)))
        shares = ops.softmax(scores, axis=-1)[..., 1:]
        mixed = ops.transpose(shares @ v, (0, 2, 1, 3))
        return ops.reshape(mixed, (b, t, self.n_heads * self.head_size)) @ self.out

    def _by_distance(self, q: Tensor) -> Tensor:
        """Return the scores (b, a, t, t) of distance in cells and in frames."""
        b, t = ops.shape(q)[0], q.shape[2]
        distance = np.arange(t - 1, -1, -1)  # of column r, before skewing
        # A cell of voice v is ceil((distance - v) / 4) frames away from the one `distance` cells before it.
        frames = np.stack([-((v - distance) // N_VOICES) for v in range(N_VOICES)])  # (v, t)
        table = ops.expand_dims(ops.take(self.by_cell, distance, axis=1), 1)  # (a, 1, t, e)
        table = table + ops.take(self.by_frame, np.maximum(frames, 0), axis=1)  # (a, v, t, e)
        voices = ops.reshape(q, (b, self.n_heads, t // N_VOICES, N_VOICES, self.head_size))
        scores = ops.reshape(ops.einsum("bafve,avre->bafvr", voices, table), (b, self.n_heads, t, t))
        # Skewing (section 3.4.1): pad a column on the left, read the rows one shorter, drop the first.
        padded = ops.pad(scores, ((0, 0), (0, 0), (0, 0), (1, 0)))
        return ops.reshape(padded, (b, self.n_heads, t + 1, t))[:, :, 1:]


class Block(keras.layers.Layer):
    """A pre-norm Transformer layer."""

    def __init__(self, config: ChoraleConfig, name: str, **kwargs: Any) -> None:
        super().__init__(name=name, **kwargs)
        d = config.size
        self.norm_attention = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm_attention")
        self.norm_inner = keras.layers.LayerNormalization(epsilon=1e-6, name=f"{name}_norm_inner")
        self.attention = RelationalAttention(config, name=f"{name}_attention")
        self.inner = keras.layers.Dense(config.inner_size, activation="gelu", name=f"{name}_inner")
        self.outer = keras.layers.Dense(d, name=f"{name}_outer")
        self.dropout = keras.layers.Dropout(config.dropout)
        self.norm_attention.build((None, None, d))
        self.norm_inner.build((None, None, d))
        self.inner.build((None, None, d))
        self.outer.build((None, None, config.inner_size))

    def call(self, x: Tensor, intervals: Tensor, sounded: Tensor, training: bool = False) -> Tensor:
        """Return the layer's output (b, t, d)."""
        branch = self.attention(self.norm_attention(x), intervals, sounded, training=training)
        x = x + self.dropout(branch, training=training)
        return x + self.dropout(self.outer(self.inner(self.norm_inner(x))), training=training)


class ChoraleTransformer(keras.Model):
    """Logits (b, f, 4, c) of every cell, each from the cells before it."""

    def __init__(self, config: ChoraleConfig, **kwargs: Any) -> None:
        super().__init__(name="chorale_transformer", **kwargs)
        self.config = config
        d, c, p = config.size, config.n_classes, config.n_pitches
        told = N_VOICES * (c + 1 + 2 * p - 1 + N_HELD) + c + 1 + PHASES + c + N_ALIKE
        self.told = self.add_weight(shape=(N_VOICES, told, d), initializer="glorot_uniform", name="told")
        self.blocks = [Block(config, name=f"layer_{n}") for n in range(config.n_layers)]
        self.norm = keras.layers.LayerNormalization(epsilon=1e-6, name="norm")
        self.norm.build((None, None, d))
        self.dropout = keras.layers.Dropout(config.dropout)
        self.forget = keras.layers.Dropout(config.dropout / 4)
        said = c + N_VOICES * (2 * p - 1)
        self.said = self.add_weight(shape=(N_VOICES, d, said), initializer="glorot_uniform", name="said")
        #: How much the class that followed an earlier place like this one is said to follow again.
        self.again = self.add_weight(shape=(N_VOICES, d), initializer="zeros", name="again")
        self.built = True

    def call(self, frames: Tensor, training: bool = False) -> Tensor:
        """Return logits.

        Parameters
        ----------
        frames : integer tensor, shape (b, f, 21)
            As :func:`observed` gives them, f at most `reach`; -1 throughout where the piece is over.
        """
        config = self.config
        b, f = ops.shape(frames)[0], frames.shape[1]
        cells, (c, p) = f * N_VOICES, (config.n_classes, config.n_pitches)
        newest, held, before = (self._newest(frames[..., n : n + N_VOICES]) for n in range(0, 3 * N_VOICES, N_VOICES))
        own = ops.stack([newest[:, :, v, v] for v in range(N_VOICES)], axis=2)  # (b, f, v)
        leap = ops.stack([before[:, :, v, v] for v in range(N_VOICES)], axis=2)
        interval = newest - ops.expand_dims(own, -1) + p - 1  # (b, f, v, u), 0..2p-2 between pitches
        both = ops.logical_and(newest > SILENCE, ops.expand_dims(own, -1) > SILENCE)
        interval = ops.where(both, interval, -1)
        phase = ops.broadcast_to(frames[:, :, None, -1:], (b, f, N_VOICES, 1))
        followed = ops.one_hot(frames[..., 3 * N_VOICES : 4 * N_VOICES], c)  # (b, f, v, c)
        alike = frames[..., 4 * N_VOICES : 5 * N_VOICES]
        seen = [
            _one_hot(newest + 1, c + 1),
            _one_hot(interval, 2 * p - 1),
            _one_hot(held, N_HELD),
            _one_hot(ops.expand_dims(leap, -1) + 1, c + 1),
            _one_hot(phase, PHASES),
            followed,
            _one_hot(ops.expand_dims(alike, -1), N_ALIKE),
        ]
        # Dropping what is told makes the model look for it elsewhere: 229 pieces are soon known by heart.
        told = self.forget(ops.concatenate(seen, axis=-1), training=training)
        x = ops.einsum("bfvn,vnd->bfvd", told, self.told)
        x = self.dropout(ops.reshape(x, (b, cells, config.size)), training=training)
        rows = _rows(own, p)  # (b, f, v, p)
        sounded = ops.expand_dims(ops.one_hot(ops.reshape(frames[..., :N_VOICES], (b, cells)) - 1, p), 1)
        for block in self.blocks:
            x = block(x, ops.reshape(rows, (b, 1, cells, p)), sounded, training=training)
        x = ops.reshape(self.norm(x), (b, f, N_VOICES, config.size))
        said = ops.einsum("bfvd,vdn->bfvn", x, self.said)
        logits = said[..., :c] + followed * ops.expand_dims(ops.einsum("bfvd,vd->bfv", x, self.again), -1)
        intervals = ops.reshape(said[..., c:], (b, f, N_VOICES, N_VOICES, 2 * p - 1))
        picked = ops.take_along_axis(intervals, _rows(newest, p), axis=-1)  # (b, f, v, u, p)
        picked = ops.where(ops.expand_dims(newest > SILENCE, -1), picked, 0.0)
        pitched = ops.sum(picked, axis=3)
        return logits + ops.pad(pitched, ((0, 0), (0, 0), (0, 0), (1, 0)))

    @staticmethod
    def _newest(column: Tensor) -> Tensor:
        """Return (b, f, v, u): what is known of voice u, of this frame if u comes before v, else of the one before."""
        start = ops.full_like(column[:, :1], PADDING)
        earlier = ops.concatenate([start, column[:, :-1]], axis=1)
        known = np.tril(np.ones((N_VOICES, N_VOICES), dtype=bool), k=-1)  # (v, u): u < v
        return ops.where(known, ops.expand_dims(column, 2), ops.expand_dims(earlier, 2))


def _one_hot(values: Tensor, n: int) -> Tensor:
    """Return (b, f, v, k n) for values (b, f, v, k); zeros where a value is below 0."""
    f, v, k = values.shape[1:]
    rows = ops.one_hot(values, n)
    return ops.reshape(rows, (ops.shape(values)[0], f, v, k * n))


def _rows(classes: Tensor, n_pitches: int) -> Tensor:
    """Return for each class (...) which row of intervals belongs to each pitch: (..., n_pitches)."""
    reference = ops.expand_dims(ops.maximum(classes, 1), -1)
    return ops.arange(1, n_pitches + 1, dtype="int32") - reference + n_pitches - 1

"""A Music Transformer written a second time, in numpy, float64, token by token and pair by pair: slow and plain.

It shares no code with the models. `of_ours` reads a checkpoint of ours, `of_magenta` Magenta's variables.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass
class Layer:
    """One layer's weights; `relative` (a, r, e) has distance 0 in its last row."""

    norm_attention: tuple[np.ndarray, np.ndarray]
    q: np.ndarray
    k: np.ndarray
    v: np.ndarray
    out: np.ndarray
    relative: np.ndarray | None
    norm_inner: tuple[np.ndarray, np.ndarray]
    inner: tuple[np.ndarray, np.ndarray]
    outer: tuple[np.ndarray, np.ndarray]


@dataclass
class Reference:
    """All weights, and how they are read."""

    embedding: np.ndarray
    layers: list[Layer]
    norm: tuple[np.ndarray, np.ndarray]
    n_heads: int
    window: int
    activation: str
    rotary: bool
    timed: bool
    silent_start: bool

    def logits(self, tokens: list[int]) -> np.ndarray:
        """Return the logits (t, v) after each token."""
        x = np.array([self._embed(token, number) for number, token in enumerate(tokens)])
        for layer in self.layers:
            normal = np.array([normalised(row, *layer.norm_attention) for row in x])
            x = x + self._attend(normal, layer)
            for n, row in enumerate(x):
                inner = normalised(row, *layer.norm_inner) @ layer.inner[0] + layer.inner[1]
                x[n] = row + self._activate(inner) @ layer.outer[0] + layer.outer[1]
        return np.array([self.embedding @ normalised(row, *self.norm) for row in x])

    def greedy(self, tokens: list[int], n: int) -> list[int]:
        """Return the n likeliest tokens after `tokens`, each given those before it."""
        row = list(tokens)
        for _ in range(n):
            row.append(int(self.logits(row)[-1].argmax()))
        return row[len(tokens) :]

    def _embed(self, token: int, number: int) -> np.ndarray:
        d = self.embedding.shape[1]
        x = self.embedding[token] * math.sqrt(d)
        if self.silent_start and token == 0:
            x = np.zeros(d)
        if self.timed:
            angles = [number / 10000.0 ** (k / max(d // 2 - 1, 1)) for k in range(d // 2)]
            x = x + np.array([math.sin(angle) for angle in angles] + [math.cos(angle) for angle in angles])
        return x

    def _attend(self, x: np.ndarray, layer: Layer) -> np.ndarray:
        t, d = x.shape
        e = d // self.n_heads
        mixed = np.zeros((t, d))
        for head in range(self.n_heads):
            columns = slice(head * e, (head + 1) * e)
            queries, keys = (x @ layer.q)[:, columns], (x @ layer.k)[:, columns]
            values = (x @ layer.v)[:, columns]
            if self.rotary:
                queries = np.array([turned(row, n) for n, row in enumerate(queries)])
                keys = np.array([turned(row, n) for n, row in enumerate(keys)])
            for i in range(t):
                seen = range(max(i - self.window + 1, 0), i + 1)
                scores = []
                for j in seen:
                    score = queries[i] @ keys[j]
                    if layer.relative is not None and i - j < layer.relative.shape[1]:
                        score += queries[i] @ layer.relative[head, -1 - (i - j)]
                    scores.append(score / math.sqrt(e))
                shares = np.exp(np.array(scores) - max(scores))
                mixed[i, columns] = sum(share * values[j] for share, j in zip(shares / shares.sum(), seen, strict=True))
        return mixed @ layer.out

    def _activate(self, x: np.ndarray) -> np.ndarray:
        if self.activation == "relu":
            return np.array([max(value, 0.0) for value in x])
        return np.array([value * (1.0 + math.erf(value / math.sqrt(2.0))) / 2.0 for value in x])


def normalised(x: np.ndarray, gain: np.ndarray, offset: np.ndarray) -> np.ndarray:
    return (x - x.mean()) / math.sqrt(x.var() + 1e-6) * gain + offset


def turned(x: np.ndarray, number: int) -> np.ndarray:
    """Return x (e,) with its pairs (k, k + e / 2) turned by angles proportional to `number`, as complex numbers."""
    half = len(x) // 2
    angles = np.array([number * 10000.0 ** (-k / half) for k in range(half)])
    pairs = (x[:half] + 1j * x[half:]) * np.exp(1j * angles)
    return np.concatenate([pairs.real, pairs.imag])


def of_ours(config, weights: dict[str, np.ndarray]) -> Reference:
    """Return the reference for a configuration and its weights by name."""
    w = {name: np.asarray(value, dtype=np.float64) for name, value in weights.items()}
    layers = []
    for n in range(config.n_layers):
        at = f"layer_{n}_"
        q, k, v = np.split(w[at + "attention/qkv"], 3, axis=1)
        layers.append(
            Layer(
                (w[at + "norm_attention/gamma"], w[at + "norm_attention/beta"]),
                q,
                k,
                v,
                w[at + "attention/out"],
                w.get(at + "attention/relative"),
                (w[at + "norm_inner/gamma"], w[at + "norm_inner/beta"]),
                (w[at + "inner/kernel"], w[at + "inner/bias"]),
                (w[at + "outer/kernel"], w[at + "outer/bias"]),
            )
        )
    return Reference(
        w["music_transformer/embedding"],
        layers,
        (w["norm/gamma"], w["norm/beta"]),
        config.n_heads,
        config.window,
        config.activation,
        config.positions == "rotary",
        config.positions in ("sinusoidal", "both"),
        config.silent_start,
    )


def of_magenta(variables: dict[str, np.ndarray], n_layers: int, n_heads: int, window: int) -> Reference:
    """Return the reference for Magenta's variables, as Tensor2Tensor reads them."""
    w = {name.removeprefix("transformer/"): np.asarray(value, dtype=np.float64) for name, value in variables.items()}

    def norm(scope: str) -> tuple[np.ndarray, np.ndarray]:
        place = f"body/decoder/{scope}layer_prepostprocess/layer_norm/layer_norm_"
        return w[place + "scale"], w[place + "bias"]

    layers = []
    for n in range(n_layers):
        at, scope = f"layer_{n}/", f"body/decoder/layer_{n}/"
        attention = scope + "self_attention/multihead_attention/"
        relative = w.get(attention + "dot_product_self_attention_relative_v2/key_relative_embeddings")
        if relative is not None and relative.ndim == 2:  # The heads share it.
            relative = np.array([relative] * n_heads)
        layers.append(
            Layer(
                norm(at + "self_attention/"),
                *(w[f"{attention}{part}/kernel"] for part in "qkv"),
                w[attention + "output_transform/kernel"],
                relative,
                norm(at + "ffn/"),
                (w[scope + "ffn/conv1/kernel"], w[scope + "ffn/conv1/bias"]),
                (w[scope + "ffn/conv2/kernel"], w[scope + "ffn/conv2/bias"]),
            )
        )
    (embedding,) = (value for name, value in w.items() if name.startswith("symbol_modality"))
    return Reference(embedding, layers, norm(""), n_heads, window, "relu", False, True, True)

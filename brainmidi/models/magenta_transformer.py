"""Magenta's Music Transformers as ours: which variable of Tensor2Tensor's becomes which weight.

The published ``unconditional_model_16`` knows its place by the timing signal alone. A Tensor2Tensor model with relative
attention (``dot_product_relative_v2``) has the timing signal too, and in every layer one variable more: a vector for
each distance and head, or for each distance where the heads share them. Both kinds are read; which one it is is seen
from the variables. Rows begin with id 0, which is read as silence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from brainmidi.models.magenta import Weights, check_variables, resembling
from brainmidi.models.transformer_config import TransformerConfig

#: Magenta's Music Transformers by our name for them. They were trained on rows of 2,048 events.
TRANSFORMERS: dict[str, TransformerConfig] = {
    "music-transformer-unconditional": TransformerConfig(
        n_classes=310,
        n_layers=16,
        size=512,
        n_heads=8,
        inner_size=2048,
        window=2048,
        positions="sinusoidal",
        activation="relu",
        silent_start=True,
    )
}
_BODY = "transformer/body/decoder"
_LAST = f"{_BODY}/layer_prepostprocess/layer_norm/layer_norm"
_ATTENTION = "self_attention/multihead_attention"
_RELATIVE = f"{_ATTENTION}/dot_product_self_attention_relative_v2/key_relative_embeddings"
#: Each weight of a layer by our name, and the variable that becomes it; `attention/qkv` is three of them.
_LAYER = {
    "norm_attention/gamma": "self_attention/layer_prepostprocess/layer_norm/layer_norm_scale",
    "norm_attention/beta": "self_attention/layer_prepostprocess/layer_norm/layer_norm_bias",
    "attention/out": f"{_ATTENTION}/output_transform/kernel",
    "norm_inner/gamma": "ffn/layer_prepostprocess/layer_norm/layer_norm_scale",
    "norm_inner/beta": "ffn/layer_prepostprocess/layer_norm/layer_norm_bias",
    "inner/kernel": "ffn/conv1/kernel",
    "inner/bias": "ffn/conv1/bias",
    "outer/kernel": "ffn/conv2/kernel",
    "outer/bias": "ffn/conv2/bias",
}


def _embedding_name(config: TransformerConfig) -> str:
    return f"transformer/symbol_modality_{config.n_classes}_{config.size}/shared/weights_0"


def transformer_variables(config: TransformerConfig, *, shared: bool = False) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of all of Magenta's variables; `shared` says whether heads share relative vectors."""
    d, n = config.size, config.inner_size
    layer: dict[str, tuple[int, ...]] = dict.fromkeys(_LAYER.values(), (d,))
    layer |= {f"{_ATTENTION}/{part}/kernel": (d, d) for part in ("q", "k", "v", "output_transform")}
    layer |= {"ffn/conv1/kernel": (d, n), "ffn/conv1/bias": (n,), "ffn/conv2/kernel": (n, d)}
    if config.n_distances:
        vectors = (config.n_distances, config.head_size)
        layer[_RELATIVE] = vectors if shared else (config.n_heads, *vectors)
    found = {f"{_BODY}/layer_{k}/{name}": shape for k in range(config.n_layers) for name, shape in layer.items()}
    return {_embedding_name(config): (config.n_classes, d), **found, f"{_LAST}_scale": (d,), f"{_LAST}_bias": (d,)}


def _kind(config: TransformerConfig, weights: Mapping[str, NDArray[np.float32]]) -> tuple[TransformerConfig, bool]:
    """Return the configuration of the kind that the first layer's variables show, and whether heads share vectors."""
    vectors = weights.get(f"{_BODY}/layer_0/{_RELATIVE}")
    if vectors is None or vectors.ndim not in (2, 3):
        return config, False
    n_distances = min(max(vectors.shape[-2], 1), config.window)
    return replace(config, positions="both", max_distance=n_distances), vectors.ndim == 2


def resembling_transformers(weights: Mapping[str, NDArray[np.float32]]) -> list[str]:
    """Return the Music Transformers that weights fit by every name and shape."""
    shapes = {name: value.shape for name, value in weights.items()}
    kinds = {name: _kind(config, weights) for name, config in TRANSFORMERS.items()}
    return [name for name, (config, shared) in kinds.items() if transformer_variables(config, shared=shared) == shapes]


def convert_transformer(name: str, weights: Mapping[str, NDArray[np.float32]]) -> tuple[TransformerConfig, Weights]:
    """Return the configuration of Magenta's weights, and the weights as ours.

    Parameters
    ----------
    name : str
        Of :data:`TRANSFORMERS`.
    weights : mapping of str to array
        Magenta's variables, without its optimizer's.

    Raises
    ------
    ModelError
        If anything is missing, left over, of another shape or not finite; and which configuration fits, if one does.
    """
    config, shared = _kind(TRANSFORMERS[name], weights)
    check_variables(name, weights, transformer_variables(config, shared=shared), resembling)
    ours: Weights = {"music_transformer/embedding": weights[_embedding_name(config)]}
    for n in range(config.n_layers):
        scope, at = f"{_BODY}/layer_{n}", f"layer_{n}_"
        ours |= {at + mine: weights[f"{scope}/{theirs}"] for mine, theirs in _LAYER.items()}
        parts = [weights[f"{scope}/{_ATTENTION}/{part}/kernel"] for part in "qkv"]
        ours[at + "attention/qkv"] = np.concatenate(parts, axis=1)
        if config.n_distances:
            shape = (config.n_heads, config.n_distances, config.head_size)
            ours[at + "attention/relative"] = np.broadcast_to(weights[f"{scope}/{_RELATIVE}"], shape).copy()
    return config, ours | {"norm/gamma": weights[f"{_LAST}_scale"], "norm/beta": weights[f"{_LAST}_bias"]}

"""Music Transformers of a few hundred weights, one for every kind of positions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from brainmidi.models.transformer_config import TransformerConfig, weight_shapes

SMALL = TransformerConfig(n_classes=23, n_layers=2, size=16, n_heads=2, inner_size=24, window=16)
#: Every kind of positions, and the longest distance within the window, at its end and at one.
CONFIGS = {
    "relative": SMALL,
    "relative, half": replace(SMALL, max_distance=8),
    "relative, one": replace(SMALL, max_distance=1, activation="relu"),
    "rotary": replace(SMALL, positions="rotary"),
    "sinusoidal": replace(SMALL, positions="sinusoidal", activation="relu", silent_start=True),
    "both": replace(SMALL, positions="both", activation="relu", max_distance=8),
}
N_EVENTS = 40
TOKENS = np.random.default_rng(5).integers(0, SMALL.n_classes, (2, N_EVENTS)).astype(np.int32)


def drawn(config: TransformerConfig, seed: int = 3) -> dict[str, np.ndarray]:
    """Return random weights, large enough for sharp attention, norms not at one and zero."""
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(0.0, 0.3, shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
    return {name: value + 1 if name.endswith("gamma") else value for name, value in found.items()}

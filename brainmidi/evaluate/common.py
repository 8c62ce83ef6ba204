"""What the measurements share: a model's weights, the loss of its logits, and a choice among many examples."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from brainmidi.models.checkpoint import put_weights, read_sizes, read_weights

Sizes = TypeVar("Sizes")
Model = TypeVar("Model")


def load_model(
    folder: Path, kind: str, config_type: Callable[[dict[str, Any]], Sizes], model_type: Callable[[Sizes], Model]
) -> Model:
    """Return the Keras model of a checkpoint, on whichever back end Keras runs.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    kind : str
        Of model that it has to be.
    config_type, model_type : callable
        A ``from_json`` of the sizes, and what makes a model of them.

    Raises
    ------
    ModelError
        If it is damaged or of another kind.
    """
    model = model_type(read_sizes(folder, kind, config_type))
    put_weights(model, read_weights(folder))
    return model


def negative_log_likelihood(logits: NDArray[np.floating], classes: NDArray[np.integer]) -> NDArray[np.floating]:
    """Return minus the log-probability of `classes` (...) under `logits` (..., c), in nats, as precise as they are."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    own = np.take_along_axis(shifted, classes[..., None].astype(np.int64), axis=-1)[..., 0]
    return np.asarray(np.log(np.exp(shifted).sum(axis=-1)) - own)


def evenly(n: int, most: int) -> NDArray[np.intp]:
    """Return the indices of at most so many of `n` things, evenly spread, the first and the last among them."""
    return np.linspace(0, n - 1, min(most, n)).astype(np.intp)

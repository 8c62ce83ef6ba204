"""A Music Transformer on TensorFlow: loaded from a checkpoint, its step traced once for a fixed shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.models.quiet import without_load_notes, without_scikit_learn

with without_load_notes(), without_scikit_learn():
    import tensorflow as tf

# These load Keras too, and so come after the block that keeps it quiet.
from brainmidi.models.checkpoint import put_weights, read_sizes, read_weights
from brainmidi.models.compiled import check_back_end
from brainmidi.models.transformer import MusicTransformer, TransformerConfig

Float32Array = NDArray[np.float32]


class CompiledTransformer:
    """A Music Transformer ready to be fed one event at a time.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        check_back_end()
        self.config = read_sizes(folder, "transformer", TransformerConfig.from_json)
        self.model = MusicTransformer(self.config)
        put_weights(self.model, read_weights(folder))
        self._empty = self.model.empty_cache()
        cache = [tf.TensorSpec(part.shape, part.dtype) for part in self._empty]
        self._step = tf.function(
            lambda token, *cache: self.model.extend(token, cache),
            input_signature=[tf.TensorSpec((1, 1), tf.int32), *cache],
        )

    def initial(self) -> Any:
        """Return the cache before the first event; caches are immutable and may be kept and gone back to."""
        return self._empty

    def step(self, token: int, cache: Any) -> tuple[Float32Array, Any]:
        """Return the next event's logits, shape (n_classes,), after `token`, and the cache that holds it."""
        logits, cache = self._step(tf.constant([[token]], tf.int32), *cache)
        return np.asarray(logits[0, 0].numpy(), dtype=np.float32), cache

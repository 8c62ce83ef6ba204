"""The one adapter to TensorFlow: models loaded from a checkpoint, each step traced once for a fixed shape."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Read when TensorFlow loads: its notes on CPUs and missing GPUs are nothing that a musician can act on.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def _without_load_notes() -> Iterator[None]:
    """Hold back what native code writes to stderr while it loads, and pass on what is more than a note.

    Its logger starts after the first lines are out, so that no setting reaches them.
    """
    with tempfile.TemporaryFile() as held:
        sys.stderr.flush()
        real = os.dup(2)
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(real, 2)
            os.close(real)
            held.seek(0)
            for line in held.read().decode(errors="replace").splitlines():
                if line and not line.startswith(("I0000", "WARNING: All log messages before absl")):
                    print(line, file=sys.stderr)


with _without_load_notes():
    import keras
    import tensorflow as tf

# These load Keras too, and so come after the block that keeps it quiet.
from brainmidi.errors import ModelError  # noqa: E402
from brainmidi.models.checkpoint import put_weights, read_sizes, read_weights  # noqa: E402
from brainmidi.models.musicvae import MusicVae, MusicVaeConfig  # noqa: E402
from brainmidi.models.transformer import MusicTransformer, TransformerConfig  # noqa: E402

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int32]


def use_threads(threads: int) -> None:
    """Let TensorFlow use this many cores; works only before its first operation, and says nothing after it."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return  # Already running: the threads that it has are the ones it keeps.


def _check_back_end() -> None:
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Keras runs on {keras.backend.backend()!r}, playing needs 'tensorflow'; unset KERAS_BACKEND and restart"
        )


class CompiledMusicVae:
    """A MusicVAE ready to encode and decode one phrase at a time.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        _check_back_end()
        self.config = read_sizes(folder, "musicvae", MusicVaeConfig.from_json)
        self.model = MusicVae(self.config)
        put_weights(self.model, read_weights(folder))
        t, c, z = self.config.n_steps, self.config.n_classes, self.config.latent_size
        self._encode = tf.function(self.model.encode, input_signature=[tf.TensorSpec((1, t), tf.int32)])
        self._decode = tf.function(
            self.model.decode,
            input_signature=[
                tf.TensorSpec((1, z)),
                tf.TensorSpec((1, t, c)),
                tf.TensorSpec((1, t, c)),
                tf.TensorSpec((1,)),
                tf.TensorSpec((1, t), tf.int32),
            ],
        )

    def encode(self, tokens: IntArray) -> Float32Array:
        """Return the mean of q(z | x), shape (latent_size,), of tokens, shape (n_steps,)."""
        mu, _ = self._encode(tf.constant(tokens[None], tf.int32))
        return np.asarray(mu[0].numpy(), dtype=np.float32)

    def decode(
        self, z: Float32Array, bias: Float32Array, gumbel: Float32Array, temperature: float, forced: IntArray
    ) -> IntArray:
        """Return tokens, shape (n_steps,); arguments as :meth:`MusicVae.decode` without the batch axis."""
        tokens = self._decode(
            tf.constant(z[None], tf.float32),
            tf.constant(bias[None], tf.float32),
            tf.constant(gumbel[None], tf.float32),
            tf.constant([temperature], tf.float32),
            tf.constant(forced[None], tf.int32),
        )
        return np.asarray(tokens[0].numpy(), dtype=np.int32)


class CompiledTransformer:
    """A Music Transformer ready to be fed one event at a time.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        _check_back_end()
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

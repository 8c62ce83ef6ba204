"""A MusicVAE on TensorFlow: loaded from a checkpoint, each call traced once for a fixed shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.models.lean import leaving_out
from brainmidi.models.quiet import without_load_notes

with without_load_notes(), leaving_out():
    import keras
    import tensorflow as tf

# These load Keras too, and so come after the block that keeps it quiet.
from brainmidi.errors import ModelError
from brainmidi.models.checkpoint import put_weights, read_sizes, read_weights
from brainmidi.models.configs import MusicVaeConfig
from brainmidi.models.lstm import blank
from brainmidi.models.musicvae import MusicVae

Float32Array = NDArray[np.float32]
IntArray = NDArray[np.int32]


def use_threads(threads: int) -> None:
    """Let TensorFlow use this many cores; works only before its first operation, and says nothing after it."""
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        return  # Already running: the threads that it has are the ones it keeps.


def check_back_end() -> None:
    """Refuse, with a ModelError, to compile for TensorFlow where Keras runs on something else."""
    if keras.backend.backend() != "tensorflow":
        raise ModelError(
            f"Keras runs on {keras.backend.backend()!r}, playing needs 'tensorflow'; unset KERAS_BACKEND and restart"
        )


def _traced(function: Any, **kwargs: Any) -> Any:
    """Return a function traced once for each shape; its loops are Keras' already, so nothing has to be rewritten."""
    return tf.function(function, autograph=False, reduce_retracing=False, **kwargs)


class CompiledMusicVae:
    """A MusicVAE ready to encode and decode; each batch size is traced when it is first asked for.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    """

    def __init__(self, folder: Path) -> None:
        check_back_end()
        self.config = read_sizes(folder, "musicvae", MusicVaeConfig.from_json)
        with blank():
            self.model = MusicVae(self.config)
        put_weights(self.model, read_weights(folder))
        self._encode = _traced(self.model.encode)
        self._decode = _traced(lambda z, extra, *given: self.model.decode(z, 0.0, extra, *given), jit_compile=True)
        self._forced = _traced(self.model.teacher_forced, jit_compile=True)

    def encode(
        self, events: NDArray[Any], controls: Float32Array | None = None, lengths: IntArray | None = None
    ) -> tuple[Float32Array, Float32Array]:
        """Return mean and standard deviation of q(z | x), each (b, latent_size); as :meth:`MusicVae.encode`."""
        given = [tf.constant(events, self.model.event_dtype)]
        given += [None if controls is None else tf.constant(controls, tf.float32)]
        given += [None if lengths is None else tf.constant(lengths, tf.int32)]
        mu, sigma = self._encode(*given)
        return mu.numpy(), sigma.numpy()

    def teacher_forced(
        self, z: Float32Array, targets: NDArray[Any], controls: Float32Array | None = None
    ) -> Float32Array:
        """Return raw outputs (b, n_steps, n), each step given the true event before it; as in :class:`MusicVae`."""
        given = None if controls is None else tf.constant(controls, tf.float32)
        raw = self._forced(tf.constant(z, tf.float32), tf.constant(targets, self.model.event_dtype), given)
        return np.asarray(raw.numpy())

    def decode(
        self,
        z: Float32Array,
        *,
        bias: Float32Array | None = None,
        noise: Float32Array | None = None,
        temperature: float = 1.0,
        forced: NDArray[Any] | None = None,
        controls: Float32Array | None = None,
    ) -> NDArray[Any]:
        """Return events (b, n_steps, k) of latents (b, latent_size), greedily unless `noise` is given.

        Arguments as :meth:`MusicVae.decode`.
        """
        b, t = len(z), self.config.n_steps
        if bias is None and noise is None:
            extra = np.zeros((b, t, self.model.n_odds), dtype=np.float32)
        elif bias is None or noise is None:
            extra = np.asarray(noise if bias is None else bias)
        else:
            extra = bias + noise
        if forced is None:
            free = -1 if self.model.event_dtype == "int32" else np.nan
            forced = np.full((b, t, self.model.width), free)
        events = self._decode(
            tf.constant(z, tf.float32),
            tf.constant(extra, tf.float32),
            tf.fill((b,), tf.constant(temperature, tf.float32)),
            tf.constant(forced, self.model.event_dtype),
            None if controls is None else tf.constant(controls, tf.float32),
        )
        return np.asarray(events.numpy())

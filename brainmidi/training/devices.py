"""What a training runs on: Keras' back end, and several devices that share every batch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from brainmidi.errors import ConfigError
from brainmidi.models.quiet import without_load_notes

BACK_ENDS = ("tensorflow", "jax")
_USE_JAX = "install 'brainmidi[train]' and begin the command with KERAS_BACKEND=jax"


def need_back_end() -> str:
    """Load Keras and return its back end's name.

    Raises
    ------
    ConfigError
        If the back end is unknown, not installed, or cannot train.
    """
    wanted = os.environ.get("KERAS_BACKEND", "tensorflow")
    try:
        with without_load_notes():
            import keras
    except (ImportError, ValueError) as error:
        raise ConfigError(f"KERAS_BACKEND={wanted} cannot be loaded ({error}); unset it, or {_USE_JAX}") from None
    found = str(keras.backend.backend())
    if found not in BACK_ENDS:
        raise ConfigError(f"KERAS_BACKEND={found} cannot train here, {' or '.join(BACK_ENDS)} can; {_USE_JAX}")
    return found


def need_devices(n_devices: int) -> list[str]:
    """Return the names of so many devices.

    Raises
    ------
    ConfigError
        If there are fewer, or Keras does not run on JAX: on TensorFlow its distribution API is a stub.
    """
    back_end = need_back_end()
    if back_end != "jax":
        raise ConfigError(f"{n_devices} devices are asked for, Keras on {back_end} uses 1; {_USE_JAX}")
    import keras

    devices: list[str] = keras.distribution.list_devices()
    if n_devices > len(devices):
        raise ConfigError(
            f"{n_devices} devices are asked for, JAX has {len(devices)} ({', '.join(devices)}); ask for fewer (to have "
            f"a CPU counted as so many, set XLA_FLAGS=--xla_force_host_platform_device_count={n_devices})"
        )
    return devices[:n_devices]


@contextmanager
def shared_by(n_devices: int, batch_size: int) -> Iterator[None]:
    """Have models that are made and trained inside of this share every batch among devices, each with all weights.

    The batches, and with them the losses, are those of one device, up to the order in which floats are added.

    Parameters
    ----------
    n_devices : int
        Devices, from 1.
    batch_size : int
        Rows of a batch, over all devices.

    Raises
    ------
    ConfigError
        As :func:`need_devices`, or if the batch cannot be shared evenly.
    """
    if n_devices == 1:
        yield
        return
    devices = need_devices(n_devices)
    if batch_size % n_devices:
        fitting = ", ".join(str(n) for n in range(1, n_devices) if batch_size % n == 0)
        raise ConfigError(f"{n_devices} devices cannot share batches of {batch_size} evenly; choose from {fitting}")
    import keras

    with keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope():
        yield


@contextmanager
def mixed_precision() -> Iterator[None]:
    """Have models that are made inside of this compute in bfloat16 where the hardware is made for it: on GPU and TPU.

    Weights, and what is saved of them, stay float32. On a CPU nothing changes: there bfloat16 is emulated and slow.
    """
    import keras

    devices: list[str] = keras.distribution.list_devices()
    if all(name.startswith("cpu") for name in devices):
        yield
        return
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)

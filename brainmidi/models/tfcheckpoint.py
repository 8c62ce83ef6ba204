"""TensorFlow's own reader of its checkpoints; TensorFlow is loaded with this file and for it alone."""

from __future__ import annotations

import glob
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ModelError
from brainmidi.models.quiet import without_load_notes

with without_load_notes():
    import tensorflow as tf

_FLOATS = {tf.float16: 2, tf.float32: 4, tf.float64: 8}


def read_variables(prefix: Path, wanted: Callable[[str], bool]) -> dict[str, NDArray[np.float32]]:
    """Return the variables of a checkpoint by name.

    Parameters
    ----------
    prefix : Path
        What its ``.index`` and ``.data-?????-of-?????`` files have in common.
    wanted : callable
        Tells by its name whether a variable is read.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or a variable is no float.
    """
    data = prefix.parent.glob(f"{glob.escape(prefix.name)}.data-*-of-*")
    there = sum(path.stat().st_size for path in data)
    try:
        reader = tf.compat.v1.train.NewCheckpointReader(str(prefix))  # Takes a prefix for a prefix, never for a folder.
        types = reader.get_variable_to_dtype_map()
        shapes = {name: shape for name, shape in reader.get_variable_to_shape_map().items() if wanted(name)}
        for name in sorted(shapes):
            if types[name] not in _FLOATS:
                raise ModelError(f"variable {name} of {prefix.name} holds {types[name].name}, floats are needed")
        # An index may lie about shapes: nothing is allocated beyond what the data files hold.
        needed = sum(math.prod(shape) * _FLOATS[types[name]] for name, shape in shapes.items())
        if needed > there:
            raise ModelError(
                f"the data of {prefix.name} holds {there:,} bytes, its index needs {needed:,}; fetch or copy it again"
            )
        return {name: np.asarray(reader.get_tensor(name), dtype=np.float32) for name in sorted(shapes)}
    except (tf.errors.OpError, IndexError, ValueError, RuntimeError, MemoryError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(f"{prefix.name} is no checkpoint or is damaged ({reason}); fetch or copy it again") from None

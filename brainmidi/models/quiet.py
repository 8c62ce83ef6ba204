"""Hold back what TensorFlow's native code writes to stderr while it loads: nothing that a musician can act on."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

# Read when TensorFlow loads.
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextmanager
def without_load_notes() -> Iterator[None]:
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

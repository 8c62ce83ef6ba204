"""What all tests share."""

from __future__ import annotations

import os

from hypothesis import settings

from brainmidi.cli.main import QUIET

# As the program does before anything loads TensorFlow: else processes that tests start would compute with another
# library than this one, and not bit for bit the same.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", QUIET["TF_ENABLE_ONEDNN_OPTS"])

# The same examples on every run, and no deadline: a busy machine is not a failure.
settings.register_profile("brainmidi", deadline=None, derandomize=True)
settings.load_profile("brainmidi")

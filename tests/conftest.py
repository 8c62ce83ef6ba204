"""What all tests share."""

from __future__ import annotations

from hypothesis import settings

# The same examples on every run, and no deadline: a busy machine is not a failure.
settings.register_profile("brainmidi", deadline=None, derandomize=True)
settings.load_profile("brainmidi")

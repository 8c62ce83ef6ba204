"""The doctor looks at the models: are the shipped ones whole, do all of them load, and how long does that take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from brainmidi.config import SessionConfig
from brainmidi.drivers import assemble
from brainmidi.drivers.chosen import chosen_checkpoints
from brainmidi.drivers.doctor import Finding
from brainmidi.errors import ModelError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.models.checkpoint import WEIGHTS_FILE, checkpoints_root, list_checkpoints, read_config, read_weights

#: The SHA-256 of each shipped checkpoint's weights, by folder.
HASHES_FILE = "hashes.json"


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def look_at_weights(root: Path | None = None) -> Iterator[Finding]:
    """Compare the shipped weights with their hashes, and read all that there are.

    Parameters
    ----------
    root : Path, optional
        Of the shipped checkpoints.
    """
    root = root or checkpoints_root()
    hashes: dict[str, str] = json.loads((root / HASHES_FILE).read_text(encoding="utf-8"))
    for folder in [*(root / name for name in hashes), *(each for each in list_checkpoints() if each.parent != root)]:
        again = "pip install --force-reinstall brainmidi" if folder.parent == root else "import it again"
        try:
            kind = read_config(folder)["kind"]
            weights = read_weights(folder)
        except ModelError as error:
            text, _, remedy = str(error).rpartition("; ")
            yield Finding("models", "problem", text or str(error), again if text else remedy)
            continue
        found = sha256(folder / WEIGHTS_FILE)
        if hashes.get(folder.name, found) != found and folder.parent == root:
            text = f"{folder.name}: its weights are not those that were shipped (SHA-256 {found[:12]})"
            yield Finding("models", "problem", text, again)
        else:
            size = sum(array.size for array in weights.values())
            yield Finding("models", "ok", f"{folder.name}: {kind}, {size:,} weights, SHA-256 {found[:12]}")


def look_at_session(config: SessionConfig) -> Iterator[Finding]:
    """Load the models that `config` asks for, as a take does."""
    from brainmidi.drivers.offline import make_session

    clock = MonotonicClock()
    began_s = clock.now_s()
    checkpoints = chosen_checkpoints(config)
    make_session(assemble.session_setup(config), config.session.parts, threads=1, checkpoints=checkpoints)
    names = ", ".join(config.session.parts)
    yield Finding("models", "ok", f"the models of {names} load in {clock.now_s() - began_s:.1f} s")

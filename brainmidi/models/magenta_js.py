"""Models of magenta.js: a manifest of weights, and shards of bytes that hold one after the other.

The format is TensorFlow.js' (``WeightsManifestConfig``): groups of weights, each with name, shape and dtype, and, if
quantised, with the dtype that is stored and the scale and minimum that give the value ``stored * scale + min``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ModelError
from brainmidi.models.archive import GIB, MAX_FILES, MAX_TOTAL_BYTES, inside
from brainmidi.models.download import Absent, Progress, below, download

MANIFEST = "weights_manifest.json"
DESCRIPTION = "config.json"
MAX_TEXT_BYTES = 2**24
_STORED = {"float32": "<f4", "float16": "<f2", "uint8": "u1", "uint16": "<u2"}


def fetch(url: str, folder: Path, progress: Progress | None = None) -> None:
    """Fetch the model below an address into a folder: description (if any), manifest, and the shards that it names.

    Raises
    ------
    ModelError
        As :func:`~brainmidi.models.download.download`; and if it is no MusicVAE, or the manifest makes no sense.
    """
    try:
        download(below(url, DESCRIPTION), folder / DESCRIPTION, progress, MAX_TEXT_BYTES)
    except Absent:
        (folder / DESCRIPTION).unlink(missing_ok=True)
    _check_description(folder / DESCRIPTION)
    download(below(url, MANIFEST), folder / MANIFEST, progress, MAX_TEXT_BYTES)
    left = MAX_TOTAL_BYTES
    for name in shards(folder):
        download(below(url, name), folder / inside(name), progress, left)
        left -= (folder / inside(name)).stat().st_size


def shards(folder: Path) -> list[str]:
    """Return the names of a model's shards, none of which leads out of its folder."""
    names = [name for group in _manifest(folder) for name in group["paths"]]
    if len(names) > MAX_FILES:
        raise ModelError(f"{MANIFEST} names {len(names)} shards, at most {MAX_FILES} are allowed; this is no model")
    for name in names:
        inside(name)
    return names


def read_shards(folder: Path, wanted: Callable[[str], bool]) -> dict[str, NDArray[np.float32]]:
    """Return the weights of a model by name.

    Parameters
    ----------
    folder : Path
        With ``weights_manifest.json`` and the shards that it names.
    wanted : callable
        Tells by its name whether a weight is read.

    Raises
    ------
    ModelError
        If manifest or shards are missing, damaged, of another length than they should be, or outside of the folder; or
        a weight's dtype is not one of a MusicVAE's.
    """
    _check_description(folder / DESCRIPTION)
    shards(folder)
    found: dict[str, NDArray[np.float32]] = {}
    for group in _manifest(folder):
        data, start = _group_bytes(folder, group), 0
        for entry in group["weights"]:
            dtype, n_values = _stored_dtype(entry), math.prod(entry["shape"])
            stored = np.frombuffer(data, dtype, n_values, start)
            start += n_values * dtype.itemsize
            if not wanted(entry["name"]):
                continue
            if entry["name"] in found:
                raise ModelError(f"{MANIFEST} names {entry['name']} twice; fetch or copy the model again")
            found[entry["name"]] = _values(entry, stored).reshape(entry["shape"])
    return found


def _manifest(folder: Path) -> list[dict[str, Any]]:
    """Return the manifest's groups, checked to be groups of paths and weights."""
    path = folder / MANIFEST
    try:
        if path.stat().st_size > MAX_TEXT_BYTES:
            raise ValueError(f"it is larger than {MAX_TEXT_BYTES // 2**20} MiB")
        groups = json.loads(path.read_text(encoding="utf-8"))
        whole = (
            isinstance(groups, list)
            and all(isinstance(name, str) for group in groups for name in group["paths"])
            and all(_is_entry(entry) for group in groups for entry in group["weights"])
        )
        if not whole:
            raise ValueError("it is no list of groups of paths and weights")
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{MANIFEST} cannot be read ({error}); fetch or copy the model again") from None
    return list(groups)


def _is_entry(entry: Mapping[str, Any]) -> bool:
    return (
        isinstance(entry["name"], str)
        and isinstance(entry["dtype"], str)
        and isinstance(entry["shape"], list)
        and all(type(size) is int and size >= 0 for size in entry["shape"])
        and isinstance(entry.get("quantization", {}), dict)
    )


def _stored_dtype(entry: Mapping[str, Any]) -> np.dtype[Any]:
    """Return the type of a weight's bytes."""
    name, quantisation = entry["name"], entry.get("quantization")
    if entry["dtype"] == "int32" and quantisation is None:
        return np.dtype("<i4")  # A step counter, which no one wants; but its bytes are there.
    stored = entry["dtype"] if quantisation is None else quantisation.get("dtype")
    allowed = ("float32",) if quantisation is None else ("uint8", "uint16", "float16")
    if stored not in allowed or (quantisation is not None and entry["dtype"] != "float32"):
        raise ModelError(
            f"{MANIFEST}: {name} is {entry['dtype']} stored as {stored!r}; float32 is read, and float32 stored as "
            "uint8, uint16 or float16; convert the model again"
        )
    return np.dtype(_STORED[stored])


def _group_bytes(folder: Path, group: Mapping[str, Any]) -> bytes:
    """Return a group's shards on end, as many bytes as its weights take."""
    needed = sum(math.prod(entry["shape"]) * _stored_dtype(entry).itemsize for entry in group["weights"])
    paths = [folder / inside(name) for name in group["paths"]]
    for path in paths:
        if not path.is_file():
            raise ModelError(f"shard {path.name} is missing; fetch or copy the model again")
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ModelError(f"shard {path.name} leads out of its folder; this is no model, do not use it")
    there = sum(path.stat().st_size for path in paths)
    if there != needed or needed > MAX_TOTAL_BYTES:
        raise ModelError(
            f"the shards {', '.join(group['paths'][:4])} hold {there:,} bytes, {MANIFEST} needs {needed:,} (at most "
            f"{MAX_TOTAL_BYTES // GIB} GiB are allowed); fetch or copy the model again"
        )
    return b"".join(path.read_bytes() for path in paths)


def _values(entry: Mapping[str, Any], stored: NDArray[Any]) -> NDArray[np.float32]:
    """Return what stored numbers mean."""
    if stored.dtype.kind == "i":
        raise ModelError(f"{MANIFEST}: {entry['name']} is int32, float32 is needed; convert the model again")
    if stored.dtype.kind == "f":
        return stored.astype(np.float32)
    scale, least = (entry["quantization"].get(key) for key in ("scale", "min"))
    if not all(isinstance(number, int | float) and math.isfinite(number) for number in (scale, least)):
        raise ModelError(f"{MANIFEST}: {entry['name']} is quantised without scale and min; convert the model again")
    return np.asarray(stored * np.float64(scale) + np.float64(least), dtype=np.float32)


def _check_description(path: Path) -> None:
    """Refuse a model whose description says that it is no MusicVAE; older ones have none."""
    if not path.is_file():
        return
    try:
        kind = json.loads(path.read_text(encoding="utf-8"))["type"]
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise ModelError(f"{DESCRIPTION} cannot be read ({error}); fetch or copy the model again") from None
    if kind != "MusicVAE":
        raise ModelError(f"{DESCRIPTION} says that the model is a {kind}, a MusicVAE is needed; choose another model")

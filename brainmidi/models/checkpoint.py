"""Trained weights on disk: a folder with ``config.json``, ``weights.npz`` and a model card. Nothing is unpickled."""

from __future__ import annotations

import importlib.util
import json
import os
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ModelError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "weights.npz"
#: The model card.
CARD_FILE = "README.md"
#: What ``config.json`` says besides the model's sizes.
NOT_SIZES = ("kind", "name", "part", "source", "codec")
Sizes = TypeVar("Sizes")


def checkpoints_root() -> Path:
    """Return the folder of the shipped checkpoints: in a wheel, an editable install, a run at the root."""
    spec = importlib.util.find_spec("brainmidi.checkpoints")
    if spec is not None and spec.origin is not None:
        return Path(spec.origin).parent
    # Not installed: the repository's root is on the path, and checkpoints/ stands beside the package.
    return Path(__file__).resolve().parents[2] / "checkpoints"


def imported_root() -> Path:
    """Return the folder of this user's imported checkpoints, which need not exist."""
    import platformdirs

    return platformdirs.user_data_path("brainmidi", appauthor=False) / "checkpoints"


def list_checkpoints() -> list[Path]:
    """Return the folders of all shipped checkpoints and then of all imported ones, each by name."""
    return [path.parent for root in _roots() for path in sorted(root.glob(f"*/{CONFIG_FILE}"))]


def _roots() -> tuple[Path, Path]:
    return checkpoints_root(), imported_root()


def find_checkpoint(name: str | os.PathLike[str]) -> Path:
    """Return the folder of a checkpoint given by path or by the name of a shipped or imported one.

    Raises
    ------
    ModelError
        If none exists; the message lists the names.
    """
    path = Path(name)
    for candidate in (path, *(root / path for root in _roots())):
        if (candidate / CONFIG_FILE).is_file():
            return candidate
    known = [folder.name for folder in list_checkpoints()]
    raise ModelError(
        f"checkpoint {str(name)!r} not found; give a folder with {CONFIG_FILE} or one of: {', '.join(known)}"
    )


def save_weights(folder: Path, config: dict[str, Any], weights: dict[str, NDArray[Any]], *, half: bool = True) -> None:
    """Write configuration and weights, as fp16 if `half`, as they are otherwise; the folder is made if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    partial = folder / (WEIGHTS_FILE + ".partial")
    with partial.open("wb") as out:
        if half:
            halves: dict[str, Any] = {name: value.astype(np.float16) for name, value in weights.items()}
            np.savez_compressed(out, **halves)
        else:  # Full precision hardly compresses, and a gigabyte takes a minute to try.
            whole: dict[str, Any] = dict(weights)
            np.savez(out, **whole)
    partial.replace(folder / WEIGHTS_FILE)
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n")


def read_config(folder: Path, kind: str | None = None) -> dict[str, Any]:
    """Return what ``config.json`` holds.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    kind : str, optional
        The kind of model that it has to be.

    Raises
    ------
    ModelError
        If the file is missing, damaged, or of another kind.
    """
    try:
        config = json.loads((folder / CONFIG_FILE).read_text())
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder / CONFIG_FILE} cannot be read ({error}); install the checkpoint again") from None
    if not isinstance(config, dict) or not {"kind", "name"} <= config.keys():
        raise ModelError(f"{folder / CONFIG_FILE} names no kind of model; install the checkpoint again")
    if kind is not None and config["kind"] != kind:
        raise ModelError(f"checkpoint {folder.name} is a {config['kind']}, a {kind} is needed; name one of that kind")
    return config


def read_sizes(folder: Path, kind: str, config_type: Callable[[dict[str, Any]], Sizes]) -> Sizes:
    """Return a checkpoint's sizes, made by `config_type` (a ``from_json``) of all but its kind, name and source."""
    config = read_config(folder, kind)
    try:
        return config_type({key: value for key, value in config.items() if key not in NOT_SIZES})
    except (TypeError, KeyError) as error:
        raise ModelError(f"{folder / CONFIG_FILE} does not fit ({error}); install the checkpoint again") from None


def read_weights(folder: Path) -> dict[str, NDArray[np.float32]]:
    """Return the weights by name, as float32."""
    try:
        with np.load(folder / WEIGHTS_FILE, allow_pickle=False) as stored:
            return {name: stored[name].astype(np.float32) for name in stored.files}
    except (OSError, EOFError, ValueError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
        raise ModelError(f"{folder / WEIGHTS_FILE} cannot be read ({error}); install the checkpoint again") from None


def weights_of(model: Any) -> dict[str, NDArray[Any]]:
    """Return the trainable weights of a Keras model by path; every layer of ours has a name of its own."""
    import keras

    weights = {v.path: np.asarray(keras.ops.convert_to_numpy(v)) for v in model.trainable_variables}
    if len(weights) != len(model.trainable_variables):
        raise ModelError(f"{type(model).__name__} has two weights of one name; give its layers names of their own")
    return weights


def check_weights(weights: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Compare weights with the shapes by name that a model has.

    Raises
    ------
    ModelError
        Naming what is missing, left over, or of another shape.
    """
    missing, extra = sorted(shapes.keys() - weights.keys()), sorted(weights.keys() - shapes.keys())
    if missing or extra:
        raise ModelError(f"weights do not fit: missing {missing[:4]}, left over {extra[:4]}; check config.json")
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise ModelError(f"weight {name} has shape {weights[name].shape}, {shape} is needed; check config.json")


def put_weights(model: Any, weights: dict[str, NDArray[Any]]) -> None:
    """Assign weights by name; names and shapes must match exactly, as in :func:`check_weights`."""
    variables = {v.path: v for v in model.trainable_variables}
    check_weights(weights, {name: tuple(variable.shape) for name, variable in variables.items()})
    for name, variable in variables.items():
        variable.assign(weights[name])

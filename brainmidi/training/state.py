"""Where a training stands, on disk after every epoch: a killed run loses the epoch that it was killed in, and no more.

Keras' own ``BackupAndRestore`` leaves out the state of random number generators, so that a resumed run would draw the
first epoch's noise again, and writes in place, so that a kill at the wrong moment loses the run.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np

from brainmidi.errors import ConfigError

STATE_FILE = "state.json"


@dataclass(frozen=True, slots=True)
class Progress:
    """What was reached by the end of an epoch.

    Parameters
    ----------
    epoch : int
        Epochs done.
    seconds : float
        Training time, over all sessions of the run.
    best_epoch : int
        Epochs done when the validation loss was lowest.
    best_loss : float
        That loss.
    figures, best_figures : mapping of str to float
        Losses and metrics of the last epoch and of the best, by Keras' names.
    """

    epoch: int = 0
    seconds: float = 0.0
    best_epoch: int = 0
    best_loss: float = float("inf")
    figures: Mapping[str, float] = field(default_factory=dict)
    best_figures: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        counts, times = (self.epoch, self.best_epoch), (self.seconds, self.best_loss)
        if not all(isinstance(n, int) for n in counts) or not 0 <= self.best_epoch <= self.epoch:
            raise ValueError(f"best epoch {self.best_epoch!r} of {self.epoch!r}")
        if not all(isinstance(x, int | float) for x in times):
            raise ValueError(f"{self.seconds!r} seconds, best loss {self.best_loss!r}")
        dict(self.figures), dict(self.best_figures)


class Store:
    """Progress and variables of one run.

    Parameters
    ----------
    folder : Path
        Made if missing.
    settings : mapping
        What makes the run this run and no other, as plain JSON values.

    Raises
    ------
    ConfigError
        If the folder holds a run of other settings, or its state is damaged.
    """

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self.folder = folder
        self.settings = json.loads(json.dumps(settings))
        self.progress = Progress()
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / STATE_FILE
        if not path.exists():
            return
        try:
            state = json.loads(path.read_text())
            before, self.progress = dict(state["settings"]), Progress(**state["progress"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"{path} cannot be read ({error}); delete {folder}, or give another --work") from None
        other = sorted(k for k in before.keys() | self.settings.keys() if before.get(k) != self.settings.get(k))
        if other:
            raise ConfigError(
                f"{folder} holds a run of another {', '.join(other)}; delete it to begin anew, or give another --work"
            )

    def save(self, model: keras.Model, progress: Progress) -> None:
        """Keep the variables of this epoch and of the best; the new state counts once its last file is in place."""
        variables: dict[str, Any] = {
            key: keras.ops.convert_to_numpy(variable) for key, variable in _variables(model).items()
        }
        partial = self.folder / "epoch.partial"
        with partial.open("wb") as out:
            np.savez(out, allow_pickle=False, **variables)
        partial.replace(self._path(progress.epoch))
        partial = self.folder / (STATE_FILE + ".partial")
        partial.write_text(json.dumps({"settings": self.settings, "progress": asdict(progress)}, indent=2) + "\n")
        partial.replace(self.folder / STATE_FILE)
        self.progress = progress
        for path in self.folder.glob("epoch-*.npz"):
            if path not in (self._path(progress.epoch), self._path(progress.best_epoch)):
                path.unlink()

    def restore(self, model: keras.Model, epoch: int) -> None:
        """Put back the variables of an epoch: of model, optimizer, its averages, and random number generators.

        Raises
        ------
        ConfigError
            If the epoch's file is missing, damaged, or of another model.
        """
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        path, variables = self._path(epoch), _variables(model)
        try:
            with np.load(path, allow_pickle=False) as stored:
                values = {key: stored[key] for key in variables}
            for key, variable in variables.items():
                variable.assign(values[key])
        except (OSError, EOFError, ValueError, KeyError, NotImplementedError, zlib.error, zipfile.BadZipFile) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise ConfigError(
                f"{path} cannot be read ({reason}); delete {self.folder}, or give another --work"
            ) from None

    def _path(self, epoch: int) -> Path:
        return self.folder / f"epoch-{epoch}.npz"


def digest(arrays: Iterable[Any]) -> str:
    """Return the SHA-256 of arrays, their shapes and types, in hexadecimal."""
    total = hashlib.sha256()
    for array in map(np.asarray, arrays):
        total.update(f"{array.dtype.str} {array.shape} ".encode())
        total.update(np.ascontiguousarray(array).data)
    return total.hexdigest()


def _variables(model: keras.Model) -> dict[str, keras.Variable]:
    """Return all that a training changes, by kind and number: paths are not unique among an optimizer's variables."""
    kinds = {
        "trained": model.trainable_variables,
        "other": model.non_trainable_variables,
        "optimizer": model.optimizer.variables,
    }
    return {f"{kind}_{n}": variable for kind, found in kinds.items() for n, variable in enumerate(found)}

"""What both trainings share: the schedule, the callbacks, resuming after a kill, and saving the averaged weights."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from brainmidi.models.checkpoint import save_weights, weights_of


class SeededBatches(keras.utils.PyDataset):
    """Batches that depend on seed and epoch alone, so that a resumed run goes on with those it would have had.

    Parameters
    ----------
    seed : int
        Of every epoch's order.
    """

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.seed = seed
        self.epoch = 0

    def start_at(self, epoch: int) -> None:
        """Make the batches those of `epoch`, from 0."""
        self.epoch = epoch

    def on_epoch_end(self) -> None:
        """Go on to the next epoch."""
        self.start_at(self.epoch + 1)


class Budget(keras.callbacks.Callback):
    """Stop after `minutes` of training, so that a recipe ends when it says; earlier sessions of a resumed run count."""

    def __init__(self, minutes: float, state: Path) -> None:
        super().__init__()
        self.limit_s = minutes * 60
        self.state = state
        before = json.loads(state.read_text()) if state.exists() else {"seconds": 0.0, "epoch": 0}
        self.before_s, self.epoch = float(before["seconds"]), int(before["epoch"])
        self.began_s = 0.0

    @property
    def spent_s(self) -> float:
        """Seconds of training so far, over all sessions of this run."""
        return self.before_s + time.monotonic() - self.began_s

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start counting."""
        self.began_s = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the time spent and stop when the budget is used up."""
        self.state.write_text(json.dumps({"seconds": self.spent_s, "epoch": epoch + 1}))
        if self.spent_s > self.limit_s:
            self.model.stop_training = True


class TimedDecay(keras.callbacks.Callback):
    """Learning rate by share of the budget used: linear warm-up over the first 3 %, then a cosine down to 2 %."""

    def __init__(self, peak: float, budget: Budget) -> None:
        super().__init__()
        self.peak, self.budget = peak, budget

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate for this batch."""
        used = min(self.budget.spent_s / self.budget.limit_s, 1.0)
        warm = min(used / 0.03, 1.0)
        cosine = 0.02 + 0.98 * 0.5 * (1.0 + np.cos(np.pi * used))
        self.model.optimizer.learning_rate = self.peak * max(warm, 0.02) * cosine


def run(
    model: keras.Model,
    train: SeededBatches,
    validation: tuple[Any, ...],
    *,
    config: dict[str, Any],
    out: Path,
    work: Path,
    minutes: float,
    peak_rate: float,
    batch_size: int,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
) -> dict[str, Any]:
    """Fit the model and write the exponentially averaged weights to `out`.

    Parameters
    ----------
    model : keras.Model
        Compiled with an optimizer that keeps an average (``use_ema=True``).
    train : SeededBatches
        Training batches; an "epoch" is one pass over it.
    validation : tuple of arrays
        Inputs and targets.
    out, work : Path
        Folder of the finished checkpoint; folder of the state from which a killed run resumes.
    minutes : float
        Training time, over all sessions of the run.

    Returns
    -------
    dict
        Epochs, seconds, and the last losses.
    """
    work.mkdir(parents=True, exist_ok=True)
    budget = Budget(minutes, work / "budget.json")
    train.start_at(budget.epoch)
    history = model.fit(
        train,
        validation_data=validation,
        validation_batch_size=batch_size,
        epochs=100_000,
        verbose=2,
        callbacks=[
            keras.callbacks.BackupAndRestore(str(work / "backup"), delete_checkpoint=False),
            budget,
            TimedDecay(peak_rate, budget),
            keras.callbacks.CSVLogger(str(work / "log.csv"), append=True),
            *callbacks,
        ],
    )
    model.optimizer.finalize_variable_values(model.trainable_variables)
    save_weights(out, config, weights_of(model))
    last = {name: float(values[-1]) for name, values in history.history.items()}
    return {"seconds": budget.spent_s, "backend": keras.backend.backend(), **last}

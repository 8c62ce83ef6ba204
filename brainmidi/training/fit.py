"""What both trainings share: the schedule, the progress bar, when it ends, and saving the averaged weights."""

from __future__ import annotations

import sys
import time
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np

from brainmidi.errors import ConfigError, ModelError
from brainmidi.models import compiled  # noqa: F401 (Keras' fit loads TensorFlow on JAX too; this does it quietly)
from brainmidi.models.checkpoint import save_weights, weights_of
from brainmidi.training.state import Progress, Store, digest

MAX_EPOCHS = 100_000


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


class Supervisor(keras.callbacks.Callback):
    """Begin every epoch with its batches, set the learning rate, keep the state, and stop when it is time.

    The rate follows the share that is used of the epochs, where their number is given, or else of the time: a linear
    warm-up over the first 3 %, then a cosine down to 2 %.

    Parameters
    ----------
    train : SeededBatches
    store : Store
        What a run resumes from; it may have epochs already.
    peak_rate : float
    minutes : float
        Training time over all sessions of the run; finite.
    epochs : int or None
        Most epochs.
    patience : int
        Epochs without a lower validation loss after which to stop; 0 for never.
    """

    def __init__(
        self,
        train: SeededBatches,
        store: Store,
        *,
        peak_rate: float,
        minutes: float,
        epochs: int | None,
        patience: int,
    ) -> None:
        super().__init__()
        self.train, self.store = train, store
        self.peak_rate, self.limit_s, self.epochs, self.patience = peak_rate, minutes * 60, epochs, patience
        self.before_s, self.began_s = store.progress.seconds, time.monotonic()

    @property
    def spent_s(self) -> float:
        """Seconds of training so far, over all sessions of this run."""
        return self.before_s + time.monotonic() - self.began_s

    def finished(self, progress: Progress) -> bool:
        """Return whether a run that has come so far has to end."""
        waited = progress.epoch - progress.best_epoch
        return (
            progress.seconds > self.limit_s
            or (self.epochs is not None and progress.epoch >= self.epochs)
            or (self.patience > 0 and waited >= self.patience)
        )

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Start counting."""
        self.began_s = time.monotonic()

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Draw the epoch's batches; Keras' own call to the batches comes once more often than there are epochs."""
        self.train.start_at(epoch)

    def on_train_batch_begin(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the rate for this batch."""
        used = self.spent_s / self.limit_s
        if self.epochs is not None:
            used = (self.train.epoch + batch / len(self.train)) / self.epochs
        warm = min(used / 0.03, 1.0)
        cosine = 0.02 + 0.98 * 0.5 * (1.0 + np.cos(np.pi * min(used, 1.0)))
        self.model.optimizer.learning_rate = self.peak_rate * max(warm, 0.02) * cosine

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keep the state, and stop if this was the last epoch.

        Raises
        ------
        ModelError
            If the loss is no number; the state stays that of the epoch before.
        """
        figures = {name: float(value) for name, value in (logs or {}).items()}
        if not np.isfinite(figures["loss"]):
            raise ModelError(f"the loss is {figures['loss']} after epoch {epoch + 1}; train with another --seed")
        reached = replace(self.store.progress, epoch=epoch + 1, seconds=self.spent_s, figures=figures)
        if figures["val_loss"] < reached.best_loss:
            reached = replace(reached, best_epoch=epoch + 1, best_loss=figures["val_loss"], best_figures=figures)
        self.store.save(self.model, reached)
        self.model.stop_training = self.finished(reached)


class Bar(keras.callbacks.ProgbarLogger):
    """Keras' bar, headed by the time that is used: how many epochs there will be, no one knows.

    Parameters
    ----------
    supervisor : Supervisor
        Of the same run.
    """

    def __init__(self, supervisor: Supervisor) -> None:
        super().__init__()
        self.supervisor = supervisor

    def set_params(self, params: dict[str, Any]) -> None:
        """Take what Keras says of the run, save that it has one epoch, so that Keras writes no head of its own."""
        super().set_params(params)
        self.epochs = 1

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Write the head: above the bar, or on the epoch's only line."""
        used, limit = self.supervisor.spent_s / 60, self.supervisor.limit_s / 60
        head = f"epoch {epoch + 1}, {used:.1f} of {limit:g} minutes"
        print(head, end="\n" if self.verbose == 1 else ": ", flush=True)
        super().on_epoch_begin(epoch, logs)


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
    epochs: int | None = None,
    patience: int = 0,
    callbacks: tuple[keras.callbacks.Callback, ...] = (),
    data: tuple[Any, ...] = (),
) -> dict[str, Any]:
    """Fit the model and write the exponentially averaged weights to `out`; a bar on stderr shows the losses.

    A run that was stopped or killed goes on from the end of its last whole epoch: with `epochs` given, it ends with
    the weights that it would have had, bit for bit, on the same machine and versions.

    Parameters
    ----------
    model : keras.Model
        Compiled with an optimizer that keeps an average (``use_ema=True``).
    train : SeededBatches
        Training batches; an "epoch" is one pass over it.
    validation : tuple of arrays
        Inputs and targets; what is measured on them after every epoch is the averaged weights. Where devices share
        batches, rows that cannot be shared evenly are left out.
    config : dict
        Of the checkpoint.
    out, work : Path
        Folder of the finished checkpoint; folder of the state from which a killed run resumes.
    minutes : float
        Training time, over all sessions of the run; the epoch in which it ends is finished.
    peak_rate : float
        Of the schedule, see :class:`Supervisor`.
    batch_size : int
        Rows of a batch of `train`.
    epochs : int, optional
        Most epochs.
    patience : int
        Stop after so many epochs without a lower validation loss, and write the weights of the epoch with the lowest;
        0 for never, and the last weights. The loss includes the KL term, whose weight rises over the first few thousand
        steps: a patience of few epochs may end a run before it has begun.
    callbacks : tuple of keras.callbacks.Callback
        Called before the state is kept.
    data : tuple of arrays
        What `train` draws from: a run of other data, here or in `validation`, is another run.

    Returns
    -------
    dict
        Epochs, seconds, back end, and losses and metrics of the epoch whose weights are written.

    Raises
    ------
    ConfigError
        If the time is not finite, there is less than a batch of data, or `work` holds another run or is damaged.
    ModelError
        If the loss becomes no number.
    """
    if not 0 < minutes < float("inf"):
        raise ConfigError(f"{minutes:g} minutes are not allowed, more than 0 and a finite number are; change --minutes")
    if len(train) == 0:
        raise ConfigError(f"too little data: {batch_size} training phrases are needed for a batch; add pieces")
    known = digest([*data, *keras.tree.flatten(validation)])
    store = Store(work, {**config, "seed": train.seed, "number of batches": len(train), "data": known})
    supervisor = Supervisor(train, store, peak_rate=peak_rate, minutes=minutes, epochs=epochs, patience=patience)
    if store.progress.epoch:
        store.restore(model, store.progress.epoch)
    if not supervisor.finished(store.progress):
        with redirect_stdout(sys.stderr):  # Keras prints to stdout, which is for the figures.
            model.fit(
                train,
                shuffle=False,  # Shuffled already; Keras would draw an order that no resumed run draws again.
                validation_data=_shared_evenly(validation),
                validation_batch_size=batch_size,
                initial_epoch=store.progress.epoch,
                epochs=epochs or MAX_EPOCHS,
                verbose=1 if sys.stderr.isatty() else 2,
                callbacks=[
                    keras.callbacks.SwapEMAWeights(),
                    keras.callbacks.CSVLogger(str(work / "log.csv"), append=True),
                    Bar(supervisor),
                    *callbacks,
                    supervisor,
                ],
            )
    reached = store.progress
    # No epoch is the best where no validation loss was a number.
    best = patience > 0 and reached.best_epoch > 0
    written = reached.best_epoch if best else reached.epoch
    store.restore(model, written)
    model.optimizer.finalize_variable_values(model.trainable_variables)
    save_weights(out, config, weights_of(model))
    figures = {"epochs": reached.epoch, "seconds": reached.seconds, "backend": keras.backend.backend()}
    return (
        figures
        | ({"best_epoch": written} if patience else {})
        | dict(reached.best_figures if best else reached.figures)
    )


def _shared_evenly(rows: tuple[Any, ...]) -> tuple[Any, ...]:
    """Return as many rows as all devices can have equally many of."""
    shared = keras.distribution.distribution()
    n_devices = shared.num_model_replicas if shared is not None else 1
    n_rows = len(keras.tree.flatten(rows)[0]) // n_devices * n_devices
    if n_rows == 0:
        raise ConfigError(f"too little data: {n_devices} validation phrases are needed, one a device; add pieces")
    return tuple(keras.tree.map_structure(lambda array: array[:n_rows], rows))

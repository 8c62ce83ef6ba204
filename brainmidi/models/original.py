"""Magenta's own MusicVAE, out of process: for users who have a Magenta environment, and for the tests of ours.

The process is :mod:`brainmidi.models.magenta_worker`, run by that environment's Python. It starts in ten seconds or so,
and then answers one request at a time.

Shapes: b batch, t steps, k width of an event as :mod:`brainmidi.models.musicvae` has it, d columns of Magenta's arrays.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ModelError
from brainmidi.models.configs import MusicVaeConfig
from brainmidi.models.frames import read_frame, write_frame
from brainmidi.models.magenta import configuration

Float32Array = NDArray[np.float32]

#: What the interpreter runs.
WORKER = Path(__file__).with_name("magenta_worker.py")
#: Seconds that one answer may take. The largest graphs are built in a minute or two; after this the process hangs.
PATIENCE_S = 600.0
_INSTALL = "it must be the Python of an environment with magenta 2.1.4 (docs/latent.md says how to make one)"


class MagentaProcess:
    """A Python with Magenta in it, waiting for requests.

    Parameters
    ----------
    python : Path
        The environment's interpreter.

    Raises
    ------
    ModelError
        There is no such interpreter, or Magenta does not load in it, or not within :data:`PATIENCE_S`.
    """

    def __init__(self, python: Path) -> None:
        self._notes = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        environment = {**os.environ, "TF_USE_LEGACY_KERAS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        try:
            self._process = subprocess.Popen(
                [str(python), str(WORKER)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._notes,
                env=environment,
            )
        except OSError as error:
            self._notes.close()
            raise ModelError(f"--magenta-python {python} cannot be run ({error.strerror}); {_INSTALL}") from None
        try:
            with self._patience() as late:
                self._answer(f"--magenta-python {python} does not load Magenta: ", f"; {_INSTALL}", late)
        except ModelError:
            self.close()
            raise

    def request(self, op: str, arrays: dict[str, Any] | None = None, **fields: Any) -> tuple[dict[str, Any], Any]:
        """Send one request and return the answer's fields and arrays.

        Raises
        ------
        ModelError
            Magenta refused it, or its process ended, or has not answered within :data:`PATIENCE_S`.
        """
        with self._patience() as late:
            try:
                assert self._process.stdin is not None
                write_frame(self._process.stdin, {"op": op, **fields}, arrays)
            except OSError:
                pass  # It is gone: what it said last is read below.
            return self._answer("Magenta: ", "", late)

    @contextmanager
    def _patience(self) -> Iterator[threading.Event]:
        """End the process, so that what waits for it goes on, where the block takes too long; the event tells of it."""
        late = threading.Event()

        def end() -> None:
            late.set()
            self._process.kill()

        timer = threading.Timer(PATIENCE_S, end)
        timer.daemon = True
        timer.start()
        try:
            yield late
        finally:
            timer.cancel()

    def _answer(self, before: str, remedy: str, late: threading.Event) -> tuple[dict[str, Any], Any]:
        try:
            assert self._process.stdout is not None
            fields, arrays = read_frame(self._process.stdout)
        except (EOFError, ValueError, KeyError, TypeError) as error:
            self._process.kill()
            status = self._process.wait()
            if late.is_set():
                what = f"no answer came within {PATIENCE_S:g} s, and its process was ended"
                remedy = remedy or "; start again when the machine is less busy"
            elif isinstance(error, EOFError):
                what = f"its process ended with status {status}"
            else:
                what = "what it answers is no frame"
            remedy = remedy or "; start again, with a smaller batch where memory ran out"
            raise ModelError(f"{before}{what} ({self._last_note()}){remedy}") from None
        if "error" in fields:
            raise ModelError(f"{before}{_first_line(fields['error'])}{remedy}")
        return fields, arrays

    def _last_note(self) -> str:
        self._notes.seek(0)
        lines = self._notes.read().decode(errors="replace").split("\n")
        return next((line.strip()[:200] for line in reversed(lines) if line.strip()), "it said nothing")

    def close(self) -> None:
        """End the process; does nothing the second time."""
        if self._notes.closed:
            return
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()
        with suppress(OSError):  # What it no longer read is given up.
            self._process.stdin.close()
        self._notes.close()

    def __enter__(self) -> MagentaProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _first_line(text: str) -> str:
    return next((line.strip()[:300] for line in text.split("\n") if line.strip()), "no reason given")


def to_targets(config: MusicVaeConfig, events: NDArray[Any]) -> Float32Array:
    """Return events (b, t, k) as Magenta's decoder has them, (b, t, d): classes as one-hot rows side by side."""
    if config.events != "categorical":
        return np.asarray(events, dtype=np.float32)
    rows = [np.eye(depth, dtype=np.float32)[events[..., n]] for n, depth in enumerate(config.outputs)]
    return np.concatenate(rows, axis=-1)


def to_inputs(config: MusicVaeConfig, events: NDArray[Any]) -> Float32Array:
    """Return events (b, t, k) as Magenta's encoder reads them, (b, t, d): drums as a roll and a flag for "none"."""
    columns = sum(config.outputs)
    if config.input_depth == columns:
        return to_targets(config, events)
    roll = events
    if config.events == "categorical":
        roll = events >> np.arange(config.input_depth - 1) & 1  # bit n of the class is drum n
    none = ~roll.any(axis=-1, keepdims=True)
    return np.concatenate([roll, none], axis=-1).astype(np.float32)


def theirs_end(config: MusicVaeConfig) -> int | None:
    """Return the class that ends a segment in Magenta's decoder, which cannot end one where there are controls."""
    return None if config.control_depth else config.end_class


def from_samples(config: MusicVaeConfig, samples: Float32Array) -> NDArray[Any]:
    """Return what Magenta's decoder wrote, (b, t, d), as events (b, t, k).

    A segment that ended early is filled with its end, as ours are.
    """
    if config.events != "categorical":
        return samples
    edges = np.cumsum(config.outputs)[:-1].tolist()
    parts = np.split(samples, edges, axis=-1)
    events = np.stack([part.argmax(axis=-1) for part in parts], axis=-1).astype(np.int32)
    if config.end_class is None:
        return events
    segments = events.reshape(len(events), config.decoder_levels[0], -1, 1)
    ended = np.maximum.accumulate(segments == config.end_class, axis=2)
    return np.where(ended, np.int32(config.end_class), segments).reshape(events.shape)


class OriginalMusicVae:
    """Magenta's MusicVAE with a checkpoint of Magenta's, one phrase at a time.

    It has the methods of our compiled models, but for what the original cannot do: nothing is forbidden or given event
    by event, and what it draws follows from `seed` and from what it drew before.

    Parameters
    ----------
    python : Path
        Interpreter of an environment with magenta 2.1.4.
    name : str
        Configuration.
    checkpoint : Path
        A folder of TensorFlow checkpoints, the prefix of one, or a .tar of one.
    seed : int
        Of what is drawn.

    Raises
    ------
    ConfigError
        If the configuration is unknown.
    ModelError
        If the interpreter, Magenta or the checkpoint does not load.
    """

    def __init__(self, python: Path, name: str, checkpoint: Path, seed: int = 0) -> None:
        self.config = configuration(name)
        if not checkpoint.exists() and not list(checkpoint.parent.glob(f"{checkpoint.name}.index")):
            raise ModelError(f"checkpoint {checkpoint} does not exist; give a folder, a .tar, or a prefix of files")
        self._process = MagentaProcess(python)
        try:
            self._process.request(
                "build",
                config=name,
                batch_size=1,
                hparams={},
                seed=seed,
                end_class=theirs_end(self.config),
                checkpoint=str(checkpoint.resolve()),
                teacher_forced=False,
            )
        except ModelError:
            self.close()
            raise

    def encode(self, events: NDArray[Any], controls: Float32Array | None = None) -> Float32Array:
        """Return the mean of q(z | x), shape (z,).

        Parameters
        ----------
        events : ndarray, shape (t, k)
            Classes, drum rolls or grooves.
        controls : ndarray, shape (t, c), optional
            Where the configuration has controls.
        """
        config = self.config
        inputs = to_inputs(config, np.asarray(events)[None])
        segments = config.encoder_levels[1:] if config.end_class is not None else ()
        lengths = np.full((1, *segments), config.n_steps // int(np.prod(segments, dtype=int)), dtype=np.int32)
        if config.end_class is not None:
            ends = np.asarray(events).reshape(*segments, -1) == config.end_class
            lengths[0] = np.where(ends.any(axis=-1), ends.argmax(axis=-1) + 1, lengths[0])
        rows = {} if controls is None else {"controls": np.asarray(controls)[None]}
        _, found = self._process.request("encode", {"inputs": inputs, "lengths": lengths, **rows})
        return np.asarray(found["mu"][0], dtype=np.float32)

    def decode(self, z: Float32Array, temperature: float, controls: Float32Array | None = None) -> NDArray[Any]:
        """Return events, shape (t, k).

        Parameters
        ----------
        z : ndarray, shape (z,)
        temperature : float
            0 decodes greedily.
        controls : ndarray, shape (t, c), optional
            Where the configuration has controls.
        """
        rows = {} if controls is None else {"controls": np.asarray(controls)[None]}
        _, found = self._process.request(
            "decode", {"z": np.asarray(z)[None], **rows}, length=self.config.n_steps, temperature=temperature
        )
        samples = found["samples"]
        padded = np.zeros((1, self.config.n_steps, samples.shape[-1]), dtype=np.float32)
        padded[:, : samples.shape[1]] = samples
        events: NDArray[Any] = from_samples(self.config, padded)[0]
        return events

    def close(self) -> None:
        """End the process; does nothing the second time."""
        self._process.close()

    def __enter__(self) -> OriginalMusicVae:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

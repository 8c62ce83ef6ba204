"""Every BrainFlow board as a source: even sample times, silence seen, the session always released."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from brainmidi.acquire.boards import BoardShape, board_ids, board_shape
from brainmidi.acquire.timing import Dejitter
from brainmidi.errors import SourceError
from brainmidi.types import Chunk, Clock, FloatArray, Marker, Montage

PARAMETERS: dict[str, type] = {
    "serial_port": str,
    "mac_address": str,
    "ip_address": str,
    "ip_address_aux": str,
    "ip_address_anc": str,
    "ip_port": int,
    "ip_port_aux": int,
    "ip_port_anc": int,
    "ip_protocol": int,
    "other_info": str,
    "timeout": int,
    "serial_number": str,
    "file": str,
    "file_aux": str,
    "file_anc": str,
    "master_board": str,
}

_SILENT_S = 0.5  # without samples for so long the stream is marked as missing, and the music goes on
_RECONNECT_S = 5.0  # after so long the board is released and prepared again, and again
_GIVE_UP_S = 30.0
_BEHIND_S = 0.25  # sample time may lag so far behind arrival before the difference counts as lost samples


class Shim(Protocol):
    """What is used of BrainFlow's BoardShim; tests have one of their own."""

    def prepare_session(self) -> None:
        """Connect."""
        ...

    def start_stream(self) -> None:
        """Begin to fill the buffer."""
        ...

    def stop_stream(self) -> None:
        """Stop filling it."""
        ...

    def release_session(self) -> None:
        """Let the device go."""
        ...

    def get_board_data(self) -> Any:
        """Return and forget what the buffer holds, shape (n_rows, n_samples)."""
        ...


class BoardSource:
    """A BrainFlow board.

    Samples that were lost, and those that a silent board does not send, come as NaN, so that sample time keeps pace
    with the world's and everything downstream sees the gap. A board that stays silent is released and prepared again.

    Parameters
    ----------
    name : str
        Board name as `list_sources` gives it.
    clock : Clock
        Times the silence.
    options : mapping
        BrainFlow's connection parameters by name; `master_board` is a board's name.
    make_shim : callable, optional
        Makes the connection; BrainFlow's by default.

    Raises
    ------
    SourceError
        If the board has no EEG channel or an option is unknown or not of its kind.
    """

    def __init__(
        self,
        name: str,
        *,
        clock: Clock,
        options: Mapping[str, str | int],
        make_shim: Callable[[], Shim] | None = None,
    ) -> None:
        values = _parse_options(name, options)
        described = name
        if name in ("playback_file", "streaming"):
            if "master_board" not in values:
                raise SourceError(f"source {name} needs --master-board NAME, the board whose data it replays")
            described = str(values["master_board"])
        self._shape: BoardShape = board_shape(described)
        self.name = f"{name} (BrainFlow)"
        self.simulated = name == "synthetic"
        self.montage = Montage(self._shape.names, self._shape.rate_hz)
        self._clock = clock
        self._make_shim = make_shim or (lambda: _brainflow_shim(board_ids()[name], values))
        self._shim: Shim | None = None
        self._begin()

    def _begin(self) -> None:
        self._dejitter = Dejitter(self.montage.rate_hz)
        self._heard_s: float | None = None  # clock time of the newest samples
        self._tried_s = 0.0  # clock time of the newest attempt to connect again
        self._first_s = 0.0  # clock time of the first sample
        self._filled = 0  # rows given as missing that may still arrive late

    def start(self) -> None:
        """Connect to the board and start its stream.

        Raises
        ------
        SourceError
            If the board does not answer; the session is released.
        """
        self._begin()
        self._tried_s = self._heard_s = self._clock.now_s()
        try:
            self._connect()
        except Exception as error:
            self._release()
            raise SourceError(
                f"{self.name} did not start ({_reason(error)}); switch it on, check its connection parameters "
                f"({', '.join(list(PARAMETERS)[:3])}, ...) and that no other program holds it"
            ) from error

    def read(self, until_s: float) -> Chunk | None:
        """Return what has arrived, whatever `until_s` says; missing samples as NaN.

        Parameters
        ----------
        until_s : float
            Not used: a board sends when it sends.

        Returns
        -------
        Chunk
            Empty where nothing is new.

        Raises
        ------
        SourceError
            If the source was not started, or the board has been silent for 30 s in spite of being connected again.
        """
        if self._heard_s is None:
            raise SourceError(f"{self.name} was read before it was started; call start() first")
        now_s = self._clock.now_s()
        rows = self._fetch()
        if len(rows):
            return self._accept(rows, now_s)
        return self._wait(now_s)

    def stop(self) -> None:
        """Stop the stream and release the board; may be called more than once."""
        self._release()

    def _connect(self) -> None:
        self._shim = self._make_shim()
        self._shim.prepare_session()
        self._shim.start_stream()

    def _release(self) -> None:
        shim, self._shim = self._shim, None
        if shim is None:
            return
        try:
            # A stream that never started or has died cannot be stopped; what matters is the release below.
            with contextlib.suppress(Exception):
                shim.stop_stream()
        finally:
            with contextlib.suppress(Exception):
                shim.release_session()

    def _fetch(self) -> FloatArray:
        """Return the rows that have arrived, shape (n_samples, n_rows)."""
        if self._shim is None:
            return np.empty((0, self._shape.n_rows))
        try:
            data = np.asarray(self._shim.get_board_data(), dtype=np.float64)
        except Exception:  # the board is gone: the same as silence, which _wait deals with
            return np.empty((0, self._shape.n_rows))
        return data.T

    def _accept(self, rows: FloatArray, now_s: float) -> Chunk:
        """Return arrived rows with even times, after as many missing ones as were lost before them."""
        started = self._dejitter.next_s > 0.0
        self._heard_s = now_s
        if not started:
            self._first_s = now_s - (len(rows) - 1) / self.montage.rate_hz
        elif self._filled:
            # Rows that were given up and come after all would make sample time run ahead: the oldest are left out.
            ahead = round(-self._dejitter.behind_s(now_s, len(rows)) * self.montage.rate_hz)
            late = min(max(ahead, 0), self._filled, len(rows) - 1)
            rows, self._filled = rows[late:], 0
        behind_s = self._dejitter.behind_s(now_s, len(rows))
        lost = int(behind_s * self.montage.rate_hz) if behind_s > _BEHIND_S else 0
        n = lost + len(rows)
        samples = np.full((n, len(self.montage.names)), np.nan)
        samples[lost:] = rows[:, list(self._shape.eeg_rows)]
        times = self._dejitter.times(now_s, n)
        marks = rows[:, self._shape.marker_row]
        markers = [Marker(float(times[lost + row]), f"{marks[row]:g}") for row in np.flatnonzero(marks)]
        return Chunk(samples, times, self.montage, tuple(markers))

    def _wait(self, now_s: float) -> Chunk:
        """Nothing has come: stand in with missing samples, connect again, or give up."""
        assert self._heard_s is not None  # read() has looked
        silent_s = now_s - self._heard_s
        if silent_s > _GIVE_UP_S:
            raise SourceError(
                f"{self.name} has been silent for {silent_s:.0f} s, {_GIVE_UP_S:g} s is the most; check battery, "
                "distance and cable, then start again (what was played is saved)"
            )
        if silent_s > _RECONNECT_S and now_s - self._tried_s > _RECONNECT_S:
            self._tried_s = now_s
            self._release()
            try:
                self._connect()
            except Exception:
                self._release()  # not back yet: the next attempt comes in 5 s, and _GIVE_UP_S ends them
        count = 0
        if self._dejitter.next_s > 0.0 and silent_s > _SILENT_S:
            count = max(0, int((now_s - self._first_s - 0.1 - self._dejitter.next_s) * self.montage.rate_hz))
        self._filled += count
        times = self._dejitter.next_s + np.arange(count) / self.montage.rate_hz
        self._dejitter.skip(count)
        return Chunk(np.full((count, len(self.montage.names)), np.nan), times, self.montage)


def _reason(error: Exception) -> str:
    return str(error).split("\n", maxsplit=1)[0][:120] or type(error).__name__


def _parse_options(name: str, options: Mapping[str, str | int]) -> dict[str, str | int]:
    values: dict[str, str | int] = {}
    for option, value in options.items():
        if option not in PARAMETERS:
            near = difflib.get_close_matches(option, PARAMETERS, n=2)
            raise SourceError(
                f"connection parameter {option!r} of {name} is unknown, known are {', '.join(PARAMETERS)}; "
                f"did you mean {' or '.join(near) or 'serial_port'}?"
            )
        try:
            values[option] = PARAMETERS[option](value)
        except ValueError as error:
            raise SourceError(f"connection parameter {option} of {name} is {value!r}; give a whole number") from error
    master = values.get("master_board")
    if master is not None and master not in board_ids():
        near = difflib.get_close_matches(str(master), board_ids(), n=3)
        raise SourceError(f"master board {master!r} is unknown; did you mean {', '.join(near) or 'synthetic'}?")
    return values


def _brainflow_shim(board_id: int, values: Mapping[str, str | int]) -> Shim:
    from brainflow.board_shim import BoardShim, BrainFlowInputParams

    BoardShim.disable_board_logger()  # it writes into the terminal that the session's screen uses
    parameters = BrainFlowInputParams()
    for option, value in values.items():
        setattr(parameters, option, board_ids()[str(value)] if option == "master_board" else value)
    shim: Shim = BoardShim(board_id, parameters)
    return shim

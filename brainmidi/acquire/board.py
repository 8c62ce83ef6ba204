"""Every BrainFlow board as a source: even sample times, lost packages seen, the session always released."""

from __future__ import annotations

import contextlib
import difflib
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from brainmidi.acquire.boards import BoardShape, board_ids, board_shape
from brainmidi.acquire.lslmarkers import LslMarkers
from brainmidi.acquire.packages import PackageCounter
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
    """A BrainFlow board: what has arrived, with even times. What does not arrive is for :class:`Watch` to see.

    Sample time runs from the first sample after :meth:`start`. Samples that were lost on the way, by the package
    numbers or by the clock, leave a leap in it.

    Parameters
    ----------
    name : str
        Board name as `list_sources` gives it.
    clock : Clock
        Stamps what arrives.
    options : mapping
        BrainFlow's connection parameters by name; `master_board` is a board's name.
    make_shim : callable, optional
        Makes the connection; BrainFlow's by default.
    markers : LslMarkers, optional
        An LSL stream whose events are joined in, by the time at which samples arrive.

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
        markers: LslMarkers | None = None,
    ) -> None:
        values = _parse_options(name, options)
        described = name
        if name in ("playback_file", "streaming"):
            if "master_board" not in values:
                raise SourceError(f"source {name} needs --master-board NAME, the board whose data it replays")
            described = str(values["master_board"])
        self._shape: BoardShape = board_shape(described)
        self.name = f"{name} (BrainFlow)"
        self.simulated = described == "synthetic"
        self.montage = Montage(self._shape.names, self._shape.rate_hz)
        self._clock = clock
        self._make_shim = make_shim or (lambda: _brainflow_shim(board_ids()[name], values))
        self._shim: Shim | None = None
        self._markers = markers
        self._packages = PackageCounter(self.montage.rate_hz)
        self._dejitter = Dejitter(self.montage.rate_hz)

    def start(self) -> None:
        """Connect to the board and start its stream.

        Raises
        ------
        SourceError
            If the board does not answer; the session is released.
        """
        self._dejitter = Dejitter(self.montage.rate_hz)
        self._packages.again()
        try:
            self._shim = self._make_shim()
            self._shim.prepare_session()
            self._shim.start_stream()
        except Exception as error:
            self.stop()
            raise SourceError(
                f"{self.name} did not start ({_reason(error)}); switch it on, check its connection parameters "
                f"({', '.join(list(PARAMETERS)[:3])}, ...) and that no other program holds it"
            ) from error
        if self._markers is not None:
            self._markers.start()

    def read(self, until_s: float) -> Chunk | None:
        """Return what has arrived, whatever `until_s` says.

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
            If the source was not started, or BrainFlow reports an error.
        """
        if self._shim is None:
            raise SourceError(f"{self.name} was read before it was started; call start() first")
        try:
            rows: FloatArray = np.asarray(self._shim.get_board_data(), dtype=np.float64).T  # (n_samples, n_rows)
        except Exception as error:
            raise SourceError(f"{self.name} failed ({_reason(error)}); connect it again") from error
        if not len(rows):
            return Chunk(np.empty((0, len(self.montage.names))), np.empty(0), self.montage)
        samples = rows[:, list(self._shape.eeg_rows)]
        times = self._times(rows)
        marks = rows[:, self._shape.marker_row]
        markers = [Marker(float(times[row]), f"{marks[row]:g}") for row in np.flatnonzero(marks)]
        if self._markers is not None:
            ahead_s = self._clock.now_s() - self._markers.now_s()  # two clocks of one machine
            markers += self._markers.due(self._dejitter.origin_s - ahead_s, float(times[-1]))
        return Chunk(samples, times, self.montage, tuple(markers))

    def stop(self) -> None:
        """Stop the stream and release the board; may be called more than once."""
        if self._markers is not None:
            self._markers.stop()
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

    def _times(self, rows: FloatArray) -> FloatArray:
        """Return even times for rows that have just arrived, with a leap where some were lost."""
        now_s, n_rows = self._clock.now_s(), len(rows)
        if self._shape.package_row is None:
            return self._dejitter.place(now_s, n_rows)
        lost = self._packages.lost(rows[:, self._shape.package_row], self._dejitter.behind_s(now_s, n_rows))
        if not lost.any():
            return self._dejitter.place(now_s, n_rows)
        starts = [0, *(row for row in np.flatnonzero(lost).tolist() if row)]
        times = []
        for start, stop in zip(starts, [*starts[1:], n_rows], strict=True):
            self._dejitter.skip(int(lost[start]))
            # What comes behind has been stamped as late as it will ever be: all of it is here now.
            stamp_s = now_s - (n_rows - stop + int(lost[stop:].sum())) / self.montage.rate_hz
            times.append(self._dejitter.place(stamp_s, stop - start))
        return np.concatenate(times)


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

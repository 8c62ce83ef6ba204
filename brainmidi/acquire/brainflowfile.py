"""Reads BrainFlow's own csv: tab-separated rows without a header, whose shape tells the board."""

from __future__ import annotations

import difflib
from pathlib import Path

import numpy as np

from brainmidi.acquire.boards import BoardShape, board_ids, board_shape
from brainmidi.acquire.csvfile import assemble
from brainmidi.acquire.replay import ArraySource
from brainmidi.errors import SourceError
from brainmidi.types import FloatArray

_EPOCH_S = 1e9  # BrainFlow stamps seconds since 1970; anything after 2001 is above this


def is_brainflow_csv(path: Path) -> bool:
    """Return whether the first line of `path` is numbers alone, as `DataFilter.write_file` writes them."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            cells = file.readline().replace(",", "\t").split("\t")
    except UnicodeDecodeError:
        return False
    if len(cells) < 3:
        return False
    try:
        [float(cell) for cell in cells]
    except ValueError:
        return False
    return True


def read_brainflow_csv(path: Path, board: str | None = None) -> ArraySource:
    """Read a csv that BrainFlow wrote.

    Parameters
    ----------
    path : Path
    board : str, optional
        Name of the board that it comes from; told from the number of columns where one shape fits.

    Returns
    -------
    ArraySource

    Raises
    ------
    SourceError
        If the table is damaged, no board fits, or several do that differ in their EEG channels.
    """
    with path.open(encoding="utf-8-sig") as file:
        separator = "\t" if "\t" in file.readline() else ","
    try:
        table: FloatArray = np.loadtxt(path, delimiter=separator, ndmin=2)
    except ValueError as error:
        reason = str(error).split("\n", maxsplit=1)[0]
        raise SourceError(f"{path} is not a table of numbers ({reason}); record it again") from error
    shape = _shape_of(table, path, board)
    marks = np.flatnonzero(table[:, shape.marker_row])
    labels = [(int(row), f"{table[row, shape.marker_row]:g}") for row in marks]
    return assemble(path.name, table[:, shape.time_row], table[:, list(shape.eeg_rows)], shape.names, labels)


def _shape_of(table: FloatArray, path: Path, board: str | None) -> BoardShape:
    if board is not None:
        if board not in board_ids():
            near = difflib.get_close_matches(board, board_ids(), n=3)
            raise SourceError(f"board {board!r} is unknown; did you mean {', '.join(near) or 'synthetic'}?")
        shape = board_shape(board)
        if shape.n_rows != table.shape[1]:
            raise SourceError(
                f"{path} has {table.shape[1]} columns, board {board} has {shape.n_rows}; name the board that made it"
            )
        return shape
    fitting = [shape for shape in _shapes() if shape.n_rows == table.shape[1] and _fits(table, shape)]
    if not fitting:
        raise SourceError(
            f"{path} has {table.shape[1]} columns without a header and fits no BrainFlow board; add a header line "
            "with a `time` column and channel names"
        )
    kinds = {(shape.eeg_rows, shape.time_row, shape.marker_row) for shape in fitting}
    if len(kinds) > 1:
        names = ", ".join(shape.name for shape in fitting)
        raise SourceError(f"{path} fits the boards {names}; say which one made it (--board NAME)")
    # The same rows on all of them: one that names its electrodes tells the most.
    return max(fitting, key=lambda shape: not shape.names[0].startswith("EEG"))


def _shapes() -> list[BoardShape]:
    shapes = []
    for name in board_ids():
        if name not in ("playback_file", "streaming"):
            try:
                shapes.append(board_shape(name))
            except SourceError:
                continue  # carries no EEG: cannot have made this file
    return shapes


def _fits(table: FloatArray, shape: BoardShape) -> bool:
    stamps = table[:, shape.time_row]
    if not (stamps > _EPOCH_S).all() or len(stamps) < 10:
        return False
    span_s = float(stamps.max() - stamps.min())
    rate_hz = (len(stamps) - 1) / span_s if span_s > 0 else 0.0
    return 0.7 * shape.rate_hz <= rate_hz <= 1.3 * shape.rate_hz

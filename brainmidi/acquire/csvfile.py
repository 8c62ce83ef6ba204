"""Reads and writes csv recordings: a time column, EEG columns, an optional marker column."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from brainmidi.acquire.names import eeg_columns
from brainmidi.acquire.replay import ArraySource
from brainmidi.acquire.timing import even_grid
from brainmidi.errors import SourceError
from brainmidi.types import Chunk, FloatArray, Marker, Montage

_TIME = ("time", "timestamp", "timestamps", "time_s", "time (s)", "t", "seconds", "time_ms", "time (ms)", "ms")
_MARKER = ("marker", "markers", "marker channel", "event", "events", "stim", "stimulus", "trigger", "label")
_NOTHING = {"", "0", "0.0", "nan", "none"}


def read_csv(path: Path) -> ArraySource:
    """Read a csv recording with a header line.

    Potentials are in microvolts, time in seconds (or milliseconds, where seconds would mean fewer than 5 samples per
    second). Blank lines and those that begin with ``%`` or ``#`` are passed over. Empty and ``nan`` cells are missing
    samples. A marker column holds a label where something happened and nothing or 0 elsewhere.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ArraySource

    Raises
    ------
    SourceError
        If there is no time column, no EEG column, or too little to tell the rate from.
    """
    header, lines, separator = _read(path)
    lowered = [name.lower() for name in header]
    time_column = next((lowered.index(name) for name in _TIME if name in lowered), None)
    if time_column is None:
        raise SourceError(
            f"{path} has no time column among {', '.join(header[:8])}; name one `time` (seconds), "
            "or record with BrainFlow's own csv"
        )
    marker_column = next((lowered.index(name) for name in _MARKER if name in lowered), None)
    names = ["" if column in (time_column, marker_column) else name for column, name in enumerate(header)]
    chosen = eeg_columns(names, typed=False)
    if not chosen:
        raise SourceError(
            f"{path} has 0 EEG channels among {', '.join(header[:8])}; at least 1 named as in the 10-20 system "
            "(Fz, O1, TP9) or EEG1, EEG2 is needed"
        )
    if not lines:
        raise SourceError(f"{path} has a header and 0 samples, 2 s or more are needed; export the recording again")
    table = _numbers(path, lines, separator, [time_column, *chosen])
    labels = [] if marker_column is None else _labels(lines, separator, marker_column)
    return assemble(path.name, table[:, 0], table[:, 1:], tuple(chosen.values()), labels)


def assemble(
    name: str, stamps: FloatArray, samples_uv: FloatArray, channels: tuple[str, ...], labels: Sequence[tuple[int, str]]
) -> ArraySource:
    """Put stamped rows on an even grid and make a source of them.

    Parameters
    ----------
    name : str
    stamps : ndarray, shape (n_rows,)
        Time stamps as recorded.
    samples_uv : ndarray, shape (n_rows, n_channels)
    channels : tuple of str
    labels : sequence of (int, str)
        Row and label of every marker.

    Returns
    -------
    ArraySource
    """
    kept = np.flatnonzero(np.isfinite(stamps))
    grid = even_grid(stamps[kept], name)
    even = np.full((grid.n_samples, len(channels)), np.nan)
    even[grid.position] = samples_uv[kept]
    position = dict(zip(kept.tolist(), grid.position.tolist(), strict=True))
    markers = [Marker(position[row] / grid.rate_hz, label) for row, label in labels if row in position]
    return ArraySource(name, even, Montage(channels, grid.rate_hz), markers)


def write_csv(path: Path, chunk: Chunk) -> None:
    """Write a chunk as a csv recording that :func:`read_csv` reads back.

    Parameters
    ----------
    path : Path
    chunk : Chunk
        Samples; NaN becomes an empty cell. A marker is written in the row of the first sample at or after it.
    """
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(csv_header(chunk.montage))
        writer.writerows(csv_rows(chunk))


def csv_header(montage: Montage) -> list[str]:
    """Return the names of the columns of a csv recording."""
    return ["time", *montage.names, "marker"]


def csv_rows(chunk: Chunk) -> list[list[str]]:
    """Return the rows of a csv recording that `chunk` makes; two markers never share one."""
    labels = [""] * len(chunk)
    for marker in chunk.markers:
        row = min(int(np.searchsorted(chunk.time_s, marker.time_s - 1e-9)), len(chunk) - 1)
        while labels[row] and row + 1 < len(chunk):
            row += 1
        labels[row] = marker.label
    rows = []
    for time_s, row_uv, label in zip(chunk.time_s.tolist(), chunk.samples_uv.tolist(), labels, strict=True):
        cells = ["" if math.isnan(value) else f"{value:.4f}" for value in row_uv]
        rows.append([f"{time_s:.6f}", *cells, label])
    return rows


def _read(path: Path) -> tuple[list[str], list[str], str]:
    """Return the column names, the lines of data without blank ones and comments, and the separator."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            header, *lines = [line for line in file if line.strip() and line[0] not in "%#"] or [""]
    except UnicodeDecodeError as error:
        raise SourceError(f"{path} is not a text file; give it the suffix of its real format") from error
    if not header:
        raise SourceError(f"{path} is empty; a header line and samples are needed")
    separator = max(",\t;", key=header.count)
    return [cell.strip().strip('"') for cell in header.rstrip("\n").split(separator)], lines, separator


def _numbers(path: Path, lines: list[str], separator: str, columns: list[int]) -> FloatArray:
    try:
        table: FloatArray = np.loadtxt(lines, delimiter=separator, usecols=columns, comments=None, quotechar='"')
    except ValueError:  # empty or non-numeric cells: the slower reader takes them for missing samples
        rows = list(csv.reader(lines, delimiter=separator))
        short = next((cells for cells in rows if len(cells) <= max(columns)), None)
        if short is not None:
            reason = f"{len(short)} cells in one, {max(columns) + 1} or more are needed"
            raise SourceError(f"{path} has rows of unequal length ({reason}); repair or export it again") from None
        table = np.array([[_number(cells[column]) for column in columns] for cells in rows])
    return table.reshape(-1, len(columns))


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return np.nan


def _labels(lines: list[str], separator: str, column: int) -> list[tuple[int, str]]:
    found = []
    for row, cells in enumerate(csv.reader(lines, delimiter=separator)):
        text = cells[column].strip() if column < len(cells) else ""
        if text.lower() not in _NOTHING:
            found.append((row, _plain(text)))
    return found


def _plain(text: str) -> str:
    """Return ``"2"`` for ``"2.0"``, anything else as it is."""
    whole, dot, rest = text.partition(".")
    return whole if dot and whole.isdigit() and not rest.strip("0") else text

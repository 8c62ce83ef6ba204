"""Frames over a pipe: a 4-byte little-endian length, a JSON header of that length, and the arrays it lists, raw.

Read on both ends of the pipe to Magenta's environment, which has no brainmidi and may be as old as Python 3.8: the
standard library and numpy alone. Nothing is pickled.
"""

from __future__ import annotations

import json
import struct
from typing import IO, Any

import numpy as np

#: A longer header means that the other side is no worker (a program that prints, say).
LONGEST_HEADER = 1 << 20
DTYPES = ("<f4", "<i4")


def write_frame(stream: IO[bytes], fields: dict[str, Any], arrays: dict[str, Any] | None = None) -> None:
    """Write one frame.

    Parameters
    ----------
    stream : binary file
        Flushed afterwards.
    fields : dict
        JSON values.
    arrays : dict of str to array_like, optional
        Sent as float32, or as int32 where they hold integers.
    """
    rows = []
    parts = []
    for name, values in (arrays or {}).items():
        whole = np.asarray(values)
        dtype = "<i4" if whole.dtype.kind in "iub" else "<f4"
        part = np.ascontiguousarray(whole, dtype=dtype).reshape(whole.shape)
        rows.append({"name": name, "dtype": dtype, "shape": list(part.shape)})
        parts.append(part.tobytes())
    header = json.dumps({"fields": fields, "arrays": rows}).encode()
    stream.write(struct.pack("<I", len(header)) + header)
    for data in parts:
        stream.write(data)
    stream.flush()


def read_frame(stream: IO[bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Read what :func:`write_frame` wrote.

    Returns
    -------
    fields : dict
    arrays : dict of str to ndarray

    Raises
    ------
    EOFError
        The stream ended, also in the middle of a frame.
    ValueError
        The bytes are no frame.
    """
    (length,) = struct.unpack("<I", _read(stream, 4))
    if length > LONGEST_HEADER:
        raise ValueError(f"a header of {length} bytes")
    header = json.loads(_read(stream, length))
    arrays = {}
    for row in header["arrays"]:
        if row["dtype"] not in DTYPES or min(row["shape"], default=0) < 0:
            raise ValueError(f"an array of {row['dtype']} {row['shape']}")
        count = int(np.prod(row["shape"], dtype=np.int64))
        arrays[row["name"]] = np.frombuffer(_read(stream, 4 * count), dtype=row["dtype"]).reshape(row["shape"])
    return header["fields"], arrays


def _read(stream: IO[bytes], count: int) -> bytes:
    data = stream.read(count)
    if len(data) < count:
        raise EOFError(f"{len(data)} of {count} bytes")
    return data

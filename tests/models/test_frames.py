from __future__ import annotations

import io
import json
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from brainmidi.models.frames import LONGEST_HEADER, read_frame, write_frame

shapes = arrays.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)
values = st.one_of(
    arrays.arrays(np.float32, shapes, elements=st.floats(width=32, allow_nan=False)),
    arrays.arrays(np.int32, shapes),
)


@given(st.dictionaries(st.text(max_size=8), values, max_size=3), st.dictionaries(st.text(), st.integers(), max_size=3))
def test_what_is_written_is_read(sent, fields):
    stream = io.BytesIO()
    write_frame(stream, fields, sent)
    stream.seek(0)
    found_fields, found = read_frame(stream)
    assert found_fields == fields
    assert found.keys() == sent.keys()
    for name, value in sent.items():
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
        assert np.array_equal(found[name], value)
    assert stream.read() == b""


def test_frames_follow_each_other():
    stream = io.BytesIO()
    for n in range(3):
        write_frame(stream, {"n": n}, {"row": np.full(n, n)})
    stream.seek(0)
    assert [read_frame(stream)[0]["n"] for _ in range(3)] == [0, 1, 2]


def test_a_frame_that_is_cut_anywhere_ends_the_stream():
    stream = io.BytesIO()
    write_frame(stream, {"op": "encode"}, {"z": np.arange(4.0)})
    whole = stream.getvalue()
    for length in range(len(whole)):
        with pytest.raises(EOFError):
            read_frame(io.BytesIO(whole[:length]))


def test_bytes_that_are_no_frame_are_refused_before_they_are_read():
    with pytest.raises(ValueError, match="header"):
        read_frame(io.BytesIO(struct.pack("<I", LONGEST_HEADER + 1)))
    for row in ({"name": "z", "dtype": "|O", "shape": [1]}, {"name": "z", "dtype": "<f4", "shape": [-1]}):
        header = json.dumps({"fields": {}, "arrays": [row]}).encode()
        with pytest.raises(ValueError, match="array"):
            read_frame(io.BytesIO(struct.pack("<I", len(header)) + header + b"\0" * 8))

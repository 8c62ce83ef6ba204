"""JSB chorales: the file is read without unpickling, pieces move within the voices' ranges, tunes are recognised."""

from __future__ import annotations

import io
import os
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("keras")

from brainmidi.errors import ConfigError
from brainmidi.models.chorale import ChoraleConfig
from brainmidi.training.chorales import FILE, classes_of, load, ranges, shared_sopranos, transpositions


def pickled(arrays: list[np.ndarray]) -> bytes:
    """Return a row of arrays as numpy of Python 2 wrote it."""
    row = np.empty(len(arrays), dtype=object)
    row[:] = arrays
    head = io.BytesIO()
    np.lib.format.write_array_header_1_0(head, {"descr": "|O", "fortran_order": False, "shape": row.shape})
    return head.getvalue() + _python_2(row)


def _python_2(row: np.ndarray) -> bytes:
    """Return the opcodes that matter: a shape, then bytes as a Python 2 string."""
    out = b"\x80\x02]q\x00("
    for array in row:
        data = array.astype("<f2").tobytes()
        n = len(array)
        out += b"M" + n.to_bytes(2, "little") + b"K\x04\x86T" + len(data).to_bytes(4, "little") + data
    return out + b"e."


def write(folder: Path, splits: dict[str, bytes]) -> None:
    with zipfile.ZipFile(folder / FILE, "w") as archive:
        for name, data in splits.items():
            archive.writestr(f"{name}.npy", data)


def test_pitches_and_rests_come_back_as_they_were_stored(tmp_path: Path) -> None:
    piece = np.array([[72, 67, np.nan, 48], [72, 65, 60, 48]])
    write(tmp_path, {name: pickled([piece, piece[:1]]) for name in ("train", "valid", "test")})
    splits = load(tmp_path)
    assert [len(row) for row in splits["validation"]] == [2, 1]
    assert splits["train"][0].tolist() == [[72, 67, -1, 48], [72, 65, 60, 48]]


def test_nothing_in_the_file_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return os.mkdir, (str(tmp_path / "sprung"),)

    head = pickled([np.full((1, 4), 60)])[:128]
    write(tmp_path, {name: head + pickle.dumps(Trap(), protocol=2) for name in ("train", "valid", "test")})
    with pytest.raises(ConfigError, match="cannot be read"):
        load(tmp_path)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("content", [b"", b"no archive"])
def test_another_file_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ConfigError, match="give the JSB chorales' file"):
        load(tmp_path)


def test_a_piece_moves_as_far_as_every_voice_stays_in_its_range() -> None:
    low = np.array([[70, 65, 60, 50], [72, 67, 62, 52]], dtype=np.int16)
    limits = ranges([low, low + 2, low - 1])
    assert transpositions(low, limits) == [-1, 0, 1, 2]
    assert transpositions(low + 2, limits) == [-3, -2, -1, 0]


def test_a_pitch_without_a_class_is_refused() -> None:
    config = ChoraleConfig(low=36, high=81)
    piece = np.array([[81, 60, 50, 36]], dtype=np.int16)
    assert classes_of(piece, config).tolist() == [[46, 25, 15, 1]]
    with pytest.raises(ConfigError, match=r"pitch 82 is outside 36\.\.81"):
        classes_of(piece, config, 1)


def test_a_tune_is_recognised_in_another_key() -> None:
    rng = np.random.default_rng(0)
    tunes = [rng.integers(60, 75, (64, 4)).astype(np.int16) for _ in range(3)]
    splits = {"train": tunes[:2], "validation": [tunes[0] + 3, tunes[2]], "test": [tunes[2]]}
    assert shared_sopranos(splits) == {"validation": 1, "test": 0}

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainmidi.errors import ModelError
from brainmidi.models import checkpoint


def spoil(path: Path, how: str) -> None:
    """Damage the stream of an archive's first file, or name a compression for it that nobody knows."""
    data = bytearray(path.read_bytes())
    if how == "deflate":
        start = 30 + int.from_bytes(data[26:28], "little") + int.from_bytes(data[28:30], "little")
        data[start : start + 8] = b"\xff" * 8
    else:
        directory = data.index(b"PK\x01\x02")
        data[8:10] = data[directory + 10 : directory + 12] = (99).to_bytes(2, "little")
    path.write_bytes(data)


class Variable:
    """Stands in for a Keras variable."""

    def __init__(self, path: str, value: np.ndarray) -> None:
        self.path, self.value, self.shape = path, value, value.shape

    def assign(self, value: np.ndarray) -> None:
        self.value = value


class Model:
    """Stands in for a Keras model of one weight."""

    def __init__(self) -> None:
        self.trainable_variables = [Variable("layer/kernel", np.zeros((2, 3)))]


def test_weights_come_back_as_they_were_saved_to_half_precision(tmp_path: Path) -> None:
    weights = {"layer/kernel": np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)}
    checkpoint.save_weights(tmp_path / "new", {"kind": "musicvae", "name": "new"}, weights)
    found = checkpoint.read_weights(tmp_path / "new")
    assert found["layer/kernel"].dtype == np.float32
    assert found["layer/kernel"] == pytest.approx(weights["layer/kernel"], rel=1e-3)
    assert checkpoint.read_config(tmp_path / "new") == {"kind": "musicvae", "name": "new"}


def test_an_unknown_checkpoint_is_refused_with_the_shipped_names() -> None:
    with pytest.raises(ModelError, match=r"checkpoint 'nobody' not found.*hier-mel_2bar"):
        checkpoint.find_checkpoint("nobody")


def test_weights_of_other_names_are_refused_by_name() -> None:
    with pytest.raises(ModelError, match=r"missing \['layer/kernel'\], left over \['other'\]"):
        checkpoint.put_weights(Model(), {"other": np.zeros((2, 3))})


def test_weights_of_another_shape_are_refused_with_both_shapes() -> None:
    with pytest.raises(ModelError, match=r"\(3, 2\), \(2, 3\) is needed"):
        checkpoint.put_weights(Model(), {"layer/kernel": np.zeros((3, 2))})


def test_a_damaged_weights_file_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / checkpoint.WEIGHTS_FILE).write_bytes(b"PK\x03\x04 not a zip")
    with pytest.raises(ModelError, match="install the checkpoint again"):
        checkpoint.read_weights(tmp_path)


@pytest.mark.parametrize("how", ["deflate", "method"])
def test_weights_that_cannot_be_unpacked_are_one_line(tmp_path: Path, how: str) -> None:
    path = tmp_path / checkpoint.WEIGHTS_FILE
    np.savez_compressed(path, kernel=np.arange(1000.0))
    spoil(path, how)
    with pytest.raises(ModelError, match="install the checkpoint again") as error:
        checkpoint.read_weights(tmp_path)
    assert "\n" not in str(error.value)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    np.savez(tmp_path / checkpoint.WEIGHTS_FILE, evil=np.array([{"an": "object"}], dtype=object))
    with pytest.raises(ModelError, match="cannot be read"):
        checkpoint.read_weights(tmp_path)


def test_a_checkpoint_of_another_kind_is_refused_with_both_kinds(tmp_path: Path) -> None:
    checkpoint.save_weights(tmp_path, {"kind": "transformer", "name": "x", "size": 4}, {})
    with pytest.raises(ModelError, match="is a transformer, a musicvae is needed"):
        checkpoint.read_sizes(tmp_path, "musicvae", dict)
    assert checkpoint.read_sizes(tmp_path, "transformer", dict) == {"size": 4}


def test_a_configuration_with_a_strange_field_is_one_line_with_the_remedy(tmp_path: Path) -> None:
    checkpoint.save_weights(tmp_path, {"kind": "transformer", "name": "x", "sizes": 4}, {})

    def sizes(values: dict) -> int:
        return (lambda size: size)(**values)

    with pytest.raises(ModelError, match=r"does not fit.*install the checkpoint again"):
        checkpoint.read_sizes(tmp_path, "transformer", sizes)

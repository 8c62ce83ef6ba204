"""Several devices share every batch: the losses are those of one device."""

from __future__ import annotations

import csv
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tiny_run as script

from brainmidi.errors import ConfigError
from brainmidi.training.devices import need_back_end, shared_by

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed; pip install 'brainmidi[train]'"
)
#: What Keras' name of a column says, and how near two devices have to come: floats are added in another order.
TOLERANCE = 1e-4


def on_jax(*arguments: object, devices: int = 2) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
    }
    command = [sys.executable, *(str(argument) for argument in arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def curve(folder: Path) -> np.ndarray:
    with (folder / "work" / "log.csv").open(newline="") as rows:
        return np.array([[float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(rows)])


@needs_jax
@pytest.mark.models
def test_two_devices_have_the_loss_curve_of_one(tmp_path: Path) -> None:
    done = on_jax(script.__file__, tmp_path, 3, -1, 1, 2)
    assert done.returncode == 0, done.stderr
    one, two = curve(tmp_path / "1"), curve(tmp_path / "2")
    assert one.shape == (3, 2)
    # It learns: otherwise any two runs of no consequence would agree.
    assert one[0, 0] - one[-1, 0] > 100 * TOLERANCE
    np.testing.assert_allclose(two, one, rtol=TOLERANCE)


@needs_jax
@pytest.mark.models
def test_more_devices_than_there_are_and_batches_that_do_not_fit_are_refused() -> None:
    code = """
from brainmidi.errors import ConfigError
from brainmidi.training.devices import shared_by
for n_devices, batch_size in ((4, 16), (3, 16)):
    try:
        with shared_by(n_devices, batch_size):
            print("shared")
    except ConfigError as error:
        print(error)
"""
    many, uneven = on_jax("-c", code, devices=3).stdout.splitlines()
    assert "4 devices are asked for, JAX has 3 (cpu:0, cpu:1, cpu:2); ask for fewer" in many
    assert "--xla_force_host_platform_device_count=4" in many
    assert uneven == "3 devices cannot share batches of 16 evenly; choose from 1, 2"


@pytest.mark.models
def test_tensorflow_uses_one_device() -> None:
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)

    with shared_by(1, 7):
        pass
    refused = r"2 devices are asked for, Keras on tensorflow uses 1; install 'brainmidi\[train\]' .* KERAS_BACKEND=jax"
    with pytest.raises(ConfigError, match=refused), shared_by(2, 16):
        pass


def test_a_back_end_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ConfigError, match=r"KERAS_BACKEND=jax cannot be loaded .* install 'brainmidi\[train\]'"):
        need_back_end()


def test_a_back_end_that_only_computes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    fake = SimpleNamespace(backend=SimpleNamespace(backend=lambda: "numpy"))
    monkeypatch.setitem(sys.modules, "keras", fake)
    with pytest.raises(ConfigError, match="KERAS_BACKEND=numpy cannot train here, tensorflow or jax can"):
        need_back_end()

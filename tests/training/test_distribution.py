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
from brainmidi.training import devices
from brainmidi.training.devices import need_back_end, shared_by

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed; pip install 'brainmidi[train]'"
)
#: What Keras' name of a column says, and how near two devices have to come: floats are added in another order.
TOLERANCE = 1e-4


#: Trains on one device and on two, and then asks for what cannot be shared: one process, since JAX takes long to load.
CODE = """
import sys
from pathlib import Path
from tiny_run import tiny_run
from brainmidi.errors import ConfigError
from brainmidi.training.devices import shared_by
for n_devices in (1, 2):
    tiny_run(Path(sys.argv[1]) / str(n_devices), epochs=3, n_devices=n_devices)
for n_devices, batch_size in ((3, 12), (2, 15)):
    try:
        with shared_by(n_devices, batch_size):
            print("shared")
    except ConfigError as error:
        print(error)
"""


@pytest.fixture(scope="module")
def two_devices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder and the output of a process that has two devices."""
    folder = tmp_path_factory.mktemp("devices")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        # So little is computed that the compiler's finer work does not pay.
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2 --xla_backend_optimization_level=0 "
        "--xla_llvm_disable_expensive_passes=true",
        "PYTHONPATH": os.pathsep.join([str(Path(script.__file__).parent), os.environ.get("PYTHONPATH", "")]),
    }
    command = [sys.executable, "-c", CODE, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def curve(folder: Path) -> np.ndarray:
    with (folder / "work" / "log.csv").open(newline="") as rows:
        return np.array([[float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(rows)])


@needs_jax
@pytest.mark.models
def test_two_devices_have_the_loss_curve_of_one(two_devices: tuple[Path, str]) -> None:
    one, two = (curve(two_devices[0] / name) for name in ("1", "2"))
    assert one.shape == (3, 2)
    # It learns: otherwise any two runs of no consequence would agree.
    assert one[0, 0] - one[-1, 0] > 100 * TOLERANCE
    np.testing.assert_allclose(two, one, rtol=TOLERANCE)


@needs_jax
@pytest.mark.models
def test_more_devices_than_there_are_and_batches_that_do_not_fit_are_refused(two_devices: tuple[Path, str]) -> None:
    many, uneven = two_devices[1].splitlines()
    assert "3 devices are asked for, JAX has 2 (cpu:0, cpu:1); ask for fewer" in many
    assert "--xla_force_host_platform_device_count=3" in many
    assert uneven == "2 devices cannot share batches of 15 evenly; choose from 1"


def test_a_batch_that_cannot_be_shared_is_refused_with_the_numbers_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices, "need_devices", lambda n_devices: ["cpu"] * n_devices)
    with (
        pytest.raises(ConfigError, match=r"6 devices cannot share batches of 16 evenly; choose from 1, 2, 4$"),
        shared_by(6, 16),
    ):
        pass


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

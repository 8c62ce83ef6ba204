import importlib
import subprocess
import sys

import pytest

from brainmidi.models.lean import leaving_out


@pytest.fixture
def packages(tmp_path, monkeypatch):
    """Put a package with one module on the path, and return what has to be forgotten of it afterwards."""
    folder = tmp_path / "heavyweight"
    folder.mkdir()
    (folder / "__init__.py").write_text("colour = 'red'\n")
    (folder / "part.py").write_text("shape = 'round'\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in ("heavyweight", "heavyweight.part"):
        sys.modules.pop(name, None)


def test_a_later_module_is_loaded_when_an_attribute_is_asked_for(packages):
    with leaving_out(("heavyweight",), ()):
        import heavyweight
    assert "heavyweight" not in sys.modules
    assert heavyweight.colour == "red"
    assert sys.modules["heavyweight"].colour == "red"


def test_every_way_of_importing_a_later_module_leaves_it_unloaded(packages):
    with leaving_out(("heavyweight", "heavyweight.part"), ()):
        import heavyweight.part as one
        from heavyweight import part as other
    assert "heavyweight" not in sys.modules
    assert one.shape == other.shape == "round"


def test_a_later_module_that_is_used_while_others_load_is_loaded_then(packages):
    with leaving_out(("heavyweight",), ()):
        from heavyweight import colour
    assert colour == "red"
    assert "heavyweight" in sys.modules


def test_what_a_later_module_lacks_is_an_attribute_error(packages):
    with leaving_out(("heavyweight",), ()):
        import heavyweight
    with pytest.raises(AttributeError, match="weight"):
        _ = heavyweight.weight


def test_an_absent_package_is_found_again_afterwards(packages):
    with leaving_out((), ("heavyweight",)), pytest.raises(ImportError):
        importlib.import_module("heavyweight")
    assert importlib.import_module("heavyweight").colour == "red"


def test_the_package_that_keras_is_told_to_run_on_is_never_absent(packages, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "heavyweight")
    with leaving_out((), ("heavyweight",)):
        assert importlib.import_module("heavyweight").colour == "red"


def test_what_is_loaded_already_stays(packages):
    loaded = importlib.import_module("heavyweight")
    with leaving_out(("heavyweight",), ("heavyweight",)):
        assert importlib.import_module("heavyweight") is loaded
    assert sys.modules["heavyweight"] is loaded


def test_a_failed_import_leaves_nothing_behind(packages):
    with pytest.raises(RuntimeError), leaving_out(("heavyweight",), ("absentee",)):
        raise RuntimeError
    assert "heavyweight" not in sys.modules
    assert "absentee" not in sys.modules


PROGRAM = """
import sys
import numpy as np
from brainmidi.models import lean
before = set(sys.modules)
from brainmidi.models import compiled
assert not set(lean.LATER + lean.ABSENT) & set(sys.modules) - before, "loaded all the same"
import keras, tensorflow as tf
import tensorflow.compat.v1 as tf1
assert tf.compat.v1.Session is tf1.Session
assert tf.lite.TFLiteConverter.from_keras_model
assert tf.feature_column.numeric_column("a").key == "a"
model = keras.Sequential([keras.layers.Dense(1)])
model.compile("sgd", "mse")
try:
    import pandas
except ImportError:
    rows, truth = np.ones((4, 2)), np.ones(4)
else:
    rows, truth = pandas.DataFrame({"a": [1.0, 2, 3, 4], "b": [0.0, 1, 0, 1]}), pandas.Series([0.0, 1, 0, 1])
model.fit(rows, truth, batch_size=2, validation_split=0.5, verbose=0)
assert model.predict(rows, verbose=0).shape == (4, 1)
"""


@pytest.mark.models
def test_keras_and_tensorflow_work_as_ever_after_the_lean_loading():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]

"""Load TensorFlow and Keras without what playing never touches: half of their loading time.

Both load packages for features that few programs use: Keras the plotting library behind one gallery, TensorFlow its
whole interface of version 1. Here two kinds of them wait. A *later* module is loaded when one of its attributes is
first asked for, so that it works as ever. An *absent* package is not found while Keras and TensorFlow load, which both
foresee; every later import finds it. Whatever is loaded already stays as it is.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Any

_API = "tensorflow._api.v2"
#: A package stands before its modules.
LATER = (
    "IPython",  # displays model files in notebooks
    "h5py",  # reads and writes model files of older versions
    "matplotlib",  # Keras' galleries of images
    "matplotlib.patches",
    "matplotlib.pyplot",
    f"{_API}.__internal__.feature_column",
    f"{_API}.compat",  # TensorFlow 1
    f"{_API}.feature_column",
)
ABSENT = (
    "jax",  # one deprecated converter of TensorFlow Lite; a Keras callback mends old versions of it
    "pandas",  # Keras takes a data frame that comes later for an array, which it can be
    "scipy.sparse",  # inputs of the Keras inside TensorFlow, which no public name leads to
    "sklearn",  # Keras' wrappers for scikit-learn
)


class _Later(ModuleType):
    """Stands for a module that is loaded when one of its attributes is first asked for."""

    def __getattr__(self, name: str) -> Any:
        if sys.modules.get(self.__name__) is self:
            if name == "__path__":  # `from package import module` asks for it: no use yet
                raise AttributeError(name)
            del sys.modules[self.__name__]
        real = import_module(self.__name__)
        self.__dict__.update(real.__dict__)
        return getattr(real, name)


@contextmanager
def leaving_out(later: Sequence[str] = LATER, absent: Sequence[str] = ABSENT) -> Iterator[None]:
    """Let what is imported in this block load without these modules.

    Parameters
    ----------
    later : sequence of str
        Modules that are loaded when they are first used; a package stands before its modules.
    absent : sequence of str
        Packages that cannot be imported in this block, and can be after it; not the one that Keras is told to run on.
    """
    absent = [name for name in absent if name != os.environ.get("KERAS_BACKEND")]
    stand_ins: dict[str, ModuleType | None] = {name: _Later(name) for name in later if name not in sys.modules}
    for name, stand_in in stand_ins.items():
        package, _, short = name.rpartition(".")
        if package in stand_ins:
            setattr(stand_ins[package], short, stand_in)
    stand_ins.update({name: None for name in absent if name not in sys.modules})
    sys.modules.update(stand_ins)  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, stand_in in stand_ins.items():
            if sys.modules.get(name, stand_in) is stand_in:
                sys.modules.pop(name, None)

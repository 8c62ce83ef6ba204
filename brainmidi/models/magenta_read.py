"""Magenta's weights from wherever they are: a TensorFlow checkpoint, a magenta.js folder, an archive of either."""

from __future__ import annotations

import re
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ModelError
from brainmidi.models import download as web
from brainmidi.models.archive import is_archive, is_pickle, unpack
from brainmidi.models.magenta import is_weight
from brainmidi.models.magenta_js import DESCRIPTION, MANIFEST, fetch, read_shards, shards

_ARCHIVES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_PARTS = re.compile(r"\.(index|meta|data-\d{5}-of-\d{5})$")


@dataclass(frozen=True, slots=True)
class Found:
    """Weights, and where they come from.

    Parameters
    ----------
    weights : dict of str to array
        By Magenta's names, float32, without what belongs to an optimizer.
    kind : {"tensorflow", "magenta.js"}
        The format.
    place : str
        The web address, or the name of the file or folder.
    sha256 : dict of str to str
        Of each file that was given or fetched, by its name.
    """

    weights: dict[str, NDArray[np.float32]]
    kind: Literal["tensorflow", "magenta.js"]
    place: str
    sha256: dict[str, str]


def read(source: str, cache: Path, progress: web.Progress | None = None) -> Found:
    """Return the weights that a path or a web address leads to.

    Parameters
    ----------
    source : str
        A folder, a checkpoint's prefix or one of its files, an archive, or the address of an archive or of a magenta.js
        folder.
    cache : Path
        Where archives are unpacked, and downloads kept until :func:`forget`, or until they prove to be no model.
    progress : callable, optional
        Told of every chunk that is downloaded.

    Raises
    ------
    ModelError
        If there is nothing there, or nothing that can be read, or too much of it.
    """
    try:
        if web.is_url(source):
            return _read_url(source, cache, progress)
        return _read_path(_home_of(source), Path(source).name or source, cache)
    except OSError as error:
        raise ModelError(f"{source} cannot be read ({error.strerror or error}); check the path") from None


def _home_of(source: str) -> Path:
    """Return a path whose ``~`` is a folder."""
    try:
        return Path(source).expanduser()
    except RuntimeError:
        raise ModelError(f"{source} names the home folder of nobody here; write the path in full") from None


def _read_url(url: str, cache: Path, progress: web.Progress | None) -> Found:
    """Return the weights at a web address."""
    web.check_url(url)
    name, folder = web.file_name(url), web.cache_folder(url, cache)
    try:
        if name.lower().endswith(_ARCHIVES):
            web.download(url, folder / name, progress)
            return _read_path(folder / name, url, cache)
        fetch(web.above(url) if name in (MANIFEST, DESCRIPTION) else url, folder, progress)
        return _read_path(folder, url, cache)
    except web.Unfinished:
        raise
    except ModelError:
        forget(url, cache)  # What cannot be read now could not be read the next time either.
        raise


def forget(source: str, cache: Path) -> None:
    """Remove what was downloaded from a web address."""
    folder = web.cache_folder(source, cache)
    if web.is_url(source) and folder.is_dir():
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()


def _read_path(path: Path, place: str, cache: Path) -> Found:
    """Return the weights at a path."""
    if path.is_dir():
        return _read_folder(path, place)
    prefix = path.with_name(_PARTS.sub("", path.name))
    if not path.is_file() or prefix != path:
        return _read_tensorflow(prefix, place)
    if path.name in (MANIFEST, DESCRIPTION, "checkpoint"):
        return _read_folder(path.parent, place)
    if is_archive(path):
        cache.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="unpacked-", dir=cache) as folder:
            unpack(path, Path(folder))
            found = _read_folder(Path(folder), place)
        return Found(found.weights, found.kind, place, {path.name: web.sha256_of(path)})
    if is_pickle(path):
        raise ModelError(f"{path.name} is a pickle, which could run any program; no pickle is opened")
    raise ModelError(f"{path.name} is no checkpoint, archive or magenta.js model; give one of these")


def _read_folder(folder: Path, place: str) -> Found:
    """Return the weights of the one model in a folder or below it."""
    manifests = _visible(folder, MANIFEST)
    indices = _visible(folder, "*.index")
    if len(manifests) == 1 and not indices:
        return _read_js(manifests[0].parent, place)
    if len(indices) > 1 and not manifests:  # A folder of a training: the newest, as TensorFlow noted it.
        indices = [index for index in indices if index.with_suffix("") == _newest(index.parent)] or indices
    if len(indices) == 1 and not manifests:
        return _read_tensorflow(indices[0].with_suffix(""), place)
    names = ", ".join(path.name for path in [*manifests, *indices][:8])
    there = f"holds several models ({names})" if names else f"holds no checkpoint (.index) and no {MANIFEST}"
    raise ModelError(f"{place} {there}, one is needed; give the path of a checkpoint or of a magenta.js folder")


def _visible(folder: Path, pattern: str) -> list[Path]:
    """Return the files of a pattern in a folder and two levels below it, without hidden ones."""
    # Not all the way down: the folder may be someone's home.
    found = (path for depth in ("", "*/", "*/*/") for path in folder.glob(depth + pattern))
    return sorted(path for path in found if path.is_file() and not path.name.startswith("."))


def _newest(folder: Path) -> Path | None:
    """Return the prefix that TensorFlow's ``checkpoint`` file names, wherever the folder was when it was written."""
    note = folder / "checkpoint"
    text = note.read_text(encoding="utf-8", errors="replace") if note.is_file() else ""
    named = re.search(r'^model_checkpoint_path: "(.*)"', text, re.MULTILINE)
    return folder / re.split(r"[/\\]", named[1])[-1] if named else None


def _read_tensorflow(prefix: Path, place: str) -> Found:
    index = prefix.with_name(prefix.name + ".index")
    if not index.is_file():
        raise ModelError(f"{place} does not exist, and neither does {index.name}; check the path")
    data = [path for path in prefix.parent.iterdir() if path.name.startswith(f"{prefix.name}.data-")]
    if not data:
        raise ModelError(f"{prefix.name}.data-00000-of-00001 is missing beside {index.name}; fetch or copy it too")
    from brainmidi.models.tfcheckpoint import read_variables

    weights = read_variables(prefix, is_weight)
    return Found(weights, "tensorflow", place, _digests(prefix.parent, [index, *sorted(data)]))


def _read_js(folder: Path, place: str) -> Found:
    weights = read_shards(folder, is_weight)
    described = [folder / DESCRIPTION] if (folder / DESCRIPTION).is_file() else []
    files = [*described, folder / MANIFEST, *(folder / name for name in shards(folder))]
    return Found(weights, "magenta.js", place, _digests(folder, files))


def _digests(folder: Path, files: list[Path]) -> dict[str, str]:
    return {path.relative_to(folder).as_posix(): web.sha256_of(path) for path in files}

"""The doctor looks at the machine: Python, packages and extras, disk."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from brainmidi.drivers.doctor import Finding

#: Extras, and what a user has with them.
EXTRAS = {
    "lsl": "EEG over Lab Streaming Layer",
    "jack": "sample-accurate messages through JACK",
    "link": "Ableton Link",
    "asr": "artifact subspace reconstruction",
    "train": "training on JAX",
}
_LEAST_FREE = 1e9  # bytes: a day of takes, and one download


def look_at_python(requirements: Callable[[], list[str] | None] | None = None) -> Iterator[Finding]:
    """Look for the packages that brainmidi requires, and for its extras.

    Parameters
    ----------
    requirements : callable, optional
        Returns requirements as package metadata spells them; those of brainmidi by default.
    """
    version = platform.python_version()
    if (3, 11) <= sys.version_info < (3, 14):
        yield Finding("python", "ok", f"Python {version} on {platform.platform(terse=True)}")
    else:
        yield Finding("python", "problem", f"Python {version}, 3.11 to 3.13 is needed", "install Python 3.12")
    try:
        listed = (requirements or _own_requirements)() or []
    except importlib.metadata.PackageNotFoundError:
        yield Finding("python", "problem", "brainmidi itself is not installed", "pip install brainmidi")
        return
    missing: dict[str, list[str]] = {}
    offered = set()
    for line in listed:
        name, extra = re.split(r"[ ;<>=!~\[(]", line, maxsplit=1)[0], _extra(line)
        offered.add(extra)
        if _applies(line) and not _installed(name):
            missing.setdefault(extra, []).append(name)
    needed = missing.pop("", [])
    if needed:
        yield Finding("python", "problem", f"missing: {', '.join(needed)}", "pip install --upgrade brainmidi")
    else:
        yield Finding("python", "ok", "every package that is needed is installed")
    for extra, gives in EXTRAS.items():
        if extra in missing:
            yield Finding(
                "python", "note", f"without the extra {extra}: no {gives}", f"pip install 'brainmidi[{extra}]'"
            )
        elif extra in offered:
            yield Finding("python", "ok", f"extra {extra}: {gives}")


def look_at_disk(folders: tuple[Path, ...], free: Callable[[Path], float] | None = None) -> Iterator[Finding]:
    """Look whether takes and models can be written to `folders`, and how much room there is.

    Parameters
    ----------
    folders : tuple of Path
        Need not exist.
    free : callable, optional
        Returns the bytes that are free where a folder lies.
    """
    for folder in folders:
        there = folder.absolute()
        while not there.exists():
            there = there.parent
        room = (free or _free)(there)
        text = f"{folder}: {room / 1e9:.1f} GB free"
        if not os.access(there, os.W_OK):
            yield Finding("disk", "problem", f"{folder} cannot be written to", f"chown -R $USER {there}")
        elif room < _LEAST_FREE / 10:
            yield Finding("disk", "problem", text, "make room, or write takes elsewhere with -o")
        elif room < _LEAST_FREE:
            yield Finding("disk", "note", text, "make room before a long session")
        else:
            yield Finding("disk", "ok", text)


def _own_requirements() -> list[str] | None:
    return importlib.metadata.requires("brainmidi")


def _extra(line: str) -> str:
    """Return the extra that a requirement belongs to, "" where it is always needed."""
    match = re.search(r"extra *== *['\"]([^'\"]+)", line)
    return "" if match is None else match.group(1)


def _applies(line: str) -> bool:
    """Return whether a requirement is for this version of Python, the one marker besides extras that we use."""
    match = re.search(r"python_version *(<|>=) *['\"](\d+)\.(\d+)", line)
    if match is None:
        return True
    below = sys.version_info[:2] < (int(match.group(2)), int(match.group(3)))
    return below if match.group(1) == "<" else not below


def _installed(name: str) -> bool:
    try:
        importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return False
    return True


def _free(folder: Path) -> float:
    return float(shutil.disk_usage(folder).free)

"""Which notes are open, where a killed player leaves it, and one whose output failed: the next start closes them.

A file of one byte for each key of each channel, in memory that the system keeps and writes back whatever becomes of
the process. A note costs one byte written, no system call. A lock tells a player that lives from one that was killed.
"""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import ModuleType

_KEYS = 128
_SIZE = 16 * _KEYS + 16  # and a byte for each channel used
_AT_ONCE = 8  # players on ports of one name


class Ledger:
    """The open notes of one port, on disk.

    Parameters
    ----------
    port : str
        Name of the port; players on other ports have files of their own.
    folder : Path, optional
        Where the files are; the user's folder for such things by default.
    """

    def __init__(self, port: str, folder: Path | None = None) -> None:
        self._folder = runtime_folder() if folder is None else folder
        self._stem = re.sub(r"[^A-Za-z0-9]+", "-", port).strip("-") or "port"
        self._path: Path | None = None
        self._file = -1
        self._notes: mmap.mmap | None = None
        self.left: tuple[tuple[int, ...], ...] = ()

    def open(self) -> None:
        """Take a file that no living player has, and remember in :attr:`left` what killed ones left open.

        Where no file can be had (a full or a read-only disk) the player plays without one.
        """
        left: list[tuple[int, ...]] = []
        with suppress(OSError):
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for number in range(1, _AT_ONCE + 1):
                path = self._folder / f"{self._stem}-{number}.notes"
                if self._notes is not None and not path.exists():
                    continue
                file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
                if not _locked(file):  # a player that lives has it
                    os.close(file)
                    continue
                os.ftruncate(file, _SIZE)
                notes = mmap.mmap(file, _SIZE)
                left += _silencing(notes)
                notes[:] = bytes(_SIZE)
                if self._notes is None:
                    self._path, self._file, self._notes = path, file, notes
                    continue
                notes.close()
                _discard(path, file)
        self.left = tuple(dict.fromkeys(left))

    def note(self, channel: int, pitch: int, sounds: bool) -> None:
        """Take note that a key, channel from 0, sounds or sounds no more."""
        if self._notes is not None:
            self._notes[channel * _KEYS + pitch] = sounds
            self._notes[16 * _KEYS + channel] = 1

    def close(self) -> None:
        """Give the file up; where notes are open in it, as their output failed, it stays for the next start."""
        if self._notes is None or self._path is None:
            return
        remains = any(self._notes[: 16 * _KEYS])
        self._notes.close()
        self._notes = None
        if remains:
            os.close(self._file)
        else:
            _discard(self._path, self._file)


def runtime_folder() -> Path:
    """Return the user's folder for files that need not outlive a session."""
    own = os.environ.get("XDG_RUNTIME_DIR") or os.path.join(tempfile.gettempdir(), f"brainmidi-{_user()}")
    return Path(own) / "brainmidi"


def _user() -> str:
    return str(os.getuid()) if hasattr(os, "getuid") else os.environ.get("USERNAME", "user")


def _silencing(notes: mmap.mmap) -> Iterator[tuple[int, ...]]:
    """Yield the messages that close what `notes` says is open, channel by channel."""
    for channel in range(16):
        pitches = [pitch for pitch in range(_KEYS) if notes[channel * _KEYS + pitch]]
        yield from ((0x80 | channel, pitch, 0) for pitch in pitches)
        if notes[16 * _KEYS + channel]:
            yield from ((0xB0 | channel, controller, 0) for controller in (64, 123, 120))


def _discard(path: Path, file: int) -> None:
    """Delete a file and let it go, in this order: once it is let go, another player may take what has its name."""
    try:
        path.unlink(missing_ok=True)
    except OSError:  # Windows keeps a file while it is open
        os.close(file)
        with suppress(OSError):
            path.unlink(missing_ok=True)
    else:
        os.close(file)


def _locked(file: int) -> bool:
    """Return whether `file` could be locked; the lock goes with the process that holds it, however it ends."""
    try:
        import fcntl
    except ImportError:
        return _locked_on_windows(file)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _locked_on_windows(file: int) -> bool:
    """Lock the byte after the notes: what is locked there, no other process can read. Not run by us."""
    msvcrt: ModuleType = import_module("msvcrt")
    os.lseek(file, _SIZE, os.SEEK_SET)
    try:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)
    except OSError:
        return False
    return True

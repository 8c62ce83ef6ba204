"""Archives of unknown origin, unpacked so that nothing leaves the folder, fills the disk or runs.

Only plain files and folders are taken, under names that stay below the folder; every byte that comes out is counted.
The files are written by this module, so that no owner, mode, time or link of an archive is ever applied.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any, NoReturn

from brainmidi.errors import ModelError

GIB = 2**30
#: The largest configuration with both slots of its optimizer takes 2.8 GiB.
MAX_FILE_BYTES = 3 * GIB
MAX_TOTAL_BYTES = 4 * GIB
MAX_FILES = 1000
#: Trained weights hardly compress; what grows more than this is no model.
MAX_GROWTH = 100
#: Small archives may grow by more, up to this.
FREE_BYTES = 16 * 2**20
PICKLES = (".pkl", ".pickle")
_CHUNK_BYTES = 2**20

_OPENERS: dict[bytes, Callable[[Path], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
_ZIP = (b"PK\x03\x04", b"PK\x05\x06")
_BROKEN = (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError)
_DAMAGE = (*_BROKEN, EOFError, OSError, RuntimeError, ValueError)


def inside(name: str) -> PurePosixPath:
    """Return a name from an archive or a manifest as a path that stays below wherever it is put.

    Raises
    ------
    ModelError
        If it is absolute, climbs, or means something else on another system.
    """
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or any(sign in name for sign in "\\:\0"):
        raise ModelError(f"the file name {name!r} leads out of its folder; this is no model, do not use it")
    return path


def is_pickle(path: Path) -> bool:
    """Tell whether a file begins as pickles of protocol 2 and later do."""
    with path.open("rb") as file:
        start = file.read(2)
    return len(start) == 2 and start[0] == 0x80 and 2 <= start[1] <= 5


def is_archive(path: Path) -> bool:
    """Tell by its first bytes whether a file is a zip file or a tar file, compressed or not."""
    with path.open("rb") as file:
        start = file.read(512)
    return start.startswith((*_ZIP, *_OPENERS)) or start[257:262] == b"ustar" or path.suffix == ".tar"


def unpack(archive: Path, folder: Path) -> None:
    """Write what a tar or zip file holds into a folder.

    Parameters
    ----------
    archive : Path
        For which :func:`is_archive` holds.
    folder : Path
        Which exists and is empty.

    Raises
    ------
    ModelError
        If the archive is damaged, too large, or holds a link, a device, a pickle, or a name that leads out of `folder`.
    """
    allowed = min(MAX_TOTAL_BYTES, FREE_BYTES + MAX_GROWTH * archive.stat().st_size)
    sink = _Sink(archive.name, folder, allowed)
    try:
        with archive.open("rb") as file:
            start = file.read(6)
        if start.startswith(_ZIP):
            _unpack_zip(archive, sink)
        else:
            opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
            with opener(archive) if opener else archive.open("rb") as stream:
                counted = _Counted(stream, sink)
                _unpack_tar(counted, sink)
                while counted.read(_CHUNK_BYTES):
                    pass  # The checksum of a compressed file stands at its end.
    except _DAMAGE as error:
        raise ModelError(f"{archive.name} cannot be unpacked ({error}); fetch or copy it again") from None


class _Sink:
    """A folder that files are written to, with a count of bytes and files."""

    def __init__(self, name: str, folder: Path, allowed: int) -> None:
        self.name, self.folder, self.allowed = name, folder, allowed
        self.written = self.files = 0

    def refuse_size(self, n_bytes: int) -> None:
        """Raise where so many bytes are too many for one file or in all."""
        if n_bytes > MAX_FILE_BYTES or self.written + n_bytes > self.allowed:
            raise ModelError(
                f"{self.name} unpacks to more than is allowed, {self.allowed / 2**20:,.0f} MiB (at most {MAX_GROWTH} "
                f"times its size) and {MAX_FILE_BYTES // GIB} GiB a file; this is no model, do not use it"
            )

    def refuse_kind(self, name: str) -> NoReturn:
        """Raise because of something that is neither file nor folder."""
        raise ModelError(f"{self.name} holds {name!r}, a link or device; this is no model, do not use it")

    def put(self, name: str, size: int, open_source: Callable[[], Any]) -> None:
        """Write one file of `size` bytes."""
        path = self.folder / inside(name)
        if path.suffix in PICKLES:
            raise ModelError(f"{self.name} holds {name}, a pickle, which could run any program; no pickle is opened")
        self.files += 1
        if self.files > MAX_FILES:
            raise ModelError(f"{self.name} holds more than {MAX_FILES} files; this is no model, do not use it")
        self.refuse_size(size)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists():
            raise ModelError(f"{self.name} holds {name} twice; this is no model, do not use it")
        with open_source() as source, path.open("xb") as file:
            left = size
            while left > 0 and (chunk := source.read(min(left, _CHUNK_BYTES))):
                left -= file.write(chunk)
            if left or source.read(1):
                raise EOFError(f"{name} has not the {size} bytes that it should have")
        self.written += size


class _Counted:
    """A stream that tarfile reads from; a header that asks for megabytes, or a stream without end, is refused."""

    def __init__(self, stream: Any, sink: _Sink) -> None:
        self.stream, self.sink, self.n_read = stream, sink, 0
        self.tell, self.seek = stream.tell, stream.seek

    def read(self, size: int = -1) -> bytes:
        """Read as files do."""
        self.n_read += max(size, 0)
        if not 0 <= size <= 4 * _CHUNK_BYTES or self.n_read > self.sink.allowed + FREE_BYTES:
            self.sink.refuse_size(MAX_TOTAL_BYTES + 1)
        data: bytes = self.stream.read(size)
        return data


def _unpack_tar(stream: _Counted, sink: _Sink) -> None:
    check = getattr(tarfile, "data_filter", None)  # From Python 3.11.4 on; a second opinion.
    with tarfile.open(fileobj=stream, mode="r:") as tar:  # type: ignore[call-overload]
        for member in tar:
            if member.isdir():
                continue
            if not member.isreg() or member.issparse():
                sink.refuse_kind(member.name)
            inside(member.name)
            if check is not None:
                check(member, str(sink.folder))

            sink.put(member.name, member.size, partial(tar.extractfile, member))


def _unpack_zip(archive: Path, sink: _Sink) -> None:
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                sink.refuse_kind(info.filename)
            if info.is_dir():
                continue
            sink.put(info.filename, info.file_size, partial(packed.open, info))

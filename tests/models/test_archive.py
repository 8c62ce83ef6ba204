"""Archives of unknown origin: what is honest comes out whole, and nothing else comes out at all."""

from __future__ import annotations

import io
import lzma
import stat
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import ModelError
from brainmidi.models import archive

FILES = {"model/a.index": b"index", "model/b": bytes(range(256)) * 5, "empty": b""}


def write_tar(path: Path, mode: str = "w", files: dict[str, bytes] = FILES, *more: tarfile.TarInfo) -> Path:
    with tarfile.open(path, mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in more:
            tar.addfile(info)
    return path


def write_zip(path: Path, files: dict[str, bytes] = FILES) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, data in files.items():
            packed.writestr(name, data)
    return path


def unpacked(path: Path) -> dict[str, bytes]:
    folder = path.parent / "out"
    folder.mkdir()
    archive.unpack(path, folder)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def refused(path: Path, match: str) -> None:
    """Unpack what must not be unpacked; nothing may appear outside of the folder."""
    before = set(path.parent.rglob("*"))
    folder = path.parent / "out"
    folder.mkdir()
    with pytest.raises(ModelError, match=match):
        archive.unpack(path, folder)
    assert {file for file in path.parent.rglob("*") if not file.is_relative_to(folder)} == before
    assert not any(file.is_symlink() for file in folder.rglob("*"))


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_tar_file_comes_out_whole(tmp_path, mode):
    path = write_tar(tmp_path / "model.bin", mode)
    assert mode == "w" or archive.is_archive(path)
    assert unpacked(path) == FILES


def test_a_zip_file_comes_out_whole(tmp_path):
    path = write_zip(tmp_path / "model.zip")
    assert archive.is_archive(path)
    assert unpacked(path) == FILES


def test_a_large_file_comes_out_whole(tmp_path):
    data = bytes(range(256)) * 12_345
    assert unpacked(write_tar(tmp_path / "a.tgz", "w:gz", {"big": data, "after": b"x"})) == {"big": data, "after": b"x"}


@pytest.mark.parametrize(
    "name", ["../evil", "a/../../evil", "/tmp/evil", "..", "C:evil", "a\\..\\..\\evil", "\\\\host\\evil"]
)
def test_a_name_that_leads_out_is_refused(tmp_path, name):
    refused(write_tar(tmp_path / "a.tar", "w", {"good": b"1", name: b"2"}), "leads out of its folder")


@pytest.mark.parametrize("name", ["../evil", "a/../../evil", "/tmp/evil"])
def test_a_name_that_leads_out_of_a_zip_file_is_refused(tmp_path, name):
    refused(write_zip(tmp_path / "a.zip", {"good": b"1", name: b"2"}), "leads out of its folder")


@given(st.text(st.sampled_from("./\\:a \0"), max_size=8))
def test_a_name_stays_inside_or_is_refused(name):
    root = Path("/top/of/all").resolve()
    try:
        path = archive.inside(name)
    except ModelError:
        return
    assert (root / path).resolve().is_relative_to(root)
    assert (root / path).resolve() != root


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path, kind):
    info = tarfile.TarInfo("passwords")
    info.type, info.linkname = kind, "/etc/passwd"
    refused(write_tar(tmp_path / "a.tar", "w", {}, info), "'passwords', a link or device")


def test_a_link_in_a_zip_file_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    info = zipfile.ZipInfo("passwords")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr(info, "/etc/passwd")
    refused(path, "'passwords', a link or device")


def test_a_file_written_through_a_link_is_refused(tmp_path):
    link = tarfile.TarInfo("out")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        tar.addfile(link)
        info = tarfile.TarInfo("out/evil")
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    refused(path, "a link or device")


@pytest.mark.parametrize("kind", ["tar", "zip"])
def test_a_bomb_is_refused_before_it_fills_the_disk(tmp_path, kind):
    bomb = {"weights": bytes(40 * 2**20)}
    path = write_tar(tmp_path / "a.tgz", "w:gz", bomb) if kind == "tar" else write_zip(tmp_path / "a.zip", bomb)
    assert path.stat().st_size < 2**17
    refused(path, r"unpacks to more than is allowed, \d+ MiB \(at most 100 times its size\) and 3 GiB a file")
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*")) < 2**16


def test_many_files_that_are_too_much_together_are_refused(tmp_path):
    refused(write_zip(tmp_path / "a.zip", {f"{n}": bytes(2**20) for n in range(40)}), "more than is allowed")
    assert sum(file.stat().st_size for file in (tmp_path / "out").rglob("*") if file.is_file()) <= 24 * 2**20


def test_one_file_may_not_be_larger_than_any_model(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILE_BYTES", 1000)
    refused(write_tar(tmp_path / "a.tar"), "more than is allowed")


def test_a_header_that_asks_for_all_memory_is_refused(tmp_path):
    # The text of an extended header is read at once, whatever its size.
    info = tarfile.TarInfo("comment")
    info.type, info.size = tarfile.XHDTYPE, 64 * 2**20
    path = tmp_path / "a.tar.xz"
    with lzma.open(path, "wb", preset=0) as file:
        file.write(info.tobuf(tarfile.USTAR_FORMAT))
        file.write(bytes(info.size))
    refused(path, "more than is allowed")


def test_too_many_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(archive, "MAX_FILES", 2)
    refused(write_tar(tmp_path / "a.tar"), "more than 2 files")


def test_a_name_that_comes_twice_is_refused(tmp_path):
    path = write_tar(tmp_path / "a.tar")
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("empty"))
    refused(path, "holds empty twice")


@pytest.mark.parametrize("mode", ["w", "w:gz", "w:bz2", "w:xz"])
def test_a_truncated_tar_file_is_refused(tmp_path, mode):
    path = write_tar(tmp_path / "a.tar", mode, {"weights": bytes(range(256)) * 100})
    path.write_bytes(path.read_bytes()[: min(path.stat().st_size // 2, 9000)])
    refused(path, "cannot be unpacked")


def test_a_truncated_zip_file_is_refused(tmp_path):
    path = write_zip(tmp_path / "a.zip")
    path.write_bytes(path.read_bytes()[:-30])
    refused(path, "cannot be unpacked")


def test_a_zip_file_with_flipped_bytes_is_refused(tmp_path):
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("weights", bytes(1000))
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    refused(path, "cannot be unpacked.*CRC")


@given(st.integers(0), st.integers(1, 255))
def test_a_compressed_archive_with_another_byte_is_refused_or_comes_out_whole(where, change):
    with tempfile.TemporaryDirectory() as folder:
        path = write_tar(Path(folder) / "a.tgz", "w:gz")
        data = bytearray(path.read_bytes())
        data[where % len(data)] ^= change
        path.write_bytes(data)
        try:
            found = unpacked(path)
        except ModelError:
            return
        # What remains without a checksum is the time and the name in gzip's header; a first byte makes it another kind.
        assert found == FILES


@pytest.mark.parametrize("name", ["archive/data.pkl", "weights.pickle"])
def test_a_pickle_inside_is_refused(tmp_path, name):
    refused(write_zip(tmp_path / "model.pt", {name: b"\x80\x02."}), "a pickle, which could run any program")

"""Downloads: whole, resumed, limited, and a clear line where they cannot be had."""

from __future__ import annotations

import hashlib
import socket
from pathlib import Path

import pytest
from web_server import Server, web

from brainmidi.errors import ModelError
from brainmidi.models import download
from brainmidi.models.archive import MAX_TOTAL_BYTES

__all__ = ["web"]
DATA = bytes(range(256)) * 4000


@pytest.fixture
def served(web: Server) -> Server:
    web.files["/model.tar"] = DATA
    return web


def statuses(server: Server) -> list[int]:
    return [status for _, _, status in server.answers]


def test_a_file_comes_whole_and_its_progress_is_told(served, tmp_path):
    told = []
    download.download(f"{served.url}/model.tar", tmp_path / "new" / "model.tar", lambda *args: told.append(args))
    assert (tmp_path / "new" / "model.tar").read_bytes() == DATA
    assert told[-1] == ("model.tar", len(DATA), len(DATA))
    assert [done for _, done, _ in told] == sorted({done for _, done, _ in told})


def test_a_connection_that_is_cut_in_the_middle_is_taken_up_there(served, tmp_path):
    served.cuts = [300_000, 200_000]
    download.download(f"{served.url}/model.tar", tmp_path / "model.tar")
    assert (tmp_path / "model.tar").read_bytes() == DATA
    assert served.answers == [
        ("/model.tar", None, 200),
        ("/model.tar", "bytes=300000-", 206),
        ("/model.tar", "bytes=500000-", 206),
    ]


def test_what_a_stopped_run_left_is_taken_up_by_the_next(served, tmp_path):
    path = tmp_path / "model.tar"
    served.cuts = [100_000, 0]
    with pytest.raises(ModelError, match=r"connection was cut.*100,000 bytes are kept, and the same command goes on"):
        download.download(f"{served.url}/model.tar", path)
    assert path.read_bytes() == DATA[:100_000]
    download.download(f"{served.url}/model.tar", path)
    assert path.read_bytes() == DATA
    assert served.answers[-1] == ("/model.tar", "bytes=100000-", 206)


def test_a_download_that_is_cut_again_and_again_gives_up(served, tmp_path):
    served.cuts = [10] * 20
    with pytest.raises(ModelError, match="connection was cut"):
        download.download(f"{served.url}/model.tar", tmp_path / "model.tar")
    assert len(served.answers) == download.MAX_ATTEMPTS


@pytest.mark.parametrize("tag", ['"2"', 'W/"2"', ""])
def test_a_file_that_has_changed_since_is_fetched_anew(served, tmp_path, tag):
    path = tmp_path / "model.tar"
    served.cuts = [100_000, 0]
    with pytest.raises(ModelError):
        download.download(f"{served.url}/model.tar", path)
    served.files["/model.tar"], served.tag = DATA[::-1], tag
    download.download(f"{served.url}/model.tar", path)
    assert path.read_bytes() == DATA[::-1]
    assert statuses(served)[-1] == 200


def test_a_run_that_is_killed_between_the_note_of_a_new_version_and_its_bytes_joins_nothing(
    served, tmp_path, monkeypatch
):
    path = tmp_path / "model.tar"
    served.cuts = [100_000, 0]
    with pytest.raises(ModelError):
        download.download(f"{served.url}/model.tar", path)
    served.files["/model.tar"], served.tag = DATA[::-1], '"2"'
    write = Path.write_text

    def killed(note: Path, *args: str, **named: str) -> None:
        write(note, *args, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_text", killed)
        with pytest.raises(KeyboardInterrupt):
            download.download(f"{served.url}/model.tar", path)
    download.download(f"{served.url}/model.tar", path)
    assert path.read_bytes() == DATA[::-1]


def test_a_server_that_goes_on_in_another_version_is_not_believed(served, tmp_path):
    path = tmp_path / "model.tar"
    served.cuts = [100_000, 0]
    with pytest.raises(ModelError):
        download.download(f"{served.url}/model.tar", path)
    served.files["/model.tar"], served.tag, served.joins_anything = DATA[::-1], '"2"', True
    download.download(f"{served.url}/model.tar", path)
    assert path.read_bytes() == DATA[::-1]
    assert statuses(served)[-2:] == [206, 200]


def test_a_server_that_fails_for_now_is_told_from_one_that_has_no_such_file(served, tmp_path):
    path = tmp_path / "model.tar"
    served.cuts = [100_000, 0]
    with pytest.raises(download.Unfinished):
        download.download(f"{served.url}/model.tar", path)
    served.failing = {"/model.tar"}
    with pytest.raises(download.Unfinished, match=r"503 .*; try again later"):
        download.download(f"{served.url}/model.tar", path)
    assert path.stat().st_size == 100_000
    with pytest.raises(download.Absent):
        download.download(f"{served.url}/nothing", path)


@pytest.mark.parametrize("tag", ['W/"1"', ""])
def test_without_a_version_from_the_server_nothing_is_joined(served, tmp_path, tag):
    served.tag, served.cuts = tag, [300_000]
    download.download(f"{served.url}/model.tar", tmp_path / "model.tar")
    assert (tmp_path / "model.tar").read_bytes() == DATA
    assert served.answers == [("/model.tar", None, 200)] * 2


def test_a_file_that_has_become_shorter_is_fetched_anew(served, tmp_path):
    path = tmp_path / "model.tar"
    served.cuts = [300_000, 0]
    with pytest.raises(ModelError):
        download.download(f"{served.url}/model.tar", path)
    served.files["/model.tar"] = b"short"
    download.download(f"{served.url}/model.tar", path)
    assert path.read_bytes() == b"short"
    assert statuses(served)[-2:] == [416, 200]


def test_a_file_that_is_there_and_unchanged_is_not_fetched_again(served, tmp_path):
    for _ in range(2):
        download.download(f"{served.url}/model.tar", tmp_path / "model.tar")
    assert (tmp_path / "model.tar").read_bytes() == DATA
    assert statuses(served) == [200, 304]


def test_a_file_of_another_address_is_not_continued(served, tmp_path):
    path = tmp_path / "model.tar"
    served.cuts, served.files["/other.tar"] = [100_000, 0], DATA[::-1]
    with pytest.raises(ModelError):
        download.download(f"{served.url}/model.tar", path)
    download.download(f"{served.url}/other.tar", path)
    assert path.read_bytes() == DATA[::-1]


def test_a_file_of_unknown_length_comes_whole(served, tmp_path):
    served.says_length = False
    download.download(f"{served.url}/model.tar", tmp_path / "model.tar")
    assert (tmp_path / "model.tar").read_bytes() == DATA


@pytest.mark.parametrize("says_length", [True, False])
def test_a_file_that_is_too_large_is_refused(served, tmp_path, says_length):
    served.says_length = says_length
    with pytest.raises(ModelError, match="larger than the 1 MiB that are allowed"):
        download.download(f"{served.url}/model.tar", tmp_path / "model.tar", limit_bytes=10**6)
    path = tmp_path / "model.tar"
    assert not path.exists() or path.stat().st_size == 0


def test_an_address_without_a_file_is_one_line_and_asked_once(served, tmp_path):
    with pytest.raises(ModelError, match=r"/nothing cannot be fetched \(404 Not Found\); check the address"):
        download.download(f"{served.url}/nothing", tmp_path / "model.tar")
    assert statuses(served) == [404]
    assert not (tmp_path / "model.tar").exists()


def test_a_server_that_cannot_be_reached_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(ModelError, match=r"cannot be fetched.*check the connection and the address$"):
        download.download(f"http://127.0.0.1:{port}/model.tar", tmp_path / "model.tar")


def test_an_address_that_makes_no_sense_is_one_line(tmp_path):
    for url in ("http://", "http://[1/c", "http://host:port/c", "ftp://host/c"):
        with pytest.raises(ModelError, match="is no web address"):
            download.download(url, tmp_path / "model.tar")


def test_a_redirect_is_followed_on_the_web_alone(served, tmp_path):
    served.redirects["/moved"] = "/model.tar"
    download.download(f"{served.url}/moved", tmp_path / "model.tar")
    assert (tmp_path / "model.tar").read_bytes() == DATA
    secret = tmp_path / "secret"
    secret.write_text("mine")
    for elsewhere in (secret.as_uri(), "ftp://127.0.0.1/secret", "data:,secret"):
        served.redirects["/moved"] = elsewhere
        with pytest.raises(ModelError, match="cannot be fetched"):
            download.download(f"{served.url}/moved", tmp_path / "stolen")
    assert not (tmp_path / "stolen").exists()


def test_addresses_and_names():
    assert download.is_url("HTTPS://a/b")
    assert not download.is_url("ftp://a/b")
    assert not download.is_url("models/http")
    assert download.below("http://a/b/?key=1", "shard 1") == "http://a/b/shard%201?key=1"
    assert download.above("http://a/b/c.json?key=1") == "http://a/b?key=1"
    assert download.file_name("http://a/b/my%20model.tar?x=/y.zip") == "my_model.tar"
    assert download.file_name("http://a/b/..%2F..%2Fevil") == "evil"
    assert download.file_name("http://a/") == "download"
    with pytest.raises(ModelError, match="leads out"):
        download.below("http://a/b", "../c")


def test_the_digest_is_sha256(tmp_path):
    (tmp_path / "x").write_bytes(DATA)
    assert download.sha256_of(tmp_path / "x") == hashlib.sha256(DATA).hexdigest()


def test_a_model_may_be_as_large_as_the_largest_and_its_optimizer():
    assert MAX_TOTAL_BYTES > 251_279_028 * 4 * 3 > MAX_TOTAL_BYTES // 2

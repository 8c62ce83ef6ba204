"""Files from the web: resumed where they were cut off, measured while they come, and known by their sha256."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from brainmidi.errors import ModelError
from brainmidi.models.archive import MAX_TOTAL_BYTES, inside

#: Told what is being fetched, the bytes that are there, and how many there will be, where the server says.
Progress = Callable[[str, int, int | None], None]

TIMEOUT_S = 30.0
#: Cut-offs after which a download gives up, where each attempt brought something.
MAX_ATTEMPTS = 5
_CHUNK_BYTES = 2**18
_TRANSPORT = (OSError, http.client.HTTPException)
#: Refusals that may be over the next time: too slow, too early, too often.
_FOR_NOW = (408, 425, 429)


class Absent(ModelError):
    """There is no such file for us at an address."""


class Unfinished(ModelError):
    """A file did not come whole; what came is kept, and taken up the next time."""


@dataclass(frozen=True, slots=True)
class _State:
    """What is known of a file that is there in part: whose it is, its version and its size."""

    url: str
    validator: str = ""
    size: int | None = None


def is_url(source: str) -> bool:
    """Tell whether a source is a web address rather than a path."""
    return source.lower().startswith(("http://", "https://"))


def check_url(url: str) -> None:
    """Raise ModelError where an address names no host that could be asked."""
    try:
        parts = urlsplit(url)
        whole = bool(parts.hostname) and parts.scheme in ("http", "https") and parts.port != 0
    except ValueError:
        whole = False
    if not whole:
        raise ModelError(f"{url} is no web address, http://HOST/PATH or https://HOST/PATH is needed; check it")


def below(url: str, name: str) -> str:
    """Return the address of a file below an address.

    Raises
    ------
    ModelError
        If `name` leads elsewhere.
    """
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{quote(str(inside(name)))}"))


def above(url: str) -> str:
    """Return the address of the folder that a file's address lies in."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=parts.path.rpartition("/")[0]))


def cache_folder(url: str, root: Path) -> Path:
    """Return the folder below `root` in which an address is kept until it is imported."""
    return root / hashlib.sha256(url.encode()).hexdigest()[:16]


def file_name(url: str) -> str:
    """Return the last part of an address' path as a file name."""
    last = unquote(urlsplit(url).path).rstrip("/").rpartition("/")[2]
    return re.sub(r"[^\w.+-]", "_", last).lstrip(".") or "download"


def sha256_of(path: Path) -> str:
    """Return a file's sha256 in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def download(url: str, path: Path, progress: Progress | None = None, limit_bytes: int = MAX_TOTAL_BYTES) -> None:
    """Fetch a file, or the rest of it, or nothing where it is there and has not changed.

    A file is whole when its size is what the server said. What was there is used only if the server named its version
    (a strong ETag, or the date of its last change) and still has that.

    Parameters
    ----------
    url : str
        http or https.
    path : Path
        Where to; its folder is made if missing. What is known of the file is kept beside it.
    progress : callable, optional
        Told of every chunk.
    limit_bytes : int
        More than this is refused.

    Raises
    ------
    Absent
        If the server has no such file.
    Unfinished
        If it cannot be reached, fails, or breaks off again and again.
    ModelError
        If the file is too large, or the address none.
    """
    check_url(url)
    path.parent.mkdir(parents=True, exist_ok=True)
    for _ in range(MAX_ATTEMPTS):
        before = path.stat().st_size if path.exists() else 0
        try:
            if _fetch(url, path, progress, limit_bytes):
                return
            reason = "the connection was cut"
        except urllib.error.HTTPError as error:
            refused = 400 <= error.code < 500 and error.code not in _FOR_NOW
            kind, remedy = (Absent, "check the address") if refused else (Unfinished, "try again later")
            raise kind(f"{url} cannot be fetched ({error.code} {error.reason}); {remedy}") from None
        except _TRANSPORT as error:
            reason = str(getattr(error, "reason", error)) or type(error).__name__
        after = path.stat().st_size if path.exists() else 0
        if after <= before:
            break
    kept = f"; {after:,} bytes are kept, and the same command goes on from there" if after else ""
    raise Unfinished(f"{url} cannot be fetched ({reason}); check the connection and the address{kept}")


def _fetch(url: str, path: Path, progress: Progress | None, limit_bytes: int) -> bool:
    """Make one request and write what comes; tell whether the file is whole."""
    notes = path.with_name(path.name + ".state.json")
    state = _read_state(notes, url)
    have = path.stat().st_size if state.validator and path.exists() else 0
    headers = {"User-Agent": "brainmidi", "Accept-Encoding": "identity"}
    if have and have == state.size:
        headers["If-None-Match" if state.validator.startswith('"') else "If-Modified-Since"] = state.validator
    elif have:
        headers |= {"Range": f"bytes={have}-", "If-Range": state.validator}
    try:
        response = _opener().open(urllib.request.Request(url, headers=headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        if error.code == 304:
            return True
        if error.code == 416:  # The file has become shorter than what is here.
            path.unlink(missing_ok=True)
            return _fetch(url, path, progress, limit_bytes) if have else False
        raise
    with response:
        found = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
        resumed = response.status == 206 and found is not None and int(found[1]) == have
        if response.status != 200 and not resumed:
            raise ModelError(f"{url} answers {response.status} {response.reason}, 200 is needed; check the address")
        version = _validator(response.headers)
        if resumed and version not in ("", state.validator):  # A server that goes on in another file all the same.
            path.unlink()
            return _fetch(url, path, progress, limit_bytes)
        length = response.headers.get("Content-Length")
        size = int(found[2]) if resumed and found else int(length) if length and length.isdigit() else None
        _refuse_size(url, size or 0, limit_bytes)
        if not resumed:
            # Before the note is written: whenever this is killed, the note is of the bytes that are there.
            path.unlink(missing_ok=True)
            have, state = 0, _State(url, version)
        notes.write_text(json.dumps(asdict(replace(state, size=size))), encoding="utf-8")
        with path.open("ab") as file:
            while chunk := response.read(_CHUNK_BYTES):
                have += file.write(chunk)
                if have > limit_bytes:
                    file.truncate(0)
                _refuse_size(url, have, limit_bytes)
                if progress is not None:
                    progress(path.name, have, size)
    return size is None or have == size


def _opener() -> urllib.request.OpenerDirector:
    """Return what opens http and https and nothing else, wherever a server redirects to."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler,
        urllib.request.UnknownHandler,
        urllib.request.HTTPHandler,
        urllib.request.HTTPSHandler,
        urllib.request.HTTPDefaultErrorHandler,
        urllib.request.HTTPRedirectHandler,
        urllib.request.HTTPErrorProcessor,
    ):
        opener.add_handler(handler())
    return opener


def _validator(headers: Any) -> str:
    """Return the version that a server names, if it names one for good."""
    tag = headers.get("ETag", "")
    return tag if tag.startswith('"') else str(headers.get("Last-Modified", ""))


def _read_state(notes: Path, url: str) -> _State:
    try:
        state = _State(**json.loads(notes.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return _State(url)
    return state if state.url == url else _State(url)


def _refuse_size(url: str, n_bytes: int, limit_bytes: int) -> None:
    if n_bytes > limit_bytes:
        raise ModelError(f"{url} is larger than the {limit_bytes / 2**20:,.0f} MiB that are allowed; check the address")

"""Single keys in the terminal while a take plays, for panic, hold and more. Without a terminal there are none."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from types import ModuleType
from typing import TYPE_CHECKING, Any

from brainmidi.errors import MidiError

if TYPE_CHECKING:
    from brainmidi.midi.link import Player

#: What is said once, where there are keys.
HELP = "keys: p panic, h hold this bar (and let go), c capture the last bars, f let the faders go, Ctrl-C ends the take"

_LOOK_S = 0.1  # where a terminal cannot wake us


def _termios() -> tuple[Any, Any] | None:
    """Return the modules termios and tty; None on Windows, which has none."""
    try:
        import termios
        import tty
    except ImportError:
        return None
    return termios, tty


def has_keys() -> bool:
    """Return whether keys can be read: stdin is a terminal, and we are in its foreground."""
    with suppress(OSError, ValueError, AttributeError):
        if not sys.stdin.isatty():
            return False
        if _termios() is None:
            return os.name == "nt"
        return os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    return False


@contextmanager
def keys_of(player: Player, release: Callable[[], object]) -> Iterator[None]:
    """Let single keys ask `player` for panic, hold and capture, and `release` the faders' knobs.

    The terminal is as it was on leaving.
    """
    if not has_keys():
        yield
        return
    actions: Mapping[str, Callable[[], object]] = {
        "p": player.panic,
        "h": player.hold,
        "c": player.capture,
        "f": release,
    }
    stop = threading.Event()
    modules = _termios()
    read = _read_windows if modules is None else _read_posix
    thread = threading.Thread(target=_serve, args=(read, actions, stop), name="keys", daemon=True)
    if modules is None:
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(1.0)
        return
    termios, tty = modules
    before = termios.tcgetattr(sys.stdin)
    tty.setcbreak(sys.stdin.fileno())  # a key comes at once and is not echoed; Ctrl-C is a signal as ever
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(1.0)
        with suppress(termios.error, OSError, ValueError):  # a terminal that was closed needs no tidying
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, before)


def _serve(
    read: Callable[[threading.Event], str | None], actions: Mapping[str, Callable[[], object]], stop: threading.Event
) -> None:
    while not stop.is_set():
        key = read(stop)
        if key == "":  # the terminal has gone
            return
        if key is not None and key in actions:
            with suppress(MidiError):  # the player has ended; the driver knows and says why
                actions[key]()


def _read_posix(stop: threading.Event) -> str | None:
    """Return the key that was pressed, None where none was for a moment, "" at the end."""
    try:
        ready, _, _ = select.select([sys.stdin], [], [], _LOOK_S)
        return os.read(sys.stdin.fileno(), 1).decode("ascii", "replace").lower() if ready else None
    except (OSError, ValueError):
        return ""


def _read_windows(stop: threading.Event) -> str | None:
    import importlib

    msvcrt: ModuleType = importlib.import_module("msvcrt")
    if not msvcrt.kbhit():
        stop.wait(_LOOK_S)
        return None
    key: str = msvcrt.getwch()
    return key.lower()

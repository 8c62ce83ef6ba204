"""Single keys in a terminal: a pseudo-terminal stands in for it."""

from __future__ import annotations

import os
import sys
import threading

import pytest

from brainmidi.cli import keys
from brainmidi.errors import MidiError

pty = pytest.importorskip("pty", reason="there are no pseudo-terminals on Windows")

PROGRAM = """
import sys, termios
from brainmidi.cli.keys import has_keys, keys_of
from brainmidi.errors import MidiError

class Player:
    def panic(self): print("panic", flush=True)
    def hold(self): print("hold", flush=True); raise MidiError("the player has ended")
    def capture(self): print("capture", flush=True); done.set()

import threading
done = threading.Event()
before = termios.tcgetattr(sys.stdin)
print(has_keys(), flush=True)
with keys_of(Player(), lambda: print("release", flush=True)):
    print("ready", flush=True)
    done.wait(20.0)
print(termios.tcgetattr(sys.stdin) == before, flush=True)
"""


def test_keys_reach_the_player_at_once_unechoed_and_the_terminal_is_as_before():
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
    text = b""
    try:
        while b"ready" not in text:
            text += os.read(terminal, 1024)
        os.write(terminal, b"pxfHc")
        while text.count(b"\n") < 7:
            text += os.read(terminal, 1024)
    finally:
        os.waitpid(pid, 0)
        os.close(terminal)
    assert text.decode().split() == ["True", "ready", "panic", "release", "hold", "capture", "True"]


CLOSED = """
import signal, sys, threading
from pathlib import Path
from types import SimpleNamespace

closed = threading.Event()
signal.signal(signal.SIGHUP, lambda number, frame: closed.set())
sys.modules["brainmidi.notation.score"] = SimpleNamespace(
    write_score=lambda path, bars, **details: path.write_text("a score")
)
from brainmidi.cli.finish import finish
from brainmidi.cli.keys import keys_of

with keys_of(SimpleNamespace(panic=None, hold=None, capture=None), None):
    print("ready", flush=True)
    closed.wait(20.0)
summary = SimpleNamespace(lines=lambda: ["bars", "late"])
finish(SimpleNamespace(summary=summary, bars=(), metre="4/4", key="C major", end_beat=0), Path(sys.argv[1]))
"""


def test_when_the_terminal_is_closed_the_take_ends_in_good_order_with_its_score(tmp_path):
    score = tmp_path / "take.musicxml"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", CLOSED, str(score)])
    text = b""
    while b"ready" not in text:
        text += os.read(terminal, 1024)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert score.read_text() == "a score"


def test_where_stdin_is_no_terminal_nothing_is_read(monkeypatch):
    read, write = os.pipe()
    os.write(write, b"p")
    with os.fdopen(read) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert not keys.has_keys()
        with keys.keys_of(None, None):  # nobody is asked
            pass
        assert os.read(stdin.fileno(), 1) == b"p"
    os.close(write)


def test_without_any_stdin_there_are_no_keys(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert not keys.has_keys()


def test_an_ended_player_ends_no_keys():
    asked = []

    class Player:
        def panic(self):
            asked.append("panic")
            raise MidiError("the player has ended")

    presses = iter(["p", None, "x", "p", ""])
    keys._serve(lambda stop: next(presses), {"p": Player().panic}, threading.Event())
    assert asked == ["panic", "panic"]

"""A live take on the real clock, in a process of its own, ended in every way that a user may end it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from enum import IntEnum
from pathlib import Path
from types import SimpleNamespace

import pytest

from brainmidi.drivers import performance
from brainmidi.midi.files import read_events

PROGRAM = Path(__file__).with_name("live_program.py")
PATIENCE_S = 120


def start(take: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(PROGRAM), str(take), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )


def wait_for_bar(process: subprocess.Popen[str], index: int) -> None:
    for line in process.stdout:
        if line.strip() == f"bar {index}":
            return
    raise AssertionError(process.stderr.read())


def open_notes(take: Path) -> set[tuple[int, int]]:
    sounding: set[tuple[int, int]] = set()
    for event in read_events(take):
        key = (event.data[0] & 15, event.data[1])
        if event.data[0] & 0xF0 == 0x90 and event.data[2]:
            sounding.add(key)
        elif event.data[0] & 0xF0 in (0x80, 0x90):
            sounding.discard(key)
    return sounding


def test_a_take_of_known_length_is_played_to_its_end(tmp_path):
    take = tmp_path / "take.mid"
    process = start(take, "4")
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    for told in ("bar 3", "time to first note", "late bars", "lateness p50", "as many bars as asked for"):
        assert told in out
    assert not open_notes(take)
    lines = [json.loads(line) for line in take.with_suffix(".jsonl").read_text().splitlines()]
    assert [line["bar"] for line in lines] == [0, 1, 2, 3]
    assert all(line["lateness_ms"] is not None for line in lines[:-1])
    # The first bar is waited for; the others are due.
    assert lines[0]["second_part"]["share"] == 0
    assert all(line["second_part"]["share"] > 0 for line in lines[1:] if not line["fallback"])


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize(
    ("names", "told"),
    [(["SIGINT"], "Ctrl-C"), (["SIGTERM"], "SIGTERM"), (["SIGHUP", "SIGTERM"], "SIGHUP")],
    ids=["Ctrl-C", "SIGTERM", "a shell that goes with its terminal"],
)
def test_a_take_that_is_stopped_is_saved_with_every_note_closed(tmp_path, names, told):
    take = tmp_path / "take.mid"
    process = start(take)
    wait_for_bar(process, 2)
    for name in names:
        process.send_signal(getattr(signal, name))
    out, err = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0, err
    assert f"stopped by {told}" in out
    assert not open_notes(take)
    assert len(read_events(take)) > 4


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_killed_take_leaves_a_file_that_can_be_read(tmp_path):
    take = tmp_path / "take.mid"
    process = start(take)
    wait_for_bar(process, 3)
    process.kill()
    process.communicate(timeout=PATIENCE_S)
    assert len(read_events(take)) > 4
    assert not open_notes(take)


def test_on_windows_ctrl_break_is_the_ordinary_end_of_a_take(monkeypatch):
    """Through a stand-in for the module signal; not run by us on Windows."""
    handlers, numbers = {}, {"SIGINT": 2, "SIGTERM": 15, "SIGBREAK": 21}
    there = SimpleNamespace(**numbers, Signals=IntEnum("Signals", numbers), signal=handlers.__setitem__)
    monkeypatch.setattr(performance, "signals", there)
    take = SimpleNamespace(_stopping=threading.Event(), _stopped_by=None)
    with performance.Performance._stop_signals(take):
        handlers[there.SIGBREAK](there.SIGBREAK, None)
        handlers[there.SIGTERM](there.SIGTERM, None)
    assert take._stopping.is_set()
    assert take._stopped_by == "Ctrl-Break"

"""A JACK dummy server, an independent receiver, and a composer in a process of its own that may be killed."""

from __future__ import annotations

import importlib.util
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

SPY = "spy:input"
PORT = "brainmidi:out"
NEEDED = ("jackd", "jack_wait", "jack_lsp", "jack_connect", "jack_midi_dump")
#: A message that no take has; when the spy shows it, everything sent before has arrived.
SENTINEL = (0xBF, 119, 42)


def missing_jack() -> str | None:
    """Return why there can be no JACK server, or None."""
    if importlib.util.find_spec("rtmidi") is None:
        return "python-rtmidi is not installed: pip install '.[ports]'"
    missing = [program for program in NEEDED if shutil.which(program) is None]
    return f"{', '.join(missing)} not installed: apt-get install jackd2" if missing else None


class JackServer:
    """A dummy server under a name of its own, stopped by SIGTERM alone, since a killed one leaks its slot."""

    # A period of 1024 frames: below about 512 the asynchronous mode drops events on an overrun. So it does with any
    # period, for a client that is held up for longer than one; the synchronous mode waits for its clients, but a killed
    # one then holds up all the others.
    def __init__(self, period: int = 1024, *, realtime: bool = False, synchronous: bool = False) -> None:
        name = f"bmtest{os.getpid()}{'s' if synchronous else ''}"
        self.environment = {
            "JACK_NO_START_SERVER": "1",
            "JACK_NO_AUDIO_RESERVATION": "1",
            "JACK_DEFAULT_SERVER": name,
        }
        priority = ["-R", "-P", "20"] if realtime else ["-r"]
        mode = ["-S"] if synchronous else []
        command = ["jackd", *priority, *mode, "-n", name, "-d", "dummy", "-r", "48000", "-p", str(period)]
        self.said = tempfile.TemporaryFile()  # noqa: SIM115  it is open for as long as the server
        self.process = subprocess.Popen(
            command, stdout=self.said, stderr=subprocess.STDOUT, env=self.everything(), start_new_session=True
        )
        self.run("jack_wait", "-w", "-t", "10")

    def everything(self) -> dict[str, str]:
        """Return the environment in which a process finds this server."""
        return {**os.environ, **self.environment}

    def run(self, *command: str) -> str:
        """Run a command against this server; return what it printed."""
        return subprocess.run(
            command, env=self.everything(), check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ).stdout

    def obituary(self) -> str | None:
        """Return how the server ended and what it said last, or None while it lives."""
        code = self.process.poll()
        if code is None:
            return None
        self.said.seek(0)
        last = [line.decode(errors="replace").strip() for line in self.said.readlines()[-3:]]
        return f"the JACK server ended with code {code} ({' / '.join(last) or 'it said nothing'})"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(20)
        self.said.close()


@dataclass
class Spy:
    """`jack_midi_dump`: what arrives at a JACK port, read by a program that knows nothing of ours."""

    server: JackServer
    received: list[tuple[int, ...]] = field(default_factory=list)
    pending: bytes = b""

    def __post_init__(self) -> None:
        self.process = subprocess.Popen(["jack_midi_dump", "spy"], stdout=subprocess.PIPE, env=self.server.everything())
        # The spy prints nothing on start; its port is there when the server has heard of it.
        while SPY not in self.server.run("jack_lsp").split():
            assert self.process.poll() is None, "jack_midi_dump ended"

    def listen(self, port: str = PORT) -> None:
        """Connect a port to the spy."""
        self.server.run("jack_connect", port, SPY)

    def next(self) -> tuple[int, ...]:
        """Return the next message that arrives."""
        while b"\n" not in self.pending:
            ready, _, _ = select.select([self.process.stdout], [], [], 60.0)
            assert ready, f"nothing arrives after {len(self.received)} messages"
            piece = os.read(self.process.stdout.fileno(), 4096)
            assert piece, "jack_midi_dump ended"
            self.pending += piece
        line, self.pending = self.pending.split(b"\n", 1)
        data = tuple(int(byte, 16) for byte in line.split(b":", 1)[1].split()[:3])
        self.received.append(data)
        return data

    def read_to_the_end(self) -> list[tuple[int, ...]]:
        """Return everything that has arrived from ports that have sent and gone, waiting for what is on its way."""
        subprocess.run([sys.executable, __file__, "sentinel"], env=package_path(self.server.everything()), check=True)
        while self.next() != SENTINEL:
            continue
        self.received.pop()
        return self.received

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(20)
        self.process.stdout.close()
        # A server that is told to stop while a client is still going takes five seconds over it.
        while SPY in self.server.run("jack_lsp").split():
            continue


def package_path(environment: dict[str, str]) -> dict[str, str]:
    """Return `environment` with this checkout on Python's path, for scripts that are run by their file."""
    root = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    return {**environment, "PYTHONPATH": path}


class Composer:
    """A process that drives a PlayerProcess as the live driver does, and saves the take after every bar."""

    def __init__(
        self, server: JackServer, path: Path, n_bars: int, seed: int, end: str = "finish", backend: str = "rtmidi"
    ) -> None:
        self.process = subprocess.Popen(
            [sys.executable, __file__, "compose", str(path), str(n_bars), str(seed), end, backend],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=package_path(server.everything()),
            text=True,
        )
        self.player_pid = int(self.process.stdout.readline())
        self.player_exit = os.pidfd_open(self.player_pid)

    def go(self) -> None:
        """Let the music begin, now that somebody listens."""
        self.process.stdin.write("go\n")
        self.process.stdin.flush()

    def await_player(self, timeout_s: float = 10.0) -> None:
        """Wait until the player process has ended."""
        ready, _, _ = select.select([self.player_exit], [], [], timeout_s)
        assert ready, f"the player {self.player_pid} outlives its composer by {timeout_s} s"
        os.close(self.player_exit)

    def close(self) -> None:
        self.process.kill()
        self.process.wait(20)
        self.process.stdin.close()
        self.process.stdout.close()


class Program:
    """``brainmidi improv`` itself, with the shipped models, playing to a port: the spy's by default."""

    def __init__(self, server: JackServer, path: Path, n_bars: int, seed: int, port: str = SPY) -> None:
        command = [sys.executable, "-m", "brainmidi", "improv", "--bars", str(n_bars), "--seed", str(seed)]
        command += ["--tempo", "200", "--port", port, "-o", str(path), "--ui", "none"]
        self.server = server
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, env=package_path(server.everything()), text=True
        )

    def await_player(self, timeout_s: float = 10.0) -> None:
        """Wait until the player's port has gone."""
        deadline = time.monotonic() + timeout_s
        while any(port.startswith("brainmidi:") for port in self.server.run("jack_lsp").split()):
            assert time.monotonic() < deadline, f"the player outlives its composer by {timeout_s} s"

    def close(self) -> None:
        self.process.kill()
        self.process.wait(20)
        self.process.stdout.close()


def open_notes(messages: list[tuple[int, ...]]) -> set[tuple[int, int]]:
    """Return (channel, pitch) of what still sounds after `messages`, by note-offs alone: no credit for CC 123."""
    sounding: set[tuple[int, int]] = set()
    for status, first, second in messages:
        key = (status & 0x0F, first)
        if status & 0xF0 == 0x90 and second:
            sounding.add(key)
        elif status & 0xF0 in (0x80, 0x90):
            sounding.discard(key)
    return sounding


def _compose(path: str, n_bars: int, seed: int, end: str, backend: str) -> None:
    from midi_takes import make_take, stand_in

    from brainmidi.midi.files import write_midi
    from brainmidi.midi.link import PlayerProcess
    from brainmidi.midi.settings import PlayerSettings

    style = {"metre": "4/4", "sharps": 0, "minor": True, "title": "take"}
    bars = make_take(n_bars, seed=seed, bpm=240.0)
    started = -1
    with PlayerProcess.start(PlayerSettings(backend=backend)) as player:
        print(player.pid, flush=True)
        sys.stdin.readline()
        for count, bar in enumerate(bars, start=1):
            player.send(bar, stand_in(bar))
            write_midi(path, bars[:count], **style)
            if count == 1:
                player.begin(0.1)
            while started < bar.index - 1:  # one bar ahead of what sounds, as the live driver is
                started = max(started, *(notice.index for notice in player.poll(1.0)), -1)
            if end != "finish" and started >= int(end):
                break
        report = player.finish() if end == "finish" else player.stop()
        write_midi(path, report.bars, **style, events=report.sent_events, end_beat=report.end_beat)


def _send_sentinel() -> None:
    """Send one message to the spy; closing the port waits until it has been delivered."""
    from brainmidi.midi.ports import open_output

    output = open_output(SPY)
    output.send(SENTINEL)
    output.close()


if __name__ == "__main__":
    if sys.argv[1] == "compose":
        _compose(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), *sys.argv[5:])
    else:
        _send_sentinel()

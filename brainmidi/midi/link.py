"""The composer's end of the player: what a driver needs of one, and the one in a process of its own, for real time."""

from __future__ import annotations

import os
import queue
import signal
import site
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, Self

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.handover import Handover, PlayerInfo, PlayerNotice, PlayReport
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timetable import DEFAULT_CHANNELS, Channel
from brainmidi.midi.wire import Message, dump, load
from brainmidi.types import Bar

__all__ = ["LocalPlayer", "PlayReport", "Player", "PlayerInfo", "PlayerNotice", "PlayerProcess"]

#: Seconds between heartbeats; the player takes six missed ones for the composer's death.
HEARTBEAT_S = 0.5

#: So many heartbeats without an answer, and the player is taken for dead though its process is there.
_UNANSWERED = 10

_START_TIMEOUT_S = 20.0
_STOP_TIMEOUT_S = 5.0
_LAST_WORD_S = 1.0  # for one that did not answer in that time and has been told to end


class Player(Protocol):
    """What a driver needs of a player."""

    @property
    def info(self) -> PlayerInfo:
        """Port, MIDI system and priority."""
        ...

    @property
    def sends_knobs(self) -> bool:
        """Whether any knob or feature goes out as a control change; else nobody need hand them over."""
        ...

    def begin(self, delay_s: float) -> float:
        """Set beat 0 `delay_s` seconds from now; return its clock time."""
        ...

    def send(self, bar: Bar, fallback: Bar | None) -> None:
        """Hand over the next bar, and what to play for the bar after it if that one is late (None: a rest)."""
        ...

    def knobs(self, values: Mapping[str, float]) -> None:
        """Hand over knob positions 0..1 and features by name, which wait for no bar."""
        ...

    def heartbeat(self) -> None:
        """Tell the player that the composer lives."""
        ...

    def panic(self) -> None:
        """Silence everything that sounds; the take goes on."""
        ...

    def hold(self, on: bool | None = None) -> None:
        """Repeat the bar that sounds until it is let go; None turns the one into the other."""
        ...

    def capture(self) -> None:
        """Ask for a ``capture`` notice, which says in which bar it was asked for."""
        ...

    def poll(self) -> list[PlayerNotice]:
        """Return what has happened since the last call."""
        ...

    def finish(self) -> PlayReport:
        """Wait until the last bar handed over has sounded; return what was played."""
        ...

    def stop(self) -> PlayReport:
        """End the take now, with every note-off; return what was played."""
        ...

    def close(self) -> None:
        """Let port and process go; may be called twice."""
        ...


class PlayerProcess:
    """A player in a process of its own, on the real clock. Make one with :meth:`start`, before anything heavy loads."""

    def __init__(
        self, process: subprocess.Popen[bytes], channels: Mapping[str, Channel], *, sends_knobs: bool = False
    ) -> None:
        self._process = process
        self._sends_knobs = sends_knobs
        self._clock = MonotonicClock()
        self._handover = Handover(channels)
        self._info: PlayerInfo | None = None
        self._report: Message | None = None
        self._error: str | None = None
        self._ended = False
        self._complaints: list[str] = []
        self._notices: list[PlayerNotice] = []
        self._news = threading.Condition()
        # Written by a thread of its own: whoever tells a player that does not read must not wait for it.
        self._outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._unanswered = 0
        self._given_up = False
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=work, name=f"player {name}", daemon=True)
            for name, work in (
                ("link", self._listen),
                ("writer", self._write),
                ("stderr", self._collect),
                ("heartbeat", self._beat),
            )
        ]
        for thread in self._threads:
            thread.start()

    @classmethod
    def start(
        cls, settings: PlayerSettings | None = None, *, channels: Mapping[str, Channel] = DEFAULT_CHANNELS
    ) -> PlayerProcess:
        """Start the player process and wait until its port is open.

        Parameters
        ----------
        settings : PlayerSettings, optional
            Ports, controls and keys; by default the virtual ports ``brainmidi:out`` and ``brainmidi:in`` alone.
        channels : mapping of str to Channel, optional
            MIDI channel 1..16, or zone, of each part.

        Raises
        ------
        MidiError
            If the port does not exist or the process does not come up.
        """
        settings = settings or PlayerSettings()
        command = [sys.executable, "-P", "-m", "brainmidi.midi.player", f"--settings={settings.dump()}"]
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            close_fds=True,
            env=_environment(),
            # Its own session, on Windows its own console: neither Ctrl-C nor a closing terminal reaches the player
            # before the composer has spoken.
            start_new_session=os.name == "posix",
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0) | getattr(subprocess, "HIGH_PRIORITY_CLASS", 0),
        )
        player = cls(process, channels, sends_knobs=bool(settings.controls))
        try:
            player._await_ready()
        except BaseException:
            player.close()
            raise
        return player

    @property
    def info(self) -> PlayerInfo:
        """Port, MIDI system and priority, as the player reported them."""
        if self._info is None:
            raise MidiError("the player process is not up; make one with PlayerProcess.start")
        return self._info

    @property
    def sends_knobs(self) -> bool:
        """Whether any knob or feature goes out as a control change; else nobody need hand them over."""
        return self._sends_knobs

    @property
    def pid(self) -> int:
        """The player's process number."""
        return self._process.pid

    def begin(self, delay_s: float) -> float:
        """Set beat 0 `delay_s` seconds from now; return its time on the :class:`MonotonicClock`.

        If bar 0 is handed over later than that, the take begins when it comes, and its ``started`` notice says when.
        """
        at_s = self._clock.now_s() + delay_s
        self._tell({"op": "begin", "at_s": at_s})
        return at_s

    def send(self, bar: Bar, fallback: Bar | None) -> None:
        """Hand over the next bar, and what to play for the bar after it if that one is late (None: a rest).

        Raises
        ------
        MidiError
            If the bar does not follow the one before, or the player has ended.
        """
        self._tell(self._handover.pack(bar, fallback))

    def knobs(self, values: Mapping[str, float]) -> None:
        """Hand over knob positions 0..1 and features by name, which wait for no bar; callable from any thread."""
        self._tell({"op": "knobs", "values": dict(values)})

    def heartbeat(self) -> None:
        """Tell the player that the composer lives; a thread of the link does so every :data:`HEARTBEAT_S` anyway."""
        self._tell({"op": "heartbeat"})

    def panic(self) -> None:
        """Silence everything that sounds; the take goes on."""
        self._tell({"op": "panic"})

    def hold(self, on: bool | None = None) -> None:
        """Repeat the bar that sounds until it is let go; None turns the one into the other."""
        self._tell({"op": "hold", "on": on})

    def capture(self) -> None:
        """Ask for a ``capture`` notice, which says in which bar it was asked for."""
        self._tell({"op": "capture"})

    def poll(self, timeout_s: float = 0.0) -> list[PlayerNotice]:
        """Return what has happened since the last call.

        Parameters
        ----------
        timeout_s : float
            How long to wait for a notice if there is none yet, in seconds.

        Raises
        ------
        MidiError
            If the player has ended by itself; :meth:`stop` then still returns what it played, where it could say so.
        """
        with self._news:
            self._news.wait_for(lambda: bool(self._notices) or self._error is not None, timeout_s)
            notices, self._notices = self._notices, []
            ended = self._error
        if ended is not None and not notices:
            raise MidiError(ended)
        return notices

    def finish(self) -> PlayReport:
        """Wait until the last bar handed over has sounded; return what was played.

        May be interrupted by Ctrl-C, after which :meth:`stop` gives the report of what was played until then.

        Raises
        ------
        MidiError
            If the player ended without a report.
        """
        return self._await_report({"op": "finish", "last": self._handover.last_index}, None)

    def stop(self) -> PlayReport:
        """End the take now, with every note-off; return what was played.

        Raises
        ------
        MidiError
            If the player ended without a report or does not answer; it is then ended by force.
        """
        return self._await_report({"op": "stop"}, _STOP_TIMEOUT_S)

    def close(self) -> None:
        """Close the pipe, upon which the player silences its port and ends; end it by force if it does not."""
        if not self._closing.is_set():
            self._closing.set()
            self._outbox.put(None)
        for end in (None, self._end, self._process.kill):
            if end is not None:
                end()
            try:
                self._process.wait(_LAST_WORD_S if self._given_up else _STOP_TIMEOUT_S)
                break
            except subprocess.TimeoutExpired:
                continue
        for thread in self._threads:
            thread.join(_STOP_TIMEOUT_S)
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    # ------------------------------------------------------------------------------------------------------ threads

    def _tell(self, message: Message) -> None:
        if self._closing.is_set():
            raise MidiError("the player process was closed; start another for the next take")
        if self._ended:
            raise MidiError(self._error or "the player process has ended; start it again")
        self._outbox.put(message)

    def _write(self) -> None:
        """Write what was told until there is no more; the closing of the pipe is the last word."""
        pipe: Any = self._process.stdin
        try:
            while (message := self._outbox.get()) is not None:
                pipe.write(dump(message))
                pipe.flush()
        except OSError as error:  # the player went first: the listener tells why
            self._complaints = [str(error), *self._complaints]
        with suppress(OSError):
            pipe.close()

    def _listen(self) -> None:
        """Read the player's lines until it ends, or one of them cannot be read; whoever waits is told either way."""
        stream: Any = self._process.stdout
        error: str | None = None
        try:
            for line in stream:
                self._take_line(load(line))
            code = self._process.wait()
            told = self._complaints[-1] if self._complaints else "it said nothing"
            error = f"the player process ended with code {code} ({told}); start it again"
        except MidiError as unread:
            error = str(unread)
        except Exception as unread:  # a message without its fields, a stream that breaks: no reason to wait for ever
            error = f"the player process cannot be understood ({unread!r}); start it again"
        finally:
            with self._news:
                self._ended = True
                if self._error is None and not self._closing.is_set():
                    self._error = error
                self._news.notify_all()

    def _take_line(self, message: Message) -> None:
        with self._news:
            match message["op"]:
                case "ready":
                    self._info = PlayerInfo.unpack(message)
                case "notice":
                    notice = PlayerNotice.unpack(message)
                    self._notices.append(notice)
                    if notice.kind == "stopped":
                        self._error = f"the player stopped by itself: {notice.detail}; what was played is saved"
                case "heartbeat":
                    self._unanswered = 0
                case "report":
                    self._report = message
                case "error":
                    self._error = message["message"]
            self._news.notify_all()

    def _collect(self) -> None:
        """Keep the last lines of the player's stderr, for the message in case it dies."""
        stream: Any = self._process.stderr
        for line in stream:
            text = line.decode(errors="replace").strip()
            if text:
                self._complaints = [*self._complaints[-19:], text]

    def _beat(self) -> None:
        while not self._closing.wait(HEARTBEAT_S):
            try:
                self.heartbeat()
            except MidiError:
                return  # the listener knows why, and tells whoever calls next
            with self._news:
                if self._info is None:  # opening ports may take its time
                    continue
                self._unanswered += 1
                if self._unanswered > _UNANSWERED and self._error is None:
                    silent_s = _UNANSWERED * HEARTBEAT_S
                    self._error = f"the player process has been silent for {silent_s:g} s; what was played is saved"
                    self._news.notify_all()

    def _await_ready(self) -> None:
        with self._news:
            self._news.wait_for(lambda: self._info is not None or self._error is not None, _START_TIMEOUT_S)
            if self._info is None:
                raise MidiError(self._error or f"the player was not up in {_START_TIMEOUT_S:g} s; run again")

    def _await_report(self, request: Message, timeout_s: float | None) -> PlayReport:
        def over() -> bool:
            return self._report is not None or self._ended

        # A player that ended by itself takes no request, but its report may be on its way to us.
        with suppress(MidiError):
            self._tell(request)
        with self._news:
            if timeout_s is not None:
                self._news.wait_for(over, _LAST_WORD_S if self._given_up else timeout_s)
            else:
                # In slices, since a lock's wait without end takes no Ctrl-C on Windows.
                while not self._news.wait_for(over, HEARTBEAT_S):
                    pass
            if not over():
                self._given_up = True
                self._end()
                self._news.wait_for(over, _LAST_WORD_S)
            if self._report is not None:
                return self._handover.report(self._report)
        self._process.terminate()
        raise MidiError(self._error or "the player gave no report of what it played; start another for the next take")

    def _end(self) -> None:
        """Tell the player to end; one that was stopped, as a debugger does, is woken to hear of it."""
        self._process.terminate()
        if hasattr(signal, "SIGCONT"):
            self._process.send_signal(signal.SIGCONT)


def _environment() -> dict[str, str]:
    """Return our environment, with the package's folder on the path where no installation has put it there.

    The player runs with ``-P``, so that a stray ``random.py`` in the user's folder is not taken for the library's.
    """
    environment = dict(os.environ)
    root = str(Path(__file__).resolve().parents[2])
    if root not in (*site.getsitepackages(), site.getusersitepackages()):
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, (root, environment.get("PYTHONPATH"))))
    return environment

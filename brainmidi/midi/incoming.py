"""What comes in: a virtual port, or existing ones that may appear, go and come back while the music plays."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.ports import CLIENT_NAME, INPUT_CLIENTS, inputs, names, place_of, true_name

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.types import Clock

#: By this name other programs find the port to play to.
INPUT_NAME = "in"
VIRTUAL_INPUT = f"{CLIENT_NAME}:{INPUT_NAME}"

#: How often a named input is looked for, and how often one that is open is looked after. Nothing tells that one which
#: bears the same name again has lost its connection: it must be seen while it is gone, and a USB reset is quick.
LOOK_S = 0.2

JOIN_S = 2.0

#: Bytes after the status byte, by its upper half; of system messages by the whole byte. Exclusive ones are not wanted.
_CHANNEL_LENGTHS = {0x80: 2, 0x90: 2, 0xA0: 2, 0xB0: 2, 0xC0: 1, 0xD0: 1, 0xE0: 2}
_SYSTEM_LENGTHS = {0xF1: 1, 0xF2: 2, 0xF3: 1, 0xF6: 0}
REALTIME = 0xF8  # from here on a status byte is a message

#: Told of each message with its bytes and the clock time at which it arrived, in a thread of the MIDI system's.
OnMessage = Callable[[tuple[int, ...], float], None]
#: Told that an input came or went, in one line.
OnChange = Callable[[str], None]


def data_length(status: int) -> int | None:
    """Return how many bytes follow a status byte; None for exclusive and undefined messages, and for no status byte."""
    if status >= REALTIME:
        return 0
    return _SYSTEM_LENGTHS.get(status) if status >= 0xF0 else _CHANNEL_LENGTHS.get(status & 0xF0)


def is_whole(message: tuple[int, ...]) -> bool:
    """Return whether `message` is one: any program may send to us, and not every one keeps to the standard."""
    return bool(message) and len(message) - 1 == data_length(message[0]) and max(message[1:], default=0) < 0x80


class MidiInput:
    """An input that hot-plugs.

    Without a name it is the virtual port ``brainmidi:in``, opened once. With one it is the existing port that has it in
    its name: opened when it is there, noticed when it goes, and opened again when it is back. :meth:`look` does one
    round of that; :meth:`start` lets a thread do it, so that no listing of ports delays a note.

    Parameters
    ----------
    name : str or None
        Part of an existing port's name, in any case; None for the virtual port.
    on_message : callable
        Told of each message and when it arrived.
    on_change : callable
        Told what came or went.
    clock : Clock, optional
        That messages are stamped by; the machine's by default.
    rtmidi : module, optional
        Stands in for python-rtmidi in tests of systems that we do not have.
    """

    def __init__(
        self,
        name: str | None,
        on_message: OnMessage,
        on_change: OnChange,
        *,
        clock: Clock | None = None,
        rtmidi: ModuleType | None = None,
    ) -> None:
        self._name = name
        self._on_message = on_message
        self._on_change = on_change
        self._clock = clock or MonotonicClock()
        self._rtmidi = rtmidi
        self._midi_in: Any = None
        self._ends: list[tuple[str, Any]] = []
        self._reasons: list[str] = []
        self._looked, self._closing = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self.port: str | None = None
        self.reason: str | None = None

    def look(self) -> None:
        """Open what is wanted and there, let go what has gone."""
        if self._midi_in is not None:
            if self._name is not None and self.port not in names(self._midi_in):
                self._on_change(f"input {self.port} has gone; it is opened again when it comes back")
                self._let_go()
            return
        if not self._ends:  # to make a client may take 100 ms, in which no note can be sent: once, before the music
            self._ends, self._reasons = inputs(self._rtmidi)
        reasons = list(self._reasons)
        for api, midi_in in self._ends:
            if self._open(api, midi_in, reasons):
                break
        if self._midi_in is None:
            wanted = f"port {self._name!r} is not there yet" if self._name else "no virtual input"
            self.reason = f"{wanted} ({'; '.join(reasons)})" if reasons else wanted
        elif self._name is not None:
            self._on_change(f"input {self.port} is open")

    def _open(self, api: str, midi_in: Any, reasons: list[str]) -> bool:
        place = None if self._name is None else place_of(self._name, names(midi_in))
        if self._name is not None and place is None:
            return False
        # A clock is wanted, 24 of them a beat; sysex and active sensing are not.
        midi_in.ignore_types(sysex=True, timing=False, active_sense=True)
        midi_in.set_callback(self._take)
        try:
            if place is None:
                port = VIRTUAL_INPUT if api == "CoreMIDI" else INPUT_NAME
                name = f"{INPUT_CLIENTS.get(api, CLIENT_NAME)}:{INPUT_NAME}"
                open_it = partial(midi_in.open_virtual_port, port)
                self.port = true_name(api, name, open_it, self._rtmidi, seen_by="MidiOut")
            else:
                self.port = names(midi_in)[place]
                midi_in.open_port(place, INPUT_NAME)
        except NotImplementedError:
            reasons.append(f"{api}: no virtual ports on this system; create one in loopMIDI and name it with --input")
        except (OSError, RuntimeError, IndexError) as error:  # it may go between listing and opening
            reasons.append(f"{api}: {error}")
        else:
            self._midi_in, self.reason = midi_in, None
            return True
        self.port = None
        return False

    def start(self) -> None:
        """Look once; where a port was named, in a thread that goes on looking if there is a MIDI system.

        CoreMIDI tells of ports that come and go in the thread that made the process's first client, whenever that one
        lists them: start an input that hot-plugs before anything else is opened.
        """
        if self._name is None:
            self.look()
            return
        self._thread = threading.Thread(target=self._watch, name="input", daemon=True)
        self._thread.start()
        self._looked.wait()

    def close(self) -> None:
        """Let the port go; may be called twice."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)
        self._let_go()
        for _, midi_in in self._ends:
            midi_in.delete()
        self._ends = []

    def _watch(self) -> None:
        while True:
            try:
                self.look()
            except (MidiError, OSError, RuntimeError) as error:  # a server that went: looked for again, music goes on
                self.reason = str(error)
            finally:
                self._looked.set()
            if not self._ends or self._closing.wait(LOOK_S):
                return

    def _take(self, message: tuple[Sequence[int], float], data: object = None) -> None:
        now_s, message_bytes = self._clock.now_s(), tuple(message[0])
        if is_whole(message_bytes):
            self._on_message(message_bytes, now_s)

    def _let_go(self) -> None:
        midi_in, self._midi_in, self.port = self._midi_in, None, None
        if midi_in is not None:
            with suppress(OSError, RuntimeError):  # its system may have gone with it
                midi_in.cancel_callback()
                midi_in.close_port()

"""What comes in through JACK, stamped by the frame on which it was sent and not by the period in which it was read."""

from __future__ import annotations

import threading
from typing import Any

from brainmidi.midi.frameline import FrameLine
from brainmidi.midi.incoming import JOIN_S, LOOK_S, OnChange, OnMessage, is_whole
from brainmidi.midi.ports import place_of

#: What no player wants: a sign of life three times a second.
_SENSING = 0xFE


class JackInput:
    """A JACK port of our client's that hears everybody, or follows one port that may come and go.

    Parameters
    ----------
    client : jack.Client
        Ours, whose process callback calls :meth:`take`.
    name : str or None
        Part of an existing port's name, in any case, to be connected whenever it is there; None connects nothing.
    on_message : callable
        Told of each message with its bytes and the clock time of its frame, in JACK's thread.
    on_change : callable
        Told what came or went.
    """

    def __init__(self, client: Any, name: str | None, on_message: OnMessage, on_change: OnChange) -> None:
        self._client = client
        self._name = name
        self._on_message = on_message
        self._on_change = on_change
        self._in = client.midi_inports.register("in")
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        self.port: str | None = self._in.name if name is None else None
        self.reason: str | None = None

    def take(self, begin: int, line: FrameLine) -> None:
        """Hand on what arrived in the period whose first frame is `begin`."""
        for offset, data in self._in.incoming_midi_events():
            message = tuple(bytes(data))
            if is_whole(message) and message[0] != _SENSING:
                self._on_message(message, line.time_s(begin + offset))

    def look(self) -> None:
        """Connect what is wanted and there, and tell what has gone."""
        if self._name is None:
            return
        there = [port.name for port in self._client.get_ports(is_midi=True, is_output=True)]
        # A port that went and is back under its name has lost its connection.
        if self.port is not None and self.port not in [port.name for port in self._in.connections]:
            self._on_change(f"input {self.port} has gone; it is opened again when it comes back")
            self.port = None
        place = place_of(self._name, there)
        if self.port is None and place is not None:
            self._client.connect(there[place], self._in)
            self.port, self.reason = there[place], None
            self._on_change(f"input {self.port} is open")
        elif self.port is None:
            self.reason = f"port {self._name!r} is not there yet"

    def start(self) -> None:
        """Look once, and go on looking in a thread where a port was named."""
        self.look()
        if self._name is not None:
            self._thread = threading.Thread(target=self._watch, name="input", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Look no more; the port goes with its client."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(JOIN_S)

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_S):
            try:
                self.look()
            except Exception as error:  # JACK's own class, of a library that is loaded late: looked for again
                self.reason = str(error)

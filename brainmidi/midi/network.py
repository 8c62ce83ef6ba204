"""MIDI over the local network for machines without a MIDI system: the multicast that ipMIDI and qmidinet speak.

Raw MIDI bytes in UDP packets to 225.0.0.37, one UDP port from 21928 on for each of 20 cables. Nothing answers: a wire
that may lose a packet, good on a cable and poor on a wireless network. Packets that our own system refuses we know of.
"""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.incoming import REALTIME, OnChange, OnMessage, data_length

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.types import Clock

#: So long the system may refuse packets, as it does on the way from one base station to the next.
_PATIENCE_S = 5.0

GROUP, FIRST_PORT, N_PORTS = "225.0.0.37", 21928, 20


def split_messages(stream: bytes) -> Iterator[tuple[int, ...]]:
    """Yield the messages in a packet: running status is undone, real-time bytes may lie between others, no sysex.

    Parameters
    ----------
    stream : bytes
        As they came.
    """
    status: int | None = None
    wanted: int | None = 0
    data: list[int] = []
    for byte in stream:
        if byte >= REALTIME:
            yield (byte,)
        elif byte >= 0x80:
            length = data_length(byte)
            status, wanted, data = (byte, length, []) if length is not None else (None, 0, [])
            if length == 0:
                yield (byte,)
                status = None
        elif status is not None:
            data.append(byte)
            if len(data) == wanted:
                yield (status, *data)
                data = []
                if status >= 0xF0:  # a system message has no running status
                    status = None


class NetworkPort:
    """One of the 20 cables, both ways.

    Parameters
    ----------
    number : int
        1..20, as ipMIDI and qmidinet count their ports.
    on_change : callable, optional
        Told when the network takes no messages, and when it does again.
    clock : Clock, optional
        That messages are stamped by; the machine's by default.

    Raises
    ------
    MidiError
        If the machine has no network to send to.
    """

    def __init__(self, number: int, on_change: OnChange | None = None, clock: Clock | None = None) -> None:
        if not 1 <= number <= N_PORTS:
            raise MidiError(f"network port {number} is outside 1..{N_PORTS}; see [midi] network")
        self._address = (GROUP, FIRST_PORT + number - 1)
        self.port: str | None = f"network port {number} ({GROUP}:{self._address[1]})"
        self.api, self.ahead_s = "multicast", 0.0
        self.reason: str | None = None
        self._clock = clock or MonotonicClock()
        self._on_change = on_change
        self._refused_s: float | None = None  # since when
        self._n_lost = 0
        self._owed: dict[bytes, bytes] = {}  # what must not be lost, by what it is about
        self._hears: socket.socket | None = None
        try:
            self._sends: socket.socket | None = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self._sends.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)  # this network and no other
            self._sends.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)  # programs on this machine too
            self._sends.connect(self._address)
            self._own = self._sends.getsockname()
        except OSError as error:
            raise MidiError(
                f"{self.port} cannot be reached ({error.strerror}); connect a network, or leave [midi] network out"
            ) from error

    def send(self, data: Sequence[int], at_s: float | None = None) -> None:
        """Send one message, now.

        One that the system refuses is lost. What lets go of something is not: note-offs, controllers, bends and
        pressures are sent before the next message that goes out.

        Raises
        ------
        MidiError
            If the network has refused all messages for some seconds.
        """
        if self._sends is None:
            raise MidiError(f"{self.port} was closed; open it again")
        packet = bytes(data)
        try:
            self._pay(self._sends)
            self._sends.send(packet)
        except OSError as error:
            self._lose(packet, error.strerror)
        else:
            if self._refused_s is not None:
                self._refused_s = None
                self._say(f"{self.port} takes messages again; {self._n_lost} were late or lost")

    def _pay(self, sends: socket.socket) -> None:
        for about, packet in tuple(self._owed.items()):
            sends.send(packet)
            del self._owed[about]

    def _lose(self, packet: bytes, reason: str | None) -> None:
        now_s = self._clock.now_s()
        if self._refused_s is None:
            self._refused_s, self._n_lost = now_s, 0
            self._say(f"{self.port} takes no messages ({reason}); notes are lost, the music goes on")
        self._n_lost += 1
        status = packet[0]
        if status < 0xF0 and not (status & 0xF0 == 0x90 and packet[2]):
            about = bytes((status & 0x0F | 0x80, packet[1])) if status < 0xA0 else packet[: 2 if status < 0xC0 else 1]
            self._owed.pop(about, None)  # the newest goes last
            self._owed[about] = packet
        if now_s - self._refused_s > _PATIENCE_S:
            raise MidiError(f"{self.port} took no message for {_PATIENCE_S:g} s ({reason}); check the network")

    def _say(self, line: str) -> None:
        if self._on_change is not None:
            self._on_change(line)

    def cancel(self) -> int:
        """Return 0: what was handed over has been sent."""
        return 0

    def listen(self, on_message: OnMessage) -> None:
        """Tell `on_message` of everything that others send, each with the clock time at which it arrived.

        Raises
        ------
        MidiError
            If the group cannot be joined.
        """
        try:
            hears = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            hears.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            hears.bind(("", self._address[1]))
            member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton(self._own[0]))
            hears.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        except OSError as error:
            raise MidiError(f"{self.port} cannot be heard ({error.strerror}); check the network") from error
        self._hears = hears
        threading.Thread(target=self._take, args=(hears, on_message), name="network", daemon=True).start()

    def _take(self, hears: socket.socket, on_message: OnMessage) -> None:
        while True:
            try:
                packet, sender = hears.recvfrom(65536)
            except OSError:  # closed
                return
            if sender != self._own:  # the group gives everybody everything, us too
                now_s = self._clock.now_s()
                for data in split_messages(packet):
                    on_message(data, now_s)

    def close(self) -> None:
        """Let the network go; may be called twice."""
        if self._sends is not None:
            with suppress(OSError):  # the last note-offs of a take
                self._pay(self._sends)
        for end in (self._sends, self._hears):
            if end is not None:
                end.close()
        self._sends = self._hears = None

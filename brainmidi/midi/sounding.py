"""What has gone out and what still sounds: the book from which a panic knows every note that it has to close."""

from __future__ import annotations

from collections import deque
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

from brainmidi.midi.wire import TICKS_PER_BEAT, TimedEvent

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.midi.ledger import Ledger
    from brainmidi.midi.ports import Output

#: In the order of a panic: the pedal first, since it keeps notes that are off; then all notes, then all sound.
SUSTAIN, NOTES_OFF, SOUND_OFF = 64, 123, 120

#: More messages than any output is ahead of the clock by.
_MOST_AHEAD = 4096

#: Where pitch bend and channel pressure rest, by status byte: no reset but ours brings them back.
_REST: dict[int, tuple[int, ...]] = {0xE0 | channel: (0xE0 | channel, 0, 64) for channel in range(16)}
_REST |= {0xD0 | channel: (0xD0 | channel, 0) for channel in range(16)}


def is_strike(data: tuple[int, ...]) -> bool:
    """Return whether message bytes open a note; a note-on of velocity 0 closes one."""
    return data[0] & 0xF0 == 0x90 and data[2] > 0


def is_release(data: tuple[int, ...]) -> bool:
    """Return whether message bytes close a note."""
    return data[0] & 0xF0 == 0x80 or (data[0] & 0xF0 == 0x90 and data[2] == 0)


class Sounding:
    """Hands messages to the output and keeps count of them: what was sent on which beat, what is open, who was used.

    Parameters
    ----------
    output : Output
        Where messages go.
    ledger : Ledger, optional
        Where the open notes stand should this process be killed.
    """

    def __init__(self, output: Output, ledger: Ledger | None = None) -> None:
        self._output = output
        self._ledger = ledger
        self._open: set[tuple[int, int]] = set()
        self._channels: set[int] = set()
        self._moved: dict[int, tuple[int, ...]] = {}  # bends and pressures off their rest, by status byte
        self.sent: list[TimedEvent] = []
        # What was handed over last: bytes, when wanted, and whether it is in `sent`.
        self._handed: deque[tuple[tuple[int, ...], float | None, bool]] = deque(maxlen=_MOST_AHEAD)

    def send(self, event: TimedEvent, at_s: float | None = None) -> None:
        """Send one message.

        Parameters
        ----------
        event : TimedEvent
            The message, with its beat in the take.
        at_s : float, optional
            Clock time at which it is wanted, for outputs that take messages ahead of time; now by default.

        Raises
        ------
        MidiError
            If the output refuses it.
        """
        self._hand_over(event.data, at_s)
        self.sent.append(event)
        self._handed.append((event.data, at_s, True))
        self._book(event.data)

    def pulse(self, data: tuple[int, ...], at_s: float | None = None) -> None:
        """Send a message that is no part of the take, such as a clock or a click; a click is closed all the same."""
        self._hand_over(data, at_s)
        self._handed.append((data, at_s, False))
        if data[0] < 0xF0:
            self._book(data)

    def clear(self) -> None:
        """Close what a player that was killed left open on this port; it is no part of the take."""
        for data in () if self._ledger is None else self._ledger.left:
            self.pulse(data)

    def _hand_over(self, data: tuple[int, ...], at_s: float | None) -> None:
        # Written down as open before it is struck and until it is closed: a kill between the two is on the safe side.
        if self._ledger is not None and is_strike(data):
            self._ledger.note(data[0] & 0x0F, data[1], True)
        self._output.send(data, at_s)
        if self._ledger is not None and is_release(data):
            self._ledger.note(data[0] & 0x0F, data[1], False)

    def _book(self, data: tuple[int, ...]) -> None:
        channel = data[0] & 0x0F
        self._channels.add(channel)
        if is_strike(data):
            self._open.add((channel, data[1]))
        elif is_release(data):
            self._open.discard((channel, data[1]))
        elif data[0] in _REST:
            self._moved[data[0]] = data

    def is_open(self, data: tuple[int, ...]) -> bool:
        """Return whether the note that a note message names is sounding."""
        return (data[0] & 0x0F, data[1]) in self._open

    def recall(self) -> None:
        """Take back what the output was given ahead of time and has not sent: it has not sounded, nor will it.

        Clock goes out all the same, since whoever follows it counts.
        """
        clocks = []
        for _ in range(self._output.cancel()):
            data, at_s, kept = self._handed.pop()
            if kept:
                self.sent.pop()
            key = (data[0] & 0x0F, data[1] if len(data) > 1 else 0)
            if data[0] >= 0xF0:
                clocks.append((data, at_s))
            elif is_strike(data):
                self._open.discard(key)
            elif is_release(data):
                self._open.add(key)
        for data, at_s in reversed(clocks):
            self.pulse(data, at_s)

    def silence(self, beat: Fraction) -> None:
        """Close every open note, then tell every channel used to let go: CC64 = 0, CC123, CC120, bend and pressure."""
        for channel, pitch in sorted(self._open):
            self.send(TimedEvent(beat, 0, (0x80 | channel, pitch, 0)))
        for channel in sorted(self._channels):
            for controller in (SUSTAIN, NOTES_OFF, SOUND_OFF):
                self.send(TimedEvent(beat, 1, (0xB0 | channel, controller, 0)))
        for status, data in sorted(self._moved.items()):
            if data != _REST[status]:
                self.send(TimedEvent(beat, 1, _REST[status]))

    def free_tick(self, tick: int) -> int:
        """Return the first tick from `tick` on that lies after everything sent so far."""
        return max(tick, ceil(self.sent[-1].beat * TICKS_PER_BEAT) + 1) if self.sent else tick

    def control_tick(self, tick: int, channel: int) -> int:
        """Return the first tick from `tick` on for a control change, such that a file sorted by rank keeps its place.

        It may share the tick of a note-off, which a file has first, and of a control change on its own track.
        """
        if not self.sent:
            return tick
        last = self.sent[-1]
        shared = last.rank == 0 or (last.rank == 1 and last.data[0] & 0x0F == channel)
        return max(tick, ceil(last.beat * TICKS_PER_BEAT) + (0 if shared else 1))

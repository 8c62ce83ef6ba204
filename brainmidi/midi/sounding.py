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
        self._in_take: set[int] = set()  # of these channels, those on which the take itself played
        self._moved: dict[int, tuple[int, ...]] = {}  # bends and pressures off their rest, by status byte
        self.sent: list[TimedEvent] = []
        # What was handed over last: bytes, and whether it is in `sent`.
        self._handed: deque[tuple[tuple[int, ...], bool]] = deque(maxlen=_MOST_AHEAD)

    @property
    def used(self) -> bool:
        """Whether anything was sent on any channel, by the take or beside it, so that there is something to silence."""
        return bool(self._channels)

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
        self._handed.append((event.data, True))
        self._in_take.add(event.data[0] & 0x0F)
        self._book(event.data)

    def pulse(self, data: tuple[int, ...], at_s: float | None = None) -> None:
        """Send a message that is no part of the take, such as a clock or a click; a click is closed all the same."""
        self._hand_over(data, at_s)
        self._handed.append((data, False))
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
        n_cancelled, clocks = self._output.cancel(), []
        while n_cancelled:
            data, kept = self._handed.pop()
            if data[0] >= 0xF0:
                clocks.append((data, kept))
                continue
            n_cancelled -= 1
            if kept:
                self.sent.pop()
            if is_strike(data) or is_release(data):
                self._reopen(data[0] & 0x0F, data[1], is_release(data))
        self._handed.extend(reversed(clocks))

    def _reopen(self, channel: int, pitch: int, sounds: bool) -> None:
        """Book a note as it was before a message that is taken back."""
        if sounds:
            self._open.add((channel, pitch))
        else:
            self._open.discard((channel, pitch))
        if self._ledger is not None:
            self._ledger.note(channel, pitch, sounds)

    def silence(self, beat: Fraction | None, at_s: float | None = None) -> None:
        """Close every open note, then tell every channel used to let go: CC64 = 0, CC123, CC120, bend and pressure.

        Parameters
        ----------
        beat : Fraction or None
            Where the take has it; None where it is no part of the take, as before and after it. Channels on which
            the take has not played, such as that of the clicks, are no part of it either.
        at_s : float, optional
            As :meth:`send` has it.
        """
        closing: list[tuple[int, ...]] = [(0x80 | channel, pitch, 0) for channel, pitch in sorted(self._open)]
        for channel in sorted(self._channels):
            closing += [(0xB0 | channel, controller, 0) for controller in (SUSTAIN, NOTES_OFF, SOUND_OFF)]
        closing += [_REST[status] for status, data in sorted(self._moved.items()) if data != _REST[status]]
        for data in closing:
            if beat is None or data[0] & 0x0F not in self._in_take:
                self.pulse(data, at_s)
            else:
                self.send(TimedEvent(beat, 0 if is_release(data) else 1, data), at_s)

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

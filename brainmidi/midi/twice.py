"""An output that can say once more that everything is off, for systems that lose what they were given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from brainmidi.midi.sounding import NOTES_OFF, SOUND_OFF, SUSTAIN

if TYPE_CHECKING:  # what is in front of the output is no business of ours at run time
    from brainmidi.midi.ports import Output


class OffTwice:
    """Hands everything on to another output, and remembers which keys were struck.

    An asynchronous JACK server that overruns loses a whole period, and a network loses packets: of a note-off and the
    panic after it nothing may arrive, whenever that was. A key that is let go twice sounds no different.

    Parameters
    ----------
    output : Output
        Where messages go.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._struck: set[tuple[int, int]] = set()
        self.port, self.api, self.reason, self.ahead_s = output.port, output.api, output.reason, output.ahead_s

    @property
    def struck(self) -> bool:
        """Whether any key was struck."""
        return bool(self._struck)

    def send(self, data: Sequence[int], at_s: float | None = None) -> None:
        """Hand on one message.

        Raises
        ------
        MidiError
            If the output refuses it.
        """
        self._output.send(data, at_s)
        if data[0] & 0xF0 == 0x90:
            self._struck.add((data[0] & 0x0F, data[1]))

    def cancel(self) -> int:
        """Take back what waits; return how many messages, the newest handed over."""
        return self._output.cancel()

    def close(self) -> None:
        """Let the port go."""
        self._output.close()

    def off_again(self) -> None:
        """Send a note-off for every key that was ever struck, then CC64 = 0, CC123 and CC120 on their channels.

        Raises
        ------
        MidiError
            If the output refuses one.
        """
        for channel, pitch in sorted(self._struck):
            self._output.send((0x80 | channel, pitch, 0))
        for channel in sorted({channel for channel, _ in self._struck}):
            for controller in (SUSTAIN, NOTES_OFF, SOUND_OFF):
                self._output.send((0xB0 | channel, controller, 0))

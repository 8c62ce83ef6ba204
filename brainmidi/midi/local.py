"""A player in the driver's own process, for the virtual clock: the same state machine, with every deadline met."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self

from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.handover import Handover, PlayerInfo, PlayerNotice, PlayReport
from brainmidi.midi.ports import Output
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timetable import DEFAULT_CHANNELS, Channel
from brainmidi.midi.wire import Message
from brainmidi.types import Bar, Clock


class LocalPlayer:
    """A player in this process, for the virtual clock: whatever is due is played when the driver next calls.

    Parameters
    ----------
    clock : Clock
        The driver's clock; moved to the last bar's end by :meth:`finish`.
    output : Output
        Where messages go.
    channels : mapping of str to Channel, optional
        MIDI channel 1..16, or zone, of each part.
    settings : PlayerSettings, optional
        What goes out as control changes, and which of the performer's keys mean what; its ports are not opened.
    """

    def __init__(
        self,
        clock: Clock,
        output: Output,
        *,
        channels: Mapping[str, Channel] = DEFAULT_CHANNELS,
        settings: PlayerSettings | None = None,
    ) -> None:
        self._clock = clock
        self._output = output
        # The core sees each deadline come on time, on a clock that follows the driver's from deadline to deadline.
        self._core_clock = VirtualClock(clock.now_s())
        self._sends_knobs = settings is not None and bool(settings.controls)
        self._core = PlayerCore(self._core_clock, output, settings=settings)
        self._handover = Handover(channels)
        self._info = PlayerInfo(output.port, output.api, False, output.reason, "in process, on the virtual clock")

    @property
    def info(self) -> PlayerInfo:
        """Port, MIDI system and priority."""
        return self._info

    @property
    def sends_knobs(self) -> bool:
        """Whether any knob goes out as a control change; else nobody need hand knobs over."""
        return self._sends_knobs

    def begin(self, delay_s: float) -> float:
        """Set beat 0 `delay_s` seconds from now; return its clock time."""
        at_s = self._clock.now_s() + delay_s
        self._tell({"op": "begin", "at_s": at_s})
        return at_s

    def send(self, bar: Bar, fallback: Bar | None) -> None:
        """Hand over the next bar, and what to play for the bar after it if that one is late.

        A bar handed over at the very time of its first beat is in time.

        Raises
        ------
        MidiError
            If the bar does not follow the one before.
        """
        self._tell(self._handover.pack(bar, fallback))

    def knobs(self, values: Mapping[str, float]) -> None:
        """Hand over knob positions 0..1."""
        self._tell({"op": "knobs", "values": dict(values)})

    def heartbeat(self) -> None:
        """Play what is due."""
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

    def hear(self, data: tuple[int, ...]) -> None:
        """Take one message of the performer's, now."""
        now_s = self._clock.now_s()
        self._catch_up(now_s)
        self._core.hear(data, now_s)
        self._core.advance()

    def poll(self) -> list[PlayerNotice]:
        """Return what has happened since the last call."""
        self._catch_up(self._clock.now_s())
        self._core.advance()
        return [PlayerNotice.unpack(notice) for notice in self._core.take_notices()]

    def finish(self) -> PlayReport:
        """Play to the end of the last bar handed over, moving the clock there; return what was played."""
        self._tell({"op": "finish", "last": self._handover.last_index})
        while (deadline_s := self._core.deadline_s) is not None:
            self._clock.sleep_until(deadline_s)
            self._core_clock.sleep_until(deadline_s)
            self._core.advance()
        return self._handover.report(self._core.report())

    def stop(self) -> PlayReport:
        """End the take now, with every note-off; return what was played."""
        self._tell({"op": "stop"})
        return self._handover.report(self._core.report())

    def close(self) -> None:
        """Silence what sounds and let the output go."""
        self._core.stop(None)
        self._output.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def _tell(self, message: Message) -> None:
        self._catch_up(self._clock.now_s())
        self._core.handle(message)
        self._core.advance()

    def _catch_up(self, now_s: float) -> None:
        """Play what was due before now; what is due exactly now may still be changed by the message that comes."""
        while (deadline_s := self._core.deadline_s) is not None and deadline_s < now_s:
            self._core_clock.sleep_until(deadline_s)
            self._core.advance()
        self._core_clock.sleep_until(now_s)

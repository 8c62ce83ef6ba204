"""The performer's desk: what comes in from keys, faders and instruments while the music plays, and what it leads to."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from brainmidi.drivers.chain import SignalChain
from brainmidi.drivers.faders import FaderRule, Faders
from brainmidi.midi.handover import PlayerNotice
from brainmidi.types import ControlFrame, MidiEvent

#: Told in a line of text what a key or an input has done.
Say = Callable[[str], None]

_RANKS = {0x80: 0, 0x90: 2}


class Desk:
    """Takes the player's notices about the performer; knows where the faders stand and what was played along.

    Parameters
    ----------
    faders : mapping of str to FaderRule, optional
        Faders by the knob that they have a say in.
    features : tuple of str
        Features that go out as controls beside the knobs.
    capture_bars : int
        How many bars a capture holds.
    say : callable, optional
        Told what has happened, in words.
    """

    def __init__(
        self,
        faders: Mapping[str, FaderRule] | None = None,
        *,
        features: tuple[str, ...] = (),
        capture_bars: int = 4,
        say: Say | None = None,
    ) -> None:
        self._features = features
        self._wanted: list[int] = []
        self._say = say
        self.faders = Faders(faders or {})
        self.capture_bars = capture_bars
        self.performed: list[MidiEvent] = []

    def take(self, notice: PlayerNotice) -> None:
        """Take in one notice; those about bars are passed over."""
        match notice.kind:
            case "heard":
                for knob in self.faders.take(notice.data):
                    self.say(f"your fader has {knob} now; f gives it back")
                if notice.beat is not None:
                    status = notice.data[0] & 0xF0
                    rank = 0 if status == 0x90 and notice.data[2] == 0 else _RANKS.get(status, 1)
                    self.performed.append(MidiEvent(notice.beat, rank, notice.data))
            case "capture":
                self._wanted.append(notice.index)
            case "hold":
                self.say("this bar is held" if notice.detail == "on" else "the hold is off, the next bar goes on")
            case "release":
                self.release()
            case "panic":
                self.say("panic: every note is off")
            case "paused":
                self.say("the master stands: the next bar begins on its next bar line")
            case "input":
                self.say(notice.detail)

    def say(self, line: str) -> None:
        """Tell the performer something."""
        if self._say is not None:
            self._say(line)

    def release(self) -> None:
        """Give the knobs that the faders have back to the brain."""
        knobs = self.faders.release()
        self.say(f"the brain has {' and '.join(knobs)} again" if knobs else "no fader has a say")

    def captures(self) -> list[int]:
        """Return the bars in which a capture was asked for since the last call."""
        wanted, self._wanted = self._wanted, []
        return wanted

    def controls(self, frame: ControlFrame, chain: SignalChain) -> dict[str, float]:
        """Return what the player may send out: knobs as brain and faders have them, and the features that are there."""
        return {**self.faders.apply(frame).knobs, **chain.standing(self._features)}

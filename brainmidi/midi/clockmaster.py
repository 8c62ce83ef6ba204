"""What goes out beside the notes, on the take's beats: MIDI clock with Start, Stop and Continue, and a metronome."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil

from brainmidi.midi.phaseloop import CLOCKS_PER_BEAT
from brainmidi.midi.sync import CLOCK, CLOCKS_PER_SIXTEENTH, CONTINUE, POSITION, START, STOP

Data = tuple[int, ...]

#: So long before its first clock a Start goes out, in beats: the standard asks for a millisecond at least.
_NOTICE = Fraction(1, 2 * CLOCKS_PER_BEAT)

#: Song positions have 14 bits.
_MOST_SIXTEENTHS = 0x3FFF

#: General MIDI's high and low wood block, how hard they are struck, and how long a click is, in beats.
_HIGH, _LOW = (76, 112), (77, 88)
_CLICK = Fraction(1, 8)


@dataclass(frozen=True, slots=True)
class ClockSettings:
    """Whose time the player keeps, and what it tells of it.

    Parameters
    ----------
    source : str
        ``"internal"``, ``"midi"`` (clock on the input) or ``"link"`` (Ableton Link).
    send : bool
        Whether MIDI clock goes out, 24 to the quarter note.
    nudge_s : float
        Everything is sent so many seconds later; earlier where negative.
    count_in : int
        Bars of clicks before the first bar.
    metronome : bool
        Whether the clicks go on afterwards.
    click_channel : int
        Of the clicks, 1..16.
    pulses : tuple of int
        Where a bar's clicks are, in sixteenths from its first beat.
    bpm : float
        The tempo to assume of a master until its clock tells.
    bar_beats : float
        How long a bar is, for masters who share bar lines.
    """

    source: str = "internal"
    send: bool = False
    nudge_s: float = 0.0
    count_in: int = 0
    metronome: bool = False
    click_channel: int = 15
    pulses: tuple[int, ...] = (0, 4, 8, 12)
    bpm: float = 120.0
    bar_beats: float = 4.0

    @property
    def follows(self) -> bool:
        """Whether somebody else keeps the time."""
        return self.source != "internal"


class ClockMaster:
    """Start, 24 clocks a quarter note and Stop, each on its beat of the take; the player's timeline says when that is.

    Since a bar's tempo is bounded and only a bar line changes it, the next clock always has a time.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Fraction, Data]] = deque()
        self._next_clock: int | None = None

    @property
    def beat(self) -> Fraction | None:
        """Beat of the next message, None while the transport stands."""
        if self._waiting:
            return self._waiting[0][0]
        return None if self._next_clock is None else Fraction(self._next_clock, CLOCKS_PER_BEAT)

    def roll(self, start: Fraction) -> None:
        """Let the transport roll from beat `start`: Start at 0, elsewhere song position and Continue."""
        self._next_clock = ceil(start * CLOCKS_PER_BEAT)
        at = start - _NOTICE
        sixteenths = min(self._next_clock // CLOCKS_PER_SIXTEENTH, _MOST_SIXTEENTHS)
        if sixteenths == 0:
            self._waiting.append((at, (START,)))
        else:
            self._waiting.append((at, (POSITION, sixteenths & 0x7F, sixteenths >> 7)))
            self._waiting.append((at, (CONTINUE,)))

    def take(self) -> Data:
        """Return the message of :attr:`beat` and go on to the next."""
        if self._waiting:
            return self._waiting.popleft()[1]
        self._next_clock = (self._next_clock or 0) + 1
        return (CLOCK,)

    def halt(self) -> list[Data]:
        """Let the transport stand; return what tells it, where anyone was told that it rolls."""
        told = self._next_clock is not None and len(self._waiting) == 0
        self._waiting.clear()
        self._next_clock = None
        return [(STOP,)] if told else []


class Metronome:
    """Clicks on the pulses of bars, the first of each bar higher and louder.

    Parameters
    ----------
    channel : int
        1..16.
    pulses : sequence of int
        Where a bar's clicks are, in sixteenths from its first beat.
    """

    def __init__(self, channel: int, pulses: Sequence[int]) -> None:
        self._on, self._off = 0x90 | channel - 1, 0x80 | channel - 1
        self._pulses = tuple(Fraction(pulse, 4) for pulse in pulses)
        self._waiting: deque[tuple[Fraction, Data]] = deque()

    @property
    def beat(self) -> Fraction | None:
        """Beat of the next message, None where none waits."""
        return self._waiting[0][0] if self._waiting else None

    def bar(self, start: Fraction, length: Fraction) -> None:
        """Click through the bar that begins on beat `start`."""
        for pulse in self._pulses:
            if pulse >= length:
                break
            pitch, velocity = _LOW if pulse else _HIGH
            beat = start + pulse
            self._waiting.append((beat, (self._on, pitch, velocity)))
            self._waiting.append((beat + _CLICK, (self._off, pitch, 0)))

    def take(self) -> Data:
        """Return the message of :attr:`beat` and go on to the next."""
        return self._waiting.popleft()[1]

    def halt(self) -> None:
        """Forget the clicks to come; a click that sounds is closed by whoever keeps count of open notes."""
        self._waiting.clear()


class Pulses:
    """Clock and metronome together, in the order in which they are due; clock first.

    Parameters
    ----------
    settings : ClockSettings
        What is wanted.
    """

    def __init__(self, settings: ClockSettings) -> None:
        self._settings = settings
        self._clock = ClockMaster() if settings.send else None
        clicks = settings.metronome or settings.count_in
        self._metronome = Metronome(settings.click_channel, settings.pulses) if clicks else None

    @property
    def beat(self) -> Fraction | None:
        """Beat of the next message, None where none waits."""
        beats = [each.beat for each in (self._clock, self._metronome) if each is not None and each.beat is not None]
        return min(beats, default=None)

    def roll(self, start: Fraction, length: Fraction, count_in: int) -> None:
        """Get ready for a take that goes on from beat `start`, `count_in` bars of `length` beats before it."""
        self.halt()
        if self._metronome is not None:
            for number in range(-count_in, 0):
                self._metronome.bar(start + number * length, length)
        if self._clock is not None:
            self._clock.roll(start)

    def bar(self, start: Fraction, length: Fraction) -> None:
        """Take note of a bar that begins now."""
        if self._metronome is not None and self._settings.metronome:
            self._metronome.bar(start, length)

    def take(self) -> Data:
        """Return the message of :attr:`beat` and go on to the next."""
        if self._clock is not None and self._clock.beat is not None and self._clock.beat == self.beat:
            return self._clock.take()
        if self._metronome is None:
            return ()
        return self._metronome.take()

    def halt(self) -> list[Data]:
        """Stop everything; return what has to be sent at once."""
        if self._metronome is not None:
            self._metronome.halt()
        return [] if self._clock is None else self._clock.halt()

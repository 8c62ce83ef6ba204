"""A slave to MIDI clock: clocks and transport messages become a song position, and the time of every beat. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from brainmidi.midi.phaseloop import CLOCKS_PER_BEAT, PhaseLoop

#: Clock messages a sixteenth, in which song positions count.
CLOCKS_PER_SIXTEENTH = CLOCKS_PER_BEAT // 4

POSITION, CLOCK, START, CONTINUE, STOP = 0xF2, 0xF8, 0xFA, 0xFB, 0xFC

#: Seconds and ticks, whichever is longer, after which a clock that does not come has gone.
_PATIENCE_S, _PATIENCE_TICKS = 0.5, 12


class ClockFollower:
    """Follows a master's clock, Start, Stop, Continue and song position.

    Give :meth:`take` every message with the time at which it arrived. While :attr:`running`, :meth:`beat` and
    :meth:`time_s` convert between clock time and the master's song position; both are one straight line, so that each
    is the other's inverse and neither ever turns back.

    Parameters
    ----------
    bpm : float, optional
        The tempo to assume until ticks tell it.
    grain_s : float, optional
        As :class:`~brainmidi.midi.phaseloop.PhaseLoop` has it.

    Attributes
    ----------
    running : bool
        Whether the master plays: true from the first clock after Start or Continue.
    placements : int
        How many times the song position was set anew by Start, Continue or a jump: who sees it change asks where the
        next bar line is.
    """

    def __init__(self, bpm: float = 120.0, *, grain_s: float = 0.0) -> None:
        self._loop = PhaseLoop(bpm, grain_s)
        self._heard_s: float | None = None  # when the newest clock came
        self.running = False
        self.placements = 0
        self._armed = False
        self._next_clock = 0  # song position of the clock to come, while the master stands
        self._offset = 0  # song position less count, while it plays

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes a minute, as estimated."""
        return 60.0 / (CLOCKS_PER_BEAT * self._loop.period_s)

    @property
    def patient_until_s(self) -> float | None:
        """Clock time at which a playing master that sends no more clock has to be given up; None while it stands."""
        if not self.running or self._heard_s is None:
            return None
        return self._heard_s + self._patience_s()

    @property
    def position(self) -> Fraction:
        """Song position of the newest clock, or of the next while the master stands, in beats."""
        return Fraction(self._loop.count + self._offset if self.running else self._next_clock, CLOCKS_PER_BEAT)

    def beat(self, time_s: float) -> float:
        """Return the master's song position at clock time `time_s`, in beats; as it stands where it does not play."""
        if not self.running:
            return self._next_clock / CLOCKS_PER_BEAT
        return (self._loop.count + self._offset + (time_s - self._loop.tick_s) / self._loop.period_s) / CLOCKS_PER_BEAT

    def time_s(self, beat: float | Fraction) -> float | None:
        """Return the clock time of song position `beat`, the inverse of :meth:`beat`; None while the master stands."""
        if not self.running:
            return None
        return self._loop.tick_s + float(beat * CLOCKS_PER_BEAT - self._loop.count - self._offset) * self._loop.period_s

    def take(self, time_s: float, data: Sequence[int]) -> None:
        """Take one message; those that are neither clock nor transport are passed over.

        Parameters
        ----------
        time_s : float
            Clock time of its arrival, never before that of the message before.
        data : sequence of int
            Its bytes.
        """
        status = data[0]
        if status == CLOCK:
            self._tick(time_s)
        elif status == START:
            self._stand()
            self._next_clock, self._armed = 0, True
        elif status == CONTINUE:
            self._stand()
            self._armed = True
        elif status == STOP:
            self._stand()
            self._armed = False
        elif status == POSITION:
            # A master that locates while it plays is at the new place with its next clock.
            self._armed = self._armed or self.running
            self._stand()
            self._next_clock = CLOCKS_PER_SIXTEENTH * (data[1] | data[2] << 7)

    def give_up(self, time_s: float) -> bool:
        """Let a master stand whose clock has not come for too long by `time_s`; return whether it was so.

        It plays on with the next clock that comes, as after Continue.
        """
        until_s = self.patient_until_s
        if until_s is None or time_s < until_s:
            return False
        self._stand()
        self._armed = True
        return True

    def _stand(self) -> None:
        """Keep the place of the next clock, while none counts."""
        if self.running:
            self._next_clock = self._loop.count + self._offset + 1
            self.running = False

    def _patience_s(self) -> float:
        return max(_PATIENCE_S, _PATIENCE_TICKS * self._loop.period_s)

    def _tick(self, time_s: float) -> None:
        self.give_up(time_s)
        # A master that sends no clock while it stands has lost none: with Continue its first clock begins anew.
        gap_s = 2 * self._loop.period_s if self._armed else self._patience_s()
        if self._heard_s is None or time_s > self._heard_s + gap_s:
            self._loop.restart(time_s)
        elif self._armed:
            # Many masters begin their clock anew on play: the first is its beat whatever the ones before would say.
            self._loop.restart(time_s, told=True)
        else:
            self._loop.take(time_s)
        self._heard_s = time_s
        if self._armed:
            self._armed, self.running = False, True
            self._offset = self._next_clock - self._loop.count
            self.placements += 1

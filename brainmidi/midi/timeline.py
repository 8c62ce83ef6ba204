"""When each beat of a take falls on the clock, as the player asks for it: by the bars' own tempi, or by a master's."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Protocol

from brainmidi.midi.tempo import TempoMap


class Timeline(Protocol):
    """Beats of the take on the player's clock.

    The player asks anew before every message, so that a timeline that follows a master may move what lies ahead.
    """

    @property
    def begun(self) -> bool:
        """Whether :meth:`begin` was called."""
        ...

    @property
    def begun_s(self) -> float | None:
        """Clock time of beat 0; None before it is known."""
        ...

    @property
    def waits(self) -> bool:
        """Whether there is a master who plays, and the take has no place in his song yet: see :meth:`place`."""
        ...

    @property
    def deadline_s(self) -> float | None:
        """Clock time at which :meth:`look` has to be called even though nothing was heard; None where never."""
        ...

    @property
    def bpm(self) -> float | None:
        """A master's tempo, in quarter notes a minute; None where the bars' own goes."""
        ...

    def begin(self, at_s: float) -> None:
        """Let beat 0 fall on clock time `at_s`; called again where bar 0 came later than that."""
        ...

    def enter(self, start: Fraction, bpm: float) -> None:
        """Take note that a bar begins on beat `start`, which was composed for `bpm` quarter notes a minute."""
        ...

    def clock_s(self, beat: Fraction) -> float | None:
        """Return the clock time of `beat`; None while it has none, as before the take or while a master stands."""
        ...

    def beat(self, clock_s: float) -> Fraction:
        """Return the beat at clock time `clock_s`; 0 before the take."""
        ...

    def hear(self, data: Sequence[int], time_s: float) -> None:
        """Take a clock or transport message that arrived at clock time `time_s`."""
        ...

    def look(self, now_s: float) -> bool:
        """Return whether a master has stopped or jumped since the last call: the take then has lost its place."""
        ...

    def place(self, start: Fraction, length: Fraction, now_s: float, bars_before: int = 0) -> None:
        """Let beat `start` fall on the master's next bar line, or `bars_before` bars of `length` beats later."""
        ...

    def tempi(self) -> list[tuple[Fraction, float]]:
        """Return (beat, quarter notes a minute) of each change that a master made; none where the bars' own goes."""
        ...


class OwnTimeline:
    """The take's own time: every bar is played in the tempo that it brings, and nothing else moves a beat."""

    waits = False
    deadline_s: float | None = None
    bpm: float | None = None

    def __init__(self) -> None:
        self._begun_s: float | None = None
        self._tempo: TempoMap | None = None

    @property
    def begun(self) -> bool:
        """Whether :meth:`begin` was called."""
        return self._begun_s is not None

    @property
    def begun_s(self) -> float | None:
        """Clock time of beat 0; None before :meth:`begin`."""
        return self._begun_s

    def begin(self, at_s: float) -> None:
        """Let beat 0 fall on clock time `at_s`."""
        self._begun_s = at_s

    def enter(self, start: Fraction, bpm: float) -> None:
        """Play in `bpm` quarter notes a minute from beat `start` on."""
        self._tempo = (self._tempo or TempoMap.steady(bpm)).with_tempo(start, bpm)

    def clock_s(self, beat: Fraction) -> float | None:
        """Return the clock time of `beat`; before the first bar only beat 0 has one."""
        if self._begun_s is None or self._tempo is None:
            return self._begun_s if beat == 0 else None
        return self._begun_s + self._tempo.seconds(beat)

    def beat(self, clock_s: float) -> Fraction:
        """Return the beat at clock time `clock_s`; 0 before the take."""
        if self._begun_s is None or self._tempo is None:
            return Fraction(0)
        return self._tempo.beat(max(0.0, clock_s - self._begun_s))

    def hear(self, data: Sequence[int], time_s: float) -> None:
        """Pass over what another program's clock says."""

    def look(self, now_s: float) -> bool:
        """Return False: nobody stops this time."""
        return False

    def place(self, start: Fraction, length: Fraction, now_s: float, bars_before: int = 0) -> None:
        """Do nothing: every beat has its place."""

    def tempi(self) -> list[tuple[Fraction, float]]:
        """Return nothing: the bars say it."""
        return []

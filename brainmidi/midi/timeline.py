"""When each beat of a take falls on the clock, as the player asks for it: by the bars' own tempi, or by a master's."""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol

from brainmidi.midi.tempo import TempoMap


class Timeline(Protocol):
    """Beats of the take on the player's clock.

    The player asks anew before every message, so that a timeline that follows a master may move what lies ahead.
    """

    @property
    def begun_s(self) -> float | None:
        """Clock time of beat 0; None before it is known."""
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


class OwnTimeline:
    """The take's own time: every bar is played in the tempo that it brings, and nothing else moves a beat."""

    def __init__(self) -> None:
        self._begun_s: float | None = None
        self._tempo: TempoMap | None = None

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

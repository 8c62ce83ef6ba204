"""A take in a master's time: bars begin on the master's bar lines, and every beat falls where its clock puts it."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import ceil, floor, inf
from typing import Protocol

from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.sync import ClockFollower
from brainmidi.midi.timeline import OwnTimeline, Timeline

#: A bar that is there this little after its bar line may still begin on it: one tick of the clock, in beats.
_GRACE = Fraction(1, 24)

#: How far the written tempo may be off where a beat fell, in seconds.
_TOLERANCE_S = 0.002


class Master(Protocol):
    """What keeps the time: MIDI clock (:class:`~brainmidi.midi.sync.ClockFollower`) or Ableton Link."""

    running: bool
    placements: int

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes a minute."""
        ...

    @property
    def patient_until_s(self) -> float | None:
        """Clock time at which a master of whom nothing more is heard is given up."""
        ...

    def beat(self, time_s: float) -> float:
        """Return the song position at a clock time, in beats."""
        ...

    def time_s(self, beat: float | Fraction) -> float | None:
        """Return the clock time of a song position; None while the master stands."""
        ...

    def take(self, time_s: float, data: Sequence[int]) -> None:
        """Take a MIDI message that arrived at a clock time."""
        ...

    def give_up(self, time_s: float) -> bool:
        """Let a master stand of whom nothing was heard for too long."""
        ...


class FollowedTimeline:
    """The master's song position, moved so that the take's bars follow each other whatever the master jumps to.

    Parameters
    ----------
    master : Master
        Who keeps the time.
    """

    def __init__(self, master: Master) -> None:
        self._master = master
        self._placed: int | None = None  # which placement of the master's the take goes by
        self._offset = Fraction(0)  # the master's song position less the take's beat
        self._reached = Fraction(0)  # in the take; never goes back
        self._runs: list[list[tuple[Fraction, float]]] = []  # (beat, when it fell), anew after each stop
        self.begun = False
        self.begun_s: float | None = None

    def begin(self, at_s: float) -> None:
        """Wait for the master's next bar line; when the take would begin by itself does not matter."""
        self.begun = True

    @property
    def waits(self) -> bool:
        """Whether the master plays and the take has no place in its song yet."""
        return self.begun and self._master.running and self._placed is None

    @property
    def deadline_s(self) -> float | None:
        """Clock time at which :meth:`look` has to be called even though nothing was heard."""
        return self._master.patient_until_s

    @property
    def bpm(self) -> float:
        """The master's tempo, in quarter notes a minute."""
        return self._master.tempo_bpm

    def hear(self, data: Sequence[int], time_s: float) -> None:
        """Take a message that may be the master's."""
        self._master.take(time_s, data)

    def look(self, now_s: float) -> bool:
        """Return whether the master has stopped or jumped since the last call: the take then has lost its place."""
        self._master.give_up(now_s)
        if self._placed is None:
            return False
        if self._master.running and self._master.placements == self._placed:
            self._reached = self.beat(now_s)
            self._note()
            return False
        self._placed = None
        return True

    def place(self, start: Fraction, length: Fraction, now_s: float, bars_before: int = 0) -> None:
        """Let beat `start` of the take fall on the master's next bar line.

        Parameters
        ----------
        start, length : Fraction
            First beat and length of the bar to come; the master's song is taken to have bars as long.
        now_s : float
            Clock time.
        bars_before : int
            How many of the master's bars go by first: a count-in.
        """
        position = Fraction(floor(self._master.beat(now_s) / _GRACE), 1) * _GRACE
        self._offset = (ceil(position / length) + bars_before) * length - start
        self._placed = self._master.placements
        self._runs.append([])

    def enter(self, start: Fraction, bpm: float) -> None:
        """Take note that a bar begins; `bpm` is the composer's, and the master's goes before it."""
        if self.begun_s is None:
            self.begun_s = self.clock_s(start)
        if self._runs and not self._runs[-1]:
            self._keep(start)

    def clock_s(self, beat: Fraction) -> float | None:
        """Return the clock time of `beat`; None while the master stands or the take has no place."""
        return None if self._placed is None else self._master.time_s(beat + self._offset)

    def beat(self, clock_s: float) -> Fraction:
        """Return the beat at clock time `clock_s`; while the master stands, the one that was reached."""
        if self._placed is None or not self._master.running:
            return self._reached
        return max(self._reached, Fraction(self._master.beat(clock_s)) - self._offset)

    def tempi(self) -> list[tuple[Fraction, float]]:
        """Return (beat, quarter notes a minute) of each change: a file with these has every beat where it fell."""
        changes: list[tuple[Fraction, float]] = []
        for run in self._runs:
            changes += tempo_changes(run)
        if changes and changes[0][0] > 0:  # the master stopped before its tempo could be told
            changes.insert(0, (Fraction(0), changes[0][1]))
        return changes

    def _note(self) -> None:
        """Keep when each whole beat of the take fell."""
        whole = Fraction(floor(self._reached))
        if self._runs and self._runs[-1] and whole > self._runs[-1][-1][0]:
            self._keep(whole)

    def _keep(self, beat: Fraction) -> None:
        time_s = self.clock_s(beat)
        if time_s is not None:
            self._runs[-1].append((beat, time_s))


def timeline_of(settings: ClockSettings, *, grain_s: float = 0.0) -> Timeline:
    """Return the timeline of a clock that needs no library: the take's own, or one that follows MIDI clock.

    Parameters
    ----------
    settings : ClockSettings
        Whose time is kept.
    grain_s : float, optional
        As :class:`~brainmidi.midi.sync.ClockFollower` has it.
    """
    if settings.source == "internal":
        return OwnTimeline()
    return FollowedTimeline(ClockFollower(settings.bpm, grain_s=grain_s))


def tempo_changes(points: Sequence[tuple[Fraction, float]]) -> list[tuple[Fraction, float]]:
    """Return the fewest tempi, greedily, that bring every beat to within 2 ms of when it fell.

    Parameters
    ----------
    points : sequence of (Fraction, float)
        Beats in order, and the seconds on which they fell.

    Returns
    -------
    list of (Fraction, float)
        Beat, and quarter notes a minute from there on.
    """
    changes: list[tuple[Fraction, float]] = []
    first, at_s = 0, points[0][1] if points else 0.0  # where the written tempo has got to by the segment's first beat
    while first + 1 < len(points):
        start = points[first][0]
        low, high, last = 0.0, inf, first
        for beat, time_s in points[first + 1 :]:
            beats = float(beat - start)
            low_here, high_here = (time_s - at_s - _TOLERANCE_S) / beats, (time_s - at_s + _TOLERANCE_S) / beats
            if max(low, low_here) > min(high, high_here) and last > first:
                break
            low, high, last = max(low, low_here), min(high, high_here), last + 1
        beats, time_s = float(points[last][0] - start), points[last][1]
        seconds = max(1e-3, min(max((time_s - at_s) / beats, low), max(low, high)))
        changes.append((start, 60.0 / seconds))
        first, at_s = last, at_s + beats * seconds
    return changes

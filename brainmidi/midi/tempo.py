"""Beats are exact, seconds are floats: the tempo map is the only place that converts one into the other."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction

from brainmidi.errors import MidiError

#: Tempi that may be asked for, in quarter notes a minute. A tempo driven by a signal is bounded here a last time, so
#: that the next beat always comes.
TEMPO_RANGE_BPM: tuple[float, float] = (10.0, 480.0)


@dataclass(frozen=True, slots=True)
class TempoAnchor:
    """From `beat`, which falls `second` seconds after the take's beat 0, the tempo is `bpm` quarter notes a minute."""

    beat: Fraction
    second: float
    bpm: float


@dataclass(frozen=True, slots=True)
class TempoMap:
    """When each beat of a take falls, in seconds after its beat 0.

    The map is immutable. A tempo change gives a new map with one more anchor; nothing before the anchor moves.

    Parameters
    ----------
    anchors : tuple of TempoAnchor
        In order of beat; the first is at beat 0. Use :meth:`steady` and :meth:`with_tempo` to make them.
    """

    anchors: tuple[TempoAnchor, ...]

    @classmethod
    def steady(cls, bpm: float) -> TempoMap:
        """Return the map of a take that keeps `bpm` quarter notes a minute throughout.

        Raises
        ------
        MidiError
            If the tempo is outside :data:`TEMPO_RANGE_BPM`.
        """
        return cls((TempoAnchor(Fraction(0), 0.0, _checked(bpm)),))

    def seconds(self, beat: Fraction) -> float:
        """Return the second on which `beat` falls; a beat before 0 counts in the first tempo."""
        anchor = self.anchors[max(0, bisect_right(self.anchors, beat, key=lambda a: a.beat) - 1)]
        return anchor.second + float(beat - anchor.beat) * 60.0 / anchor.bpm

    def beat(self, second: float) -> Fraction:
        """Return the beat that falls on `second`, the inverse of :meth:`seconds`."""
        anchor = self.anchors[max(0, bisect_right(self.anchors, second, key=lambda a: a.second) - 1)]
        return anchor.beat + Fraction((second - anchor.second) * anchor.bpm / 60.0)

    def bpm(self, beat: Fraction) -> float:
        """Return the tempo in force on `beat`, in quarter notes a minute."""
        return self.anchors[max(0, bisect_right(self.anchors, beat, key=lambda a: a.beat) - 1)].bpm

    def with_tempo(self, at_beat: Fraction, bpm: float) -> TempoMap:
        """Return a map in which the tempo is `bpm` from `at_beat` on and everything before is as it was.

        Parameters
        ----------
        at_beat : Fraction
            Beat of the change; not before the last change made so far.
        bpm : float
            Quarter notes a minute.

        Raises
        ------
        MidiError
            If the tempo is outside :data:`TEMPO_RANGE_BPM` or `at_beat` lies before an earlier change.
        """
        last = self.anchors[-1]
        if at_beat < last.beat:
            raise MidiError(
                f"tempo change at beat {at_beat} lies before the one at beat {last.beat}; append changes in order"
            )
        if _checked(bpm) == last.bpm:
            return self
        kept = self.anchors[:-1] if at_beat == last.beat else self.anchors
        return TempoMap((*kept, TempoAnchor(at_beat, self.seconds(at_beat), float(bpm))))


def _checked(bpm: float) -> float:
    low, high = TEMPO_RANGE_BPM
    if not low <= bpm <= high:
        raise MidiError(f"tempo {bpm} bpm is outside {low:g}..{high:g}; set [session] tempo_bpm within it")
    return float(bpm)

"""The engine's own notes as stimuli: when each was heard, in sample time, and of which class it was."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction

from brainmidi.acquire.recorder import Recorded
from brainmidi.drivers.chain import SignalChain
from brainmidi.midi.handover import PlayerNotice
from brainmidi.music.harmony import Key
from brainmidi.music.oddball import label_of, stimuli_of
from brainmidi.types import Bar, Marker, Source


@dataclass(frozen=True, slots=True)
class Stimuli:
    """Makes markers of the oddball's notes.

    Parameters
    ----------
    key : Key
        Of the session, which says what pitch is of which class.
    latency_s : float
        From sending a note to hearing it.
    """

    key: Key
    latency_s: float = 0.0

    def planned(self, bar: Bar, time_s: Callable[[Fraction], float]) -> tuple[Marker, ...]:
        """Return the markers of a bar that sounds as planned.

        Parameters
        ----------
        bar : Bar
        time_s : callable
            From a beat of the take to its sample time.
        """
        return tuple(Marker(time_s(beat) + self.latency_s, label) for beat, label in stimuli_of(bar, self.key))

    def sent(self, notice: PlayerNotice, origin_s: float) -> tuple[Marker, ...]:
        """Return the marker of a note that was sent; none where the notice tells of something else.

        Parameters
        ----------
        notice : PlayerNotice
        origin_s : float
            Clock time of sample time 0.
        """
        if notice.kind != "marked" or notice.time_s is None:
            return ()
        label = label_of(notice.data[1], self.key)
        return () if label is None else (Marker(notice.time_s - origin_s + self.latency_s, label),)


def mark(source: Source, chain: SignalChain, markers: Iterable[Marker]) -> None:
    """Hand stimuli to the chain that listens to `source`, and to what writes its EEG down, in its sample time."""
    found = tuple(markers)
    chain.mark(found)
    if isinstance(source, Recorded):
        source.mark(found)

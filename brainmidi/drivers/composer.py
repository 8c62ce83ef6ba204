"""Which bar is composed from which controls: the part of a take that offline and live have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from brainmidi.drivers.chain import ControlLog
from brainmidi.midi.tempo import TEMPO_RANGE_BPM, TempoMap
from brainmidi.session import Session
from brainmidi.types import Bar, Deadline


class Composer:
    """Composes bar after bar, each from the newest controls at the onset of the bar before it.

    Parameters
    ----------
    session : Session
        The pure core.
    log : ControlLog
        Where the pump leaves control frames.
    start_s : float
        Sample time of the first beat; bars 0 and 1 are both composed from the newest frame at this time.
    duration_s : float or None
        Length of a recording in seconds: the last bar is the last that has room. None where no end is known.
    latency_s : float
        How late a control frame may come; so much older ones are composed from, which are there in any case.
    """

    def __init__(
        self,
        session: Session,
        log: ControlLog,
        *,
        start_s: float,
        duration_s: float | None = None,
        latency_s: float = 0.0,
    ) -> None:
        self._session = session
        self._log = log
        self._duration_s = duration_s
        self._latency_s = latency_s
        self._state = session.initial()
        self._tempo = TempoMap.steady(session.setup.tempo_bpm)
        self._followed_bpm: float | None = None
        self.start_s = start_s
        self.finished = False

    @property
    def index(self) -> int:
        """Index of the bar that comes next."""
        return self._state.index

    @property
    def due_s(self) -> float:
        """Sample time at which the next bar's controls are chosen: the onset of the bar before."""
        last = self._state.last
        return self.start_s if last is None else self.time_s(last.start)

    def time_s(self, beat: Fraction) -> float:
        """Return the sample time on which `beat` falls, as far as the tempo is known."""
        return self.start_s + self._tempo.seconds(beat)

    def follow(self, beat: Fraction, time_s: float, bpm: float) -> None:
        """Go by a master's time from here on, whatever the tempo knob says.

        Parameters
        ----------
        beat : Fraction
            Where the bar began that sounds now.
        time_s : float
            The sample time of that.
        bpm : float
            The master's tempo, in quarter notes a minute.
        """
        low, high = TEMPO_RANGE_BPM
        self._followed_bpm = min(high, max(low, bpm))
        self._tempo = TempoMap.steady(self._followed_bpm)
        self.start_s = time_s - self._tempo.seconds(beat)

    def compose(
        self, *, ended: bool = False, heard: Bar | None = None, due: Callable[[float], Deadline] | None = None
    ) -> Bar:
        """Compose the next bar.

        Parameters
        ----------
        ended : bool
            Whether no sample will follow; this bar is then the last.
        heard : Bar or None
            The bar before, where something else was played in its place.
        due : callable or None
            From the sample time of the bar's first beat to when it has to be there; None where nobody waits for it.
        """
        if heard is not None and self._followed_bpm is None:
            self._tempo = self._tempo.with_tempo(heard.start, heard.tempo_bpm)
        last = ended or self._session.is_last(self._state.index) or not self._room_for_two()
        controls = self._log.newest(self.due_s - self._latency_s)
        deadline = None if due is None else due(self.time_s(self._state.start))
        self._state, bar = self._session.step(self._state, controls, heard, last=last, deadline=deadline)
        self.finished = last
        if self._followed_bpm is not None:
            return replace(bar, tempo_bpm=self._followed_bpm)
        self._tempo = self._tempo.with_tempo(bar.start, bar.tempo_bpm)
        return bar

    def adopt(self, bar: Bar) -> None:
        """Take `bar`, which the player has begun instead of the one that comes next, as that one."""
        self._state = self._session.adopt(self._state, bar)
        if self._followed_bpm is None:
            self._tempo = self._tempo.with_tempo(bar.start, bar.tempo_bpm)
        self.finished = self._session.is_last(bar.index)

    def fallback(self) -> Bar | None:
        """Return what may be played should the next bar be late; None after the last."""
        return None if self.finished else self._session.fallback(self._state)

    def _room_for_two(self) -> bool:
        """Return whether the recording lasts for the next bar and, at the tempo so far, one more."""
        if self._duration_s is None:
            return True
        beats = 2 * self._session.setup.metre.length
        return self.time_s(self._state.start + beats) <= self._duration_s

"""Ableton Link: the beat that all programs of a network share, as another master that a take may follow.

An extra (``pip install 'brainmidi[link]'``): the package aalink, which like Link itself is under the GNU General Public
License, version 3 or later. It is imported here alone, and only where Link is asked for.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, Any

from brainmidi.errors import MidiError

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.types import Clock

#: How often the shared beat is read, in seconds; between two readings it is a straight line.
_LOOK_S = 0.02

#: A beat that lies this far from the line has jumped, as when our session joins another; in beats.
_JUMP = 0.05

_START_TIMEOUT_S = 5.0


class LinkMaster:
    """The shared beat as a line through what was read last; see :class:`~brainmidi.midi.followed.Master`.

    Link knows start and stop, but most of its programs leave them alone. Until a peer has been seen to use them the
    session plays for us, and bars begin on its next bar line; from then on its transport starts and stops the take.

    Parameters
    ----------
    bpm : float
        The tempo until there is a reading.
    """

    def __init__(self, bpm: float = 120.0) -> None:
        self._line = (0.0, 0.0, bpm)  # clock time, beat, quarter notes a minute: replaced as one
        self._played: bool | None = None  # what the transport was at the last reading
        self._obeys = False
        self.running = False
        self.placements = 0

    @property
    def tempo_bpm(self) -> float:
        """Quarter notes a minute."""
        return self._line[2]

    @property
    def patient_until_s(self) -> float | None:
        """None: a session without peers goes on."""
        return None

    def beat(self, time_s: float) -> float:
        """Return the shared beat at clock time `time_s`."""
        at_s, beat, bpm = self._line
        return beat + (time_s - at_s) * bpm / 60.0

    def time_s(self, beat: float | Fraction) -> float | None:
        """Return the clock time of a shared beat; None while the session stands."""
        at_s, at_beat, bpm = self._line
        return at_s + (float(beat) - at_beat) * 60.0 / bpm if self.running else None

    def take(self, time_s: float, data: Sequence[int]) -> None:
        """Pass over MIDI clock: the session keeps the time."""

    def give_up(self, time_s: float) -> bool:
        """Return False: a session without peers goes on."""
        return False

    def read(self, time_s: float, beat: float, bpm: float, plays: bool) -> bool:
        """Take a reading of the session; return whether the player has to look at its deadlines again.

        Parameters
        ----------
        time_s : float
            Clock time.
        beat, bpm : float
            The shared beat then, and the tempo.
        plays : bool
            Whether the session's transport is said to play.
        """
        jumped = self.running and abs(beat - self.beat(time_s)) > _JUMP
        changed = jumped or bpm != self._line[2]
        self._line = (time_s, beat, bpm)
        self._obeys = self._obeys or plays or (self._played is not None and plays != self._played)
        self._played = plays
        running = plays or not self._obeys
        if running and (jumped or not self.running):
            self.placements += 1
        changed = changed or running != self.running
        self.running = running
        return changed


class LinkClock:
    """Our seat in the Link session of the network, kept by a thread of its own. Make one with :func:`open_link`.

    Attributes
    ----------
    master : LinkMaster
        What the timeline follows.
    """

    def __init__(self, aalink: ModuleType, clock: Clock, bpm: float, bar_beats: float, on_change: Callable[[], None]):
        self._aalink = aalink
        self._clock = clock
        self._bpm = bpm
        self._bar_beats = bar_beats
        self._on_change = on_change
        self._closing = threading.Event()
        self._up = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="link", daemon=True)
        self.master = LinkMaster(bpm)
        self.n_peers = 0

    def start(self) -> None:
        """Join the session.

        Raises
        ------
        MidiError
            If there is no network to join it on.
        """
        self._thread.start()
        if not self._up.wait(_START_TIMEOUT_S) or self._error is not None:
            raise MidiError(f"Ableton Link does not start ({self._error or 'no answer'}); check the network, run again")

    def close(self) -> None:
        """Leave the session; may be called twice."""
        self._closing.set()
        if self._thread.is_alive():
            self._thread.join(_START_TIMEOUT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._follow())  # the package asks for a running loop when a session is joined
        except Exception as error:  # told to whoever waits in start; later nobody can be, and the line goes on
            self._error = error
            self._up.set()

    async def _follow(self) -> None:
        link: Any = self._aalink.Link(self._bpm)
        link.quantum = self._bar_beats
        link.start_stop_sync_enabled = True
        link.enabled = True
        try:
            while not self._closing.is_set():
                now_s = self._clock.now_s()
                changed = self.master.read(now_s, float(link.beat), float(link.tempo), bool(link.playing))
                self.n_peers = int(link.num_peers)
                self._up.set()
                if changed:
                    self._on_change()
                await asyncio.sleep(_LOOK_S)
        finally:
            link.enabled = False


def open_link(clock: Clock, *, bpm: float, bar_beats: float, on_change: Callable[[], None]) -> LinkClock:
    """Join the Link session of this network.

    Parameters
    ----------
    clock : Clock
        The player's.
    bpm : float
        The tempo of a session that begins with us.
    bar_beats : float
        Beats in a bar: peers agree on where bars of this length begin.
    on_change : callable
        Told, in a thread of Link's, when tempo or transport have changed.

    Raises
    ------
    MidiError
        If the package is not installed, or there is no network.
    """
    try:
        import aalink  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError as error:
        raise MidiError(
            f"Ableton Link needs the package aalink, which is under the GPL, version 3 or later ({error}): "
            "pip install 'brainmidi[link]'"
        ) from error
    link = LinkClock(aalink, clock, bpm, bar_beats, on_change)
    link.start()
    return link

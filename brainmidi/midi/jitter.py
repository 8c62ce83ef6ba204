"""A dense stream of notes, by which the player's lateness is measured: 24 a quarter note, as a clock would tick."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction

from brainmidi.midi.handover import PlayReport
from brainmidi.midi.link import PlayerProcess
from brainmidi.types import Bar, ControlFrame, Note, Phrase

BPM, PER_BEAT, BEATS = 120.0, 24, 4
BAR_S = BEATS * 60.0 / BPM

#: As soft as MIDI has it: who listens at the port while it is measured hardly hears it.
_VELOCITY = 1

_LEAD_S, _PATIENCE_S = 0.3, 10.0


def dense_bar(index: int) -> Bar:
    """Return a bar at 120 bpm with a short note on each of the 24 parts of each beat: 192 messages in two seconds."""
    notes = tuple(
        Note(Fraction(place, PER_BEAT), Fraction(1, 2 * PER_BEAT), 36 + place % 48, _VELOCITY)
        for place in range(PER_BEAT * BEATS)
    )
    phrase, controls = Phrase(notes, Fraction(BEATS)), ControlFrame.neutral(0.0)
    return Bar(index, Fraction(index * BEATS), phrase, BPM, ((Fraction(0), "C"),), "jitter", 0.5, 1.0, controls)


def play_dense(player: PlayerProcess, seconds: float, tell: Callable[[float], None] | None = None) -> PlayReport:
    """Play dense bars one bar ahead, for so many seconds, rounded up to whole bars.

    Parameters
    ----------
    player : PlayerProcess
        Open, and not yet begun.
    seconds : float
        At least one bar of two seconds is played.
    tell : callable, optional
        Told after each bar how many seconds have sounded.

    Returns
    -------
    PlayReport
        With the lateness of every message at the sender's system call.
    """
    n_bars = max(1, math.ceil(seconds / BAR_S))
    started = -1
    for index in range(n_bars):
        player.send(dense_bar(index), None)
        if index == 0:
            player.begin(_LEAD_S)
        while started < index - 1:
            notices = player.poll(_PATIENCE_S)
            started = max([started, *(notice.index for notice in notices if notice.kind == "started")])
            if tell is not None:
                tell(BAR_S * max(0, started))
    return player.finish()

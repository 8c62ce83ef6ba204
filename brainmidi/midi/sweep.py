"""Moves one control up and down, so that a DAW's "MIDI learn" hears it and nothing else."""

from __future__ import annotations

from itertools import count as steps
from itertools import takewhile

from brainmidi.midi.controls_out import MOST_CONTROLS, ControlRule
from brainmidi.midi.ports import Output
from brainmidi.types import Clock


def sweep(rule: ControlRule, seconds: float, output: Output, clock: Clock, *, period_s: float = 2.0) -> int:
    """Send `rule`'s control from its least to its greatest and back, again and again; leave it where it rests.

    Parameters
    ----------
    rule : ControlRule
        The control; what its source is does not matter.
    seconds : float
        For how long; may be infinite.
    output : Output
        Where to.
    clock : Clock
        Slept on.
    period_s : float
        Time up and down.

    Returns
    -------
    int
        Messages sent.
    """
    begun_s, count = clock.now_s(), 0
    step_s = len(rule.messages(0)) / MOST_CONTROLS
    rest = (rule.top + 1) // 2 if rule.kind == "bend" else 0
    try:
        for step in takewhile(lambda step: step * step_s <= seconds, steps()):
            clock.sleep_until(begun_s + step * step_s)
            phase = step * step_s / period_s % 1.0
            for data in rule.messages(round((1.0 - abs(1.0 - 2.0 * phase)) * rule.top)):
                output.send(data)
                count += 1
    finally:  # Ctrl-C too: a bend that stays bent is out of tune
        for data in rule.messages(rest):
            output.send(data)
    return count

"""A device that fails: a recording that plays for ever, stops, sends nothing usable, counts anew, changes its rate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from brainmidi.midi.clock import VirtualClock
from brainmidi.types import Chunk, FloatArray, Montage

KINDS = ("stops", "sends NaN", "begins its counter again", "changes its rate")

_FIRST_S, _PAUSE_S, _LONGEST_S = 10.0, 5.5, 3.5


@dataclass(frozen=True, slots=True)
class Fault:
    """What a device does, from when to when, in seconds of the clock."""

    kind: str
    at_s: float
    until_s: float


class FailingDevice:
    """A recording that plays for ever at the clock's pace, on a time of its own, and fails when its faults say so.

    Parameters
    ----------
    clock : VirtualClock
    recording : Chunk
        What it sends; at half its rate after every other change.
    faults : sequence of Fault
        In order of time.
    """

    name = "a recording that fails"
    simulated = False

    def __init__(self, clock: VirtualClock, recording: Chunk, faults: Sequence[Fault]) -> None:
        self._clock, self._faults = clock, list(faults)
        n = len(recording) // 2 * 2
        samples, montage = recording.samples_uv[:n], recording.montage
        # Means of two samples are a plain low-pass, and enough for a device that is only to come back.
        halved = samples.reshape(n // 2, 2, -1).mean(axis=1)
        self._sends = [(samples, montage), (halved, Montage(montage.names, montage.rate_hz / 2))]
        self.montage = montage
        self._from_s, self._own_s = 0.0, 0.0
        self._starts = 0

    def start(self) -> None:
        """Connect; OSError while the device is away."""
        if self._kind() in ("stops", "changes its rate"):
            raise OSError("no such device")
        self._from_s, self._own_s = (self._clock.now_s() if self._starts else 0.0), 0.0
        self._starts += 1

    def read(self, until_s: float) -> Chunk:
        """Return what has come since the last call, with its faults; `until_s` means nothing to a device."""
        kind, now_s = self._kind(), self._clock.now_s()
        samples, montage = self._sends[0]
        count = int((now_s - self._from_s) * montage.rate_hz + 1e-6)
        if kind in ("stops", "changes its rate"):
            self._from_s, count = now_s, 0
        rows = (int(self._from_s * montage.rate_hz) + np.arange(count)) % len(samples)
        sent: FloatArray = samples[rows] if kind != "sends NaN" else np.full((count, samples.shape[1]), np.nan)
        times_s = self._own_s + np.arange(count) / montage.rate_hz
        self._from_s += count / montage.rate_hz
        self._own_s += count / montage.rate_hz
        return Chunk(sent, times_s, montage)

    def stop(self) -> None:
        """Do nothing: what is away is away."""

    def _kind(self) -> str:
        """Return what is wrong now, once what begins or ends by now has done so."""
        now_s = self._clock.now_s()
        while self._faults and now_s >= self._faults[0].until_s:
            ended = self._faults.pop(0)
            if ended.kind == "changes its rate":
                self._sends.reverse()
                self.montage = self._sends[0][1]
            if ended.kind in ("changes its rate", "begins its counter again"):
                self._own_s = 0.0
        return self._faults[0].kind if self._faults and now_s >= self._faults[0].at_s else ""


def plan(moments: int, seed: int = 1) -> tuple[Fault, ...]:
    """Return faults of 0.2 to 3.5 s at random moments, at least 5.5 s apart; each kind as often as any other."""
    rng, at_s, faults = np.random.default_rng(seed), _FIRST_S, []
    for number in range(moments):
        at_s += float(rng.uniform(0.0, 2.0))
        kind = KINDS[number % len(KINDS)]
        length_s = 0.0 if kind == "begins its counter again" else float(rng.uniform(0.2, _LONGEST_S))
        faults.append(Fault(kind, at_s, at_s + length_s))
        at_s += length_s + _PAUSE_S
    return tuple(faults)

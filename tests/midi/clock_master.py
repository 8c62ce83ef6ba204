"""A simulated master of MIDI clock: what it sends, when it should have, and when that arrives."""

from __future__ import annotations

import random
from bisect import bisect_right

CLOCK, START, CONTINUE, STOP = (0xF8,), (0xFA,), (0xFB,), (0xFC,)


def song_position(sixteenths: int) -> tuple[int, int, int]:
    return (0xF2, sixteenths & 127, sixteenths >> 7)


def tick_times(n_ticks: int, tempi: tuple[tuple[int, float], ...], start_s: float = 1.0) -> list[float]:
    """Return when each tick falls; `tempi` are (tick from which, quarter notes a minute)."""
    times, time_s = [], start_s
    for tick in range(n_ticks):
        times.append(time_s)
        bpm = tempi[bisect_right(tempi, tick, key=lambda change: change[0]) - 1][1]
        time_s += 60.0 / bpm / 24
    return times


def arrivals(
    times: list[float],
    *,
    seed: int = 0,
    jitter_s: float = 3e-3,
    lost: frozenset[int] = frozenset(),
    doubled: frozenset[int] = frozenset(),
    held: tuple[int, int] = (0, 0),
) -> list[tuple[float, int]]:
    """Return (arrival, tick) in order: uniform jitter, ticks lost or doubled, ticks of a range `held` until its end."""
    rng = random.Random(seed)
    came: list[tuple[float, int]] = []
    for tick, time_s in enumerate(times):
        arrival_s = time_s + rng.uniform(-jitter_s, jitter_s)
        if held[0] <= tick < held[1]:
            arrival_s = times[held[1]]
        if tick not in lost:
            came += [(arrival_s, tick)] * (2 if tick in doubled else 1)
    return sorted(came)


def played_from_standing(
    phase: float, n_ticks: int, *, seed: int = 0, jitter_s: float = 3e-3, bpm: float = 120.0
) -> tuple[list[float], list[tuple[float, tuple[int, ...]]]]:
    """Return when the ticks of a song fall, and (arrival, message) of a master whose clock runs while it stands.

    It begins its clock anew with Start: the first of the song comes `phase` ticks after the last before it.
    """
    tick_s = 60.0 / bpm / 24
    idle = [1.0 + tick * tick_s for tick in range(2 * 24)]
    song = tick_times(n_ticks, ((0, bpm),), start_s=idle[-1] + phase * tick_s)
    before = [(arrival_s, CLOCK) for arrival_s, _ in arrivals(idle, seed=seed, jitter_s=jitter_s)]
    after = [(arrival_s, CLOCK) for arrival_s, _ in arrivals(song, seed=seed + 1, jitter_s=jitter_s)]
    start_s = max(before[-1][0], song[0] - 4e-3)
    return song, [*before, (start_s, START), *((max(start_s, arrival_s), data) for arrival_s, data in after)]


def quantile(values: list[float], share: float) -> float:
    ordered = sorted(abs(value) for value in values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]

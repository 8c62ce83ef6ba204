"""Beats and bar lines of a MIDI file, from its time signatures or from an annotation that lies beside it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ConfigError

#: Bar lines of a stretch of whole bars, its end among them, in beats of the file.
Lines = tuple[float, ...]

#: POP909's annotation (Wang et al. 2020, "POP909: A Pop-song Dataset for Music Arrangement Generation"): time in
#: seconds, then two kinds of downbeat, of which the second counts bars of four. What its files say of metre is not so.
ANNOTATION = "beat_midi.txt"
BAR_BEATS = 4
MIN_BARS = 2


@dataclass(frozen=True, slots=True)
class Grid:
    """Where the bars of four quarters lie in a file.

    Parameters
    ----------
    stretches : tuple of tuple of float
        Bar lines of each run of two or more such bars, in beats.
    beat_s : ndarray of float64, shape (n_beats,), or None
        Time of each annotated beat in seconds; None where the file's own ticks count the beats.
    """

    stretches: tuple[Lines, ...]
    beat_s: NDArray[np.float64] | None = None


def read_grid(path: Path, midi: Any) -> Grid:
    """Return the bars of four quarters of the file at `path`, which pretty_midi has read as `midi`.

    Raises
    ------
    ConfigError
        If there are no two such bars in a row; it names the metres that there are.
    """
    annotation = path.with_name(ANNOTATION)
    grid = _annotated(annotation) if annotation.is_file() else Grid(tuple(_by_signature(midi)))
    if not grid.stretches:
        metres = dict.fromkeys(f"{c.numerator}/{c.denominator}" for c in _signatures(midi))
        raise ConfigError(f"no {MIN_BARS} bars of 4/4 in a row (time signatures: {', '.join(metres) or 'none'})")
    return grid


def beats_of(times_s: NDArray[np.float64], midi: Any, grid: Grid) -> NDArray[np.float64]:
    """Return the beats at which times in seconds lie; infinite before the first annotated beat and after the last."""
    if grid.beat_s is not None:
        beats = np.interp(times_s, grid.beat_s, np.arange(len(grid.beat_s)), left=-np.inf, right=np.inf)
        return np.asarray(beats, dtype=np.float64)
    ticks = np.array([midi.time_to_tick(time) for time in times_s.flat], dtype=np.float64)
    return np.asarray(ticks.reshape(times_s.shape) / midi.resolution)


def _annotated(path: Path) -> Grid:
    rows = np.loadtxt(path, ndmin=2)
    if rows.shape[1] < 3:
        raise ConfigError(f"{path.name} beside it has {rows.shape[1]} columns, 3 are needed (POP909's)")
    runs: list[list[float]] = [[]]
    for line in np.flatnonzero(rows[:, 2] > 0):
        if runs[-1] and line - runs[-1][-1] != BAR_BEATS:
            runs.append([])
        runs[-1].append(float(line))
    return Grid(tuple(tuple(run) for run in runs if len(run) > MIN_BARS), rows[:, 0])


def _by_signature(midi: Any) -> list[Lines]:
    changes = [(midi.time_to_tick(c.time) / midi.resolution, c.numerator, c.denominator) for c in _signatures(midi)]
    # By the standard a file is in 4/4 until it says otherwise.
    if not changes or changes[0][0] > 0:
        changes.insert(0, (0.0, 4, 4))
    end = midi.time_to_tick(midi.get_end_time()) / midi.resolution
    changes.append((end, 0, 0))
    stretches: list[Lines] = []
    for (start, numerator, denominator), (until, following, _) in pairwise(changes):
        if 4 * numerator != BAR_BEATS * denominator:
            continue
        # The file's last bar counts although its last note may end before the bar does.
        bars = (until - start) / BAR_BEATS
        n_bars = int(np.floor(bars) if following else np.ceil(bars))
        if n_bars >= MIN_BARS:
            stretches.append(tuple(start + BAR_BEATS * n for n in range(n_bars + 1)))
    return stretches


def _signatures(midi: Any) -> list[Any]:
    """Return the time signatures in order; of several at one time the last, and none that changes nothing."""
    kept: list[Any] = []
    for change in sorted(midi.time_signature_changes, key=lambda c: c.time):
        if kept and change.time == kept[-1].time:
            kept.pop()
        if not kept or (change.numerator, change.denominator) != (kept[-1].numerator, kept[-1].denominator):
            kept.append(change)
    return kept

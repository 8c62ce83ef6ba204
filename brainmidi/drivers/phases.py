"""What a person does when: the guided calibration's steps, and ``--events``, which says so of a recording."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from brainmidi.controls.labelled import PLACES
from brainmidi.errors import ConfigError
from brainmidi.types import Chunk, Marker

#: Marks off what belongs to no phase: ``--events "focus=T1,none=T2"``.
NONE = "none"
END = "end"

_TIMES = re.compile(r"(\d+(?:\.\d+)?)\s*-\s*(\d+(?:\.\d+)?)")
_SYNTAX = (
    'give a phase for the whole file ("closed"), seconds ("open=0-60,closed=60-120"), the file\'s own marker labels '
    '("rest=T0,focus=T1,none=T2"), or "markers" where those are the phases\' names'
)


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of one phase, in seconds of sample time."""

    phase: str
    start_s: float
    stop_s: float


@dataclass(frozen=True, slots=True)
class Recording:
    """Raw samples and what the person did when.

    Parameters
    ----------
    name : str
    simulated : bool
        True where no brain was involved.
    chunk : Chunk
        Everything, as it came.
    spans : tuple of Span
    """

    name: str
    simulated: bool
    chunk: Chunk
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the guided calibration: what to do, and for how long it is recorded after a moment to change over."""

    phase: str
    prompt: str
    seconds: float
    change_s: float = 2.5


_OPEN = "Eyes open: look at one point, sit still, blink as usual."
_CLOSED = "Close your eyes and relax. A bell tells you when to open them."
_FOCUS = "Eyes open: count backwards from {start} by sevens, silently and as fast as you can."
_REST = "Eyes open: let your thoughts go where they like, sit still."


#: Every phase comes five times, in three minutes: whatever drifts slowly (a drying electrode, sleepiness) then does not
#: tell phases apart, and whole turns can be drawn by lot (`controls.separation.chance`).
STEPS: tuple[Step, ...] = tuple(
    Step(phase, prompt.format(start=start), 6.2)
    for start in (900, 800, 700, 600, 500)
    for phase, prompt in (("open", _OPEN), ("closed", _CLOSED), ("focus", _FOCUS), ("rest", _REST))
)


def plan_of(steps: Sequence[Step], begin_s: float) -> tuple[tuple[float, float], ...]:
    """Return what a simulated person does who is guided through `steps` from `begin_s` on: (second, how calm)."""
    plan, at_s = [(0.0, 0.5)], begin_s
    for step in steps:
        plan.append((at_s + step.change_s / 2, 1.0 - PLACES[step.phase]))
        at_s += step.change_s + step.seconds
    return tuple(plan)


def parse_events(text: str, name: str, markers: Sequence[Marker], duration_s: float) -> tuple[Span, ...]:
    """Return the spans that ``--events`` names.

    Parameters
    ----------
    text : str
        ``"closed"`` (the whole file), ``"open=0-60,closed=60-120"`` (seconds), ``"rest=T0,focus=T1"`` (marker labels;
        such a phase lasts to the next marker that `text` names, one called "end", or the file's end), or ``"markers"``
        (labels that are the phases' own names).
    name : str
        The recording's, for messages.
    markers : sequence of Marker
        Of the recording.
    duration_s : float
        Of the recording.

    Returns
    -------
    tuple of Span
        In order of time.

    Raises
    ------
    ConfigError
        The text is not of that form, a phase is unknown, or a span or label is not in the recording.
    """
    text = text.strip()
    if text in PLACES:
        return (Span(text, 0.0, duration_s),)
    if text == "markers":
        labels = {phase: phase for phase in (*PLACES, NONE) if any(marker.label == phase for marker in markers)}
        if not set(labels.values()) - {NONE}:
            raise ConfigError(f"--events markers: {name} has no marker called {', '.join(PLACES)}; {_SYNTAX}")
        return _between_markers(labels, markers, duration_s)
    spans: list[Span] = []
    labels = {}
    for part in text.split(","):
        phase, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not value:
            raise ConfigError(f"--events {text!r}: {part.strip()!r} is no phase=seconds or phase=label; {_SYNTAX}")
        if phase not in PLACES and phase != NONE:
            raise ConfigError(
                f"--events {text!r}: phase {phase!r} is unknown, known are {', '.join(PLACES)}; {_SYNTAX}"
            )
        times = _TIMES.fullmatch(value)
        if times is None:
            if not any(marker.label == value for marker in markers):
                known = ", ".join(sorted({marker.label for marker in markers})[:8]) or "none"
                raise ConfigError(f"--events {text!r}: {name} has no marker {value!r}, it has {known}; {_SYNTAX}")
            labels[value] = phase
            continue
        start_s, stop_s = float(times[1]), min(float(times[2]), duration_s)
        if not start_s < stop_s:
            raise ConfigError(f"--events {text!r}: {value} is not within the {duration_s:.1f} s of {name}; correct it")
        spans.append(Span(phase, start_s, stop_s))
    spans += _between_markers(labels, markers, duration_s)
    ordered = sorted((span for span in spans if span.phase != NONE), key=lambda span: span.start_s)
    for before, after in pairwise(ordered):
        if after.start_s < before.stop_s:
            raise ConfigError(
                f"--events {text!r}: {before.phase} to {before.stop_s:g} s and {after.phase} from {after.start_s:g} s "
                "overlap; correct it"
            )
    if not ordered:
        raise ConfigError(f"--events {text!r} names no phase; {_SYNTAX}")
    return tuple(ordered)


def events_of(text: str | None, name: str, markers: Sequence[Marker], duration_s: float) -> tuple[Span, ...]:
    """Return the spans of a recording; without ``--events`` those that markers with the phases' names tell."""
    if text is not None:
        return parse_events(text, name, markers, duration_s)
    if any(marker.label in PLACES for marker in markers):
        return parse_events("markers", name, markers, duration_s)
    raise ConfigError(f"{name} does not say what was done when; name it with --events: {_SYNTAX}")


def marked(recording: Recording) -> Chunk:
    """Return the samples of `recording` with its spans as markers, by which ``--events markers`` finds them again."""
    chunk = recording.chunk
    ends = [(Marker(span.start_s, span.phase), Marker(span.stop_s, END)) for span in recording.spans]
    markers = (*chunk.markers, *(marker for pair in ends for marker in pair))
    ordered = tuple(sorted(markers, key=lambda marker: marker.time_s))
    return Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, ordered)


def _between_markers(labels: dict[str, str], markers: Sequence[Marker], duration_s: float) -> tuple[Span, ...]:
    """Return a span from each marker in `labels` (label to phase) to the next that is named there, or to the end."""
    named = sorted((m for m in markers if m.label in labels or m.label == END), key=lambda marker: marker.time_s)
    stops = [*(marker.time_s for marker in named[1:]), duration_s]
    found = [
        Span(labels[marker.label], marker.time_s, stop_s)
        for marker, stop_s in zip(named, stops, strict=False)
        if marker.label in labels and stop_s > marker.time_s
    ]
    return tuple(span for span in found if span.phase != NONE)

"""Every value that crosses a border between rooms: frozen, slotted, checked once at birth.

Arrays are ordered ``(n_samples, n_channels)`` everywhere and are made read-only; names carry unit and axis. A *beat* is
a quarter note and is exact (:class:`fractions.Fraction`); a *second* is a float; only the tempo map converts.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ControlError, MusicError, SignalError

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

#: The knobs a map may drive; each is 0..1 in a :class:`ControlFrame`, 0.5 being neutral.
KNOBS: tuple[str, ...] = ("latent_mix", "temperature", "density", "velocity", "tempo", "register")

#: The parts that a session may play, in score order, and those that always play.
PARTS: tuple[str, ...] = ("melody", "accompaniment", "bass", "drums")
DUO: tuple[str, ...] = PARTS[:2]


def _frozen(array: NDArray[Any], dtype: type) -> NDArray[Any]:
    """Return a read-only copy-free view of `array` as `dtype`."""
    view: NDArray[Any] = np.ascontiguousarray(array, dtype=dtype).view()
    view.flags.writeable = False
    return view


def _finite_mapping(values: Mapping[str, float]) -> Mapping[str, float]:
    """Return a read-only copy of `values`; SignalError where one is no number (JSON has no word for it either)."""
    # Frames come 20 times a second with hundreds of values: the loop is left to the interpreter.
    if not all(map(math.isfinite, values.values())):
        name, value = next(item for item in values.items() if not math.isfinite(item[1]))
        raise SignalError(f"{name} is {value}, a finite number is needed; leave out what cannot be computed")
    return MappingProxyType(dict(zip(values, map(float, values.values()), strict=True)))


# ---------------------------------------------------------------------------------------------------- samples


@dataclass(frozen=True, slots=True)
class Montage:
    """Names and rate of a set of EEG channels.

    Parameters
    ----------
    names : tuple of str
        Channel names in 10-05 spelling where known (``"Oz"``, ``"TP9"``), one per column of the samples.
    rate_hz : float
        Sampling rate in Hz.
    """

    names: tuple[str, ...]
    rate_hz: float

    def __post_init__(self) -> None:
        if not self.names:
            raise SignalError("0 EEG channels found, at least 1 is needed; choose a recording or board with EEG")
        if len(set(self.names)) != len(self.names):
            raise SignalError(f"channel names {self.names} repeat; give every channel its own name")
        if not self.rate_hz > 0:
            raise SignalError(f"sampling rate {self.rate_hz} Hz is not above 0; check the recording's header")


@dataclass(frozen=True, slots=True)
class Marker:
    """An event in the stream, such as a stimulus: `label` at `time_s` seconds of sample time."""

    time_s: float
    label: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """A run of samples as it came from a source, or as it left conditioning.

    Parameters
    ----------
    samples_uv : ndarray, shape (n_samples, n_channels)
        Potentials in microvolts.
    time_s : ndarray, shape (n_samples,)
        Sample times in seconds since the stream's first sample, strictly increasing.
    montage : Montage
        Names and rate of the columns.
    markers : tuple of Marker
        Events whose time lies in this run.
    good : ndarray of bool, shape (n_samples, n_channels), optional
        False where a quality check condemned a sample of a channel (flat, rail, artifact, gap). All true by default.
    """

    samples_uv: FloatArray
    time_s: FloatArray
    montage: Montage
    markers: tuple[Marker, ...] = ()
    good: BoolArray | None = None

    def __post_init__(self) -> None:
        samples = _frozen(self.samples_uv, np.float64)
        times = _frozen(self.time_s, np.float64)
        if samples.ndim != 2 or samples.shape[1] != len(self.montage.names):
            raise SignalError(
                f"samples have shape {samples.shape}, (n_samples, {len(self.montage.names)}) is needed; "
                "put channels in columns"
            )
        if times.shape != (samples.shape[0],):
            raise SignalError(f"{times.shape} sample times for {samples.shape[0]} samples; give one time per sample")
        good = np.ones(samples.shape, dtype=bool) if self.good is None else self.good
        if good.shape != samples.shape:
            raise SignalError(f"quality mask has shape {good.shape}, {samples.shape} is needed; give one per sample")
        object.__setattr__(self, "samples_uv", samples)
        object.__setattr__(self, "time_s", times)
        object.__setattr__(self, "good", _frozen(good, np.bool_))

    def __len__(self) -> int:
        return int(self.samples_uv.shape[0])


class Clock(Protocol):
    """Something that tells the time and waits; ``midi/clock.py`` has the monotonic and the virtual one."""

    def now_s(self) -> float:
        """Return seconds since an arbitrary origin; never goes back."""
        ...

    def sleep_until(self, deadline_s: float) -> None:
        """Return once `now_s` has reached `deadline_s` (absolute, so lateness never accumulates)."""
        ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """When an answer is due: second `at_s` of `clock`."""

    clock: Clock
    at_s: float


class Source(Protocol):
    """Where EEG comes from. Sources are pulled; the pace is the caller's.

    ``read(until_s)`` returns the samples with ``time_s < until_s`` not returned before: a recording or a simulated
    brain gives exactly those, a board gives what has arrived (whatever `until_s` says). An empty chunk means "nothing
    new"; ``None`` means that the stream has ended for good.
    """

    name: str
    simulated: bool
    montage: Montage

    def start(self) -> None:
        """Connect; sample time begins."""
        ...

    def read(self, until_s: float) -> Chunk | None:
        """Return what came before `until_s` seconds of sample time and was not returned yet; None at the end."""
        ...

    def stop(self) -> None:
        """Let the device or file go; a second call does nothing."""
        ...


# --------------------------------------------------------------------------------------------------- features


@dataclass(frozen=True, slots=True)
class ErpEstimate:
    """The event-related potential so far: average of the last N target epochs minus that of the non-targets.

    Parameters
    ----------
    amplitude_uv : float
        Target-minus-non-target mean amplitude in the clearest slice of the response window at `channel`, in
        microvolts (signed).
    confidence : float
        0..1: one minus the p-value of this one look, corrected for the number of channels and slices looked at, but
        not for looking again after every epoch.
    channel : str
        Channel with the clearest difference.
    n_target, n_nontarget : int
        Epochs in either average.
    """

    amplitude_uv: float
    confidence: float
    channel: str
    n_target: int
    n_nontarget: int


@dataclass(frozen=True, slots=True)
class EpochScore:
    """What became of one epoch around a marker.

    Parameters
    ----------
    time_s : float
        Sample time of the stimulus.
    label : str
        The marker's.
    score : float or None
        The calibrated classifier's log odds that this was answered as a target; None where there is none, or the epoch
        was rejected.
    rejected : bool
        Whether it was left out, for a bad channel or too large a span.
    """

    time_s: float
    label: str
    score: float | None
    rejected: bool


@dataclass(frozen=True, slots=True)
class FeatureFrame:
    """Numbers taken from the signal at one sample time.

    Parameters
    ----------
    time_s : float
        Sample time of the newest sample used, in seconds.
    bands : tuple of str
        Names of the rows of `band_power_db`.
    band_power_db : ndarray, shape (n_bands, n_channels)
        Absolute band power in dB re 1 uV^2.
    channel_quality : ndarray, shape (n_channels,)
        Share of good samples in the window, 0..1.
    values : mapping of str to float
        Scalar features by the name used in ``session.toml``: ``"alpha"`` (mean over good channels),
        ``"alpha.occipital"``, ``"erp.target"`` (0..1), ``"erp.amplitude"`` (uV), ``"erp.confidence"`` (0..1). A
        feature that cannot be computed now is absent.
    quality : float
        Share of channels that pass the gate, 0..1.
    erp : ErpEstimate or None
        The newest ERP estimate, if enough epochs have been seen.
    """

    time_s: float
    bands: tuple[str, ...]
    band_power_db: FloatArray
    channel_quality: FloatArray
    values: Mapping[str, float]
    quality: float
    erp: ErpEstimate | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "band_power_db", _frozen(self.band_power_db, np.float64))
        object.__setattr__(self, "channel_quality", _frozen(self.channel_quality, np.float64))
        object.__setattr__(self, "values", _finite_mapping(self.values))


@dataclass(frozen=True, slots=True)
class ControlFrame:
    """Knob positions at one sample time.

    Parameters
    ----------
    time_s : float
        Sample time, in seconds.
    knobs : mapping of str to float
        Position 0..1 of every name in :data:`KNOBS`.
    confidence : float
        0..1; how far the signal behind the knobs can be trusted.
    anchor_steps : int
        How often an event has moved the music to the next anchor since the stream began (only ever grows).
    features : mapping of str to float
        The features that the knobs were made from, for the trace.
    """

    time_s: float
    knobs: Mapping[str, float]
    confidence: float = 1.0
    anchor_steps: int = 0
    features: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.knobs.items():
            if name not in KNOBS:
                raise ControlError(f"knob {name!r} is unknown, known knobs are {', '.join(KNOBS)}; correct the map")
            if not 0.0 <= value <= 1.0:
                raise ControlError(f"knob {name} at {value} is outside 0..1; squash it before it leaves controls")
        object.__setattr__(self, "knobs", _finite_mapping(self.knobs))
        object.__setattr__(self, "features", _finite_mapping(self.features))

    @classmethod
    def neutral(cls, time_s: float) -> ControlFrame:
        """Return the frame in which every knob stands at 0.5 and nothing is trusted."""
        return cls(time_s=time_s, knobs=dict.fromkeys(KNOBS, 0.5), confidence=0.0)


# ------------------------------------------------------------------------------------------------------ music


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """A note in score time; `start` and `length` are exact beats (quarter notes) from the phrase's first beat."""

    start: Fraction
    length: Fraction
    pitch: int
    velocity: int = 80
    part: str = "melody"

    def __post_init__(self) -> None:
        # The sign is the numerator's; comparing fractions would take most of a note's birth.
        if self.start.numerator < 0 or self.length.numerator <= 0:
            raise MusicError(f"note at beat {self.start} lasting {self.length} is not allowed; start >= 0, length > 0")
        if not 0 <= self.pitch <= 127:
            raise MusicError(f"pitch {self.pitch} is outside 0..127; transpose it into range")
        if not 1 <= self.velocity <= 127:
            raise MusicError(f"velocity {self.velocity} is outside 1..127; scale it into range")

    @property
    def end(self) -> Fraction:
        """Beat at which the note stops sounding."""
        return self.start + self.length


#: What notes are ordered by: as the notes themselves, and several times as fast.
_order = attrgetter("start", "length", "pitch", "velocity", "part")


@dataclass(frozen=True, slots=True)
class Phrase:
    """Notes in score time and the exact length, in beats, of the stretch that they fill."""

    notes: tuple[Note, ...]
    length: Fraction

    def __post_init__(self) -> None:
        notes = tuple(sorted(self.notes, key=_order))
        object.__setattr__(self, "notes", notes)
        # Most phrases are seen to fit without the end of every note: sums of fractions are slow, and lengths repeat.
        lengths = {id(note.length): note.length for note in notes}.values()
        roomy = not notes or notes[-1].start + max(lengths) <= self.length
        if not roomy and max(note.end for note in notes) > self.length:
            raise MusicError(f"a note ends after the phrase's length {self.length}; shorten the note or the phrase")

    def __iter__(self) -> Iterator[Note]:
        return iter(self.notes)

    def part(self, name: str) -> Phrase:
        """Return the same stretch with the notes of part `name` alone."""
        return Phrase(tuple(note for note in self.notes if note.part == name), self.length)


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar as the session decided it: what is played, and why.

    Parameters
    ----------
    index : int
        0 for the first bar of the take.
    start : Fraction
        Beat, counted from the take's first, on which the bar begins.
    phrase : Phrase
        The notes, their starts relative to the bar's first beat; `phrase.length` is the bar's length.
    tempo_bpm : float
        Quarter notes a minute, in force from the bar's first beat.
    chords : tuple of (Fraction, str)
        Chord symbols with the beat within the bar from which each holds.
    anchor : str
        Name of the anchor whose calm-active axis the latent lies on.
    latent_mix : float
        Position along that axis: 0 calm corner, 1 active corner.
    temperature : float
        Sampling temperature of the second part.
    controls : ControlFrame
        The frame that the bar was made from.
    fallback : bool
        True where this bar stands in for one that was late.
    parts : tuple of str
        The parts that play, in score order; in this bar some may rest.
    report : mapping of str to number
        What the second part's voice tells about how it made the bar; empty where it tells nothing.
    """

    index: int
    start: Fraction
    phrase: Phrase
    tempo_bpm: float
    chords: tuple[tuple[Fraction, str], ...]
    anchor: str
    latent_mix: float
    temperature: float
    controls: ControlFrame
    fallback: bool = False
    parts: tuple[str, ...] = DUO
    report: Mapping[str, float] = field(default_factory=dict)

    @property
    def end(self) -> Fraction:
        """Beat on which the next bar begins."""
        return self.start + self.phrase.length


@dataclass(frozen=True, slots=True, order=True)
class MidiEvent:
    """A MIDI message at an exact beat of the take.

    `rank` orders messages on the same beat: note-off (0) before controllers (1) before note-on (2). `data` is the
    message's bytes as sent.
    """

    beat: Fraction
    rank: int
    data: tuple[int, ...]

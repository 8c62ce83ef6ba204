"""Makes samples clean: band filter, mains notch, reference and quality gate, causal and the same for any chunking."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from brainmidi.condition.filters import apply, band_sections, initial_state, notch_sections
from brainmidi.condition.gate import NO_LIMITS, Gate, GateLimits
from brainmidi.condition.line import find_line_hz
from brainmidi.errors import SignalError
from brainmidi.types import BoolArray, Chunk, FloatArray, Montage

_FEW = 16  # an average over fewer electrodes subtracts the very response that is looked for
_LISTEN_S = 2.0  # the first usable stretch of this length says whether the mains hum
_LISTEN_ON_S = 8.0  # where it says no, each later stretch of this length is asked, a surer one
_HEARABLE = 0.9  # share of good samples that a channel needs in such a stretch
_LINES: tuple[float, ...] = (50.0, 60.0)


@dataclass(frozen=True, slots=True)
class ConditionSettings:
    """How samples are conditioned.

    Parameters
    ----------
    high_pass_hz, low_pass_hz : float
        Corners of the band filter in Hz.
    reference : str or tuple of str
        ``"auto"`` (average of the good channels from 16 channels upwards, else as recorded), ``"average"``, ``"none"``,
        or channel names to subtract the mean of.
    line : str or float
        Mains frequency: 50, 60, ``"none"``, or ``"auto"``: both are taken out until 2 s of usable samples have told
        which it is; where neither hums, it is looked for again every 8 s.
    bridge_s : float
        A gap up to this long is bridged; after a longer one the filters start anew.
    settle_s : float
        So long after a new start the samples are condemned.
    limits : GateLimits
        When a sample is condemned.
    bad : tuple of str
        Channels whose every sample is condemned, as far as they are there: a calibration found them useless.
    """

    high_pass_hz: float = 0.3
    low_pass_hz: float = 45.0
    reference: str | tuple[str, ...] = "auto"
    line: str | float = "auto"
    bridge_s: float = 0.05
    settle_s: float = 0.5
    limits: GateLimits = field(default_factory=GateLimits)
    bad: tuple[str, ...] = ()

    def unprotected(self) -> ConditionSettings:
        """Return the same without the quality gate, to measure what it is good for."""
        return replace(self, limits=NO_LIMITS)


class Conditioner:
    """Conditions a stream of samples, chunk by chunk; same length out as in, no look ahead.

    Parameters
    ----------
    montage : Montage
        Names and rate of the channels.
    settings : ConditionSettings
        How.

    Raises
    ------
    SignalError
        If the rate is too low, a corner, the mains frequency or a reference channel is not possible.
    """

    def __init__(self, montage: Montage, *, settings: ConditionSettings | None = None) -> None:
        settings = ConditionSettings() if settings is None else settings
        rate_hz, n_channels = montage.rate_hz, len(montage.names)
        self.montage = montage
        self.settings = settings
        self._band = band_sections(rate_hz, settings.high_pass_hz, settings.low_pass_hz)
        self._notches = {line: notch_sections(rate_hz, line, settings.low_pass_hz) for line in _LINES}
        self._line, self._listening = _parse_line(settings.line)
        self._reference = _parse_reference(settings.reference, montage)
        self._gate = Gate(settings.limits, n_channels, rate_hz)
        self._excluded: BoolArray = np.isin(montage.names, settings.bad)
        self._bridge = round(settings.bridge_s * rate_hz)
        self._settle = round(settings.settle_s * rate_hz)
        self._listen = round(_LISTEN_S * rate_hz)
        self._undecided = self._listening  # no usable stretch has been heard yet
        self._heard = np.empty((0, n_channels))
        self._hearable = np.zeros(n_channels, dtype=np.int64)  # good samples among those heard
        # Filter states by name: the band filter, each mains notch, and while undecided the second behind the first.
        # All channels start with their first real sample, see _fill_gaps.
        stages = {"band": self._band, **{f"{line:g}": self._notches[line] for line in _LINES}}
        stages["both"] = self._notches[_LINES[1]]
        self._states: dict[str, FloatArray] = {
            name: np.zeros((len(sections), 2, n_channels)) for name, sections in stages.items()
        }
        self._held: FloatArray = np.full(n_channels, np.nan)  # last real value of each channel
        self._missing = np.zeros(n_channels, dtype=np.int64)  # length of the gap that is open now
        self._age = np.zeros(n_channels, dtype=np.int64)  # samples since the filters of a channel started
        self._last_time_s: float | None = None

    @property
    def line_hz(self) -> float | None:
        """The mains frequency that is notched out now; None where none has been found yet."""
        return self._line

    def process(self, chunk: Chunk) -> Chunk:
        """Condition the next samples.

        Parameters
        ----------
        chunk : Chunk
            Samples as they came; NaN where one is missing.

        Returns
        -------
        Chunk
            Same times and markers; filtered and re-referenced samples (never NaN), `good` filled.

        Raises
        ------
        SignalError
            If the chunk's montage is not the one this conditioner was made for.
        """
        if chunk.montage != self.montage:
            raise SignalError(
                f"a chunk of {len(chunk.montage.names)} channels at {chunk.montage.rate_hz:g} Hz came, "
                f"{len(self.montage.names)} at {self.montage.rate_hz:g} Hz were announced; make a new conditioner"
            )
        if len(chunk) == 0:
            return chunk
        assert chunk.good is not None  # Chunk fills it at birth; this tells the type checker so
        raw, resets, bad, young = self._fill(chunk)
        bad |= ~chunk.good | self._excluded
        clean = self._filter(raw, resets, bad)
        good = self._gate.judge(raw, clean, bad | young)
        return Chunk(self._refer(clean, good), chunk.time_s, chunk.montage, chunk.markers, good)

    def _fill(self, chunk: Chunk) -> tuple[FloatArray, BoolArray, BoolArray, BoolArray]:
        """Return samples with gaps filled by the last real value, where filters start anew, gaps, and what settles."""
        samples = chunk.samples_uv
        missing = ~np.isfinite(samples)
        # A jump in time is a gap too, though no sample stands for it.
        before_s = chunk.time_s[0] if self._last_time_s is None else self._last_time_s
        jumped = np.diff(chunk.time_s, prepend=before_s) > self.settings.bridge_s + 1.5 / self.montage.rate_hz
        self._last_time_s = float(chunk.time_s[-1])
        eventful = missing.any() or jumped.any() or self._missing.any() or not np.isfinite(self._held).all()
        filled, resets = samples, np.zeros(samples.shape, dtype=bool)
        if eventful:
            filled, resets = self._fill_gaps(samples, missing, jumped)
        self._held = np.where(np.isfinite(self._held) | ~missing.all(axis=0), filled[-1], np.nan)
        # How many samples ago each channel's filters started; until they have settled nothing is believed.
        position = np.arange(1, len(samples) + 1)[:, None]
        newest = np.maximum.accumulate(np.where(resets, position, 0), axis=0)
        age = np.where(newest > 0, position - newest, self._age + position)
        self._age = age[-1]
        return filled, resets, missing, age < self._settle

    def _fill_gaps(self, samples: FloatArray, missing: BoolArray, jumped: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Return the samples with each gap filled by the last real value, and where filters start anew after one."""
        resets = np.zeros(samples.shape, dtype=bool)
        filled = samples.copy()
        for channel in range(samples.shape[1]):
            held, gap = float(self._held[channel]), int(self._missing[channel])
            if not np.isfinite(held):  # nothing heard yet: start with the first real sample
                held, gap = 0.0, self._bridge + 1
            column, absent = filled[:, channel], missing[:, channel]
            after_gap = np.concatenate([[gap > 0], absent[:-1]])
            for row in np.flatnonzero(absent | jumped | after_gap):
                if jumped[row]:
                    gap = max(gap, self._bridge + 1)
                if absent[row]:
                    gap += 1
                    column[row] = column[row - 1] if row else held
                else:
                    resets[row, channel] = gap > self._bridge
                    gap = 0
            self._missing[channel] = gap
        return filled, resets

    def _filter(self, raw: FloatArray, resets: BoolArray, bad: BoolArray) -> FloatArray:
        """Run every filter, starting it anew per channel where `resets` says so."""
        clean = np.empty_like(raw)
        # Rows between which no channel starts anew go through at once; while listening, stop where an answer is due, at
        # an absolute number of samples, so that any chunking gives the same.
        starts = [*np.flatnonzero(resets.any(axis=1)).tolist(), len(raw)]
        start = 0
        while start < len(raw):
            if resets[start].any():
                self._restart(raw[start], resets[start])
            stop = next(row for row in starts if row > start)
            if self._listening:
                stop = min(stop, start + self._listen - len(self._heard))
            rows = slice(start, stop)
            clean[rows] = self._run(raw[rows])
            if self._listening:
                self._hear(raw[rows], clean[rows], bad[rows], resets[start])
            start = stop
        return clean

    def _restart(self, sample: FloatArray, channels: BoolArray) -> None:
        """Start the filters of `channels` anew, as if `sample` had been there for ever."""
        self._states["band"] = np.where(channels, initial_state(self._band, sample), self._states["band"])
        for name, state in self._states.items():
            if name != "band":
                self._states[name] = np.where(channels, 0.0, state)

    def _run(self, raw: FloatArray) -> FloatArray:
        banded = self._advance("band", self._band, raw)
        if self._undecided:
            # All candidates run, so that the one that is found is warm; until then both are taken out.
            first = self._advance("50", self._notches[50.0], banded)
            self._advance("60", self._notches[60.0], banded)
            return self._advance("both", self._notches[60.0], first)
        if self._line is None:
            return banded
        return self._advance(f"{self._line:g}", self._notches[self._line], banded)

    def _hear(self, raw: FloatArray, clean: FloatArray, bad: BoolArray, reset: BoolArray) -> None:
        """Collect the next samples of a stretch, and once it is complete look for the mains in its usable channels."""
        limits = self.settings.limits
        hearable = ~bad & (np.abs(raw) <= limits.rail_uv) & (np.abs(clean) <= limits.amplitude_uv)
        if len(self._heard):  # what came before a new start is another stretch of signal
            self._hearable[reset] = -self._listen
        self._heard = np.concatenate([self._heard, raw])
        self._hearable += np.count_nonzero(hearable, axis=0)
        if len(self._heard) < self._listen:
            return
        usable = (self._hearable >= _HEARABLE * self._listen) & (np.ptp(self._heard, axis=0) > limits.flat_uv)
        if usable.any():
            self._line = find_line_hz(self._heard[:, usable], self.montage.rate_hz)
            if self._line is not None and not self._undecided:
                self._states[f"{self._line:g}"] = np.zeros_like(self._states[f"{self._line:g}"])  # long out of use
            self._undecided = False
            self._listening = self._line is None
            self._listen = round(_LISTEN_ON_S * self.montage.rate_hz)
        self._heard = self._heard[:0]
        self._hearable[:] = 0

    def _advance(self, name: str, sections: FloatArray, samples: FloatArray) -> FloatArray:
        filtered, self._states[name] = apply(samples, sections, self._states[name])
        return filtered

    def _refer(self, clean: FloatArray, good: BoolArray) -> FloatArray:
        if self._reference is None:
            return clean
        chosen = good & self._reference
        count = chosen.sum(axis=1, keepdims=True)
        mean = np.where(chosen, clean, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
        referred: FloatArray = clean - mean
        return referred


def _parse_line(line: str | float) -> tuple[float | None, bool]:
    """Return the mains frequency and whether it has yet to be found."""
    if line == "auto":
        return None, True
    if line == "none":
        return None, False
    try:
        value = float(line)
    except ValueError:
        value = 0.0
    if value not in _LINES:
        raise SignalError(f'line frequency {line!r} is unknown; give "auto", 50, 60 or "none" in [signal]')
    return value, False


def _parse_reference(reference: str | tuple[str, ...], montage: Montage) -> BoolArray | None:
    """Return which channels' mean is subtracted, None for none."""
    if reference == "none" or (reference == "auto" and len(montage.names) < _FEW):
        return None
    if reference in ("auto", "average"):
        return np.ones(len(montage.names), dtype=bool)
    names = (reference,) if isinstance(reference, str) else reference
    absent = [name for name in names if name not in montage.names]
    if absent or not names:
        raise SignalError(
            f"reference {', '.join(absent) or 'without a name'} is not among the channels {', '.join(montage.names)}; "
            'name one of them, or "average" or "none"'
        )
    return np.isin(montage.names, names)

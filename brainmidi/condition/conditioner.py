"""Makes samples clean: band filter, mains notch, reference and quality gate, causal and the same for any chunking."""

from __future__ import annotations

import numpy as np

from brainmidi.condition.asr import Reconstruction
from brainmidi.condition.filters import apply, band_sections, initial_state, notch_sections
from brainmidi.condition.gaps import Gaps
from brainmidi.condition.gate import Gate
from brainmidi.condition.line import FACTOR, find_line_hz
from brainmidi.condition.reference import check_reference, parse_reference, refer
from brainmidi.condition.settings import ConditionSettings
from brainmidi.condition.watch import ChannelWatch
from brainmidi.errors import SignalError
from brainmidi.types import BoolArray, Chunk, FloatArray, Montage

_LISTEN_S = 2.0  # the first usable stretch of this length says whether the mains hum
_LISTEN_ON_S = 8.0  # where it says no, each later stretch of this length is asked, a surer one
_DOUBT_S = 15.0  # once the frequency is known, it is asked for again in stretches of this length
_FEW, _SURE, _SURE_ON = 3, 10.0, 5.0  # fewer channels have to hum so many times as loud as what is beside it
_HEARABLE = 0.9  # share of good samples that a channel needs in such a stretch
_STUCK_S = 0.25  # no blink stays beyond the amplitude limit for so long
_HUM_S = 0.1  # whole cycles of 50 and of 60 Hz: a level measured over them has no hum in it
_BLOCK_S = 1.0  # as much is filtered at once, and again where filters have to start anew within it
_LINES: tuple[float, ...] = (50.0, 60.0)

__all__ = ["ConditionSettings", "Conditioner"]


class Conditioner:
    """Conditions a stream of samples, chunk by chunk; same length out as in, no look ahead (but for ASR's blocks).

    Parameters
    ----------
    montage : Montage
        Names and rate of the channels.
    settings : ConditionSettings
        How.

    Raises
    ------
    SignalError
        If the rate is too low, a corner, the mains frequency, the ASR state or a reference channel is not possible, or
        that channel is left out.
    """

    def __init__(self, montage: Montage, *, settings: ConditionSettings | None = None) -> None:
        settings = ConditionSettings() if settings is None else settings
        rate_hz, n_channels = montage.rate_hz, len(montage.names)
        self.montage = montage
        self.settings = settings
        self._band = band_sections(rate_hz, settings.high_pass_hz, settings.low_pass_hz)
        self._notches = {line: notch_sections(rate_hz, line, settings.low_pass_hz) for line in _LINES}
        self._line, self._listening = _parse_line(settings.line)
        self._reference = parse_reference(settings.reference, montage)
        self._gaps = Gaps(n_channels, rate_hz, settings.bridge_s, settings.limits.rail_uv)
        self._gate = Gate(settings.limits, n_channels, rate_hz)
        self._asr = None if settings.asr is None else Reconstruction(settings.asr, montage)
        self._excluded: BoolArray = np.isin(montage.names, settings.bad)
        check_reference(self._reference, self._excluded, montage.names)
        self._watch = ChannelWatch(n_channels, rate_hz)
        self._stuck = round(_STUCK_S * rate_hz)
        self._hum = round(_HUM_S * rate_hz)
        self._block = round(_BLOCK_S * rate_hz)
        self._settle = round(settings.settle_s * rate_hz)
        self._listen = round(_LISTEN_S * rate_hz)
        self._undecided = self._listening  # no usable stretch has been heard yet
        self._heard: list[FloatArray] = []
        self._n_heard = 0  # samples in it
        self._other = False  # the newest stretch hummed at the other frequency
        self._hearable = np.zeros(n_channels, dtype=np.int64)  # good samples among those heard
        # Filter states by name: the band filter, each mains notch, and while undecided the second behind the first.
        # All channels start with their first real sample, see Gaps.
        stages = {"band": self._band, **{f"{line:g}": self._notches[line] for line in _LINES}}
        stages["both"] = self._notches[_LINES[1]]
        self._states: dict[str, FloatArray] = {
            name: np.zeros((len(sections), 2, n_channels)) for name, sections in stages.items()
        }
        self._age = np.zeros(n_channels, dtype=np.int64)  # samples since the filters of a channel started
        self._over = np.zeros(n_channels, dtype=np.int64)  # samples for which a channel has been beyond the limit
        self._recent = np.empty((0, n_channels))  # the newest raw samples, whole cycles of any mains
        self._level: FloatArray = np.full(n_channels, np.nan)  # where filters start anew with the next sample

    @property
    def line_hz(self) -> float | None:
        """The mains frequency that is notched out now; None where none has been found yet."""
        return self._line

    @property
    def latency_s(self) -> float:
        """How late samples come out at the most; 0 without artifact subspace reconstruction."""
        return 0.0 if self._asr is None else self._asr.latency_s

    @property
    def bad_channels(self) -> tuple[str, ...]:
        """Names of the channels that are left out now: by the settings, or bad in the long run."""
        bad = self._excluded | self._watch.bad
        return tuple(name for name, out in zip(self.montage.names, bad, strict=True) if out)

    def process(self, chunk: Chunk) -> Chunk:
        """Condition the next samples.

        Parameters
        ----------
        chunk : Chunk
            Samples as they came; NaN where one is missing.

        Returns
        -------
        Chunk
            Same times and markers; filtered and re-referenced samples (never NaN), `good` filled. With artifact
            subspace reconstruction those samples, up to `latency_s` late, whose blocks are full.

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
        raw, resets, bad = self._gaps.fill(chunk.samples_uv, chunk.time_s)
        bad |= ~chunk.good | self._excluded
        clean, young = self._filter(raw, resets, bad)
        good = self._gate.judge(raw, clean, bad | young)
        if self.settings.watch:
            good &= ~self._watch.judge(clean, good)
        clean, good = refer(clean, good, self._reference)
        conditioned = Chunk(clean, chunk.time_s, chunk.montage, chunk.markers, good)
        return conditioned if self._asr is None else self._asr.process(conditioned)

    def _filter(self, raw: FloatArray, resets: BoolArray, bad: BoolArray) -> tuple[FloatArray, BoolArray]:
        """Run every filter, starting it anew per channel where `resets` says so or where it is displaced for too long.

        Returns the filtered samples, and which of them belong to a channel whose filters still settle.
        """
        clean, young = np.empty_like(raw), np.empty(raw.shape, dtype=bool)
        # Rows between which no channel starts anew go through at once; while listening, stop where an answer is due, at
        # an absolute number of samples, so that any chunking gives the same.
        starts = [*np.flatnonzero(resets.any(axis=1)).tolist(), len(raw)]
        start = 0
        while start < len(raw):
            fresh = resets[start] | np.isfinite(self._level)
            if fresh.any():
                self._restart(np.where(resets[start], raw[start], self._level), fresh)
            stop = min(next(row for row in starts if row > start), start + self._block)
            if self._listening:
                stop = min(stop, start + self._listen - self._n_heard)
            before = dict(self._states)
            part = self._run(raw[start:stop])
            length, displaced = self._displacement(part)
            if length < len(part):
                self._states = before
                part, stop = self._run(raw[start : start + length]), start + length
            rows = slice(start, stop)
            clean[rows] = part
            young[rows] = self._age + np.arange(1, length + 1)[:, None] < self._settle
            self._age += length
            self._recent = np.concatenate([self._recent, raw[rows]])[-self._hum :]
            self._level = np.where(displaced, self._recent.mean(axis=0), np.nan)
            if self._listening:
                self._hear(raw[rows], clean[rows], bad[rows], fresh)
            start = stop
        return clean, young

    def _displacement(self, part: FloatArray) -> tuple[int, BoolArray]:
        """Return after how many of the next filtered rows the filters of some channels must start anew, and of which.

        After a jump of the offset the high-pass needs seconds to find the new level. A channel that has been beyond the
        amplitude limit for `stuck_s` without a break starts anew from where it is now.
        """
        over = np.abs(part) > self.settings.limits.amplitude_uv
        if not over.any():
            self._over[:] = 0
            return len(part), np.zeros(part.shape[1], dtype=bool)
        row = np.arange(1, len(part) + 1)[:, None]
        over &= self._age + row >= self._settle
        inside = np.maximum.accumulate(np.where(over, 0, row), axis=0)
        run = np.where(inside > 0, row - inside, self._over + row)
        hits = (run >= self._stuck).any(axis=1)
        length = int(np.argmax(hits)) + 1 if hits.any() else len(part)
        self._over = run[length - 1].copy()
        displaced: BoolArray = self._over >= self._stuck
        self._over[displaced] = 0
        return length, displaced

    def _restart(self, sample: FloatArray, channels: BoolArray) -> None:
        """Start the filters of `channels` anew, as if `sample` had been there for ever."""
        self._age[channels] = -1
        self._over[channels] = 0
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
        hearable = ~bad & (np.abs(clean) <= limits.amplitude_uv)
        if self._n_heard:  # what came before a new start is another stretch of signal
            self._hearable[reset] = -self._listen
        self._heard.append(raw)
        self._n_heard += len(raw)
        self._hearable += np.count_nonzero(hearable, axis=0)
        if self._n_heard < self._listen:
            return
        heard = np.concatenate(self._heard)
        usable = (self._hearable >= _HEARABLE * self._listen) & (np.ptp(heard, axis=0) > limits.flat_uv)
        if usable.any():
            few = np.count_nonzero(usable) < _FEW
            factor = FACTOR if not few else _SURE if self._undecided else _SURE_ON
            self._decide(find_line_hz(heard[:, usable], self.montage.rate_hz, factor))
        self._heard, self._n_heard = [], 0
        self._hearable[:] = 0

    def _decide(self, found: float | None) -> None:
        """Take `found` for the mains frequency; where another was found before, only the second time."""
        other = self._line is not None and found is not None and found != self._line
        if found is not None and (self._line is None or (other and self._other)):
            self._line = found
            if not self._undecided:
                self._states[f"{found:g}"] = np.zeros_like(self._states[f"{found:g}"])  # long out of use
            other = False
        self._other = other
        self._undecided = False
        self._listen = round((_LISTEN_ON_S if self._line is None else _DOUBT_S) * self.montage.rate_hz)

    def _advance(self, name: str, sections: FloatArray, samples: FloatArray) -> FloatArray:
        filtered, self._states[name] = apply(samples, sections, self._states[name])
        return filtered


def _parse_line(line: str | float) -> tuple[float | None, bool]:
    """Return the mains frequency and whether it is to be found."""
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

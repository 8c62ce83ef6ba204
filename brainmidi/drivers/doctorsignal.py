"""The doctor looks at the EEG: does it connect and keep its rate, how old are its samples, are the electrodes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from brainmidi.acquire.lsl import LslStream, list_streams
from brainmidi.config import SessionConfig
from brainmidi.drivers import assemble
from brainmidi.drivers.doctor import Finding
from brainmidi.errors import SourceError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.types import Chunk, Clock, FloatArray, Montage

#: A channel that moves less than this is not connected; one that moves more has a loose electrode. Microvolts, robust.
FLAT_UV, LOOSE_UV = 0.2, 150.0
#: Mains hum of this amplitude is filtered, and still says that an electrode or a cable is badly placed.
HUM_UV = 20.0
#: Samples older than this make the music late by so much.
OLD_S = 0.1
#: Of the nominal rate.
RATE_TOLERANCE = 0.01

_PERIOD_S = 0.02
#: How long the first samples may take, and all of it.
_PATIENCE_S = 60.0


def look_at_source(config: SessionConfig, seconds: float, clock: Clock | None = None) -> Iterator[Finding]:
    """Read the source that ``[source]`` names for so many seconds.

    Parameters
    ----------
    config : SessionConfig
        With the source and its connection parameters.
    seconds : float
        Of signal; a recording is read without waiting.
    clock : Clock, optional
        The machine's by default.
    """
    clock = clock or MonotonicClock()
    source, name = assemble.open_any_source(config, clock), config.source.name
    began_s = clock.now_s()
    source.start()
    heard = _Heard()
    try:
        if assemble.is_recording(name):
            heard.take(source.read(seconds), began_s)
        else:
            while clock.now_s() < began_s + _PATIENCE_S and (
                heard.first_s is None or clock.now_s() < heard.first_s + seconds
            ):
                clock.sleep_until(clock.now_s() + _PERIOD_S)
                heard.take(source.read(clock.now_s() - began_s), clock.now_s())
    finally:
        source.stop()
    if heard.first_s is None:
        yield Finding("eeg", "problem", f"{name} connects and sends no samples", "switch it off and on; charge it")
        return
    montage = source.montage
    samples_uv = np.concatenate([piece.samples_uv for piece in heard.pieces if piece.montage == montage])
    layout = f"{len(montage.names)} channels at {montage.rate_hz:g} Hz"
    yield Finding("eeg", "ok", f"{name}: {layout}, first samples after {heard.first_s - began_s:.1f} s")
    if not assemble.is_recording(name):
        yield pace(samples_uv, montage, heard.last_s - heard.first_s, heard.worst_s)
    yield from quality(samples_uv, montage)


def look_at_lsl(streams: Callable[[], list[LslStream]] = list_streams) -> Iterator[Finding]:
    """List the streams of the Lab Streaming Layer; without the extra there is nothing to look at."""
    try:
        there = streams()
    except SourceError:  # the extras' own check has said it
        return
    for stream in there:
        text = f"LSL stream {stream.name!r} ({stream.type}, {stream.n_channels} channels, {stream.rate_hz:g} Hz)"
        yield Finding("eeg", "ok", f"{text} from {stream.hostname}")
    if not there:
        yield Finding("eeg", "ok", "no LSL stream on the network")


@dataclass(slots=True)
class _Heard:
    """What has come so far, and when."""

    pieces: list[Chunk] = field(default_factory=list)
    first_s: float | None = None
    last_s: float = 0.0
    worst_s: float = 0.0

    def take(self, chunk: Chunk | None, now_s: float) -> None:
        if chunk is None or not len(chunk):
            return
        if self.first_s is None:
            self.first_s = now_s
        else:
            self.worst_s = max(self.worst_s, now_s - self.last_s)
        self.last_s = now_s
        self.pieces.append(chunk)


def pace(samples_uv: FloatArray, montage: Montage, passed_s: float, worst_s: float) -> Finding:
    """Say whether samples come at their rate, and how old the newest may be.

    Parameters
    ----------
    samples_uv : ndarray of shape (n_samples, n_channels)
        NaN where a sample is missing.
    montage : Montage
        With the nominal rate.
    passed_s : float
        From the first samples to the last.
    worst_s : float
        Longest time between two deliveries.
    """
    there = int(np.isfinite(samples_uv).any(axis=1).sum())
    rate_hz = there / max(passed_s, _PERIOD_S)
    text = f"{rate_hz:.0f} samples a second, delivered at most {1000 * worst_s:.0f} ms apart"
    if rate_hz < (1 - RATE_TOLERANCE) * montage.rate_hz - 1 / max(passed_s, _PERIOD_S):
        missing = 1 - rate_hz / montage.rate_hz
        return Finding("eeg", "problem", f"{text}; {missing:.0%} are missing", "move closer, free the radio, charge it")
    if worst_s > OLD_S:
        return Finding("eeg", "note", text, "shorten the device's own buffer; Bluetooth away from Wi-Fi")
    return Finding("eeg", "ok", text)


def quality(samples_uv: FloatArray, montage: Montage) -> Iterator[Finding]:
    """Say which electrodes are off or loose, and how much mains hum there is.

    Parameters
    ----------
    samples_uv : ndarray of shape (n_samples, n_channels)
        As the device sends them: unfiltered, with offsets; NaN where a sample is missing.
    montage : Montage
        Names and rate.
    """
    whole = samples_uv[np.isfinite(samples_uv).all(axis=1)]  # (n_whole, n_channels)
    if len(whole) < montage.rate_hz:
        yield Finding("eeg", "note", f"{len(whole)} whole samples are too few to judge electrodes by", "listen longer")
        return
    steps = np.diff(whole, axis=0)  # offsets and drifts of electrodes go
    spread_uv = 1.4826 * np.median(np.abs(whole - np.median(whole, axis=0)), axis=0)
    still = 1.4826 * np.median(np.abs(steps), axis=0)
    flat = [name for name, moved in zip(montage.names, still, strict=True) if moved < FLAT_UV / 10]
    loose = [
        name for name, moved in zip(montage.names, spread_uv, strict=True) if moved > LOOSE_UV and name not in flat
    ]
    bad = len(flat) + len(loose)
    if flat:
        yield Finding("eeg", _grave(bad, montage), f"flat: {', '.join(flat)}", "connect them; check the reference")
    if loose:
        yield Finding(
            "eeg", _grave(bad, montage), f"loose: {', '.join(loose)}", "wet or press the electrodes; sit still"
        )
    if not bad:
        yield Finding("eeg", "ok", f"all {len(montage.names)} electrodes are on")
    for line_hz in (50.0, 60.0):
        hum_uv = _amplitude(whole, montage.rate_hz, line_hz)
        if hum_uv > HUM_UV:
            text = f"mains hum of {hum_uv:.0f} uV at {line_hz:g} Hz"
            yield Finding("eeg", "note", text, "battery in place of the charger, cables together, ground electrode wet")


def _grave(bad: int, montage: Montage) -> Literal["note", "problem"]:
    return "problem" if 2 * bad > len(montage.names) else "note"


def _amplitude(samples_uv: FloatArray, rate_hz: float, at_hz: float) -> float:
    """Return the median over channels of the amplitude of a tone, above that of its neighbours, in microvolts."""
    if at_hz >= rate_hz / 2:
        return 0.0
    length = len(samples_uv)
    window = np.hanning(length)
    spectrum = np.abs(np.fft.rfft((samples_uv - samples_uv.mean(axis=0)) * window[:, None], axis=0)) * 4 / length
    hz = np.fft.rfftfreq(length, 1 / rate_hz)
    near = np.abs(hz - at_hz) <= 0.5
    around = (np.abs(hz - at_hz) > 1.5) & (np.abs(hz - at_hz) < 4.0)
    return float(np.median(spectrum[near].max(axis=0) - np.median(spectrum[around], axis=0)))

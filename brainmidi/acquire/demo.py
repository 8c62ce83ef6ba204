"""A simulated brain: seeded, scripted, and the same samples whatever way they are read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brainmidi.acquire.script import Script
from brainmidi.errors import SourceError
from brainmidi.types import Chunk, FloatArray, Marker, Montage

ComplexArray = NDArray[np.complex128]

RATE_HZ = 250.0
BLOCK = 250  # samples made at a time; a block depends on the seed and its number alone
_TAPS = 500  # length of the shaping filters, two blocks
_LINE_HZ = 50.0

NAMES = ("Fp1", "Fp2", "F3", "F4", "C3", "Cz", "C4", "P3", "Pz", "P4", "O1", "O2")
DESCRIPTION = f"simulated brain, {len(NAMES)} channels at {RATE_HZ:g} Hz, seeded; calm and active phases, ERPs, blinks"

# One row per quantity, one column per channel of NAMES: how strongly each electrode sees each source.
_ALPHA = np.array([0.12, 0.12, 0.2, 0.2, 0.3, 0.35, 0.3, 0.65, 0.75, 0.65, 1.0, 1.0])
_BETA = np.array([0.8, 0.8, 1.0, 1.0, 0.9, 0.9, 0.9, 0.6, 0.6, 0.6, 0.5, 0.5])
_GAMMA = np.array([1.0, 1.0, 0.9, 0.9, 0.7, 0.7, 0.7, 0.6, 0.6, 0.6, 0.6, 0.6])
_BLINK = np.array([1.0, 1.0, 0.35, 0.35, 0.08, 0.08, 0.08, 0.03, 0.03, 0.03, 0.0, 0.0])
_ERP = np.array([0.0, 0.0, 0.1, 0.1, 0.35, 0.55, 0.35, 0.85, 1.0, 0.85, 0.4, 0.4])
_LEFT = np.array([1.0, 0.3, 1.0, 0.3, 1.0, 0.6, 0.3, 1.0, 0.6, 0.3, 1.0, 0.4])
_RIGHT = np.array([0.3, 1.0, 0.3, 1.0, 0.3, 0.6, 1.0, 0.3, 0.6, 1.0, 0.4, 1.0])

_BACKGROUND_UV = 8.0
_ALPHA_UV = (4.0, 22.0)  # root mean square at O1, active and calm
_BETA_UV = (5.5, 2.0)  # active and calm
_GAMMA_UV = (3.0, 1.2)  # active and calm
_ERP_UV = 34.0
_BLINK_UV = 130.0


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Filters' frequency responses that turn white noise into each rhythm, each of shape (n_bins, 1)."""

    background: ComplexArray
    alpha: ComplexArray
    beta: ComplexArray
    gamma: ComplexArray


def _shape(magnitude: FloatArray, n_fft: int) -> ComplexArray:
    """Return the transform of a `_TAPS` long, linear-phase filter with `magnitude`, unit power on white noise."""
    taps = np.fft.fftshift(np.fft.irfft(magnitude, _TAPS)) * np.hanning(_TAPS)
    taps /= np.sqrt(np.sum(taps**2))
    response: ComplexArray = np.fft.rfft(taps, n_fft)[:, None]
    return response


def _shapes(n_fft: int) -> _Shapes:
    frequency = np.fft.rfftfreq(_TAPS, 1.0 / RATE_HZ)
    return _Shapes(
        # amplitude 1/sqrt(f): power falls as 1/f, level below 2 Hz
        background=_shape(np.where(frequency >= 0.5, 1.0 / np.sqrt(np.maximum(frequency, 2.0)), 0.0), n_fft),
        alpha=_shape(np.exp(-0.5 * ((frequency - 10.0) / 0.7) ** 2), n_fft),
        beta=_shape(np.exp(-0.5 * ((frequency - 20.0) / 3.0) ** 2), n_fft),
        gamma=_shape(np.exp(-0.5 * ((frequency - 37.0) / 4.0) ** 2), n_fft),
    )


class DemoSource:
    """A simulated brain at 250 Hz: 1/f background, alpha, beta and gamma that follow a script, blinks, mains hum, ERPs.

    It stands in for a person where there is none; it never pretends to be one (``simulated`` is true, and so says its
    name). Samples come in blocks that depend on ``(seed, block number)`` alone.

    Parameters
    ----------
    seed : int
        Seed, 0 or above.
    scenario : str
        ``"session"`` or ``"rest"``, see :class:`brainmidi.acquire.script.Script`.
    duration_s : float, optional
        Where the stream ends; endless by default.
    plan : sequence of (float, float)
        In place of a scenario: from which second on the brain is how calm, see
        :class:`brainmidi.acquire.script.Script`.

    Raises
    ------
    SourceError
        If the seed is negative, the scenario unknown or the duration not above 0.
    """

    def __init__(
        self,
        seed: int = 0,
        scenario: str = "session",
        duration_s: float | None = None,
        plan: Sequence[tuple[float, float]] = (),
    ) -> None:
        if not 0 <= seed < 2**63:
            raise SourceError(f"seed {seed} is outside 0..2**63-1; choose a whole number from 0 upwards")
        if scenario not in ("session", "rest"):
            raise SourceError(f"scenario {scenario!r} is unknown, known are session and rest; choose one of them")
        if duration_s is not None and not duration_s > 0:
            raise SourceError(f"duration {duration_s} s is not above 0; give seconds or leave it out")
        self.name = f"demo (simulated brain, seed {seed})"
        self.simulated = True
        self.montage = Montage(NAMES, RATE_HZ)
        self.duration_s = duration_s
        self._seed = seed
        self._script = Script(seed, scenario, plan)
        self._n_fft = 2048
        self._shapes = _shapes(self._n_fft)
        # Electrode offsets of tens of millivolts, as a Cyton's: whoever forgets the filters' start will see it.
        self._offset_uv = np.random.Generator(np.random.Philox(key=[seed, 1])).uniform(-3e4, 3e4, len(NAMES))
        self._white: dict[int, FloatArray] = {}
        self._blocks: dict[int, FloatArray] = {}
        self._next = 0

    def start(self) -> None:
        """Go (back) to the first sample."""
        self._next = 0

    def read(self, until_s: float) -> Chunk | None:
        """Return the samples before `until_s` that were not returned yet; None once the duration is over.

        Parameters
        ----------
        until_s : float
            Sample time in seconds; finite unless the source has a duration.

        Returns
        -------
        Chunk or None

        Raises
        ------
        SourceError
            If everything of an endless stream is asked for.
        """
        total = None if self.duration_s is None else int(np.ceil(self.duration_s * RATE_HZ - 1e-9))
        if total is not None and self._next >= total:
            return None
        if not np.isfinite(until_s):
            if total is None:
                raise SourceError(f"the demo brain never ends and was read until {until_s}; give it a duration")
            stop = total
        else:
            stop = int(np.ceil(until_s * RATE_HZ - 1e-9))
            stop = max(self._next, stop if total is None else min(stop, total))
        return self._take(stop)

    def stop(self) -> None:
        """Do nothing: there is no device to let go."""

    def _take(self, stop: int) -> Chunk:
        start, self._next = self._next, stop
        first, last = start // BLOCK, -(-stop // BLOCK)
        for number in [held for held in self._blocks if held < first]:
            del self._blocks[number]
        for number in [held for held in self._white if held < first - 2]:
            del self._white[number]
        parts = [self._block(number) for number in range(first, last)] or [np.empty((0, len(NAMES)))]
        samples = np.concatenate(parts)[start - first * BLOCK : stop - first * BLOCK]
        # A marker travels with the first sample at or after it.
        markers: list[Marker] = []
        if stop > start:
            markers = self._script.stimuli((start - 1) / RATE_HZ + 1e-9, (stop - 1) / RATE_HZ + 1e-9)
        return Chunk(samples, np.arange(start, stop) / RATE_HZ, self.montage, tuple(markers))

    def _noise(self, number: int) -> FloatArray:
        """Return block `number` of white noise, shape (BLOCK, n_channels + 6); blocks before the first exist too."""
        if number not in self._white:
            generator = np.random.Generator(np.random.Philox(key=[self._seed, 2], counter=[0, 0, 0, number + 2]))
            self._white[number] = generator.standard_normal((BLOCK, len(NAMES) + 6))
        return self._white[number]

    def _block(self, number: int) -> FloatArray:
        if number not in self._blocks:
            self._blocks[number] = self._make(number)
        return self._blocks[number]

    def _make(self, number: int) -> FloatArray:
        """Return block `number`, shape (BLOCK, n_channels), in microvolts."""
        n = len(NAMES)
        white = np.concatenate([self._noise(number - 2), self._noise(number - 1), self._noise(number)])
        spectrum = np.fft.rfft(white, self._n_fft, axis=0)

        def shaped(columns: slice, response: ComplexArray) -> FloatArray:
            made: FloatArray = np.fft.irfft(spectrum[:, columns] * response, self._n_fft, axis=0)
            return made[2 * BLOCK : 3 * BLOCK]

        background = shaped(slice(0, n + 1), self._shapes.background)
        alpha = shaped(slice(n + 1, n + 3), self._shapes.alpha)  # a left and a right generator
        beta = shaped(slice(n + 3, n + 5), self._shapes.beta)
        gamma = shaped(slice(n + 5, n + 6), self._shapes.gamma)

        time_s: FloatArray = (np.arange(number * BLOCK, (number + 1) * BLOCK)) / RATE_HZ
        calm = self._script.calm(time_s)[:, None]
        sides = np.stack([_LEFT, _RIGHT]) / np.sqrt(_LEFT**2 + _RIGHT**2)
        samples: FloatArray = _BACKGROUND_UV * (0.85 * background[:, :n] + 0.53 * background[:, n:])
        # Levels move evenly in decibels, which is how they are heard further on.
        samples += _level(_ALPHA_UV, calm) * (alpha @ sides) * _ALPHA
        samples += _level(_BETA_UV, calm) * (beta @ sides) * _BETA
        samples += _level(_GAMMA_UV, calm) * gamma * _GAMMA
        samples += self._blinks(time_s)[:, None] * _BLINK
        samples += self._responses(time_s)[:, None] * _ERP
        hum = 8.0 * np.sin(2 * np.pi * _LINE_HZ * time_s) + 2.0 * np.sin(2 * np.pi * 2 * _LINE_HZ * time_s + 0.7)
        drift = 60.0 * np.sin(2 * np.pi * 0.02 * time_s)
        samples += (hum + drift)[:, None] + self._offset_uv
        return samples

    def _blinks(self, time_s: FloatArray) -> FloatArray:
        """Return the blinks' potential, shape (BLOCK,): a quick rise, a slower fall, 0.35 s in all."""
        total = np.zeros_like(time_s)
        for when_s, size in self._script.blinks(time_s[0] - 0.4, time_s[-1]):
            since = np.clip((time_s - when_s) / 0.35, 0.0, 1.0)
            total += _BLINK_UV * size * np.sin(np.pi * since**0.7) ** 2
        return total

    def _responses(self, time_s: FloatArray) -> FloatArray:
        """Return the responses to attended stimuli, shape (BLOCK,): positive, 0.36 s after the stimulus."""
        total = np.zeros_like(time_s)
        for when_s in self._script.attended(time_s[0] - 1.0, time_s[-1]):
            since = time_s - when_s
            total += np.where(since >= 0, _ERP_UV * np.exp(-0.5 * ((since - 0.36) / 0.07) ** 2), 0.0)
        return total


def _level(range_uv: tuple[float, float], calm: FloatArray) -> FloatArray:
    active_uv, calm_uv = range_uv
    level: FloatArray = active_uv * (calm_uv / active_uv) ** calm
    return level

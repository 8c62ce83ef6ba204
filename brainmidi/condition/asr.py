"""Artifact subspace reconstruction: what calibration data never did is taken out and filled in from the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainmidi.errors import SignalError
from brainmidi.types import BoolArray, Chunk, FloatArray, Marker, Montage

#: Samples are cleaned a block at a time; a block's last sample waits for none, its first one for all of it.
BLOCK_S = 0.25
_MEMORY_S = 0.5  # the covariance is that of so long: longer, and a blink does not count; shorter, and noise does
_LEAST_S = 15.0  # clean signal that it takes to calibrate
_FEWEST = 4  # channels: with fewer there is nothing to fill in from
_LOWEST_RATE_HZ = 100.0  # the shaping filter of the method reaches 40 Hz

Matrix = tuple[tuple[float, ...], ...]


@dataclass(frozen=True, slots=True)
class AsrState:
    """What artifact subspace reconstruction knows of clean signal.

    Parameters
    ----------
    montage : Montage
        Of the calibration data; no other can be cleaned.
    cutoff : float
        Standard deviations of the clean signal, per direction of sensor space, that are left alone.
    mixing, threshold : tuple of tuple of float
        Matrices of shape (n_channels, n_channels).

    References
    ----------
    C. A. E. Kothe, T.-P. Jung, "Artifact removal techniques with signal reconstruction", US patent application
    14/895,440, 2016. C.-Y. Chang et al., "Evaluation of artifact subspace reconstruction for automatic artifact
    components removal in multi-channel EEG recordings", IEEE Trans. Biomedical Engineering 67, 2020 (cutoffs of 20 to
    30 keep brain signal).
    """

    montage: Montage
    cutoff: float
    mixing: Matrix
    threshold: Matrix

    def document(self) -> dict[str, Any]:
        """Return the state as plain JSON values."""
        return {
            "channels": list(self.montage.names),
            "rate_hz": self.montage.rate_hz,
            "cutoff": self.cutoff,
            "mixing": [list(row) for row in self.mixing],
            "threshold": [list(row) for row in self.threshold],
        }

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> AsrState:
        """Return the state that :meth:`document` gave.

        Raises
        ------
        SignalError
            If it is damaged.
        """
        try:
            montage = Montage(tuple(map(str, document["channels"])), float(document["rate_hz"]))
            mixing, threshold = _matrix(document["mixing"]), _matrix(document["threshold"])
            cutoff = float(document["cutoff"])
        except (KeyError, TypeError, ValueError) as error:
            raise SignalError(f"ASR state is damaged ({error!r}); calibrate anew") from error
        n = len(montage.names)
        for matrix in (mixing, threshold):
            square = len(matrix) == n and all(len(row) == n for row in matrix)
            if not square or not all(math.isfinite(value) for row in matrix for value in row):
                raise SignalError(f"ASR state has no finite matrices of {n} by {n} numbers; calibrate anew")
        return cls(montage, cutoff, mixing, threshold)


def fit_asr(clean: Sequence[Chunk], *, cutoff: float = 20.0) -> AsrState:
    """Learn what clean signal looks like.

    Parameters
    ----------
    clean : sequence of Chunk
        Conditioned samples at rest, of one montage; the method picks the clean stretches itself, and is given none in
        which a channel is condemned that is good most of the time.
    cutoff : float
        See :class:`AsrState`.

    Raises
    ------
    SignalError
        If there are fewer than 4 channels, less than 15 s of clean signal, less than 100 Hz, or no meegkit.
    """
    montage = clean[0].montage
    _check_montage(montage)
    good = np.concatenate([chunk.good for chunk in clean if chunk.good is not None])
    usual = good.mean(axis=0) > 0.5
    rows = good[:, usual].all(axis=1)
    rate_hz = montage.rate_hz
    if not usual.any() or rows.sum() < _LEAST_S * rate_hz:
        raise SignalError(
            f"{rows.sum() / rate_hz if usual.any() else 0.0:.0f} s of clean signal are too few to calibrate ASR, at "
            f"least {_LEAST_S:g} s are needed; record a longer rest, or set asr = false in [signal]"
        )
    method = _method(rate_hz, cutoff)
    samples = np.where(good, np.concatenate([chunk.samples_uv for chunk in clean]), 0.0)[rows]
    method.fit(samples.T)
    return AsrState(montage, cutoff, _matrix(method.state_["M"]), _matrix(method.state_["T"]))


class Reconstruction:
    """Cleans conditioned samples block by block; blocks are anchored to the absolute sample index.

    The library's own result depends on how samples are cut; fed with the same blocks it is the same. So samples wait
    until their block is full: they come out late, by `latency_s` at the most, and keep their times and markers. Samples
    that the gate condemned go in as zeros, so that a rail does not count as an artifact of all channels, and stay
    condemned.

    Parameters
    ----------
    state : AsrState
    montage : Montage
        Of the samples that will come.

    Raises
    ------
    SignalError
        If the state is of another montage, or there is no meegkit.
    """

    def __init__(self, state: AsrState, montage: Montage) -> None:
        if montage != state.montage:
            raise SignalError(
                f"ASR was calibrated on {len(state.montage.names)} channels at {state.montage.rate_hz:g} Hz, these are "
                f"{len(montage.names)} at {montage.rate_hz:g} Hz or others; calibrate anew with this source, or set "
                "asr = false in [signal]"
            )
        _check_montage(montage)
        self.montage = state.montage
        self._block = round(BLOCK_S * state.montage.rate_hz)
        self._method = _method(state.montage.rate_hz, state.cutoff)
        self._method.state_ = {"M": np.array(state.mixing), "T": np.array(state.threshold), "R": None}
        self._method._fitted = True  # the library has no public way to go on from a state
        n = len(state.montage.names)
        self._samples: FloatArray = np.empty((0, n))
        self._good: BoolArray = np.empty((0, n), dtype=bool)
        self._times_s: FloatArray = np.empty(0)
        self._markers: tuple[Marker, ...] = ()

    @property
    def latency_s(self) -> float:
        """How late a sample comes out at the most, in seconds."""
        return self._block / self.montage.rate_hz

    def process(self, chunk: Chunk) -> Chunk:
        """Return the samples whose blocks `chunk` completes, cleaned.

        Parameters
        ----------
        chunk : Chunk
            Conditioned samples.
        """
        assert chunk.good is not None  # Chunk fills it at birth; this tells the type checker so
        samples = np.concatenate([self._samples, chunk.samples_uv])
        good = np.concatenate([self._good, chunk.good])
        times_s = np.concatenate([self._times_s, chunk.time_s])
        markers = self._markers + chunk.markers
        count = len(samples) // self._block * self._block
        cleaned = [
            self._clean(samples[row : row + self._block], good[row : row + self._block])
            for row in range(0, count, self._block)
        ]
        self._samples, self._good, self._times_s = samples[count:], good[count:], times_s[count:]
        # A marker goes with the first sample at or after it.
        out = tuple(marker for marker in markers if count and marker.time_s <= times_s[count - 1] + 1e-9)
        self._markers = tuple(marker for marker in markers if marker not in out)
        joined = np.concatenate(cleaned) if cleaned else samples[:0]
        return Chunk(joined, times_s[:count], chunk.montage, out, good[:count])

    def _clean(self, samples: FloatArray, good: BoolArray) -> FloatArray:
        cleaned: FloatArray = self._method.transform(np.where(good, samples, 0.0).T).T
        # What was condemned stays as it was, for whoever looks at it all the same.
        return np.where(good, cleaned, samples)


def _method(rate_hz: float, cutoff: float) -> Any:
    try:
        from meegkit.asr import ASR
    except ImportError as error:
        raise SignalError("ASR needs meegkit, which is not installed; pip install 'brainmidi[asr]'") from error
    return ASR(sfreq=rate_hz, cutoff=cutoff, method="euclid", memory=round(_MEMORY_S * rate_hz))


def _check_montage(montage: Montage) -> None:
    if len(montage.names) < _FEWEST or montage.rate_hz < _LOWEST_RATE_HZ:
        raise SignalError(
            f"{len(montage.names)} channels at {montage.rate_hz:g} Hz are too few for ASR, at least {_FEWEST} at "
            f"{_LOWEST_RATE_HZ:g} Hz are needed; set asr = false in [signal]"
        )


def _matrix(values: Any) -> Matrix:
    return tuple(tuple(float(value) for value in row) for row in values)

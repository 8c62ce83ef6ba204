"""Power spectra on a sliding window: Welch's method with segments anchored to the absolute sample index."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from brainmidi.errors import SignalError
from brainmidi.features.rejection import ZoneGate, zones_of
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import BoolArray, FloatArray

#: Power is never taken to be smaller than this, so that silence has a logarithm.
TINY_UV2 = 1e-6
_TOP_HZ = 30.0  # the 1/f background is fitted up to here, whatever the bands


class SpectrumWindow:
    """Averages the spectra of the segments in the window, for many updates at once.

    A segment ends at every update, so that consecutive ones overlap by all but 1/20 s: Welch's estimate with the most
    segments that the updates give. Condemned samples are set to zero and the segment's window energy is corrected for
    them; a segment with too many is left out for that channel, and parts of a spectrum that blinks or muscles have
    taken over are left out too (:class:`ZoneGate`). Each update's arithmetic is its own, so that any grouping of
    updates gives the same numbers, bit for bit.

    Parameters
    ----------
    rate_hz : float
    n_channels : int
    settings : FeatureSettings

    Raises
    ------
    SignalError
        If no band fits under Nyquist.

    References
    ----------
    P. D. Welch, "The use of fast Fourier transform for the estimation of power spectra", IEEE Trans. Audio and
    Electroacoustics 15(2), 1967.
    """

    def __init__(self, rate_hz: float, n_channels: int, settings: FeatureSettings) -> None:
        self.segment = round(settings.segment_s * rate_hz)
        self._taper: FloatArray = np.hanning(self.segment + 1)[:-1, None]
        self._rate_hz = rate_hz
        self._enough = settings.min_good * self.segment
        frequency_hz = fft.rfftfreq(self.segment, 1.0 / rate_hz)
        # A band counts where its upper edge fits with room for the low-pass.
        self.bands = tuple(name for name, (_, high_hz) in settings.bands.items() if high_hz <= 0.47 * rate_hz)
        if not self.bands:
            raise SignalError(
                f"no band of {', '.join(settings.bands)} fits under Nyquist at {rate_hz:g} Hz; record faster or add one"
            )
        top_hz = max(_TOP_HZ, *(settings.bands[name][1] for name in self.bands))
        self.frequency_hz: FloatArray = frequency_hz[frequency_hz < top_hz + 1e-9]
        self._rows = [self._bins(*settings.bands[name]) for name in self.bands]
        self._zones = zones_of(self.frequency_hz)
        self._gate = ZoneGate(self.frequency_hz, n_channels) if settings.reject_zones else None
        self._carried = int((settings.window_s - settings.segment_s) * settings.update_hz + 1e-9)
        n_zones = int(self._zones.max()) + 1
        self._density: FloatArray = np.zeros((self._carried, len(self.frequency_hz), n_channels))
        self._usable: FloatArray = np.zeros((self._carried, n_zones, n_channels))

    def _bins(self, low_hz: float, high_hz: float) -> slice:
        inside = (self.frequency_hz >= low_hz - 1e-9) & (self.frequency_hz < high_hz - 1e-9)
        rows = np.flatnonzero(inside)
        if len(rows) == 0:
            raise SignalError(
                f"band {low_hz:g}..{high_hz:g} Hz is narrower than the {1 / (self.segment / self._rate_hz):g} Hz "
                "resolution of a segment; widen it"
            )
        return slice(int(rows[0]), int(rows[-1]) + 1)

    def add(self, samples: FloatArray, good: BoolArray, stops: NDArray[np.intp]) -> FloatArray:
        """Take in the segments that end at some updates; return the mean density in the window at each.

        Parameters
        ----------
        samples, good : ndarray, shape (n_samples, n_channels)
            Finite samples and their quality.
        stops : ndarray of int, shape (n_updates,)
            Row after the last sample of each update.

        Returns
        -------
        ndarray, shape (n_updates, n_bins, n_channels)
            uV^2/Hz; NaN where a channel has no usable segment.
        """
        density, clean = self._transform(samples, good, stops)
        usable: BoolArray = np.repeat(clean[:, None, :], self._usable.shape[1], axis=1)
        if self._gate is not None:
            usable &= self._gate.judge(density, clean)
        counted = np.concatenate([self._usable, usable])
        if not usable.all():
            density = np.where(usable[:, self._zones, :], density, 0.0)
        masked = np.concatenate([self._density, density])
        n = len(stops)
        # Added one after the other: a sum over an axis may group its terms by the array's shape.
        total, count = masked[:n].copy(), counted[:n].copy()
        for back in range(1, self._carried + 1):
            total += masked[back : back + n]
            count += counted[back : back + n]
        self._density, self._usable = masked[n:], counted[n:]
        if counted.all():  # as nearly always; the same numbers as below
            return total / (self._carried + 1.0)
        count = count[:, self._zones, :]
        return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)

    def remember(self) -> None:
        """Let the newest segment count towards what is usual; once a second."""
        if self._gate is not None:
            self._gate.remember()

    def band_power_db(self, density: FloatArray) -> FloatArray:
        """Return the power in each band in dB re 1 uV^2, shape (n_updates, n_bands, n_channels)."""
        step_hz = self._rate_hz / self.segment
        power = [_sum(density[:, rows]) * step_hz for rows in self._rows]
        return 10.0 * np.log10(np.stack(power, axis=1) + TINY_UV2)

    def _transform(self, samples: FloatArray, good: BoolArray, stops: NDArray[np.intp]) -> tuple[FloatArray, BoolArray]:
        """Return each segment's density, shape (n_updates, n_bins, n_channels), and where it has enough samples."""
        rows = stops[:, None] + np.arange(-self.segment, 0)
        taken = samples[rows]  # (n_updates, segment, n_channels)
        if good[stops[0] - self.segment : stops[-1]].all():
            energy: FloatArray | float = float((self._taper**2).sum())
            clean = np.ones((len(stops), samples.shape[1]), dtype=bool)
            taken -= _sum(taken)[:, None] / float(self.segment)
        else:
            kept = good[rows]
            count = np.count_nonzero(kept, axis=1).astype(np.float64)
            # Where all are good the energy is the very number above, whatever a sum's rounding.
            masked = _sum(kept * self._taper**2)
            energy = np.where(count < self.segment, masked, (self._taper**2).sum())[:, None]
            clean = count >= self._enough
            taken = np.where(kept, taken, 0.0)
            taken -= (_sum(taken) / np.maximum(count, 1.0))[:, None]
            taken *= kept
        taken *= self._taper  # in place: these arrays are as large as a processor's cache
        spectrum = fft.rfft(taken, axis=1)[:, : len(self.frequency_hz)]
        density: FloatArray = spectrum.real**2 + spectrum.imag**2
        density *= 2.0 / (self._rate_hz * np.maximum(energy, 1e-9))
        return density, clean


def _sum(values: FloatArray) -> FloatArray:
    """Return the sum over the middle axis, each channel's terms in one order however many updates there are."""
    total: FloatArray = np.add.reduce(values, axis=1)
    return total

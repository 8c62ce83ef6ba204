"""Log band power on a sliding window: Welch's method with segments anchored to the absolute sample index."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from brainmidi.errors import SignalError
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import BoolArray, FloatArray

_TINY_UV2 = 1e-6


@dataclass(frozen=True, slots=True)
class BandPower:
    """Power in the window.

    Parameters
    ----------
    power_db : ndarray, shape (n_bands, n_channels)
        dB re 1 uV^2; NaN where a channel has no usable segment.
    quality : ndarray, shape (n_channels,)
        Share of good samples in the window, 0..1.
    posterior_db : ndarray, shape (n_bins,)
        Mean log spectrum over the posterior channels, in dB re 1 uV^2/Hz; NaN where there is none.
    """

    power_db: FloatArray
    quality: FloatArray
    posterior_db: FloatArray


class BandPowerWindow:
    """Averages the spectra of the segments in the window; each segment is transformed once.

    A segment ends at every update, so that consecutive ones overlap by all but 1/20 s: Welch's estimate with the most
    segments that the updates give. Condemned samples are set to zero and the segment's window energy is corrected for
    them; a segment with too many is left out for that channel.

    Parameters
    ----------
    rate_hz : float
    n_channels : int
    posterior : tuple of int
        Columns of the posterior channels.
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

    def __init__(self, rate_hz: float, n_channels: int, posterior: tuple[int, ...], settings: FeatureSettings) -> None:
        self.segment = round(settings.segment_s * rate_hz)
        self._taper: FloatArray = np.hanning(self.segment + 1)[:-1, None]
        self._taper_energy: FloatArray = self._taper**2
        self._rate_hz = rate_hz
        self._min_good = settings.min_good
        self._posterior = list(posterior)
        self.frequency_hz: FloatArray = fft.rfftfreq(self.segment, 1.0 / rate_hz)
        # A band counts where its upper edge fits with room for the low-pass.
        self.bands = tuple(name for name, (_, high_hz) in settings.bands.items() if high_hz <= 0.47 * rate_hz)
        self._rows = [self._bins(*settings.bands[name]) for name in self.bands]
        if not self.bands:
            raise SignalError(
                f"no band of {', '.join(settings.bands)} fits under Nyquist at {rate_hz:g} Hz; record faster or add one"
            )
        kept = 1 + int((settings.window_s - settings.segment_s) * settings.update_hz + 1e-9)
        self._powers: deque[FloatArray] = deque(maxlen=kept)
        self._usable: deque[BoolArray] = deque(maxlen=kept)
        self._spectra: deque[FloatArray] = deque(maxlen=kept)
        self._n_channels = n_channels

    def _bins(self, low_hz: float, high_hz: float) -> NDArray[np.intp]:
        rows = np.flatnonzero((self.frequency_hz >= low_hz - 1e-9) & (self.frequency_hz < high_hz - 1e-9))
        if len(rows) == 0:
            raise SignalError(
                f"band {low_hz:g}..{high_hz:g} Hz is narrower than the {1 / (self.segment / self._rate_hz):g} Hz "
                "resolution of a segment; widen it"
            )
        return rows

    def add(self, samples: FloatArray, good: BoolArray) -> None:
        """Take in the segment that ends at this update.

        Parameters
        ----------
        samples, good : ndarray, shape (segment, n_channels)
        """
        count = np.count_nonzero(good, axis=0)
        usable = count >= self._min_good * self.segment
        count = np.maximum(count, 1)
        masked = np.where(good, samples, 0.0)
        centred = np.where(good, masked - masked.sum(axis=0) / count, 0.0) * self._taper
        energy = np.where(good, self._taper_energy, 0.0).sum(axis=0)
        spectrum = fft.rfft(centred, axis=0)
        density: FloatArray = spectrum.real**2 + spectrum.imag**2
        density *= 2.0 / (self._rate_hz * np.maximum(energy, 1e-9))
        step_hz = self._rate_hz / self.segment
        self._powers.append(np.stack([density[rows].sum(axis=0) * step_hz for rows in self._rows]))
        self._usable.append(usable)
        seen = [column for column in self._posterior if usable[column]]
        if seen:
            log_mean = np.log10(density[:, seen] + _TINY_UV2).sum(axis=1) / len(seen)
        else:
            log_mean = np.full(len(density), np.nan)
        self._spectra.append(10.0 * log_mean)

    def estimate(self, good: BoolArray) -> BandPower:
        """Return the power in the window.

        Parameters
        ----------
        good : ndarray of bool, shape (window, n_channels)
            Quality of the window's samples.

        Returns
        -------
        BandPower
        """
        quality = np.count_nonzero(good, axis=0) / len(good)
        usable = np.stack(self._usable)[:, None, :]
        count = usable.sum(axis=0)
        mean = np.where(usable, np.stack(self._powers), 0.0).sum(axis=0) / np.maximum(count, 1)
        power_db = np.where(count > 0, 10.0 * np.log10(mean + _TINY_UV2), np.nan)
        spectra = np.stack(self._spectra)
        seen = np.isfinite(spectra[:, 0])
        n_seen = np.count_nonzero(seen)
        posterior = spectra[seen].sum(axis=0) / n_seen if n_seen else np.full(spectra.shape[1], np.nan)
        return BandPower(power_db, quality, posterior)


class AlphaPeak:
    """How far alpha stands above the 1/f background, in dB.

    The background is a straight line fitted to the log-log spectrum beside the alpha band by least squares; a drop of
    the whole spectrum or a blink's delta moves the line, not the difference.

    Parameters
    ----------
    frequency_hz : ndarray, shape (n_bins,)

    References
    ----------
    T. Donoghue et al., "Parameterizing neural power spectra into periodic and aperiodic components", Nature
    Neuroscience 23, 2020 (the method's first step, with one line and one fixed band).
    """

    def __init__(self, frequency_hz: FloatArray) -> None:
        beside = ((frequency_hz >= 2.0) & (frequency_hz < 7.0)) | ((frequency_hz >= 15.0) & (frequency_hz < 30.0))
        alpha = (frequency_hz >= 8.0) & (frequency_hz < 13.0)
        self._beside, self._alpha = np.flatnonzero(beside), np.flatnonzero(alpha)
        design = np.stack([np.ones(beside.sum()), np.log10(frequency_hz[beside])], axis=1)
        self._inverse: FloatArray = np.linalg.pinv(design)
        self._at: FloatArray = np.log10(frequency_hz[alpha])

    def height_db(self, spectrum_db: FloatArray) -> float:
        """Return the largest height over the line within 8..13 Hz, in dB; `spectrum_db` has shape (n_bins,)."""
        offset, slope = (self._inverse * spectrum_db[self._beside]).sum(axis=1)
        return float(np.max(spectrum_db[self._alpha] - (offset + slope * self._at)))

"""Average spectra of whole phases, by region, with the 1/f background and the alpha peak: for calibration and plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from brainmidi.features.alphapeak import LOWEST_PEAK_DB, AlphaPeak
from brainmidi.features.bandpower import TINY_UV2
from brainmidi.features.regions import region_channels
from brainmidi.types import Chunk, FloatArray

SEGMENT_S = 2.0  # half a hertz apart
_GOOD = 0.95  # share of good samples that a segment needs
_TOP_HZ = 45.0
_FIT_HZ = (2.0, 40.0)


@dataclass(frozen=True, slots=True)
class Background:
    """The 1/f part of a spectrum, and how the alpha peak stands above it.

    Parameters
    ----------
    line_db : ndarray, shape (n_bins,)
        NaN outside the range that was fitted.
    peak_hz, height_db : float or None
        Centre and height of the alpha peak; None where it is lower than 3 dB.
    method : str
        ``"specparam"`` or ``"least squares"``.
    """

    line_db: FloatArray
    peak_hz: float | None
    height_db: float | None
    method: str


@dataclass(frozen=True, slots=True)
class Spectra:
    """Mean power density of each channel in each phase.

    Parameters
    ----------
    names : tuple of str
        Of the channels.
    frequency_hz : ndarray, shape (n_bins,)
    density : mapping of str to ndarray, shape (n_bins, n_channels)
        By phase, uV^2/Hz; NaN where a channel was never good for long enough.
    """

    names: tuple[str, ...]
    frequency_hz: FloatArray
    density: Mapping[str, FloatArray]

    def region_db(self, phase: str, region: str) -> FloatArray | None:
        """Return the mean log spectrum of a region's channels, shape (n_bins,), in dB; None where there is none."""
        columns = list(region_channels(self.names).get(region, ()))
        spectra = 10.0 * np.log10(self.density[phase][:, columns] + TINY_UV2)
        kept = np.isfinite(spectra).all(axis=0)
        return spectra[:, kept].mean(axis=1) if kept.any() else None


def phase_spectra(chunks: Sequence[Chunk], spans: Sequence[Sequence[tuple[str, float, float]]]) -> Spectra:
    """Return the average spectra of phases.

    Welch's method with Hann windows of 2 s that overlap by half; a segment counts for a channel that is good for 95 %
    of it.

    Parameters
    ----------
    chunks : sequence of Chunk
        Conditioned recordings of one montage.
    spans : sequence of sequence of (str, float, float)
        For each recording: phase, first and last second.
    """
    montage = chunks[0].montage
    segment = round(SEGMENT_S * montage.rate_hz)
    taper = np.hanning(segment + 1)[:-1, None]
    frequency_hz = fft.rfftfreq(segment, 1.0 / montage.rate_hz)
    kept = frequency_hz <= min(_TOP_HZ, 0.47 * montage.rate_hz)
    total: dict[str, FloatArray] = {}
    count: dict[str, FloatArray] = {}
    for chunk, runs in zip(chunks, spans, strict=True):
        assert chunk.good is not None  # Chunk fills it at birth; this tells the type checker so
        for phase, start_s, stop_s in runs:
            first, last = np.searchsorted(chunk.time_s, [start_s, stop_s])
            for at in range(int(first), int(last) - segment + 1, segment // 2):
                rows = slice(at, at + segment)
                usable = chunk.good[rows].mean(axis=0) >= _GOOD
                samples = chunk.samples_uv[rows] - chunk.samples_uv[rows].mean(axis=0)
                density = np.abs(fft.rfft(samples * taper, axis=0)[kept]) ** 2
                density *= 2.0 / (montage.rate_hz * np.sum(taper**2))
                total[phase] = total.get(phase, 0.0) + np.where(usable, density, 0.0)
                count[phase] = count.get(phase, 0.0) + usable.astype(np.float64)
    density = {
        phase: np.where(count[phase] > 0, total[phase] / np.maximum(count[phase], 1.0), np.nan) for phase in total
    }
    return Spectra(montage.names, frequency_hz[kept], density)


def background(frequency_hz: FloatArray, spectrum_db: FloatArray) -> Background:
    """Return the 1/f background and alpha peak of one spectrum, by specparam where it is installed, else by a line.

    Parameters
    ----------
    frequency_hz, spectrum_db : ndarray, shape (n_bins,)

    References
    ----------
    T. Donoghue et al., "Parameterizing neural power spectra into periodic and aperiodic components", Nature
    Neuroscience 23, 2020.
    """
    fitted = (frequency_hz >= _FIT_HZ[0]) & (frequency_hz <= _FIT_HZ[1])
    line: FloatArray = np.full(len(frequency_hz), np.nan)
    try:
        from specparam import SpectralModel
    except ImportError:
        peak = AlphaPeak(frequency_hz)
        height_db, peak_hz = (float(found[0]) for found in peak.measure(spectrum_db[:, None]))
        around = (frequency_hz >= 7.0 - 1e-9) & (frequency_hz < 14.0 - 1e-9)
        slope, offset = np.polyfit(np.log10(frequency_hz[around]), peak.background_db(spectrum_db[:, None])[:, 0], 1)
        line[fitted] = offset + slope * np.log10(frequency_hz[fitted])
        clear = height_db >= LOWEST_PEAK_DB
        return Background(line, peak_hz if clear else None, height_db if clear else None, "least squares")
    model = SpectralModel(peak_width_limits=(1.0, 8.0), max_n_peaks=6, min_peak_height=0.1, verbose=False)
    model.fit(frequency_hz, 10.0 ** (spectrum_db / 10.0), list(_FIT_HZ))
    offset, exponent = model.get_params("aperiodic")
    line[fitted] = 10.0 * (offset - exponent * np.log10(frequency_hz[fitted]))
    peaks = np.reshape(model.get_params("peak"), (-1, 3))  # centre (Hz), height (log10), width; NaN where there is none
    alpha = [(10.0 * height, centre) for centre, height, _ in peaks if 7.0 <= centre <= 13.0]
    height_db, peak_hz = max(alpha, default=(0.0, 0.0))
    clear = height_db >= LOWEST_PEAK_DB
    return Background(line, float(peak_hz) if clear else None, float(height_db) if clear else None, "specparam")

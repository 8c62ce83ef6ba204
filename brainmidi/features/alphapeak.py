"""The alpha rhythm above the 1/f background: how high it stands, and at which frequency."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from brainmidi.types import FloatArray

_ALPHA_HZ = (8.0, 13.0)
_GRAVITY_HZ = (7.0, 14.0)
_BESIDE_HZ = ((2.0, 7.0), (15.0, 30.0))
#: With a lower peak than this there is no rhythm whose frequency could be told, in dB.
LOWEST_PEAK_DB = 3.0


class AlphaPeak:
    """Fits a straight line to log-log spectra beside the alpha band by least squares, all channels at once.

    With spectrum ``S(f)`` in dB the background is ``B(f) = a + b log10 f``, fitted over 2..7 and 15..30 Hz. The
    *height* is the largest ``S(f) - B(f)`` within 8..13 Hz: a drop of the whole spectrum or a blink's delta moves the
    line, not the difference. The *individual alpha frequency* is the centre of gravity ``sum f P(f) / sum P(f)`` over
    7..14 Hz of what stands above the background, ``P(f) = max(0, 10^(S/10) - 10^(B/10))``.

    Parameters
    ----------
    frequency_hz : ndarray, shape (n_bins,)

    References
    ----------
    T. Donoghue et al., "Parameterizing neural power spectra into periodic and aperiodic components", Nature
    Neuroscience 23, 2020 (the method's first step, with one line and one fixed band). W. Klimesch, "EEG alpha and theta
    oscillations reflect cognitive and memory performance: a review and analysis", Brain Research Reviews 29, 1999, and
    A. W. Corcoran et al., "Toward a reliable, automated method of individual alpha frequency (IAF) quantification",
    Psychophysiology 55, 2018 (centre of gravity).
    """

    def __init__(self, frequency_hz: FloatArray) -> None:
        def within(low_hz: float, high_hz: float) -> NDArray[np.intp]:
            return np.flatnonzero((frequency_hz >= low_hz - 1e-9) & (frequency_hz < high_hz - 1e-9))

        self._beside = np.concatenate([within(*edges) for edges in _BESIDE_HZ])
        self._gravity = within(*_GRAVITY_HZ)
        self._alpha = np.isin(self._gravity, within(*_ALPHA_HZ))
        self._gravity_hz: FloatArray = frequency_hz[self._gravity, None]
        design = np.stack([np.ones(len(self._beside)), np.log10(frequency_hz[self._beside])], axis=1)
        at = np.stack([np.ones(len(self._gravity)), np.log10(frequency_hz[self._gravity])], axis=1)
        # One product gives the line at every bin of interest from the bins beside them.
        self._line: FloatArray = at @ np.linalg.pinv(design)

    def background_db(self, spectrum_db: FloatArray) -> FloatArray:
        """Return the line over 7..14 Hz; `spectrum_db` has shape (..., n_bins, n_columns)."""
        line: FloatArray = self._line @ spectrum_db[..., self._beside, :]
        return line

    def measure(self, spectrum_db: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return height and frequency of the alpha peak.

        Parameters
        ----------
        spectrum_db : ndarray, shape (..., n_bins, n_columns)
            Spectra in dB, a channel or region in each column.

        Returns
        -------
        height_db : ndarray, shape (..., n_columns)
        frequency_hz : ndarray, shape (..., n_columns)
            NaN where the peak is lower than 3 dB.
        """
        line_db, seen_db = self.background_db(spectrum_db), spectrum_db[..., self._gravity, :]
        height_db = np.max((seen_db - line_db)[..., self._alpha, :], axis=-2)
        above = np.maximum(10.0 ** (seen_db / 10.0) - 10.0 ** (line_db / 10.0), 0.0)
        with np.errstate(invalid="ignore", divide="ignore"):
            centre_hz = (above * self._gravity_hz).sum(axis=-2) / above.sum(axis=-2)
            frequency_hz = np.where(height_db >= LOWEST_PEAK_DB, centre_hz, np.nan)
        return height_db, frequency_hz

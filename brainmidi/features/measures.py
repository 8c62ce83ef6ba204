"""From spectra to numbers with names: band power by channel and region, alpha's peak, engagement, asymmetry."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainmidi.features.alphapeak import AlphaPeak
from brainmidi.features.bandpower import TINY_UV2
from brainmidi.features.regions import region_channels, region_of
from brainmidi.types import BoolArray, FloatArray

#: Homologous frontal electrodes, right and left.
FRONTAL_PAIRS: tuple[tuple[str, str], ...] = (
    ("F4", "F3"),
    ("AF4", "AF3"),
    ("AF8", "AF7"),
    ("F8", "F7"),
    ("F6", "F5"),
    ("F2", "F1"),
    ("Fp2", "Fp1"),
)


class Measures:
    """Computes every feature that a montage has, for many updates at once.

    ==================== ===========================================================================================
    ``alpha``            band power in dB, mean over the good channels; so for every band
    ``alpha.occipital``  the same over a region
    ``alpha.O1``         the same of one channel
    ``alpha.peak``       height of the posterior alpha peak above the 1/f background in dB (:class:`AlphaPeak`)
    ``alpha.peak.<region>``  the same over a region
    ``alpha.frequency``  individual alpha frequency, posterior, in Hz (:class:`AlphaPeak`)
    ``engagement``       ``10 log10(beta / (alpha + theta))`` over central and parietal channels, else over all [1]_;
                         each power is the geometric mean over the channels (their mean in dB), so that a loud one does
                         not take it over, where Pope's index sums them
    ``asymmetry.frontal``  alpha right minus alpha left in dB, mean over the homologous pairs F4/F3, AF4/AF3, AF8/AF7,
                         F8/F7, F6/F5, F2/F1 and Fp2/Fp1 that are good: Davidson's ``ln R - ln L`` times 4.34, positive
                         where the *left* side is the more active [2]_
    ==================== ===========================================================================================

    A feature that cannot be computed now is NaN.

    Parameters
    ----------
    names : sequence of str
        Of the channels.
    bands : sequence of str
    frequency_hz : ndarray, shape (n_bins,)
        Of the densities that will come.

    References
    ----------
    .. [1] A. T. Pope, E. H. Bogart, D. S. Bartolome, "Biocybernetic system evaluates indices of operator engagement in
       automated task", Biological Psychology 40, 1995 (sites Cz, Pz, P3, P4).
    .. [2] R. J. Davidson, "What does the prefrontal cortex 'do' in affect: perspectives on frontal EEG asymmetry
       research", Biological Psychology 67, 2004.
    """

    def __init__(self, names: Sequence[str], bands: Sequence[str], frequency_hz: FloatArray) -> None:
        regions = region_channels(names)
        columns = np.arange(len(names))
        # The whole head first, under the band's bare name.
        groups: list[list[int]] = [list(range(len(names))), *map(list, regions.values())]
        pope = [name for name in names if region_of(name) in ("central", "parietal")]
        self._masks: FloatArray = np.array([np.isin(columns, group) for group in groups], dtype=np.float64)
        self._pope: FloatArray = np.array([[float(name in (pope or names)) for name in names]])
        self._bands = tuple(bands)
        self._pairs = [
            (names.index(right), names.index(left)) for right, left in FRONTAL_PAIRS if right in names and left in names
        ]
        self._peak = AlphaPeak(frequency_hz)
        self._regions = tuple(regions)
        suffixes = ("", *(f".{region}" for region in regions), *(f".{name}" for name in names))
        labels = [band + suffix for band in bands for suffix in suffixes]
        labels += ["alpha.peak", *(f"alpha.peak.{region}" for region in regions), "alpha.frequency"]
        self.labels: tuple[str, ...] = (*labels, "engagement", "asymmetry.frontal")

    def take(self, power_db: FloatArray, density: FloatArray, passed: BoolArray) -> FloatArray:
        """Return every feature of every update.

        Parameters
        ----------
        power_db : ndarray, shape (n_updates, n_bands, n_channels)
            NaN where it is not to be used.
        density : ndarray, shape (n_updates, n_bins, n_channels)
            uV^2/Hz.
        passed : ndarray of bool, shape (n_updates, n_channels)
            Channels that are good enough.

        Returns
        -------
        ndarray, shape (n_updates, n_labels)
            In the order of `labels`; NaN where a feature cannot be computed.
        """
        n = len(power_db)
        regional = _mean(power_db, self._masks)  # (n_updates, n_bands, 1 + n_regions)
        banded = np.concatenate([regional, power_db], axis=2).reshape(n, -1)
        spectrum_db = 10.0 * np.log10(density + TINY_UV2)
        spectrum_db = _mean(np.where(passed[:, None, :], spectrum_db, np.nan), self._masks[1:])
        height_db, frequency_hz = self._peak.measure(spectrum_db)
        posterior = self._regions.index("posterior")
        peaks = np.concatenate(
            [height_db[:, [posterior]], height_db, frequency_hz[:, [posterior]]],
            axis=1,
        )
        rest = np.stack([self._engagement(power_db), self._asymmetry(power_db)], axis=1)
        return np.concatenate([banded, peaks, rest], axis=1)

    def _engagement(self, power_db: FloatArray) -> FloatArray:
        if not {"theta", "alpha", "beta"} <= set(self._bands):
            return np.full(len(power_db), np.nan)
        rows = [self._bands.index(band) for band in ("theta", "alpha", "beta")]
        theta, alpha, beta = (_mean(power_db[:, [row]], self._pope)[:, 0, 0] for row in rows)
        return beta - 10.0 * np.log10(10.0 ** (alpha / 10.0) + 10.0 ** (theta / 10.0))

    def _asymmetry(self, power_db: FloatArray) -> FloatArray:
        if "alpha" not in self._bands or not self._pairs:
            return np.full(len(power_db), np.nan)
        alpha = power_db[:, self._bands.index("alpha")]
        differences = np.stack([alpha[:, right] - alpha[:, left] for right, left in self._pairs], axis=1)
        return _mean(differences[:, None], np.ones((1, len(self._pairs))))[:, 0, 0]


def _mean(values: FloatArray, masks: FloatArray) -> FloatArray:
    """Return the mean of the finite values under each mask.

    Parameters
    ----------
    values : ndarray, shape (n_updates, n_rows, n_channels)
    masks : ndarray, shape (n_masks, n_channels)
        One and zero.

    Returns
    -------
    ndarray, shape (n_updates, n_rows, n_masks)
        NaN where there is none.
    """
    known = np.isfinite(values)
    # Stacked products: one of the same shape for each update, however many there are.
    total = np.where(known, values, 0.0) @ masks.T
    count = known.astype(np.float64) @ masks.T
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)

"""The ERP classifier: how much a single epoch looks like the response to a target, from plain numbers."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from itertools import pairwise
from statistics import median
from typing import Any

import numpy as np

from brainmidi.errors import SignalError
from brainmidi.features.epochs import Epoch
from brainmidi.features.settings import ErpSettings
from brainmidi.types import BoolArray, FloatArray, Montage

_FORMAT, _VERSION = "brainmidi-erp-classifier", 1
#: A classifier is used where its cross-validated AUC reaches this and its 95 % interval lies above chance.
AUC_FLOOR = 0.65
# Single trials of consumer headsets reach 0.70 to 0.80; below 0.65 even the mean of five trials is wrong every fourth
# time (d' of 0.54 for one, 1.2 for five).
_OLD_S, _OLD_GAPS = 10.0, 3.0  # after so many seconds, and gaps between targets, the last one is old
_GAPS = 5  # that many of the newest tell how long those are
_LEAST_SPREAD = 1e-9  # scores are of the order of 1, and its square divides
_ARRAYS = ("filters", "prototypes", "whitening", "weights")


@dataclass(frozen=True, slots=True, eq=False)
class ErpClassifier:
    """xDAWN covariances, tangent space and linear discriminant analysis, as arrays.

    Parameters
    ----------
    channels : tuple of str
        Channels looked at, in order.
    rate_hz : float
        Sampling rate it was fitted at.
    low_pass_hz : float
        Corner of the causal low-pass before it.
    length_s : float
        Length of the epoch, from the stimulus on.
    step : int
        Every how many samples are looked at.
    rereferenced : bool
        Whether the mean of `channels` is subtracted and the last channel, which then tells nothing new, is left out.
    reject_uv : float
        An epoch that spans more in one of its channels is not scored.
    filters : ndarray, shape (n_filters, n_inputs)
        xDAWN's spatial filters, of non-targets and of targets.
    prototypes : ndarray, shape (n_filters, n_times)
        The average responses behind them.
    whitening : ndarray, shape (2 n_filters, 2 n_filters)
        Inverse square root of the reference matrix, where the tangent space touches.
    weights : ndarray, shape (2 n_filters, 2 n_filters)
        What the discriminant makes of each entry of the matrix logarithm.
    bias : float
    auc, auc_low, auc_high : float
        Of single trials by blocked cross-validation, with its 95 % interval.
    target_mean, nontarget_mean, spread : float
        Means and common standard deviation of the cross-validated scores.
    n_target, n_nontarget, n_rejected : int
        Epochs it was fitted on, and those left out.
    latency_s : float
        How late markers were stamped when it was fitted; at another place in the epoch it knows nothing.

    References
    ----------
    B. Rivet et al., "xDAWN algorithm to enhance evoked potentials: application to brain-computer interface", IEEE
    Trans. Biomedical Engineering 56(8), 2009. A. Barachant & M. Congedo, "A plug&play P300 BCI using information
    geometry", arXiv:1409.0107, 2014. Y. Chen et al., "Shrinkage algorithms for MMSE covariance estimation", IEEE Trans.
    Signal Processing 58(10), 2010 (OAS, the covariances).
    """

    channels: tuple[str, ...]
    rate_hz: float
    low_pass_hz: float
    length_s: float
    step: int
    rereferenced: bool
    reject_uv: float
    filters: FloatArray
    prototypes: FloatArray
    whitening: FloatArray
    weights: FloatArray
    bias: float
    auc: float
    auc_low: float
    auc_high: float
    target_mean: float
    nontarget_mean: float
    spread: float
    n_target: int
    n_nontarget: int
    n_rejected: int
    latency_s: float = 0.0

    @property
    def refusal(self) -> str | None:
        """Why its scores must not steer anything, in words; None where they may."""
        if self.auc < AUC_FLOOR:
            return f"its AUC {self.auc:.2f} is below {AUC_FLOOR:.2f}"
        if self.auc_low <= 0.5:
            return f"its AUC {self.auc:.2f} may be chance (95 % interval {self.auc_low:.2f}..{self.auc_high:.2f})"
        return None

    def misfit(self, montage: Montage) -> str | None:
        """Why it does not fit a montage, in words; None where it does."""
        absent = [name for name in self.channels if name not in montage.names]
        if absent:
            return f"it was fitted with {', '.join(absent)}, which the source lacks"
        if not math.isclose(self.rate_hz, montage.rate_hz, rel_tol=1e-3):
            return f"it was fitted at {self.rate_hz:g} Hz, the source has {montage.rate_hz:g} Hz"
        return None

    def score(self, trial_uv: FloatArray) -> float:
        """Return the discriminant's value: the larger, the more like the response to a target.

        Parameters
        ----------
        trial_uv : ndarray, shape (n_inputs, n_times)
            As :func:`trial_of` gives it.
        """
        both = np.concatenate([self.prototypes, self.filters @ trial_uv])
        covariance = oas(both)
        values, vectors = np.linalg.eigh(self.whitening @ covariance @ self.whitening)
        logarithm = (vectors * np.log(values)) @ vectors.T
        return float(np.sum(self.weights * logarithm)) + self.bias

    def log_odds(self, score: float) -> float:
        """Return the log odds that a score is of the response to a target and not to a non-target.

        Both are taken for normal with the cross-validated means and spread, and for equally likely beforehand.
        """
        apart = self.target_mean - self.nontarget_mean
        return apart / self.spread**2 * (score - 0.5 * (self.target_mean + self.nontarget_mean))

    def document(self) -> dict[str, Any]:
        """Return the classifier as plain JSON."""
        document: dict[str, Any] = {"format": _FORMAT, "version": _VERSION}
        for field in fields(self):
            value = getattr(self, field.name)
            document[field.name] = value.tolist() if field.name in _ARRAYS else value
        document["channels"] = list(self.channels)
        return document

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> ErpClassifier:
        """Return the classifier that a document describes.

        Raises
        ------
        SignalError
            If it is no such document, of another version, or its numbers do not fit together.
        """
        kind, version = document.get("format"), document.get("version")
        if kind != _FORMAT or version != _VERSION:
            raise SignalError(
                f"ERP classifier has format {kind!r} version {version!r}, {_FORMAT!r} version {_VERSION} is needed; "
                "run brainmidi calibrate again"
            )
        try:
            given = {field.name: document[field.name] for field in fields(cls) if field.default is MISSING}
            given |= {field.name: document[field.name] for field in fields(cls) if field.name in document}
            for name in _ARRAYS:
                given[name] = np.array(given[name], dtype=np.float64)
            given["channels"] = tuple(given["channels"])
            classifier = cls(**given)
            classifier._check()
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise SignalError(f"ERP classifier is damaged ({error}); run brainmidi calibrate again") from None
        return classifier

    def _check(self) -> None:
        n_filters, n_inputs = self.filters.shape
        sizes = (self.prototypes.shape[0], *self.whitening.shape, *self.weights.shape)
        if sizes != (n_filters, *[2 * n_filters] * 4) or n_inputs != len(self.channels) - self.rereferenced:
            raise ValueError(f"shapes {sizes} do not fit {n_filters} filters of {len(self.channels)} channels")
        numbers = [getattr(self, field.name) for field in fields(self) if field.name != "channels"]
        if not all(np.isfinite(number).all() for number in numbers):
            raise ValueError("a number in it is not finite")
        if not self.spread >= _LEAST_SPREAD:
            raise ValueError(f"the spread {self.spread:g} of its scores is too small")
        if not (isinstance(self.step, int) and self.step >= 1 and self.length_s > 0 and self.rate_hz > 0):
            raise ValueError(f"every {self.step} samples of {self.length_s} s at {self.rate_hz} Hz are none")
        if self.prototypes.shape[1] != n_times(self.rate_hz, self.length_s, self.step):
            raise ValueError(f"{self.prototypes.shape[1]} times do not fit {self.length_s} s at {self.rate_hz} Hz")


def n_times(rate_hz: float, length_s: float, step: int) -> int:
    """Return how many samples of an epoch are looked at."""
    return -(-round(length_s * rate_hz) // step)


def trial_of(
    epoch: Epoch, before: int, columns: Sequence[int], n_samples: int, step: int, rereferenced: bool
) -> FloatArray:
    """Return what the classifier looks at, shape (n_inputs, n_times).

    Parameters
    ----------
    epoch : Epoch
    before : int
        Its samples before the stimulus.
    columns : sequence of int
        Channels looked at.
    n_samples, step : int
        Samples from the stimulus on, and every how many of them.
    rereferenced : bool
        See :class:`ErpClassifier`.
    """
    trial = epoch.slow_uv[before : before + n_samples : step, columns].T
    if rereferenced:
        trial = (trial - trial.mean(axis=0))[:-1]
    return trial


def clean(epoch: Epoch, before: int, n_samples: int, reject_uv: float) -> BoolArray:
    """Return which channels of an epoch can be used, shape (n_channels,)."""
    rows = slice(before, before + n_samples)
    kept: BoolArray = epoch.good[rows].all(axis=0) & (np.ptp(epoch.samples_uv[rows], axis=0) <= reject_uv)
    return kept


class ErpScorer:
    """Scores epochs as they come, and says what the last few targets amount to.

    Parameters
    ----------
    classifier : ErpClassifier
    montage : Montage
    settings : ErpSettings
    before : int
        Samples of an epoch before the stimulus.

    Raises
    ------
    SignalError
        If the classifier does not fit the montage or the epochs.
    """

    def __init__(self, classifier: ErpClassifier, montage: Montage, settings: ErpSettings, before: int) -> None:
        misfit = classifier.misfit(montage)
        if misfit is None and settings.epoch_s[1] < classifier.length_s - 1e-9:
            misfit = f"it looks at {classifier.length_s:g} s, [erp] epoch_s ends at {settings.epoch_s[1]:g} s"
        if misfit is None and not math.isclose(classifier.latency_s, settings.latency_s, abs_tol=1e-6):
            misfit = f"it was fitted with [erp] latency_s = {classifier.latency_s:g}, now it is {settings.latency_s:g}"
        if misfit is not None:
            raise SignalError(f"the ERP classifier does not fit: {misfit}; calibrate again with these settings")
        self._classifier = classifier
        self._columns = [montage.names.index(name) for name in classifier.channels]
        self._settings = settings
        self._before = before
        self._n_samples = round(classifier.length_s * classifier.rate_hz)
        self._recent: list[float] = []
        self._targets_s: deque[float] = deque(maxlen=_GAPS + 1)  # when the newest targets came

    def add(self, epoch: Epoch) -> float | None:
        """Return the log odds of one epoch; None where it was rejected."""
        classifier, target = self._classifier, epoch.label in self._settings.target
        if target:
            if self._stale(epoch.time_s):  # stimuli begin again: what was answered before says nothing
                self._recent = []
                self._targets_s.clear()
            self._targets_s.append(epoch.time_s)
        if not clean(epoch, self._before, self._n_samples, classifier.reject_uv)[self._columns].all():
            return None
        layout = (self._before, self._columns, self._n_samples, classifier.step, classifier.rereferenced)
        log_odds = classifier.log_odds(classifier.score(trial_of(epoch, *layout)))
        if target:
            self._recent = [*self._recent, log_odds][-self._settings.score_n :]
        return log_odds

    def belief(self, now_s: float) -> float | None:
        """Return how probable it is, 0..1, that the last `score_n` targets were answered as targets, each on its own.

        None before there are so many, where the classifier is refused, and once targets have stopped: after 10 s, or
        three times what lay between the last few, whichever is longer.

        Parameters
        ----------
        now_s : float
            Sample time.
        """
        few = len(self._recent) < self._settings.score_n
        if few or self._classifier.refusal is not None or self._stale(now_s):
            return None
        log_odds = min(max(sum(self._recent), -700.0), 700.0)
        return 1.0 / (1.0 + math.exp(-log_odds))

    def _stale(self, now_s: float) -> bool:
        if not self._targets_s:
            return False
        usual_s = [later - earlier for earlier, later in pairwise(self._targets_s)]
        return now_s - self._targets_s[-1] > max(_OLD_S, _OLD_GAPS * median(usual_s or [0.0]))


def oas(signals: FloatArray) -> FloatArray:
    """Return the oracle approximating shrinkage estimate of covariances.

    Parameters
    ----------
    signals : ndarray, shape (..., n_rows, n_times)

    Returns
    -------
    ndarray, shape (..., n_rows, n_rows)

    References
    ----------
    Y. Chen et al. 2010, see :class:`ErpClassifier`; equation 23 with scikit-learn's reading of it.
    """
    n_rows, count = signals.shape[-2:]
    centred = signals - signals.mean(axis=-1, keepdims=True)
    covariance = centred @ np.swapaxes(centred, -1, -2) / count
    mu = np.trace(covariance, axis1=-2, axis2=-1)[..., None, None] / n_rows
    power = np.mean(covariance**2, axis=(-2, -1), keepdims=True)
    over = (count + 1.0) * (power - mu**2 / n_rows)
    shrinkage = np.where(over == 0, 1.0, np.minimum((power + mu**2) / np.where(over == 0, 1.0, over), 1.0))
    shrunk: FloatArray = (1.0 - shrinkage) * covariance + shrinkage * mu * np.eye(n_rows)
    return shrunk

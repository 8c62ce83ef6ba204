"""What is taken from the signal, and how."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from brainmidi.errors import SignalError
from brainmidi.features.regions import REGIONS, looks_like_electrode

DEFAULT_BANDS: Mapping[str, tuple[float, float]] = MappingProxyType(
    {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}
)


@dataclass(frozen=True, slots=True)
class ErpSettings:
    """How the event-related potential is found.

    Parameters
    ----------
    target, nontarget : frozenset of str
        Marker labels of either class; those of the engine's own notes begin with ``oddball.``.
    epoch_s : (float, float)
        Epoch around the marker in seconds; what lies before 0 is the baseline.
    response_s : (float, float)
        Window after the marker whose mean amplitude is the response.
    average_n : int
        How many of the last targets are averaged (and four times as many non-targets).
    min_n : int
        Fewer targets than this give no estimate.
    score_n : int
        How many of the last targets the calibrated classifier's score is taken over.
    channels : tuple of str
        Channels looked at; empty for the parietal, occipital, central and temporal ones where the montage has at least
        four of them, else all.
    polarity : str
        ``"either"``, ``"positive"`` or ``"negative"``: the P300 is not positive at every electrode.
    reject_uv : float
        An epoch is left out, channel by channel, if it spans more than this.
    latency_s : float
        How late the device stamps its markers; subtracted from every marker's time.
    """

    target: frozenset[str] = frozenset({"target", "2", "oddball.target"})
    nontarget: frozenset[str] = frozenset({"nontarget", "1", "oddball.nontarget"})
    epoch_s: tuple[float, float] = (-0.2, 0.8)
    response_s: tuple[float, float] = (0.25, 0.5)
    average_n: int = 12
    min_n: int = 4
    score_n: int = 5
    channels: tuple[str, ...] = ()
    polarity: str = "either"
    reject_uv: float = 150.0
    latency_s: float = 0.0

    def __post_init__(self) -> None:
        (start_s, stop_s), (first_s, last_s) = self.epoch_s, self.response_s
        if not start_s < 0 <= first_s < last_s <= stop_s:
            raise SignalError(
                f"ERP epoch {self.epoch_s} s and response window {self.response_s} s do not fit, epoch start < 0 <= "
                "response start < response end <= epoch end is needed; correct [erp]"
            )
        if not 2 <= self.min_n <= self.average_n:
            raise SignalError(
                f"ERP averages {self.min_n} to {self.average_n} targets, 2 <= min_n <= average_n is needed; see [erp]"
            )
        if self.polarity not in ("either", "positive", "negative"):
            raise SignalError(
                f"ERP polarity {self.polarity!r} is unknown, either, positive and negative are allowed; correct [erp]"
            )
        if self.target & self.nontarget:
            raise SignalError(
                f"marker labels {sorted(self.target & self.nontarget)} are both target and non-target; correct [erp]"
            )


@dataclass(frozen=True, slots=True)
class FeatureSettings:
    """What is taken from the signal.

    Parameters
    ----------
    window_s : float
        Length of the sliding window in seconds, at least that of a segment.
    segment_s : float
        Length of the segments averaged in it, in seconds.
    update_hz : float
        Frames per second of sample time.
    bands : mapping of str to (float, float)
        Lower (included) and upper (excluded) edge in Hz.
    min_good : float
        Share of good samples that a channel needs in the window, and in a segment, to count.
    reject_zones : bool
        Whether the slow and the fast part of a spectrum are left out while eyes or muscles have taken them over.
    erp : ErpSettings
    """

    window_s: float = 2.0
    segment_s: float = 1.0
    update_hz: float = 20.0
    bands: Mapping[str, tuple[float, float]] = field(default_factory=lambda: DEFAULT_BANDS)
    min_good: float = 0.6
    reject_zones: bool = True
    erp: ErpSettings = field(default_factory=ErpSettings)

    def __post_init__(self) -> None:
        if not 0 < self.segment_s <= self.window_s:
            raise SignalError(
                f"window {self.window_s} s is shorter than its {self.segment_s} s segments; make it 1 s or longer"
            )
        if not 1.0 <= self.update_hz <= 100.0:
            raise SignalError(f"update rate {self.update_hz} Hz is outside 1..100; 20 is usual")
        if not 0 < self.min_good <= 1:
            raise SignalError(f"share of good samples {self.min_good} is outside 0..1; 0.6 is usual")
        for name, (low_hz, high_hz) in self.bands.items():
            if not 0 < low_hz < high_hz:
                raise SignalError(f"band {name} {low_hz}..{high_hz} Hz is not in order; give 0 < lower < upper edge")

    def unprotected(self) -> FeatureSettings:
        """Return the same without any rejection, to measure what it is good for."""
        return replace(self, reject_zones=False)


def feature_names(settings: FeatureSettings | None = None, electrodes: Sequence[str] | None = None) -> tuple[str, ...]:
    """Return the name of every feature that a frame may carry, for the validation of ``session.toml``.

    Parameters
    ----------
    settings : FeatureSettings, optional
    electrodes : sequence of str, optional
        The channels, where they are known: each gives a feature per band.

    Returns
    -------
    tuple of str
        ``"alpha"``, ``"alpha.occipital"``, ..., ``"alpha.peak"``, ``"alpha.peak.occipital"``, ...,
        ``"alpha.frequency"``, ``"engagement"``, ``"asymmetry.frontal"``, ``"erp.target"``, ``"erp.amplitude"``,
        ``"erp.confidence"``, and with `electrodes` ``"alpha.O1"``, ...
    """
    bands = (FeatureSettings() if settings is None else settings).bands
    names = [name for band in bands for name in (band, *(f"{band}.{region}" for region in REGIONS))]
    names += ["alpha.peak", *(f"alpha.peak.{region}" for region in REGIONS), "alpha.frequency"]
    names += ["engagement", "asymmetry.frontal", "erp.target", "erp.amplitude", "erp.confidence"]
    return (*names, *(f"{band}.{electrode}" for band in bands for electrode in electrodes or ()))


def electrode_of(feature: str, settings: FeatureSettings) -> str | None:
    """Return the electrode of a feature such as ``"alpha.O1"``; None if it is a band's of no electrode."""
    band, _, electrode = feature.partition(".")
    return electrode if band in settings.bands and looks_like_electrode(electrode) else None

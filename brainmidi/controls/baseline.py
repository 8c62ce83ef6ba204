"""What rest looks like: median and spread of every feature, kept as versioned JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from brainmidi.errors import ControlError
from brainmidi.types import FeatureFrame

FORMAT = "brainmidi-baseline"
VERSION = 1
MIN_FRAMES = 20  # one second

#: Features that begin so come from events, which rest has none of; no baseline holds them.
UNRESTING = "erp."

#: Spread is never taken to be smaller than this: a still minute must not make a knob nervous.
SPREAD_FLOOR = 1.0  # dB
_FLOORS = {"frequency": 0.25}  # Hz
_MAD_TO_SIGMA = 1.4826  # for a normal distribution


@dataclass(frozen=True, slots=True)
class FeatureRest:
    """One feature at rest: its `median` and median absolute deviation `mad`, in the feature's unit.

    `floor` is the smallest spread that is believed; :func:`spread_floor` knows it by the feature's name.
    """

    median: float
    mad: float
    floor: float = SPREAD_FLOOR

    @property
    def spread(self) -> float:
        """What one robust z is, in the feature's unit."""
        return max(_MAD_TO_SIGMA * self.mad, self.floor)

    def z(self, value: float) -> float:
        """Return `value` in robust standard deviations from rest."""
        return (value - self.median) / self.spread


def spread_floor(feature: str) -> float:
    """Return the smallest spread that is believed of `feature`, in its unit: all but frequencies are in decibels."""
    return next((floor for part, floor in _FLOORS.items() if part in feature.split(".")), SPREAD_FLOOR)


@dataclass(frozen=True, slots=True)
class Baseline:
    """A rest baseline.

    Parameters
    ----------
    features : mapping of str to FeatureRest
        By feature name.
    n_frames : int
        Frames it was fitted on.
    source : str
        What was recorded.
    created_by : str
        Program or command that made it.
    """

    features: Mapping[str, FeatureRest]
    n_frames: int
    source: str = ""
    created_by: str = "brainmidi"

    def __post_init__(self) -> None:
        object.__setattr__(self, "features", MappingProxyType(dict(self.features)))

    def save(self, path: Path) -> None:
        """Write the baseline as JSON to `path`."""
        document = {
            "format": FORMAT,
            "version": VERSION,
            "created_by": self.created_by,
            "source": self.source,
            **self.document(),
        }
        try:
            path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        except OSError as error:
            raise ControlError(f"baseline {path} cannot be written ({error.strerror}); choose another place") from error

    def document(self) -> dict[str, Any]:
        """Return the numbers as JSON has them, for this file or for one that they are a part of."""
        features = sorted(self.features.items())
        return {
            "n_frames": self.n_frames,
            "features": {name: {"median": round(r.median, 6), "mad": round(r.mad, 6)} for name, r in features},
        }

    @classmethod
    def load(cls, path: Path) -> Baseline:
        """Read a baseline that :meth:`save` wrote.

        Parameters
        ----------
        path : Path

        Returns
        -------
        Baseline

        Raises
        ------
        ControlError
            If the file is missing, no baseline, of another version, or holds a number that cannot be.
        """
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "not a text file"
            message = f"baseline {path} cannot be read ({reason}); make one with --baseline SECONDS"
            raise ControlError(message) from error
        return cls._parse(text, str(path))

    @classmethod
    def _parse(cls, text: str, where: str) -> Baseline:
        remedy = "make a new one with --baseline SECONDS"
        try:
            document: Any = json.loads(text)
        except json.JSONDecodeError as error:
            raise ControlError(f"baseline {where} is not JSON (line {error.lineno}); {remedy}") from error
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            raise ControlError(f"{where} is not a brainmidi baseline (no format {FORMAT!r}); {remedy}")
        if document.get("version") != VERSION:
            raise ControlError(f"baseline {where} has version {document.get('version')}, {VERSION} is needed; {remedy}")
        try:
            return cls.from_document(document, str(document.get("source", "")), str(document.get("created_by", "")))
        except ControlError as error:
            raise ControlError(f"baseline {where} {error}; {remedy}") from error

    @classmethod
    def from_document(cls, document: Mapping[str, Any], source: str = "", created_by: str = "") -> Baseline:
        """Return the baseline that :meth:`document` wrote.

        Raises
        ------
        ControlError
            Something is missing, or a number cannot be; the message goes on from the file's name.
        """
        try:
            features = {
                str(name): FeatureRest(float(rest["median"]), float(rest["mad"]), spread_floor(str(name)))
                for name, rest in document["features"].items()
            }
            n_frames = int(document["n_frames"])
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ControlError(f"is damaged ({error!r})") from error
        for name, rest in features.items():
            if not (math.isfinite(rest.median) and math.isfinite(rest.mad) and rest.mad >= 0):
                raise ControlError(f"is damaged: {name} has median {rest.median}, mad {rest.mad}")
        return cls(features, n_frames, source, created_by)


def fit_baseline(frames: Iterable[FeatureFrame], *, source: str = "", created_by: str = "brainmidi") -> Baseline:
    """Fit a rest baseline.

    Parameters
    ----------
    frames : iterable of FeatureFrame
        Frames at rest; those without a good channel are left out.
    source : str
        What was recorded, for the file.
    created_by : str
        Who made it, for the file.

    Returns
    -------
    Baseline
        Every band feature that at least half of the frames carry.

    Raises
    ------
    ControlError
        If fewer than 20 usable frames (1 s) are there.
    """
    usable = [frame for frame in frames if frame.quality > 0]
    if len(usable) < MIN_FRAMES:
        raise ControlError(
            f"{len(usable)} usable frames are too few for a baseline, at least {MIN_FRAMES} (1 s of clean signal after "
            "the first 2 s) are needed; record longer and check the electrodes"
        )
    names = sorted({name for frame in usable for name in frame.values if not name.startswith(UNRESTING)})
    features = {}
    for name in names:
        values = np.array([frame.values[name] for frame in usable if name in frame.values])
        if 2 * len(values) >= len(usable):
            median = float(np.median(values))
            features[name] = FeatureRest(median, float(np.median(np.abs(values - median))), spread_floor(name))
    return Baseline(features, len(usable), source, created_by)


def demo_baseline() -> Baseline:
    """Return the shipped profile of the simulated brain at rest.

    Made by ``brainmidi evaluate demo-profile FILE``; it holds for the default bands, windows and filters.

    Returns
    -------
    Baseline
    """
    text = resources.files("brainmidi.controls").joinpath("demo_baseline.json").read_text(encoding="utf-8")
    return Baseline._parse(text, "demo_baseline.json")

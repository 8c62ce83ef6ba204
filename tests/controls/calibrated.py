"""Tables and profiles as a calibration leaves them, made of numbers alone."""

from __future__ import annotations

import numpy as np

from brainmidi.controls.baseline import Baseline, FeatureRest
from brainmidi.controls.labelled import Labelled
from brainmidi.controls.profile import Day, Profile
from brainmidi.controls.separation import Separation
from brainmidi.types import Montage


def slow_noise(generator: np.random.Generator, count: int, share: float = 0.9) -> np.ndarray:
    """Return noise of unit variance whose neighbours are alike, as windows that overlap are."""
    fresh = generator.standard_normal(count) * np.sqrt(1 - share**2)
    noise = np.empty(count)
    noise[0] = generator.standard_normal()
    for at in range(1, count):
        noise[at] = share * noise[at - 1] + fresh[at]
    return noise


def table(columns: dict[str, np.ndarray], phases: np.ndarray) -> Labelled:
    names = tuple(sorted(columns))
    return Labelled(names, np.stack([columns[name] for name in names], axis=1), np.arange(len(phases)) / 4, phases)


def in_turns(count: int, phases: tuple[str, ...] = ("open", "closed"), turn: int = 80) -> np.ndarray:
    """Return a phase for each of `count` frames, 20 s each in turns."""
    return np.array([phases[row // turn % len(phases)] for row in range(count)])


def resting(*features: str, spread: float = 1.0) -> Baseline:
    return Baseline({name: FeatureRest(0.0, spread / 1.4826) for name in features}, 400, "a test")


def profile(created: str = "2026-11-21_10-00-00", alpha: float = 10.0, **changed) -> Profile:
    quantiles = tuple(alpha + step for step in np.linspace(-2, 2, 40).round(3).tolist())
    given = {
        "created": created,
        "source": f"day {created[:10]}",
        "simulated": False,
        "montage": Montage(("Fz", "O1", "O2"), 250.0),
        "signal": {"window_s": 2.0, "bands": {"alpha": [8.0, 13.0]}},
        "phases": {"open": 40.0, "closed": 40.0},
        "baseline": Baseline({"alpha": FeatureRest(alpha, 1.0)}, 800, f"day {created[:10]}", "brainmidi calibrate"),
        "days": (Day(created, f"day {created[:10]}", 800, {"alpha": quantiles}),),
        "bad": ("Fz",),
        "line_hz": 50.0,
        "alpha_hz": 10.1,
        "separation": (Separation(("open", "closed"), "alpha", 0.97, 0.9, 1.0, True),),
        "held_out": {"open/closed": 0.96},
        "sections": {},
    }
    return Profile(**(given | changed))

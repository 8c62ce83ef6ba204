"""Makes the shipped rest baseline of the simulated brain: ``python -m brainmidi.evaluate.demo_profile``."""

from __future__ import annotations

import sys
from pathlib import Path

from brainmidi.acquire.demo import DemoSource
from brainmidi.condition.conditioner import Conditioner
from brainmidi.controls.baseline import Baseline, fit_baseline
from brainmidi.features.extractor import FeatureExtractor


def make_demo_profile(seconds: float = 120.0, seeds: tuple[int, ...] = (0, 1, 2, 3)) -> Baseline:
    """Fit a baseline on the simulated brain's rest scenario.

    Parameters
    ----------
    seconds : float
        Length of each recording.
    seeds : tuple of int
        One recording each.

    Returns
    -------
    Baseline
    """
    frames = []
    for seed in seeds:
        source = DemoSource(seed=seed, scenario="rest", duration_s=seconds)
        conditioner, extractor = Conditioner(source.montage), FeatureExtractor(source.montage)
        chunk = source.read(float("inf"))
        assert chunk is not None  # a fresh source with a duration has samples
        frames += extractor.process(conditioner.process(chunk))
    listed = ", ".join(map(str, seeds))
    return fit_baseline(
        frames,
        source=f"simulated brain at rest, {seconds:g} s for each of the seeds {listed}",
        created_by="python -m brainmidi.evaluate.demo_profile",
    )


def main() -> None:
    """Write the profile to where the package ships it, or to the path given."""
    shipped = Path(__file__).parents[1] / "controls" / "demo_baseline.json"
    path = Path(sys.argv[1]) if len(sys.argv) > 1 else shipped
    make_demo_profile().save(path)
    print(f"wrote {path}")


if __name__ == "__main__":
    main()

"""Makes the shipped rest baseline of the simulated brain: ``brainmidi evaluate demo-profile FILE``."""

from __future__ import annotations

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
        created_by="brainmidi evaluate demo-profile",
    )

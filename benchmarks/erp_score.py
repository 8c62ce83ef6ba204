"""How long a single epoch takes to be scored, and how often a calibrated classifier moves the music.

BRAINMIDI_DATA=folder python benchmarks/erp_score.py (bar 1 ms; without the folder the first figure alone)
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from brainmidi.condition.conditioner import Conditioner
from brainmidi.controls.baseline import Baseline
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import ControlMap, EventRule
from brainmidi.evaluate.p300 import load_headband
from brainmidi.features.epochs import Epoch, EpochStream, epochs_of
from brainmidi.features.erpclassifier import ErpClassifier, ErpScorer
from brainmidi.features.erpfit import fit_classifier
from brainmidi.features.erptrials import trials_of
from brainmidi.features.settings import ErpSettings
from brainmidi.types import Chunk, FeatureFrame, Marker, Montage

#: What docs/mapping.md recommends.
RULE = EventRule("erp.target", threshold=0.9, refractory_s=4.0, hysteresis=0.3)
SHUFFLES = 10
CHANNELS, RATE_HZ, TRIALS, SOA_S, BAR_MS = 16, 256.0, 300, 0.5, 1.0


def moves(classifier: ErpClassifier, epochs: Sequence[Epoch], montage: Montage) -> tuple[int, float]:
    """Return how often the epochs' scores move the music, and the median of ``erp.target``."""
    scorer = ErpScorer(classifier, montage, ErpSettings(), EpochStream(montage, ErpSettings()).before)
    controller, steps, values = Controller(ControlMap({}, (RULE,)), Baseline({}, 0)), 0, []
    for epoch in epochs:
        scorer.add(epoch)
        if (belief := scorer.belief(epoch.time_s)) is not None:
            values.append(belief)
        found = {} if belief is None else {"erp.target": belief}
        empty = np.empty((0, len(montage.names)))
        frame = FeatureFrame(epoch.time_s, (), empty, np.ones(len(montage.names)), found, 1.0)
        steps = controller.process(frame).anchor_steps
    return steps, float(np.median(values))


def events(data: Path) -> None:
    """Fit to all recordings of a session but one, and count the events in that one, with its labels and shuffled."""
    rng, true, shuffled = np.random.default_rng(0), [], []
    for session in (1, 2):
        runs = load_headband(data, session)
        montage = runs[0].montage
        conditioned = [Conditioner(montage).process(run) for run in runs]
        for held, run in enumerate(conditioned):
            others = [one for number, one in enumerate(conditioned) if number != held]
            classifier = fit_classifier(trials_of(others, montage, ErpSettings()))
            tested = epochs_of([run], ErpSettings(), classifier.low_pass_hz)
            true.append(moves(classifier, tested, montage))
            for _ in range(SHUFFLES):
                labels = rng.permutation([epoch.label for epoch in tested])
                mixed = [replace(epoch, label=str(label)) for epoch, label in zip(tested, labels, strict=True)]
                shuffled.append(moves(classifier, mixed, montage))
    print(f"{len(true)} recordings of 2 minutes, each with a classifier of the session's others:")
    for name, found in (("their labels", true), ("labels shuffled", shuffled)):
        steps, values = np.array(found).T
        print(f"  {name:15} {steps.mean():.2f} anchor moves a file, erp.target {np.median(values):.2f} in the median")


def main() -> None:
    """Fit a classifier to made-up epochs and time the live scoring of each."""
    rng = np.random.default_rng(0)
    montage = Montage(tuple(f"EEG{number}" for number in range(CHANNELS)), RATE_HZ)
    time_s = np.arange(round((TRIALS * SOA_S + 4.0) * RATE_HZ)) / RATE_HZ
    samples = rng.normal(0, 8, (len(time_s), CHANNELS))
    markers = []
    for number in range(TRIALS):
        at_s, target = 2.0 + SOA_S * number, number % 5 == 2
        markers.append(Marker(at_s, "target" if target else "nontarget"))
        samples[:, 3] += target * 8.0 * np.exp(-0.5 * ((time_s - at_s - 0.35) / 0.05) ** 2)
    settings = ErpSettings()
    chunk = Chunk(samples, time_s, montage, tuple(markers))
    start_s = time.perf_counter()
    classifier = fit_classifier(trials_of([chunk], montage, settings))
    print(f"{CHANNELS} channels at {RATE_HZ:g} Hz, {TRIALS} epochs: fitted in {time.perf_counter() - start_s:.1f} s")
    epochs = epochs_of([chunk], settings, classifier.low_pass_hz)
    scorer = ErpScorer(classifier, montage, settings, EpochStream(montage, settings).before)
    took_ms = []
    for epoch in epochs:
        start_s = time.perf_counter()
        scorer.add(epoch)
        took_ms.append(1000.0 * (time.perf_counter() - start_s))
    p50, p99 = np.quantile(took_ms, [0.5, 0.99])
    print(f"  a single epoch: p50 {p50:.3f} ms, p99 {p99:.3f} ms (bar {BAR_MS:g} ms)")


if __name__ == "__main__":
    main()
    if folder := os.environ.get("BRAINMIDI_DATA"):
        events(Path(folder))

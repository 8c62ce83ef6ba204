"""How long a single epoch takes to be scored: python benchmarks/erp_score.py (bar 1 ms)."""

from __future__ import annotations

import time

import numpy as np

from brainmidi.features.epochs import EpochStream, epochs_of
from brainmidi.features.erpclassifier import ErpScorer
from brainmidi.features.erpfit import LOW_PASS_HZ, fit_classifier, trials_of
from brainmidi.features.settings import ErpSettings
from brainmidi.types import Chunk, Marker, Montage

CHANNELS, RATE_HZ, TRIALS, SOA_S, BAR_MS = 16, 256.0, 300, 0.5, 1.0


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
    epochs = epochs_of([Chunk(samples, time_s, montage, tuple(markers))], settings, LOW_PASS_HZ)
    start_s = time.perf_counter()
    classifier = fit_classifier(trials_of([epochs], montage, settings))
    print(f"{CHANNELS} channels at {RATE_HZ:g} Hz, {TRIALS} epochs: fitted in {time.perf_counter() - start_s:.1f} s")
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

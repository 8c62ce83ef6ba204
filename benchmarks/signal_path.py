"""How fast samples become knobs, beside scipy.signal.welch; and, with BRAINMIDI_DATA, what is found in real recordings.

Run with ``python benchmarks/signal_path.py``. The name is not ``signal.py``, which would hide Python's own module from
everything else in this folder.
"""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from scipy import signal

from brainmidi.acquire.demo import DemoSource
from brainmidi.acquire.recording import open_recording
from brainmidi.condition.asr import AsrState, fit_asr
from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.controls.baseline import Baseline, demo_baseline, fit_baseline
from brainmidi.controls.controller import Controller
from brainmidi.controls.mapping import DEFAULT_MAP
from brainmidi.drivers.chain import SignalChain
from brainmidi.features.erp import ErpSummary
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import Chunk, ControlFrame, FeatureFrame, Marker, Montage

RATE_HZ, SECONDS, ROUNDS = 160.0, 60.0, 3
SHUFFLES = 10
DEMO_S, DEMO_SEEDS = 300.0, (1, 2, 3)
LIVE_S, UPDATES_HZ, LIVE_P99_MS, LIVE_SHARE = 120.0, 20, 3.0, 0.04  # the last two are bars
HOUR_CHANNELS, HOUR_HZ, HOUR_BAR_S, PIECE_S = 32, 256.0, 20.0, 10.0


def noise() -> Chunk:
    n = round(RATE_HZ * SECONDS)
    names = tuple(f"EEG{number + 1}" for number in range(64))
    samples = np.cumsum(np.random.default_rng(0).standard_normal((n, 64)), axis=0)
    return Chunk(samples, np.arange(n) / RATE_HZ, Montage(names, RATE_HZ))


def features(chunk: Chunk) -> tuple[list[FeatureFrame], ErpSummary | None]:
    extractor = FeatureExtractor(chunk.montage)
    frames = extractor.process(Conditioner(chunk.montage).process(chunk))
    return frames, extractor.erp_summary


def controls(frames: list[FeatureFrame], baseline: Baseline) -> list[ControlFrame]:
    controller = Controller(DEFAULT_MAP, baseline)
    return [controller.process(frame) for frame in frames]


def welch_per_channel(chunk: Chunk) -> None:
    """Do what a first draft would: scipy's welch on every channel's window, 20 times a second."""
    window, step = round(2 * RATE_HZ), round(RATE_HZ / 20)
    for stop in range(window, len(chunk) + 1, step):
        for channel in range(64):
            signal.welch(chunk.samples_uv[stop - window : stop, channel], RATE_HZ, nperseg=round(RATE_HZ))


def best_of(rounds: int, work: Callable[[], object]) -> float:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def speed() -> None:
    chunk = noise()
    frames, _ = features(chunk)
    baseline = fit_baseline(frames)
    ours = best_of(ROUNDS, lambda: controls(features(chunk)[0], baseline))
    peer = best_of(1, lambda: welch_per_channel(chunk))
    print(f"64 channels, {RATE_HZ:g} Hz, {SECONDS:g} s, 20 updates a second, best of {ROUNDS}:")
    print(f"  condition + features + controls   {ours:6.2f} s   {SECONDS / ours:6.0f} x real time")
    print(f"  scipy.signal.welch per channel    {peer:6.2f} s   {SECONDS / peer:6.0f} x real time (spectra alone)")


def chain_of(montage: Montage, baseline: Baseline, asr: AsrState | None = None) -> SignalChain:
    settings = ConditionSettings(asr=asr)
    return SignalChain(
        montage, condition=settings, features=FeatureSettings(), control_map=DEFAULT_MAP, baseline=baseline
    )


def live() -> None:
    """Time every update of 16 channels at 250 Hz, as the pump thread hands samples over."""
    chunk = DemoSource(0, "rest", LIVE_S).read(float("inf"))
    assert chunk is not None
    names = (*chunk.montage.names, *(f"EEG{n}" for n in range(16)))[:16]
    rng = np.random.default_rng(0)
    extra = 5.0 * rng.standard_normal((len(chunk), 16 - chunk.samples_uv.shape[1]))
    chunk = Chunk(np.concatenate([chunk.samples_uv, extra], axis=1), chunk.time_s, Montage(names, 250.0))
    print(f"16 channels, 250 Hz, {UPDATES_HZ} updates a second, {LIVE_S:g} s, samples to knobs:")
    conditioned = Conditioner(chunk.montage).process(chunk)
    for label, asr in (("without ASR", None), ("with ASR", fit_asr([conditioned]))):
        chain, times = chain_of(chunk.montage, demo_baseline(), asr), []
        edges = np.round(np.arange(0, LIVE_S * UPDATES_HZ + 1) * 250.0 / UPDATES_HZ).astype(int)
        for first, last in itertools.pairwise(edges):
            rows = slice(first, last)
            part = Chunk(chunk.samples_uv[rows], chunk.time_s[rows], chunk.montage)
            start = np.array([time.perf_counter(), time.process_time()])
            chain.process(part)
            times.append(np.array([time.perf_counter(), time.process_time()]) - start)
        warm, computing = 1e3 * np.array(times[5 * UPDATES_HZ :]).T
        share = computing.mean() * UPDATES_HZ / 1e3
        bar = f"bars {LIVE_P99_MS:g} ms, {LIVE_SHARE:.0%}" if asr is None else f"{1e3 * chain.latency_s:.0f} ms late"
        (p50, p99), own = np.quantile(warm, [0.5, 0.99]), np.quantile(computing, 0.99)
        print(
            f"  {label:12} p50 {p50:5.2f} ms   p99 {p99:5.2f} ms   (p99 of processor time {own:5.2f} ms)   "
            f"{share:6.1%} of a core   ({bar})"
        )


def hour() -> None:
    """Time an hour offline, read in pieces as from a file."""
    montage = Montage(tuple(f"EEG{n}" for n in range(HOUR_CHANNELS)), HOUR_HZ)
    n, rng = round(PIECE_S * HOUR_HZ), np.random.default_rng(0)
    chain, spent_s = chain_of(montage, demo_baseline()), np.zeros(2)
    for number in range(round(3600.0 / PIECE_S)):
        samples = 10.0 * rng.standard_normal((n, HOUR_CHANNELS))
        piece = Chunk(samples, (number * n + np.arange(n)) / HOUR_HZ, montage)
        start = np.array([time.perf_counter(), time.process_time()])
        chain.process(piece)
        spent_s += np.array([time.perf_counter(), time.process_time()]) - start
    print(
        f"an hour of {HOUR_CHANNELS} channels at {HOUR_HZ:g} Hz, offline: {spent_s[0]:.1f} s, processor time "
        f"{spent_s[1]:.1f} s (bar {HOUR_BAR_S:g} s)"
    )


def alpha(folder: Path) -> None:
    takes = {name: features(load(folder / f"S001R0{number}.edf"))[0] for number, name in ((1, "open"), (2, "closed"))}
    baseline = fit_baseline(takes["open"])
    medians = {}
    for name, frames in takes.items():
        made = controls(frames, baseline)[::40]
        medians[name] = np.median([frame.knobs["latent_mix"] for frame in made])
    print("PhysioNet EEGMMIDB S001, baseline fitted on eyes open, median of latent_mix over frames 2 s apart:")
    apart = medians["open"] - medians["closed"]
    print(f"  open {medians['open']:.3f}, closed {medians['closed']:.3f}, apart {apart:.3f}")


def demo() -> None:
    print(f"Simulated brain, {DEMO_S:g} s for each of the seeds {', '.join(map(str, DEMO_SEEDS))}; anchor moves:")
    for scenario, what in (("session", "responds to targets about half of the time"), ("rest", "responds to nothing")):
        moves = []
        for seed in DEMO_SEEDS:
            chunk = DemoSource(seed, scenario, DEMO_S).read(float("inf"))
            assert chunk is not None
            moves.append(controls(features(chunk)[0], demo_baseline())[-1].anchor_steps)
        print(f"  {scenario:8} {', '.join(map(str, moves))}   {what}")


def erp(folder: Path) -> None:
    threshold = DEFAULT_MAP.events[0].threshold
    print("Muse visual oddball, all epochs of each file; anchors: moves that the default map makes, how often the")
    print(f"confidence of the sliding average of 12, looked at after every epoch, crosses {threshold:g}:")
    true_steps, sham_steps, n_files = 0, 0.0, 0
    rng = np.random.default_rng(0)
    for path in sorted(folder.glob("*/*.csv")):
        chunk = load(path)
        frames, found = features(chunk)
        baseline = fit_baseline(frames)
        steps = controls(frames, baseline)[-1].anchor_steps
        shams = [controls(features(shuffled(chunk, rng))[0], baseline)[-1].anchor_steps for _ in range(SHUFFLES)]
        true_steps, sham_steps, n_files = true_steps + steps, sham_steps + np.mean(shams), n_files + 1
        assert found is not None
        print(
            f"  {path.parent.name} {path.stem[-8:]}  {found.channel:4} {found.amplitude_uv:+5.1f} uV, "
            f"peak {found.peak_uv:+5.1f} uV at {1000 * found.peak_s:3.0f} ms, confidence {found.confidence:.3f}, "
            f"{found.n_target}/{found.n_nontarget} epochs, anchors {steps}, with shuffled labels {np.mean(shams):.1f}"
        )
    print(
        f"  {n_files} files: {true_steps} anchor moves, {true_steps / n_files:.2f} a file; with shuffled labels "
        f"{sham_steps:.1f}, {sham_steps / n_files:.2f} a file (mean of {SHUFFLES} each)"
    )


def shuffled(chunk: Chunk, rng: np.random.Generator) -> Chunk:
    labels = rng.permutation([marker.label for marker in chunk.markers])
    markers = tuple(Marker(m.time_s, str(label)) for m, label in zip(chunk.markers, labels, strict=True))
    return Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, markers)


def load(path: Path) -> Chunk:
    chunk = open_recording(path).read(float("inf"))
    assert chunk is not None
    return chunk


def main() -> None:
    speed()
    live()
    hour()
    demo()
    data = os.environ.get("BRAINMIDI_DATA")
    if not data:
        print("BRAINMIDI_DATA is not set: no figures from real recordings")
        return
    alpha(Path(data) / "eeg" / "eegbci")
    erp(Path(data) / "eeg" / "muse_visual_p300")


if __name__ == "__main__":
    main()

"""How soon two bars of accompaniment are ready, beside the four seconds that they last at 120 beats a minute.

    python benchmarks/accompaniment.py [--checkpoint NAME] [--phrases 200] [--cores 2] [--json FILE]

One memory goes through all phrases, as in a session: far beyond the window. The melody and the bass of each bar are
given, made up by chance. Without a checkpoint a model of the shipped size with random weights plays; what it plays is
no music, what it costs is the same a token.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import numpy as np

from brainmidi.codec import chords as chord_codec
from brainmidi.codec.bars import N_CLASSES
from brainmidi.codec.performance import metrical_velocity
from brainmidi.drivers.continuation import BarRequest, Continuation, Controls, ControlSteering, Deadline
from brainmidi.midi.clock import MonotonicClock
from brainmidi.models.checkpoint import find_checkpoint, save_weights
from brainmidi.models.stepper import TransformerStepper
from brainmidi.models.transformer_config import TransformerConfig, weight_shapes
from brainmidi.types import Note

#: Seconds that two bars of four beats last at 120 beats a minute, and by when the bar wants 99 of 100 phrases.
LASTS_S, BAR_S = 4.0, 1.0
PROGRESSION = [
    chord_codec.encode(root, quality) for root, quality in ((0, "major"), (9, "minor"), (5, "major"), (7, "major"))
]
MELODY_PITCHES, BASS_PITCHES = (60, 62, 64, 65, 67, 69, 71, 72, 74, 76), (36, 38, 40, 41, 43, 45)


def made_up(folder: Path, size: int) -> Path:
    """Write a checkpoint of random weights."""
    config = TransformerConfig(n_classes=N_CLASSES, size=size, inner_size=4 * size)
    rng = np.random.default_rng(1)
    weights = {
        name: np.ones(shape) if name.endswith("gamma") else rng.normal(scale=0.05, size=shape)
        for name, shape in weight_shapes(config).items()
    }
    save_weights(folder, {"kind": "transformer", "name": "random", "codec": "bars", **config.to_json()}, weights)
    return folder


def line(rng: np.random.Generator, part: str, pitches: tuple[int, ...], longest: int) -> list[Note]:
    """Return a bar of one part, made up: notes of 1..`longest` eighths without a gap."""
    notes, at = [], 0
    while at < 8:
        eighths = min(int(rng.integers(1, longest + 1)), 8 - at)
        notes.append(
            Note(Fraction(at, 2), Fraction(eighths, 2), int(rng.choice(pitches)), metrical_velocity(2 * at, 16), part)
        )
        at += eighths
    return notes


def measure(folder: Path, phrases: int, cores: int, density: float) -> dict[str, float]:
    """Return seconds, tokens and notes of two bars, over all phrases."""
    player = Continuation(TransformerStepper(folder, threads=cores))
    clock, rng = MonotonicClock(), np.random.default_rng(2)
    memory = player.initial()
    seconds, busy, tokens, notes = [], [], [], []
    for phrase in range(phrases + 1):
        begun_s, processor_s, asked, written = clock.now_s(), time.process_time(), 0, 0
        for bar in range(2):
            given = (*line(rng, "melody", MELODY_PITCHES, 3), *line(rng, "bass", BASS_PITCHES, 4))
            request = BarRequest(16, ((0, PROGRESSION[(2 * phrase + bar) % len(PROGRESSION)]),), given)
            steering = ControlSteering(
                lambda beat: Controls(harmony=0.7, density=density, low=48, high=67, max_voices=3), 16, request.chords
            )
            found = player.next_bar(memory, request, steering, rng, Deadline(clock, begun_s + LASTS_S))
            written += len(list(found))
            memory, asked = found.memory, asked + found.report.tokens
        if phrase:  # the first one warms up
            seconds.append(clock.now_s() - begun_s)
            busy.append(time.process_time() - processor_s)
            tokens.append(asked)
            notes.append(written)
    return {
        "p50_s": float(np.quantile(seconds, 0.5)),
        "p99_s": float(np.quantile(seconds, 0.99)),
        "max_s": max(seconds),
        "processor_p99_s": float(np.quantile(busy, 0.99)),
        "tokens_p50": float(np.quantile(tokens, 0.5)),
        "tokens_max": float(max(tokens)),
        "notes_mean": float(np.mean(notes)),
        "ms_a_token": 1000 * sum(seconds) / sum(tokens),
        "phrases": float(phrases),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", help="a name or folder; random weights without")
    parser.add_argument("--size", type=int, default=192, help="model size of the random weights")
    parser.add_argument("--phrases", type=int, default=200)
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--density", type=float, default=1.0, help="0..1; the busiest costs most")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: options.cores])
    with tempfile.TemporaryDirectory() as place:
        folder = find_checkpoint(options.checkpoint) if options.checkpoint else made_up(Path(place), options.size)
        found = measure(folder, options.phrases, options.cores, options.density)
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{options.checkpoint or f'random weights, size {options.size}'}: {options.phrases} phrases of two bars")
    print(
        f"ready after {found['p50_s']:.3f} s (half), {found['p99_s']:.3f} s (99 of 100), {found['max_s']:.3f} s (all)"
    )
    print(
        f"tokens {found['tokens_p50']:.0f} (half), {found['tokens_max']:.0f} (most), {found['ms_a_token']:.2f} ms each"
    )
    print(f"notes {found['notes_mean']:.1f} on the mean")
    print(f"processor busy for {found['processor_p99_s']:.3f} s (99 of 100); other programs take the rest")
    print(f"99 of 100 in {BAR_S:g} s: {'yes' if found['p99_s'] <= BAR_S else 'NO'}")


if __name__ == "__main__":
    main()

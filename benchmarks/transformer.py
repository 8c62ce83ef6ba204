"""How fast a Music Transformer plays event by event, beside Hugging Face's GPT-2 with its KV cache, in one run.

    python benchmarks/transformer.py --torch-python PATH [--sizes NAME ...] [--threads 1] [--rounds 3] [--json FILE]

PATH is the Python of an environment with torch and transformers. Both models have the same vocabulary, layers, heads,
widths and context, and are fed one event at a time, each the likeliest after those before it. GPT-2 has a vector for
each place of its context, ours has one for each head and distance; the counts of parameters are printed. GPT-2 is timed
on its last `--events` events before its context is full (it cannot go on), ours from position 10,000 on. The baseline
feeds our own Keras model all events of the context for each new one, compiled by XLA. The floor is the time in which
this machine copies the weights once.

Both kinds of times are printed: of the processor, of all threads, which is what a model takes where other programs run
too, and by the clock, which is what counts where none does. The ratios and the costs are of the processor with one
thread, and by the clock with more: threads that wait take time of the processor and do nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

SIDE = Path(__file__).with_name("torch_side.py")
#: Layers, model size, heads, context. The first are those of the models that ship.
SIZES = {"small": (4, 192, 4, 512), "medium": (6, 320, 5, 512), "large": (8, 512, 8, 1024)}
POSITIONS = (100, 1_000, 10_000)
#: Bars: tokens per second beside GPT-2's, and the cost of an event from the first position to the last.
TIMES_AS_FAST, FLAT = 2.0, 1.2
Times = dict[str, float]


def config_of(name: str) -> Any:
    """Return the configuration of one of the sizes, with a relative vector for every distance, as those that ship."""
    from brainmidi.models.transformer_config import TransformerConfig

    n_layers, size, n_heads, window = SIZES[name]
    return TransformerConfig(n_layers=n_layers, size=size, n_heads=n_heads, inner_size=4 * size, window=window)


def weights_of(config: Any) -> dict[str, np.ndarray]:
    """Return random weights of a trained model's sizes."""
    from brainmidi.models.transformer_config import weight_shapes

    rng = np.random.default_rng(0)
    found = {name: rng.normal(0.0, 0.02, shape).astype(np.float32) for name, shape in weight_shapes(config).items()}
    return {name: value + 1 if name.endswith("gamma") else value for name, value in found.items()}


def timed(action: Callable[[], object], times: list[tuple[float, float]]) -> None:
    """Do something, and append its seconds by the clock and of the processor."""
    begun = time.perf_counter(), time.process_time()
    action()
    times.append((time.perf_counter() - begun[0], time.process_time() - begun[1]))


def summary(times: list[tuple[float, float]]) -> Times:
    """Return the median seconds by the clock and of the processor, and the processor's least tenth."""
    clock, processor = np.array(times).T
    return {
        "clock_s": float(np.median(clock)),
        "processor_s": float(np.median(processor)),
        "least_tenth_s": float(np.quantile(processor, 0.1)),
    }


class OurSession:
    """Our stepper in one endless session, timed where it stands."""

    def __init__(self, stepper: Any) -> None:
        self.stepper = stepper
        self.cache = self.stepper.initial()
        self.event = 7

    def go_to(self, position: int) -> None:
        """Read events up to a position."""
        tokens = np.random.default_rng(1).integers(2, 310, position - self.cache.seen)
        _, self.cache = self.stepper.prefill(tokens, self.cache)

    def play(self) -> None:
        """Feed the likeliest event."""
        logits, self.cache = self.stepper.step(self.event, self.cache)
        self.event = int(logits.argmax())


def sessions_of(folder: Path, threads: int, events: int) -> dict[int, OurSession]:
    """Return a session at each of the positions, half of the events to be timed before it."""
    from brainmidi.models.stepper import TransformerStepper

    stepper = TransformerStepper(folder, threads=threads)
    sessions = {position: OurSession(stepper) for position in POSITIONS}
    for position, session in sessions.items():
        session.go_to(position - events // 2)
    return sessions


def ours(sessions: dict[int, OurSession], events: int) -> dict[int, Times]:
    """Return the cost of an event at each of the positions, turn about, so that all see the same machine."""
    kept = {position: (session.cache, session.event) for position, session in sessions.items()}
    found: dict[int, list[tuple[float, float]]] = {position: [] for position in POSITIONS}
    for _ in range(4):
        for position, session in sessions.items():
            session.play()  # The first of a block finds the caches of the processor full of another's keys.
            for _ in range(events // 4):
                timed(session.play, found[position])
    for position, session in sessions.items():
        session.cache, session.event = kept[position]
    return {position: summary(times) for position, times in found.items()}


def theirs(python: str, config: Any, threads: int, events: int) -> tuple[Times, int]:
    """Return the cost of GPT-2's last events before its context is full, and its number of parameters."""
    given = {**config.to_json(), "threads": threads, "events": config.window}
    done = subprocess.run([python, str(SIDE), json.dumps(given)], capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("TIMES ")]
    if not lines:
        sys.exit(f"{python} {SIDE.name} failed:\n{done.stderr[-2000:]}")
    found = json.loads(lines[-1][6:])
    rows = list(zip(found["clock_s"], found["processor_s"], strict=True))[-events:]
    return summary(rows), int(found["parameters"])


def whole_row(config: Any, weights: dict[str, np.ndarray], threads: int, repeats: int = 5) -> Times:
    """Return the cost of an event where the whole context is computed anew for it, by our Keras model under XLA."""
    from brainmidi.models import compiled

    compiled.use_threads(threads)
    import tensorflow as tf

    from brainmidi.models.checkpoint import put_weights
    from brainmidi.models.transformer import MusicTransformer

    model = MusicTransformer(config)
    put_weights(model, weights)
    row = tf.constant(np.random.default_rng(1).integers(2, 310, (1, config.window)), tf.int32)
    last = tf.function(lambda tokens: model(tokens)[:, -1], jit_compile=True, autograph=False)
    last(row).numpy()
    times: list[tuple[float, float]] = []
    for _ in range(repeats):
        timed(lambda: last(row).numpy(), times)
    return summary(times)


def copy_rate() -> float:
    """Return the bytes a second that this machine copies on one core, read and written counted once."""
    source = np.ones(64 * 2**20 // 4, dtype=np.float32)
    target = np.empty_like(source)
    times: list[tuple[float, float]] = []
    for _ in range(9):
        timed(lambda: np.copyto(target, source), times)
    return source.nbytes / min(row[1] for row in times)


def compare(name: str, python: str, threads: int, rounds: int, events: int) -> dict[str, Any]:
    """Return all figures of one size; both sides take turns, and the median round counts."""
    from brainmidi.models.checkpoint import save_weights

    config = config_of(name)
    weights = weights_of(config)
    n_ours = sum(value.size for value in weights.values())
    with tempfile.TemporaryDirectory() as folder:
        save_weights(Path(folder), {"kind": "transformer", "name": name, **config.to_json()}, weights, half=False)
        sessions = sessions_of(Path(folder), threads, events)
        mine, other = [], []
        for _ in range(rounds):
            cost, n_theirs = theirs(python, config, threads, events)
            other.append(cost)
            mine.append(ours(sessions, events))
    rate = copy_rate()

    def middle(rows: list[Times]) -> Times:
        return {key: statistics.median(row[key] for row in rows) for key in rows[0]}

    return {
        "size": name,
        "context": config.window,
        "threads": threads,
        "parameters": {"brainmidi": n_ours, "gpt2": n_theirs},
        "brainmidi": {str(position): middle([row[position] for row in mine]) for position in POSITIONS},
        "gpt2": middle(other),
        "whole_row": whole_row(config, weights, threads),
        "floor": {"copy_bytes_per_s": rate, "seconds": 4 * n_ours / rate},
    }


def show(found: dict[str, Any]) -> None:
    """Print one size's figures."""
    count, key = found["parameters"], "processor_s" if found["threads"] == 1 else "clock_s"
    basis = "of the processor" if found["threads"] == 1 else "by the clock"
    print(
        f"{found['size']}: {count['brainmidi']:,} parameters (GPT-2 {count['gpt2']:,}), context {found['context']}, "
        f"threads {found['threads']}"
    )
    at_last = found["brainmidi"][str(POSITIONS[-1])]
    rows = {"brainmidi": at_last, "GPT-2, KV cache": found["gpt2"], "whole row every time": found["whole_row"]}
    for label, row in rows.items():
        print(
            f"  {label:22} {1 / row[key]:8,.0f} events/s {basis:16} {row['processor_s'] * 1e3:9.3f} ms of the processor"
            f"   {row['clock_s'] * 1e3:9.3f} ms by the clock"
        )
    last, gpt2, whole = (row[key] for row in rows.values())
    print(f"  {gpt2 / last:.2f} times as fast as GPT-2 (bar {TIMES_AS_FAST:.2f}), {whole / last:,.1f} as the whole row")
    least, other = (row["least_tenth_s"] for row in (at_last, found["gpt2"]))
    print(
        f"  least disturbed tenth of events: {least * 1e3:.3f} ms, of GPT-2's {other * 1e3:.3f} ms, "
        f"{other / least:.2f} times as fast"
    )
    costs = [found["brainmidi"][str(position)][key] for position in POSITIONS]
    words = ", ".join(f"{cost * 1e3:.3f} ms at {p:,}" for p, cost in zip(POSITIONS, costs, strict=True))
    print(
        f"  cost: {words}; {max(costs) / min(costs):.2f} from least to most (bar {FLAT:.2f}), "
        f"{costs[2] / costs[1]:.2f} from a full window on"
    )
    floor = found["floor"]
    print(
        f"  floor {floor['seconds'] * 1e3:.3f} ms: weights copied once at {floor['copy_bytes_per_s'] / 1e9:.1f} GB/s"
        f" ({last / floor['seconds']:.2f} times that is taken)"
    )


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--torch-python", metavar="PATH", required=True)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=["small", "medium"])
    parser.add_argument("--threads", type=int, default=1, help="of both sides")
    parser.add_argument("--events", type=int, default=100, help="timed at every position")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    given = parser.parse_args()
    results = []
    for name in given.sizes:
        results.append(compare(name, given.torch_python, given.threads, given.rounds, given.events))
        show(results[-1])
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

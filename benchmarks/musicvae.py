"""How fast a MusicVAE is ready and decodes, beside Magenta's own TrainedModel with the same weights, in one run.

    python benchmarks/musicvae.py --magenta-python PATH [--config NAME ...] [--repeats 50] [--rounds 3] [--json FILE]

PATH is the Python of an environment with magenta 2.1.4 (tests/requirements-magenta.txt). Both programs are given the
same random weights, take turns, and end with phrases of notes. *Ready* is the time from the start of the process to the
first phrase. Beside the times stands the arithmetic floor: what the decoder's matrix products alone take here, each
measured by itself with numpy at the same batch size.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SIDE = Path(__file__).with_name("magenta_side.py")
DEFAULT = ("cat-mel_2bar_small", "cat-drums_2bar_small")
#: Bars: ready at most 0.6 of Magenta's time, one phrase 1.5 times as fast, sixteen at once 1.4 times.
READY, ONE, SIXTEEN = 0.6, 1.5, 1.4


def ours(folder: Path, repeats: int) -> None:
    """Time our side, in this process; prints one JSON line."""
    from brainmidi.models.checkpoint import read_config
    from brainmidi.models.compiled import CompiledMusicVae

    drums = "drums" in str(read_config(folder)["name"])
    if drums:
        from brainmidi.codec.drums import decode
    else:
        from brainmidi.codec.melody import decode
    model = CompiledMusicVae(folder)
    rng = np.random.default_rng(1)
    z = rng.normal(size=(16, model.config.latent_size)).astype(np.float32)

    def phrases(n: int) -> object:
        # Gumbel noise is minus the logarithm of exponential noise.
        shape = (n, model.config.n_steps, model.model.n_odds)
        noise = -np.log(rng.standard_exponential(shape, dtype=np.float32))
        return [decode(row[:, 0]) for row in model.decode(z[:n], noise=noise)]

    phrases(1)
    found = {"ready": time.time() - float(os.environ["STARTED_S"])}
    for name, n in (("one", 1), ("sixteen", 16)):
        phrases(n)
        times = []
        for _ in range(repeats):
            begun = time.perf_counter()
            phrases(n)
            times.append(time.perf_counter() - begun)
        found[name] = float(np.median(times))
    print("TIMES " + json.dumps(found))


def run(command: list[str]) -> dict[str, float]:
    """Return the times that a program prints."""
    environment = {**os.environ, "STARTED_S": str(time.time()), "TF_USE_LEGACY_KERAS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    lines = [line for line in done.stdout.splitlines() if line.startswith("TIMES ")]
    if not lines:
        sys.exit(f"{command[0]} {command[1]} failed:\n{done.stderr[-2000:]}")
    return {name: float(value) for name, value in json.loads(lines[-1][6:]).items()}


def refuse_others(config_name: str) -> None:
    """End with one line for a configuration whose phrases are not one class a step from the latent alone."""
    from brainmidi.models.configs import CONFIGS

    able = [
        name
        for name, config in CONFIGS.items()
        if config.events == "categorical"
        and len(config.outputs) == 1
        and not (config.control_depth or config.decoder_levels)
    ]
    if config_name not in able:
        sys.exit(f"configuration {config_name!r} is not measured here; choose one of {', '.join(able)}")


def floor_s(config_name: str, batch: int) -> tuple[float, float]:
    """Return the seconds of a phrase's matrix products, each measured by itself, and their millions of multiplications.

    The input's one-hot row is no product, and the latent's share is one product a phrase.
    """
    from brainmidi.models.configs import CONFIGS

    config = CONFIGS[config_name]
    units = config.decoder_units
    per_step = [(n + (units[k - 1] if k else 0), 4 * n) for k, n in enumerate(units)]
    per_step.append((units[-1], sum(config.outputs)))
    once = [(config.latent_size, 4 * units[0]), (config.latent_size, 2 * sum(units))]
    seconds = count = 0.0
    for shapes, times in ((per_step, config.n_steps), (once, 1)):
        for rows, columns in shapes:
            left = np.ones((batch, rows), dtype=np.float32)
            right = np.ones((rows, columns), dtype=np.float32)
            left @ right
            taken = []
            for _ in range(30):
                begun = time.perf_counter()
                left @ right
                taken.append(time.perf_counter() - begun)
            seconds += min(taken) * times
            count += batch * rows * columns * times
    return seconds, count / 1e6


def compare(config: str, python: str, repeats: int, rounds: int) -> dict[str, object]:
    """Return the times of both sides, their ratios and the floor."""
    from brainmidi.models.imports import import_checkpoint

    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, str(SIDE), "make", config, folder], check=True, capture_output=True)
        checkpoint = Path(folder) / "ours"
        import_checkpoint(folder, config, checkpoint)
        mine, theirs = [], []
        for _ in range(rounds):
            theirs.append(run([python, str(SIDE), "time", config, folder, str(repeats)]))
            mine.append(run([sys.executable, __file__, "--ours", str(checkpoint), "--repeats", str(repeats)]))
    found: dict[str, object] = {"config": config}
    for name in ("ready", "one", "sixteen"):
        a = statistics.median(row[name] for row in mine)
        b = statistics.median(row[name] for row in theirs)
        found[name] = {"brainmidi_s": a, "magenta_s": b, "times_as_fast": b / a}
    for name, batch in (("one", 1), ("sixteen", 16)):
        seconds, millions = floor_s(config, batch)
        found[f"{name}_floor"] = {"seconds": seconds, "million_multiplications": millions}
    return found


def main() -> None:
    """Run the comparison and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--magenta-python", metavar="PATH")
    parser.add_argument("--config", action="append", metavar="NAME")
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--ours", metavar="FOLDER", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.ours:
        ours(Path(given.ours), given.repeats)
        return
    if not given.magenta_python:
        parser.error("--magenta-python is needed: the Python of an environment with magenta 2.1.4")
    for name in given.config or DEFAULT:
        refuse_others(name)
    results = [compare(name, given.magenta_python, given.repeats, given.rounds) for name in given.config or DEFAULT]
    for row in results:
        print(row["config"])
        for name, bar in (("ready", 1 / READY), ("one", ONE), ("sixteen", SIXTEEN)):
            times = row[name]
            assert isinstance(times, dict)
            print(
                f"  {name:8} brainmidi {times['brainmidi_s'] * 1e3:9.2f} ms"
                f"   magenta {times['magenta_s'] * 1e3:9.2f} ms"
                f"   {times['times_as_fast']:5.2f} times as fast (bar {bar:.2f})"
            )
        for name in ("one", "sixteen"):
            floor = row[f"{name}_floor"]
            assert isinstance(floor, dict)
            print(
                f"  {name:8} floor {floor['seconds'] * 1e3:9.2f} ms for {floor['million_multiplications']:.1f} million "
                "multiplications"
            )
    if given.json:
        Path(given.json).write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()

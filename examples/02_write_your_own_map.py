"""Drive the knobs by a map of your own, and see what it does before any music is made.

The same 40 seconds of the simulated brain go through the default map and through one in which frontal theta raises the
register and alpha alone decides how dense the music is.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import quantiles

from brainmidi.acquire.demo import DemoSource
from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.controls.baseline import demo_baseline
from brainmidi.controls.mapping import DEFAULT_MAP, ControlMap, KnobRule
from brainmidi.drivers.chain import SignalChain
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import KNOBS, ControlFrame

SECONDS = 40.0

MINE = ControlMap(
    knobs={
        "latent_mix": KnobRule("alpha.posterior", invert=True),
        "density": KnobRule("alpha", invert=True, low=-1.5, high=1.5),
        "register": KnobRule("theta.frontal", low=-2.5, high=2.5),
    },
    time_constant_s=3.0,
)


def controls(control_map: ControlMap) -> list[ControlFrame]:
    """Return the control frames of the whole stretch, 20 a second."""
    source = DemoSource(seed=5, duration_s=SECONDS)
    chain = SignalChain(
        source.montage,
        condition=ConditionSettings(),
        features=FeatureSettings(),
        control_map=control_map,
        baseline=demo_baseline(),
    )
    source.start()
    frames: list[ControlFrame] = []
    while (chunk := source.read(SECONDS)) is not None:  # any chunking gives the same frames
        frames += chain.process(chunk)
    return frames


def main(folder: Path) -> None:
    lines = ["map\tknob\tlower_quartile\tmedian\tupper_quartile"]
    for name, control_map in (("default", DEFAULT_MAP), ("mine", MINE)):
        frames = controls(control_map)
        for knob in KNOBS:
            low, middle, high = quantiles([frame.knobs[knob] for frame in frames], n=4)
            lines.append(f"{name}\t{knob}\t{low:.2f}\t{middle:.2f}\t{high:.2f}")
    (folder / "knobs.tsv").write_text("\n".join(lines) + "\n")
    print("\n".join(lines).expandtabs(16))
    print(f"wrote {folder / 'knobs.tsv'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))

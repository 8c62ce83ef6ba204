"""Calibrate from a recording, look at what was found, and see the knobs follow with the profile that came of it.

The recording is one of the simulated brain, which does what a calibration asks for: eyes open, eyes closed, counting,
rest in turns. With a recording of your own, do the same by

    brainmidi calibrate --from-recording mine.edf --events "open=0-60,closed=60-120" -o me.json --plot me.png
    brainmidi improv --profile me.json
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from statistics import median

from brainmidi.acquire.demo import DemoSource
from brainmidi.config import SessionConfig, parse_config
from brainmidi.drivers import assemble, verdict
from brainmidi.drivers.calibration import calibrate
from brainmidi.drivers.guide import CHECK_S, Guide
from brainmidi.drivers.phases import STEPS, plan_of
from brainmidi.midi.clock import VirtualClock


def calm_knob(config: SessionConfig, calm: float) -> float:
    """Return where ``latent_mix`` stands while another 15 s of the same brain are so calm, 0 to 1."""
    source = DemoSource(seed=8, plan=((0.0, calm),), duration_s=15.0)
    chain = assemble.make_chain(config, source, assemble.choose_rest(config, source))
    chunk = source.read(float("inf"))
    assert chunk is not None
    return median(frame.knobs["latent_mix"] for frame in chain.process(chunk))


def main(folder: Path) -> None:
    config = SessionConfig()
    source = DemoSource(seed=7, plan=plan_of(STEPS, CHECK_S))
    guide = Guide(source, VirtualClock(), STEPS, assemble.condition_settings(config))  # a person needs MonotonicClock()
    recording = guide.run(lambda moment: None)
    found = calibrate(config, [recording], created="2026-11-21_10-00-00")
    print("\n".join(verdict.lines(found)))
    found.profile.save(folder / "me.json")
    verdict.plot(found, folder / "me.png")
    # With spectra and separations drawn, play: the profile brings its baseline, bad electrodes, mains and classifier.
    mine = parse_config({"baseline": {"profile": str(folder / "me.json")}})
    for words, calm in (("eyes closed", 1.0), ("at rest", 0.5), ("counting", 0.0)):
        print(f"latent_mix {words:12} {calm_knob(mine, calm):.2f}")
    print(f"wrote {folder / 'me.json'} and {folder / 'me.png'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))

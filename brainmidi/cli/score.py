"""``brainmidi score``: a recording becomes a take, as fast as the machine can."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from brainmidi.cli import options as opt


def score(
    recording: Annotated[
        Path, typer.Argument(metavar="RECORDING", help="EDF, BDF, FIF, BrainVision .vhdr, EEGLAB .set or csv.")
    ],
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="The board that made a BrainFlow csv, where it fits several.")
    ] = None,
    config: opt.ConfigFile = None,
    key: opt.Key = None,
    chords: opt.Chords = None,
    parts: opt.Parts = None,
    tempo: opt.Tempo = None,
    metre: opt.Metre = None,
    bars: opt.Bars = None,
    temperature: opt.Temperature = None,
    seed: opt.Seed = None,
    baseline: opt.Baseline = None,
    baseline_from: opt.BaselineFrom = None,
    baseline_profile: opt.BaselineProfile = None,
    save_baseline: opt.SaveBaseline = None,
    output: opt.Output = None,
    trace: opt.Trace = None,
    ui: opt.Ui = opt.Screen.PLAIN,
) -> None:
    """Turn recorded EEG into a score: the same music as `improv` would play on it."""
    settings = opt.read_config(config, dict(locals()))
    outputs = opt.sort_outputs(
        output,
        {"--trace": trace, "--save-baseline": save_baseline},
        read={"--config": config, "--baseline-from": baseline_from, "RECORDING": recording},
    )

    from brainmidi.cli.finish import Stage, finish
    from brainmidi.drivers.offline import score as run
    from brainmidi.drivers.take import TakeFiles

    files = TakeFiles(outputs.midi, trace, title=outputs.midi.stem)
    with Stage(ui) as stage:
        take = run(settings, recording, files, on_bar=stage.show, save_baseline=save_baseline)
    finish(take, outputs.score)

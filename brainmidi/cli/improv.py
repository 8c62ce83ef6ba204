"""``brainmidi improv``: play live. Ctrl-C is the ordinary way to end a take: it is saved, and the exit code is 0."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brainmidi.cli import options as opt

if TYPE_CHECKING:
    from brainmidi.midi.link import PlayerInfo


def improv(
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="demo, a BrainFlow board, lsl:NAME, or a recording. [default: demo]"),
    ] = None,
    board: Annotated[
        str | None, typer.Option(metavar="NAME", help="The board that made a BrainFlow csv, where it fits several.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE.csv", help="Write the EEG down, raw: to score, calibrate, yoke.")
    ] = None,
    yoked: Annotated[
        Path | None,
        typer.Option(metavar="RECORDING", help="Another brain plays, from its recording; yours is traced alone."),
    ] = None,
    yoked_profile: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The profile of that brain. [default: its first seconds]")
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
    port: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Part of an existing port's name. [default: open brainmidi:out]"),
    ] = None,
    input_: Annotated[
        str | None,
        typer.Option("--input", metavar="NAME", help="The same for what you play to it. [default: open brainmidi:in]"),
    ] = None,
    network: Annotated[
        int | None, typer.Option(metavar="N", help="Network port 1..20, as ipMIDI has them, in place of MIDI ports.")
    ] = None,
    clock: opt.Clock = None,
    send_clock: opt.SendClock = None,
    nudge_ms: opt.NudgeMs = None,
    count_in: opt.CountIn = None,
    metronome: opt.Metronome = None,
    output: opt.Output = None,
    trace: opt.Trace = None,
    ui: opt.Ui = opt.Screen.PLAIN,
    virtual_time: Annotated[
        bool, typer.Option("--virtual-time", help="Play on a virtual clock: nothing waits, and no port is opened.")
    ] = False,
    serial_port: opt.BoardText = None,
    mac_address: opt.BoardText = None,
    ip_address: opt.BoardText = None,
    ip_address_aux: opt.BoardText = None,
    ip_address_anc: opt.BoardText = None,
    ip_port: opt.BoardNumber = None,
    ip_port_aux: opt.BoardNumber = None,
    ip_port_anc: opt.BoardNumber = None,
    ip_protocol: opt.BoardNumber = None,
    other_info: opt.BoardText = None,
    timeout: opt.BoardNumber = None,
    serial_number: opt.BoardText = None,
    file: opt.BoardText = None,
    file_aux: opt.BoardText = None,
    file_anc: opt.BoardText = None,
    master_board: opt.BoardText = None,
) -> None:
    """Play live from EEG, until --bars, the end of a recording, or Ctrl-C."""
    given = dict(locals())
    settings = opt.read_config(config, given)
    if virtual_time:
        opt.refuse_real_time(given)
    outputs = opt.sort_outputs(
        output,
        {"--trace": trace, "--save-baseline": save_baseline, "--record": record},
        read={
            "--config": config,
            "--baseline-from": baseline_from,
            "--source": Path(source) if source else None,
            "--yoked": yoked,
            "--yoked-profile": yoked_profile,
        },
    )

    from brainmidi.cli.finish import Stage, finish
    from brainmidi.cli.keys import HELP, has_keys, keys_of
    from brainmidi.drivers.live import improvise
    from brainmidi.drivers.take import TakeFiles

    files = TakeFiles(outputs.midi, trace, title=outputs.midi.stem)
    with Stage(ui) as stage:

        def ready(info: PlayerInfo) -> None:
            where = f"{info.port} ({info.api})" if info.port else f"no port: {info.reason}"
            stage.say(f"playing {settings.source.name} to {where}")
            if settings.midi.input and info.input is None:
                stage.say(f"hearing nothing yet: {info.input_reason}")
            if settings.clock.source != "internal":
                master = f"MIDI clock on {info.input}" if settings.clock.source == "midi" else "Ableton Link"
                stage.say(f"following {master}: press play there; the tempo is its own, [map.tempo] moves nothing")
            if has_keys() and not virtual_time:
                stage.say(HELP)

        take = improvise(
            settings,
            files,
            virtual=virtual_time,
            since_s=opt.STARTED_S,
            on_ready=ready,
            on_bar=stage.show,
            on_signal=stage.say,
            hands=keys_of,
            record=record,
            yoked=yoked,
            yoked_profile=yoked_profile,
            save_baseline=save_baseline,
        )
    finish(take, outputs.score)

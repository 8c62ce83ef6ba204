"""``brainmidi calibrate``: finds out what follows this person's brain, and keeps it in a profile."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from brainmidi.cli import options as opt
from brainmidi.errors import BrainmidiError, ConfigError
from brainmidi.midi.clock import MonotonicClock, VirtualClock, date_stamp

if TYPE_CHECKING:
    from brainmidi.config import SessionConfig
    from brainmidi.drivers.phases import Recording

_GUIDE = "Recordings in place of a person"
_MERGE = "Profiles of several days"


def calibrate(
    profiles: Annotated[
        list[Path] | None, typer.Argument(metavar="[PROFILES]...", help="With --merge: the profiles to merge.")
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="A BrainFlow board, lsl, lsl:NAME, or the simulated brain. [default: demo]"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="FILE", help="Where the profile goes: a .json.")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw spectra and separations: .png, .pdf or .svg.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep the raw samples too, as a .csv with the phases marked.")
    ] = None,
    from_recording: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="Calibrate from this recording; repeatable.", rich_help_panel=_GUIDE),
    ] = None,
    events: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPEC",
            help='What was done when, one for each file: "closed" (all of it), "open=0-60,closed=60-120" (seconds), '
            '"rest=T0,focus=T1,none=T2" (its marker labels), or "markers" (labels that are the phases\' names: open, '
            "closed, focus, rest).",
            rich_help_panel=_GUIDE,
        ),
    ] = None,
    board: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The board that made a BrainFlow csv.", rich_help_panel=_GUIDE),
    ] = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Merge PROFILES and show their drift.", rich_help_panel=_MERGE)
    ] = False,
    config: opt.ConfigFile = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Of the simulated brain.")] = None,
    virtual_time: Annotated[
        bool, typer.Option("--virtual-time", help="With the simulated brain: nothing waits.")
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
    """Find what follows your brain, in three minutes: eyes open, eyes closed, counting and rest in turns."""
    given = dict(locals())
    settings = opt.read_config(config, given)
    _check(profiles, merge, from_recording, events, source, virtual_time, plot, record)
    output = output or Path("profile.json")
    _check_files(output, plot, record, from_recording or [], profiles or [], merge)
    if merge:
        _merge(profiles or [], output)
        return
    if from_recording:
        recordings = _read(settings, from_recording, events or [])
        _conclude(settings, recordings, output, plot)
        return
    recording = _guided(settings, output, virtual_time)
    if record is not None:
        _keep(recording, record)
        typer.echo(f"{record} holds the raw samples")
    try:
        _conclude(settings, [recording], output, plot)
    except BaseException:
        if record is None:
            _say_kept(recording, output)
        raise


def _check(
    profiles: list[Path] | None,
    merge: bool,
    from_recording: list[Path] | None,
    events: list[str] | None,
    source: str | None,
    virtual_time: bool,
    plot: Path | None,
    record: Path | None,
) -> None:
    """Raise ConfigError where options do not go together."""
    if profiles and not merge:
        raise ConfigError(
            f"{profiles[0]} is named without an option; give profiles after --merge, recordings with --from-recording"
        )
    asked = [("--source", source), ("--from-recording", from_recording), ("--merge", merge)]
    modes = [name for name, value in asked if value]
    if len(modes) > 1:
        raise ConfigError(f"{' and '.join(modes)} exclude each other, one of them is needed; leave the others out")
    if events and not from_recording:
        raise ConfigError("--events says what was done in a recording, none is given; add --from-recording FILE")
    if from_recording and events and len(events) not in (1, len(from_recording)):
        raise ConfigError(
            f"{len(events)} --events for {len(from_recording)} --from-recording, one for all or one for each is "
            "needed; leave some out"
        )
    if virtual_time and (modes or source not in (None, "demo")) and source != "demo":
        raise ConfigError("--virtual-time is for the simulated brain, a person takes their time; leave it out")
    for option, value in (("--plot", plot), ("--record", record)):
        if value is not None and merge:
            raise ConfigError(f"{option} goes with a calibration, --merge makes none; leave it out")
    if record is not None and from_recording:
        raise ConfigError("--record keeps what a person's calibration recorded, --from-recording has it; leave it out")


def _check_files(
    output: Path, plot: Path | None, record: Path | None, recordings: list[Path], profiles: list[Path], merge: bool
) -> None:
    """Raise ConfigError where a file cannot be written, or would be written over."""
    wanted = {"-o": (output, (".json",)), "--plot": (plot, (".png", ".pdf", ".svg")), "--record": (record, (".csv",))}
    taken = {path.resolve(): f"--from-recording {path}" for path in recordings}
    if merge:
        taken |= {path.resolve(): f"--merge {path}" for path in profiles}
    for option, (path, suffixes) in wanted.items():
        if path is None:
            continue
        opt.need_folder(option, path)
        if path.suffix.lower() not in suffixes:
            raise ConfigError(f"{option} {path} ends in {path.suffix or 'no suffix'}, {', '.join(suffixes)} is allowed")
        if path.resolve() in taken:
            raise ConfigError(f"{option} {path} is the same file as {taken[path.resolve()]}; give it another name")
    if record is not None and record.exists():
        raise ConfigError(f"--record {record} exists already; give it another name")


def _read(settings: SessionConfig, paths: list[Path], events: list[str]) -> list[Recording]:
    """Return the recordings with what was done in them."""
    from brainmidi.drivers.assemble import open_file
    from brainmidi.drivers.phases import Recording, events_of

    recordings = []
    for number, path in enumerate(paths):
        source = open_file(path, settings)
        text = events[number] if number < len(events) else events[0] if events else None
        chunk = source.read(float("inf"))
        assert chunk is not None  # a recording that was just opened has samples
        spans = events_of(text, source.name, chunk.markers, len(chunk) / chunk.montage.rate_hz)
        recordings.append(Recording(source.name, source.simulated, chunk, spans))
    return recordings


def _guided(settings: SessionConfig, output: Path, virtual: bool) -> Recording:
    """Lead a person (or the simulated brain) through the phases; what was recorded survives an interruption."""
    from brainmidi.cli.calibratescreen import CalibrateScreen
    from brainmidi.drivers import assemble
    from brainmidi.drivers.guide import CHECK_S, Guide
    from brainmidi.drivers.phases import STEPS, plan_of

    clock = VirtualClock() if virtual else MonotonicClock()
    if assemble.is_recording(settings.source.name):
        raise ConfigError(
            f"{settings.source.name} is a recording; calibrate from it with --from-recording and --events"
        )
    if settings.source.name == "demo":
        from brainmidi.acquire.demo import DemoSource

        demo = DemoSource(seed=settings.session.seed, plan=plan_of(STEPS, CHECK_S))
        guide = Guide(demo, clock, STEPS, assemble.condition_settings(settings))
    else:
        guide = Guide(assemble.open_any_source(settings, clock), clock, STEPS, assemble.condition_settings(settings))
    try:
        with CalibrateScreen(quiet=virtual) as screen:
            return guide.run(screen.show)
    except BaseException:
        recording = guide.recording()
        if recording is not None:
            _say_kept(recording, output)
        raise


def _conclude(settings: SessionConfig, recordings: list[Recording], output: Path, plot: Path | None) -> None:
    """Compute, save, draw and tell."""
    from brainmidi.drivers import verdict
    from brainmidi.drivers.calibration import calibrate as run

    calibration = run(settings, recordings, date_stamp())
    kept = calibration.profile.save(output)
    for line in verdict.lines(calibration):
        typer.echo(line)
    if plot is not None:
        verdict.plot(calibration, plot)
    if kept is not None:
        typer.echo(f"{output} was there before; it is kept as {kept}")
    suggested = verdict.suggestion(calibration)
    if suggested:
        typer.echo("\nlines for your session.toml:\n\n    " + "\n    ".join(suggested) + "\n")
    files = f"{output} and {plot}" if plot is not None else f"{output}"
    typer.echo(f"{files} written; play with it: brainmidi improv --profile {output}")


def _merge(paths: list[Path], output: Path) -> None:
    from brainmidi.controls.merging import merge
    from brainmidi.controls.profileread import load_profile
    from brainmidi.drivers.verdict import merged_lines

    parts = {str(path): load_profile(path) for path in paths}
    profile = merge(parts)
    kept = profile.save(output)
    for line in merged_lines(profile, list(parts.values())):
        typer.echo(line)
    if kept is not None:
        typer.echo(f"{output} was there before; it is kept as {kept}")
    typer.echo(f"{output} written; play with it: brainmidi improv --profile {output}")


def _say_kept(recording: Recording, output: Path) -> None:
    """Save what was recorded under a name that no file has, and say how to go on from it."""
    path = output.with_name(f"{output.stem}_{date_stamp()}.csv")
    try:
        _keep(recording, path)
    except BrainmidiError as error:
        typer.echo(f"brainmidi: {error}", err=True)
        return
    seconds = len(recording.chunk) / recording.chunk.montage.rate_hz
    typer.echo(
        f"{path} keeps the {seconds:.0f} s that were recorded: brainmidi calibrate --from-recording {path} --events "
        "markers",
        err=True,
    )


def _keep(recording: Recording, path: Path) -> None:
    """Write the raw samples, with the phases as markers."""
    from brainmidi.acquire.csvfile import write_csv
    from brainmidi.drivers.phases import marked

    try:
        write_csv(path, marked(recording))
    except (OSError, csv.Error) as error:
        raise ConfigError(f"{path} cannot be written ({error}); choose another place with -o or --record") from error

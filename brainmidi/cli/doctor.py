"""``brainmidi doctor``: looks at everything that a take needs, and says what to do about what it finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainmidi.cli import options as opt

if TYPE_CHECKING:
    from rich.console import Console

    from brainmidi.config import SessionConfig
    from brainmidi.drivers.doctor import Check, Finding

_LISTEN_S = 8.0
_HISTOGRAM_CELLS = 40
_STYLES = {"ok": ("ok     ", "green"), "note": ("note   ", "yellow"), "problem": ("problem", "bold red")}


def doctor(
    source: Annotated[
        str | None, typer.Option(metavar="NAME", help="Look at this EEG device too, for eight seconds.")
    ] = None,
    config: opt.ConfigFile = None,
    port: Annotated[str | None, typer.Option(metavar="NAME", help="Part of an existing MIDI port's name.")] = None,
    seconds: Annotated[
        float, typer.Option(min=0, max=3600, metavar="S", help="How long timing is measured; 0 leaves it out.")
    ] = 60.0,
    models: Annotated[bool, typer.Option(help="Load the models as a take does.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print plain data instead.")] = False,
    serial_port: opt.BoardText = None,
    mac_address: opt.BoardText = None,
    ip_address: opt.BoardText = None,
    ip_port: opt.BoardNumber = None,
    other_info: opt.BoardText = None,
    timeout: opt.BoardNumber = None,
    serial_number: opt.BoardText = None,
    file: opt.BoardText = None,
    master_board: opt.BoardText = None,
) -> None:
    """Check Python, MIDI, timing, priority, EEG, models and disk. Exit code 1 where something would spoil a take."""
    settings = opt.read_config(config, dict(locals()))

    from rich.console import Console

    from brainmidi.drivers.doctor import as_plain, examine, is_well

    console = Console(highlight=False, soft_wrap=True)
    figures: dict[str, Any] = {}
    findings: list[Finding] = []
    with _progress(console, seconds, hidden=as_json) as tell:
        for check in _checks(settings, seconds, models, source is not None or config is not None, tell, figures):
            found = examine(check)
            findings += found
            if not as_json:
                _show(console, found)
    if as_json:
        typer.echo(json.dumps(as_plain(findings, figures), indent=2))
    else:
        if "timing" in figures:
            _histogram(console, figures["timing"]["edges_ms"], figures["timing"]["counts"])
        console.print(_verdict(findings))
    raise typer.Exit(0 if is_well(findings) else 1)


def _checks(
    settings: SessionConfig,
    seconds: float,
    models: bool,
    listen: bool,
    tell: Callable[[float], None],
    figures: dict[str, Any],
) -> Iterator[Check]:
    from brainmidi.drivers import doctormidi, doctormodels, doctorsignal, doctorsystem
    from brainmidi.drivers.doctor import Check
    from brainmidi.models.checkpoint import imported_root

    yield Check("python", doctorsystem.look_at_python)
    yield Check("disk", partial(doctorsystem.look_at_disk, (Path("takes"), imported_root())))
    yield Check("midi", partial(doctormidi.look_at_ports, settings))
    if seconds:
        yield Check("timing", partial(doctormidi.look_at_timing, settings, seconds, tell, figures), seconds + 30.0)
    yield Check("eeg", doctorsignal.look_at_lsl)
    if listen:
        yield Check("eeg", partial(doctorsignal.look_at_source, settings, _LISTEN_S), 90.0)
    yield Check("models", doctormodels.look_at_weights, 60.0)
    if models:
        yield Check("models", partial(doctormodels.look_at_session, settings), 180.0)


def _show(console: Console, findings: Sequence[Finding]) -> None:
    for finding in findings:
        word, style = _STYLES[finding.state]
        console.print(f"[{style}]{word}[/] [bold]{finding.area:<7}[/] ", end="")
        console.print(finding.text, markup=False)
        if finding.remedy:
            console.print(f"{'':16} -> {finding.remedy}", markup=False)


def _verdict(findings: Sequence[Finding]) -> str:
    """Return the last line: how many problems there are, or how many notes are left to look at."""
    problems, notes = (sum(finding.state == state for finding in findings) for state in ("problem", "note"))
    if problems:
        return f"{problems} to be put right"
    also = f", with {notes} {'note' if notes == 1 else 'notes'} to look at" if notes else ""
    return f"everything that a take needs is there{also}"


def _histogram(console: Console, edges_ms: Sequence[float], counts: Sequence[int]) -> None:
    """Draw how many messages were how late, by the logarithm: the rare ones are what is looked for."""
    from math import log10

    most = max([*counts, 1])
    console.print("how late messages were:")
    labels = [f"< {edge_ms:g} ms" for edge_ms in edges_ms] + [f">= {edges_ms[-1]:g} ms"]
    for label, count in zip(labels, counts, strict=True):
        cells = 0 if not count else max(1, round(_HISTOGRAM_CELLS * log10(count + 1) / log10(most + 1)))
        bar = ("#" if console.legacy_windows or not console.encoding.startswith("utf") else "█") * cells
        console.print(f"{label:>11} {count:>7}  {bar}", markup=False)


@contextmanager
def _progress(console: Console, seconds: float, *, hidden: bool) -> Iterator[Callable[[float], None]]:
    """Show how far the timing has come, where someone looks at it."""
    from rich.progress import BarColumn, Progress, TextColumn

    columns = (TextColumn("timing"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} s"))
    with Progress(*columns, console=console, transient=True, disable=hidden or not console.is_terminal) as progress:
        task = None

        def tell(passed_s: float) -> None:
            nonlocal task
            if task is None:
                task = progress.add_task("timing", total=seconds)
            progress.update(task, completed=passed_s)
            if passed_s + 4.0 >= seconds:
                progress.update(task, visible=False)

        yield tell

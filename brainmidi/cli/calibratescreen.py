"""What a person sees and hears while being calibrated: one prompt at a time, a bar, and the bell."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from brainmidi.drivers.guide import Moment

_SILENT_S = 1.0


class CalibrateScreen:
    """Shows where a guided calibration stands.

    The bell rings once when a step begins that is done with open eyes, and twice where the eyes have to be closed: who
    has them closed hears when to open them.

    Parameters
    ----------
    quiet : bool
        On the virtual clock nobody is there to be led.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._console = Console(stderr=True, quiet=quiet)
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=None),
            TextColumn("{task.percentage:>3.0f} %"),
            TimeRemainingColumn(compact=True),
            console=self._console,
            transient=True,
        )
        self._task = self._progress.add_task("electrodes", total=1.0)
        self._shown: int | None = None

    def show(self, moment: Moment) -> None:
        """Show where the calibration stands; announce a step that begins."""
        if moment.step is not None and moment.number != self._shown:
            self._shown = moment.number
            self._console.print(f"\n[bold]{moment.step.prompt}[/bold]")
            for _ in range(2 if moment.step.phase == "closed" else 1):
                self._console.bell()
        what = "electrodes" if moment.step is None else "get ready" if moment.changing else moment.step.phase
        notes = ""
        if moment.silent_s > _SILENT_S:
            notes = f"  [red]no signal for {moment.silent_s:.0f} s[/red]"
        elif moment.poor:
            notes = f"  [yellow]poor: {', '.join(moment.poor[:6])}[/yellow]"
        text = f"{what:<10} {moment.left_s:3.0f} s{notes}"  # of one width, so that the bar stands still
        self._progress.update(self._task, completed=moment.done, description=text)

    def __enter__(self) -> CalibrateScreen:
        self._console.print(
            "Calibration, three minutes. Sit comfortably, look at one point. The bell tells you when to change; twice "
            "means: close your eyes."
        )
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()
        if kind is None:
            self._console.bell()

"""What is told about a take while it grows and when it ends: a line of JSON a bar, and the summary."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean, median
from types import TracebackType
from typing import TYPE_CHECKING, Any, TextIO

from brainmidi.errors import ConfigError
from brainmidi.types import KNOBS, Bar

if TYPE_CHECKING:  # these bring scipy, which the screen and the player's start do not wait for
    from brainmidi.drivers.chain import SignalQuality
    from brainmidi.features.erp import ErpSummary


def trace_line(
    bar: Bar, time_s: float, lateness_ms: float | None, more: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Return what a trace says about a bar; ``"second_part"`` only where its voice tells how it made the bar.

    Parameters
    ----------
    bar : Bar
        As it was played.
    time_s : float
        Sample time of its first beat, in seconds.
    lateness_ms : float or None
        Worst lateness of a message in the bar; None offline, and for a last bar, which no bar line follows.
    more : mapping, optional
        What else there is to say: the ``"epochs"`` around markers that became known, a device's ``"signal"``, and
        ``"yoked"`` and ``"own"`` where another brain plays.
    """
    # What stands in for a bar was not made by the voice.
    report = {} if bar.fallback else bar.report
    made = {name: value if isinstance(value, bool) else round(value, 4) for name, value in report.items()}
    return {
        "bar": bar.index,
        "time_s": round(time_s, 6),
        "controls_s": round(bar.controls.time_s, 6),
        "features": {name: round(value, 4) for name, value in bar.controls.features.items()},
        "knobs": {name: round(bar.controls.knobs.get(name, 0.5), 4) for name in KNOBS},
        "confidence": round(bar.controls.confidence, 4),
        "latent": {"anchor": bar.anchor, "mix": round(bar.latent_mix, 4)},
        "temperature": round(bar.temperature, 4),
        "tempo_bpm": round(bar.tempo_bpm, 4),
        "chords": [[float(beat), symbol] for beat, symbol in bar.chords],
        "notes": {part: len(bar.phrase.part(part).notes) for part in bar.parts},
        **({"second_part": made} if made else {}),
        "fallback": bar.fallback,
        "lateness_ms": None if lateness_ms is None else round(lateness_ms, 3),
        **({} if more is None else more),
    }


class TraceFile:
    """Writes a line of JSON for every bar; one that is not given a path writes nothing.

    Parameters
    ----------
    path : Path or None
        Where to. Replaced if it exists.

    Raises
    ------
    ConfigError
        The file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self._file: TextIO | None = None
        if path is not None:
            try:
                self._file = path.open("w", encoding="utf-8")
            except OSError as error:
                raise ConfigError(
                    f"--trace {path} cannot be written ({error.strerror}); choose a file in a folder that exists"
                ) from error

    def write(self, bar: Bar, time_s: float, lateness_ms: float | None, more: Mapping[str, Any] | None = None) -> None:
        """Append the line of `bar`, and see to it that it is on disk should the process die."""
        if self._file is not None:
            self._file.write(json.dumps(trace_line(bar, time_s, lateness_ms, more)) + "\n")
            self._file.flush()

    def __enter__(self) -> TraceFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()


@dataclass(frozen=True, slots=True)
class Timing:
    """How punctual a live take was.

    Parameters
    ----------
    first_note_s : float or None
        Seconds from the start of the program to the first note.
    late_bars : tuple of int
        Bars that were not there on their first beat; a fallback sounded instead.
    p50_ms, p99_ms, max_ms : float
        Lateness of messages.
    port : str
        Where the notes went, in words.
    """

    first_note_s: float | None
    late_bars: tuple[int, ...]
    p50_ms: float
    p99_ms: float
    max_ms: float
    port: str


@dataclass(frozen=True, slots=True)
class Summary:
    """A take in figures.

    Parameters
    ----------
    source : str
        Where the EEG came from.
    simulated : bool
        Whether that was a simulated brain.
    baseline : str
        What the knobs were measured against, in words.
    bars : int
        Bars played.
    music_s : float
        Seconds of music.
    stream_s : float
        Seconds of EEG used.
    quality : SignalQuality
        How good the EEG was.
    knob_medians : mapping of str to float
        Median position of every knob over the bars.
    latent_mix_mean : float
        Mean position between the calm and the active corner.
    anchors : tuple of (int, str)
        The first bar's anchor, and each bar with which another one came into force.
    erp : ErpSummary or None
        Target minus non-target over the whole stream; None without enough markers.
    anchor_steps : int
        Events that moved the music on.
    timing : Timing or None
        None offline and on the virtual clock.
    ended : str
        Why the take ended, in words.
    files : tuple of str
        What was saved.
    undriven : mapping of str to str
        Mapped knobs that stood at 0.5 throughout, each with the reason in words.
    scoring_s : float or None
        Seconds that it took to turn a recording into the take, once the models were loaded; None live.
    signal : str
        What became of a device's signal, in words; nothing where the source cannot fail.
    own : str
        The EEG of the person who listens while another brain plays, in words; nothing where nobody does.
    classifier : str
        What the ERP classifier of the profile has done, in words; nothing where there is none and nobody asks.
    unheard : bool
        Whether an oddball was played that no brain of this take heard, so that its tones were not marked.
    """

    source: str
    simulated: bool
    baseline: str
    bars: int
    music_s: float
    stream_s: float
    quality: SignalQuality
    knob_medians: Mapping[str, float]
    latent_mix_mean: float
    anchors: tuple[tuple[int, str], ...]
    erp: ErpSummary | None
    anchor_steps: int
    timing: Timing | None
    ended: str
    files: tuple[str, ...] = field(default=())
    undriven: Mapping[str, str] = field(default_factory=dict)
    scoring_s: float | None = None
    signal: str = ""
    own: str = ""
    classifier: str = ""
    unheard: bool = False

    def lines(self) -> tuple[str, ...]:
        """Return the summary as lines of text."""
        kind = "simulated, not a person" if self.simulated else "EEG"
        poor = [name for name, good in self.quality.channels if good < 0.5]
        quality = f"{100 * self.quality.share:.0f} % of channels usable"
        quality += f"; poor: {', '.join(poor)}" if poor else ""
        knobs = ", ".join(f"{name} {value:.2f}" for name, value in self.knob_medians.items())
        lines = [
            f"source      {self.source}, {kind}, {self.stream_s:.1f} s, {quality}",
            *([f"signal      {self.signal}"] if self.signal else []),
            *([f"yoked       another brain played; own EEG: {self.own}"] if self.own else []),
            f"baseline    {self.baseline}",
            f"music       {self.bars} bars, {self.music_s:.1f} s; {self.ended}",
            f"knobs       median over bars: {knobs}",
            *(f"neutral     {name} stayed at 0.5: {reason}" for name, reason in self.undriven.items()),
            f"latent      mean position {self.latent_mix_mean:.2f} (0 calm, 1 active)",
            f"anchors     {', '.join(f'{name} from bar {bar + 1}' for bar, name in self.anchors)}"
            f" ({self.anchor_steps} events)",
            f"ERP         {_erp_text(self.erp)}",
            *([f"classifier  {self.classifier}"] if self.classifier else []),
            *(["oddball     its tones are not marked: no brain of this take heard them"] if self.unheard else []),
        ]
        if self.timing is not None:
            timing = self.timing
            first = "no note was played" if timing.first_note_s is None else f"{timing.first_note_s:.2f} s"
            lines += [
                f"port        {timing.port}",
                f"timing      time to first note: {first}; late bars: {len(timing.late_bars)}; "
                f"lateness p50 {timing.p50_ms:.2f} ms, p99 {timing.p99_ms:.2f} ms, max {timing.max_ms:.2f} ms",
            ]
        if self.scoring_s is not None:
            lines.append(f"timing      scored in {self.scoring_s:.1f} s once the models were loaded")
        lines += [f"saved       {name}" for name in self.files]
        return tuple(lines)


def knob_medians(bars: Sequence[Bar]) -> dict[str, float]:
    """Return the median position of every knob over `bars`; nothing where there is none."""
    return {name: median(bar.controls.knobs.get(name, 0.5) for bar in bars) for name in KNOBS} if bars else {}


def mean_mix(bars: Sequence[Bar]) -> float:
    """Return the mean latent position over `bars`, 0.5 where there is none."""
    return fmean(bar.latent_mix for bar in bars) if bars else 0.5


def anchor_changes(bars: Sequence[Bar]) -> tuple[tuple[int, str], ...]:
    """Return the first bar with its anchor, and each bar that brought another."""
    changes: list[tuple[int, str]] = []
    for bar in bars:
        if not changes or changes[-1][1] != bar.anchor:
            changes.append((bar.index, bar.anchor))
    return tuple(changes)


def _erp_text(erp: ErpSummary | None) -> str:
    if erp is None:
        return "no target and non-target markers, or too few of them"
    return (
        f"target minus non-target {erp.amplitude_uv:+.2f} uV at {erp.channel} "
        f"({erp.n_target} targets, {erp.n_nontarget} non-targets, confidence {erp.confidence:.3f})"
    )

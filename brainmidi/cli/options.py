"""The options that ``improv`` and ``score`` share, and how they become a checked :class:`SessionConfig`.

An option is named like the key of ``session.toml`` that it overrides, or :data:`PLACES` says where it belongs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from brainmidi.errors import ConfigError
from brainmidi.midi.clock import MonotonicClock, date_stamp

if TYPE_CHECKING:
    from brainmidi.config import SessionConfig

#: When the program started, as near as a module can tell; the time to the first note counts from here.
STARTED_S = MonotonicClock().now_s()

MIDI_SUFFIXES = (".mid", ".midi")
SCORE_SUFFIXES = (".musicxml", ".xml")


class Screen(StrEnum):
    """What is shown while the music plays."""

    NONE = "none"
    PLAIN = "plain"


_BOARD = "Board (BrainFlow's connection parameters)"
_MUSIC = "Music"
_REST = "Baseline (what rest looks like)"
_OUT = "Output"
_CLOCK = "Clock"

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", metavar="FILE", help="A session.toml; `brainmidi init` writes one.", rich_help_panel=_MUSIC
    ),
]
Key = Annotated[
    str | None, typer.Option(metavar="KEY", help='Tonic and mode, such as "D dorian".', rich_help_panel=_MUSIC)
]
Chords = Annotated[
    str | None,
    typer.Option(metavar="CHORDS", help='One chord a bar, repeated: "Dm7 G7 Cmaj7".', rich_help_panel=_MUSIC),
]
Parts = Annotated[
    str | None,
    typer.Option(
        metavar="PARTS",
        help="Who plays, such as melody,accompaniment,bass,drums; the first two always do.",
        rich_help_panel=_MUSIC,
    ),
]
Tempo = Annotated[
    float | None, typer.Option(metavar="BPM", help="Quarter notes a minute, 30..240.", rich_help_panel=_MUSIC)
]
Metre = Annotated[str | None, typer.Option(metavar="METRE", help="4/4, 3/4, 2/4 or 6/8.", rich_help_panel=_MUSIC)]
Bars = Annotated[int | None, typer.Option(metavar="N", help="Stop after N bars.", rich_help_panel=_MUSIC)]
Temperature = Annotated[
    float | None,
    typer.Option(
        metavar="T",
        help="Sample the second part at exactly T, 0.1..2.0, whatever the brain does: [range] temperature = [T, T].",
        rich_help_panel=_MUSIC,
    ),
]
Seed = Annotated[
    int | None, typer.Option(metavar="N", help="Same signal, same seed, same events.", rich_help_panel=_MUSIC)
]
Baseline = Annotated[
    float | None,
    typer.Option(metavar="SECONDS", help="Sit still for so long before the music starts.", rich_help_panel=_REST),
]
BaselineFrom = Annotated[
    Path | None, typer.Option(metavar="RECORDING", help="Fit it to a recording made at rest.", rich_help_panel=_REST)
]
BaselineProfile = Annotated[
    Path | None,
    typer.Option(
        "--baseline-profile",
        "--profile",
        metavar="FILE",
        help="Use what `brainmidi calibrate` or --save-baseline wrote.",
        rich_help_panel=_REST,
    ),
]
SaveBaseline = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Save the baseline of this take.", rich_help_panel=_REST)
]
Clock = Annotated[
    str | None,
    typer.Option(
        metavar="WHOSE", help="internal, midi (follow the clock on our input) or link.", rich_help_panel=_CLOCK
    ),
]
SendClock = Annotated[
    bool | None, typer.Option("--send-clock", help="Send MIDI clock, for others to follow.", rich_help_panel=_CLOCK)
]
NudgeMs = Annotated[
    float | None, typer.Option(metavar="MS", help="Send everything later; earlier if < 0.", rich_help_panel=_CLOCK)
]
CountIn = Annotated[
    int | None, typer.Option(metavar="BARS", help="Clicks before the first bar, 0..8 bars.", rich_help_panel=_CLOCK)
]
Metronome = Annotated[
    bool | None, typer.Option("--metronome", help="Click on every beat, on channel 15.", rich_help_panel=_CLOCK)
]
Output = Annotated[
    list[Path] | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Where the take goes: .mid or .musicxml, and twice for both. A dated name under takes/ by default.",
        rich_help_panel=_OUT,
    ),
]
Trace = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Write one line of JSON for every bar.", rich_help_panel=_OUT)
]
Ui = Annotated[
    Screen, typer.Option("--ui", help="One line for every bar, or nothing but the figures.", rich_help_panel=_OUT)
]

BoardText = Annotated[str | None, typer.Option(metavar="TEXT", show_default=False, rich_help_panel=_BOARD)]
BoardNumber = Annotated[int | None, typer.Option(metavar="N", show_default=False, rich_help_panel=_BOARD)]

#: Where an option's value belongs in session.toml; BrainFlow's parameters go to [source] under their own names.
PLACES: Mapping[str, tuple[str, str]] = {
    "source": ("source", "name"),
    "board": ("source", "board"),
    "tempo": ("session", "tempo_bpm"),
    "metre": ("session", "metre"),
    "key": ("session", "key"),
    "chords": ("session", "chords"),
    "parts": ("session", "parts"),
    "bars": ("session", "bars"),
    "seed": ("session", "seed"),
    "temperature": ("range", "temperature"),
    "baseline": ("baseline", "seconds"),
    "baseline_from": ("baseline", "recording"),
    "baseline_profile": ("baseline", "profile"),
    "port": ("midi", "port"),
    "input_": ("midi", "input"),
    "network": ("midi", "network"),
    "clock": ("clock", "source"),
    "send_clock": ("clock", "send"),
    "nudge_ms": ("clock", "nudge_ms"),
    "count_in": ("clock", "count_in"),
    "metronome": ("clock", "metronome"),
}
_NO_BASELINE: Mapping[str, object] = {"seconds": 0.0, "recording": "", "profile": ""}


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where a take is written: always a .mid, and a score where one was asked for."""

    midi: Path
    score: Path | None


def read_config(config: Path | None, given: Mapping[str, Any]) -> SessionConfig:
    """Return the file `config` with the options `given` on top, all of it checked.

    Parameters
    ----------
    config : Path or None
        The value of ``--config``.
    given : mapping of str to object
        Options by their names in Python; None where the user gave none. Names that belong nowhere are passed over.

    Raises
    ------
    ConfigError
        As :func:`brainmidi.config.load_config`; and where two baselines are asked for.
    """
    from brainmidi.config import Override, load_config
    from brainmidi.tables.signal import SourceTable

    overrides: list[Override] = []
    rests = [name for name in given if name.startswith("baseline") and given[name] is not None]
    if len(rests) > 1:
        both = " and ".join("--" + name.replace("_", "-") for name in rests)
        raise ConfigError(f"{both} exclude each other, one baseline is needed; leave one of them out")
    wires = [name for name in ("port", "input_") if given.get(name) is not None]
    if wires and given.get("network") is not None:
        raise ConfigError(f"--{wires[0].rstrip('_')} and --network exclude each other; leave one of them out")
    for name, value in given.items():
        place = PLACES.get(name) or (("source", name) if name in SourceTable.model_fields else None)
        if value is None or place is None:
            continue
        option = "--" + name.rstrip("_").replace("_", "-")
        if name == "temperature":
            overrides.append(Override(option, place, [value, value], f"{value:g}", "0.1..2.0"))
            continue
        if name == "parts":
            named = [part.strip() for part in str(value).split(",") if part.strip()]
            overrides.append(Override(option, place, named, value))
            continue
        if name == "network":  # as for baselines: the option replaces the file's way out
            overrides.extend(Override(option, ("midi", key), "") for key in ("port", "input"))
        elif name in ("port", "input_"):
            overrides.append(Override(option, ("midi", "network"), 0))
        if place[0] == "baseline":  # the option replaces whatever kind of baseline the file asks for
            others = {key: nothing for key, nothing in _NO_BASELINE.items() if key != place[1]}
            overrides.extend(Override(option, ("baseline", key), nothing) for key, nothing in others.items())
        overrides.append(Override(option, place, str(value) if isinstance(value, Path) else value))
    return load_config(config, overrides)


#: Options about what leaves or enters in real time, which the virtual clock has no use for.
_REAL_TIME = ("port", "input_", "network", "send_clock", "nudge_ms", "count_in", "metronome")


def refuse_real_time(given: Mapping[str, Any]) -> None:
    """Refuse the options `given` that mean nothing on the virtual clock; those of a session.toml are passed over.

    Raises
    ------
    ConfigError
        One was given.
    """
    options = ["--" + name.rstrip("_").replace("_", "-") for name in _REAL_TIME if given.get(name) is not None]
    if options:
        raise ConfigError(
            f"{', '.join(options)} would do nothing with --virtual-time, which opens no port and waits for nobody; "
            "leave out one or the other"
        )


def sort_outputs(
    paths: Sequence[Path] | None,
    others: Mapping[str, Path | None] | None = None,
    *,
    read: Mapping[str, Path | None] | None = None,
) -> Outputs:
    """Tell the ``-o`` files apart by their suffixes; without a .mid among them a dated one is named.

    Parameters
    ----------
    paths : sequence of Path or None
        The values of ``-o``.
    others : mapping of str to (Path or None), optional
        What else is written, by option.
    read : mapping of str to (Path or None), optional
        What is read and must not be written over, by option.

    Raises
    ------
    ConfigError
        A suffix is unknown, two files are of one kind, one file is named twice, or a folder does not exist.
    """
    midi: list[Path] = []
    score: list[Path] = []
    for path in paths or ():
        suffix = path.suffix.lower()
        if suffix not in MIDI_SUFFIXES + SCORE_SUFFIXES:
            raise ConfigError(f"-o {path} ends in {suffix or 'no suffix'}, .mid or .musicxml is allowed; rename it")
        (midi if suffix in MIDI_SUFFIXES else score).append(path)
        need_folder("-o", path)
    for kind in (midi, score):
        if len(kind) > 1:
            raise ConfigError(f"-o {kind[0]} and -o {kind[1]} are of one kind, one of each is allowed; leave one out")
    taken = {path.resolve(): f"{option} {path}" for option, path in (read or {}).items() if path is not None}
    written = [("-o", path) for path in (*midi, *score)]
    for option, other in (others or {}).items():
        need_folder(option, other)
        written += [] if other is None else [(option, other)]
    for option, path in written:
        before = taken.setdefault(path.resolve(), f"{option} {path}")
        if before != f"{option} {path}":
            raise ConfigError(f"{option} {path} is the same file as {before}, one would be lost; give it another name")
    return Outputs(midi[0] if midi else dated_name(), score[0] if score else None)


def dated_name() -> Path:
    """Return a name under ``takes/`` that no file has yet."""
    stem = date_stamp()
    path = Path("takes") / f"{stem}.mid"
    again = 2
    while path.exists():
        path, again = Path("takes") / f"{stem}_{again}.mid", again + 1
    return path


def need_folder(option: str, path: Path | None) -> None:
    """Raise ConfigError where `path` is a folder, or the folder that it is to be written to does not exist."""
    if path is None:
        return
    if path.is_dir():
        raise ConfigError(f"{option} {path} is a folder, a file is needed; add a name")
    if not path.absolute().parent.is_dir():
        raise ConfigError(f"{option} {path}: the folder {path.parent} does not exist; make it first")

"""Opens a source by its name, and lists every name there is."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from brainmidi.errors import SourceError
from brainmidi.types import Clock, Source

_NO_OPTIONS: Mapping[str, str | int] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class SourceInfo:
    """What ``brainmidi sources`` says about one source.

    Parameters
    ----------
    name : str
        The name for ``--source``.
    kind : str
        ``"simulated"``, ``"board"``, ``"stream"`` or ``"recording"``.
    description : str
        One line: channels, rate, what it is.
    parameters : tuple of str
        Connection parameters that the source usually needs, as ``--option`` names in snake case.
    """

    name: str
    kind: str
    description: str
    parameters: tuple[str, ...] = ()


def open_source(
    name: str,
    *,
    clock: Clock,
    options: Mapping[str, str | int] = _NO_OPTIONS,
    seed: int = 0,
    markers: str = "",
    give_up_s: float = 0.0,
) -> Source:
    """Make the source called `name`; nothing is connected before its ``start``.

    Parameters
    ----------
    name : str
        ``"demo"``, a BrainFlow board in lower case without ``_board`` (``"synthetic"``, ``"muse_2"``, ``"cyton"``), or
        an LSL stream (``"lsl"``, ``"lsl:NAME"``), which has to be there.
    clock : Clock
        Stamps what boards send.
    options : mapping
        BrainFlow's connection parameters (``serial_port``, ``mac_address``, ``ip_address``, ``ip_port``, ...).
    seed : int
        Seed of the simulated brain; boards have none.
    markers : str
        Which LSL marker stream goes with a device: a name, ``"none"``, or ``""`` for every one with an LSL source and
        none with a board.
    give_up_s : float
        After so long without signal a device is given up; 0 for never.

    Returns
    -------
    Source
        Devices are watched, see :class:`~brainmidi.acquire.watch.Watch`.

    Raises
    ------
    SourceError
        If the name or an option is unknown (the message names the nearest), or the board has no EEG channel.
    """
    if name == "demo":
        if options:
            raise SourceError(f"source demo takes no connection parameters, got {', '.join(options)}; leave them out")
        from brainmidi.acquire.demo import DemoSource

        return DemoSource(seed=seed)
    from brainmidi.acquire.lsl import LslSource, is_lsl, load_pylsl
    from brainmidi.acquire.lslmarkers import LslMarkers
    from brainmidi.acquire.watch import Watch

    if is_lsl(name):
        if options:
            raise SourceError(f"source {name} takes no connection parameters, got {', '.join(options)}; leave them out")
        return Watch(LslSource(name, markers), give_up_s=give_up_s)
    from brainmidi.acquire.board import BoardSource
    from brainmidi.acquire.boards import board_ids

    known = board_ids()
    if name not in known:
        near = difflib.get_close_matches(name.lower().replace("-", "_"), ["demo", "lsl", *known], n=3, cutoff=0.4)
        hint = f"did you mean {', '.join(near)}?" if near else "see `brainmidi sources` for every name"
        raise SourceError(f"source {name!r} is unknown, known are demo, lsl and {len(known)} BrainFlow boards; {hint}")
    joined = LslMarkers(load_pylsl(), markers) if markers not in ("", "none") else None
    return Watch(BoardSource(name, clock=clock, options=options, markers=joined), give_up_s=give_up_s)


def list_sources() -> list[SourceInfo]:
    """List every source by name, without connecting to anything.

    Returns
    -------
    list of SourceInfo
        The simulated brain first, then the BrainFlow boards that carry EEG, LSL, then the kinds of recording.
    """
    from brainmidi.acquire.boards import describe_boards
    from brainmidi.acquire.demo import DESCRIPTION
    from brainmidi.acquire.recording import FORMATS

    sources = [SourceInfo("demo", "simulated", DESCRIPTION)]
    sources += [SourceInfo(name, "board", text, parameters) for name, text, parameters in describe_boards()]
    sources.append(SourceInfo("lsl:NAME", "stream", "EEG of the Lab Streaming Layer; lsl for the only stream there is"))
    sources += [SourceInfo(f"*{suffix}", "recording", text) for suffix, text in FORMATS.items()]
    return sources

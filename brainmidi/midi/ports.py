"""Where messages go: a virtual port, an existing port, or nowhere with the reason said. Only this file knows rtmidi."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from types import ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.types import Clock

#: The fixed name by which other programs find us; never a process number, so that a saved routing keeps working.
CLIENT_NAME, PORT_NAME = "brainmidi", "out"
VIRTUAL_NAME = f"{CLIENT_NAME}:{PORT_NAME}"
#: Of the end that hears. A JACK client has a name of its own, and rtmidi makes a client for each end: fixed too.
INPUT_CLIENTS: Mapping[str, str] = {"JACK": f"{CLIENT_NAME}-in"}

#: rtmidi's constants in the order in which we ask, with the name that we print.
_APIS: tuple[tuple[str, str], ...] = (
    ("API_MACOSX_CORE", "CoreMIDI"),
    ("API_LINUX_ALSA", "ALSA"),
    ("API_UNIX_JACK", "JACK"),
    ("API_WINDOWS_MM", "Windows MM"),
)

#: A JACK port that goes takes with it what its readers have not read. Two of the longest periods in use are 0.2 s (4096
#: frames at 44.1 kHz are 93 ms each), and a busy machine may delay us by more. rtmidi waits until the last message has
#: left us, and no longer. No wait helps where a reader misses its period, see :mod:`brainmidi.midi.twice`.
_JACK_GRACE_S = 0.5

#: What a system adds to a name and another day adds otherwise: ALSA's client and port, the place in Windows' list.
_PASSING = {"ALSA": r" \d+:\d+$", "Windows MM": r" \d+$", "JACK": rf"(?<=^{CLIENT_NAME})-\d+(?=:)"}

_STDERR = threading.RLock()  # an input is looked for while an output is opened

_REMEDIES = {
    "linux": "load ALSA's sequencer (modprobe snd-seq) or start a JACK server (jackd -d dummy), then run again",
    "darwin": "open Audio MIDI Setup once, then run again",
    "win32": "install loopMIDI, create a port in it and pass --port with its name",
}


class Output(Protocol):
    """Something that takes MIDI messages; `port` is None where they go nowhere, and `reason` then says why.

    An output with `ahead_s` above 0 takes messages that long before they are wanted and sends them on time itself.
    Messages go out in the order in which they were handed over: a note-off without a time never overtakes its note-on.
    """

    port: str | None
    api: str
    reason: str | None
    ahead_s: float

    def send(self, data: Sequence[int], at_s: float | None = None) -> None:
        """Send one message, given as bytes, at clock time `at_s`; an output that does not look ahead sends it now."""
        ...

    def cancel(self) -> int:
        """Take back the notes and controls that wait for their time; return how many, the newest handed over."""
        ...

    def close(self) -> None:
        """Send what still waits and let the port go; a second call does nothing."""
        ...


class NullOutput:
    """An output for machines without a MIDI system: messages go nowhere, the take is still timed and saved.

    Parameters
    ----------
    reason : str or None
        One line on why there is no port and what would give one; None where no port was wanted.
    """

    def __init__(self, reason: str | None = None) -> None:
        self.port: str | None = None
        self.api = "none"
        self.reason = reason
        self.ahead_s = 0.0

    def send(self, data: Sequence[int], at_s: float | None = None) -> None:
        """Take a message and do nothing with it."""

    def cancel(self) -> int:
        """Return 0: nothing waits here."""
        return 0

    def close(self) -> None:
        """Do nothing."""


class RecordingOutput(NullOutput):
    """An output that keeps what it was sent, so that music can be compared as a table."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[tuple[int, ...]] = []

    def send(self, data: Sequence[int], at_s: float | None = None) -> None:
        """Keep the message."""
        self.sent.append(tuple(data))


class RtMidiOutput:
    """A port of the machine's MIDI system.

    Parameters
    ----------
    midi_out : rtmidi.MidiOut
        With its port open.
    port, api : str
        Names to print.
    clock : Clock
        On which JACK is given time to deliver what was sent last.
    """

    def __init__(self, midi_out: Any, port: str, api: str, clock: Clock) -> None:
        self._midi_out = midi_out
        self._clock = clock
        self.port: str | None = port
        self.api = api
        self.reason: str | None = None
        self.ahead_s = 0.0

    def send(self, data: Sequence[int], at_s: float | None = None) -> None:
        """Send one message, given as bytes, now.

        Raises
        ------
        MidiError
            If the system refuses it, as when its server has gone.
        """
        try:
            self._midi_out.send_message(data)
        except (OSError, RuntimeError, ValueError) as error:
            raise MidiError(f"{self.api} refused a message for port {self.port}: {error}; check the port") from error

    def cancel(self) -> int:
        """Return 0: what was handed over has been sent."""
        return 0

    def close(self) -> None:
        """Wait until what was sent has been delivered, then let the port go; may be called twice."""
        midi_out, self._midi_out = self._midi_out, None
        if midi_out is None:
            return
        if self.api == "JACK":
            self._clock.sleep_until(self._clock.now_s() + _JACK_GRACE_S)
        midi_out.close_port()
        midi_out.delete()


def open_output(
    name: str | None = None, *, backend: str = "auto", clock: Clock | None = None, rtmidi: ModuleType | None = None
) -> Output:
    """Open the virtual port ``brainmidi:out``, or an existing port.

    Parameters
    ----------
    name : str, optional
        Part of an existing port's name, in any case. None opens the virtual port.
    backend : str, optional
        ``"jack"`` is sample-accurate (see :mod:`brainmidi.midi.jackport`); ``"rtmidi"`` serves every system; ``"auto"``
        is rtmidi, and JACK where python-rtmidi is not installed or finds nothing (it does not reach PipeWire's JACK).
    clock : Clock, optional
        The clock on which closing waits; the machine's by default.
    rtmidi : module, optional
        Stands in for python-rtmidi in tests of systems that we do not have.

    Returns
    -------
    Output
        A :class:`NullOutput` with the reason where no virtual port can be had.

    Raises
    ------
    MidiError
        If `name` is given and no port has it in its name, or that port cannot be opened.
    """
    if backend == "jack":
        return _jack(name, clock)
    opened, reasons = _outputs(rtmidi)
    if backend == "auto" and rtmidi is None and not opened:
        with suppress(MidiError):  # what rtmidi lacks is said below
            return _jack(name, clock)
    try:
        waits = clock or MonotonicClock()
        return _virtual(opened, reasons, waits, rtmidi) if name is None else _existing(name, opened, reasons, waits)
    finally:
        for _, midi_out in opened:
            if not midi_out.is_port_open():
                midi_out.delete()


def list_ports(*, rtmidi: ModuleType | None = None) -> list[str]:
    """Return the names of the ports that messages can be sent to, as the system spells them; empty where none is."""
    opened, _ = _outputs(rtmidi)
    try:
        return [port for _, midi_out in opened for port in names(midi_out)]
    finally:
        for _, midi_out in opened:
            midi_out.delete()


def list_inputs(*, rtmidi: ModuleType | None = None) -> list[str]:
    """Return the names of the ports that messages can come from, as the system spells them; empty where none is."""
    opened, _ = inputs(rtmidi)
    try:
        return [port for _, midi_in in opened for port in names(midi_in)]
    finally:
        for _, midi_in in opened:
            midi_in.delete()


def lasting_name(port: str, api: str) -> str:
    """Return the part of a port's name that is the same after a replug or a restart, and for every player of ours."""
    return re.sub(_PASSING[api], "", port) if api in _PASSING else port


def _jack(name: str | None, clock: Clock | None) -> Output:
    from brainmidi.midi.jackport import open_jack

    return open_jack(name, clock=clock)


def _virtual(opened: list[tuple[str, Any]], reasons: list[str], clock: Clock, rtmidi: ModuleType | None) -> Output:
    for api, midi_out in opened:
        # CoreMIDI shows a source by its port's name alone; ALSA and JACK put the client's in front of it.
        port = VIRTUAL_NAME if api == "CoreMIDI" else PORT_NAME
        try:
            own = true_name(api, VIRTUAL_NAME, partial(midi_out.open_virtual_port, port), rtmidi)
        except NotImplementedError:
            reasons.append(f"{api}: no virtual ports on this system")
        except (OSError, RuntimeError) as error:
            reasons.append(f"{api}: {error}")
        else:
            return RtMidiOutput(midi_out, own, api, clock)
    return NullOutput(_line(reasons))


def true_name(
    api: str, name: str, open_it: Callable[[], object], rtmidi: ModuleType | None = None, *, seen_by: str = "MidiIn"
) -> str:
    """Open a virtual port of ours by calling `open_it`; return the name that it got.

    JACK numbers a second client of one name (``brainmidi-01:out``), of which rtmidi tells nothing: so another client
    looks what has come. `seen_by` is the kind of rtmidi's ends that can be connected to such a port.
    """
    if api != "JACK":
        open_it()
        return name
    client, port = name.split(":")
    ours = re.compile(rf"{client}(-\d+)?:{port}")
    opened, _ = _ends(seen_by, {"JACK": f"{CLIENT_NAME}-look"}, rtmidi)
    looking = [end for api, end in opened if api == "JACK"]
    try:
        before = {each for end in looking for each in names(end)}
        open_it()
        come = [each for end in looking for each in names(end) if each not in before and ours.fullmatch(each)]
    finally:
        for _, end in opened:
            end.delete()
    return come[0] if come else name


def _existing(name: str, opened: list[tuple[str, Any]], reasons: list[str], clock: Clock) -> Output:
    known: list[str] = []
    for api, midi_out in opened:
        ports = names(midi_out)
        known += ports
        place = place_of(name, ports)
        if place is not None:
            try:
                midi_out.open_port(place, PORT_NAME)
            except (OSError, RuntimeError) as error:
                raise MidiError(f"port {ports[place]!r} cannot be opened: {error}; close what holds it") from error
            return RtMidiOutput(midi_out, ports[place], api, clock)
    listed = ", ".join(repr(port) for port in known) if known else "none"
    remedy = "give part of a known name, or leave --port out" if known or opened else _line(reasons)
    raise MidiError(f"port {name!r} does not exist, known ports are {listed}; {remedy}")


def _outputs(rtmidi: ModuleType | None) -> tuple[list[tuple[str, Any]], list[str]]:
    """Return (name, MidiOut) of every MIDI system that answers, best first, and why the others did not."""
    return _ends("MidiOut", {}, rtmidi)


def inputs(rtmidi: ModuleType | None = None) -> tuple[list[tuple[str, Any]], list[str]]:
    """Return (name, MidiIn) of every MIDI system that answers, best first, and why the others did not."""
    return _ends("MidiIn", INPUT_CLIENTS, rtmidi)


def _ends(kind: str, clients: Mapping[str, str], rtmidi: ModuleType | None) -> tuple[list[tuple[str, Any]], list[str]]:
    if rtmidi is None:
        try:
            import rtmidi as found  # type: ignore[import-untyped]
        except ImportError as error:
            return [], [_import_reason(str(error))]
        rtmidi = found
    opened: list[tuple[str, Any]] = []
    reasons: list[str] = []
    compiled = rtmidi.get_compiled_api()
    for constant, api in _APIS:
        number = getattr(rtmidi, constant, None)
        if number is None or number not in compiled:
            continue
        try:
            with _quiet():
                end = getattr(rtmidi, kind)(number, clients.get(api, CLIENT_NAME))
        except (OSError, RuntimeError) as error:  # without a sequencer or server the constructor itself raises
            # "MidiOutJack::initialize: JACK server not running?" says where in C++; the last part says what.
            reasons.append(f"{api}: {' '.join(str(error).rsplit(': ', 1)[-1].split()).rstrip('.?')}")
        else:
            opened.append((api, end))
    return opened, reasons


def names(end: Any) -> list[str]:
    """Return the names of the ports that a MidiIn or MidiOut can be connected to."""
    try:
        with _quiet():
            return [str(port) for port in end.get_ports()]
    except (OSError, RuntimeError):  # a server that went between opening and asking has no ports
        return []


def place_of(name: str, ports: Sequence[str]) -> int | None:
    """Return the place in `ports` of the one named `name`, else of the first that has it in its name in any case."""
    exact = [place for place, port in enumerate(ports) if port == name]
    found = exact or [place for place, port in enumerate(ports) if name.lower() in port.lower()]
    return found[0] if found else None


def _import_reason(error: str) -> str:
    if "libasound" in error:
        return "python-rtmidi needs the system library libasound.so.2: apt-get install libasound2 (libasound2t64)"
    return f"python-rtmidi cannot be loaded ({error}): pip install python-rtmidi (Python 3.13: see README)"


def _line(reasons: list[str]) -> str:
    remedy = _REMEDIES.get(sys.platform, _REMEDIES["linux"])
    return f"no MIDI system answers ({'; '.join(reasons) or 'none compiled into python-rtmidi'}); {remedy}"


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep libasound's and libjack's own lines off the terminal: they print to descriptor 2 what they also return."""
    with _STDERR:
        try:
            kept = os.dup(2)
        except OSError:  # no stderr at all, as under pythonw: then there is nothing to keep quiet
            yield
            return
        null = os.open(os.devnull, os.O_WRONLY)
        try:
            os.dup2(null, 2)
            yield
        finally:
            os.dup2(kept, 2)
            os.close(null)
            os.close(kept)

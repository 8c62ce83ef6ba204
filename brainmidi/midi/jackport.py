"""Sample-accurate messages through JACK: each is handed over ahead of its time and leaves on the very frame it is due.

An extra (``pip install 'brainmidi[jack]'``): the package JACK-Client, which loads the system's libjack. rtmidi's own
JACK output stamps every message with the start of a period: late by up to a period, each by another amount.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from brainmidi.errors import MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.frameline import FrameLine

if TYPE_CHECKING:  # brainmidi.types brings numpy, which the player does not load
    from brainmidi.midi.incoming import OnChange, OnMessage
    from brainmidi.midi.jackinput import JackInput
    from brainmidi.types import Clock

#: How long before its period begins a message has to be handed over: what a busy machine delays our thread.
_MARGIN_S = 0.02

#: So many periods have to pass before the line to the server's frames is trusted; and what they may take at most.
_SETTLE_TIMEOUT_S = 3.0

#: How long closing waits for what is still to be sent, and for a reader to read the last period.
_DRAIN_S, _GRACE_S = 1.0, 0.2

_LOOK_S = 0.005

#: A server that is there and refuses a client (seen once in 170 times, where others come and go) is asked again then.
_RETRIES_S = (0.1, 0.2, 0.4)

_SYSTEM = 0xF0  # statuses from here on are the clock's and the transport's, and belong to no channel


class JackOutput:
    """A JACK port whose messages leave on their frames. Make one with :func:`open_jack`.

    Parameters
    ----------
    client : jack.Client
        Not yet activated.
    name : str
        Of the port to register.
    clock : Clock
        The one by which times are given.

    Attributes
    ----------
    ahead_s : float
        How long before its time a message has to be handed over: a period and a margin.
    late_frames : list of int
        For each message that had a time, how many frames after it it left; 0 is on time.
    """

    api = "JACK"

    def __init__(self, client: Any, name: str, clock: Clock) -> None:
        self._client: Any = client
        self._clock = clock
        self._rate_hz = int(client.samplerate)
        self._line = FrameLine(self._rate_hz)
        self._queue: deque[tuple[int, bool, bytes]] = deque()  # frame, whether that is a time of its own, bytes
        self._lock = threading.Lock()
        self._last_frame = 0
        self._gone: str | None = None
        self._input: JackInput | None = None
        self._out = client.midi_outports.register(name)
        self.port: str | None = self._out.name
        self.reason: str | None = None
        self.ahead_s = client.blocksize / self._rate_hz + _MARGIN_S
        self.late_frames: list[int] = []
        client.set_process_callback(self._process)
        client.set_shutdown_callback(self._shut_down)
        client.activate()
        give_up_s = clock.now_s() + _SETTLE_TIMEOUT_S
        while not self._line.settled and clock.now_s() < give_up_s:
            clock.sleep_until(clock.now_s() + _LOOK_S)

    def send(self, data: Sequence[int], at_s: float | None = None) -> None:
        """Send one message on the frame of clock time `at_s`, and never before one that was handed over earlier.

        Parameters
        ----------
        data : sequence of int
            Bytes.
        at_s : float, optional
            Clock time, at most :attr:`ahead_s` from now to be on its frame; None sends it with the next period.

        Raises
        ------
        MidiError
            If the server has gone.
        """
        if self._client is None or self._gone is not None:
            raise MidiError(f"JACK has gone ({self._gone or 'closed'}), port {self.port} with it; start it, run again")
        with self._lock:
            if at_s is not None:
                self._last_frame = max(self._last_frame, self._line.frame(at_s))
            place = len(self._queue)
            while place and self._queue[place - 1][0] > self._last_frame:
                place -= 1  # before clock that a cancel left waiting
            self._queue.insert(place, (self._last_frame, at_s is not None, bytes(data)))

    def cancel(self) -> int:
        """Take back the notes and controls that have not left; return how many, the newest handed over.

        Clock and transport stay: a panic stops no slave.
        """
        with self._lock:
            kept = [waiting for waiting in self._queue if waiting[2][0] >= _SYSTEM]
            count = len(self._queue) - len(kept)
            self._queue = deque(kept)
            self._last_frame = 0
        return count

    def frame(self, at_s: float) -> int:
        """Return the server's frame, not wrapped, on which a message for clock time `at_s` will leave."""
        return self._line.frame(at_s)

    def connect(self, port: str) -> None:
        """Connect to a port of another program.

        Raises
        ------
        MidiError
            If the server refuses.
        """
        try:
            self._client.connect(self._out, port)
        except Exception as error:  # JackError, which only the loaded library knows
            raise MidiError(f"port {port!r} cannot be connected: {error}; look at jack_lsp -c") from error
        self.port = port

    def listen(self, name: str | None, on_message: OnMessage, on_change: OnChange) -> JackInput:
        """Open our input beside the output, see :class:`~brainmidi.midi.jackinput.JackInput`; return it started."""
        from brainmidi.midi.jackinput import JackInput

        self._input = JackInput(self._client, name, on_message, on_change)
        self._input.start()
        return self._input

    def close(self) -> None:
        """Send what still waits, give readers time to read it, and let the port go; may be called twice."""
        client, gone = self._client, self._gone
        if client is None:
            return
        if gone is None:
            give_up_s = self._clock.now_s() + _DRAIN_S
            while self._queue and self._clock.now_s() < give_up_s:
                self._clock.sleep_until(self._clock.now_s() + _LOOK_S)
            self._clock.sleep_until(self._clock.now_s() + _GRACE_S)
        self._client = None
        client.deactivate()
        client.close()

    # ----------------------------------------------------------------------------------------------- JACK's thread

    def _process(self, frames: int) -> None:
        """Write what is due within this period; nothing here waits longer than a list is appended to."""
        self._line.observe(self._clock.now_s(), self._client.frame_time)
        begin = self._line.unwrapped(self._client.last_frame_time)
        end = begin + frames
        if self._input is not None:
            self._input.take(begin, self._line)
        self._out.clear_buffer()
        place = 0
        with self._lock:
            while self._queue and self._queue[0][0] < end:
                frame, timed, data = self._queue[0]
                place = max(place, frame - begin)
                buffer = self._out.reserve_midi_event(place, len(data))
                if len(buffer) < len(data):
                    break  # the period's buffer is full: the rest comes first in the next
                buffer[:] = data
                if timed:
                    self.late_frames.append(begin + place - frame)
                self._queue.popleft()

    def _shut_down(self, status: object, reason: str) -> None:
        self._gone = reason or "the server was stopped"


def open_jack(
    name: str | None = None,
    *,
    port: str = "out",
    client: str = "brainmidi",
    clock: Clock | None = None,
    jack: ModuleType | None = None,
) -> JackOutput:
    """Open a port of our own on the JACK server, and connect it to an existing one where `name` is given.

    Parameters
    ----------
    name : str, optional
        Part of an existing port's name, in any case.
    port, client : str, optional
        Our names.
    clock : Clock, optional
        The one by which times will be given; the machine's by default.
    jack : module, optional
        Stands in for JACK-Client in tests.

    Raises
    ------
    MidiError
        If the extra is not installed, no server answers, or no port has `name` in its name.
    """
    if jack is None:
        jack = _library()
    clock = clock or MonotonicClock()
    opened = _client(jack, client, clock)
    try:
        wanted = None if name is None else _find(opened, name)
        output = JackOutput(opened, port, clock)
    except BaseException:
        opened.close()
        raise
    if wanted is not None:
        output.connect(wanted)
    return output


def _client(jack: ModuleType, name: str, clock: Clock) -> Any:
    """Return a client of the server's, which may refuse one while another of its name still leaves."""
    waits = iter(_RETRIES_S)
    while True:
        try:
            return jack.Client(name, no_start_server=True)
        except jack.JackError as error:
            status, wait_s = getattr(error, "status", None), next(waits, None)
            if wait_s is None or not getattr(status, "server_error", False):
                raise MidiError(
                    "no JACK server answers; start one (jackd, qjackctl, or PipeWire's), then run again"
                ) from error
            clock.sleep_until(clock.now_s() + wait_s)


def _find(client: Any, name: str) -> str:
    known = [port.name for port in client.get_ports(is_midi=True, is_input=True)]
    exact = [port for port in known if port == name]
    for port in exact or [port for port in known if name.lower() in port.lower()]:
        return str(port)
    listed = ", ".join(repr(port) for port in known) or "none"
    raise MidiError(f"port {name!r} does not exist in JACK, known ports are {listed}; give part of a known name")


def _library() -> ModuleType:
    """Return JACK-Client, which keeps its and libjack's own lines to itself."""
    try:
        import jack  # type: ignore[import-untyped]
    except ImportError as error:
        raise MidiError("the JACK back end needs JACK-Client: pip install 'brainmidi[jack]'") from error
    except OSError as error:  # the package is there, the system's library is not
        raise MidiError(f"JACK-Client finds no libjack ({error}): apt-get install libjack-jackd2-0") from error
    jack.set_error_function(_quiet)
    jack.set_info_function(_quiet)
    found: ModuleType = jack
    return found


def _quiet(line: str) -> None:
    """Say nothing: what JACK complains of is also returned as an error."""

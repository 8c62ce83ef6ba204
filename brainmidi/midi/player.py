"""The player: a process of its own that owns port, timetable and clock, and silences everything when its composer goes.

Started as ``python -m brainmidi.midi.player``; it speaks :mod:`brainmidi.midi.wire` on its standard input and output
and loads nothing heavy (python-rtmidi alone, no numpy). A reader thread and the signal handlers put what they get into
one queue, on which the main thread waits until the next absolute deadline: no polling, nothing that Windows lacks.
A thread beside it looks whether the composer is dying, where the system tells (:mod:`brainmidi.midi.watch`).
"""

from __future__ import annotations

import argparse
import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from brainmidi.errors import BrainmidiError, MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.followed import FollowedTimeline, timeline_of
from brainmidi.midi.incoming import MidiInput, OnChange, OnMessage
from brainmidi.midi.jackport import JackOutput
from brainmidi.midi.ledger import Ledger
from brainmidi.midi.ports import Output, lasting_name, open_output
from brainmidi.midi.priority import request_realtime
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timeline import Timeline
from brainmidi.midi.twice import OffTwice
from brainmidi.midi.waiting import wait
from brainmidi.midi.watch import await_death
from brainmidi.midi.wire import Message, dump, load

#: A composer that has been silent for this long while music plays is taken for dead, though its pipe is open (stopped
#: by Ctrl-Z, or a child of it holds the pipe). The link sends a heartbeat every half second, whatever models do.
SILENCE_AFTER_S = 3.0

_WIRE_IN = 0

#: A silence that nobody asked for is sent twice, so far apart: an asynchronous JACK server that overruns loses a period
#: with all that is in it, 93 ms at the longest, and a network loses packets. The second is out well within 250 ms.
_AGAIN_AFTER_S = 0.1

#: JACK hands messages over once a period, of which this is a long one: 1024 frames at 48 kHz.
_JACK_GRAIN_S = 1024 / 48000


@dataclass(frozen=True, slots=True)
class _Gone:
    """The end: the composer's side of the pipe is closed (`reason` None), or a signal told us to go."""

    reason: str | None = None


@dataclass(frozen=True, slots=True)
class _Heard:
    """A message of the performer's, and the clock time at which it arrived."""

    data: tuple[int, ...]
    time_s: float


@dataclass(frozen=True, slots=True)
class _Woken:
    """The shared beat has changed: deadlines may lie elsewhere now."""


_News = Message | _Gone | _Heard | _Woken


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the player until the composer closes the pipe; return 0, or 1 where the port failed."""
    parser = argparse.ArgumentParser(prog="python -m brainmidi.midi.player", description=__doc__)
    parser.add_argument("--settings", default="{}", metavar="JSON", help="a PlayerSettings; {} opens virtual ports")
    parser.add_argument("--silence-after", type=float, default=SILENCE_AFTER_S, metavar="SECONDS", help="heartbeat")
    options = parser.parse_args(arguments)

    # What a C library prints must not land between our lines: descriptor 1 becomes stderr, the wire a private copy.
    wire_out = os.dup(1)
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[_News] = queue.SimpleQueue()
    outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    _listen_to_signals(inbox)
    realtime, detail = request_realtime()
    # The reader may hold the interpreter's lock when a message is due; a tenth of a millisecond bounds the wait for it.
    sys.setswitchinterval(0.0001)
    writer = threading.Thread(target=_write, args=(wire_out, outbox, inbox), name="writer", daemon=True)
    writer.start()
    try:
        settings = PlayerSettings.load(options.settings)
        output, incoming = _open_ports(
            settings,
            lambda data, time_s: inbox.put(_Heard(data, time_s)),
            lambda line: outbox.put({"op": "notice", "kind": "input", "index": -1, "detail": line}),
        )
        # rtmidi stamps what JACK brings by the period in which it read it
        grain_s = _JACK_GRAIN_S if output.api == "JACK" and not output.ahead_s else 0.0
        timeline, leave_session = _open_clock(settings, grain_s, lambda: inbox.put(_Woken()))
    except BrainmidiError as error:
        outbox.put({"op": "error", "message": str(error)})
        outbox.put(None)
        writer.join(2.0)
        return 1
    outbox.put(
        {
            "op": "ready",
            "port": output.port,
            "api": output.api,
            "reason": output.reason,
            "input": incoming.port,
            "input_reason": incoming.reason,
            "realtime": realtime,
            "realtime_detail": detail,
        }
    )
    composer = os.getppid()
    threading.Thread(target=_read, args=(inbox,), name="reader", daemon=True).start()
    threading.Thread(target=_watch, args=(composer, inbox), name="watch", daemon=True).start()
    gc.freeze()  # a collection takes milliseconds, and nothing here makes cycles worth one
    gc.disable()
    clock = MonotonicClock()
    ledger = Ledger(lasting_name(output.port or "no port", output.api))
    ledger.open()
    twice = OffTwice(output)
    core = PlayerCore(
        clock, twice, silence_after_s=options.silence_after, settings=settings, timeline=timeline, ledger=ledger
    )
    cut_off = True
    try:
        cut_off = _play(core, clock, inbox, outbox)
    finally:
        _release(core, clock, twice, ledger, cut_off=cut_off)
        leave_session()
        incoming.close()
        outbox.put(None)
        writer.join(2.0)
    return 0 if core.reason is None else 1


def _play(
    core: PlayerCore,
    clock: MonotonicClock,
    inbox: queue.SimpleQueue[_News],
    outbox: queue.SimpleQueue[Message | None],
) -> bool:
    """Play until the composer is gone, and return whether the take was cut off, not ended by the composer's word.

    The report leaves when the take is over, however it ended.
    """
    reported = gone = cut_off = False
    message: _News | None = None
    while not gone:
        try:
            core.advance()
            if isinstance(message, _Gone):
                gone, cut_off = True, not core.done
                core.stop(message.reason)
            elif isinstance(message, _Woken):
                core.advance()
            elif isinstance(message, _Heard):
                core.hear(message.data, message.time_s)
                core.advance()
            elif message is not None:
                core.handle(message)
                core.advance()
                if message["op"] == "heartbeat":  # the composer, too, wants to know that there is somebody
                    outbox.put(message)
        except MidiError as error:
            _give_up(core, str(error))
        for notice in core.take_notices():
            outbox.put({"op": "notice", **notice})
        if core.done and not reported:
            reported = True
            outbox.put({"op": "report", **core.report()})
        message = None if gone else wait(lambda: core.deadline_s, clock, inbox)
    return cut_off or core.reason is not None


def _give_up(core: PlayerCore, reason: str) -> None:
    """End the take for `reason`; what sounds is silenced, unless it is the output that fails."""
    try:
        core.stop(reason)
    except MidiError:
        core.abandon(reason)


def _release(core: PlayerCore, clock: MonotonicClock, output: OffTwice, ledger: Ledger, *, cut_off: bool) -> None:
    """Silence what sounds and close the port; an output that has failed is closed all the same."""
    try:
        core.stop(None)
        if cut_off and output.struck:
            clock.sleep_until(clock.now_s() + _AGAIN_AFTER_S)
            output.off_again()
    except MidiError as error:
        core.abandon(str(error))
    finally:
        ledger.close()
        output.close()


def _read(inbox: queue.SimpleQueue[_News]) -> None:
    """Hand on the composer's lines until its end closes. `os.read`, since a daemon in `sys.stdin` blocks our exit."""
    pending = b""
    try:
        while piece := os.read(_WIRE_IN, 65536):
            *lines, pending = (pending + piece).split(b"\n")
            for line in lines:
                inbox.put(load(line))
    except (OSError, MidiError) as error:
        print(f"player: {error}", file=sys.stderr)
    finally:
        inbox.put(_Gone())


def _watch(composer: int, inbox: queue.SimpleQueue[_News]) -> None:
    """Say that the composer is gone as soon as the system says that it is dying; its pipe follows later."""
    if await_death(composer, MonotonicClock()):
        inbox.put(_Gone())


def _write(wire_out: int, outbox: queue.SimpleQueue[Message | None], inbox: queue.SimpleQueue[_News]) -> None:
    """Send lines to the composer, in a thread of its own, since a composer that does not read must not delay a note."""
    try:
        while (message := outbox.get()) is not None:
            line = dump(message)
            while line:
                line = line[os.write(wire_out, line) :]
    except OSError:  # the composer closed its end: that is how it goes when it is killed
        inbox.put(_Gone())


def _listen_to_signals(inbox: queue.SimpleQueue[_News]) -> None:
    """Take SIGTERM, SIGHUP and Ctrl-Break as the end; leave SIGINT to the composer, which stops in good order."""

    def leave(number: int, frame: Any) -> None:
        # SimpleQueue.put may be called from a signal handler, and it wakes the waiting main thread.
        inbox.put(_Gone(f"the player was told to end (signal {number})"))

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), leave)


class _Incoming(Protocol):
    """Where messages come from."""

    port: str | None
    reason: str | None

    def close(self) -> None: ...


def _open_ports(settings: PlayerSettings, on_message: OnMessage, on_change: OnChange) -> tuple[Output, _Incoming]:
    """Return the output and the input that `settings` name; both are one where they are the network."""
    if settings.network:
        from brainmidi.midi.network import NetworkPort

        network = NetworkPort(settings.network, on_change)
        network.listen(on_message)
        return network, network
    incoming = MidiInput(settings.input, on_message, on_change)
    try:
        if settings.backend != "jack":
            incoming.start()
        output = open_output(settings.port, backend=settings.backend)
    except MidiError:
        incoming.close()
        raise
    if isinstance(output, JackOutput):
        incoming.close()
        return output, output.listen(settings.input, on_message, on_change)
    return output, incoming


def _open_clock(
    settings: PlayerSettings, grain_s: float, on_change: Callable[[], None]
) -> tuple[Timeline, Callable[[], None]]:
    """Return the timeline that `settings` ask for, and what to call when it is wanted no more."""
    if settings.clock.source != "link":
        return timeline_of(settings.clock, grain_s=grain_s), lambda: None
    from brainmidi.midi.linkclock import open_link

    link = open_link(MonotonicClock(), bpm=settings.clock.bpm, bar_beats=settings.clock.bar_beats, on_change=on_change)
    return FollowedTimeline(link.master), link.close


if __name__ == "__main__":
    sys.exit(main())

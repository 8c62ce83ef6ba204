"""The player: a process of its own that owns port, timetable and clock, and silences everything when its composer goes.

Started as ``python -m brainmidi.midi.player``; it speaks :mod:`brainmidi.midi.wire` on its standard input and output
and loads nothing heavy (python-rtmidi alone, no numpy). A reader thread and the signal handlers put what they get into
one queue, on which the main thread waits until the next absolute deadline: no polling, nothing that Windows lacks.
"""

from __future__ import annotations

import argparse
import gc
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from brainmidi.errors import BrainmidiError, MidiError
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.ports import Output, open_output
from brainmidi.midi.wire import Message, dump, load

#: A composer that has been silent for this long while music plays is taken for dead, though its pipe is open (stopped
#: by Ctrl-Z, or a child of it holds the pipe). The link sends a heartbeat every half second, whatever models do.
SILENCE_AFTER_S = 3.0

#: Low, so that audio servers (JACK runs at 10 and above) keep their place; any FIFO priority is above every normal one.
_PRIORITY = 5

_WIRE_IN = 0


@dataclass(frozen=True, slots=True)
class _Gone:
    """The end: the composer's side of the pipe is closed (`reason` None), or a signal told us to go."""

    reason: str | None = None


def request_realtime() -> tuple[bool, str]:
    """Ask the system to run this thread, and those that it starts, before all ordinary ones.

    Returns
    -------
    granted : bool
    detail : str
        What was granted, or why nothing was and what would help.
    """
    if not hasattr(os, "sched_setscheduler"):
        return False, f"{sys.platform} has no SCHED_FIFO for Python"
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(_PRIORITY))
    except OSError as error:
        return False, f"SCHED_FIFO not granted ({error.strerror}); allow rtprio in /etc/security/limits.d"
    return True, f"SCHED_FIFO {_PRIORITY}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the player until the composer closes the pipe; return 0, or 1 where the port failed."""
    parser = argparse.ArgumentParser(prog="python -m brainmidi.midi.player", description=__doc__)
    parser.add_argument("--port", default=None, help="part of an existing port's name; without it a virtual port")
    parser.add_argument("--cc", action="append", default=[], metavar="KNOB=CHANNEL:CC", help="send a knob out")
    parser.add_argument("--silence-after", type=float, default=SILENCE_AFTER_S, metavar="SECONDS", help="heartbeat")
    options = parser.parse_args(arguments)

    # What a C library prints must not land between our lines: descriptor 1 becomes stderr, the wire a private copy.
    wire_out = os.dup(1)
    os.dup2(2, 1)
    inbox: queue.SimpleQueue[Message | _Gone] = queue.SimpleQueue()
    outbox: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
    _listen_to_signals(inbox)
    realtime, detail = request_realtime()
    # The reader may hold the interpreter's lock when a message is due; half a millisecond bounds the wait for it.
    sys.setswitchinterval(0.0005)
    writer = threading.Thread(target=_write, args=(wire_out, outbox, inbox), name="writer", daemon=True)
    writer.start()
    try:
        output = open_output(options.port)
        controllers = dict(_controller(text) for text in options.cc)
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
            "realtime": realtime,
            "realtime_detail": detail,
        }
    )
    threading.Thread(target=_read, args=(inbox,), name="reader", daemon=True).start()
    gc.freeze()  # a collection takes milliseconds, and nothing here makes cycles worth one
    gc.disable()
    clock = MonotonicClock()
    core = PlayerCore(clock, output, silence_after_s=options.silence_after, controllers=controllers)
    try:
        _play(core, clock, inbox, outbox)
    finally:
        _release(core, output)
        outbox.put(None)
        writer.join(2.0)
    return 0 if core.reason is None else 1


def _play(
    core: PlayerCore,
    clock: MonotonicClock,
    inbox: queue.SimpleQueue[Message | _Gone],
    outbox: queue.SimpleQueue[Message | None],
) -> None:
    """Play until the composer is gone; the report leaves when the take is over, however it ended."""
    reported = gone = False
    message: Message | _Gone | None = None
    while not gone:
        try:
            core.advance()
            if isinstance(message, _Gone):
                gone = True
                core.stop(message.reason)
            elif message is not None:
                core.handle(message)
                core.advance()
        except MidiError as error:
            core.abandon(str(error))
        for notice in core.take_notices():
            outbox.put({"op": "notice", **notice})
        if core.done and not reported:
            reported = True
            outbox.put({"op": "report", **core.report()})
        message = None if gone else _next_message(core, clock, inbox)


def _next_message(
    core: PlayerCore, clock: MonotonicClock, inbox: queue.SimpleQueue[Message | _Gone]
) -> Message | _Gone | None:
    """Return the next message, or None once the core's deadline has come."""
    deadline_s = core.deadline_s
    try:
        return inbox.get(timeout=None if deadline_s is None else max(0.0, deadline_s - clock.now_s()))
    except queue.Empty:
        return None


def _release(core: PlayerCore, output: Output) -> None:
    """Silence what sounds and close the port; an output that has failed is closed all the same."""
    try:
        core.stop(None)
    except MidiError as error:
        core.abandon(str(error))
    finally:
        output.close()


def _read(inbox: queue.SimpleQueue[Message | _Gone]) -> None:
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


def _write(wire_out: int, outbox: queue.SimpleQueue[Message | None], inbox: queue.SimpleQueue[Message | _Gone]) -> None:
    """Send lines to the composer, in a thread of its own, since a composer that does not read must not delay a note."""
    try:
        while (message := outbox.get()) is not None:
            line = dump(message)
            while line:
                line = line[os.write(wire_out, line) :]
    except OSError:  # the composer closed its end: that is how it goes when it is killed
        inbox.put(_Gone())


def _listen_to_signals(inbox: queue.SimpleQueue[Message | _Gone]) -> None:
    """Take SIGTERM and SIGHUP as the end, and leave SIGINT to the composer, which stops the take in good order."""

    def leave(number: int, frame: Any) -> None:
        # SimpleQueue.put may be called from a signal handler, and it wakes the waiting main thread.
        inbox.put(_Gone(f"the player was told to end (signal {number})"))

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, leave)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, leave)


def _controller(text: str) -> tuple[str, tuple[int, int]]:
    """Return (knob, (channel, controller)) from ``knob=channel:controller``."""
    knob, _, numbers = text.partition("=")
    channel, _, controller = numbers.partition(":")
    if not (knob and channel.isdecimal() and controller.isdecimal()):
        raise MidiError(f"controller {text!r} is not KNOB=CHANNEL:CC; write for example tempo=1:21")
    if not (1 <= int(channel) <= 16 and int(controller) <= 119):
        raise MidiError(f"controller {text!r} is outside channel 1..16, CC 0..119; choose another")
    return knob, (int(channel), int(controller))


if __name__ == "__main__":
    sys.exit(main())

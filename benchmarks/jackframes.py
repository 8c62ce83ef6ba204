"""Sample-accurate messages on JACK: on which frame a receiver gets them, beside rtmidi's output.

    python benchmarks/jackframes.py [--seconds 30] [--period 1024] [--json FILE]

A dummy server, a player process for each of the two back ends that plays 24 notes a quarter note at 120 bpm (a thousand
frames at 48 kHz apart, the note-off in between), and a receiver that writes down the frame of every message. The error
of a message is its distance in frames from where it belongs, counted from the median message: the score alone says
that, and no clock of ours. Exits with 1 where fewer than 99 % of the sample-accurate back end's messages are on their
frames.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "midi"))

from midi_jack import JackServer

from brainmidi.midi.jitter import play_dense
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.settings import PlayerSettings

RATE, PER_MESSAGE = 48000, 500


def receive() -> None:
    """Print the frames on which notes arrive as JSON, once standard input closes; runs in a process of its own."""
    import jack

    client = jack.Client("receiver", no_start_server=True)
    port, frames = client.midi_inports.register("in"), []

    def process(count: int) -> None:
        begin = client.last_frame_time
        frames.extend(begin + offset for offset, data in port.incoming_midi_events() if bytes(data)[0] & 0xE0 == 0x80)

    client.set_process_callback(process)
    client.activate()
    print("ready", flush=True)
    sys.stdin.read()
    client.deactivate()
    client.close()
    print(json.dumps(frames))


def measure(backend: str, seconds: float) -> dict[str, float]:
    """Return what share of a back end's messages came on their frames, and how far off the others were."""
    command = [sys.executable, __file__, "--receive"]
    receiver = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert receiver.stdout is not None
    receiver.stdout.readline()
    with PlayerProcess.start(PlayerSettings(backend=backend)) as player:
        subprocess.run(["jack_connect", "brainmidi:out", "receiver:in"], check=True)
        report = play_dense(player, seconds)
    frames = json.loads(receiver.communicate()[0])
    places = [frame - place * PER_MESSAGE for place, frame in enumerate(frames)]
    origin = statistics.median_low(places)
    errors = sorted(abs(place - origin) for place in places)
    return {
        "sent": len(report.sent_events),
        "received": len(errors),
        "exact": sum(error == 0 for error in errors) / len(errors),
        "p50": errors[len(errors) // 2],
        "p99": errors[math.ceil(0.99 * len(errors)) - 1],
        "max": errors[-1],
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--period", type=int, default=1024, help="frames a period")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--receive", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.receive:
        receive()
        return 0
    server = JackServer(options.period, realtime=True)
    os.environ.update(server.environment)
    try:
        rows = {backend: measure(backend, options.seconds) for backend in ("jack", "rtmidi")}
    finally:
        server.stop()
    print(f"{'frames of error':16}{'sent':>8}{'received':>10}{'exact':>9}{'p50':>7}{'p99':>7}{'max':>7}")
    for name, row in rows.items():
        figures = f"{row['sent']:8}{row['received']:10}{row['exact']:9.2%}{row['p50']:7}{row['p99']:7}{row['max']:7}"
        print(f"{name:16}{figures}")
    if options.json is not None:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0 if rows["jack"]["exact"] >= 0.99 and rows["jack"]["received"] == rows["jack"]["sent"] else 1


if __name__ == "__main__":
    sys.exit(main())

"""A program that sends MIDI clock from a JACK port of its own: START, so many clocks in a tempo, STOP, when told.

    python jack_master.py        then lines "roll BPM TICKS [SIXTEENTHS]" on its standard input, "" to end

It connects itself to brainmidi's input. After each roll it prints when (on the machine's monotonic clock) its first and
its last clock were sent.
"""

from __future__ import annotations

import sys
import time

import rtmidi


def roll(out: rtmidi.MidiOut, bpm: float, ticks: int, sixteenths: int | None) -> tuple[float, float]:
    if sixteenths is None:
        out.send_message([0xFA])
    else:
        out.send_message([0xF2, sixteenths & 127, sixteenths >> 7])
        out.send_message([0xFB])
    first_s = time.perf_counter() + 0.5  # a pause that is longer than what is left of a bar
    for tick in range(ticks):
        due_s = first_s + tick * 2.5 / bpm
        while (left_s := due_s - time.perf_counter()) > 0:
            time.sleep(left_s)
        out.send_message([0xF8])
    out.send_message([0xFC])
    return first_s, due_s


if __name__ == "__main__":
    out = rtmidi.MidiOut(rtmidi.API_UNIX_JACK, "master")
    ports = out.get_ports()
    out.open_port(next(place for place, port in enumerate(ports) if port == "brainmidi-in:in"), "out")
    print("up", flush=True)
    for line in sys.stdin:
        words = line.split()
        if not words:
            break
        place = int(words[3]) if len(words) > 3 else None
        print(*roll(out, float(words[1]), int(words[2]), place), flush=True)

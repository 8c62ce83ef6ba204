"""An LSL outlet in a process of its own: ``lsl_outlet.py '{"name": ..., ...}'``; sends until its input closes.

Column 0 counts the samples; with "markers" every 100th sample is marked by its number, stamped as the sample is. A line
"gap" on its input drops a second, "mark WORD" sends a marker now.
"""

from __future__ import annotations

import json
import sys
import threading
import time

import pylsl

given = json.loads(sys.argv[1])
name, rate_hz = given["name"], given.get("rate_hz", 250.0)
labels, unit = given.get("labels", ["Fz", "Oz"]), given.get("unit", "microvolts")
info = pylsl.StreamInfo(name, given.get("type", "EEG"), len(labels), rate_hz, "float32", given.get("source_id", name))
channels = info.desc().append_child("channels")
for label in labels:
    channel = channels.append_child("channel")
    channel.append_child_value("label", label)
    channel.append_child_value("type", "AUX" if label.startswith("ACC") else "EEG")
    if unit:
        channel.append_child_value("unit", unit)
outlet = pylsl.StreamOutlet(info)
marks = None
if given.get("markers"):
    kind = given["markers"]
    marks = pylsl.StreamOutlet(pylsl.StreamInfo(f"{name}-marks", "Markers", 1, 0, kind, f"{name}-marks"))
print("ready", flush=True)

stop = threading.Event()
skip = threading.Event()


def listen() -> None:
    for line in sys.stdin:
        if line.strip() == "gap":
            skip.set()
    stop.set()


threading.Thread(target=listen, daemon=True).start()
pace_hz = rate_hz or 250.0
began_s, sent = pylsl.local_clock(), 0
while not stop.is_set():
    due = int((pylsl.local_clock() - began_s) * pace_hz)
    if skip.is_set():
        skip.clear()
        time.sleep(1.0)
        sent = int((pylsl.local_clock() - began_s) * pace_hz)
        continue
    while sent < due:
        stamp = began_s + sent / pace_hz
        outlet.push_sample([float(sent), *[float(sent % 7)] * (len(labels) - 1)], stamp)
        if marks is not None and sent % 100 == 0 and sent:
            marks.push_sample([str(sent) if given["markers"] == "string" else sent], stamp)
        sent += 1
    time.sleep(0.01)

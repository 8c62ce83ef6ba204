"""What a Magenta environment's process may answer: a script that stands in for the worker, and needs no TensorFlow.

Started with the path of the real one's frames.py in FAKE_FRAMES and one of the ways to behave in FAKE_MAGENTA.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from threading import Event

import numpy as np

behaviour = os.environ["FAKE_MAGENTA"]
if behaviour == "prints":
    print("Python 2.7: usage: no such option, and more than four letters of it")
    sys.exit(0)
if behaviour == "hangs":
    Event().wait()
if behaviour == "exits":
    print("Illegal instruction", file=sys.stderr)
    sys.exit(132)

spec = importlib.util.spec_from_file_location("frames", os.environ["FAKE_FRAMES"])
frames = importlib.util.module_from_spec(spec)
spec.loader.exec_module(frames)
out, requests = sys.stdout.buffer, []
if behaviour == "lacks":
    frames.write_frame(out, {"error": "ModuleNotFoundError: No module named 'magenta'"})
    sys.exit(1)
frames.write_frame(out, {"tensorflow": "2.21.0"})
if behaviour == "deaf":
    Event().wait()
while True:
    try:
        fields, arrays = frames.read_frame(sys.stdin.buffer)
    except EOFError:
        break
    if behaviour == "stalls":
        Event().wait()
    if behaviour == "dies":
        print("Out of memory\n", file=sys.stderr)
        os._exit(137)
    if behaviour == "refuses":
        frames.write_frame(out, {"error": "NotFoundError: Key decoder/nade/w_enc not found\nand a long trace"})
    elif fields["op"] == "build":
        frames.write_frame(out, fields)
    elif fields["op"] == "encode":
        # One number a step, so that what was sent is seen: the place of the row's first 1.
        rows = arrays["inputs"].argmax(axis=-1)
        frames.write_frame(out, {}, {"mu": rows.astype(np.float32), "sigma": arrays["lengths"].astype(np.float32)})
    else:
        # z spells the events; a colder one is written as class 1.
        events = arrays["z"].astype(int) if fields["temperature"] else np.ones_like(arrays["z"], dtype=int)
        samples = np.eye(90, dtype=np.float32)[events]
        frames.write_frame(out, {}, {"samples": samples[:, : fields["length"]]})

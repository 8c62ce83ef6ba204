"""A live take on the real clock with fake voices, for tests: ``live_program.py TAKE.mid [BARS [CLOCK]]``."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bar_models import DreamingModel
from fakes import ANCHORS, FakeMelody

from brainmidi.config import parse_config
from brainmidi.drivers.barvoice import BarAccompaniment
from brainmidi.drivers.live import improvise
from brainmidi.drivers.take import TakeFiles

session = {"metre": "2/4", "tempo_bpm": 240.0, "lead_in_s": 0.5}
if len(sys.argv) > 2:
    session["bars"] = int(sys.argv[2])
take = improvise(
    parse_config({"session": session, "clock": {"source": sys.argv[3] if len(sys.argv) > 3 else "internal"}}),
    TakeFiles(Path(sys.argv[1]), Path(sys.argv[1]).with_suffix(".jsonl")),
    on_ready=lambda info: print("ready", flush=True),
    on_bar=lambda bar, _: print("bar", bar.index, flush=True),
    voices=lambda: (FakeMelody(), BarAccompaniment(DreamingModel())),
    anchors=ANCHORS,
)
print("\n".join(take.summary.lines()), flush=True)

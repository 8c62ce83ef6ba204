"""Every example runs to its end and writes what it says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
WRITES = {
    "01_score_a_recording.py": {"rest.csv", "session.csv", "take.mid", "take.jsonl", "take.musicxml"},
    "02_write_your_own_map.py": {"knobs.tsv"},
    "03_play_without_a_port.py": {"take.mid"},
    "04_bring_your_own_voices.py": {"waking.mid"},
    "05_walk_between_phrases.py": {"walk.mid"},
    "06_calibrate_and_play.py": {"me.json", "me.png"},
    "07_is_it_this_brain.py": {"0_active.csv", "1_calm.csv", "2_active.csv", "3_calm.csv", "blind"},
}
LOADS_MODELS = {
    "01_score_a_recording.py",
    "03_play_without_a_port.py",
    "05_walk_between_phrases.py",
    "07_is_it_this_brain.py",
}


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.models] * (name in LOADS_MODELS)) for name in WRITES]
)
def test_an_example_runs_and_writes_what_it_says(name, tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), str(tmp_path)], capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.iterdir()} == WRITES[name]
    assert done.stdout.strip()


def test_every_example_is_numbered_run_and_listed():
    names = sorted(path.name for path in EXAMPLES.glob("*.py"))
    assert names == sorted(WRITES)
    assert [int(name[:2]) for name in names] == list(range(1, len(names) + 1))
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in listed for name in names)

"""What the doctor finds where something is wrong; nothing hangs, and each problem comes with its remedy."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest

from brainmidi.acquire.lsl import LslStream
from brainmidi.config import parse_config
from brainmidi.drivers import doctormidi, doctormodels
from brainmidi.drivers.doctor import Check, Finding, as_plain, examine, is_well
from brainmidi.drivers.doctorsignal import look_at_lsl, look_at_source, pace, quality
from brainmidi.drivers.doctorsystem import look_at_disk, look_at_python
from brainmidi.errors import MidiError, SourceError
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.handover import PlayerInfo, PlayReport
from brainmidi.midi.settings import PlayerSettings
from brainmidi.models.checkpoint import checkpoints_root
from brainmidi.types import Montage

RATE = 250.0
MONTAGE = Montage(("Cz", "Pz", "O1", "O2"), RATE)


def states(findings):
    return [finding.state for finding in findings]


def test_a_check_that_does_not_answer_is_given_up():
    never = threading.Event()
    (finding,) = examine(Check("eeg", lambda: [Finding("eeg", "ok", str(never.wait()))], timeout_s=0.01))
    never.set()
    assert (finding.state, finding.text) == ("problem", "no answer within 0.01 s")


def test_what_a_check_raises_is_a_problem_and_what_it_found_before_is_kept():
    def look():
        yield Finding("midi", "ok", "first")
        raise MidiError("port 'x' does not exist; give another")

    found = examine(Check("midi", look))
    assert [finding.text for finding in found] == ["first", "port 'x' does not exist; give another"]
    assert not is_well(found)
    assert "KeyError" in examine(Check("midi", lambda: {}["x"]))[0].text


def test_plain_data_says_whether_all_is_well():
    found = [Finding("disk", "note", "little room", "make room")]
    plain = as_plain(found, {"timing": {"p99_ms": 0.1}})
    assert json.loads(json.dumps(plain)) == {
        "well": True,
        "findings": [{"area": "disk", "state": "note", "text": "little room", "remedy": "make room"}],
        "timing": {"p99_ms": 0.1},
    }


def test_missing_packages_are_a_problem_and_missing_extras_a_note():
    listed = ["numpy>=2.1", "no-such-package>=1", 'nor-this>=3; extra == "lsl"', 'old; python_version < "3.0"']
    found = {finding.text: finding for finding in look_at_python(lambda: listed)}
    assert found["missing: no-such-package"].remedy == "pip install --upgrade brainmidi"
    (extra,) = [finding for text, finding in found.items() if text.startswith("without the extra lsl")]
    assert (extra.state, extra.remedy) == ("note", "pip install 'brainmidi[lsl]'")
    assert states(look_at_python(lambda: ["numpy>=2.1"])) == ["ok", "ok"]


@pytest.mark.parametrize(("room", "state"), [(5e9, "ok"), (5e8, "note"), (5e7, "problem")])
def test_little_room_is_said(tmp_path, room, state):
    assert states(look_at_disk((tmp_path / "takes",), lambda folder: room)) == [state]
    assert not (tmp_path / "takes").exists()


def report(p99_ms):
    return PlayReport((), (), (), (), 0.1, p99_ms, 20.0, None, None, 0, lateness_counts=())


@pytest.mark.parametrize(
    ("p99_ms", "realtime", "state"),
    [(0.5, True, "ok"), (0.6, True, "note"), (0.9, False, "ok"), (1.1, False, "note"), (12.0, True, "problem")],
)
def test_lateness_is_held_against_what_is_asked(p99_ms, realtime, state):
    info = PlayerInfo("brainmidi:out", "ALSA", realtime, None)
    assert doctormidi.lateness(report(p99_ms), info).state == state


def test_without_priority_the_remedy_is_the_systems(monkeypatch):
    info = PlayerInfo("brainmidi:out", "ALSA", False, None, "SCHED_FIFO not granted (Operation not permitted)")
    monkeypatch.setattr(sys, "platform", "linux")
    assert "limits.d" in doctormidi.priority(info).remedy
    assert doctormidi.priority(PlayerInfo("brainmidi:out", "ALSA", True, None, "SCHED_FIFO 5")).state == "ok"


def test_timing_is_measured_at_the_port_of_the_take(monkeypatch):
    started = []

    class Process:
        info = PlayerInfo("mine", "ALSA", True, None, "SCHED_FIFO 5")

        @classmethod
        def start(cls, settings):
            started.append(settings)
            return nullcontext(cls())

    monkeypatch.setattr(doctormidi, "PlayerProcess", Process)
    monkeypatch.setattr(doctormidi, "play_dense", lambda player, seconds, tell: report(0.1))
    for midi in ({"port": "mine", "input": "pads", "backend": "jack"}, {"network": 3}):
        tables = {"midi": {**midi, "cc": {"density": 20}}, "clock": {"send": True, "count_in": 2}}
        figures = {}
        found = list(doctormidi.look_at_timing(parse_config(tables), 2.0, None, figures))
        assert figures["timing"]["port"] == "mine"
        assert "messages to mine" in found[-1].text
    assert started == [PlayerSettings(port="mine", backend="jack", input="pads"), PlayerSettings(network=3)]


def test_a_port_that_does_not_exist_is_a_problem_with_the_known_ones():
    (finding,) = examine(
        Check("midi", lambda: doctormidi.look_at_ports(parse_config({"midi": {"port": "no such port"}})))
    )
    assert finding.state == "problem"
    assert "'no such port' does not exist" in finding.text


def eeg(seconds=8.0):
    rng = np.random.default_rng(0)
    return rng.normal(0.0, 10.0, (int(seconds * RATE), 4)) + np.array([2e4, -1e4, 500.0, 0.0])


def test_electrodes_that_are_on_are_well_whatever_their_offsets():
    assert [finding.text for finding in quality(eeg(), MONTAGE)] == ["all 4 electrodes are on"]


def test_flat_and_loose_electrodes_and_hum_are_named():
    samples = eeg()
    samples[:, 1] = 187500.0
    samples[:, 2] += 2000.0 * np.sin(np.arange(len(samples)) / 90.0)
    samples += 40.0 * np.sin(2 * np.pi * 50.0 * np.arange(len(samples)) / RATE)[:, None] * [1, 0, 1, 1]
    found = list(quality(samples, MONTAGE))
    assert [finding.text for finding in found] == ["flat: Pz", "loose: O1", "mains hum of 39 uV at 50 Hz"]
    assert states(found) == ["note", "note", "note"]
    samples[:, 3] = 0.0
    assert next(quality(samples, MONTAGE)).state == "problem", "most of the electrodes are off"


def test_a_device_that_loses_samples_or_delivers_seldom_is_told():
    samples = eeg()
    assert pace(samples, MONTAGE, 8.0, 0.02).state == "ok"
    assert pace(samples, MONTAGE, 8.0, 0.3).state == "note"
    samples[::4] = np.nan
    lost = pace(samples, MONTAGE, 8.0, 0.02)
    assert lost.state == "problem"
    assert "25% are missing" in lost.text


def test_the_simulated_brain_is_well_on_the_virtual_clock():
    assert set(states(look_at_source(parse_config({}), 4.0, VirtualClock()))) == {"ok"}


def test_lsl_streams_are_listed_and_a_missing_extra_is_no_fault():
    def missing():
        raise SourceError("LSL streams need pylsl")

    stream = LslStream("Amp", "EEG", "id1", "lab", 8, 500.0)
    assert [each.text for each in look_at_lsl(lambda: [stream])] == [
        "LSL stream 'Amp' (EEG, 8 channels, 500 Hz) from lab"
    ]
    assert states(look_at_lsl(list)) == ["ok"]
    assert list(look_at_lsl(missing)) == []


def test_a_source_that_is_not_there_is_told_in_its_own_words():
    config = parse_config({"source": {"name": "no_such_board"}})
    (finding,) = examine(Check("eeg", lambda: look_at_source(config, 1.0)))
    assert "no_such_board" in finding.text
    assert finding.state == "problem"


def test_the_hashes_of_the_shipped_weights_are_true():
    hashes = json.loads((checkpoints_root() / doctormodels.HASHES_FILE).read_text())
    found = {path.parent.name: doctormodels.sha256(path) for path in checkpoints_root().glob("*/weights.npz")}
    assert hashes == found, "write the new ones into checkpoints/hashes.json"


def test_weights_that_were_changed_or_cut_are_a_problem(tmp_path):
    name = "hier-groove_2bar_hits"
    root = tmp_path / "checkpoints"
    shutil.copytree(checkpoints_root() / name, root / name)
    hashes = json.loads((checkpoints_root() / doctormodels.HASHES_FILE).read_text())
    (root / doctormodels.HASHES_FILE).write_text(json.dumps({name: hashes[name]}))
    assert shipped(root, name).state == "ok"
    (root / doctormodels.HASHES_FILE).write_text(json.dumps({name: "0" * 64}))
    assert "not those that were shipped" in shipped(root, name).text
    weights = root / name / "weights.npz"
    weights.write_bytes(weights.read_bytes()[:100_000])
    cut = shipped(root, name)
    assert cut.state == "problem"
    assert cut.remedy == "pip install --force-reinstall brainmidi"


def shipped(root: Path, name: str) -> Finding:
    return next(finding for finding in doctormodels.look_at_weights(root) if name in finding.text)

"""Devices that fail while music plays: whatever they do, the music goes on, and the brain is heard again afterwards."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from faulty import KINDS, Fault, plan, play

from brainmidi.errors import SourceError
from brainmidi.types import KNOBS

#: After so long the knobs are driven again: the pace is right for three stretches, filters settle, and 60 % of the
#: window has to be good; for what was pulled a pause between two attempts comes before.
BACK_S, PULLED_S = 3.7, 5.0


def test_at_200_random_moments_nothing_stops_nothing_hangs_and_the_brain_comes_back(tmp_path, monkeypatch):
    monkeypatch.setattr("brainmidi.drivers.performance._KNOBS_S", 0.2)
    faults = plan(20261121, 200, pause_s=5.2)
    played = play(tmp_path / "a.mid", faults)
    assert {fault.kind for fault in faults} == set(KINDS)
    assert played.take.summary.ended == "as many bars as asked for"
    assert not played.open_notes()
    for fault, after in pairwise(faults):
        assert played.back_s(fault) < (PULLED_S if fault.kind == "is pulled" else BACK_S), fault
        assert fault.until_s + played.back_s(fault) < after.at_s, fault
    steps = np.diff([frame.time_s for frame in played.frames])
    assert steps.min() > 0
    assert steps.max() < 0.3
    assert all(set(frame.knobs) == set(KNOBS) for frame in played.frames)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if KINDS[kind]])
def test_a_fault_is_seen_within_a_second_and_said_once(tmp_path, kind):
    fault = Fault(kind, 12.3, 18.0)
    played = play(tmp_path / "a.mid", [fault])
    assert played.seen_s(fault) <= 1.05  # the stream is read every 50 ms
    words = [line.split(" at ")[0] for _, line in played.said]
    assert words[0] == "signal lost"
    assert words[-1] == "signal back"
    assert len(words) == len(set(words))


def test_knobs_hold_for_two_seconds_and_then_ease_to_neutral(tmp_path):
    played = play(tmp_path / "a.mid", [Fault("is pulled", 15.0, 40.0)])
    away = [frame for frame in played.frames if 15.0 < frame.time_s < 40.0 and frame.confidence == 0.0]
    held = [frame for frame in away if frame.time_s < away[0].time_s + 1.9]
    assert held[0].time_s < 16.5
    assert len({frame.knobs["latent_mix"] for frame in held}) == 1
    assert abs(held[0].knobs["latent_mix"] - 0.5) > 0.1
    assert abs(away[-1].knobs["latent_mix"] - 0.5) < 0.01
    eased = [abs(frame.knobs["latent_mix"] - 0.5) for frame in away]
    assert all(after <= before for before, after in pairwise(eased))


def test_the_gap_and_every_change_are_in_the_trace_and_in_the_summary(tmp_path):
    played = play(tmp_path / "a.mid", [Fault("is pulled", 15.0, 25.0)], trace=tmp_path / "a.jsonl")
    signals = [json.loads(line)["signal"] for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert signals[0] == {"state": "ok", "gap_s": 0.0}
    changes = [change[1] for signal in signals for change in signal.get("changes", ())]
    assert changes == ["lost", "reconnecting", "ok"]
    assert sum(signal["gap_s"] for signal in signals) == pytest.approx(16.0, abs=1.0)  # the attempts: 1, 2, 4, 8 s
    assert any(line.startswith("signal      away 1") for line in played.take.summary.lines())


def test_an_end_is_put_to_it_only_where_the_session_file_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr("faulty.GIVE_UP_S", 5.0)
    with pytest.raises(SourceError, match="give_up_s"):
        play(tmp_path / "a.mid", [Fault("falls silent", 15.0, 60.0)])
    assert (tmp_path / "a.mid").exists()

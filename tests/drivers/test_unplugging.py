"""Devices that fail while music plays: whatever they do, the music goes on, and the brain is heard again afterwards."""

from __future__ import annotations

import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
from fakes import ANCHORS, FakeAccompaniment, FakeMelody
from faulty import KINDS, Fault, FaultySource, plan, play

from brainmidi.acquire.watch import Watch
from brainmidi.config import parse_config
from brainmidi.controls.baseline import Baseline, FeatureRest
from brainmidi.drivers import assemble
from brainmidi.drivers.chain import SignalChain
from brainmidi.drivers.live import improvise
from brainmidi.drivers.take import TakeFiles
from brainmidi.errors import SourceError
from brainmidi.midi.clock import MonotonicClock
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


class BlockingSource(FaultySource):
    """A device whose driver takes 1.2 s to connect again."""

    def start(self) -> None:
        if self.starts:
            clock = MonotonicClock()
            clock.sleep_until(clock.now_s() + 1.2)
        super().start()


def test_on_the_real_clock_a_driver_that_blocks_holds_nobody(tmp_path, monkeypatch):
    real = MonotonicClock()
    began_s = real.now_s()
    clock = SimpleNamespace(now_s=lambda: real.now_s() - began_s)
    source = Watch(BlockingSource(clock, [Fault("raises once", 5.0, 5.0)]))
    rest = Baseline({"alpha": FeatureRest(15.0, 4.0)}, 100)
    monkeypatch.setattr(assemble, "open_any_source", lambda *_: source)
    monkeypatch.setattr(assemble, "choose_rest", lambda *_: assemble.Rest(rest, 0.0, "a profile"))
    process, came = SignalChain.process, []

    def processed(chain, chunk):
        came.append((real.now_s() - began_s, np.isnan(chunk.samples_uv).all()))
        return process(chain, chunk)

    monkeypatch.setattr(SignalChain, "process", processed)
    files, said = TakeFiles(tmp_path / "a.mid", tmp_path / "a.jsonl"), []
    config = parse_config({"session": {"metre": "2/4", "tempo_bpm": 120.0, "lead_in_s": 0.5, "bars": 9}})
    take = improvise(
        config, files, voices=lambda: (FakeMelody(), FakeAccompaniment()), anchors=ANCHORS, on_signal=said.append
    )
    assert len(take.bars) == 9
    changes = [
        change[1]
        for line in (tmp_path / "a.jsonl").read_text().splitlines()
        for change in json.loads(line)["signal"].get("changes", ())
    ]
    assert changes[:2] == ["lost", "reconnecting"]
    assert said[0].startswith("signal lost")
    away = [at_s for at_s, missing in came if missing]
    assert len(away) > 5, "missing samples kept coming while the driver blocked"
    assert took_s(away) > 0.5
    assert "signal" in "\n".join(take.summary.lines())


def took_s(times):
    return times[-1] - times[0]

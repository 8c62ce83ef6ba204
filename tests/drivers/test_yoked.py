"""A yoked take: another brain plays, one's own goes along."""

from __future__ import annotations

import json

import numpy as np
import pytest
from fakes import ANCHORS, FakeAccompaniment, FakeMelody, FakeSource

from brainmidi.acquire.demo import DemoSource
from brainmidi.config import parse_config
from brainmidi.controls.baseline import Baseline, FeatureRest, demo_baseline
from brainmidi.controls.learned import LearnedMap
from brainmidi.controls.profile import Day, Profile
from brainmidi.drivers.live import improvise
from brainmidi.drivers.offline import score
from brainmidi.drivers.take import TakeFiles
from brainmidi.errors import SourceError
from brainmidi.midi.files import read_events
from brainmidi.types import KNOBS


@pytest.fixture
def recording(tmp_path):
    source = FakeSource(40.0)
    source.start()
    chunk = source.read(np.inf)
    path = tmp_path / "other.csv"
    table = np.column_stack([chunk.time_s, chunk.samples_uv])
    np.savetxt(path, table, delimiter=",", header="time,O1,O2", comments="", fmt="%.6f")
    return path


def voices():
    return FakeMelody(), FakeAccompaniment()


def test_the_other_brain_plays_as_its_score_would_and_the_own_one_is_traced(tmp_path, recording):
    config = parse_config({"session": {"bars": 8}})  # the own brain is the simulated one
    scored = score(config, recording, TakeFiles(tmp_path / "scored.mid"), voices=voices, anchors=ANCHORS)
    files = TakeFiles(tmp_path / "yoked.mid", tmp_path / "yoked.jsonl")
    take = improvise(config, files, virtual=True, yoked=recording, voices=voices, anchors=ANCHORS)
    assert take.bars == scored.bars
    assert read_events(tmp_path / "yoked.mid") == read_events(tmp_path / "scored.mid")
    lines = [json.loads(line) for line in (tmp_path / "yoked.jsonl").read_text().splitlines()]
    assert len(lines) == 8
    for line in lines:
        assert line["yoked"] == "other.csv"
        assert set(line["own"]) == {"features", "knobs", "confidence"}
        assert set(line["own"]["knobs"]) == set(KNOBS)
    assert lines[-1]["own"]["features"] != lines[-1]["features"]
    assert lines[-1]["own"]["confidence"] > 0.5
    text = "\n".join(take.summary.lines())
    assert "source      other.csv" in text
    assert "yoked       another brain played; own EEG: demo" in text.replace("simulated brain", "demo")
    assert "would have turned the knobs to latent_mix" in text


def test_another_own_brain_changes_what_is_traced_and_nothing_that_is_played(tmp_path, recording):
    takes = []
    for seed in (1, 2):
        config = parse_config({"session": {"bars": 6, "seed": seed}})
        config = config.model_copy(update={"session": config.session.model_copy(update={"seed": 5})})
        files = TakeFiles(tmp_path / f"{seed}.mid", tmp_path / f"{seed}.jsonl")
        own = FakeSource(30.0, period_s=3.0 + seed)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("brainmidi.drivers.assemble.open_any_source", lambda *_, own=own: own)
            patch.setattr("brainmidi.drivers.assemble.REST_S", 4.0)
            takes.append(improvise(config, files, virtual=True, yoked=recording, voices=voices, anchors=ANCHORS))
    assert takes[0].bars == takes[1].bars
    own = [(tmp_path / f"{seed}.jsonl").read_text() for seed in (1, 2)]
    assert own[0] != own[1]


def test_the_other_brain_may_have_a_profile_of_its_own(tmp_path, recording):
    profile = tmp_path / "other.json"
    Baseline({"alpha": FeatureRest(40.0, 1.0)}, 100).save(profile)
    config = parse_config({"session": {"bars": 4}})
    files = TakeFiles(tmp_path / "a.mid")
    take = improvise(
        config, files, virtual=True, yoked=recording, yoked_profile=profile, voices=voices, anchors=ANCHORS
    )
    assert "other.json" in take.summary.baseline


def test_ones_own_eeg_is_recorded_and_can_play_for_somebody_else(tmp_path):
    config = parse_config({"session": {"bars": 4}})
    files = TakeFiles(tmp_path / "a.mid")
    given = {"virtual": True, "voices": voices, "anchors": ANCHORS}
    take = improvise(config, files, record=tmp_path / "mine.csv", **given)
    assert take.summary.files[-1] == str(tmp_path / "mine.csv")
    other = improvise(config, TakeFiles(tmp_path / "b.mid"), yoked=tmp_path / "mine.csv", **given)
    assert "source      mine.csv" in other.summary.lines()[0]


def test_a_recording_that_is_not_there_is_one_line(tmp_path):
    with pytest.raises(SourceError, match="does not exist"):
        improvise(
            parse_config({}), TakeFiles(tmp_path / "a.mid"), virtual=True, yoked=tmp_path / "none.csv", voices=voices
        )


def test_the_other_brain_does_without_the_map_that_was_learned_from_the_person(tmp_path, recording):
    source = DemoSource()
    learned = LearnedMap({"alpha.posterior": -0.1}, 1.0, {"alpha.posterior": 1.0}, 0.9, 0.8)
    profile = Profile(
        created="2026-11-21_10-00-00",
        source="me",
        simulated=True,
        montage=source.montage,
        signal=parse_config({}).signal.model_dump(mode="json"),
        phases={"open": 40.0},
        baseline=demo_baseline(),
        days=(Day("2026-11-21_10-00-00", "me", 800, {}),),
        sections={"learned": learned.document()},
    )
    profile.save(tmp_path / "me.json")
    tables = {"session": {"bars": 4}, "baseline": {"profile": str(tmp_path / "me.json")}}
    given = {"virtual": True, "yoked": recording, "voices": voices, "anchors": ANCHORS}
    plain = improvise(parse_config(tables), TakeFiles(tmp_path / "a.mid"), **given)
    asking = parse_config(tables | {"map": {"latent_mix": {"feature": "learned"}}})
    take = improvise(asking, TakeFiles(tmp_path / "b.mid"), **given)
    assert take.bars == plain.bars
    assert take.summary.own != plain.summary.own
    assert "the learned map is yours" in take.summary.own
    assert "the learned map" not in plain.summary.own

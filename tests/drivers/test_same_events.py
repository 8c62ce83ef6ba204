"""Law 1: the live driver on the virtual clock and the offline driver give the same event table."""

from __future__ import annotations

import json

import pytest
from bar_models import DreamingModel
from drivers_takes import make_band, make_session, make_setup, offline, virtual
from fakes import FakeMelody, FakeSource
from saved import assert_sent_as_saved

from brainmidi.drivers.barvoice import BarAccompaniment
from brainmidi.errors import SourceError
from brainmidi.midi.files import read_events
from brainmidi.midi.ports import RecordingOutput
from brainmidi.session import Session
from brainmidi.types import KNOBS, PARTS


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"metre": "3/4", "key": "Bb major", "chords": "Bb Gm7 | Eb F7", "tempo_bpm": 140.0},
        {"bars": 5, "seed": 7, "tempo_span": 0.5, "tempo_slew": 0.2},
        {"metre": "6/8", "key": "A blues", "tempo_bpm": 60.0},
    ],
)
def test_live_on_the_virtual_clock_and_offline_give_the_same_events(tmp_path, given):
    scored = offline(tmp_path / "scored.mid", session=make_session(**given))
    played = virtual(tmp_path / "played.mid", session=make_session(**given))
    assert played.bars == scored.bars
    assert played.end_beat == scored.end_beat
    events = read_events(tmp_path / "scored.mid")
    assert events == read_events(tmp_path / "played.mid")
    assert len(events) > 20


@pytest.mark.parametrize("given", [{}, {"metre": "3/4", "key": "Bb major", "chords": "Bb Gm7 | Eb F7", "bars": 6}])
def test_the_whole_band_plays_the_same_live_and_offline(tmp_path, given):
    scored = offline(tmp_path / "scored.mid", session=make_band(**given))
    output = RecordingOutput()
    played = virtual(tmp_path / "played.mid", session=make_band(**given), output=output, trace=tmp_path / "t.jsonl")
    assert played.bars == scored.bars
    events = read_events(tmp_path / "scored.mid")
    assert events == read_events(tmp_path / "played.mid")
    assert_sent_as_saved(events, output.sent)
    assert {event.data[0] & 15 for event in events} == {0, 1, 2, 9}
    swaying = [event.beat for event in events if event.data[0] & 15 == 9]
    assert any(beat * 4 != int(beat * 4) for beat in swaying)
    for line, bar in zip((tmp_path / "t.jsonl").read_text().splitlines(), played.bars, strict=True):
        assert json.loads(line)["notes"] == {part: len(bar.phrase.part(part).notes) for part in PARTS}


@pytest.mark.parametrize("given", [{}, {"metre": "6/8", "key": "Bb major", "chords": "Bb Gm7 | Eb F7", "bars": 4}])
def test_a_model_of_bars_plays_the_same_live_and_offline_and_tells_how(tmp_path, given):
    def session():
        return Session(make_setup(**given), FakeMelody(), BarAccompaniment(DreamingModel()))

    scored = offline(tmp_path / "scored.mid", session=session(), trace=tmp_path / "scored.jsonl")
    played = virtual(tmp_path / "played.mid", session=session(), trace=tmp_path / "played.jsonl")
    assert played.bars == scored.bars
    assert read_events(tmp_path / "scored.mid") == read_events(tmp_path / "played.mid")
    assert (tmp_path / "scored.jsonl").read_text() == (tmp_path / "played.jsonl").read_text()
    for line in (tmp_path / "scored.jsonl").read_text().splitlines():
        told = json.loads(line)["second_part"]
        assert set(told) == {"tokens", "seconds", "share", "cut_short", "entropy"}
        assert told["tokens"] > 0
        assert told["entropy"] > 0
        assert (told["seconds"], told["share"], told["cut_short"]) == (0, 0, False)


def test_a_source_that_does_not_know_its_end_gives_the_same_events_too(tmp_path):
    short = {"bars": 4}
    scored = offline(tmp_path / "a.mid", FakeSource(known_end=False), session=make_session(**short))
    played = virtual(tmp_path / "b.mid", FakeSource(known_end=False), session=make_session(**short))
    assert played.bars == scored.bars


def test_the_music_lasts_as_long_as_the_recording_and_closes(tmp_path):
    take = offline(tmp_path / "a.mid", FakeSource(30.0))
    assert 30.0 - 2 * 2.6 < 4.0 + take.summary.music_s <= 30.5
    assert {n.pitch % 12 for n in take.bars[-1].phrase.part("melody")} == {2}
    assert take.summary.ended == "to the recording's end"
    assert take.summary.stream_s > 29.9


def test_another_seed_or_another_brain_gives_another_take(tmp_path):
    take = offline(tmp_path / "a.mid")
    assert offline(tmp_path / "b.mid", session=make_session(seed=2)).bars != take.bars
    assert offline(tmp_path / "c.mid", FakeSource(period_s=5.0)).bars != take.bars


def test_each_bar_is_made_from_the_newest_controls_at_the_onset_of_the_bar_before(tmp_path):
    take = offline(tmp_path / "a.mid", trace=tmp_path / "a.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    onsets = [lines[0]["time_s"], *(line["time_s"] for line in lines)]
    assert lines[0]["time_s"] == 4.0
    for line, due_s in zip(lines, onsets, strict=False):
        assert due_s - 0.06 < line["controls_s"] <= due_s
    assert len(lines) == len(take.bars)


def test_a_trace_says_what_each_bar_was_made_from(tmp_path):
    take = virtual(tmp_path / "a.mid", trace=tmp_path / "a.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()]
    assert [line["bar"] for line in lines] == [bar.index for bar in take.bars]
    for line, bar in zip(lines, take.bars, strict=True):
        assert set(line["knobs"]) == set(KNOBS)
        assert line["latent"] == {"anchor": bar.anchor, "mix": round(bar.latent_mix, 4)}
        assert line["notes"]["melody"] == len(bar.phrase.part("melody").notes)
        assert set(line["notes"]) == {"melody", "accompaniment"}
        assert line["lateness_ms"] is None
        assert "alpha" in line["features"]


def test_the_player_plays_exactly_what_is_saved(tmp_path):
    output = RecordingOutput()
    virtual(tmp_path / "a.mid", output=output)
    assert_sent_as_saved(read_events(tmp_path / "a.mid"), output.sent)


def test_alpha_moves_the_latent_and_events_move_the_anchor(tmp_path):
    take = offline(tmp_path / "a.mid", FakeSource(60.0))
    mixes = [bar.latent_mix for bar in take.bars]
    assert max(mixes) - min(mixes) > 0.3
    assert len(take.summary.anchors) > 1
    assert take.summary.anchor_steps >= len(take.summary.anchors) - 1
    assert all(bar % 2 == 0 for bar, _ in take.summary.anchors)


def test_the_summary_is_in_words(tmp_path):
    text = "\n".join(offline(tmp_path / "a.mid", FakeSource(60.0)).summary.lines())
    for part in ("simulated", "latent_mix", "target minus non-target", "anchors", "saved", "bars"):
        assert part in text


def test_every_bar_is_told_as_it_begins(tmp_path):
    told = []
    take = virtual(tmp_path / "a.mid", on_bar=lambda bar, lateness_ms: told.append((bar, lateness_ms)))
    assert told == [(bar, None) for bar in take.bars]


def test_without_an_end_offline_asks_for_bars(tmp_path):
    with pytest.raises(SourceError, match="--bars"):
        offline(tmp_path / "a.mid", FakeSource(known_end=False))
    with pytest.raises(SourceError, match="--bars"):
        virtual(tmp_path / "a.mid", FakeSource(known_end=False))

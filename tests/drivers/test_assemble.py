"""From session.toml to the rooms' settings, and what the music is measured against."""

from __future__ import annotations

import numpy as np
import pytest
from eeg_files import synthetic_table
from fakes import (
    ANCHORS,
    BASS_ANCHORS,
    DRUM_ANCHORS,
    FakeAccompaniment,
    FakeBass,
    FakeDrums,
    FakeMelody,
    FakeSource,
)

from brainmidi.cli.options import read_config
from brainmidi.config import parse_config
from brainmidi.controls.baseline import demo_baseline
from brainmidi.controls.mapping import DEFAULT_MAP
from brainmidi.drivers import assemble
from brainmidi.drivers.offline import make_session
from brainmidi.errors import BrainmidiError, ConfigError, ModelError, MusicError, SourceError
from brainmidi.midi.clock import VirtualClock
from brainmidi.types import DUO, PARTS


def test_the_default_configuration_gives_the_rooms_own_defaults():
    config = parse_config({})
    assert assemble.control_map(config) == DEFAULT_MAP
    setup = assemble.session_setup(config, ANCHORS)
    assert str(setup.key) == "D dorian"
    assert setup.bars is None
    assert config.channels() == {"melody": 1, "accompaniment": 2}


def test_every_setting_reaches_its_room():
    config = parse_config(
        {
            "session": {"key": "Bb major", "metre": "3/4", "chords": "Bb F7", "tempo_bpm": 120.0, "bars": 9, "seed": 4},
            "range": {"temperature": [0.5, 0.9], "tempo_percent": 20.0, "velocity": [40, 90], "register_semitones": 3},
            "parts": {
                "melody": {"channel": 5, "low": 55, "high": 80},
                "accompaniment": {"harmony": 0.9, "style": "bach"},
            },
            "signal": {"high_pass_hz": 0.5, "min_good": 0.8, "window_s": 4.0},
            "erp": {"target": ["S 1"], "average_n": 30},
            "map": {"velocity": {"feature": "none"}, "time_constant_s": 3.0},
            "on": {"erp": {"feature": "erp.target", "threshold": 0.9, "action": "none"}},
        }
    )
    setup = assemble.session_setup(config, ANCHORS)
    assert (setup.tempo_bpm, setup.tempo_span, setup.bars, setup.seed) == (120.0, 0.2, 9, 4)
    assert (setup.ranges["melody"].low, setup.dynamics.high, setup.register_semitones) == (55, 90, 3)
    assert setup.temperature == (0.5, 0.9)
    assert (setup.harmony, setup.style) == (0.9, "bach")
    features = assemble.feature_settings(config)
    assert (features.window_s, features.min_good, features.erp.average_n) == (4.0, 0.8, 30)
    assert features.erp.target == {"S 1"}
    assert assemble.condition_settings(config).high_pass_hz == 0.5
    control_map = assemble.control_map(config)
    assert "velocity" not in control_map.knobs
    assert control_map.events == ()
    assert control_map.time_constant_s == 3.0
    assert config.channels()["melody"] == 5


def test_the_accompaniment_makes_room_for_a_bass_unless_its_range_was_set():
    band = {"session": {"parts": ["melody", "accompaniment", "bass"]}}
    low, high = {"low": 36}, {"high": 55}
    for tables, span in (
        ({}, (36, 67)),
        (band, (48, 67)),
        (band | {"parts": {"accompaniment": low}}, (36, 67)),
        (band | {"parts": {"accompaniment": high}}, (43, 55)),
    ):
        limits = assemble.part_ranges(parse_config(tables))["accompaniment"]
        assert (limits.low, limits.high) == span


def test_the_band_has_its_anchors_and_those_of_who_rests_are_left_out():
    both = {"bass_anchors": BASS_ANCHORS, "drum_anchors": DRUM_ANCHORS}
    duo = assemble.session_setup(parse_config({}), ANCHORS, **both)
    assert (duo.bass_anchors, duo.drum_anchors) == ((), ())
    tables = {"session": {"parts": list(PARTS)}, "parts": {"drums": {"groove": 0.25}, "bass": {"low": 30}}}
    band = assemble.session_setup(parse_config(tables), ANCHORS, **both)
    assert (band.bass_anchors, band.drum_anchors, band.groove) == (BASS_ANCHORS, DRUM_ANCHORS, 0.25)
    assert (band.ranges["bass"].low, band.ranges["bass"].high) == (30, 55)


def test_a_part_without_a_voice_is_named():
    setup = assemble.session_setup(parse_config({}), ANCHORS)
    duo = (FakeMelody(), FakeAccompaniment())
    with pytest.raises(ModelError, match="part drums has no voice"):
        make_session(setup, ("melody", "accompaniment", "drums"), lambda: duo)
    assert make_session(setup, DUO, lambda: (*duo, FakeBass(), FakeDrums())).parts == DUO


def test_an_unknown_feature_names_the_known_ones():
    with pytest.raises(
        ConfigError, match=r"\[map\.tempo\] feature = 'alfa' is unknown, did you mean alpha\?; known are delta"
    ):
        assemble.control_map(parse_config({"map": {"tempo": {"feature": "alfa"}}}))
    old = parse_config({"on": {"a": {"feature": "erp.target.confidence", "threshold": 0.9}}})
    with pytest.raises(ConfigError, match=r"\[on\.a\] feature = 'erp.target.confidence'.*erp.target, erp.amplitude"):
        assemble.control_map(old)
    with pytest.raises(ConfigError, match=r"\[map\.tempo\] feature = 'erp.target' has no rest .*\[on"):
        assemble.control_map(parse_config({"map": {"tempo": {"feature": "erp.target"}}}))
    with pytest.raises(ConfigError, match=r"\[on\.wink\]"):
        assemble.control_map(parse_config({"on": {"wink": {"feature": "blink", "threshold": 1.0}}}))


def test_a_mistake_in_a_file_of_another_name_is_told_with_that_name():
    config = parse_config({"map": {"tempo": {"feature": "alpha.ocipital"}}}, name="x.toml")
    with pytest.raises(ConfigError, match=r"^x\.toml: \[map\.tempo\].* did you mean alpha\.occipital\?"):
        assemble.control_map(config)
    assert config.model_copy(update={"session": config.session}).file == "x.toml"
    assert parse_config({}).file == "session.toml"


@pytest.mark.parametrize(("table", "place"), [("on", r"\[on\.a\]"), ("cc", r"\[cc\.a\]")])
def test_a_learned_map_is_for_knobs_alone_and_that_is_said(table, place):
    entry = {"on": {"feature": "learned", "threshold": 0.5}, "cc": {"feature": "learned", "number": 20}}[table]
    with pytest.raises(ConfigError, match=place + r".*'learned' is a position for knobs .* \[map\]"):
        assemble.control_map(parse_config({table: {"a": entry}}))


@pytest.mark.parametrize("session", [{"key": "H major"}, {"metre": "9/4"}, {"chords": "Dm7 Q"}])
def test_music_that_cannot_be_read_is_one_line(session):
    with pytest.raises(MusicError, match="write"):
        assemble.session_setup(parse_config({"session": session}), ANCHORS)


def test_the_simulated_brain_has_its_profile_and_everything_else_its_own_rest():
    config = parse_config({})
    demo = assemble.open_any_source(config, VirtualClock())
    assert assemble.choose_rest(config, demo).baseline == demo_baseline()
    board = parse_config({"source": {"name": "synthetic"}})
    assert assemble.choose_rest(board, FakeSource(known_end=False)).seconds == 10.0
    assert assemble.choose_rest(board, FakeSource(24.0)).seconds == 6.0
    assert assemble.choose_rest(board, FakeSource(8.0)).seconds == 4.0
    named = parse_config({"baseline": {"seconds": 7.0}})
    rest = assemble.choose_rest(named, demo)
    assert (rest.baseline, rest.seconds) == (None, 7.0)
    assert "7 s" in rest.text


def test_rest_is_long_enough_for_a_wide_window():
    config = parse_config({"source": {"name": "synthetic"}, "signal": {"window_s": 10.0}})
    assert assemble.choose_rest(config, FakeSource(60.0)).seconds == 12.0


def test_bands_of_ones_own_have_a_rest_in_the_simulated_brain():
    config = parse_config({"signal": {"bands": {"smr": [12.0, 15.0]}}, "map": {"density": {"feature": "smr"}}})
    source = assemble.open_any_source(config, VirtualClock())
    rest = assemble.choose_rest(config, source)
    assert "smr" in rest.baseline.features
    assert rest.baseline.features["alpha"].median == pytest.approx(demo_baseline().features["alpha"].median, abs=0.5)
    chain = assemble.make_chain(config, source, rest)
    knobs = [frame.knobs["density"] for frame in chain.process(source.read(10.0))]
    assert max(abs(knob - 0.5) for knob in knobs) > 0.05
    assert chain.undriven == {}


def test_a_profile_is_loaded(tmp_path):
    demo_baseline().save(tmp_path / "me.json")
    config = parse_config({"baseline": {"profile": str(tmp_path / "me.json")}})
    assert assemble.choose_rest(config, FakeSource()).baseline == demo_baseline()


def test_the_music_starts_after_lead_in_and_rest_and_needs_room_for_a_bar():
    config = parse_config({"baseline": {"seconds": 7.0}})
    source = FakeSource(30.0)
    assert assemble.start_of_music(config, source, assemble.choose_rest(config, source)) == 7.0
    short = FakeSource(8.0)
    with pytest.raises(SourceError, match=r"lasts 8\.0 s, 9\.5 s are needed"):
        assemble.start_of_music(config, short, assemble.choose_rest(config, short))


@pytest.mark.parametrize(
    ("name", "file"), [("demo", False), ("cyton", False), ("a/b", True), ("x.edf", True), ("x.TSV", True)]
)
def test_a_recording_is_told_from_a_board_by_its_name(name, file):
    assert assemble.is_recording(name) is file


def test_a_playback_board_given_by_options_replays_its_file(tmp_path):
    table = synthetic_table(500)
    np.savetxt(tmp_path / "played.csv", table, delimiter="\t", fmt="%.6f")
    given = {"source": "playback_file", "file": str(tmp_path / "played.csv"), "master_board": "synthetic"}
    source = assemble.open_any_source(read_config(None, given), VirtualClock())
    assert len(source.montage.names) == 16
    source.start()
    try:
        while not len(chunk := source.read(0.0)):
            pass
    finally:
        source.stop()
    np.testing.assert_allclose(chunk.samples_uv, table[: len(chunk), 1:17], atol=1e-5)


def test_the_board_that_made_a_recording_can_be_named_when_it_is_played(tmp_path):
    np.savetxt(tmp_path / "take.csv", synthetic_table(500), delimiter="\t", fmt="%.6f")
    given = {"source": str(tmp_path / "take.csv"), "board": "synthetic"}
    assert assemble.open_any_source(read_config(None, given), VirtualClock()).montage.rate_hz == 250
    with pytest.raises(SourceError, match="muse_2 has 8"):
        assemble.open_any_source(read_config(None, given | {"board": "muse_2"}), VirtualClock())
    with pytest.raises(ConfigError, match="source demo is none"):
        assemble.open_any_source(read_config(None, {"board": "synthetic"}), VirtualClock())


def test_a_recording_that_is_missing_is_one_line(tmp_path):
    config = parse_config({"source": {"name": str(tmp_path / "none.edf")}})
    with pytest.raises(BrainmidiError, match=r"none\.edf"):
        assemble.open_any_source(config, VirtualClock())

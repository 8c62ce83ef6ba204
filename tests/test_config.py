"""session.toml: the template is the defaults, and every mistake is one line that says what to do."""

from __future__ import annotations

import tomllib
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.cli.init import template
from brainmidi.cli.options import read_config
from brainmidi.codec.bars import STYLES
from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.config import Override, SessionConfig, load_config, parse_config
from brainmidi.controls.mapping import DEFAULT_MAP, ControlMap, EventRule, KnobRule
from brainmidi.drivers.wiring import part_channels, player_settings
from brainmidi.errors import ConfigError
from brainmidi.features.settings import ErpSettings, FeatureSettings, feature_names
from brainmidi.midi.timetable import Zone
from brainmidi.types import KNOBS, PARTS


def refused(tables: dict, *overrides: Override) -> str:
    with pytest.raises(ConfigError) as error:
        parse_config(tables, overrides=overrides)
    line = str(error.value)
    assert "\n" not in line
    return line


def test_the_template_parses_to_exactly_the_defaults():
    assert parse_config(tomllib.loads(template())) == SessionConfig()


def test_the_template_shows_every_key():
    shown = tomllib.loads(template())
    for section, table in SessionConfig().model_dump(exclude_none=True).items():
        left_out = set(table) - set(shown[section])
        assert not left_out or section == "source", f"[{section}] {left_out}"


def test_an_empty_file_is_the_defaults():
    assert parse_config({}) == SessionConfig()


def test_a_file_with_one_line_changes_one_value():
    config = parse_config({"map": {"density": {"invert": True}}})
    assert config.map.density.invert
    assert config.map.density.feature == SessionConfig().map.density.feature
    assert config.map.tempo == SessionConfig().map.tempo


@pytest.mark.parametrize(
    ("tables", "place", "near"),
    [
        ({"sesion": {}}, "[sesion]", "session"),
        ({"session": {"tempo": 90}}, "[session] tempo", "tempo_bpm"),
        ({"map": {"densty": {"feature": "beta"}}}, "[map] densty", "density"),
        ({"map": {"density": {"feture": "beta"}}}, "[map.density] feture", "feature"),
        ({"on": {"blink": {"feature": "a", "threshold": 1.0, "acton": "none"}}}, "[on.blink] acton", "action"),
        ({"parts": {"melodie": {}}}, "[parts] melodie", "melody"),
        ({"midi": {"cc": {"densty": 21}}}, "[midi.cc] densty", "density"),
        ({"source": {"mac_adress": ""}}, "[source] mac_adress", "mac_address"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(tables, place, near):
    line = refused(tables)
    assert f"{place} is unknown, did you mean {near}?" in line


@pytest.mark.parametrize(
    ("tables", "place", "allowed"),
    [
        ({"session": {"tempo_bpm": 900}}, "[session] tempo_bpm = 900", "30..240"),
        ({"session": {"bars": 0}}, "[session] bars = 0", "1..10000"),
        ({"session": {"bars": "3"}}, "[session] bars = '3'", "1..10000"),
        ({"session": {"seed": True}}, "[session] seed = true", "whole number"),
        ({"session": 3}, "[session] = 3", "a table"),
        ({"signal": {"line": 40}}, "[signal] line = 40", '"auto", 50, 60 or "none"'),
        ({"signal": {"reference": 3}}, "[signal] reference = 3", "list of channel names"),
        ({"signal": {"bands": {"alpha": [8, "x"]}}}, "[signal.bands] alpha = 'x'", "[low, high] in Hz"),
        ({"signal": {"bands": {"alpha": [13, 8]}}}, "[signal]: band alpha", "low < high"),
        ({"signal": {"high_pass_hz": 10, "low_pass_hz": 10}}, "[signal]: high_pass_hz", "below low_pass_hz"),
        ({"erp": {"target": ["1"]}}, "[erp]: marker '1'", "one list"),
        ({"erp": {"response_s": [0.2, 5.0]}}, "[erp]: response_s", "0..0.8"),
        ({"baseline": {"seconds": 3, "profile": "a.json"}}, "[baseline]: give one", "not several"),
        ({"map": {"tempo": {"low": 3}}}, "[map.tempo] low = 3", "-20..0 z"),
        ({"baseline": {"seconds": 2.5}}, "[baseline] seconds", "0 or at least 3"),
        ({"erp": {"average_n": 3}}, "[erp]: average_n", "less than min_n"),
        ({"erp": {"epoch_s": [0.0, 0.8]}}, "[erp]: epoch_s", "before 0"),
        ({"on": {"blink": {"feature": "a"}}}, "[on.blink] threshold is missing", "a number"),
        ({"range": {"temperature": [0.0, 1.0]}}, "[range]: temperature", "0.1..2"),
        ({"range": {"velocity": [0, 100]}}, "[range]: velocity", "1..127"),
        ({"parts": {"melody": {"channel": 17}}}, "[parts.melody] channel = 17", "1..16"),
        ({"parts": {"melody": {"channel": 2}}}, "[parts] melody and accompaniment share MIDI channel 2", "its own"),
        ({"oddball": {"on": True, "channel": 1}}, "[parts] melody and [oddball] share MIDI channel 1", "its own"),
        ({"oddball": {"on": True}, "erp": {"target": ["2"]}}, '[oddball] marks its notes "oddball.target"', "add it"),
        ({"oddball": {"share": 0.5}}, "[oddball] share = 0.5", "0.05..0.34"),
        ({"session": {"parts": ["melody", "kazoo"]}}, "[session]: 'kazoo' is none of the parts", "bass, drums"),
        ({"session": {"parts": ["melody", "bass"]}}, "[session]: accompaniment is missing", "always play"),
        ({"session": {"parts": ["melody", "accompaniment", "melody"]}}, "[session]: parts", "one twice"),
        ({"session": {"parts": "melody"}}, "[session] parts = 'melody'", "melody, accompaniment, bass, drums"),
        ({"parts": {"accompaniment": {"harmony": 1.5}}}, "[parts.accompaniment] harmony = 1.5", "0..1"),
        (
            {"parts": {"accompaniment": {"style": "jazz"}}},
            "[parts.accompaniment] style = 'jazz'",
            ", ".join(STYLES[:6]),
        ),
        ({"parts": {"drums": {"groove": 2.0}}}, "[parts.drums] groove = 2.0", "0..1"),
        ({"parts": {"drums": {"low": 30}}}, "[parts.drums] low is unknown", "groove"),
        ({"parts": {"melody": {"high": 65}}}, "[parts.melody]: high", "octave"),
        ({"midi": {"cc": {"tempo": 120}}}, "[midi.cc] tempo = 120", "0..119"),
        ({"midi": {"cc": {"tempo": 20, "density": 20}}}, "[midi.cc]: two knobs share", "its own number"),
        ({"midi": {"cc_channel": 0}}, "[midi] cc_channel = 0", "1..16"),
        ({"midi": {"network": 21}}, "[midi] network = 21", "1..20"),
        ({"midi": {"backend": "alsa"}}, "[midi] backend = 'alsa'", '"rtmidi" or "jack"'),
        ({"midi": {"network": 1, "backend": "jack"}}, "[midi]: network has no JACK", "leave out network"),
        ({"midi": {"network": 1, "port": "a"}}, "[midi]: network takes the place of port", "leave one"),
        ({"midi": {"capture_bars": 0}}, "[midi] capture_bars = 0", "1..64"),
        ({"midi": {"faders": {"densty": {"cc": 7}}}}, "[midi]: faders has 'densty'", "none of the knobs"),
        ({"midi": {"faders": {"density": {"cc": 7, "mode": "mix"}}}}, "[midi.faders.density] mode = 'mix'", "scale"),
        ({"midi": {"keys": {"panic": {}}}}, "[midi.keys.panic]: give note or cc", "one of the two"),
        ({"midi": {"keys": {"hold": {"note": 128}}}}, "[midi.keys.hold] note = 128", "0..127"),
        ({"cc": {"a": {"knob": "density", "feature": "alpha", "number": 1}}}, "[cc.a]: give knob or feature", "one of"),
        ({"cc": {"a": {"knob": "densty", "number": 1}}}, "[cc.a]: knob 'densty'", "none of"),
        ({"cc": {"a": {"knob": "density"}}}, "[cc.a]: send = 'cc' needs a number", "correct it"),
        (
            {"cc": {"a": {"knob": "density", "send": "bend", "number": 1}}},
            "[cc.a]: send = 'bend' has no number",
            "corr",
        ),
        ({"cc": {"a": {"knob": "density", "number": 32, "bits": 14}}}, "[cc.a]: number 32 is outside 0..31", "14 bits"),
        ({"cc": {"a": {"knob": "density", "number": 1, "bits": 8}}}, "[cc.a] bits = 8", "7 or 14"),
        ({"cc": {"a": {"knob": "density", "number": 1, "low": 1.0, "high": 1.0}}}, "[cc.a]: low and high", "somewhere"),
        (
            {"midi": {"cc": {"tempo": 20}}, "cc": {"a": {"knob": "density", "number": 20}}},
            "[midi.cc] tempo and [cc.a] move the same control",
            "own number",
        ),
        (
            {"cc": {"a": {"knob": "density", "send": "bend", "bits": 14}}},
            "[cc.a]: send = 'bend' has no bits to choose",
            "leave out bits",
        ),
        (
            {"cc": {"a": {"knob": "density", "number": 20, "bits": 14}, "b": {"knob": "tempo", "number": 52}}},
            "[cc.a] and [cc.b] move the same control (CC 52)",
            "own number",
        ),
        (
            {"midi": {"cc": {"tempo": 6}}, "cc": {"a": {"knob": "density", "send": "nrpn", "number": 300}}},
            "[midi.cc] tempo and [cc.a] move the same control (CC 6)",
            "channel",
        ),
        (
            {"clock": {"count_in": 1}, "midi": {"cc_channel": 15, "cc": {"tempo": 20}}},
            "[clock] click_channel and [midi.cc] tempo share MIDI channel 15",
            "choose another",
        ),
        (
            {"midi": {"keys": {"panic": {"note": 21, "channel": 3}, "hold": {"note": 21}}}},
            "[midi]: keys panic and hold are the same key",
            "its own",
        ),
        (
            {"midi": {"keys": {"hold": {"cc": 7}}, "faders": {"density": {"cc": 7, "channel": 2}}}},
            "[midi]: keys hold takes CC 7, the fader of density would never act",
            "move one",
        ),
        ({"midi": {"mpe": True}}, "[parts] accompaniment is on MIDI channel 2, in the MPE zone 1..8", "mpe_members"),
        ({"midi": {"mpe": "bass"}}, "[midi] mpe names bass, which does not play", "[session] parts"),
        ({"midi": {"mpe": "drums"}}, "[midi] mpe = 'drums'", '"accompaniment" or "bass"'),
        ({"midi": {"mpe_members": 16}}, "[midi] mpe_members = 16", "1..15"),
        (
            {"cc": {"a": {"knob": "density", "send": "bend", "channel": "mpe"}}},
            '[cc.a] channel = "mpe" needs',
            "number",
        ),
        ({"cc": {"a": {"knob": "density", "send": "bend", "channel": 17}}}, "[cc.a] channel = 17", '1..16, "mpe"'),
        (
            {
                "midi": {"mpe": True, "mpe_members": 3},
                "parts": {"accompaniment": {"channel": 9}},
                "cc": {"a": {"knob": "density", "send": "bend", "channel": 4}},
            },
            "[cc.a] is on MIDI channel 4, in the MPE zone 1..4 of melody",
            "one above",
        ),
        (
            {
                "midi": {"mpe": True},
                "parts": {"accompaniment": {"channel": 9}},
                "clock": {"count_in": 1, "click_channel": 8},
            },
            "[clock] click_channel is on MIDI channel 8, in the MPE zone 1..8",
            "one above",
        ),
        (
            {"on": {"a": {"feature": "erp.target", "threshold": 90.0}}},
            "[on.a]: threshold 90 of erp.target is never crossed",
            "within 0..1",
        ),
        ({"clock": {"source": "daw"}}, "[clock] source = 'daw'", "internal"),
        ({"clock": {"nudge_ms": 900.0}}, "[clock] nudge_ms = 900.0", "-500..500"),
        ({"clock": {"count_in": 9}}, "[clock] count_in = 9", "0..8"),
        ({"clock": {"metronome": True, "click_channel": 2}}, "", "click_channel and [parts] accompaniment share"),
        ({"parts": {"melody": {"low": 6, "high": 18}}}, "[parts.melody] low = 6", "27..102"),
        ({"parts": {"melody": {"high": 103}}}, "[parts.melody] high = 103", "27..102"),
    ],
)
def test_a_bad_value_says_where_what_is_allowed_and_what_to_do(tables, place, allowed):
    line = refused(tables)
    assert line.startswith("session.toml: " + place)
    assert allowed in line
    assert any(remedy in line for remedy in ("correct it", "delete", "add it"))


def test_a_part_has_a_zone_and_what_goes_for_all_of_it_goes_out_on_its_master():
    tables = {
        "midi": {"mpe": "melody", "mpe_members": 6},
        "parts": {"accompaniment": {"channel": 8}},
        "cc": {"bend": {"knob": "density", "send": "bend", "channel": "mpe"}},
    }
    config = parse_config(tables)
    assert part_channels(config) == {"melody": Zone(6), "accompaniment": 8}
    assert [rule.channel for rule in player_settings(config).controls] == [1]
    assert part_channels(parse_config({})) == {"melody": 1, "accompaniment": 2}


def test_controls_and_keys_that_do_not_meet_are_taken():
    tables = {
        "fine": {"knob": "density", "number": 20, "bits": 14},
        "elsewhere": {"knob": "tempo", "number": 52, "channel": 5},
        "first": {"knob": "density", "send": "nrpn", "number": 300},
        "second": {"knob": "density", "send": "nrpn", "number": 301, "bits": 14},
        "data": {"knob": "tempo", "number": 6, "channel": 5},
        "bend": {"knob": "tempo", "send": "bend", "channel": 6},
    }
    keys = {"panic": {"note": 21, "channel": 3}, "hold": {"note": 21, "channel": 4}, "capture": {"cc": 21}}
    midi = {"cc_channel": 15, "keys": keys, "faders": {"density": {"cc": 7}, "tempo": {"cc": 22}}}
    assert parse_config({"cc": tables, "midi": midi}).cc.keys() == tables.keys()


def test_a_value_from_the_command_line_is_called_by_its_option():
    line = refused({}, Override("--bars", ("session", "bars"), -3))
    assert line.startswith("--bars -3 is not allowed, 1..10000 bars")
    temperature = Override("--temperature", ("range", "temperature"), [-1.0, -1.0], "-1", "0.1..2.0")
    assert refused({}, temperature).startswith("--temperature -1 is not allowed, 0.1..2.0;")


def test_parts_from_the_command_line_are_a_list():
    config = read_config(None, {"parts": "melody, accompaniment,drums"})
    assert config.session.parts == ("melody", "accompaniment", "drums")
    assert config.channels() == {"melody": 1, "accompaniment": 2, "drums": 10}
    with pytest.raises(ConfigError, match=r"^--parts melody,kazoo is not allowed, a list of melody, accompaniment, b"):
        read_config(None, {"parts": "melody,kazoo"})


def test_a_part_that_does_not_play_needs_no_channel_of_its_own():
    tables = {"parts": {"melody": {"channel": 3}}}
    assert parse_config(tables).channels() == {"melody": 3, "accompaniment": 2}
    band = {"session": {"parts": list(PARTS)}}
    assert parse_config(band).channels() == {"melody": 1, "accompaniment": 2, "bass": 3, "drums": 10}
    assert "melody and bass share MIDI channel 3" in refused(tables | band)


def test_the_files_own_mistake_is_not_blamed_on_an_option():
    temperature = Override("--temperature", ("range", "temperature"), [1.0, 1.0], "1", "0.1..2.0")
    assert refused({"range": {"velocity": [0, 100]}}, temperature).startswith("session.toml: [range]: velocity")


def test_the_command_line_wins_over_the_file():
    assert (
        parse_config({"session": {"bars": 3}}, overrides=[Override("--bars", ("session", "bars"), 5)]).session.bars == 5
    )


def test_a_missing_file_and_a_file_that_is_no_toml_say_so(tmp_path):
    with pytest.raises(ConfigError, match=r"cannot be read .* `brainmidi init` writes one"):
        load_config(tmp_path / "nothing.toml")
    broken = tmp_path / "broken.toml"
    broken.write_text("[session\n")
    with pytest.raises(ConfigError, match=r"is not valid TOML: .*line 1"):
        load_config(broken)


def test_the_tables_name_the_knobs_and_parts_of_the_vocabulary():
    config = SessionConfig()
    assert set(type(config.map).model_fields) - {"time_constant_s"} == set(KNOBS)
    assert tuple(type(config.parts).model_fields) == PARTS
    assert get_args(type(config.parts.accompaniment).model_fields["style"].annotation) == STYLES


def test_the_defaults_are_those_of_the_rooms():
    config = SessionConfig()
    rules = {knob: KnobRule(**table.model_dump()) for knob, table in config.map.knobs().items()}
    events = tuple(EventRule(**table.model_dump()) for table in config.on.values())
    assert ControlMap(rules, events, config.map.time_constant_s) == DEFAULT_MAP
    labels = {name: frozenset(getattr(config.erp, name)) for name in ("target", "nontarget")}
    assert ErpSettings(**(config.erp.model_dump() | labels)) == ErpSettings()
    features = FeatureSettings()
    assert (config.signal.window_s, config.signal.min_good) == (features.window_s, features.min_good)
    assert config.signal.bands == features.bands
    condition = ConditionSettings()
    assert config.signal.model_dump(include={"high_pass_hz", "low_pass_hz", "reference", "line"}) == {
        "high_pass_hz": condition.high_pass_hz,
        "low_pass_hz": condition.low_pass_hz,
        "reference": condition.reference,
        "line": condition.line,
    }
    assert config.signal.amplitude_uv == condition.limits.amplitude_uv


def test_the_default_map_uses_features_that_there_are():
    config = SessionConfig()
    used = {table.feature for table in (*config.map.knobs().values(), *config.on.values())}
    assert used <= set(feature_names())


def test_a_knob_without_a_feature_is_left_out_of_the_map():
    assert "tempo" not in parse_config({"map": {"tempo": {"feature": "none"}}}).map.knobs()


def test_a_boards_options_are_those_that_were_set():
    config = parse_config({"source": {"name": "cyton", "serial_port": "/dev/ttyUSB0"}})
    assert config.source.options() == {"serial_port": "/dev/ttyUSB0"}


@given(
    st.dictionaries(
        st.sampled_from([*SessionConfig.model_fields, "x"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_whatever_a_file_holds_is_accepted_or_refused_in_one_line(tables):
    try:
        parse_config(tables)
    except ConfigError as error:
        line = str(error)
    else:
        line = "fine"
    assert line
    assert "\n" not in line


def test_a_way_out_from_the_command_line_replaces_that_of_the_file(tmp_path):
    path = tmp_path / "session.toml"
    path.write_text("[midi]\nport = 'a'\ninput = 'b'\n")
    midi = read_config(path, {"network": 3}).midi
    assert (midi.network, midi.port, midi.input) == (3, "", "")
    path.write_text("[midi]\nnetwork = 3\n")
    midi = read_config(path, {"input_": "b"}).midi
    assert (midi.network, midi.port, midi.input) == (0, "", "b")
    with pytest.raises(ConfigError, match="--input and --network exclude each other"):
        read_config(path, {"network": 3, "input_": "b"})

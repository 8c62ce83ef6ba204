"""Anchors of one's own: bars of files, seeds and presets become the corners that the brain moves between."""

from __future__ import annotations

from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import mido
import numpy as np
import pytest
from fakes import ANCHORS, BASS_ANCHORS, DRUM_ANCHORS, FakeAccompaniment, FakeBass, FakeDrums, FakeMelody
from hypothesis import given
from hypothesis import strategies as st
from midi_files import write_notes

from brainmidi.config import parse_config
from brainmidi.drivers import assemble
from brainmidi.drivers.anchors import Seeded, anchors_of, from_mode, settled
from brainmidi.drivers.offline import make_session
from brainmidi.drivers.places import Bars, Corner, Seed, on_grid, parse_place, prior_point
from brainmidi.errors import ConfigError, MidiError
from brainmidi.midi.song import read_song
from brainmidi.music.harmony import MODES, Key
from brainmidi.music.phrase import MODEL_LENGTH, phrase_from_steps, to_mode, transposed
from brainmidi.music.voices import Voices
from brainmidi.types import DUO, PARTS, ControlFrame, Phrase

SHIPPED = {"melody": ANCHORS, "bass": BASS_ANCHORS, "drums": DRUM_ANCHORS}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("brainmidi.drivers.voices.load_anchors", SHIPPED.__getitem__)


def config_of(**anchors):
    return parse_config({"session": {"key": "D dorian", "parts": list(PARTS)}, "anchors": anchors})


def rows(phrase: Phrase) -> list[tuple[Fraction, Fraction, int, str]]:
    return [(note.start, note.length, note.pitch, note.part) for note in phrase]


def refused(**anchors) -> str:
    with pytest.raises(ConfigError) as error:
        assemble.session_setup(config_of(**anchors))
    line = str(error.value)
    assert "\n" not in line
    assert line.startswith("session.toml: [anchors]")
    return line


def test_without_the_table_the_presets_are_taken():
    setup = assemble.session_setup(parse_config({"session": {"parts": list(PARTS)}}))
    assert (setup.anchors, setup.bass_anchors, setup.drum_anchors) == (ANCHORS, BASS_ANCHORS, DRUM_ANCHORS)
    assert settled(setup, Voices(FakeMelody(), FakeAccompaniment())) is setup


def test_bars_of_a_file_are_the_corners_moved_to_c():
    # D dorian: D F A | C D E, from bar 1; from bar 3 a step lower.
    tune = [(0, 1, 62), (1, 1, 65), (2, 2, 69), (4, 1, 72), (5, 3, 74)]
    write_notes("mine.mid", [*tune, *((start + 8, length, pitch - 2) for start, length, pitch in tune)])
    (anchor,) = anchors_of(config_of(melody=[["mine.mid", "mine.mid@3"]]), "melody")
    assert anchor.name == "mine@1>mine@3"
    as_heard = transposed(anchor.in_mode(Key.parse("D dorian")).calm, 2)
    assert [(n.start, n.length, n.pitch) for n in as_heard] == tune
    assert [n.pitch for n in anchor.active] == [n.pitch for n in on_grid(transposed(as_heard, -4), "melody")]


def test_the_files_may_be_in_a_key_of_their_own():
    write_notes("mine.mid", [(0, 4, 67), (4, 4, 71)])
    (anchor,) = anchors_of(config_of(melody=[["mine.mid", "mine.mid"]], key="G major"), "melody")
    assert [note.pitch for note in anchor.calm] == [72, 76]  # G lies nearer below C than above


def test_a_melody_keeps_the_highest_and_a_bass_the_lowest_of_several_notes():
    write_notes("mine.mid", [(0, 2, 50), (0, 2, 62), (2, 6, 65)])
    config = config_of(melody=[["mine.mid", "mine.mid"]], bass=[["mine.mid", "mine.mid"]], key="C major")
    assert rows(anchors_of(config, "melody")[0].calm) == [(0, 2, 62, "melody"), (2, 6, 65, "melody")]
    assert rows(anchors_of(config, "bass")[0].calm) == [(0, 2, 50, "bass"), (2, 6, 65, "bass")]


def test_drums_are_what_is_on_channel_ten_and_stand_on_the_grid():
    write_notes("beat.mid", [(0, 0.1, 36), (0.98, 0.1, 38), (2.02, 0.3, 35), (7.99, 0.01, 38)], channel=9)
    (anchor,) = anchors_of(config_of(drums=[["beat.mid", "anchor:toms.active"]]), "drums")
    assert [(n.start, n.pitch) for n in anchor.calm] == [(0, 36), (1, 38), (2, 36)]
    assert anchor.active == DRUM_ANCHORS[1].active


def test_presets_are_named_and_their_corners_mixed():
    found = anchors_of(config_of(melody=["fall", ["anchor:rise.active", "anchor:fall.calm"]]), "melody")
    assert found[0] is ANCHORS[1]
    assert (found[1].calm, found[1].active) == (ANCHORS[0].active, ANCHORS[1].calm)
    assert found[1].name == "rise.active>fall.calm"


@pytest.mark.parametrize(("part", "voice"), [("melody", FakeMelody), ("bass", FakeBass), ("drums", FakeDrums)])
def test_a_seed_is_decoded_once_by_its_own_voice_at_its_own_point(part, voice):
    voice = voice()
    preset = f"anchor:{SHIPPED[part][0].name}.calm"
    config = config_of(**{part: [["seed:3", preset], ["seed:4", preset]]})
    waiting = anchors_of(config, part)
    assert [anchor.seeds for anchor in waiting] == [(3, None), (4, None)]
    found = anchors_of(config, part, voice)
    assert not any(isinstance(anchor, Seeded) for anchor in found)
    assert [anchor.name for anchor in found] == [f"seed:{n}>{preset[7:]}" for n in (3, 4)]
    assert found[0].calm != found[1].calm
    assert found[0].active == SHIPPED[part][0].calm
    assert {note.part for anchor in found for note in anchor.calm} == {part}
    size = voice.encode(SHIPPED[part][0].calm, *([None] * 32,) * (part == "bass")).size
    assert [z.tolist() for z, *_ in voice.decoded] == [prior_point(Seed(n), size).tolist() for n in (3, 4)]
    assert anchors_of(config, part, voice) == found
    if part != "drums":
        assert {note.pitch % 12 for anchor in found for note in anchor.calm} <= set(Key("C").classes)


def test_a_silent_seed_is_refused():
    class Silent(FakeMelody):
        def decode(self, *_):
            return Phrase((), MODEL_LENGTH)

    with pytest.raises(ConfigError, match=r"melody: seed:3 is silent with this model; choose another seed"):
        anchors_of(config_of(melody=[["seed:3", "seed:4"]]), "melody", Silent())


def test_a_session_plays_between_its_own_anchors():
    write_notes("mine.mid", [(0, 4, 62), (4, 4, 65)])
    config = config_of(melody=[["mine.mid", "seed:1"]], bass=["walk"], drums=[["seed:5", "seed:6"]])
    setup = assemble.session_setup(config)
    session = make_session(
        setup, config.session.parts, lambda: Voices(FakeMelody(), FakeAccompaniment(), FakeBass(), FakeDrums())
    )
    assert not any(isinstance(anchor, Seeded) for anchor in (*session.setup.anchors, *session.setup.drum_anchors))
    assert session.setup.bass_anchors == (BASS_ANCHORS[1],)
    _, bar = session.step(session.initial(), ControlFrame.neutral(0.0), None)
    assert bar.anchor == "mine@1>seed:1"


def test_anchors_given_to_a_driver_go_before_the_table():
    setup = assemble.session_setup(config_of(melody=["unknown"]), ANCHORS)
    assert setup.anchors is ANCHORS


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ("none", "anchor 'none' is unknown; the checkpoint's are rise, fall"),
        (["none.mid", "seed:1"], "none.mid cannot be read as a MIDI file (No such file or directory)"),
        (["mine.mid@9", "seed:1"], "mine.mid has bars 1..2, bar 9 is none of them"),
        (["mine.mid@0", "seed:1"], "mine.mid has bars 1..2, bar 0 is none of them"),
        (["waltz.mid", "seed:1"], "bars 1..2 of waltz.mid are not all in 4/4"),
        (["beat.mid", "seed:1"], "bars 1..2 of beat.mid have no notes of the melody"),
        (["deep.mid", "seed:1"], "pitch 15 is outside 21..108"),
        (["text.mid", "seed:1"], "text.mid cannot be read as a MIDI file"),
        (["seed:x", "seed:1"], "'seed:x' is no seed"),
        (["anchor:rise", "seed:1"], "'anchor:rise' is no corner of a preset"),
        (["anchor:none.calm", "seed:1"], "anchor 'none' is unknown"),
    ],
)
def test_a_mistake_is_one_line(entry, reason):
    write_notes("mine.mid", [(0, 4, 62), (4, 4, 65)])
    write_notes("waltz.mid", [(0, 4, 62), (4, 4, 65)], metre=(3, 4))
    write_notes("beat.mid", [(0, 4, 36), (4, 4, 36)], channel=9)
    write_notes("deep.mid", [(0, 4, 17), (4, 4, 65)])
    Path("text.mid").write_text("no MIDI at all")
    line = refused(melody=[entry])
    assert reason in line
    assert repr(entry) in line


def test_an_unknown_key_of_the_files_is_one_line():
    assert "key 'H' is not understood" in refused(melody=["rise"], key="H")


@pytest.mark.parametrize("entry", [[1], [["one"]], [["a", "b", "c"]], "rise"])
def test_a_wrong_shape_is_one_line(entry):
    with pytest.raises(ConfigError, match=r"session.toml: \[anchors\] melody") as error:
        config_of(melody=entry)
    assert "a list of pairs" in str(error.value)


def test_parts_that_do_not_play_are_not_read():
    config = parse_config({"session": {"parts": list(DUO)}, "anchors": {"drums": [["none.mid", "none.mid"]]}})
    assert assemble.session_setup(config).drum_anchors == ()


@given(st.sampled_from(sorted(MODES)), st.integers(48, 84))
def test_what_is_read_from_a_mode_comes_back_into_it(mode, pitch):
    key = Key("C", mode)
    phrase = phrase_from_steps([[0, 4, pitch]])
    if pitch % 12 in key.classes:
        assert to_mode(from_mode(phrase, key), key) == phrase


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a.mid", Bars(Path("a.mid"), 1)),
        ("take/a.mid@12", Bars(Path("take/a.mid"), 12)),
        ("a@home.mid", Bars(Path("a@home.mid"), 1)),
        ("seed:0", Seed(0)),
        ("anchor:rise > fall.calm", Corner("rise > fall", "calm")),
    ],
)
def test_a_place_is_written_as_one_word(text, place):
    assert parse_place(text) == place


def test_bar_lines_follow_the_metres_of_the_file():
    song = mido.MidiFile(ticks_per_beat=96)
    changes = [mido.MetaMessage("time_signature", numerator=3, denominator=4)]
    changes.append(mido.MetaMessage("time_signature", numerator=4, denominator=4, time=2 * 3 * 96))
    notes = [mido.Message("note_on", note=60, velocity=9), mido.Message("note_off", note=60, time=14 * 96)]
    song.tracks += [mido.MidiTrack(changes), mido.MidiTrack(notes)]
    song.save("changes.mid")
    lines = read_song(Path("changes.mid")).bar_lines
    assert lines == ((0, False), (3, False), (6, True), (10, True))


def test_a_note_a_little_before_the_bar_line_belongs_to_the_bar():
    write_notes("mine.mid", [(0, 1, 60), (3.9, 1, 62), (8, 3.95, 64), (11.95, 1, 65)])
    phrase = read_song(Path("mine.mid")).excerpt("melody", 2, MODEL_LENGTH)
    assert [(note.start, note.pitch) for note in phrase] == [(0, 62), (4, 64)]
    assert all(note.end <= MODEL_LENGTH for note in phrase)


@given(st.data())
def test_a_damaged_file_is_read_or_refused(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("damaged") / "mine.mid"
    write_notes(path, [(0, 1, 60), (3.9, 1, 62), (8, 4, 64)], key="Eb")
    content = bytearray(path.read_bytes())
    for place in data.draw(st.lists(st.integers(14, len(content) - 1), min_size=1, max_size=4)):
        content[place] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    with suppress(MidiError):
        assert read_song(path).excerpt("melody", 1, MODEL_LENGTH).notes


@pytest.mark.parametrize("message", [b"\xff\x58\x04\x00\x02\x18\x08", b"\xff\x58\x04\x04\xc8\x18\x08"])
def test_a_senseless_metre_is_passed_over(message):
    write_notes("mine.mid", [(0, 4, 60), (4, 4, 62)])
    content = Path("mine.mid").read_bytes()
    assert content.count(b"\xff\x58\x04\x04\x02\x18\x08") == 1
    Path("mine.mid").write_bytes(content.replace(b"\xff\x58\x04\x04\x02\x18\x08", message))
    assert read_song(Path("mine.mid")).bar_lines == ((0, True), (4, True))


def test_a_senseless_key_signature_is_refused():
    write_notes("mine.mid", [(0, 4, 60), (4, 4, 62)], key="Eb")
    content = Path("mine.mid").read_bytes()
    assert content.count(b"\xff\x59\x02\xfd\x00") == 1
    Path("mine.mid").write_bytes(content.replace(b"\xff\x59\x02\xfd\x00", b"\xff\x59\x02\x63\x00"))
    with pytest.raises(MidiError, match=r"mine.mid cannot be read as a MIDI file"):
        read_song(Path("mine.mid"))


def test_a_track_with_the_parts_name_is_taken_alone():
    whole = mido.MidiFile(ticks_per_beat=480)
    for name, channel, pitch in (("Melody", 0, 60), ("bass", 1, 40), ("drums", 2, 38)):
        write_notes("one.mid", [(0, 8, pitch)], channel=channel, track=name)
        whole.tracks.extend(mido.MidiFile("one.mid").tracks)
    whole.save("all.mid")
    song = read_song(Path("all.mid"))
    assert {part: [n.pitch for n in song.excerpt(part, 1, MODEL_LENGTH)] for part in ("melody", "bass", "drums")} == {
        "melody": [60],
        "bass": [40],
        "drums": [38],
    }


def test_seeds_are_points_of_the_prior():
    points = np.stack([prior_point(Seed(number), 256) for number in range(40)])
    assert abs(points.mean()) < 0.05
    assert abs(points.std() - 1) < 0.05
    assert not np.array_equal(prior_point(Seed(1), 8, 1), prior_point(Seed(1), 8))

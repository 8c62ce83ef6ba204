"""``brainmidi latent``: what goes in comes out at the ends, what lies between lies between, bad input is one line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import mido
import numpy as np
import pytest
from midi_files import write_notes

from brainmidi.cli.main import main
from brainmidi.codec import chords as chord_codec
from brainmidi.codec import groove as groove_codec
from brainmidi.drivers.eventcodecs import codec_of
from brainmidi.drivers.places import Seed, prior_point
from brainmidi.errors import ModelError
from brainmidi.midi.song import read_song
from brainmidi.models import checkpoint
from brainmidi.models.attribute_vectors import AttributeVectors
from brainmidi.models.configs import CONFIGS, MusicVaeConfig

STEPS = 32
#: What the fake models have been asked, in order.
ASKED: list[tuple[str, np.ndarray, Any]] = []


class FakeModel:
    """A latent that is the events themselves: a point between two phrases spells events between theirs."""

    def __init__(self, config: MusicVaeConfig) -> None:
        self.config = config

    def encode(self, events, controls=None):
        ASKED.append(("encode", np.asarray(events[0]), controls))
        mu = np.asarray(events, dtype=np.float32).reshape(len(events), -1)
        return mu, np.zeros_like(mu)

    def decode(self, z, *, bias=None, noise=None, temperature=1.0, forced=None, controls=None):
        ASKED.append(("decode", np.asarray(z[0]), controls if noise is None else (noise.shape, temperature)))
        rows = np.asarray(z).reshape(len(z), STEPS, -1)
        if noise is not None:
            rows = rows + noise[..., : rows.shape[-1]]
        if self.config.events == "categorical":
            return np.clip(np.rint(rows), 0, self.config.outputs[0] - 1).astype(np.int32)
        if forced is not None:
            rows = np.where(np.isnan(forced), np.full_like(rows, 0.5), forced)
        return rows


def write_checkpoint(name: str, config: str, *, part: str = "") -> Path:
    """Write the description of a checkpoint whose latent is as large as its events."""
    sizes = CONFIGS[config]
    width = sizes.outputs[0] if sizes.events != "categorical" else 1
    described = {"kind": "musicvae", "name": config, **replace(sizes, latent_size=STEPS * width).to_json()}
    Path(name).mkdir()
    Path(name, "config.json").write_text(json.dumps(described | ({"part": part} if part else {})))
    return Path(name)


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Work in an empty folder, with fake models, two tunes and a melody checkpoint."""
    monkeypatch.chdir(tmp_path)

    def load(folder: Path) -> FakeModel:
        return FakeModel(checkpoint.read_sizes(folder, "musicvae", MusicVaeConfig.from_json))

    monkeypatch.setattr("brainmidi.drivers.latentspace.load_model", load)
    write_checkpoint("mel", "hier-mel_2bar", part="melody")
    write_notes("a.mid", [(0, 4, 60), (4, 4, 64)])
    write_notes("b.mid", [(0, 2, 72), (4, 2, 76), (8, 4, 67), (12, 4, 65)])
    ASKED.clear()
    yield
    ASKED.clear()


def done(capsys: pytest.CaptureFixture[str], *arguments: object, on: str = "mel") -> list[str]:
    """Run a command that must succeed and return its lines."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in ("latent", *arguments, "--checkpoint", on, "-o", "out.mid")])
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    return out.splitlines()


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a command that must fail and return its one line; nothing is written."""
    with pytest.raises(SystemExit) as end:
        main(["latent", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert len(err.splitlines()) == 1, err
    assert not Path("out.mid").exists()
    return err


def phrases(part: str = "melody", name: str = "out.mid") -> list[list[tuple[Fraction, Fraction, int]]]:
    """Return the phrases of a file that was written, as (start, length, pitch)."""
    return [[(n.start, n.length, n.pitch) for n in p] for p in read_song(Path(name)).phrases(part, Fraction(8))]


def meta(kind: str) -> list[Any]:
    return [message for track in mido.MidiFile("out.mid").tracks for message in track if message.type == kind]


A = [(0, 4, 60), (4, 4, 64)]
B = [(0, 2, 72), (4, 2, 76)]


def test_an_interpolation_goes_from_the_one_phrase_to_the_other(capsys):
    lines = done(capsys, "interpolate", "a.mid", "b.mid", "--steps", 5, "--tempo", 80)
    found = phrases()
    assert (len(found), found[0], found[-1]) == (5, A, B)
    assert lines[0].split() == ["1/5", "share", "0.000", "2", "notes", "pitches", "60..64"]
    assert lines[-1] == "out.mid written: 5 phrases of 8 beats"
    assert [message.text for message in meta("marker")][:2] == ["1: share 0.000", "2: share 0.250"]
    assert [mido.tempo2bpm(message.tempo) for message in meta("set_tempo")] == [80]


def test_the_straight_line_is_another_way_than_the_arc(capsys):
    done(capsys, "interpolate", "a.mid", "b.mid", "--steps", 3)
    arc = [z for what, z, _ in ASKED if what == "decode"][1]
    done(capsys, "interpolate", "a.mid", "b.mid", "--steps", 3, "--linear")
    a, b = (z.ravel() for what, z, _ in ASKED[-5:] if what == "encode")
    line = [z for what, z, _ in ASKED if what == "decode"][-2]
    assert line == pytest.approx((a + b) / 2)
    assert np.linalg.norm(arc) == pytest.approx((np.linalg.norm(a) + np.linalg.norm(b)) / 2)
    assert np.linalg.norm(arc) > np.linalg.norm(line)


@pytest.mark.parametrize("straight", [(), ("--linear",)], ids=["arcs", "lines"])
def test_a_way_goes_on_through_all_places_without_a_jump(capsys, straight):
    lines = done(capsys, "interpolate", "a.mid", "seed:3", "b.mid", "seed:4", "--steps", 10, *straight)
    way = np.stack([z for what, z, _ in ASKED if what == "decode"])
    assert (phrases()[0], phrases()[6]) == (A, B)
    assert way[3] == pytest.approx(prior_point(Seed(3), STEPS))
    assert way[9] == pytest.approx(prior_point(Seed(4), STEPS))
    assert lines[3].split()[:3] == ["4/10", "share", "0.333"]
    for leg in (way[:4], way[3:7], way[6:]):
        steps = np.linalg.norm(np.diff(leg, axis=0), axis=1)
        assert steps.max() < 0.7 * np.linalg.norm(leg[-1] - leg[0])


def test_any_bar_a_presets_corner_and_a_seed_are_places(capsys):
    preset = [{"name": "A", "calm": [[0, 32, 60]], "active": [[0, 8, 60], [8, 8, 62]]}]
    Path("mel/anchors.json").write_text(json.dumps(preset))
    done(capsys, "interpolate", "b.mid@3", "anchor:A.active", "--steps", 2)
    assert phrases() == [[(0, 4, 67), (4, 4, 65)], [(0, 2, 60), (2, 2, 62)]]
    done(capsys, "mix", "seed:7")
    assert ASKED[-1][1].tolist() == prior_point(Seed(7), STEPS).tolist()


def test_a_phrase_is_moved_to_c_and_back(capsys):
    write_notes("d.mid", [(0, 4, 62), (4, 4, 66)])
    done(capsys, "interpolate", "a.mid", "a.mid", "--steps", 2)
    in_c = ASKED[0][1]
    done(capsys, "interpolate", "d.mid", "d.mid", "--steps", 2, "--key", "D major")
    assert ASKED[-4][1].tolist() == in_c.tolist()
    assert phrases()[0] == [(0, 4, 62), (4, 4, 66)]
    assert meta("key_signature")[0].key == "D"


def test_samples_are_those_of_their_seeds(capsys):
    lines = done(capsys, "sample", "--n", 3, "--seed", 5)
    points = [z for _, z, _ in ASKED]
    assert [z.tolist() for z in points] == [prior_point(Seed(5 + k), STEPS).tolist() for k in range(3)]
    assert [line.split()[1] for line in lines[:-1]] == ["seed:5", "seed:6", "seed:7"]


def test_a_walk_begins_at_its_seed_and_stays_near(capsys):
    done(capsys, "sample", "--n", 40, "--seed", 5, "--walk")
    points = np.stack([z for _, z, _ in ASKED])
    assert points[0].tolist() == prior_point(Seed(5), STEPS).tolist()
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps.max() <= 0.3 * np.sqrt(STEPS) + 1e-5
    assert steps.min() > 0
    assert np.linalg.norm(points - points[0], axis=1).max() <= np.sqrt(STEPS) + 1e-5


def test_a_temperature_draws_and_its_seed_draws_it_again(capsys):
    files = []
    for seed in (1, 1, 2):
        done(capsys, "interpolate", "a.mid", "a.mid", "--steps", 2, "--temperature", 0.7, "--seed", seed)
        files.append(phrases())
    assert ASKED[-1][2] == ((1, STEPS, 90), 0.7)
    assert files[0] == files[1]
    assert files[0] != files[2]
    assert files[0][0] != files[0][1]


def write_vectors() -> None:
    directions = np.zeros((2, STEPS))
    directions[0, 8], directions[1, [0, 16]] = 50.0, 2.0
    none = np.zeros(2)
    AttributeVectors(
        ("density", "note length"), directions, np.zeros((STEPS, 2)), np.zeros(STEPS), none, none + 1
    ).save(Path("mel/attributes.npz"))


def test_attributes_are_moved_by_their_vectors(capsys):
    write_vectors()
    lines = done(capsys, "move", "a.mid", "--attribute", "density=+1", "--attribute", "note-length=-0.5")
    assert phrases() == [[(0, 2, 59), (2, 2, 69), (4, 4, 63)]]
    assert "density +1.00 note length -0.50" in lines[0]
    assert "density 0.38" in lines[0]


def test_levels_are_a_row_from_less_to_more(capsys):
    write_vectors()
    done(capsys, "move", "a.mid", "--attribute", "note length=2", "--levels", 5)
    assert [phrase[0][2] for phrase in phrases()] == [56, 58, 60, 62, 64]


def test_a_mixture_has_its_weights(capsys):
    done(capsys, "mix", "a.mid", "b.mid", "b.mid@3", "--weights", "0,1,0")
    assert phrases() == [B]
    done(capsys, "mix", "a.mid", "a.mid", "a.mid")
    assert phrases() == [A]


def test_a_square_has_the_phrases_at_its_corners_row_by_row(capsys):
    lines = done(capsys, "mix", "a.mid", "b.mid", "b.mid@3", "a.mid", "--grid", "2x3")
    found = phrases()
    assert (len(found), found[0], found[2], found[3], found[5]) == (6, A, B, [(0, 4, 67), (4, 4, 65)], A)
    assert lines[3].split()[:5] == ["4/6", "row", "2", "column", "1"]


def test_a_bass_is_told_its_chords_in_c(capsys):
    write_checkpoint("bass", "hier-bass_2bar_chords", part="bass")
    write_notes("low.mid", [(0, 4, 38), (0, 4, 50), (4, 4, 45)])
    done(capsys, "mix", "low.mid", "--key", "D", "--chords", "D Bm G A7", on="bass")
    told = np.argmax(ASKED[0][2][0], axis=-1)
    names = [
        chord_codec.encode(root, quality) for root, quality in ((0, "major"), (9, "minor"), (5, "major"), (7, "major"))
    ]
    assert told.tolist() == np.repeat(names, 8).tolist()
    assert np.array_equal(ASKED[1][2], ASKED[0][2])
    assert phrases("bass") == [[(0, 4, 38), (4, 4, 45)]]
    assert mido.MidiFile("out.mid").tracks[1].name == "bass"
    done(capsys, "mix", "low.mid", "--key", "D", "--chords", "D | Bm G", on="bass")
    assert (
        np.argmax(ASKED[-1][2][0], axis=-1).tolist() == np.repeat([names[0], names[1], names[2]], [16, 8, 8]).tolist()
    )
    done(capsys, "mix", "low.mid", "--key", "D minor", on="bass")
    assert set(np.argmax(ASKED[-1][2][0], axis=-1)) == {chord_codec.encode(0, "minor")}


@pytest.mark.parametrize("config", ["cat-drums_2bar_small", "nade-drums_2bar_reduced", "nade-drums_2bar_full"])
def test_drums_come_back_as_they_went_in(capsys, config):
    write_checkpoint("drums", config)
    write_notes("beat.mid", [(0, 0.25, 36), (1, 0.25, 38), (1, 0.25, 42), (7.75, 0.25, 46)], channel=9)
    done(capsys, "mix", "beat.mid", "--key", "D", on="drums")
    assert [(start, pitch) for start, _, pitch in phrases("drums")[0]] == [(0, 36), (1, 38), (1, 42), (7.75, 46)]
    assert mido.MidiFile("out.mid").tracks[1].name == "drums"


@pytest.mark.parametrize(
    ("config", "read"),
    [
        ("groovae_2bar_humanize", groove_codec.humanise_input),
        ("groovae_2bar_tap_fixed_velocity", groove_codec.tap_input),
    ],
)
def test_a_groove_is_read_as_its_configuration_reads_it(capsys, config, read):
    write_checkpoint("groove", config)
    write_notes("beat.mid", [(0, 0.25, 36), (1.05, 0.25, 38), (7.75, 0.25, 46)], channel=9)
    done(capsys, "mix", "beat.mid", on="groove")
    heard = read_song(Path("beat.mid")).excerpt("drums", 1, Fraction(8))
    assert np.array_equal(ASKED[0][1], read(groove_codec.encode(heard)))


def test_a_drummer_plays_all_hits_of_a_file_and_leaves_silence_alone(capsys):
    write_checkpoint("drummer", "hier-groove_2bar_hits")
    hits = [(0, 0.25, 36), (1, 0.25, 38), (7.75, 0.25, 46), (16, 0.25, 36), (17, 0.25, 38)]
    write_notes("beat.mid", hits, channel=9)
    lines = done(capsys, "humanise", "beat.mid", on="drummer")
    found = phrases("drums")
    assert [[pitch for _, _, pitch in phrase] for phrase in found] == [[36, 38, 46], [], [36, 38]]
    assert found[0][1][0] == 1 - Fraction(6, 96)  # half a sixteenth times a half
    assert len(lines) == 4
    done(capsys, "humanise", "beat.mid", "--amount", 0, on="drummer")
    assert [start for phrase in phrases("drums") for start, _, _ in phrase] == [0, 1, 7.75, 0, 1]


class FakeOriginal:
    """What :class:`OriginalMusicVae` is asked."""

    made: ClassVar[list[tuple[Any, ...]]] = []

    def __init__(self, *arguments: Any) -> None:
        self.made.append(arguments)

    def encode(self, events, controls=None):
        return np.asarray(events, dtype=np.float32).ravel()

    def decode(self, z, temperature, controls=None):
        return np.rint(z).astype(np.int32)[:, None]

    def close(self) -> None:
        self.made.append(("closed",))


def test_the_original_reads_and_writes_in_its_own_process(capsys, monkeypatch):
    monkeypatch.setattr("brainmidi.models.original.OriginalMusicVae", FakeOriginal)
    original = ("--engine", "magenta", "--magenta-python", "python3.11", "--config", "cat-mel_2bar_small")
    done(capsys, "interpolate", "a.mid", "b.mid", "--steps", 2, "--seed", 3, *original, on="mel.tar")
    assert FakeOriginal.made == [(Path("python3.11"), "cat-mel_2bar_small", Path("mel.tar"), 3), ("closed",)]
    assert phrases() == [A, B]


@pytest.mark.parametrize(
    "name",
    [
        "hierdec-trio_16bar",
        "hier-multiperf_vel_1bar_med",
        "groovae_2bar_hits_control_tfds",
        "groovae_2bar_add_closed_hh",
    ],
)
def test_a_configuration_without_a_codec_says_which_have_one(name):
    with pytest.raises(ModelError, match=rf"{name} has no codec here; choose a checkpoint of melodies"):
        codec_of(name, CONFIGS[name])


@pytest.mark.parametrize("name", ["hierdec-mel_16bar", "cat-mel_2bar_big", "cat-mel_2bar_med_chords", "groovae_4bar"])
def test_other_configurations_of_magenta_have_one(name):
    assert codec_of(name, CONFIGS[name]).part == ("drums" if "groov" in name else "melody")


OUT = ("-o", "out.mid", "--checkpoint", "mel")
WAY = ("interpolate", "a.mid")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((*WAY, *OUT), "a.mid alone, a way has two ends or more; name another place"),
        ((*WAY, "none.mid", *OUT), "none.mid cannot be read as a MIDI file"),
        ((*WAY, "a.mid@3", *OUT), "a.mid has bars 1..2, bar 3 is none of them"),
        ((*WAY, "rest.mid", *OUT), "bars 1..2 of rest.mid have no notes of the melody"),
        ((*WAY, "low.mid", *OUT), "pitch 12 is outside 21..108"),
        ((*WAY, "seed:-1", *OUT), "'seed:-1' is no seed"),
        ((*WAY, "anchor:A.calm", *OUT), "has no presets (anchors.json)"),
        ((*WAY, "a.mid", "--chords", "C", *OUT), "hier-mel_2bar is told no chords"),
        ((*WAY, "a.mid", "--key", "H", *OUT), "key 'H' is not understood"),
        ((*WAY, "a.mid", "--steps", 1, *OUT), "'--steps': Input should be greater than or equal to 2"),
        ((*WAY, "a.mid", "-o", "out.wav", "--checkpoint", "mel"), "-o out.wav ends in .wav, .mid is needed"),
        ((*WAY, "b.mid@3", "-o", "./b.mid", "--checkpoint", "mel"), "-o b.mid is the file that is read"),
        (("mix", "seed:1", "a.mid", "-o", "a.mid", "--checkpoint", "mel"), "-o a.mid is the file that is read"),
        (("humanise", "a.mid", "-o", "a.mid", "--checkpoint", "mel"), "-o a.mid is the file that is read"),
        ((*WAY, "a.mid", "-o", "no/out.mid", "--checkpoint", "mel"), "the folder no does not exist"),
        ((*WAY, "a.mid", "-o", "out.mid", "--checkpoint", "none"), "checkpoint 'none' not found"),
        ((*WAY, "a.mid", "-o", "out.mid", "--checkpoint", "other"), "checkpoint other is a transformer"),
        ((*WAY, "a.mid", "--engine", "magenta", *OUT), "--engine magenta needs --magenta-python PATH"),
        ((*WAY, "a.mid", "--magenta-python", "x", *OUT), "--magenta-python and --config are of --engine magenta"),
        (
            (*WAY, "a.mid", "--engine", "magenta", "--magenta-python", "x", "--config", "cat-mel_2bar_big", *OUT),
            "is in this program's own layout",
        ),
        (("mix", "a.mid", "b.mid", "--weights", "1,2,3", *OUT), "--weights 1,2,3 are 3, there are 2 places"),
        (("mix", "a.mid", "b.mid", "--weights", "1,x", *OUT), "--weights 1,x are no numbers"),
        (("mix", "a.mid", "b.mid", "--weights", "2,-1", *OUT), "--weights 2,-1 cannot be mixed"),
        (("mix", "a.mid", "b.mid", "--weights", "0,0", *OUT), "cannot be mixed"),
        (("mix", "a.mid", "b.mid", "--grid", "4x4", *OUT), "--grid 4x4 needs 4 places"),
        (("mix", "a.mid", "--grid", "4", *OUT), "--grid 4 is no square"),
        (("mix", "a.mid", "--grid", "99x99", *OUT), "--grid 99x99 has more than 1024 phrases"),
        (("mix", "a.mid", "--grid", "2x2", "--weights", "1", *OUT), "exclude each other"),
        (("move", "a.mid", "--attribute", "density=1", *OUT), "choose a melody's that has"),
        (("humanise", "a.mid", *OUT), "--checkpoint mel does not humanise"),
    ],
)
def test_bad_input_is_one_line(capsys, arguments, reason):
    write_notes("rest.mid", [(0, 8, 36)], channel=9)
    write_notes("low.mid", [(0, 8, 12)])
    Path("other").mkdir()
    Path("other/config.json").write_text('{"kind": "transformer", "name": "other"}')
    assert reason in refused(capsys, *arguments)
    assert ASKED == []


def test_presets_that_cannot_be_read_are_one_line(capsys):
    Path("mel/anchors.json").write_bytes(b"\xff\xfe")
    assert "anchors.json cannot be read (no UTF-8)" in refused(capsys, *WAY, "anchor:A.calm", *OUT)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("swing=1", "'swing' is unknown; choose from density, note length"),
        ("density", "has no amount; write one as in density=+1.5"),
        ("density=nan", "outside -5..5"),
        ("density=9", "outside -5..5"),
    ],
)
def test_a_wrong_attribute_is_one_line(capsys, word, reason):
    write_vectors()
    assert reason in refused(capsys, "move", "a.mid", "--attribute", word, *OUT)


def test_chords_that_share_no_bars_are_one_line(capsys):
    write_checkpoint("bass", "hier-bass_2bar_chords", part="bass")
    assert "3 chords do not share 2 bars evenly" in refused(
        capsys, "mix", "a.mid", "--chords", "C F G", "-o", "out.mid", "--checkpoint", "bass"
    )


@pytest.mark.parametrize("command", [(), ("interpolate",), ("sample",), ("move",), ("mix",), ("humanise",)])
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as end:
        main(["latent", *command, "--help"])
    assert end.value.code == 0
    assert "Usage" in capsys.readouterr().out


@pytest.mark.models
def test_a_real_model_interpolates_samples_and_humanises(capsys, monkeypatch):
    from brainmidi.drivers.phrasemodel import load_model
    from brainmidi.models.musicvae import MusicVae

    monkeypatch.setattr("brainmidi.drivers.latentspace.load_model", load_model)
    for name in ("hier-mel_2bar", "hier-groove_2bar_hits"):
        config = replace(CONFIGS[name], latent_size=4, encoder_units=(3,), decoder_units=(5,))
        weights = checkpoint.weights_of(MusicVae(config, seed=1))
        checkpoint.save_weights(Path(name), {"kind": "musicvae", "name": name, **config.to_json()}, weights)
    for options in ((), ("--temperature", 1.0)):
        assert len(done(capsys, "interpolate", "a.mid", "b.mid", "--steps", 3, *options, on="./hier-mel_2bar")) == 4
    write_notes("beat.mid", [(0, 0.25, 36), (1, 0.25, 38)], channel=9)
    done(capsys, "humanise", "beat.mid", on="./hier-groove_2bar_hits")
    assert [pitch for _, _, pitch in phrases("drums")[0]] == [36, 38]
    Path("out.mid").unlink()
    other = ("sample", "--checkpoint", "./hier-groove_2bar_hits", "-o", "other.mid")
    assert "is told what is struck" in refused(capsys, *other)

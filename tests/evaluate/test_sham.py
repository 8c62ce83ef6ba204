"""Sham scores: the real one stands out where the music follows the brain, and nothing tells which it is."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from eeg_files import needs_recordings, recordings
from fakes import ANCHORS, FakeAccompaniment, FakeMelody

from brainmidi.acquire.csvfile import write_csv
from brainmidi.cli.main import main
from brainmidi.config import parse_config
from brainmidi.controls.baseline import Baseline, FeatureRest
from brainmidi.controls.learned import LearnedMap
from brainmidi.controls.profile import Day, Profile
from brainmidi.errors import ConfigError, SourceError
from brainmidi.evaluate import brains, sham
from brainmidi.evaluate.shamkey import KEY_FILE, REAL, Key
from brainmidi.types import Chunk, Marker, Montage

RATE_HZ = 128.0
CONFIG = {"session": {"bars": 40}}


def fakes():
    return FakeMelody(), FakeAccompaniment()


make = partial(sham.make_sham, voices=fakes, anchors=ANCHORS)


def record(path: Path, alpha_uv: float, seconds: float = 30.0, seed: int = 0, names=("O1", "O2")) -> Path:
    rng = np.random.default_rng(seed)
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    # Alpha waxes and wanes: a tone whose phase and height wander.
    wander = np.exp(1j * np.cumsum(rng.normal(0, 0.25, len(time_s)))) * np.exp(2j * np.pi * 10 * time_s)
    samples = rng.normal(0, 5, (len(time_s), len(names))) + alpha_uv * wander.real[:, None] + 300.0
    write_csv(path, Chunk(samples, time_s, Montage(tuple(names), RATE_HZ)))
    return path


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Path]]:
    folder = tmp_path_factory.mktemp("eyes")
    opened, closed = folder / "open.csv", folder / "closed.csv"
    return [("open", record(opened, 2, 40.0, seed=1)), ("closed", record(closed, 20, 40.0, seed=2))]


@pytest.fixture(scope="module")
def made(eyes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scores")
    other = record(folder / "other.csv", 10, 80.0, seed=3)
    make(parse_config(CONFIG), eyes, folder / "sham", others=[other], n=9)
    return folder / "sham"


def test_eyes_that_close_stand_out_among_shams(made: Path) -> None:
    key = Key.open(made)
    assert key.figures["p"][f"{brains.SURROGATE}, heard"] == 0.1
    assert key.figures["p"][f"{brains.OTHER}, heard"] == 0.5
    assert key.figures["scores"][key.real]["heard"]["value"] > 0.7
    assert sorted(key.origins.values()) == sorted([REAL, brains.OTHER, *[brains.SURROGATE] * 9])
    assert any("p = 0.100; no sham reaches it" in line for line in key.lines)


def test_each_sham_in_the_place_of_the_real_one_gives_a_uniform_p(made: Path) -> None:
    from brainmidi.evaluate.resample import permutation_p

    key = Key.open(made)
    values = [
        key.figures["scores"][name]["knobs"]["value"] for name, kind in key.origins.items() if kind == brains.SURROGATE
    ]
    found = [permutation_p(value, values[:at] + values[at + 1 :]) for at, value in enumerate(values)]
    assert sorted(found) == pytest.approx([(place + 1) / 9 for place in range(9)])


def test_no_file_tells_which_one_is_real(made: Path) -> None:
    names = [f"A{number:02d}" for number in range(1, 12)]
    assert sorted(path.name for path in made.iterdir()) == [f"{name}.mid" for name in names] + [KEY_FILE]
    for path in made.iterdir():
        content = path.read_bytes()
        assert b"open.csv" not in content
        assert b"surrogate" not in content
    document = json.loads((made / KEY_FILE).read_text())
    assert document["scores"] == names
    assert REAL not in str(document)


def test_blind_names_are_drawn_anew_and_the_music_is_the_same(eyes, made: Path, tmp_path: Path) -> None:
    config = parse_config({"session": {"bars": 6}})
    keys = [make(config, eyes, tmp_path / str(seed), n=2, rng=np.random.default_rng(seed)) for seed in (1, 2)]
    assert keys[0].real != keys[1].real
    scores = [(tmp_path / str(seed) / f"{key.real}.mid").read_bytes() for seed, key in zip((1, 2), keys, strict=True)]
    assert scores[0].replace(keys[0].real.encode(), b"") == scores[1].replace(keys[1].real.encode(), b"")


def test_a_single_recording_is_held_against_its_own_alpha(eyes) -> None:
    brain = brains.read_brain(eyes[:1], parse_config({}))
    course = brains.reference(brain, parse_config({}))
    assert (course.text, course.phases) == ("alpha.posterior of the recording as it went", False)
    assert np.isnan(course.at(0.5))
    assert np.isfinite(course.at(10.0))
    phases = brains.reference(brains.read_brain(eyes, parse_config({})), parse_config({}))
    assert [phases.at(time_s) for time_s in (0.0, 39.9, 40.0, 79.0)] == [1, 1, 0, 0]
    assert phases.text == "the phases closed, open"


def test_phases_are_the_labels_of_files_or_the_markers_within(eyes, tmp_path: Path) -> None:
    (_, opened), (_, closed) = eyes
    texts = [f"open={opened}", f"closed={closed}", f"open={opened}"]
    brain = brains.read_brain(brains.labelled(texts), parse_config({}))
    assert brain.phases == ((0.0, "open"), (40.0, "closed"), (80.0, "open"))
    assert [brains.reference(brain, parse_config({})).at(time_s) for time_s in (1, 41, 81)] == [1, 0, 1]
    assert brains.labelled([str(opened)]) == [("open.csv", opened)]
    odd = tmp_path / "a=b.csv"
    odd.touch()
    assert brains.labelled([str(odd)]) == [("a=b.csv", odd)]
    marked = tmp_path / "marked.csv"
    time_s = np.arange(1280) / RATE_HZ
    markers = (Marker(2.0, "calm"), Marker(5.0, "busy"))
    write_csv(marked, Chunk(np.zeros((1280, 2)), time_s, Montage(("O1", "O2"), RATE_HZ), markers))
    brain = brains.read_brain([("", marked)], parse_config({}), marked=True)
    assert brain.phases == ((2.0, "calm"), (5.0, "busy"))
    assert np.isnan(brains.reference(brain, parse_config({})).at(1.0))


def test_another_person_is_not_measured_against_this_one_s_rest(eyes, tmp_path: Path) -> None:
    config = parse_config({"session": {"bars": 4}, "baseline": {"recording": str(eyes[0][1])}})
    other = record(tmp_path / "other.csv", 5, 80.0, seed=9, names=("C3", "C4", "P3"))
    key = make(config, eyes, tmp_path / "sham", others=[other], n=1)
    assert sorted(key.origins.values()) == sorted([REAL, brains.SURROGATE, brains.OTHER])
    rest = sham._without_profile(config).baseline
    assert (rest.recording, rest.profile, config.baseline.recording) == ("", "", str(eyes[0][1]))


def test_a_stranger_that_would_cut_a_phase_away_is_refused_with_the_seconds(eyes, tmp_path: Path) -> None:
    short = record(tmp_path / "short.csv", 5, 55.0, seed=9)
    with pytest.raises(
        SourceError, match=r"short.csv lasts 55.0 s, and the recording 80.0 s: .* closed 15.0 of 40.0 s"
    ):
        make(parse_config({}), eyes, tmp_path / "sham", others=[short], n=1)
    assert not (tmp_path / "sham").exists()


def test_how_much_a_shorter_stranger_leaves_is_told(eyes, tmp_path: Path) -> None:
    shorter = record(tmp_path / "shorter.csv", 5, 62.0, seed=9)
    told: list[str] = []
    key = make(parse_config({}), eyes, tmp_path / "sham", others=[shorter], n=1, progress=told.append)
    line = "every score is of the first 62.0 s of 80.0 s, as another brain ends there"
    assert told[0] == key.lines[0] == line


def learned_profile(path: Path) -> Path:
    learned = LearnedMap({"alpha.posterior": -0.1}, 1.0, {"alpha.posterior": 1.0}, 0.9, 0.8)
    rests = {name: FeatureRest(10.0, 1.0) for name in ("alpha.posterior", "engagement", "beta", "gamma")}
    Profile(
        created="2026-11-21_10-00-00",
        source="me",
        simulated=False,
        montage=Montage(("O1", "O2"), RATE_HZ),
        signal=parse_config({}).signal.model_dump(mode="json"),
        phases={"open": 40.0, "closed": 40.0},
        baseline=Baseline(rests, 800, "me", "brainmidi calibrate"),
        days=(Day("2026-11-21_10-00-00", "me", 800, {}),),
        sections={"learned": learned.document()},
    ).save(path)
    return path


def test_a_learned_map_is_left_out_for_all_where_strangers_play_and_that_is_told(eyes, tmp_path: Path) -> None:
    tables = {"session": {"bars": 4}, "map": {"latent_mix": {"feature": "learned"}}}
    tables["baseline"] = {"profile": str(learned_profile(tmp_path / "me.json"))}
    other = record(tmp_path / "other.csv", 5, 80.0, seed=9)
    key = make(parse_config(tables), eyes, tmp_path / "with", others=[other], n=1)
    assert len(key.origins) == 3
    assert "the learned map is one person's" in key.lines[0]
    alone = make(parse_config(tables), eyes[:1], tmp_path / "alone", n=1)
    assert not [line for line in alone.lines if "learned map" in line]
    assert alone.figures["reference"] == "alpha.posterior of the recording as it went"


def test_settings_that_do_not_suit_a_brain_are_told_before_the_first_score(eyes, tmp_path: Path) -> None:
    tables = {"map": {"latent_mix": {"feature": "alpha.O1"}}}
    other = record(tmp_path / "other.csv", 5, 80.0, seed=9, names=("C3", "C4"))
    with pytest.raises(ConfigError, match="an electrode that the source lacks"):
        make(parse_config(tables), eyes, tmp_path / "sham", others=[other], n=1)
    assert not (tmp_path / "sham").exists()


def test_recordings_of_two_montages_are_not_joined(eyes, tmp_path: Path) -> None:
    other = record(tmp_path / "three.csv", 1, names=("O1", "O2", "Pz"))
    with pytest.raises(SourceError, match=r"three.csv has 3 channels.*open.csv 2.*one montage"):
        brains.read_brain([eyes[0], ("more", other)], parse_config({}))


def test_a_key_that_was_touched_is_refused(made: Path, tmp_path: Path) -> None:
    text = (made / KEY_FILE).read_text()
    document = json.loads(text)
    for changed, message in (
        (json.dumps({**document, "sealed": document["sealed"].replace("A", "B", 1)}), "was changed after"),
        (json.dumps({**document, "version": 9}), "is no key of version 1"),
        (text[:100], "is damaged"),
        ("[]", "is damaged"),
    ):
        (tmp_path / KEY_FILE).write_text(changed)
        with pytest.raises(ConfigError, match=message):
            Key.open(tmp_path)


def test_shams_out_of_range_and_a_folder_that_is_taken(eyes, made: Path, tmp_path: Path) -> None:
    for n in (0, 100):
        with pytest.raises(ConfigError, match=rf"-n {n} is outside 1..99"):
            make(parse_config({}), eyes, tmp_path / "new", n=n)
    with pytest.raises(ConfigError, match="holds sham scores already"):
        make(parse_config({}), eyes, made)


def ran(capsys, *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["sham", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    return end.value.code, out, err


def test_the_command_makes_scores_and_tells_nothing_before_it_is_asked(capsys, monkeypatch, eyes, tmp_path) -> None:
    monkeypatch.setattr(sham, "make_sham", make)
    folder = tmp_path / "scores"
    texts = [f"{label}={path}" for label, path in eyes]
    status, out, err = ran(capsys, *texts, "-o", folder, "-n", 2, "--bars", 6)
    assert status == 0
    assert f"3 scores, A01.mid to A03.mid, in {folder}; one is the real one" in out
    assert "p =" not in out + err
    assert err.splitlines() == ["A01 of 3", "A02 of 3", "A03 of 3"]
    real = Key.open(folder).real
    status, out, _ = ran(capsys, folder, "--reveal", "--guess", real)
    assert (status, out.splitlines()[:2]) == (
        0,
        [f"{real} is the real one", f"your guess {real} is right; by chance, 1 guess in 3 is right"],
    )
    assert "2 shams" in out
    wrong = next(name for name in ("A01", "A02") if name != real)
    assert "wrong: phases randomised" in ran(capsys, folder, "--reveal", "--guess", wrong)[1]
    assert ran(capsys, folder, "--reveal", "--guess", "B7")[::2] == (
        2,
        "brainmidi: --guess B7 is no score, A01..A03 are; name one of them\n",
    )


def test_the_command_says_what_is_missing(capsys, eyes, tmp_path: Path) -> None:
    recording = eyes[0][1]
    assert "-o is missing" in ran(capsys, recording)[2]
    assert "--reveal is needed" in ran(capsys, recording, "--guess", "A01")[2]
    assert "1 labelled phases, 2 at least" in ran(capsys, recording, recording, "-o", tmp_path / "new")[2]
    assert "0 labelled phases, 2 at least" in ran(capsys, recording, "--phases", "-o", tmp_path / "new")[2]
    assert not (tmp_path / "new").exists()
    assert "key.json cannot be read" in ran(capsys, tmp_path, "--reveal")[2]


@pytest.mark.recording
@needs_recordings
def test_a_real_brain_stands_out_among_shams(tmp_path: Path) -> None:
    eyes = [(str(number), recordings() / "eegbci" / f"S001R0{number}.edf") for number in (1, 2)]
    key = make(parse_config({}), eyes, tmp_path / "sham", n=3, rng=np.random.default_rng(1))
    assert key.figures["p"][f"{brains.SURROGATE}, heard"] == 0.25
    assert key.figures["scores"][key.real]["knobs"]["value"] > 0.6

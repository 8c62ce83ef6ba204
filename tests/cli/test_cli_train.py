"""``brainmidi train``: bad input is one line on stderr, a folder of MIDI files becomes a checkpoint."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_songs import write_songs

from brainmidi.cli import train as command
from brainmidi.cli.main import main
from brainmidi.models.configs import CONFIGS
from brainmidi.training import material
from brainmidi.training.material import Source

NAME = "hier-mel_2bar"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, so that what ought not to be written would be seen."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run a training, which must fail at once, and return its one line; nothing may have been written."""
    with pytest.raises(SystemExit) as end:
        main(["train", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err.startswith("brainmidi: ")
    assert len(err.splitlines()) == 1, err
    assert list(Path().iterdir()) == []
    return err


def test_an_unknown_configuration_lists_the_trainable_ones(capsys) -> None:
    line = refused(capsys, "musicvae", "--out", "x", "--config", "cat-mel")
    listed = line.split("choose from ")[1].strip().split(", ")
    assert listed == [name for name in CONFIGS if material.parts_of(name)]
    assert "hier-mel_2bar" in listed
    assert "hierdec-trio_16bar" not in listed


def test_a_configuration_that_can_only_be_loaded(capsys) -> None:
    line = refused(capsys, "musicvae", "--out", "x", "--config", "hierdec-trio_16bar")
    assert "'hierdec-trio_16bar' can be loaded but not trained here; choose from" in line


def test_a_part_that_does_not_suit_the_configuration(capsys) -> None:
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--part", "drums")
    assert "cannot be trained on 'drums'; choose from melody, bass" in line


def test_a_folder_that_does_not_exist(capsys) -> None:
    assert "nowhere is no folder" in refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--data", "nowhere")


def test_a_folder_without_midi(capsys, tmp_path: Path) -> None:
    (tmp_path / "songs").mkdir()
    (tmp_path / "songs" / "song.mp3").write_bytes(b"ID3")
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--data", tmp_path / "songs")
    assert "0 MIDI files are under" in line


def test_drums_without_a_folder(capsys) -> None:
    line = refused(capsys, "musicvae", "--out", "x", "--config", "hier-drums_2bar")
    assert "give MIDI files or the Groove MIDI Dataset's folder with --data" in line


def test_a_folder_and_a_collection_exclude_each_other(capsys, tmp_path: Path) -> None:
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--data", tmp_path, "--collection", "bach")
    assert "exclude each other" in line


def test_an_unknown_collection(capsys, tmp_path: Path) -> None:
    cache = ("--cache", tmp_path / "cache")
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--collection", "essen", *cache)
    assert "collection 'essen' is unknown; choose from ryan" in line


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--minutes", "0", "0.01"),
        ("--minutes", "-5", "0.01"),
        ("--minutes", "nan", "0.01"),
        ("--minutes", "inf", "0.01 or more and finite"),
        ("--minutes", "soon", "valid number"),
        ("--patience", "-1", "0"),
        ("--devices", "0", "1"),
        ("--seed", "-1", "0"),
        ("--seed", "4294967296", "4294967295"),
    ],
)
def test_an_option_out_of_its_range(capsys, option: str, value: str, allowed: str) -> None:
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, option, value)
    assert option in line
    assert allowed in line


def test_a_transformers_minutes_are_checked_too(capsys) -> None:
    assert "finite" in refused(capsys, "transformer", "--out", "x", "--minutes", "inf")


@pytest.mark.parametrize("option", ["--out", "--cache", "--work"])
@pytest.mark.parametrize("model", [("musicvae", "--config", NAME), ("transformer",)], ids=["musicvae", "transformer"])
def test_a_file_where_a_folder_has_to_be(capsys, tmp_path: Path, option: str, model: tuple[str, ...]) -> None:
    (tmp_path / "file").write_text("")
    line = refused(capsys, *model, "--out", "x", option, tmp_path / "file")
    assert "file is a file, a folder is needed" in line


def folder_with(folder: Path, **files: str) -> Path:
    folder.mkdir()
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    return folder


def test_a_transformers_seed_is_bounded_too(capsys) -> None:
    assert "4294967295" in refused(capsys, "transformer", "--out", "x", "--seed", "4294967296")


@pytest.mark.parametrize("model", [("musicvae", "--config", NAME), ("transformer",)], ids=["musicvae", "transformer"])
def test_a_folder_of_other_things_is_not_written_into(capsys, tmp_path: Path, model: tuple[str, ...]) -> None:
    line = refused(capsys, *model, "--out", folder_with(tmp_path / "mine", README_md="My project"))
    assert "mine is not empty and holds no checkpoint; give an empty folder or a new one" in line
    assert (tmp_path / "mine" / "README.md").read_text() == "My project"


def test_the_folder_where_one_works_is_no_checkpoint(capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder_with(tmp_path / "mine", README_md="My project"))
    with pytest.raises(SystemExit):
        main(["train", "musicvae", "--out", ".", "--config", NAME])
    assert "--out . is not empty and holds no checkpoint" in capsys.readouterr().err
    assert [path.name for path in Path().iterdir()] == ["README.md"]


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"kind": "transformer", "name": "t"}, "holds a checkpoint of kind transformer"),
        ({"kind": "musicvae", "name": "cat-mel_2bar_small"}, "holds a checkpoint of name cat-mel_2bar_small"),
        ({"kind": "musicvae", "name": NAME, "part": "bass"}, "holds a checkpoint of part bass; give another folder"),
    ],
)
def test_a_checkpoint_of_something_else_is_not_replaced(
    capsys, tmp_path: Path, held: dict[str, str], said: str
) -> None:
    out = folder_with(tmp_path / "mine", config_json=json.dumps(held))
    assert said in refused(capsys, "musicvae", "--out", out, "--config", NAME)


def test_a_checkpoint_of_the_same_configuration_may_be_replaced(capsys, tmp_path: Path) -> None:
    held = json.dumps({"kind": "musicvae", "name": NAME, "part": "melody"})
    out = folder_with(tmp_path / "mine", config_json=held, README_md="# Card")
    assert "nowhere is no folder" in refused(capsys, "musicvae", "--out", out, "--config", NAME, "--data", "nowhere")


def test_a_run_goes_on_where_its_own_cache_lies_in_its_folder(capsys, tmp_path: Path) -> None:
    out = folder_with(tmp_path / "mine")
    (out / "cache").mkdir()
    options = ("--out", out, "--cache", out / "cache", "--config", NAME, "--data", "nowhere")
    assert "nowhere is no folder" in refused(capsys, "musicvae", *options)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="every folder can be written")
def test_a_folder_that_cannot_be_written(capsys, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    line = refused(capsys, "musicvae", "--out", tmp_path / "closed" / "new", "--config", NAME)
    assert "cannot be written" in line


def test_a_folder_under_a_file(capsys, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    line = refused(capsys, "musicvae", "--out", tmp_path / "file" / "new", "--config", NAME)
    assert "file is a file, a folder is needed" in line


@pytest.fixture
def finished(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """Replace the process that measures, and return what it was asked."""
    asked: list[tuple[object, ...]] = []
    monkeypatch.setattr(command, "_finish", lambda *arguments: asked.append(arguments) or 0)
    return asked


def fake_keras(monkeypatch: pytest.MonkeyPatch, back_end: str, devices: tuple[str, ...] = ()) -> None:
    keras = SimpleNamespace(
        backend=SimpleNamespace(backend=lambda: back_end), distribution=SimpleNamespace(list_devices=lambda: devices)
    )
    monkeypatch.setitem(sys.modules, "keras", keras)


def test_several_devices_on_tensorflow(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_keras(monkeypatch, "tensorflow")
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--devices", "2")
    assert "2 devices are asked for, Keras on tensorflow uses 1; install 'brainmidi[train]'" in line


def test_more_devices_than_there_are(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_keras(monkeypatch, "jax", ("cpu:0",))
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--devices", "2")
    assert "2 devices are asked for, JAX has 1 (cpu:0); ask for fewer" in line


def test_a_back_end_that_is_not_installed(capsys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    line = refused(capsys, "musicvae", "--out", "x", "--config", NAME, "--devices", "2")
    assert "KERAS_BACKEND=jax cannot be loaded" in line


def test_files_that_gave_nothing_are_named_and_the_figures_alone_go_to_stdout(
    capsys, monkeypatch: pytest.MonkeyPatch, finished: list[tuple[object, ...]]
) -> None:
    summary = "\n".join(["3 files", *(f"left out {n}.mid: it is damaged" for n in range(100))])
    given: dict[str, Any] = {}

    def train(config: str, out: Path, **options: Any) -> dict[str, Any]:
        given.update(options, config=config, out=out)
        return {"seconds": 1.5}

    def load(name: str, **options: Any) -> Source:
        options["progress"]("MIDI files", 1, 2)
        return Source("melody", {}, (), {}, summary)

    fake_keras(monkeypatch, "tensorflow")
    monkeypatch.setattr(material, "load", load)
    monkeypatch.setitem(sys.modules, "brainmidi.training.musicvae", SimpleNamespace(train=train))
    monkeypatch.setattr("brainmidi.training.musicvae", SimpleNamespace(train=train), raising=False)
    with pytest.raises(SystemExit) as end:
        main(["train", "musicvae", "--out", "mine", "--config", NAME, "--data", "songs", "--patience", "7"])
    out, err = capsys.readouterr()
    assert end.value.code == 0
    assert json.loads(out) == {"seconds": 1.5}
    lines = err.splitlines()
    assert lines[:2] == ["3 files", "left out 0.mid: it is damaged"]
    assert (len(lines), lines[-1]) == (2 + command.MOST_NAMED, "... and 60 more")
    assert given["work"] == Path("cache/train-mine")
    assert (given["patience"], given["minutes"], given["seed"], given["n_devices"]) == (7, 90.0, 1, 1)
    assert given["source"].summary == summary
    assert finished == [(Path("mine"), "--cache", "cache", "--data", "songs")]


def test_a_transformer_names_the_files_that_gave_nothing_too(
    capsys, monkeypatch: pytest.MonkeyPatch, finished: list[tuple[object, ...]]
) -> None:
    recipe = SimpleNamespace(
        load=lambda codec, **_: SimpleNamespace(summary=f"2 files: 1 left out\nleft out a.mid: no {codec}"),
        train=lambda *_, **__: {"seconds": 1.5},
    )
    fake_keras(monkeypatch, "tensorflow")
    monkeypatch.setitem(sys.modules, "brainmidi.training.transformer", recipe)
    monkeypatch.setattr("brainmidi.training.transformer", recipe, raising=False)
    with pytest.raises(SystemExit) as end:
        main(["train", "transformer", "--out", "mine", "--data", "songs"])
    out, err = capsys.readouterr()
    assert (end.value.code, json.loads(out)) == (0, {"seconds": 1.5})
    assert err.splitlines() == ["2 files: 1 left out", "left out a.mid: no bars"]
    assert finished == [(Path("mine"), "--cache", "cache", "--data", "songs")]


def test_what_measures_runs_on_tensorflow_and_its_status_is_the_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    ran: list[tuple[list[str], str]] = []

    def run(words: list[str], *, env: dict[str, str], check: bool) -> SimpleNamespace:
        ran.append((words, env["KERAS_BACKEND"]))
        return SimpleNamespace(returncode=3)

    monkeypatch.setattr(command, "subprocess", SimpleNamespace(run=run))
    assert command._finish(Path("mine"), "--data", "songs") == 3
    words = [sys.executable, "-m", "brainmidi", "train", "finish", "mine", "--data", "songs"]
    assert ran == [(words, "tensorflow")]


@pytest.mark.models
def test_a_folder_of_midi_files_becomes_a_checkpoint(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, finished: list[tuple[object, ...]]
) -> None:
    """From files to weights by the command, with a model small enough to take a moment."""
    from dataclasses import replace

    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.checkpoint import read_config
    from brainmidi.training import musicvae as recipe

    monkeypatch.setattr(recipe, "BATCH_SIZE", 16)
    small = replace(CONFIGS[NAME], encoder_units=(4,), decoder_units=(4,), latent_size=2)
    monkeypatch.setitem(CONFIGS, NAME, small)
    write_songs(tmp_path / "songs", per_split=6)
    monkeypatch.chdir(tmp_path / "songs")
    out_and_cache = ["--out", str(tmp_path / "here" / "mine"), "--cache", str(tmp_path / "here" / "cache")]
    arguments = ["train", "musicvae", *out_and_cache, "--config", NAME, "--data", "."]
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--minutes", "0.01"])
    out, err = capsys.readouterr()
    assert end.value.code == 0, err
    monkeypatch.chdir(tmp_path / "here")
    figures = json.loads(out)
    assert len(finished) == 1
    assert "--data songs" in figures["command"]
    assert figures["epochs"] >= 1
    assert figures["train_phrases"] > 16
    assert read_config(Path("mine"), "musicvae")["part"] == "melody"
    assert "18 files: 18 with a melody" in err
    assert "val_loss" in err
    assert Path("cache/train-mine/state.json").exists()

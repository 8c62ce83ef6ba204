"""``brainmidi evaluate``: what is refused at once, and what the commands hand on."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from brainmidi.cli.main import main
from brainmidi.evaluate import control, eeg
from brainmidi.evaluate.eegfigure import Figure


def ran(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command and return its exit status, stdout and stderr."""
    with pytest.raises(SystemExit) as end:
        main(["evaluate", *(str(argument) for argument in arguments)])
    out, err = capsys.readouterr()
    assert isinstance(end.value.code, int)
    return end.value.code, out, err


def checkpoint(folder: Path, **config: Any) -> Path:
    """Return a folder that names a model and holds none."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"name": folder.name, **config}))
    return folder


def replaced(monkeypatch: pytest.MonkeyPatch, name: str, **functions: Any) -> None:
    """Put functions in the place of a module that needs Keras."""
    module = SimpleNamespace(**functions)
    room, leaf = name.rsplit(".", 1)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys.modules[room], leaf, module, raising=False)


def test_a_seed_out_of_its_range(capsys, tmp_path: Path) -> None:
    status, out, err = ran(capsys, "jsb", tmp_path / "new", "--data", tmp_path, "--train", "--seed", "-1")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "Invalid value for '--seed'" in err


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replace what measures a transformer, and return which folders were measured."""
    asked: list[str] = []

    def evaluate(folder: str, **_: Any) -> dict[str, Any]:
        asked.append(folder)
        return {"several parts": {"nll": 1.0}}

    replaced(monkeypatch, "brainmidi.evaluate.transformer", evaluate=evaluate, shown=lambda found: list(found))
    return asked


def test_controls_of_a_model_of_performances_are_refused_before_it_is_measured(
    capsys, tmp_path: Path, figures: list[str]
) -> None:
    folder = checkpoint(tmp_path / "old", kind="transformer")
    status, out, err = ran(capsys, "transformer", folder, "--control")
    assert (status, out, figures) == (2, "", [])
    assert err == "brainmidi: checkpoint old writes performance, controls are measured of bars; name one of bars\n"


@pytest.mark.parametrize("kept", [True, False])
def test_controls_that_are_not_followed_are_named_and_told_by_the_status(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, figures: list[str], kept: bool
) -> None:
    folder = checkpoint(tmp_path / "mine", kind="transformer", codec="bars")
    monkeypatch.setattr(control, "evaluate", lambda *_, **__: {"held": {"limits hold": kept}})
    monkeypatch.setattr(control, "shown", lambda found: [("held: limits hold", str(found["held"]["limits hold"]))])
    status, out, _ = ran(capsys, "transformer", folder, "--control")
    assert (status, figures) == (0 if kept else 1, [str(folder)])
    assert out.splitlines() == ["several parts", "control", f"  {'held: limits hold':<46} {kept}"]


def test_chorales_are_not_trained_over_another_model(capsys, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "other", kind="transformer")
    status, out, err = ran(capsys, "jsb", folder, "--data", tmp_path, "--train")
    assert (status, out) == (2, "")
    assert err.startswith(f"brainmidi: FOLDER {folder} holds a checkpoint of kind transformer; give another folder")


@pytest.mark.parametrize("train", [True, False])
def test_chorales_are_trained_if_asked_for_then_scored_and_the_table_printed(
    capsys, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, train: bool
) -> None:
    folder, data = tmp_path / "mine", tmp_path / "Jsb16thSeparated.npz"
    done: list[tuple[Any, ...]] = []

    def trained(out: Path, **options: Any) -> None:
        done.append(("train", out, options))
        checkpoint(out, kind="chorale")

    def measured(out: Path, given: Path) -> dict[str, float]:
        done.append(("evaluate", out, given))
        return {"nll": 0.4}

    monkeypatch.setattr("brainmidi.training.devices.need_back_end", lambda: "jax")
    replaced(monkeypatch, "brainmidi.training.jsb", train=trained, finish=lambda *a, **b: done.append(("finish", a, b)))
    replaced(monkeypatch, "brainmidi.evaluate.jsb", evaluate=measured, shown=lambda found: list(found.items()))
    if not train:
        checkpoint(folder, kind="chorale")
    words = ("--train", "--minutes", "2", "--seed", "5", "--patience", "3") if train else ()
    status, out, _ = ran(capsys, "jsb", folder, "--data", data, *words)
    assert (status, out.split()) == (0, ["nll", "0.4"])
    options = {"data": data, "work": tmp_path / "train-mine", "minutes": 2.0, "seed": 5, "patience": 3}
    scored = ("evaluate", folder, data)
    card = ("finish", (folder,), {"figures": {"nll": 0.4}})
    assert done == ([("train", folder, options), scored, card] if train else [scored])


def test_an_unknown_part_of_the_eeg_is_refused_with_those_there_are(capsys) -> None:
    status, out, err = ran(capsys, "eeg", "--part", "ears")
    assert (status, out, len(err.splitlines())) == (2, "", 1)
    assert "--part ears is unknown, known are eyes, " in err


@pytest.mark.parametrize(("value", "code"), [(0.95, 0), (0.85, 1)])
def test_a_missed_bar_of_the_eeg_ends_with_one(capsys, monkeypatch, tmp_path: Path, value: float, code: int) -> None:
    figure = Figure("eyes", "AUC", value, bar=0.9)
    monkeypatch.setattr(eeg, "evaluate", lambda **_: [figure])
    status, out, _ = ran(capsys, "eeg", "--json", tmp_path / "figures.json")
    assert status == code
    assert ("yes" if code == 0 else "NO") in out.splitlines()[-1]
    assert json.loads((tmp_path / "figures.json").read_text())["figures"][0]["held"] is (code == 0)

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from brainmidi.codec import bars
from brainmidi.errors import ConfigError


@pytest.fixture
def finish(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what measures and writes the card, the measuring replaced by two figures."""
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.training import transformercard

    monkeypatch.setattr(transformercard, "evaluate", lambda *_, **__: {"several parts": {"nll": 0.98765, "pieces": 3}})
    return transformercard.finish


def checkpoint(folder: Path, **config: Any) -> Path:
    folder.mkdir()
    sizes = {"n_layers": 4, "size": 192, "n_heads": 4, "window": 512, "n_classes": bars.N_CLASSES}
    (folder / "config.json").write_text(json.dumps({"kind": "transformer", "name": folder.name, **sizes, **config}))
    (folder / "training.json").write_text(json.dumps({"command": "brainmidi train transformer", "val_loss": 1.23456}))
    return folder


@pytest.mark.models
def test_a_card_says_data_command_sizes_and_figures(finish: Any, tmp_path: Path) -> None:
    folder = checkpoint(tmp_path / "mine", codec="bars")
    finish(folder, cache=tmp_path)
    card = (folder / "README.md").read_text()
    for said in (
        "# Music Transformer mine",
        "4 layers, model size 192, 4 heads, a window of 512 tokens",
        "    brainmidi train transformer\n",
        "| val loss | 1.235 |",
        "### Several parts",
        "| nll | 0.9877 |",
        "Ryan's Mammoth Collection",
        "released under Apache-2.0",
    ):
        assert said in card
    assert "| command |" not in card


@pytest.mark.models
def test_a_model_of_songs_in_copyright_is_labelled(finish: Any, tmp_path: Path) -> None:
    copyright, owner = "songs are in copyright", "rights are for its owner to know"
    for number, (name, label) in enumerate((("pop909", copyright), ("POP909", copyright), ("mine", owner))):
        folder = checkpoint(tmp_path / f"model {number}", codec="bars")
        finish(folder, cache=tmp_path, data=tmp_path / name)
        card = (folder / "README.md").read_text()
        assert label in card
        assert "released under Apache-2.0" not in card


def noted(where: Path, **training: Any) -> Path:
    """Note in a checkpoint what it was trained on."""
    (where / "training.json").write_text(json.dumps({"command": "brainmidi train transformer", **training}))
    return where


@pytest.mark.models
def test_a_model_of_a_folder_is_not_measured_on_the_corpus(finish: Any, tmp_path: Path) -> None:
    from brainmidi.evaluate.transformer import evaluate

    folder = noted(checkpoint(tmp_path / "mine", codec="bars"), folder="songs")
    for measured in (evaluate, finish):
        with pytest.raises(ConfigError, match="mine was trained on the folder songs, none is given; give it with --d"):
            measured(folder, cache=tmp_path, collections=("bach",))
    finish(folder, cache=tmp_path, data=tmp_path / "songs, renamed")
    assert "| folder |" not in (folder / "README.md").read_text()


@pytest.mark.models
def test_collections_are_those_given_or_noted_or_usual(finish: Any, tmp_path: Path) -> None:
    from brainmidi.evaluate.transformer import collections_of

    folder = checkpoint(tmp_path / "mine", codec="performance")
    assert collections_of(folder, (), None) == ("bach",)
    noted(folder, collections=["haydn", "mozart"])
    assert collections_of(folder, (), None) == ("haydn", "mozart")
    assert collections_of(folder, ("bach",), None) == ("bach",)
    finish(folder, cache=tmp_path)
    card = (folder / "README.md").read_text()
    assert "J. Haydn" in card
    assert "J. S. Bach" not in card


@pytest.mark.models
def test_an_imported_transformer_has_no_card_of_ours(finish: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="codec 'unknown' is unknown; choose from bars, performance"):
        finish(checkpoint(tmp_path / "theirs", codec="unknown"), cache=tmp_path)

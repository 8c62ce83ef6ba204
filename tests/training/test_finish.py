"""What a trained MusicVAE gets before it ships; models, data and figures are stand-ins."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from brainmidi.evaluate.musicvae import Report
from brainmidi.models.attribute_vectors import AttributeVectors
from brainmidi.training import finish
from brainmidi.training.anchors import Corner
from brainmidi.training.material import Source

FIGURES = {"reconstruction": {"teacher_forced": 0.99, "greedy": 0.9}, "prior": {"interval_prior": 0.5}}
PAPER = {"paper_teacher_forced": 0.98, "paper_sampled": 0.95}
VECTORS = AttributeVectors(("density",), np.eye(1, 3), np.ones((3, 1)), np.zeros(3), np.ones(1), np.ones(1))


def corner(piece: str) -> Corner:
    return Corner(piece, np.array([48, *[0] * 31], dtype=np.uint8), np.zeros(3, np.float32), 1.0)


class Bench:
    """A folder with a checkpoint of a configuration, and what finishing it asked for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.asked = folder, {}
        self.pairs: list[tuple[Corner, Corner]] = [(corner("calm tune"), corner("lively tune"))]
        self.report = Report(FIGURES, VECTORS)
        for name in ("load", "evaluate"):
            monkeypatch.setattr(finish, name, self._asked(name))
        monkeypatch.setattr(finish.anchors, "choose", self._asked("choose"))
        vae = SimpleNamespace(CompiledMusicVae=lambda folder: "a model")
        transformer = SimpleNamespace(melody_likelihood=lambda name: f"scores of {name}")
        monkeypatch.setitem(sys.modules, "brainmidi.models.compiled", vae)
        monkeypatch.setitem(sys.modules, "brainmidi.evaluate.transformer", transformer)

    def _asked(self, name: str) -> Any:
        def answer(*given: Any, **named: Any) -> Any:
            self.asked[name] = (given, named)
            source = Source("melody", {}, ("public domain",), {"files_left_out": 3})
            return {"load": source, "evaluate": self.report, "choose": self.pairs}[name]

        return answer

    def finish(self, name: str, part: str | None = None, **options: Any) -> str:
        """Return the card."""
        described = {"kind": "musicvae", "name": name} | ({"part": part} if part else {})
        (self.folder / "config.json").write_text(json.dumps(described))
        finish.finish(self.folder, cache=self.folder, **options)
        return (self.folder / "README.md").read_text()

    @property
    def files(self) -> set[str]:
        return {path.name for path in self.folder.iterdir()}


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_a_melody_gets_anchors_attribute_vectors_and_a_card_with_its_figures(bench):
    card = bench.finish("hier-mel_2bar", collections=("bach",))
    assert bench.files == {"config.json", "anchors.json", "attributes.npz", "README.md"}
    assert json.loads((bench.folder / "anchors.json").read_text())[0]["calm_from"] == "calm tune"
    assert AttributeVectors.load(bench.folder / "attributes.npz").names == ("density",)
    for line in (
        "# MusicVAE hier-mel_2bar",
        "melodies of 2 bars: 32 sixteenths",
        "- public domain",
        "| greedy | 0.9 |",
    ):
        assert line in card
    assert "| files left out | 3 |" in card
    (given, named) = bench.asked["load"]
    assert (given, named["collections"], named["part"]) == (("hier-mel_2bar",), ("bach",), "melody")
    assert bench.asked["evaluate"][1]["log_likelihood"] == "scores of music-transformer_chorales"


def test_only_the_sections_that_were_measured_are_explained(bench):
    card = bench.finish("hier-mel_2bar")
    assert finish.READING["reconstruction"] in card
    assert finish.READING["prior"] in card
    assert finish.READING["verbatim"] not in card


@pytest.mark.parametrize(
    ("name", "part", "has_anchors"),
    [
        ("hier-bass_2bar_chords", None, True),
        ("cat-mel_2bar_small", "bass", True),
        ("hier-drums_2bar", None, True),
        ("nade-drums_2bar_reduced", None, False),
        ("hierdec-mel_16bar", None, False),
        ("hier-groove_2bar_hits", None, False),
    ],
)
def test_what_a_session_can_play_gets_anchors_and_the_part_is_the_checkpoints_own(bench, name, part, has_anchors):
    bench.report = Report(FIGURES)
    bench.finish(name, part)
    assert ("anchors.json" in bench.files) == ("choose" in bench.asked) == has_anchors
    assert "attributes.npz" not in bench.files
    assert bench.asked["load"][1]["part"] == (part or finish.part_of(name))


def test_without_a_pair_no_anchors_are_written(bench):
    bench.pairs = []
    bench.finish("hier-mel_2bar")
    assert "anchors.json" not in bench.files


def test_only_melodies_are_scored_by_the_transformer(bench):
    bench.finish("hier-bass_2bar_chords")
    assert bench.asked["evaluate"][1]["log_likelihood"] is None


def test_the_card_says_how_it_was_trained_by_which_command_and_what_was_tried(bench):
    made = {"command": "brainmidi train musicvae --minutes 22", "tried": "Wider was no better.", "epochs": 31}
    (bench.folder / "training.json").write_text(json.dumps(made))
    bench.report = Report({"reconstruction": FIGURES["reconstruction"] | PAPER})
    card = bench.finish("hier-mel_2bar")
    assert "    brainmidi train musicvae --minutes 22\n" in card
    assert "| epochs | 31 |" in card
    assert "greedy is 0.050 short of it. Wider was no better." in card
    assert card.count("Wider") == card.count("--minutes 22") == 1  # no lines of the table of facts


def test_weights_learned_from_a_folder_of_ones_own_are_free_only_for_drums(bench, tmp_path):
    assert "Apache-2.0" in bench.finish("hier-mel_2bar")
    assert "Apache-2.0" not in bench.finish("hier-mel_2bar", data=tmp_path)
    assert "Apache-2.0" in bench.finish("hier-drums_2bar", data=tmp_path)


def test_the_goal_is_the_papers_reconstruction_where_it_has_one():
    assert finish.goal_of(Report(FIGURES)) == ""
    reached = finish.goal_of(Report({"reconstruction": FIGURES["reconstruction"] | PAPER}))
    assert reached == (
        "The goal is the paper's reconstruction: teacher forced reaches the goal, greedy is 0.050 short of it."
    )

"""The figures of control, on models whose answers are known: one that follows, one that does not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bar_models import DreamingModel, TabledModel

from brainmidi.codec import bars
from brainmidi.drivers.continuation import Controls
from brainmidi.errors import ModelError
from brainmidi.evaluate import control
from brainmidi.models.checkpoint import save_weights
from brainmidi.models.transformer_config import TransformerConfig, weight_shapes


@pytest.fixture(scope="module")
def found() -> dict:
    return control.control(DreamingModel(2), levels=6, seeds=6, rows=20)


def test_a_model_that_likes_anything_follows_its_controls(found) -> None:
    assert found["rank_token_entropy"] >= control.RANK
    assert found["chord_tones_on_strong_beats"][0] < 0.6
    assert found["chord_tones_on_strong_beats"][-1] == 1.0
    assert found["onsets_a_bar"][-1] > found["onsets_a_bar"][0]
    assert (found["broken"], found["runs"], found["rows_decoded"]) == (0, 108, 20)
    assert found["held"]["limits hold"]
    assert found["held"]["harmony raises chord tones"]
    assert [len(found[name]) for name in ("temperature", "harmony", "density")] == [6, 6, 6]


def test_the_figures_are_told_in_lines(found) -> None:
    lines = dict(control.shown(found))
    assert lines["limits broken"] == "0 in 108 runs"
    assert lines["random logits decode"] == "20 of 20"
    assert lines["held: limits hold"] == "yes"


def test_a_law_that_is_not_held_says_what_it_lacks(found) -> None:
    worse = {"broken": 3, "rows_decoded": 18, "rank_token_entropy": 0.5, "rank_pitch_class_entropy": 0.25}
    worse["chord_tones_on_strong_beats"] = [0.5, 0.9]
    lines = dict(control.shown(found | worse | {"held": dict.fromkeys(found["held"], False)}))
    assert {what: value for what, value in lines.items() if what.startswith("held")} == {
        "held: temperature raises token entropy": "NO, Spearman 0.500, at least 0.9 is needed",
        "held: temperature raises pitch-class entropy": "NO, Spearman 0.250, at least 0.9 is needed",
        "held: harmony raises chord tones": (
            "NO, share 0.500 to 0.900, at least 0.95 and more than at first are needed at last"
        ),
        "held: limits hold": "NO, 3 notes or onsets are beyond them",
        "held: random logits decode": "NO, 2 of 20 rows do not",
    }


def test_one_run_is_counted_as_it_was_played(monkeypatch) -> None:
    still = Controls(0.0, low=60, high=60, max_voices=1)
    run = control.play(TabledModel({"duration": {"part": (2,)}}), still, 1)
    # A short C under each note of the tune: of its strong beats C, Am and F want a C, Dm and G do not.
    assert (run.chord_tones, run.strong, run.onsets) == (3 + 3 + 1, 12, 3.5)
    assert (run.class_entropy, run.broken) == (0.0, 0)
    # The same notes judged by narrower limits are broken ones.
    seen = control.ControlSteering
    monkeypatch.setattr(control, "ControlSteering", lambda follow, *rest: seen(lambda beat: still, *rest))
    broken = control.play(DreamingModel(1), replace(still, low=61, high=70), 1)
    assert broken.broken > 0


def test_a_checkpoint_is_measured_if_it_is_one_of_bars(tmp_path: Path, monkeypatch) -> None:
    config = TransformerConfig(n_classes=bars.N_CLASSES, n_layers=1, size=8, n_heads=2, inner_size=8, window=16)
    weights = {name: np.ones(shape, dtype=np.float32) for name, shape in weight_shapes(config).items()}
    described = {"kind": "transformer", "name": "tiny", **config.to_json()}
    save_weights(tmp_path, described | {"codec": "bars"}, weights)
    seen = []
    monkeypatch.setattr(control, "control", lambda model, **others: seen.append(model.config) or {"broken": 0})
    assert control.evaluate(tmp_path) == {"broken": 0}
    assert seen == [config]
    save_weights(tmp_path, described, weights)
    with pytest.raises(ModelError, match="writes performance"):
        control.evaluate(tmp_path)


def test_a_temperature_without_effect_is_not_held() -> None:
    class Deaf(DreamingModel):
        def logits(self, said: tuple[int, ...]) -> np.ndarray:
            return np.zeros(bars.N_CLASSES, dtype=np.float32)

    found = control.control(Deaf(), levels=3, seeds=2, rows=1)
    assert not found["held"]["temperature raises token entropy"]

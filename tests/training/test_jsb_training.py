"""What a training on JSB chorales draws, writes, and says on its card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_chorales import pickled, write

from brainmidi.errors import ModelError

REACH, LENGTHS = 16, (24, 12)


def chorale(seed: int, length: int) -> np.ndarray:
    """Return four voices that move on the beat, at most two semitones about their middle."""
    moves = np.random.default_rng(seed).integers(-2, 3, (length // 4, 4))
    return np.repeat(np.array([72, 65, 58, 48]) + moves, 4, axis=0)


@pytest.fixture(scope="module")
def recipe() -> Any:
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.training import jsb

    return jsb


@pytest.fixture(scope="module")
def trained(recipe: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, dict[str, Any]]:
    """Train a tiny model for one pass; return its folder, the data's, and what the training says."""
    from brainmidi.models.chorale import ChoraleConfig

    folder = tmp_path_factory.mktemp("jsb")
    rows = [chorale(seed, length) for seed, length in enumerate(LENGTHS)]
    write(folder, {"train": pickled(rows), "valid": pickled(rows[:1]), "test": pickled(rows[1:])})
    config = ChoraleConfig(n_layers=1, size=8, n_heads=2, inner_size=8, reach=REACH, dropout=0.0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recipe, "BATCHES_PER_EPOCH", 2)
        fitted = recipe.fit.run

        def uncompiled(model: Any, *rest: Any, **options: Any) -> dict[str, Any]:
            model.jit_compile, model.run_eagerly = False, True  # to compile takes longer than two batches
            return fitted(model, *rest, **options)

        patch.setattr(recipe.fit, "run", uncompiled)
        said = recipe.train(
            folder / "mine", data=folder, work=folder / "work", minutes=0.001, seed=3, config=config, patience=7
        )
    return folder / "mine", folder, said


@pytest.mark.models
def test_stretches_are_of_every_piece_in_several_keys_from_any_beat_and_the_same_for_a_seed(recipe: Any) -> None:
    from brainmidi.models.chorale import N_COLUMNS, PADDING, PHASES, ChoraleConfig, observed
    from brainmidi.training.chorales import classes_of

    config = ChoraleConfig(reach=REACH)
    pieces = [chorale(seed, length).astype(np.int16) for seed, length in enumerate(LENGTHS)]
    batches = recipe.Stretches(pieces, config, seed=1)
    moved = {
        (number, by): observed(classes_of(piece, config, by))
        for number, piece in enumerate(pieces)
        for by in range(-6, 7)
    }
    drawn, keys, phases = set(), set(), set()
    for index in range(40):
        inputs, targets = batches[index]
        assert inputs.shape == (recipe.BATCH_SIZE, REACH, N_COLUMNS)
        assert np.array_equal(targets, inputs[..., :4])
        for row in inputs:
            known = row[row[:, 0] != PADDING]
            # The bar line apart, it stands in one of the pieces, moved as a whole.
            places = [
                (number, by)
                for (number, by), whole in moved.items()
                for start in range(len(whole) - len(known) + 1)
                if np.array_equal(whole[start : start + len(known), :-1], known[:, :-1])
            ]
            assert len(places) == 1
            drawn.add(places[0][0])
            keys.add(places[0][1])
            phases.add(int(known[0, -1]))
            assert (np.diff(known[:, -1]) % PHASES == 1).all()
            # Pieces longer than the reach fill it.
            assert len(known) == (REACH if places[0][0] == 0 else LENGTHS[1])
    assert drawn == {0, 1}
    assert len(keys) > 4
    assert {0, 4, 8, 12} <= phases
    again = recipe.Stretches(pieces, config, seed=1)
    assert np.array_equal(batches[3][0], again[3][0])
    again.start_at(1)
    assert not np.array_equal(batches[3][0], again[3][0])


@pytest.mark.models
def test_a_training_writes_a_checkpoint_that_says_how_it_was_made(
    trained: tuple[Path, Path, dict[str, Any]],
) -> None:
    out, data, said = trained
    assert json.loads((out / "config.json").read_text())["kind"] == "chorale"
    assert json.loads((out / "training.json").read_text()) == said
    assert [said[f"{name}_chorales"] for name in ("train", "validation", "test")] == [2, 1, 1]
    made = f" brainmidi evaluate jsb mine --train --data {data.name} --minutes 0.001 --seed 3 --patience 7"
    assert said["command"].endswith(made)


@pytest.mark.models
def test_its_card_names_the_split_of_every_figure_and_how_far_the_goal_is(
    recipe: Any, trained: tuple[Path, Path, dict[str, Any]]
) -> None:
    from brainmidi.evaluate import jsb

    out, data, _ = trained
    figures = jsb.evaluate(out, data)
    assert (figures["validation"]["cells"], figures["test"]["cells"]) == (24 * 4, 12 * 4)
    # It has hardly learned: about the logarithm of its 53 classes.
    assert 2.0 < figures["validation"]["nll"] < 5.0
    recipe.finish(out, figures=figures)
    card = (out / "README.md").read_text()
    assert "on the test split" not in card
    assert card.index("## Figures by split") < card.index("### Validation") < card.index("### Test")
    assert f"{figures['validation']['nll'] - 0.335:.3f} short of it" in card
    assert "1 layers, model size 8, 2 heads, 16 frames" in card
    figures["validation"]["nll"] = 0.3
    recipe.finish(out, figures=figures)
    assert "plain 0.417, CoCoNet in order 0.436): reached." in (out / "README.md").read_text()


@pytest.mark.models
def test_another_model_is_not_scored_as_one_of_chorales(
    trained: tuple[Path, Path, dict[str, Any]], tmp_path: Path
) -> None:
    from brainmidi.evaluate import jsb

    (tmp_path / "config.json").write_text(json.dumps({"kind": "transformer", "name": "t"}))
    with pytest.raises(ModelError, match="is a transformer, a chorale is needed"):
        jsb.evaluate(tmp_path, trained[1])

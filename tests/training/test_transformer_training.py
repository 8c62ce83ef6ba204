"""What a training of the Music Transformer draws, takes for the same run, and shares among devices."""

from __future__ import annotations

import csv
import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_transformer as script

from brainmidi.codec import bars, played
from brainmidi.errors import ConfigError
from brainmidi.training import corpora, performances, scorerows
from brainmidi.training.corpora import Piece
from brainmidi.training.scorerows import Row
from brainmidi.training.state import digest

needs_jax = pytest.mark.skipif(
    importlib.util.find_spec("jax") is None, reason="jax is not installed; pip install 'brainmidi[train]'"
)
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def recipe() -> Any:
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.training import transformer

    return transformer


def rows(seed: int, style: str = "bach") -> list[Row]:
    """Return a score of three parts for each split."""
    return [
        Row(split, split, True, np.append(bars.style_token(style), row[1:]).astype(np.int32))
        for split, row in zip(scorerows.SPLITS, script.scores(seed), strict=True)
    ]


@pytest.mark.models
def test_windows_begin_at_bars_in_all_styles_keys_and_parts_and_decode(recipe: Any) -> None:
    (row, *_) = rows(0)
    windows = recipe.ScoreWindows([row], 64, 4, seed=1)
    drawn = [tuple(window) for index in range(40) for window in windows[index][0]]
    styles, parts, tonics = set(), set(), set()
    for window in drawn:
        score = bars.decode(window)
        styles.add(score.style)
        parts.add(tuple(sorted({note.part for bar in score.bars for note in bar.notes})))
        tonics.add(score.bars[0].chords[0][1])
    assert styles == {"any", "bach"}
    assert tonics == {1 + root for root in (9, 10, 11, 0, 1, 2, 3)}
    assert {("melody",), ("accompaniment", "bass"), ("accompaniment", "bass", "melody")} <= parts
    inputs, targets = windows[0]
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert np.array_equal(inputs, recipe.ScoreWindows([row], 64, 4, seed=1)[0][0])
    windows.start_at(1)
    assert not np.array_equal(inputs, windows[0][0])


@pytest.mark.models
def test_tunes_are_a_tenth_of_what_is_drawn_however_many_there_are(recipe: Any) -> None:
    (chorale, *_), (tune, *_) = rows(0), rows(1, "tunes")
    share = recipe.ScoreWindows([chorale, *[tune] * 50], 64, 4, seed=1).share
    assert share[0] == pytest.approx(1 - recipe.TUNES)
    assert recipe.ScoreWindows([tune, tune], 64, 4, seed=1).share.tolist() == [0.5, 0.5]


@pytest.mark.models
def test_other_training_pieces_are_another_run_and_the_same_pieces_are_the_same(
    recipe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def known(train: int) -> list[Any]:
        (first, *_), (_, *held) = rows(train), rows(0)
        found = scorerows.ScoreData((first, *held), 0, ())
        monkeypatch.setattr(scorerows, "load", lambda **_: found)
        source = recipe.load("bars", cache=tmp_path, seed=1)
        return [*source.data, source.validation]

    first, again, other = (known(seed) for seed in (0, 0, 5))
    assert digest(first) == digest(again)
    assert digest(first) != digest(other)
    assert np.array_equal(first[-1], other[-1])  # the same validation


@pytest.mark.models
def test_chorales_as_performance_events_are_drawn_from_a_bar_line_in_several_keys_and_louder_or_softer(
    recipe: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found: dict[str, Piece] = {}
    starts = tuple(Fraction(4 * bar) for bar in range(4))
    voices = tuple(tuple((Fraction(at), Fraction(1), top) for at in range(16)) for top in (72, 67, 60, 48))
    for n in range(400):
        found.setdefault(corpora.split_of(f"bach/{n}"), Piece(f"bach/{n}", "4/4", 0, "major", starts, voices))
    monkeypatch.setattr(recipe, "load_pieces", lambda *_: list(found.values()))
    source = recipe.load("performance", cache=tmp_path, seed=1)
    inputs, targets = source.batches[0]
    assert inputs.shape == targets.shape == (8, source.config.window)
    length = source.config.window + 1
    variants = {
        performances.window(performances.transposed(piece.tokens, by, louder), int(start), length).tobytes(): (
            by,
            louder,
        )
        for piece in performances.performances(found["train"])
        for start in piece.bar_indices
        for by in range(piece.low, piece.high + 1)
        for louder in range(-4, 5)
    }
    drawn = [np.append(row, last).astype(np.int32) for row, last in zip(inputs, targets[:, -1], strict=True)]
    assert np.array_equal(inputs[:, 1:], targets[:, :-1])
    assert {row.tobytes() for row in drawn} <= variants.keys()
    keys, loudnesses = zip(*(variants[row.tobytes()] for row in drawn), strict=True)
    assert min(len(set(keys)), len(set(loudnesses))) > 1
    assert source.config.n_classes == 310
    assert source.facts["train_events"] > 0
    assert source.facts["collections"] == ["bach"]


@pytest.mark.models
def test_an_unknown_codec_is_refused(recipe: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="codec 'notes' is unknown; choose from bars, performance"):
        recipe.load("notes", cache=tmp_path, seed=1)


@pytest.mark.models
@pytest.mark.parametrize("codec", ["bars", "performance"])
def test_files_that_gave_nothing_are_named(recipe: Any, tmp_path: Path, codec: str) -> None:
    from small_songs import write_songs

    written = write_songs(tmp_path / "songs", 2)
    (tmp_path / "songs" / "bad.mid").write_bytes(b"RIFF")
    config = replace(recipe.SIZES[codec], window=64)
    source = recipe.load(codec, cache=tmp_path / "cache", seed=1, data=tmp_path / "songs", config=config)
    counts, *left_out = source.summary.splitlines()
    assert counts == f"{len(written) + 1} files: 1 left out"
    assert [line.split(":")[0] for line in left_out] == ["left out bad.mid"]


@pytest.mark.models
def test_what_people_played_is_drawn_at_other_speeds_and_in_other_keys(recipe: Any, tmp_path: Path) -> None:
    from test_performed import folder_of

    source = recipe.load("performance", cache=tmp_path / "cache", seed=1, data=folder_of(tmp_path / "piano"))
    inputs, targets = source.batches[0]
    assert inputs.shape == targets.shape == (8, source.config.window)
    assert source.options == " --data piano"
    assert source.facts["folder"] == "piano"
    pitches, waits = set(), set()
    for row in source.batches[1][0]:
        notes = played.decode(row[row != 0])
        pitches.add(int(notes[0, 2]) % 12)
        waits.add(float(notes[1, 0] - notes[0, 0]))
    assert len(pitches) > 1
    assert len(waits) > 1
    assert source.facts["train_notes"] == sum(len(notes) for notes in source.data)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the folder of two runs, one on one device and one on two, and what a third says of its precision."""
    folder = tmp_path_factory.mktemp("shared")
    environment = {
        **os.environ,
        "KERAS_BACKEND": "jax",
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
    }
    command = [sys.executable, script.__file__, str(folder), "1", "2", "halves"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


@needs_jax
@pytest.mark.models
def test_two_devices_have_the_losses_of_one(shared: tuple[Path, str]) -> None:
    def curve(n_devices: int) -> np.ndarray:
        with (shared[0] / str(n_devices) / "work" / "log.csv").open(newline="") as lines:
            return np.array([[float(row["loss"]), float(row["val_loss"])] for row in csv.DictReader(lines)])

    one, two = curve(1), curve(2)
    # It learns: otherwise any two runs of no consequence would agree.
    assert one[0, 0] - one[-1, 0] > 100 * TOLERANCE
    np.testing.assert_allclose(two, one, rtol=TOLERANCE)


@needs_jax
@pytest.mark.models
def test_a_checkpoint_says_its_codec_and_its_training_the_command(shared: tuple[Path, str]) -> None:
    config = json.loads((shared[0] / "1" / "out" / "config.json").read_text())
    assert (config["kind"], config["codec"], config["n_classes"]) == ("transformer", "bars", bars.N_CLASSES)
    made = json.loads((shared[0] / "2" / "out" / "training.json").read_text())
    assert made["command"].startswith("KERAS_BACKEND=jax brainmidi train transformer --codec bars --out out")
    assert made["command"].endswith("--devices 2")
    assert made["collections"] == list(corpora.COLLECTIONS)


@needs_jax
@pytest.mark.models
def test_weights_stay_whole_where_a_gpu_computes_in_halves(shared: tuple[Path, str]) -> None:
    assert shared[1].split() == ["bfloat16", "float32", "float32"]

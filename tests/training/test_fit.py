"""The training loop on a tiny MusicVAE: killed and resumed, stopped early, refused."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import tiny_run as script
from tiny_run import tiny_run

from brainmidi.errors import ConfigError, ModelError

pytestmark = pytest.mark.models


@pytest.fixture(scope="module", autouse=True)
def _tensorflow() -> None:
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)


class Thousand:
    """A thousand batches an epoch, of nothing."""

    epoch = 0

    def __len__(self) -> int:
        return 1000

    def start_at(self, epoch: int) -> None:
        self.epoch = epoch


class Fixed:
    """A supervisor of an hour's run whose validation losses are given, and what it kept."""

    def __init__(self, folder: Path, losses: list[float], patience: int, epochs: int | None = None) -> None:
        from brainmidi.training.fit import Supervisor
        from brainmidi.training.state import Store

        self.store = Store(folder, {})
        self.store.save = lambda model, progress: setattr(self.store, "progress", progress)  # type: ignore[method-assign]
        self.supervisor = Supervisor(
            Thousand(), self.store, peak_rate=1.0, minutes=60.0, epochs=epochs, patience=patience
        )
        model = SimpleNamespace(stop_training=False, optimizer=SimpleNamespace(learning_rate=0.0))
        self.supervisor.set_model(model)
        for epoch, loss in enumerate(losses):
            self.supervisor.on_epoch_end(epoch, {"loss": loss, "val_loss": loss})
            if model.stop_training:
                break
        self.progress, self.stopped = self.store.progress, model.stop_training


def state(folder: Path, epoch: int) -> dict[str, np.ndarray]:
    """Return every variable at the end of an epoch: weights, optimizer, averages, counters, seeds."""
    with np.load(folder / "work" / f"epoch-{epoch}.npz") as stored:
        return {name: stored[name] for name in stored.files}


def losses(folder: Path) -> list[str]:
    return (folder / "work" / "log.csv").read_text().splitlines()


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of three epochs that nothing interrupts."""
    folder = tmp_path_factory.mktemp("whole")
    tiny_run(folder, epochs=3)
    return folder


def test_a_run_that_is_killed_and_started_again_ends_as_if_it_had_not_been(whole: Path, tmp_path: Path) -> None:
    from brainmidi.models.checkpoint import read_weights

    folder = tmp_path / "killed"
    command = [sys.executable, script.__file__, str(folder), "3", "1"]
    killed = subprocess.run(command, capture_output=True, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert json.loads((folder / "work" / "state.json").read_text())["progress"]["epoch"] == 1
    assert not (folder / "out").exists()
    tiny_run(folder, epochs=3)
    expected, found = state(whole, 3), state(folder, 3)
    assert expected.keys() == found.keys()
    assert [name for name in expected if not np.array_equal(expected[name], found[name])] == []
    assert losses(folder) == losses(whole)
    weights = read_weights(whole / "out"), read_weights(folder / "out")
    assert all(np.array_equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_the_averaged_weights_are_saved(whole: Path) -> None:
    from brainmidi.models.checkpoint import read_weights

    saved = list(read_weights(whole / "out").values())
    kept = state(whole, 3)
    trained = [kept[f"trained_{n}"].astype(np.float16) for n in range(len(saved))]
    # The optimizer keeps one average for each weight, after its two moments.
    others = [value.astype(np.float16) for name, value in kept.items() if name.startswith("optimizer")]
    for value, last in zip(saved, trained, strict=True):
        assert any(np.array_equal(value, other) for other in others if other.shape == value.shape)
        assert not np.array_equal(value, last)


def test_a_finished_run_is_not_trained_further(whole: Path) -> None:
    before = state(whole, 3)
    figures = tiny_run(whole, epochs=3)
    assert figures["epochs"] == 3
    assert {"loss", "accuracy", "val_loss", "val_accuracy"} <= figures.keys()
    assert len(losses(whole)) == 4
    assert all(np.array_equal(before[name], value) for name, value in state(whole, 3).items())


def test_a_run_ends_with_the_epoch_in_which_its_minutes_do(tmp_path: Path) -> None:
    from brainmidi.training.state import Progress

    supervisor = Fixed(tmp_path, [], patience=0).supervisor  # of an hour
    assert not supervisor.finished(Progress(epoch=5, seconds=3599.0))
    assert supervisor.finished(Progress(epoch=5, seconds=3601.0))


def test_the_time_of_all_sessions_counts(whole: Path) -> None:
    spent = tiny_run(whole, epochs=3)["seconds"]
    assert spent > 0
    again = tiny_run(whole, epochs=4, minutes=spent / 60 / 2)
    assert (again["epochs"], again["seconds"]) == (3, spent)


@pytest.mark.parametrize("epochs", [None, 4])
def test_the_rate_rises_and_falls_with_the_share_of_time_or_epochs(tmp_path: Path, epochs: int | None) -> None:
    supervisor = Fixed(tmp_path, [], patience=0, epochs=epochs).supervisor
    rates = []
    for n in range(4000):
        supervisor.before_s, supervisor.began_s = n / 4000 * 3600, time.monotonic()
        supervisor.train.start_at(n // 1000)
        supervisor.on_train_batch_begin(n % 1000)
        rates.append(supervisor.model.optimizer.learning_rate)
    assert 0 < rates[0] < 0.05
    assert abs(int(np.argmax(rates)) - 120) <= 2  # after 3 %
    assert 0.99 < max(rates) <= 1.0
    assert all(a > b for a, b in pairwise(rates[125:]))
    assert 0.02 < rates[-1] < 0.021


def test_a_folder_with_the_state_of_another_run_is_refused(whole: Path) -> None:
    with pytest.raises(ConfigError, match="holds a run of another seed; delete it to begin anew"):
        tiny_run(whole, epochs=3, seed=2)


def test_a_damaged_state_is_named(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "state.json").write_text("{")
    with pytest.raises(ConfigError, match=r"state\.json cannot be read"):
        tiny_run(tmp_path, epochs=1)


@pytest.mark.parametrize(
    "text", ["[]", '{"settings": 1, "progress": {}}', '{"settings": {}, "progress": {"epoch": "a"}}']
)
def test_a_state_of_another_shape_is_damaged_too(tmp_path: Path, text: str) -> None:
    from brainmidi.training.state import Store

    (tmp_path / "state.json").write_text(text)
    with pytest.raises(ConfigError, match=r"state\.json cannot be read .*; delete"):
        Store(tmp_path, {})


@pytest.mark.parametrize("damage", ["missing", "empty", "cut", "other"])
def test_a_damaged_epoch_is_named_with_what_to_delete(whole: Path, tmp_path: Path, damage: str) -> None:
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "work" / "epoch-3.npz"
    if damage == "missing":
        path.unlink()
    elif damage == "other":
        np.savez(path, trained_0=np.zeros(3))
    else:
        path.write_bytes(path.read_bytes()[: 0 if damage == "empty" else 2000])
    with pytest.raises(ConfigError, match=r"epoch-3\.npz cannot be read .*; delete .*work, or give another") as error:
        tiny_run(tmp_path / "run", epochs=4)
    assert len(str(error.value).splitlines()) == 1


def test_a_run_on_other_data_is_another_run(whole: Path) -> None:
    with pytest.raises(ConfigError, match="holds a run of another data; delete it to begin anew"):
        tiny_run(whole, epochs=3, data=(np.ones(3),))


def test_the_digest_tells_values_shapes_and_types_apart() -> None:
    from brainmidi.training.state import digest

    arrays = [np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), np.zeros((2, 3), np.int8), np.eye(2, 3)]
    assert len({digest([array]) for array in arrays}) == 4
    assert digest([arrays[3], arrays[3].T]) == digest([arrays[3].copy(), arrays[3].T.copy()])


@pytest.mark.parametrize("minutes", [0.0, -1.0, float("nan"), float("inf")])
def test_a_time_that_never_ends_or_never_begins_is_refused(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(ConfigError, match="minutes are not allowed"):
        tiny_run(tmp_path, minutes=minutes)


def test_training_stops_when_the_validation_loss_has_not_fallen_for_as_long_as_patience(tmp_path: Path) -> None:
    run = Fixed(tmp_path, [3.0, 2.0, 2.5, 1.0, 1.0, 1.5, 1.2, 0.1], patience=3)
    assert run.stopped
    assert (run.progress.epoch, run.progress.best_epoch, run.progress.best_loss) == (7, 4, 1.0)


def test_without_patience_training_does_not_stop_early(tmp_path: Path) -> None:
    run = Fixed(tmp_path, [1.0] + [2.0] * 50, patience=0)
    assert not run.stopped
    assert run.progress.epoch == 51


def test_a_loss_that_is_no_number_ends_the_run_with_the_state_before(tmp_path: Path) -> None:
    run = Fixed(tmp_path, [2.0, 1.0], patience=0)
    with pytest.raises(ModelError, match="the loss is nan after epoch 3"):
        run.supervisor.on_epoch_end(2, {"loss": float("nan"), "val_loss": 1.0})
    assert run.store.progress.epoch == 2


def test_an_early_stop_writes_the_weights_of_the_best_epoch(whole: Path, tmp_path: Path) -> None:
    """The state of the best epoch is kept beside the last, and it is what is written."""
    from brainmidi.models.checkpoint import read_weights

    shutil.copytree(whole, tmp_path / "run")
    last = read_weights(tmp_path / "run" / "out")
    marked = state(whole, 3)
    for name, value in marked.items():
        if value.dtype == np.float32 and name.startswith(("trained", "optimizer")):
            marked[name] = np.full_like(value, 0.25)
    np.savez(tmp_path / "run" / "work" / "epoch-2.npz", **marked)
    path = tmp_path / "run" / "work" / "state.json"
    held = json.loads(path.read_text())
    held["progress"]["best_epoch"] = 2
    held["progress"]["best_figures"] = {"loss": 7.0, "val_loss": 6.0}
    path.write_text(json.dumps(held))
    figures = tiny_run(tmp_path / "run", epochs=9, patience=1)
    assert (figures["epochs"], figures["best_epoch"]) == (3, 2)
    assert (figures["loss"], figures["val_loss"]) == (7.0, 6.0)
    best = read_weights(tmp_path / "run" / "out")
    assert all((value == 0.25).all() for value in best.values())
    assert not all((value == 0.25).all() for value in last.values())


def test_without_a_best_epoch_the_last_is_written(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "run")
    path = tmp_path / "run" / "work" / "state.json"
    held = json.loads(path.read_text())
    held["progress"] |= {"best_epoch": 0, "best_loss": float("inf"), "best_figures": {}}
    path.write_text(json.dumps(held))
    figures = tiny_run(tmp_path / "run", epochs=3, patience=1)
    assert figures["best_epoch"] == 3
    assert figures["loss"] == held["progress"]["figures"]["loss"]


def test_a_validation_loss_that_is_no_number_is_not_the_best(tmp_path: Path) -> None:
    run = Fixed(tmp_path, [1.0], patience=2)
    run.supervisor.on_epoch_end(1, {"loss": 1.0, "val_loss": float("nan")})
    assert (run.store.progress.best_epoch, run.store.progress.best_figures["val_loss"]) == (1, 1.0)


def test_states_of_the_last_and_of_the_best_epoch_are_kept(whole: Path) -> None:
    best = json.loads((whole / "work" / "state.json").read_text())["progress"]["best_epoch"]
    kept = {path.name for path in (whole / "work").glob("epoch*")}
    assert kept == {"epoch-3.npz", f"epoch-{best}.npz"}


def test_batches_depend_on_seed_and_epoch_alone() -> None:
    from brainmidi.training.material import Material, Source, feed
    from brainmidi.training.musicvae import CONFIGS, Batches

    rows = np.random.default_rng(0).integers(40, 90, (64, 32)).astype(np.uint8)
    phrases = Material(rows, None, np.zeros(64, dtype=np.int32), ("a",))
    source = Source("melody", {"train": phrases}, (), {})

    def batch(seed: int, *epochs: int) -> np.ndarray:
        batches = Batches(source, feed("hier-mel_2bar", CONFIGS["hier-mel_2bar"]), 8, seed)
        for epoch in epochs:
            batches.start_at(epoch)
        return batches[1][1]

    assert np.array_equal(batch(5, 1, 2), batch(5, 2))
    assert not np.array_equal(batch(5, 1), batch(5, 2))
    assert not np.array_equal(batch(5, 2), batch(6, 2))


def test_less_data_than_a_batch_is_refused_with_how_much_is_needed(tmp_path: Path) -> None:
    from brainmidi.training.material import Material, Source
    from brainmidi.training.musicvae import train

    few = Material(np.full((20, 32), 50, dtype=np.uint8), None, np.zeros(20, dtype=np.int32), ("a",))
    source = Source("melody", {"train": few, "validation": few, "test": few}, (), {})
    with pytest.raises(ConfigError, match="too little data: 128 training phrases are needed for a batch"):
        train(
            "hier-mel_2bar",
            tmp_path / "out",
            cache=tmp_path,
            work=tmp_path / "work",
            minutes=1.0,
            seed=1,
            source=source,
        )
    assert not (tmp_path / "out").exists()

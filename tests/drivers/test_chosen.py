"""``[models]``: a session plays the checkpoints that it names, and refuses in one line those that cannot play."""

from __future__ import annotations

import json
import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from brainmidi.config import SessionConfig, parse_config
from brainmidi.drivers import offline, voices
from brainmidi.drivers.anchors import anchors_of
from brainmidi.drivers.barvoice import BarAccompaniment
from brainmidi.drivers.chosen import chosen_checkpoints
from brainmidi.drivers.live import improvise
from brainmidi.drivers.take import TakeFiles
from brainmidi.errors import ConfigError, ModelError
from brainmidi.models import checkpoint
from brainmidi.models.configs import CONFIGS
from brainmidi.types import DUO, PARTS

SHIPPED = [{"name": "shipped", "calm": [[0, 32, 60]], "active": [[0, 8, 60]]}]


def write(name: str, described: dict[str, object]) -> Path:
    Path(name).mkdir(parents=True)
    Path(name, "config.json").write_text(json.dumps(described))
    return Path(name)


def vae(name: str, config: str) -> Path:
    return write(name, {"kind": "musicvae", "name": config, **CONFIGS[config].to_json()})


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder in which some checkpoints ship and others are imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "checkpoints_root", lambda: tmp_path / "shipped")
    monkeypatch.setattr(checkpoint, "imported_root", lambda: tmp_path / "imported")
    for names in voices.CHECKPOINTS.values():
        for name in names:
            write(f"shipped/{name}", {"kind": "any", "name": name})
            Path(f"shipped/{name}/anchors.json").write_text(json.dumps(SHIPPED))
    for config in CONFIGS:
        vae(f"imported/own_{config}", config)
    write("imported/other_transformer", {"kind": "transformer", "name": "other", "n_classes": 388})
    strange = {"kind": "transformer", "name": "strange", "n_classes": 220, "codec": "chorales"}
    write("imported/chorale_transformer", strange)
    write("imported/own_transformer", {"kind": "transformer", "name": "own", "n_classes": 310})
    write("imported/bar_transformer", {"kind": "transformer", "name": "bar", "n_classes": 220, "codec": "bars"})


def config_of(parts: tuple[str, ...] = PARTS, **models: str) -> SessionConfig:
    return parse_config({"session": {"parts": list(parts)}, "models": models})


NAMES = {
    "melody": "own_cat-mel_2bar_big",
    "accompaniment": "own_transformer",
    "bass": "own_cat-mel_2bar_med_chords",
    "drums": "own_cat-drums_2bar_small",
    "groove": "own_groovae_2bar_humanize",
}


def test_what_is_named_is_found_by_model_and_the_rest_is_what_ships(tmp_path):
    assert chosen_checkpoints(config_of()) == {}
    assert chosen_checkpoints(config_of(**NAMES)) == {
        role: tmp_path / "imported" / name for role, name in NAMES.items()
    }
    assert set(chosen_checkpoints(config_of(DUO, **NAMES))) == set(DUO)
    assert chosen_checkpoints(config_of(melody=str(vae("mine", "hier-mel_2bar")))) == {"melody": Path("mine")}


def test_the_voices_are_loaded_from_what_is_named(tmp_path, monkeypatch):
    for place, kind in (("compiled", "CompiledMusicVae"), ("stepper", "TransformerStepper")):
        module = ModuleType(place)
        setattr(module, kind, lambda folder: SimpleNamespace(folder=folder))
        monkeypatch.setattr(f"brainmidi.models.{place}", module, raising=False)
        monkeypatch.setitem(sys.modules, f"brainmidi.models.{place}", module)
    chosen = chosen_checkpoints(config_of(melody=NAMES["melody"], groove=NAMES["groove"]))
    found = voices.load_voices(PARTS, checkpoints=chosen)
    assert found.melody._model.folder == tmp_path / "imported" / NAMES["melody"]
    assert found.drums._patterns.folder == tmp_path / "shipped" / voices.CHECKPOINTS["drums"][0]
    assert found.drums._drummer.folder == tmp_path / "imported" / NAMES["groove"]
    assert isinstance(found.accompaniment, voices.ContinuedPerformance)
    bar_aware = chosen_checkpoints(config_of(accompaniment="bar_transformer"))
    assert isinstance(voices.load_voices(checkpoints=bar_aware).accompaniment, BarAccompaniment)
    with pytest.raises(ModelError, match="style bach needs a model of bars, own_transformer is one of performances"):
        voices.load_voices(checkpoints=chosen_checkpoints(config_of(accompaniment="own_transformer")), style="bach")


def test_a_session_loads_what_is_named(monkeypatch):
    asked = {}

    def load(parts, **others):
        asked.update(others)
        raise ModelError("enough")

    monkeypatch.setattr(voices, "load_voices", load)
    config = config_of(DUO, melody=NAMES["melody"])
    monkeypatch.setattr(offline.assemble, "open_file", lambda path, config: None)
    monkeypatch.setattr(offline, "prepare", lambda config, source: SimpleNamespace(line=None))
    monkeypatch.setattr(offline, "TakeKeeper", lambda *arguments, **others: nullcontext())
    with pytest.raises(ModelError, match="enough"):
        offline.score(config, Path("any.edf"), TakeFiles.__new__(TakeFiles))
    assert asked["checkpoints"] == chosen_checkpoints(config)
    assert asked["style"] == "any"


def test_anchors_are_the_models_own_or_those_that_ship(tmp_path):
    config = config_of(melody=NAMES["melody"])
    assert [anchor.name for anchor in anchors_of(config, "melody")] == ["shipped"]
    own = [{**SHIPPED[0], "name": "own"}]
    (tmp_path / "imported" / NAMES["melody"] / "anchors.json").write_text(json.dumps(own))
    assert [anchor.name for anchor in anchors_of(config, "melody")] == ["own"]
    assert [anchor.name for anchor in anchors_of(config_of(), "melody")] == ["shipped"]


@pytest.mark.parametrize(
    ("role", "name", "reason"),
    [
        ("melody", "nobody", "checkpoint 'nobody' not found"),
        ("melody", "own_transformer", "is a transformer, a musicvae is needed"),
        ("melody", "own_cat-drums_2bar_small", "configuration cat-drums_2bar_small cannot play it"),
        ("melody", "own_cat-mel_2bar_med_chords", "one of melodies without chords"),
        ("melody", "own_hierdec-mel_16bar", "has 256 steps, 32 are needed"),
        ("accompaniment", "own_hier-mel_2bar", "is a musicvae, a transformer is needed"),
        ("accompaniment", "other_transformer", "it has 388 events of performance, 310 of performance or 220 of bars"),
        ("accompaniment", "chorale_transformer", "it has 220 events of chorales, 310 of performance or 220 of bars"),
        ("bass", "own_hier-mel_2bar", "one of lines that are told chords"),
        ("drums", "own_nade-drums_2bar_reduced", "one of drums as classes"),
        ("groove", "own_groovae_2bar_tap_fixed_velocity", "one of a drummer that reads hits"),
        ("groove", "own_groovae_2bar_hits_control_tfds", "one of a drummer that reads hits"),
    ],
)
def test_what_cannot_play_is_one_line_before_anything_else_is_read(role, name, reason):
    files = TakeFiles.__new__(TakeFiles)
    with pytest.raises(ConfigError) as error:
        offline.score(config_of(**{role: name}), Path("no such recording.edf"), files)
    with pytest.raises(ConfigError, match=rf"\[models\] {role}"):
        improvise(config_of(**{role: name}), files, virtual=True)
    line = str(error.value)
    assert line.startswith(f"session.toml: [models] {role} = {name!r}: ")
    assert reason in line
    assert "\n" not in line

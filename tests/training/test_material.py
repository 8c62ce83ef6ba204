"""What each configuration learns from: a corpus, a folder of MIDI files, a folder of drummers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from small_songs import write_songs

from brainmidi.codec import chords, drums, groove
from brainmidi.errors import ConfigError
from brainmidi.models.configs import CONFIGS
from brainmidi.training import drums as drum_data
from brainmidi.training import material
from brainmidi.training.corpora import Piece, split_of
from brainmidi.training.material import Material, Source, feed, load, part_of, parts_of


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "songs"
    write_songs(folder, per_split=2)
    (folder / "broken.mid").write_bytes(b"MThd\0\0")
    return folder


def test_ours_are_trained_on_what_their_names_say() -> None:
    ours = {"hier-mel_2bar": "melody", "hier-bass_2bar_chords": "bass"}
    ours |= {"hier-drums_2bar": "drums", "hier-groove_2bar_hits": "groove"}
    assert {name: part_of(name) for name in ours} == ours


def test_an_unknown_configuration_is_refused_with_the_trainable_ones() -> None:
    with pytest.raises(ConfigError, match=r"'cat-mel' is unknown; choose from cat-mel_2bar_small, .*hier-mel_2bar"):
        part_of("cat-mel")


@pytest.mark.parametrize("name", ["hierdec-trio_16bar", "groovae_4bar", "groovae_2bar_add_closed_hh"])
def test_a_configuration_without_music_for_it_is_refused_with_the_trainable_ones(name: str) -> None:
    with pytest.raises(ConfigError, match="can be loaded but not trained here; choose from") as refusal:
        part_of(name)
    assert name not in str(refusal.value).split("choose from")[1].split(", ")


def test_a_part_that_a_configuration_has_no_room_for_is_refused() -> None:
    assert part_of("hier-mel_2bar", "bass") == "bass"
    with pytest.raises(ConfigError, match="'hier-drums_2bar' cannot be trained on 'bass'; choose from drums"):
        part_of("hier-drums_2bar", "bass")


@pytest.mark.parametrize("name", [name for name in CONFIGS if parts_of(name)])
def test_every_trainable_configuration_is_fed_from_a_folder_what_its_sizes_say(
    name: str, songs: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    config = CONFIGS[name]
    if config.n_steps == 256:
        songs = songs.parent / "long"
        if not songs.exists():
            write_songs(songs, n_bars=20)
    cache = songs.parent / "cache"
    for part in parts_of(name):
        source = load(name, cache=cache, data=songs, part=part)
        assert source.part == part
        for rows in source.splits.values():
            arrays = feed(name, config)(rows)
            assert {len(array) for array in arrays} == {len(rows)}
            assert {array.shape[1] for array in arrays} == {config.n_steps}
            width = 1 if config.events == "categorical" else sum(config.outputs)
            assert arrays[1].shape[2] == width
            assert len(arrays) == (3 if config.control_depth else 2)
            if config.control_depth:
                assert arrays[2].shape[2] == config.control_depth
                chorded = config.events == "categorical"
                assert not chorded or (arrays[2].sum(axis=-1) == 1).all()


def test_a_folder_is_split_by_file(songs: Path) -> None:
    source = load("hier-mel_2bar", cache=songs.parent / "cache", data=songs)
    for split, rows in source.splits.items():
        assert len(rows) > 0
        assert {split_of(name) for name in rows.names} == {split}


def test_the_files_of_a_folder_that_gave_nothing_are_named(songs: Path) -> None:
    source = load("hier-drums_2bar", cache=songs.parent / "cache", data=songs)
    counts, left_out = source.summary.splitlines()
    assert counts == "7 files: 6 with a melody, 6 with a bass under harmony, 6 with drums, 1 left out"
    assert left_out.startswith("left out broken.mid: ")
    assert (source.notes["files"], source.notes["files_left_out"]) == (7, 1)
    assert "songs" in source.licences[0]


def test_reading_a_folder_is_told_file_by_file_and_not_done_twice(songs: Path, tmp_path: Path) -> None:
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        load("hier-mel_2bar", cache=tmp_path, data=songs, progress=lambda *row: told.append(row))
    assert told == [("MIDI files", n, 7) for n in range(1, 8)]


def test_a_folder_without_midi_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for name in ("hier-mel_2bar", "hier-drums_2bar"):
        with pytest.raises(ConfigError, match=r"0 MIDI files are under .*empty, 1 is needed"):
            load(name, cache=tmp_path / "cache", data=tmp_path / "empty")


def test_a_folder_with_too_few_files_is_refused(tmp_path: Path) -> None:
    write_songs(tmp_path / "songs")
    for path in (tmp_path / "songs").iterdir():
        if split_of(path.name) == "validation":
            path.unlink()
    for name in ("hier-mel_2bar", "hier-bass_2bar_chords", "hier-drums_2bar"):
        with pytest.raises(ConfigError, match=r"0 pieces .* in the validation split, 1 is needed"):
            load(name, cache=tmp_path / "cache", data=tmp_path / "songs")


@pytest.mark.parametrize("name", ["hier-drums_2bar", "hier-groove_2bar_hits"])
def test_drums_are_in_no_corpus_and_need_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="learns from drummers; give MIDI files or the Groove MIDI Dataset's folder"):
        load(name, cache=tmp_path)


def test_the_groove_datasets_own_split_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    hits = (rng.random((9, 32, 9)) < 0.3).astype(np.float32)
    hits[5] = hits[0]  # a held-out pattern that training has too
    grooves = np.concatenate([hits, hits * 0.7, hits * 0.1], axis=-1).astype(np.float16)
    tokens = drums.pack(hits).astype(np.int16)
    rows = {"train": slice(0, 4), "validation": slice(4, 7), "test": slice(7, 9)}
    examples = {
        split: drum_data.DrumExamples(tokens[r], grooves[r], np.zeros(r.stop - r.start, dtype=np.int32), (split,))
        for split, r in rows.items()
    }
    monkeypatch.setattr(drum_data, "load", lambda data, cache: examples)
    (tmp_path / drum_data.INDEX_FILE).write_text("")
    patterns = load("hier-drums_2bar", cache=tmp_path, data=tmp_path)
    assert {split: len(found) for split, found in patterns.splits.items()} == {"train": 4, "validation": 2, "test": 2}
    assert patterns.notes["validation_also_in_training"] == 1
    played = load("hier-groove_2bar_hits", cache=tmp_path, data=tmp_path)
    assert {split: len(found) for split, found in played.splits.items()} == {"train": 4, "validation": 3, "test": 2}
    assert patterns.licences == played.licences == (drum_data.DATASET,)


def test_collections_are_read_one_after_the_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []

    def pieces(collections: tuple[str, ...], cache: Path) -> list[Piece]:
        asked.append(collections)
        return []

    monkeypatch.setattr(material, "load_pieces", pieces)
    told: list[tuple[str, int, int]] = []
    with pytest.raises(ConfigError, match="0 pieces"):
        load("hier-mel_2bar", cache=tmp_path, collections=("ryan", "bach"), progress=lambda *row: told.append(row))
    assert asked == [("ryan",), ("bach",)]
    assert told == [("collections", n, 2) for n in range(3)]


def test_a_groove_is_read_without_what_the_model_has_to_add() -> None:
    name = "hier-groove_2bar_hits"
    rows = np.random.default_rng(0).random((2, 32, 27)).astype(np.float16)
    events, targets, told = feed(name, CONFIGS[name])(Material(rows, None, np.zeros(2, dtype=np.int32), ("a",)))
    assert np.array_equal(told, targets[..., groove.HITS])
    assert np.array_equal(targets, rows.astype(np.float32))
    assert np.array_equal(events[..., groove.HITS], targets[..., groove.HITS])
    assert not events[..., groove.VELOCITIES.start :].any()


@pytest.mark.parametrize("part", ["melody", "bass", "drums", "groove"])
def test_variants_are_of_the_same_kind_and_leave_the_phrases_alone(part: str) -> None:
    rng = np.random.default_rng(3)
    n = 64
    events = {
        "melody": rng.integers(30, 60, (n, 32)).astype(np.uint8),
        "bass": rng.integers(20, 40, (n, 32)).astype(np.uint8),
        "drums": rng.integers(0, 512, (n, 32)).astype(np.int16),
        "groove": rng.random((n, 32, 27)).astype(np.float16),
    }[part]
    under = rng.integers(1, chords.N_CLASSES, (n, 32)).astype(np.uint8) if part == "bass" else None
    train = Material(events.copy(), under, np.arange(n, dtype=np.int32) // 8, tuple("abcdefgh"))
    varied = Source(part, {"train": train}, (), {}).augmented(np.random.default_rng(1))
    again = Source(part, {"train": train}, (), {}).augmented(np.random.default_rng(1))
    assert np.array_equal(train.events, events)
    assert (varied.events.shape, varied.events.dtype) == (events.shape, events.dtype)
    assert np.array_equal(varied.events, again.events)
    assert np.array_equal(varied.events, events) == (part == "groove")

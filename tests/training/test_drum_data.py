from __future__ import annotations

from pathlib import Path

import mido
import numpy as np
import pytest
from numpy.typing import NDArray

from brainmidi.codec import drums, groove
from brainmidi.errors import ConfigError
from brainmidi.training import drums as data
from brainmidi.training.drums import DrumExamples

#: Ticks of a sixteenth in the files that the tests write.
SIXTEENTH = 120
HEADER = "drummer,session,id,style,bpm,beat_type,time_signature,midi_filename,audio_filename,duration,split\n"
Hit = tuple[int, int, int]  # tick, pitch, velocity


def beat(n_bars: int, snare: int = 38) -> list[Hit]:
    """Kick and snare on alternate beats."""
    return [(480 * n, snare if n % 2 else 36, 60 + n) for n in range(4 * n_bars)]


def write(folder: Path, split: str, name: str, hits: list[Hit], metre: str = "4-4") -> None:
    """Add a performance to the data set in `folder`."""
    file = mido.MidiFile(ticks_per_beat=480)
    track = mido.MidiTrack()
    events = sorted([(t, 1, p, v) for t, p, v in hits] + [(t + 20, 0, p, 0) for t, p, _ in hits])
    now = 0
    for tick, _, pitch, velocity in events:
        # A note-on of velocity 0 is how the kit writes a note-off.
        track.append(mido.Message("note_on", channel=9, note=pitch, velocity=velocity, time=tick - now))
        now = tick
    file.tracks.append(track)
    file.save(folder / f"{name}.mid")
    index = folder / data.INDEX_FILE
    if not index.exists():
        index.write_text(HEADER)
    with index.open("a") as out:
        out.write(f"d,d/s,d/{name},rock,100,beat,{metre},{name}.mid,,9.6,{split}\n")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Three performances: one a split, the test's not the training's."""
    folder = tmp_path / "groove"
    folder.mkdir()
    write(folder, "train", "one", beat(4))
    write(folder, "validation", "two", beat(3))
    write(folder, "test", "three", [*beat(2), (2 * SIXTEENTH + 15, 26, 50)])
    return folder


def test_a_performance_gives_two_bars_from_every_bar_line(small: Path, tmp_path: Path) -> None:
    train = data.load(small, tmp_path / "cache")["train"]
    assert train.tokens.shape == (3, 32)
    assert train.grooves.shape == (3, 32, 27)
    assert (train.tokens.dtype, train.grooves.dtype) == (np.int16, np.float16)
    assert train.piece.tolist() == [0, 0, 0]
    assert train.names == ("d/one",)
    assert np.flatnonzero(train.tokens[0]).tolist() == list(range(0, 32, 4))


def test_hits_carry_their_velocity_and_how_late_they_were(small: Path, tmp_path: Path) -> None:
    examples = data.load(small, tmp_path / "cache")["test"]
    row = examples.grooves[0, 2].astype(np.float32)
    assert np.flatnonzero(row[groove.HITS]).tolist() == [drums.OPEN_HAT]
    assert row[9 + drums.OPEN_HAT] == pytest.approx(50 / 127, abs=1e-3)
    assert row[18 + drums.OPEN_HAT] == pytest.approx(-15 / 60, abs=1e-3)


def test_tokens_and_grooves_have_the_same_hits(small: Path, tmp_path: Path) -> None:
    for examples in data.load(small, tmp_path / "cache").values():
        np.testing.assert_array_equal(drums.unpack(examples.tokens), examples.grooves[..., groove.HITS] > 0)


def test_the_second_reading_comes_from_the_cache(small: Path, tmp_path: Path) -> None:
    first = data.load(small, tmp_path / "cache")
    for file in small.glob("*.mid"):
        file.unlink()
    again = data.load(small, tmp_path / "cache")
    for split, examples in first.items():
        assert again[split].names == examples.names
        for field in ("tokens", "grooves", "piece"):
            np.testing.assert_array_equal(getattr(again[split], field), getattr(examples, field))


def test_another_index_is_another_cache(small: Path, tmp_path: Path) -> None:
    data.load(small, tmp_path / "cache")
    write(small, "train", "four", beat(2))
    assert data.load(small, tmp_path / "cache")["train"].names == ("d/one", "d/four")


def test_other_metres_are_left_out(small: Path, tmp_path: Path) -> None:
    write(small, "train", "waltz", beat(4), metre="3-4")
    assert data.load(small, tmp_path / "cache")["train"].names == ("d/one",)


def test_a_bar_that_stops_before_its_last_beat_is_dropped() -> None:
    def bars(last_step: int) -> NDArray[np.float32]:
        rows = np.zeros((last_step + 1, 27), dtype=np.float32)
        rows[[0, 4, 8, 16, last_step], 0] = 1
        return rows

    assert len(data.windows(bars(31))) == len(data.windows(bars(28))) == 1
    assert len(data.windows(bars(27))) == 0
    assert len(data.windows(bars(32))) == 1
    assert data.windows(bars(28)).shape == (1, 32, 27)


def test_a_window_of_fewer_than_four_hits_is_dropped() -> None:
    rows = np.zeros((48, 27), dtype=np.float32)
    rows[[0, 4, 8, 20, 44], 0] = 1
    (kept,) = data.windows(rows)
    assert np.flatnonzero(kept[:, 0]).tolist() == [0, 4, 8, 20]


def test_a_silent_performance_has_no_windows() -> None:
    assert data.windows(np.zeros((64, 27), dtype=np.float32)).shape == (0, 32, 27)


def examples_of(rows: list[list[int]]) -> DrumExamples:
    tokens = np.array(rows, dtype=np.int16)
    grooves = np.zeros((*tokens.shape, 27), dtype=np.float16)
    return DrumExamples(tokens, grooves, np.zeros(len(tokens), dtype=np.int32), ("d/x",))


def test_a_held_out_pattern_that_training_has_too_is_taken_out_and_counted() -> None:
    a, b, c = ([n] * 32 for n in (1, 2, 3))
    rows, left_out = data.patterns(
        {"train": examples_of([a, b, a]), "validation": examples_of([a, c, c]), "test": examples_of([a, b])}
    )
    assert rows["train"].tolist() == [a, b]
    assert rows["validation"].tolist() == [c]
    assert rows["test"].shape == (0, 32)
    assert left_out == {"validation": 1, "test": 2}


def test_a_folder_without_its_index_is_refused_with_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"info\.csv is missing; give the Groove MIDI Dataset's folder"):
        data.load(tmp_path, tmp_path / "cache")


def test_a_file_that_the_index_names_and_the_folder_lacks_is_named(small: Path, tmp_path: Path) -> None:
    (small / "one.mid").unlink()
    with pytest.raises(ConfigError, match=r"one\.mid cannot be read .* unpack the Groove MIDI Dataset anew"):
        data.load(small, tmp_path / "cache")
    assert not (tmp_path / "cache").exists()


def test_a_split_without_windows_is_refused(tmp_path: Path) -> None:
    write(tmp_path, "train", "one", beat(4))
    with pytest.raises(ConfigError, match="in the validation split"):
        data.load(tmp_path, tmp_path / "cache")


def distinct_bars(n: int) -> tuple[NDArray[np.int16], NDArray[np.int32]]:
    """Patterns of which each bar has a token of its own, kick and snare alone; four to a performance."""
    tokens = np.random.default_rng(0).integers(0, 4, (n, 32)).astype(np.int16)
    return tokens, np.repeat(np.arange(n // 4, dtype=np.int32), 4)


def test_a_varied_pattern_is_made_of_bars_of_its_own_performance() -> None:
    tokens, piece = distinct_bars(400)
    varied = data.augmented(tokens, piece, np.random.default_rng(1))
    assert varied.shape == tokens.shape
    kinds = {"same": 0, "own": 0, "other": 0}
    for row, old, at in zip(varied, tokens, piece, strict=True):
        of_piece = {bar.tobytes() for bar in tokens[piece == at].reshape(-1, 16)}
        own = {bar.tobytes() for bar in old.reshape(2, 16)}
        new = [bar.tobytes() for bar in row.reshape(2, 16)]
        assert set(new) <= of_piece
        kinds["same" if row.tobytes() == old.tobytes() else "own" if set(new) <= own else "other"] += 1
    assert all(count > 20 for count in kinds.values())


def test_a_performance_of_one_window_is_varied_by_itself() -> None:
    tokens, _ = distinct_bars(64)
    varied = data.augmented(tokens, np.arange(64), np.random.default_rng(1))
    for row, old in zip(varied, tokens, strict=True):
        own = {bar.tobytes() for bar in old.reshape(2, 16)}
        assert {bar.tobytes() for bar in row.reshape(2, 16)} <= own


def test_the_ride_stands_for_the_closed_hi_hat_and_toms_turn_round() -> None:
    hat, ride, low, high = (1 << k for k in (drums.CLOSED_HAT, drums.RIDE, drums.LOW_TOM, drums.HIGH_TOM))
    tokens = np.full((400, 32), hat + low + 1, dtype=np.int16)
    varied = data.augmented(tokens, np.zeros(400, dtype=np.int32), np.random.default_rng(2))
    assert set(np.unique(varied)) == {hat + low + 1, ride + low + 1, hat + high + 1, ride + high + 1}
    assert (varied == varied[:, :1]).all()


def test_the_same_generator_varies_alike() -> None:
    tokens, piece = distinct_bars(64)
    first, second = (data.augmented(tokens, piece, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(first, second)

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from piano_files import N_NOTES, folder_of, write

from brainmidi.codec import played
from brainmidi.errors import ConfigError
from brainmidi.training import performed
from brainmidi.training.performed import read_played, varied


def test_notes_sound_as_long_as_the_pedal_holds_them_and_drums_are_left_out(tmp_path: Path) -> None:
    pieces = read_played(folder_of(tmp_path / "in"), tmp_path / "cache")
    assert {piece.split for piece in pieces} == {"train", "validation", "test"}
    for piece in pieces:
        assert piece.notes.shape == (N_NOTES, 4)
        np.testing.assert_allclose(piece.notes[:4, 1], 0.6, atol=1e-3)
        np.testing.assert_allclose(piece.notes[4:, 1] - piece.notes[4:, 0], 0.1, atol=1e-3)
    events = pieces[0].events()
    np.testing.assert_allclose(played.decode(events.tokens)[:, :3], pieces[0].notes[:, :3], atol=0.006)


def test_the_second_reading_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path / "in")
    first = read_played(folder, tmp_path / "cache")
    monkeypatch.setattr(performed, "_sounding", lambda _: 1 / 0)
    again = read_played(folder, tmp_path / "cache")
    assert [piece.name for piece in again] == [piece.name for piece in first]
    assert all(np.array_equal(a.notes, b.notes) for a, b in zip(first, again, strict=True))


def test_a_damaged_file_is_left_out_and_a_folder_without_notes_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "in")
    (folder / "text.mid").write_text("no music")
    assert len(read_played(folder, tmp_path / "cache")) == 3
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "text.mid").write_text("no music")
    with pytest.raises(ConfigError, match=r"0 of 1 MIDI files under .* hold notes, 1 is needed"):
        read_played(tmp_path / "none", tmp_path / "cache")
    write(tmp_path / "one" / "a.mid")
    with pytest.raises(ConfigError, match="1 is needed; add pieces"):
        read_played(tmp_path / "one", tmp_path / "cache")


def test_variants_begin_at_once_and_stay_on_the_keyboard() -> None:
    notes = np.array([[2.0, 3.0, 107, 64], [4.0, 4.5, 30, 64]])
    moved = varied(notes, 1.05, 3)
    assert moved.tolist() == [[0.0, 1.05, 108, 64], [2.1, 2.625, 31, 64]]
    assert varied(notes, 1.0, -3)[:, 2].tolist() == [104, 27]

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from brainmidi.codec import played
from brainmidi.errors import ConfigError
from brainmidi.training import performed
from brainmidi.training.corpora import split_of
from brainmidi.training.performed import read_played, varied

N_NOTES = 300


def write(path: Path, *, pedal: bool = True, first: int = 60) -> None:
    """Write a piano that plays a note every 150 ms, each a tenth long, and a drum."""
    import pretty_midi

    midi = pretty_midi.PrettyMIDI(resolution=960)
    piano, kit = pretty_midi.Instrument(0), pretty_midi.Instrument(0, is_drum=True)
    for n in range(N_NOTES):
        at = 0.15 * n
        piano.notes.append(pretty_midi.Note(50 + n % 40, first + n % 7, at, at + 0.1))
        kit.notes.append(pretty_midi.Note(100, 38, at, at + 0.05))
    if pedal:
        piano.control_changes += [pretty_midi.ControlChange(64, 127, 0.0), pretty_midi.ControlChange(64, 0, 0.6)]
    midi.instruments += [piano, kit]
    path.parent.mkdir(parents=True, exist_ok=True)
    midi.write(str(path))


def folder_of(folder: Path) -> Path:
    """Return a folder with a file for each split."""
    names: dict[str, str] = {}
    for n in range(400):
        names.setdefault(split_of(f"{n}.mid"), f"{n}.mid")
    for n, name in enumerate(names.values()):
        write(folder / name, first=60 + n)
    return folder


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

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from brainmidi.codec import chords, melody
from brainmidi.errors import ConfigError
from brainmidi.training import basslines, corpora, folder, melodies, midifile
from brainmidi.training.folder import drum_examples, read_folder
from brainmidi.training.midifile import read_midi

TICKS = 96
SCALE = (72, 74, 76, 77, 79, 77, 76, 74)
TRIADS = ((60, 64, 67), (60, 65, 69), (59, 62, 67), (60, 64, 67))
ROOTS = (36, 41, 43, 36)
Notes = list[tuple[float, float, int]]
#: C major, all of it clear: four bars of eighths, of half-note chords, of half-note roots.
TUNE: Notes = [(n / 2, 0.5, SCALE[n % 8]) for n in range(32)]
HARMONY: Notes = [(2.0 * n, 2.0, p) for n in range(8) for p in TRIADS[n % 4]]
BASS: Notes = [(2.0 * n, 1.0, ROOTS[n % 4]) for n in range(8)] + [(2.0 * n + 1, 1.0, ROOTS[n % 4]) for n in range(8)]
BEAT: Notes = [(n / 2, 0.25, 42) for n in range(32)] + [(float(n), 0.25, 36 if n % 2 == 0 else 38) for n in range(16)]


@dataclass
class File:
    """A MIDI file to be written: tracks of name, program (None: drums) and notes in beats; metres and tempi by beat."""

    tracks: list[tuple[str, int | None, Notes]]
    metres: list[tuple[float, int, int]] = field(default_factory=lambda: [(0.0, 4, 4)])
    tempi: list[tuple[float, float]] = field(default_factory=lambda: [(0.0, 120.0)])

    def write(self, path: Path, shift: int = 0) -> Path:
        """Write it, `shift` semitones higher (drums stay)."""
        import mido

        midi = mido.MidiFile(ticks_per_beat=TICKS)
        meta = [(at, mido.MetaMessage("time_signature", numerator=n, denominator=d)) for at, n, d in self.metres]
        meta += [(at, mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(bpm))) for at, bpm in self.tempi]
        midi.tracks.append(track_of(meta))
        for channel, (name, program, notes) in enumerate(self.tracks):
            where = 9 if program is None else channel
            events = [(0.0, mido.MetaMessage("track_name", name=name))]
            events.append((0.0, mido.Message("program_change", program=program or 0, channel=where)))
            for start, length, pitch in notes:
                key = pitch if program is None else pitch + shift
                events.append((start, mido.Message("note_on", note=key, velocity=90, channel=where)))
                events.append((start + length, mido.Message("note_off", note=key, channel=where)))
            midi.tracks.append(track_of(events))
        path.parent.mkdir(parents=True, exist_ok=True)
        midi.save(path)
        return path


def track_of(events: list) -> list:
    import mido

    track, at = mido.MidiTrack(), 0
    for beat, message in sorted(events, key=lambda e: (e[0], e[1].type == "note_on")):
        tick = round(beat * TICKS)
        track.append(message.copy(time=tick - at))
        at = tick
    return track


def band() -> File:
    return File([("Piano", 0, HARMONY), ("Lead", 80, TUNE), ("Fingered", 33, BASS), ("Drums", None, BEAT)])


def later(notes: Notes, beats: float) -> Notes:
    return [(start + beats, length, pitch) for start, length, pitch in notes]


def test_melody_bass_chords_and_drums_come_from_their_tracks(tmp_path: Path) -> None:
    music = read_midi(band().write(tmp_path / "a.mid"), "a.mid")
    (tune,), (song,), (hits,) = music.melodies, music.bands, music.hits
    assert tune.parts[0] == tuple((Fraction(n, 2), Fraction(1, 2), SCALE[n % 8]) for n in range(32))
    assert (tune.tonic, tune.mode) == (0, "major")
    assert tune.bar_starts == tuple(Fraction(4 * n) for n in range(4))
    assert [pitch for _, _, pitch in song.parts[-1]] == [pitch for _, _, pitch in sorted(BASS)]
    _, classes = basslines.windows(song, slow=False)[0]
    assert classes[::8].tolist() == [chords.encode(root, "major") for root in (0, 5, 7, 0)]
    assert len(hits) == len(BEAT)
    assert hits[:2, 0].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("shift", [1, 5, 10])
def test_melodies_of_any_key_stand_on_c(tmp_path: Path, shift: int) -> None:
    plain = read_midi(band().write(tmp_path / "a.mid"), "a").melodies[0]
    moved = read_midi(band().write(tmp_path / "b.mid", shift), "b").melodies[0]
    assert moved.tonic == shift
    classes = [[int(t) % 12 if t >= 2 else -1 for t in row] for row in melodies.windows(plain)]
    assert [[int(t) % 12 if t >= 2 else -1 for t in row] for row in melodies.windows(moved)] == classes


def test_tempo_changes_move_no_note_off_its_beat(tmp_path: Path) -> None:
    steady = read_midi(band().write(tmp_path / "a.mid"), "x")
    file = band()
    file.tempi = [(0.0, 97.0), (3.3, 61.0), (8.0, 203.0)]
    changing = read_midi(file.write(tmp_path / "b.mid"), "x")
    assert changing.melodies == steady.melodies
    assert changing.bands == steady.bands


def test_only_stretches_in_bars_of_four_quarters_are_used(tmp_path: Path) -> None:
    waltz = [(n * 1.0, 1.0, 90) for n in range(9)]
    file = File([("Lead", 80, TUNE + later(waltz, 16) + later(TUNE, 25))], [(0.0, 4, 4), (16.0, 3, 4), (25.0, 2, 2)])
    music = read_midi(file.write(tmp_path / "a.mid"), "a")
    first, second = music.melodies
    assert first.parts == second.parts
    assert max(pitch for _, _, pitch in first.parts[0]) < 90
    assert first.name == second.name == "a"  # so that they share a split


def test_a_track_that_is_called_a_melody_is_preferred_to_a_higher_one(tmp_path: Path) -> None:
    descant = [(start, length, pitch + 12) for start, length, pitch in TUNE]
    for name, found in (("MELODY", 72), ("Strings", 84)):
        file = File([("Flute", 73, descant), (name, 52, TUNE), ("Piano", 0, HARMONY)])
        music = read_midi(file.write(tmp_path / f"{name}.mid"), name)
        assert music.melodies[0].parts[0][0][2] == found


def test_a_piano_alone_gives_its_highest_and_its_lowest_voice(tmp_path: Path) -> None:
    file = File([("Piano", 0, TUNE + HARMONY + BASS)])
    music = read_midi(file.write(tmp_path / "a.mid"), "a")
    assert [p for _, _, p in music.melodies[0].parts[0]] == [p for _, _, p in TUNE]
    assert [p for _, _, p in music.bands[0].parts[-1]] == [p for _, _, p in sorted(BASS)]


def test_annotated_beats_are_believed_before_the_file(tmp_path: Path) -> None:
    """As in POP909: the file says 1/4, its grid lies off its ticks, and the tune begins on the fourth beat."""
    file = File([("MELODY", 0, later(TUNE, 3.3)), ("PIANO", 0, later(HARMONY + BASS, 3.3))], [(0.0, 1, 4)])
    path = file.write(tmp_path / "a.mid")
    rows = [f"{(0.3 + n) / 2} {n % 2} {float(n % 4 == 3)}" for n in range(20)]
    (tmp_path / "beat_midi.txt").write_text("\n".join(rows))
    (tune,) = read_midi(path, "a").melodies
    assert tune.parts[0][:2] == ((Fraction(0), Fraction(1, 2), 72), (Fraction(1, 2), Fraction(1, 2), 74))
    assert len(tune.bar_starts) == 4


def test_a_folder_names_each_file_that_it_leaves_out_and_why(tmp_path: Path) -> None:
    band().write(tmp_path / "in" / "deep" / "good.MID")
    File([("Lead", 80, TUNE)], [(0.0, 3, 4)]).write(tmp_path / "in" / "waltz.mid")
    File([("Lead", 80, [])]).write(tmp_path / "in" / "empty.midi")
    whole = (tmp_path / "in" / "deep" / "good.MID").read_bytes()
    (tmp_path / "in" / "cut.mid").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "in" / "text.mid").write_text("no music")
    found = read_folder(tmp_path / "in", tmp_path / "cache")
    reasons = dict(found.left_out)
    assert set(reasons) == {"waltz.mid", "empty.midi", "cut.mid", "text.mid"}
    assert reasons["waltz.mid"] == "no 2 bars of 4/4 in a row (time signatures: 3/4)"
    assert "cannot be read as MIDI" in reasons["cut.mid"]
    assert "cannot be read as MIDI" in reasons["text.mid"]
    assert found.melodies[0].name == "deep/good.MID"
    lines = found.summary().splitlines()
    assert lines[0] == "5 files: 1 with a melody, 1 with a bass under harmony, 1 with drums, 4 left out"
    assert len(lines) == 5


def test_the_second_reading_comes_from_the_cache_until_a_file_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, cache = tmp_path / "in", tmp_path / "cache"
    band().write(data / "a.mid")
    first = read_folder(data, cache)
    monkeypatch.setattr(folder, "read_midi", refuse)
    second = read_folder(data, cache)
    assert (second.melodies, second.bands, second.left_out) == (first.melodies, first.bands, first.left_out)
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first.hits, second.hits, strict=True))
    band().write(data / "a.mid", 2)
    with pytest.raises(KeyboardInterrupt):
        read_folder(data, cache)


def test_a_killed_reading_leaves_nothing_that_is_taken_for_data(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, cache = tmp_path / "in", tmp_path / "cache"
    for name in ("a", "b"):
        band().write(data / f"{name}.mid")
    read: Callable[..., midifile.FileMusic] = midifile.read_midi
    monkeypatch.setattr(folder, "read_midi", lambda path, name: refuse() if name == "b.mid" else read(path, name))
    with pytest.raises(KeyboardInterrupt):
        read_folder(data, cache)
    monkeypatch.setattr(folder, "read_midi", read)
    assert {piece.name for piece in read_folder(data, cache).melodies} == {"a.mid", "b.mid"}


def test_progress_counts_every_file(tmp_path: Path) -> None:
    band().write(tmp_path / "in" / "a.mid")
    (tmp_path / "in" / "b.mid").write_text("no music")
    told: list[tuple[int, int]] = []
    read_folder(tmp_path / "in", tmp_path / "cache", lambda done, total: told.append((done, total)))
    assert told == [(1, 2), (2, 2)]


def test_a_folder_without_music_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is no folder"):
        read_folder(tmp_path / "none", tmp_path / "cache")
    with pytest.raises(ConfigError, match="0 MIDI files are under"):
        read_folder(tmp_path, tmp_path / "cache")
    (tmp_path / "b.mid").write_text("no music")
    with pytest.raises(ConfigError, match=r"0 of 1 MIDI files .* can be used, 1 is needed; b\.mid: cannot be read"):
        read_folder(tmp_path, tmp_path / "cache")


def test_a_folder_is_split_by_file_into_the_recipes_own_data(tmp_path: Path) -> None:
    """Every recipe takes the folder's pieces as it takes the corpora's."""
    names: dict[str, str] = {}
    for n in range(400):
        names.setdefault(corpora.split_of(f"{n}.mid"), f"{n}.mid")
    rng = np.random.default_rng(0)
    for name in names.values():
        tune: Notes = [(n / 2, 0.5, int(p)) for n, p in enumerate(rng.choice(SCALE, 32))]
        bass: Notes = [(float(n), 1.0, int(p)) for n, p in enumerate(rng.choice([36, 40, 43, 45], 16))]
        beat: Notes = [(n / 4, 0.25, int(p)) for n, p in enumerate(rng.choice([36, 38, 42, 46], 64))]
        File([("Piano", 0, HARMONY), ("Lead", 80, tune), ("Bass", 33, bass), ("Kit", None, beat)]).write(
            tmp_path / "in" / name
        )
    found = read_folder(tmp_path / "in", tmp_path / "cache")
    basses = basslines.dataset(found.bands, slow=False)
    tunes = melodies.dataset(list(found.melodies))
    kits = drum_examples(found)
    for split, name in names.items():
        assert basses[split].names == kits[split].names == (name,)
        assert len(basses[split]) == len(tunes[split]) == len(kits[split].tokens) == 3
        assert (basses[split].tokens < melody.N_CLASSES).all()
    assert kits["train"].grooves.shape == (3, 32, 27)


def refuse(*_: object) -> midifile.FileMusic:
    raise KeyboardInterrupt

"""Going on from a MIDI file: what the model is told of it, and what it is asked for."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import mido
import pytest
from bar_models import DreamingModel
from midi_files import write_notes

from brainmidi.codec import bars
from brainmidi.codec import chords as chord_codec
from brainmidi.drivers.goon import chords_after, go_on
from brainmidi.drivers.prompt import read_prompt
from brainmidi.drivers.steering import Controls
from brainmidi.errors import MidiError, MusicError
from brainmidi.midi.append import append_notes
from brainmidi.midi.song import Song, SongNote, read_song
from brainmidi.music.harmony import Key
from brainmidi.music.keyfinder import find_key

D, A, C, G = (chord_codec.encode(root, "major") for root in (2, 9, 0, 7))


def song(*rows: tuple[float, float, int, str], metres=((Fraction(0), 4, 4),)) -> Song:
    """Return a song of notes (start, length, pitch, track), each track on its own channel."""
    tracks = list(dict.fromkeys(row[3] for row in rows))
    notes = [
        SongNote(Fraction(start), Fraction(start + length), pitch, 80, tracks.index(track), track)
        for start, length, pitch, track in rows
    ]
    return Song("tune.mid", tuple(sorted(notes, key=lambda note: note.start)), metres)


BAND = song(
    *[(beat, 1, pitch, "lead") for beat, pitch in enumerate((74, 78, 81, 78, 76, 73, 69, 73))],
    *[(start, 4, pitch, "keys") for start, chord in ((0, (62, 66, 69)), (4, (61, 64, 69))) for pitch in chord],
    (0, 4, 38, "low"),
    (4, 4, 45, "low"),
)


def test_the_model_is_told_parts_bars_and_chords_with_the_tonic_on_c():
    prompt = read_prompt(BAND, Key("D"), style="bach")
    assert (prompt.key, prompt.end, prompt.score.style) == (Key("D"), Fraction(8), "bach")
    assert [(bar.length, bar.chords) for bar in prompt.score.bars] == [(16, ((0, C),)), (16, ((0, G),))]
    first = {part: [n.pitch for n in prompt.score.bars[0].notes if n.part == part] for part in bars.PARTS}
    assert first == {"melody": [72, 76, 79, 76], "bass": [36], "accompaniment": [60, 64, 67]}
    assert prompt.homes == {"melody": ("lead", 0), "accompaniment": ("keys", 1), "bass": ("low", 2)}


def test_what_one_track_plays_below_its_melody_is_accompaniment_and_gets_a_track_of_its_own():
    prompt = read_prompt(song((0, 2, 72, "piano"), (0, 2, 64, "piano"), (2, 2, 71, "piano")), Key("C"))
    notes = prompt.score.bars[0].notes
    assert {(note.pitch, note.part) for note in notes} == {(72, "melody"), (64, "accompaniment"), (71, "melody")}
    assert prompt.homes["melody"] == ("piano", 0)
    assert {prompt.homes[part] for part in ("bass", "accompaniment")} == {("bass", 2), ("accompaniment", 1)}


@pytest.mark.parametrize(
    ("metre", "length", "split"), [((3, 4), 12, 1), ((6, 8), 12, 1), ((12, 8), 12, 2), ((6, 4), 12, 2), ((5, 4), 4, 5)]
)
def test_a_bar_of_more_than_four_beats_is_several_of_the_models(metre, length, split):
    prompt = read_prompt(song((0, 1, 72, "tune"), metres=((Fraction(0), *metre),)))
    assert (prompt.length, prompt.split) == (length, split)
    assert [bar.length for bar in prompt.score.bars] == [length] * split
    assert prompt.end * 4 == length * split


def test_a_note_let_go_a_little_late_makes_no_bar_of_its_own():
    assert read_prompt(song((0, 4.05, 72, "tune"))).end == 4
    assert read_prompt(song((0, 4.5, 72, "tune"))).end == 8


def test_chords_go_on_as_the_last_bars_or_as_they_are_given():
    prompt = read_prompt(BAND, Key("D"))
    assert chords_after(prompt, 3) == [((0, C),), ((0, G),), ((0, C),)]
    given = chords_after(prompt, 2, "D A | A")
    assert given == [((0, C), (8, G)), ((0, G),)]
    long = read_prompt(song((0, 1, 62, "tune"), metres=((Fraction(0), 12, 8),)), Key("D"))
    assert chords_after(long, 2, "D A | A") == [((0, C),), ((0, G),), ((0, G),), ((0, G),)]
    with pytest.raises(MusicError, match="not understood"):
        chords_after(prompt, 2, "D H")


def test_it_goes_on_from_the_bar_line_in_the_files_key_with_the_parts_that_are_asked_for():
    prompt = read_prompt(BAND, Key("D"))
    chords = chords_after(prompt, 6)
    notes = go_on(DreamingModel(3), prompt, chords, ["bass", "melody"], Controls(harmony=1.0, density=0.8), 1)
    assert len(notes) > 12
    assert {(note.track, note.channel) for note in notes} == {("lead", 0), ("low", 2)}
    assert all(8 <= note.start < note.end <= 32 for note in notes)
    for line in ("lead", "low"):
        row = [note for note in notes if note.track == line]
        assert all(a.end <= b.start or a.start == b.start for a, b in pairwise(row))
    scale = set(Key("D").classes)
    assert {note.pitch % 12 for note in notes} <= scale
    for note in notes:
        if note.start.denominator == 1:
            assert note.pitch % 12 in ({2, 6, 9} if int(note.start // 4) % 2 == 0 else {9, 1, 4})
    assert notes == go_on(DreamingModel(3), prompt, chords, ["bass", "melody"], Controls(harmony=1.0, density=0.8), 1)


def test_what_cannot_be_gone_on_from_is_refused_in_a_line():
    with pytest.raises(MidiError, match="no notes"):
        read_prompt(song())
    with pytest.raises(MidiError, match="sixteenths"):
        read_prompt(song((0, 1, 60, "tune"), metres=((Fraction(0), 7, 32),)))


def test_every_key_is_found_from_its_own_cadence():
    for tonic, name in ((0, "C"), (6, "F#"), (10, "Bb")):
        major, minor = [0.0] * 12, [0.0] * 12
        for row, chords in (
            (major, (0, 4, 7, 5, 9, 0, 7, 11, 2, 0, 4, 7)),
            (minor, (0, 3, 7, 5, 8, 0, 7, 11, 2, 0, 3, 7)),
        ):
            for tone in chords:
                row[(tonic + tone) % 12] += 1
        assert (find_key(major), find_key(minor)) == (Key(name), Key(name, "minor"))


def test_the_file_stays_as_it_is_and_notes_come_after_it_on_their_tracks(tmp_path: Path):
    source, out = tmp_path / "a.mid", tmp_path / "b.mid"
    write_notes(source, [(0, 2, 60), (2, 2.05, 64)], track="lead", metre=(2, 4), channel=4)
    added = [
        SongNote(Fraction(n), Fraction(n + 1), 64, 80, channel, track)
        for n, channel, track in ((4, 4, "lead"), (5, 2, "bass"))
    ]
    append_notes(source, out, added, Fraction(4), Fraction(6))
    before, after = read_song(source), read_song(out)
    assert [(n.start, n.end, n.pitch, n.channel, n.track) for n in after.notes] == [
        (0, 2, 60, 4, "lead"),
        (2, 4, 64, 4, "lead"),
        (4, 5, 64, 4, "lead"),
        (5, 6, 64, 2, "bass"),
    ]
    assert after.metres == before.metres
    song = mido.MidiFile(out)
    assert (song.type, song.ticks_per_beat, [sum(m.time for m in track) for track in song.tracks]) == (
        1,
        480,
        [2880] * 2,
    )

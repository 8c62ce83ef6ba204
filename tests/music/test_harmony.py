"""Keys, chords and progressions, as musicians write them."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import MusicError
from brainmidi.music.harmony import MODES, Chord, Key, Metre, Progression, default_progression

TONICS = ("C", "C#", "Db", "D", "D#", "Eb", "E", "F", "F#", "Gb", "G", "G#", "Ab", "A", "A#", "Bb", "B", "Cb")
KEYS = st.builds(Key, st.sampled_from(TONICS), st.sampled_from(sorted(MODES)))
FOUR = Metre(4, 4)


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("D dorian", "D E F G A B C"),
        ("Bb", "Bb C D Eb F G A"),
        ("Am", "A B C D E F G"),
        ("f# harmonic  Minor", "F# G# A B C# D E#"),
        ("G blues", "G Bb C Db D F"),
        ("E♭ pentatonic", "Eb F G Bb C"),
        ("C ionian", "C D E F G A B"),
        ("A aeolian", "A B C D E F G"),
        ("B locrian", "B C D E F G A"),
    ],
)
def test_a_key_spells_one_letter_a_degree(text, spelled):
    assert Key.parse(text).spelled == tuple(spelled.split())


@pytest.mark.parametrize("text", ["", "H minor", "D dorain", "D# # minor", "minor"])
def test_a_key_that_is_none_names_the_modes(text):
    with pytest.raises(MusicError, match="dorian"):
        Key.parse(text)


@pytest.mark.parametrize(
    ("text", "sharps", "minor"),
    [
        ("C major", 0, False),
        ("D dorian", 0, True),
        ("E minor", 1, True),
        ("Am", 0, True),
        ("G", 1, False),
        ("E phrygian", 0, True),
        ("F lydian", 0, False),
        ("G mixolydian", 0, False),
        ("B locrian", 0, True),
        ("Eb dorian", -5, True),
        ("Eb major", -3, False),
        ("C harmonic minor", -3, True),
        ("G blues", -2, True),
        ("A minor pentatonic", 0, True),
        ("G# major", -4, False),
    ],
)
def test_the_signature_is_that_of_the_mode_and_a_remote_key_is_respelled(text, sharps, minor):
    assert (Key.parse(text).sharps, Key.parse(text).is_minor) == (sharps, minor)


@given(KEYS)
def test_every_key_has_rising_intervals_from_its_tonic_and_can_be_read_back(key):
    assert list(key.intervals) == sorted(set(key.intervals))
    assert key.classes[0] == key.tonic_class
    assert Key.parse(str(key)) == key
    assert -7 <= key.sharps <= 7
    assert key.transposition % 12 == key.tonic_class
    assert -6 <= key.transposition <= 5


@given(KEYS)
def test_the_default_progression_lies_in_the_key_closes_on_its_tonic_and_fills_a_form(key):
    bars = default_progression(key).bars
    assert len(bars) == 8
    assert bars[-1][0].classes[0] == key.tonic_class
    assert key.tonic_chord() == bars[-1][0]
    if key.mode not in ("blues", "major pentatonic", "minor pentatonic", "harmonic minor", "melodic minor"):
        assert all(set(chord.classes) <= set(key.classes) for bar in bars for chord in bar)


@pytest.mark.parametrize(
    ("symbol", "names", "bass"),
    [
        ("Dm7", "D F A C", "D"),
        ("G7", "G B D F", "G"),
        ("Cmaj7", "C E G B", "C"),
        ("CΔ", "C E G B", "C"),
        ("F#m7b5", "F# A C E", "F#"),
        ("Bø", "B D F A", "B"),
        ("C/E", "C E G", "E"),
        ("Bbmin7", "Bb Db F Ab", "Bb"),
        ("E+", "E G# B#", "E"),
        ("D♭maj7", "Db F Ab C", "Db"),
    ],
)
def test_a_chord_symbol_spells_its_tones(symbol, names, bass):
    chord = Chord.parse(symbol)
    assert chord.names == tuple(names.split())
    assert chord.bass == bass


@pytest.mark.parametrize("symbol", ["H7", "Cfoo", "", "C//E", "C/H", "c7"])
def test_a_symbol_that_is_no_chord_is_one_line_with_the_remedy(symbol):
    with pytest.raises(MusicError, match=r"write a root A to G") as caught:
        Chord.parse(symbol)
    assert repr(symbol) in str(caught.value)


def test_a_chord_tone_outside_the_scale_replaces_the_tone_of_its_letter():
    tones = Chord.parse("E7").tones(Key.parse("C"))
    assert 8 in tones.allowed  # G sharp has come,
    assert 7 not in tones.allowed  # G has gone,
    assert 9 in tones.allowed  # and A, its other neighbour, stays
    assert Chord.parse("Bb7").tones(Key.parse("C")).allowed == {0, 2, 4, 5, 7, 8, 10}


def test_the_blues_keeps_both_thirds():
    assert {3, 4} <= Chord.parse("C7").tones(Key.parse("C blues")).allowed


@given(KEYS, st.sampled_from(["", "m", "7", "maj7", "m7b5", "dim7", "sus4"]), st.sampled_from(TONICS))
def test_chord_tones_are_always_allowed_and_transposing_keeps_what_is(key, quality, root):
    tones = Chord.parse(root + quality).tones(key)
    assert tones.chord <= tones.allowed
    assert tones.allowed <= set(key.classes) | tones.chord
    assert tones.transposed(5).transposed(-5) == tones


def test_without_bar_lines_every_chord_lasts_a_bar():
    progression = Progression.parse("Dm7 G7 Cmaj7", Key.parse("C"))
    assert str(progression) == "Dm7 | G7 | Cmaj7"
    assert progression.bar(4, FOUR)[0][1].symbol == "G7"


def test_between_bar_lines_chords_share_the_bar_on_its_beats():
    progression = Progression.parse("| Dm7 G7 | Cmaj7 | % |", Key.parse("C"))
    assert [(beat, chord.symbol) for beat, chord in progression.bar(0, FOUR)] == [(0, "Dm7"), (2, "G7")]
    assert [beat for beat, _ in progression.bar(0, Metre(3, 4))] == [0, 2]
    assert [beat for beat, _ in progression.bar(0, Metre(6, 8))] == [0, Fraction(3, 2)]
    assert progression.bars[1] == progression.bars[2]


def test_more_chords_than_pulses_are_refused():
    progression = Progression.parse("C F G | C", Key.parse("C"))
    progression.check(FOUR)
    with pytest.raises(MusicError, match="bar 1 has 3 chords, 6/8 has room for 2"):
        progression.check(Metre(6, 8))


@pytest.mark.parametrize("text", ["%", "C | | G", "C % | G", "|"])
def test_a_bar_without_its_chord_is_refused(text):
    with pytest.raises(MusicError, match="write"):
        Progression.parse(text, Key.parse("C"))


def test_no_text_gives_the_default():
    key = Key.parse("D dorian")
    assert Progression.parse("  ", key) == default_progression(key)

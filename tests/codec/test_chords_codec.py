from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.codec import chords
from brainmidi.errors import CodecError

classes = st.integers(0, chords.N_CLASSES - 1)
roots = st.integers(0, 11)


@pytest.mark.parametrize("index", range(1, chords.N_CLASSES))
def test_every_class_survives_decoding_and_encoding(index: int) -> None:
    triad = chords.decode(index)
    assert triad is not None
    assert chords.encode(*triad) == index
    assert chords.encode_symbol(triad[0], chords.tones(index)) == index


def test_no_chord_has_no_triad_and_no_tones() -> None:
    assert chords.decode(chords.NO_CHORD) is None
    assert chords.tones(chords.NO_CHORD) == frozenset()
    assert chords.encode_symbol(7, ()) == chords.NO_CHORD


@given(roots, st.frozensets(roots, min_size=1))
def test_any_tones_at_all_have_a_class_on_their_root(root: int, tones: frozenset[int]) -> None:
    triad = chords.decode(chords.encode_symbol(root, tones))
    assert triad is not None
    assert triad[0] == root


@given(roots, st.frozensets(roots, min_size=1), st.integers(-30, 30))
def test_encoding_a_transposed_chord_is_transposing_its_class(root: int, tones: frozenset[int], shift: int) -> None:
    moved = chords.encode_symbol((root + shift) % 12, frozenset((tone + shift) % 12 for tone in tones))
    assert chords.transpose([chords.encode_symbol(root, tones)], shift).tolist() == [moved]


@given(st.lists(classes, max_size=8), st.integers(-30, 30), st.integers(-30, 30))
def test_two_transpositions_are_one_by_their_sum(row: list[int], first: int, second: int) -> None:
    once = chords.transpose(row, first + second)
    assert chords.transpose(chords.transpose(row, first), second).tolist() == once.tolist()
    assert chords.transpose(row, 12).tolist() == row


@given(st.lists(classes, min_size=2, max_size=2), st.lists(st.integers(-12, 12), min_size=2, max_size=2))
def test_rows_of_a_batch_move_each_by_its_own_shift(row: list[int], shifts: list[int]) -> None:
    batch = np.array(row)[:, None]
    moved = chords.transpose(batch, np.array(shifts)[:, None])
    assert [int(m[0]) for m in moved] == [int(chords.transpose([c], s)[0]) for c, s in zip(row, shifts, strict=True)]


@pytest.mark.parametrize(
    ("intervals", "quality"),
    [
        ((0, 5, 7), "major"),
        ((0, 7), "major"),
        ((0, 3), "minor"),
        ((0, 4, 8, 10), "augmented"),
        ((0, 3, 6, 9), "diminished"),
    ],
)
def test_chords_that_are_no_triad_get_the_nearest(intervals: tuple[int, ...], quality: str) -> None:
    assert chords.decode(chords.encode_symbol(2, [(2 + i) % 12 for i in intervals])) == (2, quality)


@pytest.mark.parametrize(
    "kind", ["", "m", "aug", "dim", "7", "maj7", "m7", "m7b5", "dim7", "6", "m6", "9", "m9", "add9"]
)
@pytest.mark.parametrize("name", ["C", "C#", "Eb", "F#", "Ab", "B"])
def test_classes_are_those_of_note_seq(name: str, kind: str) -> None:
    from note_seq import TriadChordOneHotEncoding, chord_symbols_lib

    figure = name + kind
    root = chord_symbols_lib.chord_symbol_root(figure)
    tones = frozenset(pitch % 12 for pitch in chord_symbols_lib.chord_symbol_pitches(figure))
    theirs = TriadChordOneHotEncoding()
    ours = chords.encode_symbol(root, tones)
    assert ours == theirs.encode_event(figure)
    assert theirs.num_classes == chords.N_CLASSES


@pytest.mark.parametrize("index", range(chords.N_CLASSES))
def test_every_class_names_the_chord_that_note_seq_reads_from_it(index: int) -> None:
    from note_seq import NO_CHORD, TriadChordOneHotEncoding, chord_symbols_lib

    figure = TriadChordOneHotEncoding().decode_event(index)
    theirs = () if figure == NO_CHORD else chord_symbols_lib.chord_symbol_pitches(figure)
    assert chords.tones(index) == frozenset(pitch % 12 for pitch in theirs)


@pytest.mark.parametrize("index", [-1, 49])
def test_a_class_beyond_the_vocabulary_is_refused(index: int) -> None:
    with pytest.raises(CodecError, match=rf"chord class {index} is outside 0\.\.48"):
        chords.decode(index)
    with pytest.raises(CodecError, match=rf"chord class {index} is outside 0\.\.48"):
        chords.transpose([1, index], 2)


def test_a_root_or_quality_that_does_not_exist_is_refused() -> None:
    with pytest.raises(CodecError, match=r"root 12 is outside 0\.\.11"):
        chords.encode(12, "major")
    with pytest.raises(CodecError, match=r"quality 'sus4' is unknown; choose from major, minor"):
        chords.encode(0, "sus4")

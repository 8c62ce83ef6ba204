from __future__ import annotations

from fractions import Fraction

import pytest

from brainmidi.codec import bars, chords
from brainmidi.training.corpora import Piece
from brainmidi.training.scores import AS_WRITTEN, bar_lines, scores, style_of

HALF, DOUBLE = Fraction(1, 2), Fraction(2)
#: C major in four voices, a chord a beat: soprano, alto, tenor, bass.
CADENCE = ((76, 77, 74, 76), (67, 69, 67, 67), (60, 60, 59, 60), (48, 53, 55, 48))


def piece(
    voices=CADENCE, *, length: Fraction = Fraction(1), metre="4/4", tonic=0, bar=Fraction(4), pickup=Fraction(0), up=0
) -> Piece:
    """Return a piece whose voices are repeated over four bars and a pickup, all notes of one length."""
    starts = (Fraction(0), *(pickup + n * bar for n in range(0 if pickup else 1, 4)))
    n_notes = int((starts[-1] + bar) / length)
    parts = tuple(
        tuple((n * length, length, pitches[n % len(pitches)] + up) for n in range(n_notes)) for pitches in voices
    )
    return Piece("bach/x/0", metre, tonic, "major", starts, parts)


def test_the_top_is_the_melody_the_lowest_the_bass_and_the_rest_accompaniment() -> None:
    score = scores(piece(), "bach")[AS_WRITTEN]
    first = {note.pitch: note.part for note in score.bars[0].notes if note.start == 0}
    assert first == {76: "melody", 67: "accompaniment", 60: "accompaniment", 48: "bass"}
    assert [bar.length for bar in score.bars] == [16] * 4
    classes = [chords.encode(root, "major") for root in (0, 5, 7, 0)]
    assert score.bars[0].chords == tuple((4 * n, chord) for n, chord in enumerate(classes))
    assert bars.decode(bars.encode(score)) == bars.quantise(score)
    assert score.ended
    assert score.style == "bach"


@pytest.mark.parametrize("tonic", range(12))
def test_a_piece_of_any_key_stands_on_c(tonic: int) -> None:
    up = tonic if tonic <= 6 else tonic - 12
    assert (
        scores(piece(tonic=tonic, up=up), "bach")[AS_WRITTEN].bars[1:] == scores(piece(), "bach")[AS_WRITTEN].bars[1:]
    )


def test_scores_carry_the_metres_accents_and_a_pickup_those_of_a_bars_end() -> None:
    score = scores(piece(pickup=Fraction(1)), "bach")[AS_WRITTEN]
    assert [bar.length for bar in score.bars] == [4, 16, 16, 16, 16]
    loud = [[n.velocity for n in bar.notes if n.part == "melody"] for bar in score.bars]
    assert loud[0] == [81]
    assert loud[1] == [93, 81, 85, 81]


def test_a_tune_alone_has_no_chords_and_two_parts_have_neither_chord_nor_bass() -> None:
    for n_parts, names in ((1, {"melody"}), (2, {"melody", "accompaniment"})):
        score = scores(piece(CADENCE[:n_parts]), "tunes")[AS_WRITTEN]
        assert {note.part for bar in score.bars for note in bar.notes} == names
        assert {bar.chords for bar in score.bars} == {((0, chords.NO_CHORD),)}


def test_long_bars_are_split_into_whole_pulses_or_the_piece_is_left_out() -> None:
    assert bar_lines(piece(metre="3/2", bar=Fraction(6)))[:4] == [0, 12, 24, 36]
    assert bar_lines(piece(metre="9/8", bar=Fraction(9, 2)))[:4] == [0, 6, 12, 18]
    assert bar_lines(piece(metre="12/8", bar=Fraction(6)))[:3] == [0, 12, 24]
    assert bar_lines(piece(metre="17/16", bar=Fraction(17, 4))) is None
    assert scores(piece(metre="17/16", bar=Fraction(17, 4)), "any") == {}


def test_twice_as_fast_two_bars_are_one_and_twice_as_slow_one_is_two() -> None:
    found = scores(piece(pickup=Fraction(1)), "bach")
    assert [bar.length for bar in found[HALF].bars] == [2, 16, 16]
    assert [bar.length for bar in found[DOUBLE].bars] == [8, *[16] * 8]
    plain, fast = ([n.pitch for bar in found[speed].bars for n in bar.notes] for speed in (AS_WRITTEN, HALF))
    assert sorted(plain) == sorted(fast)
    classes = {speed: [c for bar in score.bars for _, c in bar.chords] for speed, score in found.items()}
    assert set(classes[HALF]) == set(classes[AS_WRITTEN])
    assert found[DOUBLE].bars[1].chords[1][0] == 8


def test_what_the_grid_does_not_hold_is_not_played_faster_and_triplets_are_left_out() -> None:
    assert set(scores(piece(length=Fraction(1, 4)), "bach")) == {AS_WRITTEN, DOUBLE}
    assert scores(piece(length=Fraction(1, 3)), "bach") == {}


def test_an_orchestra_is_left_out() -> None:
    assert scores(piece(CADENCE * 2), "bach") == {}


def test_played_velocities_stay_and_a_bass_drawn_from_an_accompaniment_is_struck_once() -> None:
    tune = tuple((Fraction(n), Fraction(1), 76) for n in range(8))
    piano = tuple((Fraction(n), Fraction(1), p) for n in range(8) for p in (48, 60, 64))
    low = tuple((Fraction(n), Fraction(1), 48) for n in range(8))
    loud = (tuple(range(60, 68)), (50,) * 24, (100,) * 8)
    song = Piece("1.mid", "4/4", 0, "major", (Fraction(0), Fraction(4)), (tune, piano, low), loud)
    score = scores(song, "pop")[AS_WRITTEN]
    notes = [note for bar in score.bars for note in bar.notes]
    assert [n.velocity for n in notes if n.part == "melody"] == list(range(60, 68))
    assert {(n.pitch, n.velocity) for n in notes if n.part == "accompaniment"} == {(60, 50), (64, 50)}
    assert {(n.pitch, n.velocity) for n in notes if n.part == "bass"} == {(48, 100)}


def test_of_ornaments_on_one_sixteenth_the_first_stays_and_a_voice_ends_where_it_begins_again() -> None:
    parts = list(piece().parts)
    parts[0] = ((Fraction(0), Fraction(1, 32), 79), (Fraction(1, 32), Fraction(3), 77), *parts[0][2:])
    found = scores(Piece("x", "4/4", 0, "major", piece().bar_starts, tuple(parts)), "any")[AS_WRITTEN]
    melody = [(n.start, n.length, n.pitch) for n in found.bars[0].notes if n.part == "melody"]
    assert melody[:2] == [(Fraction(0), Fraction(1, 4), 79), (Fraction(2), Fraction(1), 74)]


def test_the_style_is_the_collections_or_the_folders() -> None:
    assert [style_of(name) for name in ("haydn", "oneill", "POP909", "my songs")] == ["haydn", "tunes", "pop", "any"]

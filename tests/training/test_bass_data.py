from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.codec import chords, melody
from brainmidi.errors import ConfigError
from brainmidi.training import basslines, bassvariants, corpora
from brainmidi.training.chordtrack import chord_track
from brainmidi.training.corpora import Piece
from brainmidi.training.sametune import splits

#: I IV V I, two bars of it twice, in close position; each chord lasts two beats.
CADENCE = ((0, "major"), (5, "major"), (7, "major"), (0, "major"))
HOLD, OFF = melody.NO_EVENT, melody.NOTE_OFF
names: dict[str, list[str]] = {}
for _n in range(400):
    names.setdefault(corpora.split_of(f"song/{_n}"), []).append(f"song/{_n}")


def song(
    name: str = "song/0", *, tonic: int = 0, pickup: Fraction = Fraction(0), metre: str = "4/4", seed: int = 0
) -> Piece:
    """Four bars: a tune of random quarters, two upper voices with the cadence twice, and its roots in the bass."""
    tones = [sorted(chords.tones(chords.encode((root + tonic) % 12, quality))) for root, quality in CADENCE] * 2
    roots = [48 + (root + tonic) % 12 for root, _ in CADENCE] * 2
    half = Fraction(2)
    rng = np.random.default_rng(seed)
    tune = [(pickup + n, Fraction(1), 72 + int(rng.choice(tones[n // 2]))) for n in range(16)]
    if pickup:
        tune.insert(0, (Fraction(0), pickup, 72 + tonic))
    upper = [tuple((pickup + n * half, half, 60 + tones[n][k]) for n in range(8)) for k in (0, 1, 2)]
    bass = tuple((pickup + n * half, half, pitch) for n, pitch in enumerate(roots))
    starts = [pickup + 4 * n for n in range(4)]
    return Piece(
        name,
        metre,
        tonic,
        "major",
        tuple([Fraction(0), *starts] if pickup else starts),
        (tuple(tune), *upper, bass),
    )


def pitches(tokens: np.ndarray) -> list[int]:
    return [int(t) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH for t in tokens if t >= melody.FIRST_PITCH_CLASS]


def track(notes: list[tuple[float, float, int]], n_slots: int = 4) -> list[int]:
    part = [(Fraction(s), Fraction(d), p) for s, d, p in notes]
    return chord_track([part], n_slots, frozenset({0}), 0, "major").tolist()


def test_a_bass_comes_with_the_chords_above_it_and_stands_on_c() -> None:
    tokens, classes = basslines.windows(song(tonic=3), slow=False)[0]
    assert [pitch % 12 for pitch in pitches(tokens)] == [0, 5, 7, 0]
    expected = [chords.encode(root, quality) for root, quality in CADENCE]
    assert classes.tolist() == np.repeat(expected, 8).tolist()


@given(st.integers(0, 11), st.sampled_from([Fraction(0), Fraction(1), Fraction(3, 4), Fraction(5, 2)]))
def test_neither_key_nor_pickup_changes_the_windows(tonic: int, pickup: Fraction) -> None:
    plain = basslines.windows(song(), slow=False)
    moved = basslines.windows(song(tonic=tonic, pickup=pickup), slow=False)
    assert len(plain) == len(moved) == 3
    for (tokens, classes), (other, others) in zip(plain, moved, strict=True):
        assert [p % 12 for p in pitches(tokens)] == [p % 12 for p in pitches(other)]
        assert classes.tolist() == others.tolist()


def test_slow_windows_take_one_bar_for_two_from_every_half_bar() -> None:
    both = basslines.windows(song())
    slow = both[len(basslines.windows(song(), slow=False)) :]
    assert all(len(tokens) == len(classes) == 32 for tokens, classes in slow)
    # A bar of the song has two onsets; a phrase of less than three is not worth learning.
    assert slow == []
    quarters = replace(
        song(), parts=(*song().parts[:-1], tuple((Fraction(n), Fraction(1), 40 + n % 5) for n in range(16)))
    )
    slow = basslines.windows(quarters)[3:]
    assert len(slow) == 7
    assert all(np.flatnonzero(tokens).tolist() == [0, 8, 16, 24] for tokens, _ in slow)


def test_bars_of_another_length_give_no_window() -> None:
    piece = song()
    cut = replace(piece, bar_starts=(Fraction(0), Fraction(4), Fraction(7), Fraction(11)))
    assert len(basslines.windows(cut, slow=False)) == 1  # the last two bars, from beat 7
    assert basslines.windows(replace(piece, metre="3/4")) == []


def test_a_piece_of_two_parts_gives_no_bass() -> None:
    assert basslines.windows(replace(song(), parts=song().parts[:2])) == []


def test_the_lowest_of_simultaneous_notes_is_the_bass() -> None:
    piece = song()
    doubled = tuple(note for s, d, p in piece.parts[-1] for note in ((s, d, p + 12), (s, d, p)))
    both = basslines.windows(replace(piece, parts=(*piece.parts[:-1], doubled)), slow=False)
    octaves = {
        a - b
        for row, (plain, _) in zip(both, basslines.windows(piece, slow=False), strict=True)
        for a, b in zip(pitches(row[0]), pitches(plain), strict=True)
    }
    assert octaves <= {-12, 0}  # the mean, and so the octave, is that of the same single voice


@given(st.integers(1, chords.N_CLASSES - 1))
def test_a_plain_triad_is_heard_as_itself(index: int) -> None:
    triad = chords.decode(index)
    assert triad is not None
    # Of the symmetrical augmented triads the bass tells the root.
    notes = [(0.0, 2.0, 48 + triad[0])] + [(0.0, 2.0, 72 + tone) for tone in chords.tones(index)]
    assert track(notes) == [index] * 4


def test_a_passing_note_makes_no_chord_and_silence_is_none() -> None:
    c_major = [(0.0, 2.0, pitch) for pitch in (48, 60, 64)]
    assert track([*c_major, (0.0, 0.5, 67), (0.5, 0.5, 69), (1.0, 1.0, 67)], 6) == [1, 1, 1, 1, 0, 0]


def test_a_seventh_chord_is_its_triad() -> None:
    g7 = [(0.0, 2.0, pitch) for pitch in (43, 59, 62, 65)]
    assert track(g7) == [chords.encode(7, "major")] * 4


def test_a_tune_set_twice_goes_into_the_split_of_the_first() -> None:
    first, other = names["train"][0], names["test"][0]
    tune = song(other, seed=1)
    up = tuple((start, length * Fraction(1, 2), pitch + 5) for start, length, pitch in tune.parts[0])
    twice = [song(first, seed=1), replace(tune, parts=(up, *tune.parts[1:])), song(names["validation"][0], seed=2)]
    assert splits(twice) == {first: "train", other: "train", names["validation"][0]: "validation"}
    assert splits(twice[::-1])[first] == "test"


def test_a_held_out_bass_that_training_has_too_is_left_out_and_counted() -> None:
    def walking(name: str, seed: int) -> Piece:
        piece = song(name, seed=seed)
        rng = np.random.default_rng(seed)
        notes = [(Fraction(n), Fraction(1), int(p)) for n, p in enumerate(rng.integers(40, 52, 16))]
        return replace(piece, parts=(*piece.parts[:-1], tuple(notes)))

    same = replace(song(names["test"][0], seed=9))
    data = basslines.dataset(
        [song(names["train"][0]), same, walking(names["test"][1], 3), walking(names["validation"][0], 4)], slow=False
    )
    assert data["test"].in_training > 0
    assert data["test"].names == (names["test"][1],)
    assert len(data["validation"]) == 3
    assert set(data["train"].piece.tolist()) == {0}
    seen = {row.tobytes() for row in data["train"].tokens}
    assert not any(row.tobytes() in seen for row in data["test"].tokens)


def test_pieces_that_give_no_bass_are_refused_with_what_is_needed() -> None:
    with pytest.raises(ConfigError, match=r"0 pieces of three or more parts .* in the train split"):
        basslines.dataset([song(metre="6/8")])


def test_movements_in_folders_are_read_and_files_with_reserved_rights_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from music21 import corpus

    abc = "X:1\nM:4/4\nL:1/4\nK:G\nGABc|dcBA|GABc|\n"
    paths = [tmp_path / "haydn" / "opus1" / f"movement1{suffix}" for suffix in (".abc", ".krn")]
    paths.append(tmp_path / "haydn" / "movement2.abc")
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(abc)
    monkeypatch.setattr(corpus.corpora.CoreCorpus, "getPaths", lambda _: paths)
    read = corpora.load_pieces(("haydn",), tmp_path / "cache")
    assert [piece.name for piece in read] == ["haydn/movement2/0", "haydn/opus1.movement1/0"]


rows = st.lists(st.sampled_from([HOLD, OFF, 10, 25, 30, 40]), min_size=32, max_size=32)


@given(st.lists(rows, min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_variants_are_rows_of_the_same_shape_that_leave_what_they_came_from(batch: list[list[int]], seed: int) -> None:
    tokens = np.array(batch, dtype=np.uint8)
    classes = np.full_like(tokens, 1)
    before = tokens.copy()
    varied, moved = bassvariants.augmented(
        tokens, classes, np.zeros(len(tokens), np.int32), np.random.default_rng(seed)
    )
    assert varied.shape == moved.shape == tokens.shape
    assert varied.dtype == moved.dtype == np.uint8
    assert varied.max() < melody.N_CLASSES
    assert (tokens == before).all()


def varied(tokens: list[int], n: int = 400) -> tuple[np.ndarray, np.ndarray]:
    rows_ = np.tile(np.array(tokens, dtype=np.uint8), (n, 1))
    classes = np.full_like(rows_, chords.encode(0, "major"))
    return bassvariants.augmented(rows_, classes, np.arange(n, dtype=np.int32), np.random.default_rng(5))


def test_chords_move_with_the_notes() -> None:
    root = 36 - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
    tokens, classes = varied([root, *[HOLD] * 31])
    shifts = {pitches(row)[0] - 36 for row in tokens}
    assert len(shifts) > 12
    for row, chord in zip(tokens, classes, strict=True):
        assert chords.decode(int(chord[0])) == (pitches(row)[0] % 12, "major")
        assert all(bassvariants.RANGE[0] <= pitch <= bassvariants.RANGE[1] for pitch in pitches(row))


def test_rhythms_repeat_or_leap_but_begin_no_foreign_note() -> None:
    tokens, _ = varied([25, HOLD, HOLD, HOLD] * 8)
    intervals = {pitch - pitches(row)[0] for row in tokens for pitch in pitches(row)}
    assert intervals == {0, 12}
    onsets = {int((row >= melody.FIRST_PITCH_CLASS).sum()) for row in tokens}
    assert min(onsets) == 8
    assert max(onsets) == 16
    # The rhythm of the first bar is that of the second.
    assert all((row[:16] == row[16:]).all() for row in tokens)


def test_a_bar_is_paired_with_one_of_the_same_piece_only_where_it_begins_anew() -> None:
    calm = [25, *[HOLD] * 31]
    own = [25, *[HOLD] * 15, 30, *[HOLD] * 15]
    tokens = np.array([own, calm, [40] * 32] * 50, dtype=np.uint8)
    piece = np.array([0, 0, 1] * 50, dtype=np.int32)
    classes = np.array([[1] * 32, [2] * 32, [3] * 32] * 50, dtype=np.uint8)
    paired, over = bassvariants._paired(tokens, classes, piece, np.random.default_rng(0))
    assert (paired[:, :16] == tokens[:, :16]).all()
    seconds = {tuple(row[16:]) for row in paired[piece == 0]}
    assert seconds == {tuple(own[16:]), tuple(calm[16:])}
    assert {tuple(row[16:]) for row in paired[1::3]} == {tuple(own[16:]), tuple(calm[16:])}
    assert (paired[::3, 16:] == own[16:]).all()  # what holds a note into its second bar is lent to no other
    assert (over[piece == 1] == 3).all()

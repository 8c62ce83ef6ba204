from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.codec import bars, chords
from brainmidi.codec.bars import PARTS, Score, ScoreBar
from brainmidi.errors import ConfigError
from brainmidi.training import scorerows
from brainmidi.training.corpora import Piece
from brainmidi.training.scorerows import Row, excerpt, held_out, load, transposed
from brainmidi.types import Note

NOTE = st.builds(
    lambda step, length, pitch, velocity, part: Note(
        Fraction(step, 4), Fraction(length, 4), pitch, velocity * 8 + 4, part
    ),
    st.integers(0, 7),
    st.integers(1, 12),
    st.integers(40, 52),
    st.integers(8, 11),
    st.sampled_from(PARTS),
)
BAR = st.builds(
    lambda first, later, notes: ScoreBar(8, ((0, first), *((4, c) for c in later)), tuple(notes)),
    st.integers(0, 48),
    st.lists(st.integers(0, 48), max_size=1),
    st.lists(NOTE, max_size=6),
)
SCORE = st.builds(lambda found: bars.quantise(Score(tuple(found), "bach", True)), st.lists(BAR, min_size=1, max_size=5))


def row_of(tokens: np.ndarray, name: str = "x") -> Row:
    return Row(name, "train", True, tokens)


@given(SCORE, st.integers(0, 4), st.sets(st.integers(0, 2), max_size=2))
def test_an_excerpt_is_the_score_from_a_bar_on_without_some_parts(score: Score, first: int, without: set[int]) -> None:
    first %= len(score.bars)
    row = row_of(bars.encode(score))
    tokens = excerpt(row.tokens, int(row.bar_indices[first]), 600, without=without)
    found = bars.decode(tokens)
    kept = [part for n, part in enumerate(PARTS) if n not in without]
    assert found.ended
    assert [(bar.length, bar.chords) for bar in found.bars] == [(bar.length, bar.chords) for bar in score.bars[first:]]
    for ours, whole in zip(found.bars, score.bars[first:], strict=True):
        assert ours.notes == tuple(note for note in whole.notes if note.part in kept)
    assert np.array_equal(bars.encode(found), np.trim_zeros(tokens, "b"))


@given(SCORE, st.integers(1, 40))
def test_an_excerpt_that_is_cut_is_the_beginning_of_the_longer_one(score: Score, length: int) -> None:
    row = row_of(bars.encode(score))
    whole = excerpt(row.tokens, int(row.bar_indices[0]), 600, style=bars.style_token("any"))
    assert np.array_equal(excerpt(row.tokens, int(row.bar_indices[0]), length, style=int(whole[0])), whole[:length])


@given(SCORE, st.integers(-3, 3))
def test_transposition_moves_pitches_and_chords_together(score: Score, semitones: int) -> None:
    moved = bars.decode(transposed(bars.encode(score), semitones))
    for ours, before in zip(moved.bars, score.bars, strict=True):
        assert [n.pitch for n in ours.notes] == [n.pitch + semitones for n in before.notes]
        classes = [chord for _, chord in before.chords]
        assert [chord for _, chord in ours.chords] == chords.transpose(classes, semitones).tolist()


def test_what_stands_at_the_keyboards_end_moves_no_further() -> None:
    top = Score((ScoreBar(4, ((0, 1),), (Note(Fraction(0), Fraction(1), 107),)),))
    moved = bars.decode(transposed(bars.encode(top), 3)).bars[0]
    assert moved.notes[0].pitch == 108
    assert moved.chords == ((0, chords.encode(1, "major")),)


@given(SCORE, st.integers(50, 90))
def test_held_out_windows_hold_every_token_once(score: Score, length: int) -> None:
    row = row_of(bars.encode(score))
    windows = held_out([row], length)
    assert windows.shape[1] == length + 1
    # A velocity that is said again at the beginning of a window is one more token.
    told = [window[window != bars.PAD][1:] for window in windows]
    said = np.concatenate(told)
    assert np.array_equal(said[said < bars.VELOCITY], row.tokens[1:][row.tokens[1:] < bars.VELOCITY])


def pieces(n: int) -> list[Piece]:
    """Return chorales in which each has a tune of its own."""
    rng = np.random.default_rng(0)
    starts = tuple(Fraction(4 * bar) for bar in range(4))

    def voice(low: int) -> tuple:
        return tuple((Fraction(at), Fraction(1), int(p)) for at, p in enumerate(rng.integers(low, low + 12, 16)))

    return [
        Piece(f"bach/{k}", "4/4", 0, "major", starts, tuple(voice(low) for low in (72, 64, 57, 45))) for k in range(n)
    ]


def test_what_was_read_once_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorerows, "load_pieces", lambda *_: pieces(60))
    first = load(cache=tmp_path, collections=("bach",))
    monkeypatch.setattr(scorerows, "load_pieces", lambda *_: 1 / 0)
    again = load(cache=tmp_path, collections=("bach",))
    assert [(row.name, row.split, row.as_written) for row in again.rows] == [
        (row.name, row.split, row.as_written) for row in first.rows
    ]
    assert all(np.array_equal(a.tokens, b.tokens) for a, b in zip(first.rows, again.rows, strict=True))
    assert {row.style for row in again.rows} == {"bach"}
    assert len(again.split("train", as_written=False)) == 3 * len(again.split("train"))


def test_a_folder_is_read_with_its_velocities(tmp_path: Path) -> None:
    from test_folder_data import band

    for n in range(40):
        band().write(tmp_path / "pop songs" / f"{n}.mid")
    with pytest.raises(ConfigError, match="0 pieces on a grid of sixteenths are in the"):
        # All are one tune: whichever split has it, another has none.
        load(cache=tmp_path / "cache", data=tmp_path / "pop songs")
    (cached,) = (tmp_path / "cache").glob("scores-*.npz")
    rows, left_out = scorerows._read(cached)
    assert (len({row.name for row in rows}), left_out) == (40, 0)
    assert rows[0].style == "pop"
    notes = bars.decode(rows[0].tokens).bars[0].notes
    assert {note.velocity for note in notes} == {bars.velocity_of(bars.velocity_token(90))}


def test_too_few_pieces_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scorerows, "load_pieces", lambda *_: pieces(2))
    with pytest.raises(ConfigError, match="1 is needed; add pieces"):
        load(cache=tmp_path, collections=("bach",))

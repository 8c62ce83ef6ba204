"""Laws of melody variants: the rhythm comes from the piece, the notes stay in their scale and in range."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from brainmidi.codec import melody
from brainmidi.training import variants
from brainmidi.training.variants import RANGE, augmented

MAJOR, MINOR = (0, 2, 4, 5, 7, 9, 11), (0, 2, 3, 5, 7, 8, 10)
SEEDS = st.integers(0, 2**32 - 1)


def token(pitch: int) -> int:
    return pitch - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS


def pitches(tokens: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the pitches of all notes."""
    return tokens[tokens >= melody.FIRST_PITCH_CLASS].astype(np.int64) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH


def kinds(tokens: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return 0 for a hold, 1 for a rest, 2 for a note."""
    return np.minimum(tokens, melody.FIRST_PITCH_CLASS).astype(np.int64)


@st.composite
def phrases(draw: st.DrawFn, scale: tuple[int, ...] = MAJOR) -> tuple[NDArray[np.uint8], NDArray[np.int32]]:
    """Rows in a scale on C within the range, beginning with a note, of up to four pieces."""
    rng = np.random.default_rng(draw(SEEDS))
    n_rows, n_steps = draw(st.integers(1, 30)), draw(st.sampled_from([32, 256]))
    notes = np.array([token(p) for p in range(RANGE[0], RANGE[1] + 1) if p % 12 in scale])
    tokens = rng.choice(notes, (n_rows, n_steps))
    other = rng.random((n_rows, n_steps))
    tokens[other < 0.5] = melody.NO_EVENT
    tokens[other < 0.1] = melody.NOTE_OFF
    tokens[:, 0] = rng.choice(notes, n_rows)
    return tokens.astype(np.uint8), rng.integers(0, 4, n_rows).astype(np.int32)


@given(phrases(), SEEDS)
def test_variants_have_the_phrases_shape_and_leave_them_as_they_are(rows, seed) -> None:
    tokens, piece = rows
    before = tokens.copy()
    varied = augmented(tokens, piece, np.random.default_rng(seed))
    assert (varied.shape, varied.dtype) == (tokens.shape, tokens.dtype)
    assert np.array_equal(tokens, before)
    assert np.array_equal(varied, augmented(tokens, piece, np.random.default_rng(seed)))


@given(phrases(), SEEDS)
def test_the_first_half_keeps_its_rhythm_and_the_second_is_of_a_phrase_of_the_piece(rows, seed) -> None:
    tokens, piece = rows
    varied, half = augmented(tokens, piece, np.random.default_rng(seed)), tokens.shape[1] // 2
    assert np.array_equal(kinds(varied[:, :half]), kinds(tokens[:, :half]))
    for n, row in enumerate(kinds(varied[:, half:])):
        assert any(np.array_equal(row, other) for other in kinds(tokens[piece == piece[n], half:]))


@given(phrases(), SEEDS)
def test_a_second_half_from_another_phrase_begins_with_an_event(rows, seed) -> None:
    tokens, piece = rows
    varied, half = augmented(tokens, piece, np.random.default_rng(seed)), tokens.shape[1] // 2
    holds = varied[:, half] == melody.NO_EVENT
    assert np.array_equal(kinds(varied[holds, half:]), kinds(tokens[holds, half:]))


@pytest.mark.parametrize("scale", [MAJOR, MINOR], ids=["major", "minor"])
def test_the_notes_stay_in_their_scale(scale: tuple[int, ...]) -> None:
    @given(phrases(scale), SEEDS)
    def law(rows, seed) -> None:
        tokens, piece = rows
        # With all seven degrees in a row there is no other scale that holds as many of its notes.
        tokens[:, 1 : 1 + len(scale)] = [token(60 + tone) for tone in scale]
        half = tokens.shape[1] // 2
        tokens[:, half : half + len(scale)] = [token(60 + tone) for tone in scale]
        varied = augmented(tokens, piece, np.random.default_rng(seed))
        assert set(pitches(varied) % 12) <= set(scale)

    law()


@given(phrases(), SEEDS)
def test_the_notes_stay_in_range(rows, seed) -> None:
    found = pitches(augmented(*rows, np.random.default_rng(seed)))
    assert RANGE[0] <= found.min()
    assert found.max() <= RANGE[1]


@given(phrases(), SEEDS)
def test_every_variant_is_a_melody(rows, seed) -> None:
    for row in augmented(*rows, np.random.default_rng(seed)):
        phrase = melody.decode(row.astype(np.int32))
        assert len(phrase.notes) == int((row >= melody.FIRST_PITCH_CLASS).sum())


def test_a_phrase_out_of_range_is_left_as_it_was_written() -> None:
    low = np.full((50, 32), token(RANGE[0] - 24), dtype=np.uint8)
    assert np.array_equal(augmented(low, np.arange(50, dtype=np.int32), np.random.default_rng(0)), low)


def test_each_kind_of_variant_is_as_frequent_as_it_says() -> None:
    n = 20_000
    rng = np.random.default_rng(0)
    tokens = rng.choice([token(72 + tone) for tone in MAJOR], (n, 32)).astype(np.uint8)
    tokens[:, 0], tokens[:, 16] = token(72), token(72)
    alone = np.arange(n, dtype=np.int32)
    varied = augmented(tokens, alone, np.random.default_rng(1)).astype(np.int64)
    shift = varied[:, 0] - token(72)
    octaves = np.isin(shift, (-12, 12)) & ((varied - tokens) == shift[:, None]).all(axis=1)
    assert abs(octaves.mean() - variants.OCTAVE * (1 - variants.MOVED * 6 / 7)) < 0.02
    whole = augmented(tokens, np.zeros(n, dtype=np.int32), np.random.default_rng(1))
    steps = np.abs(np.diff(whole.astype(np.int64), axis=1)), np.abs(np.diff(tokens.astype(np.int64), axis=1))
    kept = (steps[0][:, 16:] == steps[1][:, 16:]).all(axis=1)
    still = (steps[0][:, :15] == steps[1][:, :15]).all(axis=1)  # neither moved along the scale
    assert abs((still & ~kept).mean() / still.mean() - variants.PAIRED) < 0.03

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from brainmidi.codec import drums, groove
from brainmidi.errors import CodecError
from brainmidi.types import Note, Phrase

TICK = Fraction(1, 96)
STEP = Fraction(1, 4)
#: Pitches of the nine drums, a few of their other names, and one of no drum.
PITCHES = (36, 35, 38, 40, 42, 46, 45, 48, 50, 49, 51, 100)


#: Start in 1/100 beat, pitch, velocity.
hits = st.tuples(st.integers(0, 399), st.sampled_from(PITCHES), st.integers(1, 127))


def phrase_of(drawn: list[tuple[int, int, int]]) -> Phrase:
    """Any hits of any loudness, off every grid, several of one drum at once, in one bar."""
    notes = [
        Note(Fraction(start, 100), Fraction(400 - start, 200), pitch, velocity) for start, pitch, velocity in drawn
    ]
    return Phrase(tuple(notes), Fraction(4))


phrases = st.lists(hits, max_size=24).map(phrase_of)


@st.composite
def matrices(draw: st.DrawFn) -> NDArray[np.float32]:
    """What a bar can be after quantising: velocities of 127, offsets of 1/96 beat, nothing early on the first step."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    hits = rng.random((16, 9)) < draw(st.floats(0, 1))
    velocities = rng.integers(1, 128, (16, 9)) / 127
    ticks = rng.integers(-11, 13, (16, 9))
    ticks[0] = np.minimum(ticks[0], 0)
    return np.concatenate([hits, hits * velocities, hits * ticks / 12], axis=1).astype(np.float32)


@given(phrases)
def test_decoding_the_matrix_of_a_phrase_gives_the_quantised_phrase(phrase: Phrase) -> None:
    assert groove.decode(groove.encode(phrase)) == groove.quantise(phrase)


@given(phrases)
def test_quantising_twice_changes_nothing_more(phrase: Phrase) -> None:
    once = groove.quantise(phrase)
    assert groove.quantise(once) == once


@given(matrices())
def test_every_quantised_matrix_survives_decoding_and_encoding(rows: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(groove.encode(groove.decode(rows)), rows)


@given(matrices())
def test_half_precision_keeps_the_performance(rows: NDArray[np.float32]) -> None:
    assert groove.decode(rows.astype(np.float16)) == groove.decode(rows)


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 100))
def test_random_numbers_always_decode_with_their_hits_on_their_steps(seed: int, scale: float) -> None:
    rows = np.random.default_rng(seed).normal(scale=scale, size=(32, 27))
    phrase = groove.decode(rows)
    assert phrase.length == 8
    assert all((note.start * 96).denominator == 1 and note.end <= 8 for note in phrase)
    np.testing.assert_array_equal(drums.strikes(phrase), rows[:, :9] > groove.THRESHOLD)


def test_an_early_hit_has_a_positive_offset_in_half_steps() -> None:
    early, late = Note(1 - 6 * TICK, STEP, 38, 127), Note(2 + 3 * TICK, STEP, 36, 64)
    rows = groove.encode(Phrase((early, late), Fraction(4)))
    assert rows.shape == (16, 27)
    assert np.argwhere(rows[:, groove.HITS]).tolist() == [[4, drums.SNARE], [8, drums.KICK]]
    assert rows[4, 18 + drums.SNARE] == pytest.approx(0.5)
    assert rows[8, 18 + drums.KICK] == pytest.approx(-0.25)
    assert rows[4, 9 + drums.SNARE] == 1
    assert rows[8, 9 + drums.KICK] == pytest.approx(64 / 127)


def test_the_loudest_hit_of_a_drum_on_a_step_stays_and_the_earliest_of_equals() -> None:
    flam = [Note(1 + n * TICK, STEP, 38, velocity) for n, velocity in ((0, 30), (2, 90), (4, 90))]
    (kept,) = groove.quantise(Phrase(tuple(flam), Fraction(4)))
    assert (kept.start, kept.velocity) == (1 + 2 * TICK, 90)


def test_raw_times_keep_what_the_grid_of_a_phrase_would_round() -> None:
    rows = groove.matrix(np.array([1.001]), np.array([drums.RIDE]), np.array([100]), 8)
    assert rows[4, 18 + drums.RIDE] == pytest.approx(-0.008, abs=1e-6)


def test_a_drum_that_would_start_before_the_phrase_starts_with_it() -> None:
    rows = np.zeros((16, 27), dtype=np.float32)
    rows[0, [0, 9, 18]] = 1
    (note,) = groove.decode(rows)
    assert (note.start, note.velocity) == (0, 127)


def test_a_late_hit_on_the_last_step_stops_with_the_phrase() -> None:
    rows = np.zeros((16, 27), dtype=np.float32)
    rows[15, [0, 9, 18]] = 1, 0, -1
    (note,) = groove.decode(rows)
    assert (note.start, note.end, note.velocity) == (Fraction(15, 4) + 11 * TICK, 4, 1)


def test_a_length_off_the_grid_is_refused() -> None:
    with pytest.raises(CodecError, match="sixteenths"):
        groove.encode(Phrase((), Fraction(1, 3)))


@given(matrices())
def test_humanising_reads_the_hits_alone(rows: NDArray[np.float32]) -> None:
    read = groove.humanise_input(rows)
    np.testing.assert_array_equal(read[:, :9], rows[:, :9])
    assert not read[:, 9:].any()


def test_tapping_keeps_the_time_of_the_loudest_drum_on_the_open_hi_hat() -> None:
    loud, soft = Note(1 + 3 * TICK, STEP, 36, 100), Note(1 - 6 * TICK, STEP, 42, 50)
    rows = groove.encode(Phrase((loud, soft), Fraction(4)))
    tapped = groove.tap_input(rows)
    assert np.argwhere(tapped).tolist() == [[4, groove.TAPPED], [4, 18 + groove.TAPPED]]
    assert tapped[4, 18 + groove.TAPPED] == pytest.approx(-0.25)
    loudness = groove.tap_input(rows, fixed_velocity=False)[:, groove.VELOCITIES]
    assert np.argwhere(loudness).tolist() == [[4, groove.TAPPED]]
    assert loudness[4, groove.TAPPED] == pytest.approx(100 / 127)


@given(matrices())
def test_a_batch_is_tapped_and_humanised_like_its_rows(rows: NDArray[np.float32]) -> None:
    batch = np.stack([rows, rows[::-1]])
    for made in (groove.tap_input, groove.humanise_input):
        np.testing.assert_array_equal(made(batch), [made(rows), made(rows[::-1])])

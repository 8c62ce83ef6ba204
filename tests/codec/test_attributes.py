from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainmidi.codec import attributes, melody
from brainmidi.errors import CodecError

C4 = 60 - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
any_rows = arrays(np.int32, (3, 32), elements=st.integers(0, melody.N_CLASSES - 1))


def row(**notes: int) -> np.ndarray:
    """Return one row of two bars; ``s4=64`` begins E4 at step 4, ``s8=-1`` ends what sounds at step 8."""
    tokens = np.zeros((1, 32), dtype=np.int32)
    for step, pitch in notes.items():
        tokens[0, int(step[1:])] = melody.NOTE_OFF if pitch < 0 else pitch - 60 + C4
    return tokens


@given(any_rows)
def test_attributes_of_tokens_are_those_of_the_notes_they_spell(rows: np.ndarray) -> None:
    for tokens in rows:
        notes = melody.decode(tokens).notes
        pitches = [note.pitch for note in notes]
        one = tokens[None]
        assert attributes.density(one)[0] == len(notes) / 8
        assert attributes.syncopation(one)[0] >= 0
        if notes:
            assert attributes.register(one)[0] == pytest.approx(np.mean(pitches))
            assert attributes.pitch_range(one)[0] == np.ptp(pitches)
            assert attributes.note_length(one)[0] == pytest.approx(
                np.log2(sum(float(n.length) ** 2 for n in notes) / sum(float(n.length) for n in notes))
            )


@given(any_rows)
def test_many_rows_have_the_attributes_that_each_has_alone(rows: np.ndarray) -> None:
    alone = np.concatenate([attributes.measure(one[None]) for one in rows])
    assert np.array_equal(attributes.measure(rows), alone, equal_nan=True)


@given(any_rows, st.integers(1, 12))
def test_a_transposed_melody_has_another_register_and_else_the_same(rows: np.ndarray, up: int) -> None:
    rows = np.where(rows >= melody.FIRST_PITCH_CLASS, np.minimum(rows, melody.N_CLASSES - 13), rows)
    higher = np.where(rows >= melody.FIRST_PITCH_CLASS, rows + up, rows)
    change = attributes.measure(higher) - attributes.measure(rows)
    names = list(attributes.ATTRIBUTES)
    for name in ("density", "syncopation", "note length", "pitch range"):
        assert np.nan_to_num(change[:, names.index(name)]) == pytest.approx(0)
    moved = change[:, names.index("register")]
    assert np.where(np.isnan(moved), up, moved) == pytest.approx(up)


def test_a_row_without_notes_is_empty_and_not_syncopated_and_has_no_attribute_of_notes() -> None:
    measured = dict(zip(attributes.ATTRIBUTES, attributes.measure(row(s3=-1))[0], strict=True))
    assert measured["density"] == measured["syncopation"] == 0
    assert all(np.isnan(measured[name]) for name in ("register", "note length", "pitch range", "chord tones"))


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ((0, 8), 0),  # halves, and
        ((0, 4, 8, 12), 0),  # quarters, and
        (tuple(range(0, 16, 2)), 0),  # eighths, and
        (tuple(range(16)), 0),  # sixteenths take the strongest steps there are
        ((0, 10), 2),  # an eighth (-3) late for the half (-1)
        ((0, 3, 6, 10, 12), 12 - 8),  # the son clave weighs -12, and the best that five can is -8
        ((14,), 3),  # an eighth (-3) alone, where the downbeat (0) was free
    ],
)
def test_a_bar_is_as_syncopated_as_its_onsets_weigh_less_than_they_could(steps: tuple[int, ...], expected: int) -> None:
    notes = {f"s{step}": 60 for step in steps}
    assert attributes.syncopation(row(**notes))[0] == expected / 2  # the other bar is empty
    twice = notes | {f"s{step + 16}": 60 for step in steps}
    assert attributes.syncopation(row(**twice))[0] == expected


def test_rows_that_are_no_whole_bars_have_no_syncopation() -> None:
    with pytest.raises(CodecError, match="30 steps are no whole number"):
        attributes.syncopation(np.zeros((1, 30), dtype=int))


def test_chord_tones_are_counted_under_the_chord_of_each_step() -> None:
    tokens = row(s0=60, s4=62, s16=62, s20=60)
    chords = np.zeros((32, 12), dtype=bool)
    chords[:16, [0, 4, 7]] = True
    chords[16:, [2, 7, 11]] = True
    assert attributes.chord_tone_ratio(tokens, chords)[0] == 0.5
    assert attributes.chord_tone_ratio(tokens, np.isin(np.arange(12), [0, 2]))[0] == 1.0


def test_without_chords_the_tonic_triad_of_the_better_mode_is_meant() -> None:
    assert attributes.chord_tone_ratio(row(s0=60, s4=63, s8=67, s12=62))[0] == 0.75
    assert attributes.chord_tone_ratio(row(s0=60, s4=64, s8=67, s12=63))[0] == 0.75

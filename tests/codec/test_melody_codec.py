from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.codec import melody
from brainmidi.errors import CodecError
from brainmidi.types import Note, Phrase

STEP = Fraction(1, 4)
tokens_of_two_bars = st.lists(st.integers(0, melody.N_CLASSES - 1), min_size=32, max_size=32)


@st.composite
def phrases(draw: st.DrawFn) -> Phrase:
    """Any notes at all, off the grid and overlapping, in two bars."""
    length = Fraction(8)
    starts = draw(st.lists(st.fractions(0, Fraction(31, 4), max_denominator=24), max_size=12))
    notes = [
        Note(
            start,
            draw(st.fractions(Fraction(1, 24), length - start, max_denominator=24)),
            draw(st.integers(melody.MIN_PITCH, melody.MAX_PITCH)),
        )
        for start in starts
    ]
    return Phrase(tuple(notes), length)


@given(phrases())
def test_decoding_the_code_of_a_phrase_gives_the_quantised_phrase(phrase: Phrase) -> None:
    assert melody.decode(melody.encode(phrase)) == melody.quantise(phrase)


@given(phrases())
def test_quantising_twice_changes_nothing_more(phrase: Phrase) -> None:
    once = melody.quantise(phrase)
    assert melody.quantise(once) == once


@given(tokens_of_two_bars)
def test_any_row_of_classes_decodes_to_one_voice(tokens: list[int]) -> None:
    phrase = melody.decode(tokens)
    assert all(a.end <= b.start for a, b in zip(phrase.notes, phrase.notes[1:], strict=False))
    assert melody.decode(melody.encode(phrase)) == phrase


@pytest.mark.parametrize("token", range(melody.N_CLASSES))
def test_every_class_survives_decoding_and_encoding_after_a_note(token: int) -> None:
    tokens = [melody.FIRST_PITCH_CLASS + 40, token]
    assert melody.encode(melody.decode(tokens)).tolist() == tokens


def test_the_lowest_and_highest_pitches_are_the_first_and_last_pitch_classes() -> None:
    ends = Phrase((Note(Fraction(0), STEP, melody.MIN_PITCH), Note(STEP, STEP, melody.MAX_PITCH)), Fraction(1))
    assert melody.encode(ends).tolist() == [2, 89, melody.NOTE_OFF, melody.NO_EVENT]


def test_a_pitch_off_the_keyboard_is_refused_with_its_range() -> None:
    with pytest.raises(CodecError, match=r"pitch 20 is outside 21\.\.108"):
        melody.encode(Phrase((Note(Fraction(0), STEP, 20),), Fraction(1)))


def test_a_class_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(CodecError, match=r"token 90 is outside 0\.\.89"):
        melody.decode([90])


def test_a_length_off_the_grid_is_refused() -> None:
    with pytest.raises(CodecError, match="sixteenths"):
        melody.encode(Phrase((), Fraction(1, 3)))


@given(tokens_of_two_bars)
def test_events_are_those_of_note_seq(tokens: list[int]) -> None:
    """The reference implementation reads the same notes from our classes, and writes the same classes."""
    from note_seq import Melody, MelodyOneHotEncoding

    encoding = MelodyOneHotEncoding(melody.MIN_PITCH, melody.MAX_PITCH + 1)
    phrase = melody.decode(tokens)
    ours = melody.encode(phrase)
    theirs = Melody([encoding.decode_event(int(token)) for token in ours], steps_per_quarter=4)
    sequence = theirs.to_sequence(qpm=60.0)
    found = {(round(n.start_time * 4), round(n.end_time * 4), n.pitch) for n in sequence.notes}
    assert found == {(int(n.start / STEP), int(n.end / STEP), n.pitch) for n in phrase}
    assert [encoding.encode_event(event) for event in theirs] == ours.tolist()

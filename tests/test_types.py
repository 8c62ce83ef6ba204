from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import MusicError
from brainmidi.types import Note, Phrase

beats = st.fractions(0, 4, max_denominator=12)
notes = st.builds(
    Note,
    beats,
    st.fractions(Fraction(1, 12), 4, max_denominator=12),
    st.integers(58, 62),
    st.integers(79, 81),
    st.sampled_from(["bass", "melody"]),
)


@given(st.lists(notes, max_size=8), beats)
def test_a_phrase_orders_its_notes_and_refuses_exactly_those_that_end_after_it(drawn, length):
    if any(note.end > length for note in drawn):
        with pytest.raises(MusicError, match="ends after"):
            Phrase(tuple(drawn), length)
    else:
        assert Phrase(tuple(drawn), length).notes == tuple(sorted(drawn))


def test_a_long_note_before_a_short_one_may_fill_the_phrase():
    held, last = Note(Fraction(0), Fraction(4), 60), Note(Fraction(3), Fraction(1), 72)
    assert Phrase((last, held), Fraction(4)).notes == (held, last)

"""Metres of at most four beats and how their sixteenths weigh."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import MusicError
from brainmidi.music.metre import Metre

METRES = st.builds(lambda count, unit: (count, unit), st.integers(1, 64), st.sampled_from([2, 4, 8, 16])).filter(
    lambda pair: 1 <= Fraction(4 * pair[0], pair[1]) <= 4
)


@pytest.mark.parametrize(
    ("text", "steps", "pulses", "middle"),
    [
        ("4/4", 16, (0, 4, 8, 12), 8),
        ("3/4", 12, (0, 4, 8), 4),
        ("2/4", 8, (0, 4), 4),
        ("6/8", 12, (0, 6), 6),
        ("2/2", 16, (0, 8), 8),
        ("7/8", 14, (0, 4, 8), 4),
        ("5/8", 10, (0, 6), 6),
    ],
)
def test_a_metre_knows_its_steps_and_pulses(text, steps, pulses, middle):
    metre = Metre.parse(text)
    assert (metre.steps, metre.pulses, metre.middle) == (steps, pulses, middle)
    assert str(metre) == text


@pytest.mark.parametrize("text", ["12/8", "5/4", "4/3", "0/4", "1/8", "four", "4/4/4", "-3/4"])
def test_a_metre_that_cannot_be_played_is_one_line_with_the_remedy(text):
    with pytest.raises(MusicError, match="write"):
        Metre.parse(text)


@given(METRES)
def test_the_downbeat_weighs_most_and_every_step_weighs_something(pair):
    metre = Metre(*pair)
    weights = metre.weights
    assert len(weights) == metre.steps == metre.length * 4
    assert weights[0] == 1.0 > max(weights[1:])
    assert min(weights) > 0
    assert all(weights[pulse] >= 0.6 for pulse in metre.pulses)
    assert 0 < metre.middle < metre.steps

"""How far music follows a brain: known answers, and p-values that are uniform where it follows nothing."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from brainmidi.acquire.surrogate import phase_randomised
from brainmidi.evaluate.standout import MEASURES, Reference, StandsOut, agreement, association, heard, knob_agreement
from brainmidi.types import KNOBS, Bar, ControlFrame, Note, Phrase

COURSE = Reference("time itself", False, lambda time_s: time_s)
HALVES = Reference("halves", True, lambda time_s: float(time_s >= 4))


def bar(index: int, notes: int, tempo_bpm: float = 100.0) -> Bar:
    phrase = Phrase(
        tuple(Note(Fraction(at, 4), Fraction(1, 4), 60, 60 + 4 * notes) for at in range(notes)), Fraction(4)
    )
    controls = ControlFrame(float(index), dict.fromkeys(KNOBS, 0.5))
    return Bar(index, Fraction(4 * index), phrase, tempo_bpm, (), "rise", 0.5, 1.0, controls)


def test_what_is_heard_of_a_bar() -> None:
    drums = Note(Fraction(0), Fraction(1), 36, 100, "drums")
    band = replace(bar(0, 1), phrase=Phrase((Note(Fraction(0), Fraction(2), 72, 80), drums), Fraction(4)))
    assert dict(zip(MEASURES, heard([band])[0].tolist(), strict=True)) == {
        "notes a beat": 0.5, "velocity": 90, "pitch": 72, "length": 2, "tempo": 100,
    }  # fmt: skip
    silent = heard([bar(0, 0)])[0]
    assert np.isnan(silent[1:4]).all()
    assert silent[0] == 0


def test_music_that_grows_with_the_course_follows_it_and_knobs_that_stand_do_not() -> None:
    bars = [bar(index, index % 9) for index in range(8)]
    found = agreement(bars, COURSE)
    assert (found.value, found.name) == (pytest.approx(1.0), "notes a beat")
    assert found.by_name["tempo"] == 0.0
    assert knob_agreement(bars, COURSE).value == 0.0


def test_the_last_bar_does_not_count() -> None:
    bars = [bar(index, 4) for index in range(8)]
    assert agreement([*bars[:-1], bar(7, 9, 50.0)], COURSE).value == 0.0


def test_phases_are_told_apart_whatever_their_order() -> None:
    values = np.array([5.0, 5.1, 9.0, 9.1, 1.0, 1.1])
    assert association(values, np.repeat([1.0, 2.0, 3.0], 2), phases=True) > 0.9
    assert association(values, np.repeat([1.0, 2.0, 3.0], 2), phases=False) < 0.5


@given(st.lists(st.integers(-9, 9), min_size=4, max_size=30), st.data())
def test_two_phases_give_the_rank_correlation(values, data) -> None:
    truth = np.array(data.draw(st.lists(st.sampled_from([0.0, 1.0]), min_size=len(values), max_size=len(values))))
    one, other = (association(np.array(values, dtype=float), truth, phases=phases) for phases in (True, False))
    assert one == pytest.approx(other, abs=1e-7)
    assert 0.0 <= one <= 1.0 + 1e-9


def test_what_cannot_be_judged_follows_nothing() -> None:
    assert association(np.ones(9), np.arange(9.0), phases=False) == 0.0
    assert association(np.arange(9.0), np.ones(9), phases=True) == 0.0
    assert association(np.arange(3.0), np.arange(3.0), phases=False) == 0.0
    assert association(np.array([np.nan, 1, 2, 3, 4]), np.array([9, 1, 2, 3, np.nan]), phases=False) == 0.0


@pytest.mark.parametrize("phases", [True, False])
def test_slow_music_that_follows_nothing_gives_uniform_p_values(phases) -> None:
    """Twenty-five bars as slow as a knob, and nineteen surrogates of the same spectrum: p is right for each level."""
    rng = np.random.default_rng(5)
    truth = np.repeat([0.0, 1.0], [12, 13]) if phases else np.cumsum(rng.standard_normal(25))
    found = []
    for _ in range(200):
        slow = rng.standard_normal((200, 1))
        for at in range(1, len(slow)):
            slow[at] += 0.7 * slow[at - 1]
        stretch = slow[-50:]
        shams = [phase_randomised(stretch, 1.0, rng)[:25, 0] for _ in range(19)]
        values = [association(made, truth, phases=phases) for made in (stretch[:25, 0], *shams)]
        found.append(StandsOut(values[0], tuple(values[1:])).p)
    for level in (0.05, 0.1, 0.25, 0.5, 0.75):
        share = np.mean(np.array(found) <= level + 1e-9)
        assert abs(share - level) <= 3 * np.sqrt(level * (1 - level) / 200)
    assert stats.kstest(np.array(found) - rng.uniform(0, 0.05, 200), "uniform").pvalue > 0.01


def test_it_says_when_no_sham_reaches_the_real_one() -> None:
    out = StandsOut(0.8, (0.1, 0.3, 0.2))
    assert (out.p, out.finest) == (0.25, 0.25)
    assert out.text() == (
        "real 0.80, 3 shams 0.10 .. 0.30 (median 0.20), p = 0.250; no sham reaches it, and so many cannot give less"
    )
    assert StandsOut(0.8, (0.8, 0.3, 0.2)).p == 0.5
    assert "cannot give less" not in StandsOut(0.2, (0.8, 0.3)).text()

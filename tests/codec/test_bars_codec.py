from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.codec import bars, barstrial
from brainmidi.codec.bars import Grammar, Score, ScoreBar
from brainmidi.errors import CodecError
from brainmidi.types import Note

SIXTEENTH = Fraction(1, 4)
C_MAJOR, G_MAJOR = 1, 8
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def score_bars(draw: st.DrawFn) -> ScoreBar:
    """Any notes, off the grid, of equal pitch and overlapping, some far over the bar line; chords that may repeat."""
    length = draw(st.integers(1, 16))
    ticks = st.integers(0, 12 * length - 1)  # of 1/48 beat
    notes = [
        Note(Fraction(draw(ticks), 48), Fraction(draw(st.integers(1, 1000)), 48), pitch, velocity, part)
        for pitch, velocity, part in draw(
            st.lists(st.tuples(st.integers(60, 63), st.integers(1, 127), st.sampled_from(bars.PARTS)), max_size=8)
        )
    ]
    steps = {0} | draw(st.sets(st.integers(0, length - 1), max_size=3))
    return ScoreBar(length, tuple((step, draw(st.integers(0, 3))) for step in sorted(steps)), tuple(notes))


scores = st.builds(Score, st.lists(score_bars(), max_size=5).map(tuple), st.sampled_from(bars.STYLES), st.booleans())


def one_bar(*notes: Note, length: int = 16) -> Score:
    return Score((ScoreBar(length, ((0, C_MAJOR),), notes),))


def pushed(*tokens: int) -> Grammar:
    grammar = Grammar()
    for token in tokens:
        grammar.push(token)
    return grammar


def before_a_pitch(part: str = "melody") -> list[int]:
    return [
        bars.style_token("any"),
        bars.bar_token(16),
        bars.chord_token(C_MAJOR),
        bars.position_token(0),
        bars.part_token(part),
        bars.velocity_token(80),
    ]


@given(scores)
def test_decoding_the_code_of_a_score_gives_the_quantised_score(score: Score) -> None:
    assert bars.decode(bars.encode(score)) == bars.quantise(score)


@given(scores)
def test_quantising_twice_changes_nothing_more(score: Score) -> None:
    once = bars.quantise(score)
    assert bars.quantise(once) == once


@given(scores)
def test_no_part_strikes_a_pitch_that_it_sounds(score: Score) -> None:
    line = Fraction(0)
    silent_from: dict[tuple[str, int], Fraction] = {}
    for bar in bars.quantise(score).bars:
        for note in bar.notes:
            assert silent_from.get((note.part, note.pitch), 0) <= line + note.start
            silent_from[note.part, note.pitch] = line + note.end
        line += Fraction(bar.length, 4)


@given(SEEDS, st.integers(0, 300))
@settings(max_examples=40)
def test_what_the_grammar_lets_through_is_its_scores_own_spelling(seed: int, n_tokens: int) -> None:
    row = barstrial.random_row(np.random.default_rng(seed), n_tokens)
    assert bars.encode(bars.decode(row)).tolist() == row


@given(SEEDS, st.integers(1, 60))
def test_a_row_that_is_cut_anywhere_keeps_all_but_its_last_unfinished_note(seed: int, n_tokens: int) -> None:
    row = barstrial.random_row(np.random.default_rng(seed), n_tokens)[:n_tokens]
    spelled = bars.encode(bars.decode(row)).tolist()
    assert spelled == row[: len(spelled)]
    assert len(row) - len(spelled) <= len(before_a_pitch()[3:]) + 1


def test_ten_thousand_rows_of_random_logits_decode_ten_thousand_times() -> None:
    assert barstrial.n_decoded(10_000, 24, seed=4) == 10_000


@given(SEEDS)
@settings(max_examples=5)
def test_a_choice_is_left_at_every_id_of_a_long_row(seed: int) -> None:
    rng = np.random.default_rng(seed)
    grammar = Grammar()
    for _ in range(1000):
        # The piece goes on, and no pitch is left out: the melody soon sounds most of the keyboard.
        open_ids = np.flatnonzero(grammar.allowed())
        open_ids = open_ids[open_ids != bars.EOS]
        longest = bars.VELOCITY - 1
        grammar.push(longest if longest in open_ids else int(rng.choice(open_ids)))


def test_a_part_that_sounds_every_pitch_may_not_strike_until_one_stops() -> None:
    long = [Note(Fraction(0), Fraction(16), p, 80, part) for part in bars.PARTS for p in range(21, 109)]
    grammar = Grammar()
    for token in bars.encode(one_bar(*long)):
        grammar.push(int(token))
    assert np.flatnonzero(grammar.allowed()[bars.PART : bars.PITCH]).size == 0
    for bar in range(4):
        grammar.push(bars.bar_token(16))
        grammar.push(bars.chord_token(C_MAJOR))
        assert grammar.allowed()[bars.position_token(0)] == (bar == 3)
        assert grammar.allowed()[bars.position_token(1)]


@pytest.mark.parametrize("token", range(bars.EOS, bars.N_CLASSES))
def test_every_id_survives_in_its_canonical_place(token: int) -> None:
    style, bar, chord, position, part, velocity = before_a_pitch()
    pitch, duration = bars.pitch_token(60), bars.duration_token(4)
    if token == bars.EOS:
        tokens = [style, token]
    elif token < bars.BAR:
        tokens = [token]
    elif token < bars.CHORD:
        tokens = [style, token, chord]
    elif token < bars.POSITION:
        tokens = [style, bar, token]
    elif token < bars.PART:
        tokens = [style, bar, chord, token, part, velocity, pitch, duration]
    elif token < bars.PITCH:
        tokens = [style, bar, chord, position, token, velocity, pitch, duration]
    elif token < bars.DURATION:
        tokens = [style, bar, chord, position, part, velocity, token, duration]
    elif token < bars.VELOCITY:
        tokens = [style, bar, chord, position, part, velocity, pitch, token]
    else:
        tokens = [style, bar, chord, position, part, token, pitch, duration]
    assert bars.encode(bars.decode(tokens)).tolist() == tokens


def test_the_vocabulary_has_220_ids() -> None:
    assert bars.N_CLASSES == 220
    firsts = (bars.PAD, bars.EOS, bars.STYLE, bars.BAR, bars.CHORD, bars.POSITION, bars.PART, bars.PITCH)
    assert (*firsts, bars.DURATION, bars.VELOCITY) == (0, 1, 2, 9, 25, 74, 90, 93, 181, 204)


def test_an_instant_is_spelled_melody_first_and_from_the_highest_pitch_down() -> None:
    together = [
        Note(Fraction(1), SIXTEENTH, 48, 80, "accompaniment"),
        Note(Fraction(1), SIXTEENTH, 36, 80, "bass"),
        Note(Fraction(1), SIXTEENTH, 55, 80, "accompaniment"),
        Note(Fraction(1), Fraction(1), 72, 80, "melody"),
        Note(Fraction(2), Fraction(1), 72, 80, "melody"),
    ]
    score = Score((ScoreBar(12, ((0, C_MAJOR), (4, G_MAJOR)), tuple(together)),), "bach", ended=True)
    loud, short = bars.velocity_token(80), bars.duration_token(1)
    assert bars.encode(score).tolist() == [
        bars.style_token("bach"),
        *(bars.bar_token(12), bars.chord_token(C_MAJOR)),
        *(bars.position_token(4), bars.chord_token(G_MAJOR)),
        *(bars.part_token("melody"), loud, bars.pitch_token(72), bars.duration_token(4)),
        *(bars.part_token("bass"), loud, bars.pitch_token(36), short),
        *(bars.part_token("accompaniment"), loud, bars.pitch_token(55), short, bars.pitch_token(48), short),
        *(bars.position_token(8), bars.part_token("melody"), bars.pitch_token(72), bars.duration_token(4)),
        bars.EOS,
    ]


def test_a_pitch_struck_again_ends_its_earlier_note_where_a_duration_allows() -> None:
    held, again = Note(Fraction(0), Fraction(8), 60), Note(Fraction(3, 4), SIXTEENTH, 60)
    score = Score((*one_bar(held).bars, *one_bar(again).bars))
    first, second = bars.quantise(score).bars
    assert first.notes[0].length == 4  # 19 sixteenths are no duration, 16 are
    assert [note.start for note in second.notes] == [again.start]


def test_a_note_may_sound_over_the_bar_line_and_past_the_last_bar() -> None:
    (bar,) = bars.decode(bars.encode(one_bar(Note(Fraction(3), Fraction(16), 60)))).bars
    assert bar.notes[0].end == 19


def test_a_note_nearer_to_the_next_bar_line_begins_there_and_one_without_a_next_bar_on_the_last_step() -> None:
    late = ScoreBar(4, ((0, C_MAJOR),), (Note(Fraction(95, 100), Fraction(1), 60),))
    first, second = bars.quantise(Score((late, late))).bars
    assert first.notes == ()
    assert [note.start for note in second.notes] == [0, Fraction(3, 4)]


def test_velocities_are_the_middles_of_sixteen_classes() -> None:
    assert [bars.velocity_of(bars.velocity_token(v)) for v in (1, 7, 8, 80, 127)] == [4, 4, 12, 84, 124]


def test_the_grammar_tells_where_it_stands() -> None:
    grammar = pushed(*before_a_pitch("bass"), bars.pitch_token(40), bars.duration_token(6), bars.position_token(2))
    assert (grammar.style, grammar.bar, grammar.bar_length, grammar.step) == ("any", 0, 16, 2)
    assert (grammar.chord, grammar.part, grammar.ended) == (C_MAJOR, None, False)
    assert grammar.sounding == {("bass", 40): 6}
    grammar.push(bars.chord_token(G_MAJOR))
    grammar.push(bars.bar_token(8))
    assert (grammar.bar, grammar.bar_start, grammar.step, grammar.sounding) == (1, 16, -1, {})


def test_a_copy_goes_its_own_way() -> None:
    grammar = pushed(*before_a_pitch(), bars.pitch_token(60))
    before, state = grammar.score(), {name: str(value) for name, value in vars(grammar).items()}
    other = grammar.copy()
    row = [bars.duration_token(4), bars.pitch_token(50), bars.duration_token(64), bars.position_token(3)]
    for token in [*row, bars.chord_token(G_MAJOR), bars.bar_token(3), bars.chord_token(2), bars.EOS]:
        other.push(token)
    assert {name: str(value) for name, value in vars(grammar).items()} == state
    assert grammar.score() == before != other.score()
    assert grammar.allowed()[bars.duration_token(4)]


def test_a_note_without_its_duration_and_a_bar_without_its_chord_are_left_out() -> None:
    assert bars.decode([*before_a_pitch(), bars.pitch_token(60)]) == one_bar()
    assert bars.decode([bars.style_token("pop"), bars.bar_token(4)]) == Score((), "pop")


def test_padding_after_the_end_says_nothing() -> None:
    row = [bars.style_token("pop"), bars.EOS]
    assert bars.decode([*row, bars.PAD, bars.PAD]) == bars.decode(row) == Score((), "pop", ended=True)
    assert bars.decode([]) == Score(())


@pytest.mark.parametrize(
    "row",
    [
        [bars.bar_token(4)],
        [*before_a_pitch(), bars.velocity_token(1)],
        [*before_a_pitch()[:-1], bars.pitch_token(60)],
        [*before_a_pitch(), bars.pitch_token(60), bars.duration_token(1), bars.pitch_token(61)],
        [*before_a_pitch(), bars.pitch_token(60), bars.duration_token(1), bars.velocity_token(80)],
        [*before_a_pitch(), bars.pitch_token(60), bars.duration_token(1), bars.part_token("melody")],
        [*before_a_pitch(), bars.pitch_token(60), bars.duration_token(1), bars.position_token(0)],
        [*before_a_pitch(), bars.pitch_token(60), bars.duration_token(64), bars.bar_token(4), bars.position_token(4)],
        [*before_a_pitch()[:3], bars.position_token(2), bars.chord_token(C_MAJOR)],
        [*before_a_pitch()[:3], bars.position_token(0), bars.chord_token(G_MAJOR)],
        [*before_a_pitch()[:3], bars.position_token(2), bars.bar_token(4)],
        [bars.style_token("any"), bars.EOS, bars.bar_token(4)],
        [bars.style_token("any"), bars.PAD, bars.bar_token(4)],
    ],
)
def test_another_spelling_is_refused(row: list[int]) -> None:
    with pytest.raises(CodecError, match=f"token {row[-1]} .* may not come|token 0 .* may not come"):
        bars.decode(row)


def test_an_id_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(CodecError, match=r"token 220 is outside 0\.\.219"):
        bars.decode([220])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: one_bar(length=17), r"bar length 17 is outside 1\.\.16"),
        (lambda: one_bar(Note(Fraction(0), SIXTEENTH, 20)), r"pitch 20 is outside 21\.\.108"),
        (lambda: one_bar(Note(Fraction(0), SIXTEENTH, 60, 80, "drums")), "part 'drums' is unknown"),
        (lambda: one_bar(Note(Fraction(1), SIXTEENTH, 60), length=4), "outside a bar of 4 sixteenths"),
        (lambda: ScoreBar(4, ()), "do not ascend from 0"),
        (lambda: ScoreBar(4, ((1, 0),)), "do not ascend from 0"),
        (lambda: ScoreBar(4, ((0, 0), (4, 1))), "do not ascend from 0 to below 4"),
        (lambda: ScoreBar(4, ((0, 49),)), r"chord class 49 is outside 0\.\.48"),
        (lambda: Score((), "jazz"), "style 'jazz' is unknown"),
        (lambda: bars.duration_token(17), "duration 17 is not one of 1, 2"),
    ],
)
def test_what_has_no_word_is_refused_with_what_has(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(CodecError, match=message):
        make()


def test_a_grammar_of_many_bars_copies_into_two_that_go_their_own_ways() -> None:
    grammar = bars.Grammar()
    row = [bars.style_token("any")] + 3000 * [bars.bar_token(4), bars.chord_token(0)]
    for token in row:
        grammar.push(token)
    other = grammar.copy()
    other.push(bars.bar_token(8))
    other.push(bars.chord_token(1))
    assert [bar.length for bar in grammar.score().bars] == [4] * 3000
    assert [bar.length for bar in other.score().bars] == [4] * 3000 + [8]

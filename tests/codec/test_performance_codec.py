from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.codec import performance as codec
from brainmidi.errors import CodecError
from brainmidi.types import Note, Phrase


@st.composite
def phrases(draw: st.DrawFn) -> Phrase:
    """Any notes, off the grid, of equal pitch and overlapping, in up to four beats."""
    length = draw(st.integers(0, 240))
    notes = []
    for _ in range(draw(st.integers(0, 12)) if length else 0):
        start = draw(st.integers(0, length - 1))
        notes.append(
            Note(
                Fraction(start, 60),
                Fraction(draw(st.integers(1, length - start)), 60),
                draw(st.integers(60, 66)),
                draw(st.integers(1, 127)),
            )
        )
    return Phrase(tuple(notes), Fraction(length, 60))


vocabularies = st.sampled_from([codec.MAGENTA, codec.PAPER])


@given(phrases(), vocabularies)
def test_decoding_the_code_of_a_phrase_gives_the_quantised_phrase(phrase: Phrase, ids: codec.Vocabulary) -> None:
    quantised = codec.quantise(phrase, vocabulary=ids)
    assert codec.decode(codec.encode(phrase, ids), vocabulary=ids) == quantised
    assert codec.quantise(quantised, vocabulary=ids) == quantised


@given(st.data(), vocabularies)
def test_any_row_of_ids_decodes_and_its_phrase_survives(data: st.DataObject, ids: codec.Vocabulary) -> None:
    tokens = data.draw(st.lists(st.integers(0, ids.n_classes - 1), max_size=60))
    phrase = codec.decode(tokens, vocabulary=ids)
    assert codec.decode(codec.encode(phrase, ids), vocabulary=ids) == phrase


@pytest.mark.parametrize("token", range(codec.PAPER.n_classes))
def test_every_id_of_the_papers_survives_in_its_canonical_place(token: int) -> None:
    ids = codec.PAPER
    pitch = token % 128 if token < ids.shift else 0
    shift = token if ids.shift <= token < ids.velocity else ids.shift
    loudness = max(token, ids.velocity)
    tokens = [loudness, ids.on(pitch), shift, ids.off(pitch)]
    assert token in tokens
    assert codec.encode(codec.decode(tokens, vocabulary=ids), ids).tolist() == tokens


@pytest.mark.parametrize("token", range(codec.NOTE_ON, codec.N_CLASSES))
def test_every_id_survives_in_its_canonical_place(token: int) -> None:
    if token >= codec.VELOCITY:
        tokens = [token, codec.note_on(60), codec.shift(5), codec.note_off(60)]
    elif token >= codec.SHIFT:
        tokens = [codec.velocity_token(80), codec.note_on(60), token, codec.note_off(60)]
    elif token >= codec.NOTE_OFF:
        pitch = token - codec.NOTE_OFF + codec.MIN_PITCH
        tokens = [codec.velocity_token(80), codec.note_on(pitch), codec.shift(7), token]
    else:
        pitch = token - codec.NOTE_ON + codec.MIN_PITCH
        tokens = [codec.velocity_token(80), token, codec.shift(7), codec.note_off(pitch)]
    assert codec.encode(codec.decode(tokens)).tolist() == tokens


@given(st.integers(0, 2**32 - 1), st.integers(1, 80), vocabularies)
@settings(max_examples=60)
def test_random_choices_through_the_grammar_are_their_own_canonical_spelling(
    seed: int, n_events: int, ids: codec.Vocabulary
) -> None:
    rng = np.random.default_rng(seed)
    grammar = codec.Grammar(ids)
    tokens: list[int] = []
    for _ in range(n_events):
        allowed = np.flatnonzero(grammar.allowed())
        assert len(allowed) > 0
        tokens.append(int(rng.choice(allowed)))
        grammar.push(tokens[-1])
    if tokens[-1] >= ids.velocity:  # a loudness without its note says nothing
        tokens.pop()
    # End what sounds, an instant later, so that the spelling is complete.
    if grammar.sounding and not ids.shift <= tokens[-1] < ids.velocity:
        tokens.append(ids.shift)
    tokens += [ids.off(pitch) for pitch in sorted(grammar.sounding)]
    assert codec.encode(codec.decode(tokens, vocabulary=ids), ids).tolist() == tokens


def test_voices_that_start_together_are_spelled_from_the_highest_down() -> None:
    chord = Phrase(tuple(Note(Fraction(0), Fraction(1), p, 81) for p in (48, 72, 60)), Fraction(1))
    assert codec.encode(chord).tolist() == [
        codec.velocity_token(81),
        codec.note_on(72),
        codec.note_on(60),
        codec.note_on(48),
        codec.shift(48),
        codec.note_off(48),
        codec.note_off(60),
        codec.note_off(72),
    ]


def test_a_wait_longer_than_a_full_shift_is_full_shifts_and_the_rest() -> None:
    assert codec.shifts(250) == [codec.shift(100), codec.shift(100), codec.shift(50)]


def test_the_vocabulary_is_the_published_one_of_310() -> None:
    assert codec.N_CLASSES == 310
    assert (codec.NOTE_ON, codec.NOTE_OFF, codec.SHIFT, codec.VELOCITY) == (2, 90, 178, 278)


def test_the_vocabulary_of_the_papers_has_388_and_no_padding() -> None:
    ids = codec.PAPER
    assert (ids.note_on, ids.note_off, ids.shift, ids.velocity, ids.n_classes) == (0, 128, 256, 356, 388)


@pytest.mark.parametrize("pitch", [20, 109])
def test_a_pitch_off_the_piano_is_refused(pitch: int) -> None:
    phrase = Phrase((Note(Fraction(0), Fraction(1), pitch),), Fraction(1))
    with pytest.raises(CodecError, match=rf"pitch {pitch} is outside 21\.\.108"):
        codec.encode(phrase)


def test_an_id_beyond_the_vocabulary_is_refused() -> None:
    with pytest.raises(CodecError, match=r"token 310 is outside 0\.\.309"):
        codec.decode([310])


@given(phrases())
@settings(max_examples=40)
def test_notes_are_those_that_note_seq_reads_from_the_same_events(phrase: Phrase) -> None:
    """Magenta's ids are note_seq's one-hot performance events after PAD and EOS, less the pitches off the piano."""
    from note_seq import PerformanceOneHotEncoding
    from note_seq.performance_lib import Performance

    encoding = PerformanceOneHotEncoding(num_velocity_bins=32, max_shift_steps=100, min_pitch=21, max_pitch=108)
    tokens = codec.encode(phrase)
    performance = Performance(steps_per_second=100, num_velocity_bins=32)
    for token in tokens:
        performance.append(encoding.decode_event(int(token) - 2))
    theirs = {
        (round(n.start_time * 100), round(n.end_time * 100), n.pitch, n.velocity)
        for n in performance.to_sequence().notes
    }
    ours = {(int(n.start * 48), int(n.end * 48), n.pitch, n.velocity) for n in codec.decode(tokens).notes}
    assert theirs == ours

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from brainmidi.codec import drums
from brainmidi.errors import CodecError
from brainmidi.types import Note, Phrase

STEP = Fraction(1, 4)
KITS = {"roland": drums.ROLAND, "full": drums.FULL}
#: The order of Magenta's FULL_DRUM_PITCH_CLASSES where it leaves that of the nine drums: tom and cymbal pitches.
FULL_ORDER = {33: 45, 35: 41, 36: 61, 39: 48, 48: 43, 52: 49, 53: 55, 56: 51, 60: 82}
tokens_of_two_bars = st.lists(st.integers(0, drums.N_CLASSES - 1), min_size=32, max_size=32)


#: Start and length in 1/24 beat, pitch, velocity.
hits = st.tuples(st.integers(0, 191), st.integers(1, 192), st.integers(20, 90), st.integers(1, 127))


def phrase_of(drawn: list[tuple[int, int, int, int]]) -> Phrase:
    """Any hits of any pitch, off the grid, several at once, in two bars."""
    notes = [
        Note(Fraction(start, 24), Fraction(min(length, 192 - start), 24), pitch, velocity)
        for start, length, pitch, velocity in drawn
    ]
    return Phrase(tuple(notes), Fraction(8))


phrases = st.lists(hits, max_size=16).map(phrase_of)


@given(phrases)
def test_decoding_the_code_of_a_phrase_gives_the_quantised_phrase(phrase: Phrase) -> None:
    assert drums.decode(drums.encode(phrase)) == drums.quantise(phrase)


@pytest.mark.parametrize("kit", KITS.values(), ids=KITS)
@given(phrases)
def test_striking_the_strikes_of_a_phrase_gives_it_quantised_on_every_kit(kit: drums.Kit, phrase: Phrase) -> None:
    assert drums.strike(drums.strikes(phrase, kit), kit) == drums.quantise(phrase, kit)


@given(phrases)
def test_quantising_twice_changes_nothing_more(phrase: Phrase) -> None:
    once = drums.quantise(phrase)
    assert drums.quantise(once) == once


def test_every_token_survives_decoding_and_encoding() -> None:
    tokens = np.arange(drums.N_CLASSES)
    assert drums.encode(drums.decode(tokens)).tolist() == tokens.tolist()


@given(st.integers(0, 2**32 - 1))
def test_random_logits_always_decode_and_come_back(seed: int) -> None:
    tokens = np.random.default_rng(seed).normal(size=(32, drums.N_CLASSES)).argmax(axis=-1)
    phrase = drums.decode(tokens)
    assert phrase.length == 8
    assert drums.encode(phrase).tolist() == tokens.tolist()


def test_a_hit_goes_to_its_nearest_sixteenth_and_lasts_one() -> None:
    late_kick = Note(Fraction(1, 9), Fraction(2), 35, 127)
    assert drums.quantise(Phrase((late_kick,), Fraction(4))).notes == (
        Note(Fraction(0), STEP, 36, drums.VELOCITY, "drums"),
    )


def test_a_hit_between_two_steps_goes_to_the_later() -> None:
    assert drums.encode(Phrase((Note(Fraction(1, 8), STEP, 36),), Fraction(1))).tolist() == [0, 1, 0, 0]


def test_a_hit_nearer_to_the_end_than_to_the_last_step_is_left_out() -> None:
    assert drums.encode(Phrase((Note(Fraction(7, 8), Fraction(1, 8), 36),), Fraction(1))).tolist() == [0, 0, 0, 0]


def test_a_pitch_of_no_drum_is_left_out() -> None:
    assert drums.encode(Phrase((Note(Fraction(0), STEP, 100),), Fraction(1))).tolist() == [0, 0, 0, 0]


def test_a_roland_rim_and_a_general_midi_clap_are_both_the_snare() -> None:
    rim, clap = (Phrase((Note(Fraction(0), STEP, pitch),), STEP) for pitch in (40, 39))
    assert drums.encode(rim, drums.ROLAND).tolist() == drums.encode(clap).tolist() == [1 << drums.SNARE]
    assert drums.encode(clap, drums.ROLAND).tolist() == [0]


def test_a_length_off_the_grid_is_refused() -> None:
    with pytest.raises(CodecError, match="sixteenths"):
        drums.encode(Phrase((), Fraction(1, 3)))


@pytest.mark.parametrize("token", [-1, 512])
def test_a_token_beyond_the_vocabulary_is_refused(token: int) -> None:
    with pytest.raises(CodecError, match=rf"token {token} is outside 0\.\.511"):
        drums.decode([0, token])


def test_the_encoder_reads_nine_bits_and_whether_the_step_is_empty() -> None:
    rows = drums.roll([0, 1, 256 + 4])
    assert rows.dtype == np.float32
    assert rows.astype(int).tolist() == [
        [0, 0, 0, 0, 0, 0, 0, 0, 0, 1],
        [1, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        [0, 0, 1, 0, 0, 0, 0, 0, 1, 0],
    ]
    assert drums.roll(np.zeros((5, 32), dtype=np.int16)).shape == (5, 32, 10)


@given(tokens_of_two_bars)
def test_packing_undoes_unpacking(tokens: list[int]) -> None:
    bits: NDArray[np.bool_] = drums.unpack([tokens, tokens[::-1]])
    assert drums.pack(bits).tolist() == [tokens, tokens[::-1]]


def test_the_full_kit_has_every_general_midi_percussion_pitch_once() -> None:
    pitches = [pitches[0] for pitches in drums.FULL]
    assert len(set(pitches)) == len(pitches) == 61
    assert set(pitches) == {pitch for row in drums.REDUCED for pitch in row} - {22, 26}


def test_the_full_kit_keeps_magentas_order() -> None:
    assert {place: drums.FULL[place][0] for place in FULL_ORDER} == FULL_ORDER


def test_the_nine_drums_are_note_seqs() -> None:
    from note_seq.drums_encoder_decoder import DEFAULT_DRUM_TYPE_PITCHES

    assert [list(pitches) for pitches in drums.REDUCED] == DEFAULT_DRUM_TYPE_PITCHES


@given(tokens_of_two_bars)
def test_tokens_and_their_drums_are_those_of_note_seq(tokens: list[int]) -> None:
    from note_seq import DrumTrack, MultiDrumOneHotEncoding

    encoding = MultiDrumOneHotEncoding()
    events = [encoding.decode_event(token) for token in tokens]
    sequence = DrumTrack(events, steps_per_quarter=4).to_sequence(velocity=drums.VELOCITY, qpm=60.0)
    theirs = sorted((note.start_time, note.end_time, note.pitch, note.velocity) for note in sequence.notes)
    ours = sorted((float(n.start), float(n.end), n.pitch, n.velocity) for n in drums.decode(tokens))
    assert ours == theirs
    assert [encoding.encode_event(event) for event in events] == drums.encode(drums.decode(tokens)).tolist()


@given(phrases)
def test_an_unquantised_phrase_has_the_events_that_note_seq_extracts(phrase: Phrase) -> None:
    from note_seq import DrumTrack, MultiDrumOneHotEncoding, NoteSequence, sequences_lib

    sequence = NoteSequence()
    sequence.tempos.add(qpm=60.0)
    for note in phrase:
        sequence.notes.add(
            pitch=note.pitch,
            velocity=note.velocity,
            start_time=float(note.start),
            end_time=float(note.end),
            is_drum=True,
        )
    track = DrumTrack()
    track.from_quantized_sequence(sequences_lib.quantize_note_sequence(sequence, 4), gap_bars=100, pad_end=True)
    encoding = MultiDrumOneHotEncoding()
    theirs = [encoding.encode_event(event) for event in track]
    theirs = [0] * track.start_step + theirs
    assert drums.encode(phrase).tolist() == (theirs + [0] * 32)[:32]

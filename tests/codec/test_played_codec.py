from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from brainmidi.codec import played
from brainmidi.codec.performanceids import MAGENTA, PAPER, Vocabulary
from brainmidi.errors import CodecError

Rows = list[tuple[float, float, int, int]]
Pedal = list[tuple[float, bool]]

vocabularies = st.sampled_from([MAGENTA, PAPER])
seconds = st.floats(0, 20, allow_nan=False)
#: Any notes at all.
notes = st.lists(
    st.tuples(seconds, st.floats(0, 5), st.integers(60, 63), st.integers(1, 127)).map(
        lambda drawn: (drawn[0], drawn[0] + drawn[1], drawn[2], drawn[3])
    ),
    max_size=12,
)
pedals = st.lists(st.tuples(seconds, st.booleans()), max_size=8)


@st.composite
def keyboards(draw: st.DrawFn) -> Rows:
    """What hands can play: a key is let go before it is struck again, two ticks or more after it was struck."""
    rows: Rows = []
    for pitch in (21, 60, 108):
        now = draw(st.integers(0, 3000))
        for _ in range(draw(st.integers(0, 6))):
            end = now + draw(st.integers(11, 2000))
            rows.append((now / 1000, end / 1000, pitch, draw(st.integers(1, 127))))
            now = end + draw(st.integers(11, 2000))
    return rows


@st.composite
def feet(draw: st.DrawFn) -> Pedal:
    """Changes of the pedal at times that differ, and on no instant of :func:`keyboards`."""
    times = draw(st.lists(st.integers(0, 20_000), max_size=8, unique=True))
    return [(time / 1000 + 0.0005, draw(st.booleans())) for time in times]


def reference(rows: Rows, pedal: Pedal) -> Any:
    """Return note_seq's sequence of the notes as the pedal lets them sound."""
    from note_seq import NoteSequence, sequences_lib

    sequence = NoteSequence()
    for start, end, pitch, velocity in rows:
        sequence.notes.add(start_time=start, end_time=end, pitch=pitch, velocity=velocity)
    for time, down in pedal:
        sequence.control_changes.add(time=time, control_number=64, control_value=64 if down else 63)
    return sequences_lib.apply_sustain_control_changes(sequence)


def as_set(rows: NDArray[np.float64]) -> set[tuple[float, ...]]:
    return set(map(tuple, rows.tolist()))


@given(notes, vocabularies)
def test_decoding_the_code_of_a_performance_gives_the_quantised_one(rows: Rows, ids: Vocabulary) -> None:
    quantised = played.quantise(rows, ids)
    np.testing.assert_array_equal(played.decode(played.encode(rows, vocabulary=ids), ids), quantised)
    np.testing.assert_array_equal(played.quantise(quantised, ids), quantised)


@given(st.data(), vocabularies)
def test_any_row_of_ids_decodes_and_its_performance_survives(data: st.DataObject, ids: Vocabulary) -> None:
    rows = played.decode(data.draw(st.lists(st.integers(0, ids.n_classes - 1), max_size=60)), ids)
    np.testing.assert_array_equal(played.decode(played.encode(rows, vocabulary=ids), ids), rows)


@given(notes, pedals)
def test_the_pedal_moves_no_start_and_ends_no_note_before_its_key_or_its_next_strike(rows: Rows, pedal: Pedal) -> None:
    heard = played.sustained(rows, pedal)
    assert heard.shape == (len(rows), 4)
    for (start, end, pitch, velocity), row in zip(rows, heard.tolist(), strict=True):
        strikes = [other[0] for other in rows if other[2] == pitch and other[0] > start]
        assert (row[0], row[2], row[3]) == (start, pitch, velocity)
        assert row[1] >= min([end, *strikes])


@given(keyboards(), feet())
def test_sustained_notes_are_those_of_note_seq(rows: Rows, pedal: Pedal) -> None:
    theirs = {(n.start_time, n.end_time, n.pitch, n.velocity) for n in reference(rows, pedal).notes}
    assert as_set(played.sustained(rows, pedal)) == theirs


@given(keyboards(), feet(), vocabularies)
@settings(max_examples=50)
def test_note_seqs_events_of_a_performance_say_what_ours_say(rows: Rows, pedal: Pedal, ids: Vocabulary) -> None:
    from note_seq import PerformanceOneHotEncoding, sequences_lib
    from note_seq.performance_lib import Performance

    sequence = sequences_lib.quantize_note_sequence_absolute(reference(rows, pedal), 100)
    encoding = PerformanceOneHotEncoding(32, 100, ids.min_pitch, ids.max_pitch)
    theirs = [encoding.encode_event(e) + ids.note_on for e in Performance(sequence, num_velocity_bins=32)]
    ours = played.encode(rows, pedal, ids)
    np.testing.assert_array_equal(played.decode(theirs, ids), played.decode(ours, ids))
    if not rows:
        return
    # Of one instant they say the same events in another order: loudness aside, each as often.
    said = np.bincount(theirs, minlength=ids.n_classes)[: ids.velocity]
    np.testing.assert_array_equal(said, np.bincount(ours, minlength=ids.n_classes)[: ids.velocity])


@pytest.mark.parametrize("ids", [MAGENTA, PAPER], ids=["310", "388"])
def test_every_id_is_the_event_that_note_seq_numbers_so(ids: Vocabulary) -> None:
    from note_seq import PerformanceEvent, PerformanceOneHotEncoding

    encoding = PerformanceOneHotEncoding(32, 100, ids.min_pitch, ids.max_pitch)
    assert encoding.num_classes + ids.note_on == ids.n_classes
    for pitch in range(ids.min_pitch, ids.max_pitch + 1):
        assert ids.on(pitch) == encoding.encode_event(PerformanceEvent(PerformanceEvent.NOTE_ON, pitch)) + ids.note_on
        assert ids.off(pitch) == encoding.encode_event(PerformanceEvent(PerformanceEvent.NOTE_OFF, pitch)) + ids.note_on
    for ticks in range(1, 101):
        event = PerformanceEvent(PerformanceEvent.TIME_SHIFT, ticks)
        assert ids.wait(ticks) == [encoding.encode_event(event) + ids.note_on]
    for velocity in range(1, 128):
        event = PerformanceEvent(PerformanceEvent.VELOCITY, (velocity + 3) // 4)
        assert ids.loudness(velocity) == encoding.encode_event(event) + ids.note_on


@pytest.mark.parametrize(
    ("pedal", "ends"),
    [
        ([], [1.0, 4.0]),
        ([(0.5, 1)], [3.0, 4.0]),  # up to the next strike, and the last note to the end of the file
        ([(0.5, 1), (2.0, 0)], [2.0, 4.0]),
        ([(1.0, 1), (2.0, 0)], [2.0, 4.0]),  # pressed as the key is let go
        ([(0.5, 1), (1.0, 0)], [1.0, 4.0]),  # lifted as the key is let go
        ([(1.5, 1), (2.0, 0)], [1.0, 4.0]),  # pressed too late
        ([(3.5, 1), (9.0, 0)], [1.0, 9.0]),
        ([(3.5, 1), (9.0, 1)], [1.0, 9.0]),
        ([(2.0, 0), (0.5, 1)], [2.0, 4.0]),  # in any order
        ([(0.5, 1), (0.7, 0), (0.7, 1), (2.0, 0)], [2.0, 4.0]),  # caught again on one instant
    ],
)
def test_a_note_sounds_until_the_pedal_lifts_or_its_pitch_is_struck_again(pedal: Pedal, ends: list[float]) -> None:
    rows = [(0.0, 1.0, 60, 80), (3.0, 4.0, 60, 80)]
    assert played.sustained(rows, pedal)[:, 1].tolist() == ends


def test_shifts_are_ten_milliseconds_and_leading_silence_is_played() -> None:
    ids = PAPER
    tokens = played.encode([(1.234, 1.25, 60, 80), (1.251, 1.252, 64, 81)], vocabulary=ids).tolist()
    assert tokens == [
        *ids.wait(123),
        *(ids.loudness(80), ids.on(60)),
        *ids.wait(2),
        *(ids.off(60), ids.loudness(81), ids.on(64)),
        *ids.wait(1),
        ids.off(64),
    ]


def test_an_empty_performance_has_no_events() -> None:
    assert played.encode([]).tolist() == []
    assert played.decode([]).shape == played.quantise([]).shape == (0, 4)


def test_a_pitch_off_the_piano_is_refused_by_magentas_ids_alone() -> None:
    low = [(0.0, 1.0, 20, 80)]
    with pytest.raises(CodecError, match=r"pitch 20 is outside 21\.\.108"):
        played.encode(low)
    assert played.decode(played.encode(low, vocabulary=PAPER), PAPER).tolist() == [[0.0, 1.0, 20.0, 77.0]]

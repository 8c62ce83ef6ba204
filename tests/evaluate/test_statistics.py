from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from brainmidi.codec import melody
from brainmidi.evaluate import statistics

C4 = 60 - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
few_classes = st.sampled_from([0, 0, 1, C4, C4 + 2, C4 + 4])
some_rows = arrays(np.int32, st.tuples(st.integers(1, 6), st.just(16)), elements=few_classes)


def row(*notes: tuple[int, int]) -> np.ndarray:
    """Return 32 tokens that begin the given (step, pitch) pairs."""
    tokens = np.zeros(32, dtype=np.int32)
    for step, pitch in notes:
        tokens[step] = pitch - 60 + C4
    return tokens


def slow_distance(a: list[int], b: list[int]) -> int:
    """Levenshtein's recursion as it is written in books."""
    costs = {(i, 0): i for i in range(len(a) + 1)} | {(0, j): j for j in range(len(b) + 1)}
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            replaced = costs[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            costs[i, j] = min(costs[i - 1, j] + 1, costs[i, j - 1] + 1, replaced)
    return costs[len(a), len(b)]


@given(
    arrays(np.int32, (3, 7), elements=st.integers(0, 3)),
    arrays(np.int32, st.tuples(st.just(3), st.integers(1, 9)), elements=st.integers(0, 3)),
)
def test_the_edit_distance_is_that_of_the_recursion(a: np.ndarray, b: np.ndarray) -> None:
    expected = [slow_distance(x.tolist(), y.tolist()) / max(7, b.shape[1]) for x, y in zip(a, b, strict=True)]
    assert statistics.edit_distance(a, b) == pytest.approx(expected)


def test_a_melody_moved_by_one_step_is_two_edits_away() -> None:
    a = row((0, 60), (8, 64), (16, 67))
    assert statistics.edit_distance(a[None], np.roll(a, 1)[None])[0] == 2 / 32


def test_spearman_sees_order_and_nothing_else() -> None:
    assert statistics.spearman([1, 2, 3, 4], [0.1, 1, 10, 1000]) == pytest.approx(1.0)
    assert statistics.spearman([1, 2, 3], [3, 2, 1]) == pytest.approx(-1.0)
    assert np.isnan(statistics.spearman([1, 2, 3], [5, 5, 5]))


def test_entropy_counts_pitch_classes_and_not_octaves() -> None:
    rows = np.stack([row((0, 60), (4, 72)), row((0, 60), (4, 62)), row((0, 60), (4, 62), (8, 64), (12, 65)), row()])
    assert statistics.pitch_class_entropy(rows) == pytest.approx([0, 1, 2, 0])
    assert statistics.entropy_histogram(rows)[[0, 4, 8]].tolist() == [2, 1, 1]


def test_every_entropy_has_a_bin() -> None:
    chromatic = row(*[(step, 60 + step) for step in range(12)])
    assert statistics.entropy_histogram(chromatic[None]).sum() == 1


def test_lengths_are_counted_from_one_sixteenth_up() -> None:
    tokens = row((0, 60), (1, 62), (16, 64))
    tokens[4] = melody.NOTE_OFF
    counts = statistics.length_histogram(tokens[None])
    assert counts.nonzero()[0].tolist() == [0, 2, 15]
    assert len(counts) == 32


def test_intervals_are_counted_inside_phrases_and_large_ones_as_octaves() -> None:
    rows = np.stack([row((0, 60), (4, 62), (8, 61)), row((0, 40), (4, 90))])
    counts = statistics.interval_histogram(rows)
    assert {int(k) - 12: int(counts[k]) for k in counts.nonzero()[0]} == {2: 1, -1: 1, 12: 1}


@given(arrays(np.float64, 6, elements=st.floats(0, 9)), arrays(np.float64, 6, elements=st.floats(0, 9)))
def test_the_overlap_of_histograms_is_symmetric_and_whole_with_itself(a: np.ndarray, b: np.ndarray) -> None:
    a, b = a + 0.01, b + 0.01
    assert statistics.overlap(a, 3 * a) == pytest.approx(1)
    assert statistics.overlap(a, b) == pytest.approx(statistics.overlap(b, a))
    assert statistics.overlap(a, b) == pytest.approx(1 - np.abs(a / a.sum() - b / b.sum()).sum() / 2)


def test_histograms_without_a_count_overlap_nothing() -> None:
    assert statistics.overlap([0, 0], [1, 2]) == 0


def slow_match(tokens: np.ndarray, training: np.ndarray) -> tuple[int, float]:
    """Longest match in notes and beats, by trying every run of one phrase in every other."""

    def pairs(one: np.ndarray) -> list[tuple[int, int]]:
        steps = np.flatnonzero(one >= melody.FIRST_PITCH_CLASS)
        return list(zip(np.diff(one[steps]).tolist(), np.diff(steps).tolist(), strict=True))

    ours, theirs = pairs(tokens), [pairs(other) for other in training]
    notes, beats = min(int((tokens >= melody.FIRST_PITCH_CLASS).sum()), 1), 0.0
    for start in range(len(ours)):
        for end in range(start + 1, len(ours) + 1):
            run = ours[start:end]
            if any(run == other[k : k + len(run)] for other in theirs for k in range(len(other))):
                notes, beats = max(notes, len(run) + 1), max(beats, sum(steps for _, steps in run) / 4)
    return notes, beats


@given(some_rows, some_rows)
def test_the_longest_match_is_the_one_found_by_trying_all(rows: np.ndarray, training: np.ndarray) -> None:
    match = statistics.longest_match(rows, training)
    expected = [slow_match(tokens, training) for tokens in rows]
    assert list(zip(match.notes.tolist(), match.beats.tolist(), strict=True)) == expected


def test_a_match_is_found_in_any_key_and_at_any_place() -> None:
    tune = row((0, 60), (4, 62), (6, 64), (8, 60), (16, 67))
    moved = np.roll(np.where(tune > 1, tune + 5, tune), 3)
    match = statistics.longest_match(tune[None], np.stack([row((0, 50)), moved]))
    assert (match.notes[0], match.beats[0], match.whole[0]) == (5, 4.0, True)


def test_a_changed_note_breaks_the_match() -> None:
    tune = row((0, 60), (4, 62), (6, 64), (8, 60), (16, 67))
    other = row((0, 60), (4, 62), (6, 65), (8, 60), (16, 67))
    match = statistics.longest_match(tune[None], other[None])
    assert (match.notes[0], match.beats[0], match.whole[0]) == (2, 2.0, False)

"""Cutting, moving and mapping phrases; anchors."""

from __future__ import annotations

import json
from fractions import Fraction
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import MusicError
from brainmidi.music.harmony import MODES, Key
from brainmidi.music.phrase import (
    MODEL_LENGTH,
    Anchor,
    anchors_from_json,
    excerpt,
    joined,
    phrase_from_steps,
    to_mode,
    transposed,
    without_overlaps,
)
from brainmidi.types import Note, Phrase

ROWS = st.lists(
    st.tuples(st.integers(0, 31), st.integers(1, 8), st.integers(0, 127)).map(
        lambda row: [row[0], min(row[1], 32 - row[0]), row[2]]
    ),
    min_size=1,
    max_size=20,
)
PHRASES = ROWS.map(phrase_from_steps)


@given(PHRASES)
def test_two_halves_joined_are_the_phrase_with_its_ties_cut(phrase):
    half = MODEL_LENGTH / 2
    again = joined(excerpt(phrase, Fraction(0), half), excerpt(phrase, half, half))
    assert again.length == phrase.length
    assert {(n.start, n.pitch) for n in again} == {(n.start, n.pitch) for n in phrase}
    assert all(note.end <= half for note in again if note.start < half)


@given(PHRASES, st.booleans())
def test_no_two_notes_of_a_pitch_overlap_and_a_line_has_one_note_at_a_time(phrase, monophonic):
    tidy = without_overlaps(phrase, monophonic=monophonic)
    notes = sorted(tidy.notes, key=lambda note: (0 if monophonic else note.pitch, note.start))
    for before, after in pairwise(notes):
        assert (not monophonic and before.pitch != after.pitch) or before.end <= after.start
    assert {note.start for note in tidy} == {note.start for note in phrase}
    assert without_overlaps(tidy, monophonic=monophonic) == tidy


@given(PHRASES, st.integers(-60, 60))
def test_transposing_keeps_pitch_classes_and_stays_in_midi_range(phrase, semitones):
    moved = transposed(phrase, semitones)
    assert sorted((n.pitch - semitones) % 12 for n in moved) == sorted(n.pitch % 12 for n in phrase)


@given(PHRASES, st.sampled_from(sorted(MODES)))
def test_a_phrase_in_a_mode_has_no_tone_outside_it(phrase, mode):
    safe = Phrase(tuple(note for note in phrase if 12 <= note.pitch < 115), phrase.length)
    key = Key("C", mode)
    assert {note.pitch % 12 for note in to_mode(safe, key)} <= set(key.classes)


def test_a_mode_is_reached_degree_by_degree():
    scale = phrase_from_steps([[2 * step, 2, 60 + pitch] for step, pitch in enumerate((0, 2, 4, 5, 7, 9, 11))])
    assert [note.pitch for note in to_mode(scale, Key("C", "dorian"))] == [60, 62, 63, 65, 67, 69, 70]
    assert to_mode(scale, Key("C")) == scale


def test_anchors_are_read_from_json_rows():
    text = json.dumps([{"name": "brook", "calm": [[0, 8, 60]], "active": [[0, 2, 67], [16, 4, 72]]}])
    (anchor,) = anchors_from_json(text)
    assert anchor.name == "brook"
    assert anchor.active.notes[1] == Note(Fraction(4), Fraction(1), 72)
    assert anchor.in_mode(Key("D", "minor")).calm == anchor.calm
    (beat,) = anchors_from_json(text, "drums")
    assert {note.part for note in (*beat.calm, *beat.active)} == {"drums"}


@pytest.mark.parametrize(
    "text",
    ["", "{}", "[]", '[{"name": "x"}]', '[{"name": "x", "calm": [], "active": []}]', '[{"name": "x", "calm": [[0]]}]'],
)
def test_anchors_that_are_none_are_one_line_with_the_remedy(text):
    with pytest.raises(MusicError, match=r"restore|write at least"):
        anchors_from_json(text)


def test_an_anchor_note_past_its_two_bars_is_refused():
    with pytest.raises(MusicError):
        Anchor("long", phrase_from_steps([[30, 8, 60]]), phrase_from_steps([[0, 1, 60]]))

"""A take on paper: what the page says is what was played, once it lies on the grid of sixteenths."""

from __future__ import annotations

import os
import stat
import xml.etree.ElementTree as ET
from collections.abc import Iterable
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import NotationError
from brainmidi.notation import percussion
from brainmidi.notation.heads import Head, quantise, spell, voices_of
from brainmidi.notation.score import cut, to_score, write_score
from brainmidi.types import DUO, PARTS, Bar, ControlFrame, Note, Phrase

CHORDS = ("Dm7", "G7", "Bbmaj7", "Cm7b5", "F#dim7", "Ebsus4", "C6/G", "Bb7/Ab")


def bar(index: int, *notes: Note, length: Fraction = Fraction(4), tempo: float = 96.0, anchor: str = "one") -> Bar:
    return Bar(
        index=index,
        start=index * length,
        phrase=Phrase(notes, length),
        tempo_bpm=tempo,
        chords=((Fraction(0), CHORDS[index % len(CHORDS)]),),
        anchor=anchor,
        latent_mix=0.5,
        temperature=1.0,
        controls=ControlFrame.neutral(0.0),
    )


def note(step: float, steps: float, pitch: int, part: str = "melody") -> Note:
    return Note(Fraction(step) / 4, Fraction(steps) / 4, pitch, part=part)


def on_the_page(path, part: int) -> list[tuple[Fraction, Fraction, int]]:
    """Return (start, length, pitch) of every sounding note that music21 reads back, ties joined."""
    from music21 import converter

    found: list[tuple[Fraction, Fraction, int]] = []
    for measure in converter.parse(path).parts[part].getElementsByClass("Measure"):
        for voice in list(measure.voices) or [measure]:
            found += joined(voice, Fraction(measure.offset))
    return sorted(found)


def joined(voice, measure_start: Fraction) -> Iterable[tuple[Fraction, Fraction, int]]:
    held: dict[int, tuple[Fraction, Fraction]] = {}
    for element in voice.notes:
        if "ChordSymbol" in element.classes:
            continue
        begin, length = measure_start + Fraction(element.offset), Fraction(element.quarterLength)
        for pitch in element.pitches:
            start, so_far = held.pop(pitch.midi, (begin, Fraction(0)))
            if element.tie is not None and element.tie.type != "stop":
                held[pitch.midi] = (start, so_far + length)
            else:
                yield start, so_far + length, pitch.midi
    assert not held, "a tie leads nowhere"


@st.composite
def phrases(draw: st.DrawFn, denominator: int = 4) -> Phrase:
    length = Fraction(draw(st.sampled_from((4, 3, 2))))
    steps = int(length * denominator)
    notes = []
    for _ in range(draw(st.integers(0, 10))):
        begin = draw(st.integers(0, steps - 1))
        end = draw(st.integers(begin + 1, steps))
        notes.append(Note(Fraction(begin, denominator), Fraction(end - begin, denominator), draw(st.integers(0, 127))))
    return Phrase(tuple(notes), length)


@given(phrases())
def test_a_phrase_on_the_grid_is_left_alone(phrase):
    assert quantise(phrase) == phrase


@given(phrases(denominator=7))
def test_quantising_twice_changes_nothing_more_and_loses_no_note(phrase):
    once = quantise(phrase)
    assert quantise(once) == once
    assert sorted(note.pitch for note in once) == sorted(note.pitch for note in phrase)


@given(phrases())
def test_every_voice_fills_its_bar_without_gap_or_overlap(phrase):
    for voice in voices_of(phrase):
        at = 0
        for head in voice:
            assert head.step == at
            at += head.steps
        assert at == phrase.length * 4


@given(phrases())
def test_the_voices_together_hold_every_note_once(phrase):
    sounding = set()
    for voice in voices_of(phrase):
        begin = 0
        for head in voice:
            if head.pitches and not head.tied:
                sounding |= {(begin, head.step + head.steps, pitch) for pitch in head.pitches}
            begin = begin if head.tied else head.step + head.steps
    assert sounding == {(int(n.start * 4), int(n.end * 4), n.pitch) for n in phrase}


def test_a_melody_needs_one_voice_and_an_empty_bar_is_a_rest():
    melody = Phrase((note(0, 4, 60), note(4, 12, 62)), Fraction(4))
    assert voices_of(melody) == [[Head(0, 4, (60,)), Head(4, 12, (62,))]]
    assert voices_of(Phrase((), Fraction(3))) == [[Head(0, 12)]]


def test_a_length_that_no_head_can_show_is_tied():
    assert voices_of(Phrase((note(0, 5, 60),), Fraction(2)))[0] == [
        Head(0, 4, (60,), tied=True),
        Head(4, 1, (60,)),
        Head(5, 3),
    ]


@pytest.mark.parametrize(
    ("pitch", "sharps", "name"),
    [
        (60, 0, ("C", 0, 4)),
        (70, -1, ("B", -1, 4)),
        (66, 1, ("F", 1, 4)),
        (58, -1, ("B", -1, 3)),
        (61, -4, ("D", -1, 4)),
        (61, 2, ("C", 1, 4)),
        (59, -6, ("C", -1, 4)),
        (60, 7, ("B", 1, 3)),
        (0, 0, ("C", 0, -1)),
    ],
)
def test_a_pitch_is_spelled_by_its_key(pitch, sharps, name):
    assert spell(pitch, sharps) == name


@given(st.integers(0, 127), st.integers(-7, 7))
def test_a_spelling_sounds_as_the_pitch(pitch, sharps):
    letter, accidentals, octave = spell(pitch, sharps)
    assert (octave + 1) * 12 + "C D EF G A B".index(letter) + accidentals == pitch


def test_the_file_holds_the_notes_key_metre_tempi_chords_and_anchors(tmp_path):
    bars = [
        bar(0, note(0, 5, 74), note(6, 3, 70), note(0, 16, 5, "accompaniment"), note(2, 9, 53, "accompaniment")),
        bar(1, note(1, 14, 76), note(4, 4, 48, "accompaniment"), note(4, 4, 55, "accompaniment"), tempo=101.2),
        bar(2, anchor="two", tempo=101.4),
    ]
    path = tmp_path / "take.musicxml"
    write_score(path, bars, metre="4/4", sharps=-1, title="A take")
    for number, part in enumerate(DUO):
        played = sorted((b.start + n.start, n.length, n.pitch) for b in bars for n in b.phrase.part(part))
        assert on_the_page(path, number) == played
    root = ET.parse(path).getroot()
    assert [e.text for e in root.iter("part-name")] == ["Melody", "Accompaniment"]
    assert [e.text for e in root.iter("fifths")] == ["-1", "-1"]
    assert [e.text for e in root.iter("beats")] == ["4", "4"]
    assert [e.text for e in root.iter("per-minute")] == ["96", "101"]
    assert [e.text for e in root.iter("words")] == ["one", "two"]
    assert [e.text for e in root.iter("root-step")] == ["D", "G", "B"]
    assert [e.text for e in root.iter("movement-title")] == ["A take"]


def test_the_same_take_gives_the_same_file(tmp_path):
    bars = [bar(0, note(0, 4, 60))]
    for name in ("a.musicxml", "b.musicxml"):
        write_score(tmp_path / name, bars, metre="4/4", sharps=0, title="A take")
    assert (tmp_path / "a.musicxml").read_bytes() == (tmp_path / "b.musicxml").read_bytes()


def test_every_default_chord_symbol_is_understood(tmp_path):
    path = tmp_path / "chords.musicxml"
    write_score(path, [bar(index) for index in range(len(CHORDS))], metre="4/4", sharps=0, title="Chords")
    kinds = [element.text for element in ET.parse(path).getroot().iter("kind")]
    assert kinds == [
        "minor-seventh",
        "dominant",
        "major-seventh",
        "half-diminished",
        "diminished-seventh",
        "suspended-fourth",
        "major-sixth",
        "dominant",
    ]


def test_a_chord_that_music21_cannot_read_is_printed_as_text():
    odd = replace(bar(0), chords=((Fraction(0), "Cblah%"),))
    score = to_score([odd], metre="4/4", sharps=0, title="Odd")
    texts = [text.content for text in score.recurse().getElementsByClass("TextExpression")]
    assert "Cblah%" in texts


def test_no_bars_and_missing_bars_are_refused():
    with pytest.raises(NotationError, match="at least 1 is needed"):
        to_score([], metre="4/4", sharps=0, title="")
    with pytest.raises(NotationError, match="begins at beat 8, beat 4 is needed"):
        to_score([bar(0), bar(2)], metre="4/4", sharps=0, title="")


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path):
    with pytest.raises(NotationError, match="cannot be written"):
        write_score(tmp_path / "no" / "take.musicxml", [bar(0)], metre="4/4", sharps=0, title="")


def test_a_stopped_take_holds_what_was_heard_and_no_more(tmp_path):
    bars = [
        bar(0, note(0, 16, 60)),
        bar(1, note(0, 4, 62), note(4, 8, 64), note(8, 2, 40, "accompaniment"), note(2, 12, 43, "accompaniment")),
        bar(2, note(0, 16, 65)),
    ]
    path = tmp_path / "take.musicxml"
    write_score(path, bars, metre="4/4", sharps=0, title="", end_beat=Fraction(6))
    assert on_the_page(path, 0) == [(0, 4, 60), (4, 1, 62), (5, 1, 64)]
    assert on_the_page(path, 1) == [(Fraction(9, 2), Fraction(3, 2), 43)]
    assert len(ET.parse(path).getroot().findall("part/measure")) == 2 * 2


def test_a_take_cut_at_its_end_is_the_take():
    bars = (bar(0, note(0, 16, 60)), bar(1, note(3, 13, 62)))
    assert cut(bars, Fraction(8)) == bars
    assert cut(bars, Fraction(0))[0].phrase.notes == ()


@pytest.mark.skipif(os.name != "posix", reason="file modes are POSIX's")
def test_a_score_may_be_read_by_whom_the_user_allows(tmp_path):
    write_score(tmp_path / "take.musicxml", [bar(0)], metre="4/4", sharps=0, title="")
    (tmp_path / "plain").touch()
    modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("take.musicxml", "plain")]
    assert modes[0] == modes[1]


def test_a_score_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(NotationError, match="No space left on device"):
        write_score(tmp_path / "take.musicxml", [bar(0)], metre="4/4", sharps=0, title="")
    assert list(tmp_path.iterdir()) == []


def test_what_music21_cannot_do_is_one_line(tmp_path, monkeypatch):
    def broken(*_, **__):
        raise ValueError("a tuplet\nof nothing")

    monkeypatch.setattr("brainmidi.notation.score._part", broken)
    with pytest.raises(NotationError, match=r"music21 says ValueError: a tuplet of nothing; the \.mid"):
        write_score(tmp_path / "take.musicxml", [bar(0)], metre="4/4", sharps=0, title="")


def test_verovio_engraves_it(tmp_path):
    verovio = pytest.importorskip("verovio", reason="verovio is not installed: pip install verovio")
    path = tmp_path / "take.musicxml"
    notes = [note(step, 2, 60 + step) for step in range(0, 16, 2)]
    low = [note(step, 3, 40 + step, "accompaniment") for step in range(0, 12, 2)]
    write_score(path, [bar(index, *notes, *low) for index in range(4)], metre="4/4", sharps=-1, title="A take")
    toolkit = verovio.toolkit()
    assert toolkit.loadFile(str(path))
    drawn = toolkit.renderToSVG(1)
    assert drawn.count('class="note"') >= 4 * (len(notes) + len(low))
    assert drawn.count('class="harm"') == 4


def hit(step: float, pitch: int) -> Note:
    return Note(Fraction(step) / 4, Fraction(1, 16), pitch, part="drums")


def band(index: int, *notes: Note, parts=PARTS) -> Bar:
    return replace(bar(index, *notes), parts=parts)


def test_every_part_that_plays_has_a_staff_of_its_own_clef(tmp_path):
    path = tmp_path / "take.musicxml"
    low = [note(0, 8, 28, "bass"), note(8, 8, 55, "bass")]
    write_score(path, [band(0, *low, hit(0, 36)), band(1)], metre="4/4", sharps=2, title="")
    root = ET.parse(path).getroot()
    assert [e.text for e in root.iter("part-name")] == ["Melody", "Accompaniment", "Bass", "Drums"]
    assert [e.text for e in root.iter("sign")] == ["G", "G", "F", "percussion"]
    assert [e.text for e in root.iter("clef-octave-change")] == ["-1"]
    assert [e.text for e in root.iter("fifths")] == ["2", "2", "2"]
    assert len(root.findall("part/measure")) == 4 * 2
    assert on_the_page(path, 2) == [(0, 2, 28), (2, 2, 55)]
    trio = [band(0, parts=("melody", "accompaniment", "drums"))]
    write_score(path, trio, metre="4/4", sharps=2, title="")
    assert [e.text for e in ET.parse(path).getroot().iter("part-name")] == ["Melody", "Accompaniment", "Drums"]


def test_drums_stand_on_the_grid_at_their_places_without_pitch(tmp_path):
    path = tmp_path / "take.musicxml"
    played = [hit(0.4, 36), hit(0, 42), hit(3.6, 38), hit(8, 49), hit(15.4, 46)]
    write_score(path, [band(0, *played)], metre="4/4", sharps=0, title="")
    from music21 import converter

    measure = converter.parse(path).parts[3].getElementsByClass("Measure").first()
    found = {}
    for element in measure.recurse().notes:
        for drum in getattr(element, "notes", (element,)):
            at = element.getOffsetInHierarchy(measure) * 4
            found[drum.displayStep + str(drum.displayOctave), drum.notehead] = (at, element.quarterLength)
    assert found == {
        ("F4", "normal"): (0, 1),
        ("G5", "x"): (0, 1),
        ("C5", "normal"): (4, 1),
        ("A5", "x"): (8, 1),
        ("G5", "circle-x"): (15, Fraction(1, 4)),
    }
    root = ET.parse(path).getroot()
    assert len(list(root.iter("unpitched"))) == len(played)
    assert {e.text for e in root.findall("part[@id='P4']//stem")} == {"up", "down"}


HITS = st.lists(st.tuples(st.integers(0, 95 * 4), st.sampled_from([36, 38, 42, 46, 45, 48, 50, 49, 51])), max_size=12)


@given(HITS, st.sampled_from((Fraction(4), Fraction(3), Fraction(5, 2))))
def test_hands_and_feet_fill_the_bar_and_hold_every_hit(ticks, length):
    hits = [hit(Fraction(tick, 24), pitch) for tick, pitch in ticks if tick < (length * 96) - 12]
    phrase = Phrase(tuple(hits), length)
    shown = set()
    for voice in percussion.voices_of(phrase):
        at = 0
        for head in voice:
            assert head.step == at
            assert not head.tied
            shown |= {(head.step, pitch) for pitch in head.pitches}
            at += head.steps
        assert at == length * 4
    assert shown == {(int(n.start * 4 + Fraction(1, 2)), n.pitch) for n in phrase}


def test_verovio_engraves_the_band(tmp_path):
    verovio = pytest.importorskip("verovio", reason="verovio is not installed: pip install verovio")
    path = tmp_path / "take.musicxml"
    beat = [hit(step + 0.3, 42) for step in range(0, 15, 2)] + [hit(0, 36), hit(4, 38), hit(8, 36), hit(12, 38)]
    low = [note(step, 4, 31 + step, "bass") for step in range(0, 16, 4)]
    write_score(path, [band(index, *beat, *low) for index in range(4)], metre="4/4", sharps=-1, title="A band")
    toolkit = verovio.toolkit()
    assert toolkit.loadFile(str(path))
    assert toolkit.renderToSVG(1).count('class="note"') >= 4 * (len(beat) + len(low))

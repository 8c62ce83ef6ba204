"""The pure core: laws that every bar obeys, whatever the brain does and whatever the voices return."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from fakes import ANCHORS, FakeAccompaniment, FakeMelody, RudeAccompaniment, RudeMelody
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from brainmidi.errors import MusicError
from brainmidi.music.ensemble import Dynamics
from brainmidi.music.harmony import MODES, Chord, Key, Metre, Progression
from brainmidi.session import Session, SessionSetup
from brainmidi.types import DUO, KNOBS, Bar, ControlFrame

TONICS = ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS = st.builds(Key, st.sampled_from(TONICS), st.sampled_from(sorted(MODES)))
METRES = st.sampled_from(["4/4", "3/4", "2/4", "6/8", "5/8", "7/8"]).map(Metre.parse)
CHORDS = st.sampled_from(["", "Dm7 G7 Cmaj7", "Dm7 G7 | Cmaj7 | E7 Am", "F#m7b5 B7", "Ab Db/F | %"])
KNOB_ROWS = st.lists(st.tuples(*[st.floats(0, 1)] * len(KNOBS), st.integers(0, 3)), min_size=1, max_size=9)
VOICES = st.sampled_from([(FakeMelody, FakeAccompaniment), (RudeMelody, RudeAccompaniment)])
# An example is a piece of several bars, and shrinking one takes minutes: a failing one is told as it was found.
QUICK = settings(max_examples=30, phases=[Phase.generate], suppress_health_check=[HealthCheck.too_slow])


def make_setup(key="D dorian", chords="", metre="4/4", **given):
    key, metre = (Key.parse(key), Metre.parse(metre)) if isinstance(key, str) else (key, metre)
    return SessionSetup(key, metre, Progression.parse(chords, key), ANCHORS, **given)


def frames(rows):
    steps = 0
    for number, row in enumerate(rows):
        steps += row[-1]
        yield ControlFrame(float(number), dict(zip(KNOBS, row, strict=False)), anchor_steps=steps)


def steady(count, *, mix=0.5, **knobs):
    return [ControlFrame(float(n), {**dict.fromkeys(KNOBS, 0.5), "latent_mix": mix, **knobs}) for n in range(count)]


def play(session, controls):
    state, bars = session.initial(), []
    for frame in controls:
        state, bar = session.step(state, frame, None)
        bars.append(bar)
    return bars


def check_bar(bar: Bar, setup: SessionSetup) -> None:
    chords = [(beat, Chord.parse(symbol).tones(setup.key)) for beat, symbol in bar.chords]
    for note in bar.phrase:
        limits = setup.ranges[note.part]
        assert limits.low <= note.pitch <= limits.high
        for number, (beat, tones) in enumerate(chords):
            until = chords[number + 1][0] if number + 1 < len(chords) else bar.phrase.length
            if note.start < until and note.end > beat:
                assert note.pitch % 12 in tones.allowed, (note, bar.chords)
        assert note.start * 4 == int(note.start * 4)
        assert note.end <= bar.phrase.length == setup.metre.length
    for part in DUO:
        notes = sorted(bar.phrase.part(part), key=lambda n: (n.pitch, n.start))
        assert all(a.pitch != b.pitch or a.end <= b.start for a, b in pairwise(notes))
    line = bar.phrase.part("melody").notes
    assert all(a.end <= b.start for a, b in pairwise(line))
    chords_part = bar.phrase.part("accompaniment").notes
    for note in chords_part:
        assert sum(o.start <= note.start < o.end for o in chords_part) <= setup.max_voices


@QUICK
@given(KEYS, METRES, CHORDS, KNOB_ROWS, VOICES)
def test_every_bar_stays_in_key_chord_register_and_metre(key, metre, chords, rows, voices):
    progression = Progression.parse(chords, key)
    if any(len(bar) > len(metre.pulses) for bar in progression.bars):
        return
    setup = SessionSetup(key, metre, progression, ANCHORS, bars=len(rows))
    session = Session(setup, voices[0](), voices[1]())
    state, beat, tempo = session.initial(), Fraction(0), setup.tempo_bpm
    for index, frame in enumerate(frames(rows)):
        for bar in (session.fallback(state), session.step(state, frame, None)[1]):
            check_bar(bar, setup)
            assert (bar.index, bar.start) == (index, beat)
            assert abs(bar.tempo_bpm - tempo) <= setup.tempo_slew * setup.tempo_bpm + 0.01
            assert abs(bar.tempo_bpm / setup.tempo_bpm - 1) <= setup.tempo_span + 0.001
            assert setup.temperature[0] <= bar.temperature <= setup.temperature[1]
        state, bar = session.step(state, frame, None)
        assert bar.latent_mix == frame.knobs["latent_mix"]
        assert bar.controls is frame
        beat, tempo = bar.end, bar.tempo_bpm


@QUICK
@given(KEYS, METRES, KNOB_ROWS)
def test_the_same_state_and_controls_give_the_same_bar(key, metre, rows):
    setup = SessionSetup(key, metre, Progression.parse("", key), ANCHORS)
    session, again = (Session(setup, FakeMelody(), FakeAccompaniment()) for _ in range(2))
    state = session.initial()
    for frame in frames(rows):
        before = state
        state, bar = session.step(before, frame, None)
        assert again.step(before, frame, None)[1] == bar
        assert session.step(before, frame, None)[1] == bar


@QUICK
@given(KEYS, METRES, VOICES, st.integers(1, 10))
def test_the_last_bar_rests_on_the_tonic_and_its_chord(key, metre, voices, bars):
    setup = SessionSetup(key, metre, Progression.parse("", key), ANCHORS, bars=bars)
    last = play(Session(setup, voices[0](), voices[1]()), steady(bars))[-1]
    (note,) = last.phrase.part("melody").notes
    assert note.pitch % 12 == key.tonic_class
    assert (note.start, note.length) == (0, metre.length)
    chord = last.phrase.part("accompaniment").notes
    assert chord
    assert all((n.start, n.end) == (0, metre.length) for n in chord)
    assert Chord.parse(last.chords[0][1]).classes[0] == key.tonic_class


@QUICK
@given(KEYS, METRES, st.sampled_from(["", "Ab Db/F | %"]), VOICES)
def test_every_eighth_bar_comes_to_rest_on_a_chord_tone(key, metre, chords, voices):
    setup = SessionSetup(key, metre, Progression.parse(chords, key), ANCHORS)
    close = play(Session(setup, voices[0](), voices[1]()), steady(8, density=1.0))[7]
    check_bar(close, setup)
    landing = close.phrase.part("melody").notes[-1]
    assert landing.start == max(Fraction(metre.middle, 4), close.chords[-1][0])
    assert landing.end == metre.length
    assert landing.pitch % 12 in Chord.parse(close.chords[-1][1]).classes


def test_the_theme_comes_back_and_the_middle_differs():
    session = Session(make_setup(chords="Dm7"), FakeMelody(), FakeAccompaniment())
    bars = play(session, steady(8, mix=0.5))
    lines = [[(n.start, n.pitch) for n in bar.phrase.part("melody")] for bar in bars]

    def shared(first: int, second: int) -> float:
        a, b = set(lines[first]) | {(4, 0)}, set(lines[second]) | {(4, 0)}
        return len(a & b) / len(a | b)

    assert shared(0, 2) + shared(1, 3) > shared(0, 4) + shared(1, 5)


def test_the_brain_is_heard_in_every_bar():
    setup = make_setup()
    for index in range(4):
        calm, active = steady(4, mix=0.5), steady(4, mix=0.5)
        active[index] = steady(1, mix=1.0)[0]
        one, other = (Session(setup, FakeMelody(), FakeAccompaniment()) for _ in range(2))
        assert play(one, calm)[index].phrase != play(other, active)[index].phrase


def test_the_second_bar_of_a_phrase_continues_the_first_as_it_was_heard():
    melody = FakeMelody()
    session = Session(make_setup(), melody, FakeAccompaniment())
    state, first = session.step(session.initial(), steady(1)[0], None)
    session.step(state, steady(1)[0], None)
    prefix = melody.decoded[-1][1]
    assert [note.pitch + 2 for note in prefix] == [note.pitch for note in first.phrase.part("melody")]
    fallback = session.fallback(session.initial())
    session.step(state, steady(1)[0], fallback)
    assert [n.pitch + 2 for n in melody.decoded[-1][1]] == [n.pitch for n in fallback.phrase.part("melody")]


def test_an_event_moves_to_the_next_anchor_at_the_next_phrase_and_around():
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment())
    steps = [0, 1, 1, 1, 2, 3, 3, 3]
    controls = [ControlFrame(float(n), dict.fromkeys(KNOBS, 0.5), anchor_steps=s) for n, s in enumerate(steps)]
    anchors = [bar.anchor for bar in play(session, controls)]
    assert anchors == ["rise", "rise", "fall", "fall", "rise", "rise", "fall", "fall"]


def test_more_density_gives_more_notes_and_more_velocity_gives_louder_ones():
    setup = make_setup()
    sparse = play(Session(setup, FakeMelody(), FakeAccompaniment()), steady(16, density=0.0, velocity=0.0))
    dense = play(Session(setup, FakeMelody(), FakeAccompaniment()), steady(16, density=1.0, velocity=1.0))
    for part in DUO:
        few = [n for bar in sparse for n in bar.phrase.part(part)]
        many = [n for bar in dense for n in bar.phrase.part(part)]
        assert len(many) > len(few)
        assert max(n.velocity for n in few) < min(n.velocity for n in many)


def test_the_register_knob_moves_the_melody():
    setup = make_setup()
    low, high = (
        [n.pitch for bar in play(Session(setup, FakeMelody(), FakeAccompaniment()), steady(16, register=r))
         for n in bar.phrase.part("melody")]
        for r in (0.0, 1.0)
    )  # fmt: skip
    assert sum(high) / len(high) > sum(low) / len(low) + 2


def test_the_downbeat_is_struck_harder_than_what_follows_it():
    bars = play(Session(make_setup(), FakeMelody(), FakeAccompaniment()), steady(16, density=1.0))
    strong = [n.velocity for bar in bars for n in bar.phrase if n.start == 0 and n.part == "melody"]
    weak = [n.velocity for bar in bars for n in bar.phrase if n.start % 1 != 0 and n.part == "melody"]
    assert min(strong) > max(weak)


def test_what_was_not_heard_is_not_remembered():
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment())
    state, _ = session.step(session.initial(), steady(1)[0], None)
    fallback = session.fallback(state)
    late, _ = session.step(state, steady(1)[0], None)
    after, bar = session.step(late, steady(1)[0], fallback)
    assert len(after.memory) == 2  # bars 0 and 2; bar 1 never sounded
    assert bar.index == 2
    adopted = session.adopt(state, fallback)
    assert (adopted.index, adopted.start, adopted.last) == (2, fallback.end, fallback)
    assert session.step(adopted, steady(1)[0], None)[1].phrase == bar.phrase


def test_a_bar_heard_as_it_was_decided_changes_nothing():
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment())
    state, bar = session.step(session.initial(), steady(1)[0], None)
    frame = steady(1)[0]
    assert session.step(state, frame, bar)[1] == session.step(state, frame, None)[1]


def test_a_missing_knob_rests_in_the_middle():
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment())
    bare = session.step(session.initial(), ControlFrame(0.0, {}), None)[1]
    assert bare.phrase == session.step(session.initial(), ControlFrame.neutral(0.0), None)[1].phrase


def test_a_piece_may_be_ended_at_any_bar():
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment())
    state, _ = session.step(session.initial(), steady(1)[0], None)
    bar = session.step(state, steady(1)[0], None, last=True)[1]
    assert [n.pitch % 12 for n in bar.phrase.part("melody")] == [2]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"tempo_bpm": 400.0}, "30..240"),
        ({"bars": -3}, "1 or more"),
        ({"temperature": (-1.0, 1.0)}, r"0\.1\.\.2\.0"),
        ({"tempo_span": 0.9}, r"0\.\.0\.5"),
        ({"ranges": {}}, "melody is not allowed"),
    ],
)
def test_a_setting_out_of_range_is_one_line_with_the_remedy(given, said):
    with pytest.raises(MusicError, match=said):
        make_setup(**given)


def test_a_session_needs_an_anchor():
    with pytest.raises(MusicError, match="0 anchors"):
        SessionSetup(Key("C"), Metre(4, 4), Progression.parse("C", Key("C")), ())


def test_the_quietest_dynamics_still_have_a_fallback():
    key, metre = Key.parse("D dorian"), Metre.parse("4/4")
    setup = SessionSetup(key, metre, Progression.parse("", key), ANCHORS, dynamics=Dynamics(1, 12))
    session = Session(setup, FakeMelody(), FakeAccompaniment())
    assert all(note.velocity >= 1 for note in session.fallback(session.initial()).phrase)

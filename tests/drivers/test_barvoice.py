"""The model of bars in a session: the tables hold, the model hears the band, a bar that was not heard is unsaid."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from bar_models import DreamingModel
from fakes import ANCHORS, BASS_ANCHORS, FakeAccompaniment, FakeBass, FakeMelody
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.codec import bars
from brainmidi.codec import chords as chord_codec
from brainmidi.drivers.barvoice import BarAccompaniment, TableSteering, chord_changes
from brainmidi.drivers.chain import ControlLog
from brainmidi.drivers.composer import Composer
from brainmidi.errors import CodecError
from brainmidi.midi.clock import VirtualClock
from brainmidi.music.constraint import accompaniment_bar, tones_by_step
from brainmidi.music.form import Role
from brainmidi.music.harmony import Chord, Key, Metre, Progression
from brainmidi.music.voices import Constraint, Course, Surroundings
from brainmidi.session import Session, SessionSetup
from brainmidi.types import KNOBS, Bar, ControlFrame, Deadline, Note, Phrase

C, A_MINOR = chord_codec.encode(0, "major"), chord_codec.encode(9, "minor")
KEY = Key.parse("C major")


def around(metre: Metre) -> Surroundings:
    chords = ((Fraction(0), Chord.parse("C")), (metre.length / 2, Chord.parse("Am7")))
    melody = (Note(Fraction(0), Fraction(1), 71), Note(Fraction(1), Fraction(1), 57))
    bass = (Note(Fraction(0), Fraction(2), 36, 70, "bass"),)
    length = metre.length
    return Surroundings(Phrase(melody, length), Phrase(bass, length), tones_by_step(chords, KEY, metre))


def played(
    seed: int, metre: Metre, constraint: Constraint, voices: int = 3, temperature: float = 1.0
) -> tuple[Phrase, bars.ScoreBar]:
    voice = BarAccompaniment(DreamingModel(seed))
    velocities = 60.0 + np.arange(metre.steps, dtype=np.float32)
    after, phrase = voice.continue_bar(
        voice.initial(), around(metre), constraint, temperature, velocities, np.random.default_rng(seed), voices
    )
    memory = after.memory
    score = memory.grammar.score()
    assert bars.encode(score).tolist() == [*memory.cache, *memory.pending]
    return phrase, score.bars[0]


def table(metre: Metre, density: float = 0.5, role: Role = Role.OPEN) -> Constraint:
    return accompaniment_bar(around(metre).tones, metre, role, low=48, high=67, density=density)


@given(
    st.integers(0, 10_000),
    st.sampled_from(["4/4", "3/4", "6/8", "2/4"]),
    st.sampled_from(Role),
    st.floats(0, 1),
    st.integers(1, 4),
)
@settings(max_examples=60, deadline=None)
def test_the_tables_hold_and_the_model_hears_the_band(seed, time_signature, role, density, voices) -> None:
    metre = Metre.parse(time_signature)
    constraint, beside = table(metre, density, role), around(metre)
    phrase, said = played(seed, metre, constraint, voices)
    assert phrase.length == metre.length
    for note in phrase:
        step = int(note.start * 4)
        assert note.part == "accompaniment"
        assert note.velocity == 60 + step
        assert constraint.allows(step, note.pitch)
        at_once = [other for other in phrase if other.start <= note.start < other.end]
        assert len(at_once) <= voices
        # At every instant: the melody of these bars comes down where it moves first.
        above = [other.pitch for other in beside.melody if other.start < note.end and note.start < other.end]
        assert all(note.pitch < pitch for pitch in above)
    want = {(n.start, n.pitch, n.part) for n in (*phrase, *beside.melody, *beside.bass)}
    assert {(n.start, n.pitch, n.part) for n in said.notes} == want
    assert {n.velocity // 8 for n in said.notes if n.part == "melody"} == {93 // 8, 81 // 8}
    assert said.length == metre.steps
    assert said.chords == ((0, C), (metre.steps // 2, A_MINOR))


def test_a_busier_table_is_played_busier() -> None:
    metre = Metre.parse("4/4")
    counts = [
        np.mean([len({note.start for note in played(seed, metre, table(metre, density))[0]}) for seed in range(20)])
        for density in (0.0, 0.5, 1.0)
    ]
    assert counts == sorted(counts)
    assert counts[2] > counts[0]


def test_the_controls_move_within_the_bar_from_the_bar_befores_to_this_bars() -> None:
    key, seen = Key.parse("C major"), list[Course]()

    class Seen(BarAccompaniment):
        def continue_bar(self, state, around, *rest):  # type: ignore[no-untyped-def]
            seen.append(around.course)
            return super().continue_bar(state, around, *rest)

    setup = SessionSetup(key, Metre.parse("4/4"), Progression.parse("C", key), ANCHORS, temperature=(0.5, 1.5))
    session = Session(setup, FakeMelody(), Seen(DreamingModel()))
    state = session.initial()
    for temperature, density in ((0.25, 0.0), (0.75, 1.0)):
        knobs = dict.fromkeys(KNOBS, 0.5) | {"temperature": temperature, "density": density}
        state, bar = session.step(state, ControlFrame(0.0, knobs), None)
    assert bar.temperature == 1.25
    still, moving = seen
    assert set(still.temperature.tolist()) == {0.75}
    assert np.allclose(np.diff(moving.temperature), 0.5 / 16)
    assert moving.temperature[-1] == 1.25
    assert np.array_equal(still.onset_bias, table(setup.metre, 0.0).onset_bias)
    by_step = [table(setup.metre, (step + 1) / 16).onset_bias[step] for step in range(16)]
    assert np.allclose(moving.onset_bias, by_step, atol=1e-4)
    steering = TableSteering(table(setup.metre), moving, Phrase((), setup.metre.length), 3)
    for step in range(16):
        assert steering.sampling(step).temperature == moving.temperature[step]
        assert steering.onset(step) == moving.onset_bias[step]


def test_where_new_notes_are_unwelcome_the_old_ones_are_held() -> None:
    metre = Metre.parse("4/4")
    unwelcome = np.full(16, -1e6, dtype=np.float32)
    unwelcome[0] = 1e6
    for seed in range(10):
        phrase, _ = played(seed, metre, Constraint(table(metre).pitch_bias, unwelcome))
        assert phrase.notes
        assert all((note.start, note.length) == (0, 4 if note.pitch < 57 else 1) for note in phrase)


def test_a_held_note_ends_where_the_melody_comes_down_to_it_and_there_alone() -> None:
    metre = Metre.parse("4/4")
    pitch_bias = np.full((16, 128), -np.inf, dtype=np.float32)
    pitch_bias[:, [50, 60]] = 0.0
    unwelcome = np.full(16, -1e6, dtype=np.float32)
    unwelcome[0] = 1e6
    lengths = {
        (note.pitch, note.length)
        for seed in range(10)
        for note in played(seed, metre, Constraint(pitch_bias, unwelcome))[0]
    }
    assert lengths == {(60, 1), (50, 4)}


def test_a_table_that_leaves_no_room_below_the_melody_is_kept_all_the_same() -> None:
    metre = Metre.parse("4/4")
    pitch_bias = np.full((16, 128), -np.inf, dtype=np.float32)
    pitch_bias[:, 80] = 0.0
    phrase, _ = played(1, metre, Constraint(pitch_bias, np.full(16, 9.0, dtype=np.float32)))
    assert {note.pitch for note in phrase} == {80}


def test_chords_are_told_where_they_change() -> None:
    metre = Metre.parse("4/4")
    steady = tones_by_step(((Fraction(0), Chord.parse("C")),), KEY, metre)
    assert chord_changes(steady) == ((0, C),)
    # The model knows triads: from C to Cmaj7 nothing changes for it.
    richer = tones_by_step(((Fraction(0), Chord.parse("C")), (Fraction(2), Chord.parse("Cmaj7"))), KEY, metre)
    assert chord_changes(richer) == ((0, C),)


def test_a_style_is_said_before_the_first_bar_and_an_unknown_one_is_refused_with_those_known() -> None:
    for style in bars.STYLES:
        memory = BarAccompaniment(DreamingModel(), style).initial().memory
        assert memory.grammar.style == style
        assert memory.pending == (bars.style_token(style),)
    with pytest.raises(CodecError, match=r"jazz.*bach, haydn"):
        BarAccompaniment(DreamingModel(), "jazz")


@pytest.mark.parametrize("left_s", [-0.5, 1.5, 5.5, 20.5])
def test_at_the_deadline_the_model_is_asked_no_more_and_the_bar_closes(left_s: float) -> None:
    key, clock = Key.parse("C major"), VirtualClock()
    setup = SessionSetup(key, Metre.parse("4/4"), Progression.parse("C F", key), ANCHORS)
    model = DreamingModel(3, clock=clock, step_s=1.0)
    session = Session(setup, FakeMelody(), BarAccompaniment(model))
    controls = ControlFrame(0.0, dict.fromkeys(KNOBS, 0.5) | {"density": 1.0})
    state, whole = session.step(session.initial(), controls, None)
    assert (whole.report["share"], whole.report["cut_short"]) == (0.0, False)
    assert whole.report["tokens"] == len(model.asked)
    model.asked.clear()
    begun_s = clock.now_s()
    state, bar = session.step(state, controls, None, deadline=Deadline(clock, begun_s + left_s))
    assert bar.report["cut_short"] is True
    assert bar.report["tokens"] == len(model.asked) == bar.report["seconds"] == clock.now_s() - begun_s
    assert (len(model.asked) > 0) == (left_s > 0)
    assert clock.now_s() <= begun_s + max(left_s, 0.0)
    assert bar.report["share"] == (bar.report["seconds"] / left_s if left_s > 0 else 1.0)
    assert bar.phrase.part("accompaniment").notes
    assert all(note.end <= bar.phrase.length for note in bar.phrase)
    # The melody of the bar was said to the end, and the next bar goes on from it.
    said = state.memory.memory.grammar.score().bars
    assert [len(one.notes) > 0 for one in said] == [True, True]
    state, after = session.step(state, controls, None)
    assert after.report["cut_short"] is False


def test_a_bar_is_due_on_its_first_beat_by_the_clock_that_the_composer_is_given() -> None:
    asked = list[Deadline | None]()

    class Asked(FakeAccompaniment):
        def continue_bar(self, state, around, *rest):  # type: ignore[no-untyped-def]
            asked.append(around.deadline)
            return super().continue_bar(state, around, *rest)

    key, clock, log = Key.parse("C major"), VirtualClock(), ControlLog()
    log.extend([ControlFrame(0.0, dict.fromkeys(KNOBS, 0.5))])
    setup = SessionSetup(key, Metre.parse("3/4"), Progression.parse("C F", key), ANCHORS, tempo_bpm=60.0)
    composer = Composer(Session(setup, FakeMelody(), Asked()), log, start_s=7.0)
    composer.compose()
    for _ in range(2):
        composer.compose(due=lambda time_s: Deadline(clock, 100 + time_s))
    assert [due and due.at_s for due in asked] == [None, pytest.approx(110), pytest.approx(113)]


@pytest.mark.parametrize("metre", ["4/4", "6/8"])
def test_in_a_session_the_second_part_lies_below_the_melody_at_every_instant(metre: str) -> None:
    tonic = Key.parse("D dorian")
    setup = SessionSetup(tonic, Metre.parse(metre), Progression.parse("", tonic), ANCHORS, bars=8)
    for seed in range(3):
        session = Session(setup, FakeMelody(), BarAccompaniment(DreamingModel(seed)))
        state = session.initial()
        for _ in range(8):
            state, bar = session.step(state, ControlFrame(0.0, dict.fromkeys(KNOBS, 0.5)), None)
            for note in bar.phrase.part("accompaniment"):
                beside = (n.pitch for n in bar.phrase.part("melody") if n.start < note.end and note.start < n.end)
                assert all(note.pitch < pitch for pitch in beside)


@pytest.mark.parametrize("key", ["C major", "F# minor"])
def test_a_session_plays_it_and_takes_back_what_was_not_heard(key: str) -> None:
    tonic = Key.parse(key)
    progression = Progression.parse("C Am F G" if key == "C major" else "F#m D A E", tonic)
    setup = SessionSetup(tonic, Metre.parse("4/4"), progression, ANCHORS, bass_anchors=BASS_ANCHORS)
    session = Session(setup, FakeMelody(), BarAccompaniment(DreamingModel(3)), FakeBass())
    controls = ControlFrame(0.0, dict.fromkeys(KNOBS, 0.5))
    states, found = [session.initial()], list[Bar]()
    for _ in range(4):
        state, bar = session.step(states[-1], controls, None)
        states.append(state)
        found.append(bar)
    said = states[-1].memory.memory.grammar.score()
    assert len(said.bars) == 4
    assert {note.part for bar in said.bars for note in bar.notes} == set(bars.PARTS)
    assert all(bar.phrase.part("accompaniment").notes for bar in found)
    # Bar 3 was late: what the model remembers is what came before it.
    stand_in = replace(found[3], fallback=True)
    after, _ = session.step(states[-1], controls, stand_in)
    assert [bar.chords for bar in after.memory.memory.grammar.score().bars[:3]] == [bar.chords for bar in said.bars[:3]]
    assert len(after.memory.memory.grammar.score().bars) == 4

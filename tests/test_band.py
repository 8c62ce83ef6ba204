"""The session with bass and drums: laws that the whole band obeys, whatever the brain does and the voices return."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

import pytest
from fakes import (
    ANCHORS,
    BASS_ANCHORS,
    DRUM_ANCHORS,
    FakeAccompaniment,
    FakeBass,
    FakeDrums,
    FakeMelody,
    RudeAccompaniment,
    RudeBass,
    RudeDrums,
    RudeMelody,
)
from hypothesis import given
from hypothesis import strategies as st
from test_session import CHORDS, KEYS, KNOB_ROWS, METRES, QUICK, frames, play, steady

from brainmidi.codec.drums import REDUCED
from brainmidi.errors import MusicError
from brainmidi.midi.timetable import bar_events
from brainmidi.music.drums import CLOSED_HAT, CRASH, KICK, KIT, SNARE, onset_bias
from brainmidi.music.form import Role
from brainmidi.music.harmony import Chord, Key, Metre, Progression
from brainmidi.music.setup import default_ranges
from brainmidi.session import Session, SessionSetup
from brainmidi.types import PARTS, Bar, ControlFrame, Note, Phrase

CHANNELS = {"melody": 1, "accompaniment": 2, "bass": 3, "drums": 10}
POLITE = (FakeMelody, FakeAccompaniment, FakeBass, FakeDrums)
RUDE = (RudeMelody, RudeAccompaniment, RudeBass, RudeDrums)
VOICES = st.sampled_from([POLITE, RUDE])


def make_setup(key="D dorian", chords="", metre="4/4", **given) -> SessionSetup:
    key = Key.parse(key) if isinstance(key, str) else key
    metre = Metre.parse(metre) if isinstance(metre, str) else metre
    given = {"ranges": default_ranges(PARTS), "bass_anchors": BASS_ANCHORS, "drum_anchors": DRUM_ANCHORS} | given
    return SessionSetup(key, metre, Progression.parse(chords, key), ANCHORS, **given)


def make_session(setup: SessionSetup | None = None, voices=POLITE) -> Session:
    return Session(make_setup() if setup is None else setup, *(voice() for voice in voices))


def check_bass(bar: Bar, setup: SessionSetup) -> None:
    line = bar.phrase.part("bass").notes
    assert all(a.end <= b.start for a, b in pairwise(line)), "one note at a time"
    assert line or not bar.chords
    for number, (beat, symbol) in enumerate(bar.chords):
        tones = Chord.parse(symbol).tones(setup.key)
        until = bar.chords[number + 1][0] if number + 1 < len(bar.chords) else bar.phrase.length
        sounding = [note for note in line if note.start < until and note.end > beat]
        assert sounding, "no chord without its bass"
        for note in sounding:
            assert setup.ranges["bass"].low <= note.pitch <= setup.ranges["bass"].high
            assert note.pitch % 12 in tones.allowed
            if note.start <= beat:
                assert note.pitch % 12 in tones.chord, "a chord begins over one of its tones"
            assert note.start * 4 == int(note.start * 4)
            if note.pitch % 12 not in tones.chord:
                sung = (n.pitch for n in bar.phrase.part("melody") if n.start <= note.start < n.end)
                assert all((note.pitch - pitch) % 12 not in (1, 11) for pitch in sung)


def check_drums(bar: Bar) -> None:
    hits = bar.phrase.part("drums").notes
    at = [(int(hit.start * 4 + Fraction(1, 2)), hit) for hit in hits]
    assert len({(step, hit.pitch) for step, hit in at}) == len(at), "a drum is struck once a sixteenth"
    for (step, hit), (later, other) in pairwise(sorted(at, key=lambda pair: pair[0])):
        assert step == later or hit.start < other.start, "what came first on the grid comes first"
    for hit in hits:
        assert hit.pitch in KIT
        assert hit.start * 96 == int(hit.start * 96)
        assert hit.length <= 1
        assert hit.end <= bar.phrase.length
        assert all(o.start >= hit.end for o in hits if o.pitch == hit.pitch and o.start > hit.start)


def check_events(bar: Bar) -> None:
    open_notes: dict[tuple[int, int], Fraction] = {}
    for event in bar_events(bar, CHANNELS):
        assert bar.start <= event.beat <= bar.end
        key = (event.data[0] & 15, event.data[1])
        if event.data[0] & 0xF0 == 0x90:
            assert event.beat < bar.end
            assert key not in open_notes
            open_notes[key] = event.beat
        else:
            assert open_notes.pop(key) < event.beat
    assert open_notes == {}, "a note hangs"


def check_bar(bar: Bar, setup: SessionSetup) -> None:
    assert bar.parts == PARTS
    assert {note.part for note in bar.phrase} <= set(PARTS)
    check_bass(bar, setup)
    check_drums(bar)
    check_events(bar)


@QUICK
@given(KEYS, METRES, CHORDS, KNOB_ROWS, VOICES, st.floats(0, 1))
def test_every_bar_keeps_bass_and_drums_in_chord_range_kit_and_metre(key, metre, chords, rows, voices, groove):
    progression = Progression.parse(chords, key)
    if any(len(bar) > len(metre.pulses) for bar in progression.bars):
        return
    setup = make_setup(key, chords, metre, bars=len(rows), groove=groove)
    session = make_session(setup, voices)
    state, beat = session.initial(), Fraction(0)
    for index, frame in enumerate(frames(rows)):
        stand_in = session.fallback(state)
        check_bar(stand_in, setup)
        heard = stand_in if index % 3 == 1 else None
        after, bar = session.step(state, frame, None)
        check_bar(bar, setup)
        assert (bar.index, bar.start, bar.phrase.length) == (index, beat, metre.length)
        state = session.adopt(state, heard) if heard is not None else after
        beat = bar.end


@QUICK
@given(KEYS, METRES, KNOB_ROWS)
def test_the_same_state_and_controls_give_the_same_bar_of_the_band(key, metre, rows):
    session, again = (make_session(make_setup(key, "", metre)) for _ in range(2))
    state = session.initial()
    for frame in frames(rows):
        before = state
        state, bar = session.step(before, frame, None)
        assert again.step(before, frame, None)[1] == bar


@QUICK
@given(KEYS, METRES, VOICES, st.integers(1, 4))
def test_the_end_is_a_root_and_one_hit(key, metre, voices, bars):
    session = make_session(make_setup(key, "", metre, bars=bars), voices)
    state = play_state(session, bars - 1)
    last = session.step(state, steady(1)[0], None)[1]
    (low,) = last.phrase.part("bass").notes
    assert (low.start, low.length, low.pitch % 12) == (0, metre.length, key.tonic_class)
    for final in (last, session.fallback(state)):
        assert {hit.pitch for hit in final.phrase.part("drums")} == {KICK, CRASH}
        assert max(hit.start for hit in final.phrase.part("drums")) < Fraction(1, 8)


def play_state(session: Session, bars: int):
    state = session.initial()
    for frame in steady(bars):
        state, _ = session.step(state, frame, None)
    return state


@pytest.mark.parametrize("parts", [(), ("bass",), ("drums",), ("bass", "drums")])
def test_the_melody_does_not_hear_who_else_plays(parts):
    setup = make_setup(ranges=default_ranges())
    voices = {"bass": FakeBass() if "bass" in parts else None, "drums": FakeDrums() if "drums" in parts else None}
    band = Session(setup, FakeMelody(), FakeAccompaniment(), **voices)
    duo = Session(setup, FakeMelody(), FakeAccompaniment())
    assert band.parts == ("melody", "accompaniment", *parts)
    for one, other in zip(play(band, steady(9)), play(duo, steady(9)), strict=True):
        assert other.parts == ("melody", "accompaniment")
        for part in other.parts:
            assert one.phrase.part(part) == other.phrase.part(part)
        assert {note.part for note in one.phrase} == set(band.parts)


def test_the_band_moves_to_its_own_next_anchors_with_the_melody():
    bass, drums = FakeBass(), FakeDrums()
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment(), bass, drums)
    steps = [0, 1, 1, 1, 2, 3]  # phrases begin at bars 0, 2 and 4
    controls = [ControlFrame(float(n), {"latent_mix": 0.0}, anchor_steps=s) for n, s in enumerate(steps)]
    play(session, controls)
    for voice, anchors in ((bass, BASS_ANCHORS), (drums, DRUM_ANCHORS)):
        moved = [anchor if voice is drums else anchor.in_mode(Key.parse("D dorian")) for anchor in anchors]
        over = [session.setup.key.tonic_chord().tones(session.setup.key)] * 32
        calm = [voice.encode(a.calm) if voice is drums else voice.encode(a.calm, over) for a in moved]
        latents = [row[0] for row in voice.decoded]
        for index, anchor in ((0, 0), (1, 0), (2, 1), (3, 1)):
            assert (latents[index] == calm[anchor % len(calm)]).all()
        contrast = voice.between(calm[2 % len(calm)], calm[3 % len(calm)], 0.5)
        assert (latents[4] == contrast).all()


def test_the_second_bar_of_bass_and_drums_continues_the_first_as_it_was_heard():
    bass, drums = FakeBass(), FakeDrums()
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment(), bass, drums)
    state, first = session.step(session.initial(), steady(1)[0], None)
    session.step(state, steady(1)[0], None)
    assert [n.pitch + 2 for n in bass.decoded[-1][1]] == [n.pitch for n in first.phrase.part("bass")]
    struck = {(int(n.start * 4 + Fraction(1, 2)), n.pitch) for n in first.phrase.part("drums")}
    assert {(int(n.start * 4), n.pitch) for n in drums.decoded[-1][2]} == struck
    fallback = session.fallback(session.initial())
    session.step(state, steady(1)[0], fallback)
    assert [n.pitch + 2 for n in bass.decoded[-1][1]] == [n.pitch for n in fallback.phrase.part("bass")]
    assert {n.pitch for n in drums.decoded[-1][2]} == {n.pitch for n in fallback.phrase.part("drums")}
    state = play_state(session, 2)
    swaying = session.fallback(state)
    assert any(n.start * 4 != int(n.start * 4) for n in swaying.phrase.part("drums"))
    session.step(session.adopt(state, swaying), steady(1)[0], None)
    assert all(n.start * 4 == int(n.start * 4) for n in drums.decoded[-1][2])


def test_the_bass_is_told_the_chords_of_both_bars_in_the_models_space():
    bass = FakeBass()
    session = Session(make_setup("D major", "D A"), FakeMelody(), FakeAccompaniment(), bass)
    play(session, steady(2))
    for chords in bass.chords:
        assert [tones.root for tones in chords] == [0] * 16 + [7] * 16
    short = FakeBass()
    play(Session(make_setup("C", "C G | F", "3/4"), FakeMelody(), FakeAccompaniment(), short), steady(1))
    assert [tones.root for tones in short.chords[0]] == [0] * 8 + [7] * 8 + [5] * 16


@pytest.mark.parametrize(("metre", "steps"), [("4/4", 16), ("3/4", 12), ("2/4", 8), ("6/8", 8), ("7/8", 12)])
def test_in_a_short_bar_nothing_is_struck_on_the_models_steps_that_are_left_over(metre, steps):
    drums = FakeDrums()
    play(Session(make_setup(metre=metre), FakeMelody(), FakeAccompaniment(), None, drums), steady(2))
    for _, bias, _ in drums.decoded:
        assert [bool(step) for step in bias > -100] == ([True] * steps + [False] * (16 - steps)) * 2


def test_a_backbeat_falls_on_the_second_pulse_of_six_eight_and_the_off_beats_shuffle():
    class Straight(FakeDrums):
        """Kick and snare by turns on the model's quarters, and the hi-hat on its eighths."""

        def decode(self, z, onset_bias, temperature, rng, prefix):
            self.decoded.append((z, onset_bias, prefix))
            hits = [(step, KICK if step % 8 == 0 else SNARE) for step in range(0, 32, 4)]
            hits += [(step, CLOSED_HAT) for step in range(0, 32, 2)]
            return Phrase(
                tuple(Note(Fraction(step, 4), Fraction(1, 4), p, 80, "drums") for step, p in hits), Fraction(8)
            )

    drums = Straight()
    setup = make_setup(metre="6/8", groove=0.5)
    bars = play(Session(setup, FakeMelody(), FakeAccompaniment(), None, drums), steady(2))
    for bar in bars:
        at = {(int(hit.start * 4 + Fraction(1, 2)), hit.pitch) for hit in bar.phrase.part("drums")}
        assert at == {(0, KICK), (6, SNARE), *((step, CLOSED_HAT) for step in (0, 4, 6, 10))}
        assert any(hit.start * 4 != int(hit.start * 4) for hit in bar.phrase.part("drums"))
    given = {(int(hit.start * 4), hit.pitch) for hit in drums.decoded[1][2]}
    assert given == {(0, KICK), (4, SNARE), *((step, CLOSED_HAT) for step in (0, 2, 4, 6))}


def test_the_end_has_its_root_below_even_where_the_chord_has_not():
    session = make_session(make_setup("C", "C/E", bars=1))
    (low,) = session.step(session.initial(), steady(1)[0], None)[1].phrase.part("bass").notes
    assert low.pitch % 12 == 0


def test_a_bar_before_the_next_form_is_a_fill_halfway_to_the_active_corner():
    drums = FakeDrums()
    session = Session(make_setup(), FakeMelody(), FakeAccompaniment(), None, drums)
    bars = play(session, steady(8, mix=0.2, density=0.3))
    corners = [drums.encode(phrase) for phrase in (DRUM_ANCHORS[0].calm, DRUM_ANCHORS[0].active)]
    latents = [z for z, _, _ in drums.decoded]
    for index in (0, 1, 2, 3, 6):
        assert latents[index] == pytest.approx(drums.between(*corners, 0.2))
    assert latents[7] == pytest.approx(drums.between(*corners, 0.6))
    before, fill = drums.decoded[3][1], drums.decoded[7][1]
    assert (fill[25:28] > before[25:28] + 5).all()
    assert (fill[16:24] == before[16:24]).all()
    hits = [len(bar.phrase.part("drums").notes) for bar in bars]
    assert hits[7] > max(hits[:7])


def test_density_opens_the_weak_steps_to_the_drums_and_leaves_them_the_beat():
    metre = Metre(4, 4)
    sparse, own, dense = (onset_bias(metre, Role.OPEN, density) for density in (0.0, 0.5, 1.0))
    for step, weight in enumerate(metre.weights):
        moved = dense[step] - sparse[step]
        assert own[step] == pytest.approx((sparse[step] + dense[step]) / 2, abs=1e-5)
        assert moved > 15 if weight < 0.5 and step % 2 else moved < 15
    assert dense[0] == sparse[0]
    assert dense[4] - sparse[4] < 6


def test_more_density_gives_more_drums_and_bass_and_more_velocity_louder_ones():
    sparse = play(make_session(), steady(8, density=0.0, velocity=0.0))
    dense = play(make_session(), steady(8, density=1.0, velocity=1.0))
    for part in ("bass", "drums"):
        few, many = ([n.velocity for bar in bars for n in bar.phrase.part(part)] for bars in (sparse, dense))
        assert len(many) > len(few)
        assert sum(many) / len(many) > sum(few) / len(few) + 20


def test_a_steady_brain_hears_the_beat_of_the_theme_again_played_anew():
    bars = play(make_session(make_setup(chords="Dm7")), steady(4))
    at = [{(int(n.start * 4 + Fraction(1, 2)), n.pitch) for n in bar.phrase.part("drums")} for bar in bars]
    assert at[0] == at[2]
    assert at[1] == at[3]
    assert bars[0].phrase.part("drums") != bars[2].phrase.part("drums")


def test_without_groove_every_hit_is_on_the_grid():
    bars = play(make_session(make_setup(groove=0.0)), steady(4, density=0.8))
    assert all(n.start * 4 == int(n.start * 4) for bar in bars for n in bar.phrase.part("drums"))
    swaying = play(make_session(), steady(4, density=0.8))
    assert any(n.start * 4 != int(n.start * 4) for bar in swaying for n in bar.phrase.part("drums"))


def test_the_register_knob_leaves_the_bass_where_it_is():
    low, high = (play(make_session(make_setup(chords="Dm7")), steady(4, register=knob)) for knob in (0.0, 1.0))
    mean = [sum(n.pitch for bar in bars for n in bar.phrase.part("bass")) for bars in (low, high)]
    count = [sum(len(bar.phrase.part("bass").notes) for bar in bars) for bars in (low, high)]
    assert abs(mean[0] / count[0] - mean[1] / count[1]) < 3


def test_the_bass_keeps_below_the_melody_where_their_ranges_meet():
    ranges = default_ranges(PARTS) | {"bass": default_ranges()["accompaniment"]}
    bars = play(make_session(make_setup(ranges=ranges), RUDE), steady(8, register=0.0))
    for bar in bars:
        lowest = min((n.pitch for n in bar.phrase.part("melody")), default=127)
        assert all(n.pitch < lowest for n in bar.phrase.part("bass"))


def test_a_bass_lifts_the_accompaniment_out_of_its_way():
    assert default_ranges(PARTS)["accompaniment"].low == 48
    assert default_ranges()["accompaniment"].low == 36


def test_the_kit_is_that_of_the_codec():
    assert tuple(pitches[0] for pitches in REDUCED) == KIT


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"bass_anchors": ()}, "0 anchors of the bass"),
        ({"drum_anchors": ()}, "0 anchors of the drums"),
        ({"groove": 1.5}, r"groove 1\.5 is outside 0\.\.1"),
        ({"ranges": {k: v for k, v in default_ranges().items() if k != "bass"}}, "missing of the bass"),
    ],
)
def test_a_band_that_cannot_play_is_told_in_one_line(given, said):
    with pytest.raises(MusicError, match=said):
        make_session(make_setup(**given))

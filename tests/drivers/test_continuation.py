"""The next bar by a deadline, written by models that like anything: whatever they like, the promises hold."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from bar_models import DreamingModel, LostModel, OrderlyModel, TabledModel
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.codec import bars
from brainmidi.codec import chords as chord_codec
from brainmidi.codec.bars import Score, ScoreBar
from brainmidi.drivers.continuation import BarInTime, BarRequest, Continuation, Controls, ControlSteering, Deadline
from brainmidi.errors import CodecError, ModelError, MusicError
from brainmidi.midi.clock import VirtualClock
from brainmidi.models.checkpoint import save_weights
from brainmidi.models.stepper import TransformerStepper
from brainmidi.models.transformer_config import TransformerConfig, weight_shapes
from brainmidi.types import Note

C, G = chord_codec.encode(0, "major"), chord_codec.encode(7, "major")
MELODY = (Note(Fraction(0), Fraction(1), 72), Note(Fraction(3, 2), Fraction(5, 2), 76))
BASS = (Note(Fraction(0), Fraction(2), 36, 80, "bass"), Note(Fraction(2), Fraction(2), 43, 80, "bass"))
WIDE, BUSY = Controls(), Controls(density=0.8)


def request(given: tuple[Note, ...] = MELODY, **others) -> BarRequest:
    return BarRequest(**({"length": 16, "chords": ((0, C), (8, G)), "given": given} | others))


def bar_of(model, wanted: BarRequest, controls=WIDE, *, memory=None, seed: int = 1, deadline=None) -> BarInTime:
    player = Continuation(model)
    follow = controls if callable(controls) else lambda beat: controls
    steering = ControlSteering(follow, wanted.length, wanted.chords)
    return player.next_bar(memory or player.initial(), wanted, steering, np.random.default_rng(seed), deadline)


def heard_by_the_model(bar: BarInTime) -> Score:
    """Return the score of all that was said, having checked that the model heard exactly that."""
    memory = bar.memory
    score = memory.grammar.score()
    assert bars.encode(score).tolist() == [*memory.cache, *memory.pending]
    return score


controls_of_any_kind = st.builds(
    Controls,
    temperature=st.sampled_from([0.0, 0.3, 1.0, 3.0]),
    harmony=st.floats(0, 1),
    density=st.floats(0, 1),
    low=st.integers(21, 60),
    high=st.integers(60, 108),
    max_voices=st.integers(1, 5),
)
requests = st.builds(
    lambda length, given, write, start: request(
        tuple(note for note in given if note.end * 4 <= length and note.part not in write),
        length=length,
        chords=((0, C), (5, G)) if length > 5 else ((0, C),),
        write=write,
        start=min(start, length),
    ),
    st.integers(1, 16),
    st.sampled_from([(), MELODY, BASS, MELODY + BASS]),
    st.sampled_from([("accompaniment",), ("bass", "accompaniment"), ("melody",), bars.PARTS]),
    st.integers(0, 6),
)


@given(st.integers(0, 10_000), requests, controls_of_any_kind)
@settings(max_examples=120, deadline=None)
def test_whatever_the_model_likes_the_promises_hold(seed: int, wanted: BarRequest, now: Controls) -> None:
    bar = bar_of(DreamingModel(seed), wanted, now)
    notes = list(bar)
    assert [note.start for note in notes] == sorted(note.start for note in notes)
    for note in notes:
        assert note.part in wanted.write
        assert now.low <= note.pitch <= now.high
        assert note.start * 4 >= wanted.start
        assert note.end * 4 <= wanted.length
        at_once = [n for n in notes if n.part == note.part and n.start <= note.start < n.end]
        assert len(at_once) <= now.max_voices
        assert len({n.pitch for n in at_once}) == len(at_once)
    said = heard_by_the_model(bar).bars
    assert len(said) == 1
    assert {(n.start, n.pitch, n.part) for n in said[0].notes} == {
        (n.start, n.pitch, n.part) for n in (*notes, *wanted.given)
    }
    assert (said[0].length, said[0].chords) == (wanted.length, wanted.chords)
    assert not bar.report.cut_short


@given(st.integers(0, 10_000), st.floats(0, 1))
@settings(max_examples=40, deadline=None)
def test_density_bounds_the_onsets_of_a_bar(seed: int, density: float) -> None:
    notes = list(bar_of(DreamingModel(seed), request(()), Controls(density=density)))
    assert len({note.start for note in notes}) <= max(1, np.ceil(32 * density))


def test_more_density_means_more_onsets() -> None:
    means = []
    for density in (0.0, 0.25, 0.5, 0.75, 1.0):
        bar = [list(bar_of(DreamingModel(seed), request(()), Controls(density=density))) for seed in range(30)]
        means.append(np.mean([len({note.start for note in notes}) for notes in bar]))
    assert means == sorted(means)
    assert means[-1] > means[0] + 2


def test_strict_harmony_strikes_chord_tones_on_the_beat_and_scale_tones_off_it() -> None:
    found = [note for seed in range(40) for note in bar_of(DreamingModel(seed), request(), Controls(harmony=1.0))]
    on, off = ([note for note in found if (note.start.denominator == 1) is beat] for beat in (True, False))
    assert {note.pitch % 12 for note in on if note.start < 2} == {0, 4, 7}
    assert {note.pitch % 12 for note in on if note.start >= 2} == {7, 11, 2}
    # Off the beat all of the scale is free, not the chord alone.
    assert {0, 4, 7, 11, 2} < {note.pitch % 12 for note in off} <= {0, 2, 4, 5, 7, 9, 11}


def test_controls_move_within_the_bar() -> None:
    def rising(beat: Fraction) -> Controls:
        low = 30 + int(12 * beat)
        return Controls(low=low, high=low + 12)

    found = [note for seed in range(20) for note in bar_of(DreamingModel(seed), request(()), rising)]
    assert {int(note.start) for note in found} == {0, 1, 2, 3}
    assert all(30 + int(12 * note.start) <= note.pitch <= 42 + int(12 * note.start) for note in found)


def test_controls_are_read_anew_for_every_token() -> None:
    asked = []

    def now(beat: Fraction) -> Controls:
        asked.append(beat)
        # A hand on the fader, faster than the bar: nothing fits where something did a moment ago.
        return Controls(low=60, high=60 + len(asked) % 3, max_voices=1 + len(asked) % 2)

    for seed in range(20):
        asked.clear()
        bar = bar_of(DreamingModel(seed), request((), chords=((0, C),)), now)
        assert all(60 <= note.pitch <= 62 for note in bar)
        assert len(asked) > bar.report.tokens
        heard_by_the_model(bar)


def test_a_song_known_by_heart_is_played_around_the_parts_that_are_given() -> None:
    second = Note(Fraction(1, 2), Fraction(1, 2), 60, 60, "accompaniment")
    third = Note(Fraction(3, 2), Fraction(1, 2), 55, 60, "accompaniment")
    song = Score((ScoreBar(16, ((0, C), (8, G)), (*MELODY, *BASS, second, third)),))
    bar = bar_of(OrderlyModel(bars.encode(song)), request(MELODY + BASS))
    assert [(note.start, note.pitch, note.length) for note in bar] == [
        (note.start, note.pitch, note.length) for note in (second, third)
    ]
    assert heard_by_the_model(bar) == bars.quantise(song)


def test_where_the_model_expects_a_part_that_is_silent_it_is_asked_again() -> None:
    # It would rather begin at once, with the melody; then on the third beat, with the accompaniment.
    after = {"chord": {"position": (0, 8)}, "position 0": {"part": (0,)}, "position 8": {"part": (2,)}}
    bar = bar_of(TabledModel(after), request((), chords=((0, C),)), Controls(0.0))
    assert {note.start for note in bar} == {Fraction(2)}
    assert bars.position_token(0) not in bar.memory.cache


def test_beside_a_given_note_a_part_that_is_silent_is_no_answer() -> None:
    # Under the melody it would rather have a bass than an accompaniment.
    model = TabledModel({"duration": {"part": (1, 2)}})
    bar = bar_of(model, request(), Controls(0.0))
    assert {note.start for note in bar} == {note.start for note in MELODY}


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_lost_model_still_writes_whole_bars_with_notes_in_them(temperature: float) -> None:
    written = []
    for seed in range(10):
        bar = bar_of(LostModel(), request(), Controls(temperature), seed=seed)
        written.append(list(bar))
        assert all(note.end <= 4 for note in written[-1])
        heard = heard_by_the_model(bar).bars[0]
        assert {(n.start, n.pitch) for n in heard.notes} == {(n.start, n.pitch) for n in (*written[-1], *MELODY)}
    assert sum(map(bool, written)) > 5


def test_temperature_0_has_no_chance_in_it() -> None:
    bars_played = [list(bar_of(DreamingModel(3), request(), Controls(0.0), seed=seed)) for seed in range(5)]
    assert bars_played[0]
    assert all(played == bars_played[0] for played in bars_played)


def test_the_same_seed_writes_the_same_bar_and_the_memory_may_be_gone_back_to() -> None:
    model, player = DreamingModel(5), Continuation(DreamingModel(5))
    first = bar_of(model, request())
    notes, memory = list(first), first.memory
    again, other = bar_of(model, request(), memory=memory), bar_of(model, request(), memory=memory, seed=9)
    assert list(again) != list(other)
    assert list(bar_of(model, request(), memory=memory)) == list(bar_of(model, request(), memory=memory))
    assert memory.grammar.score().bars[0] == player_bar(player, notes)
    assert again.memory.grammar.bar == 1


def player_bar(player: Continuation, notes: list[Note]) -> ScoreBar:
    prompt = Score((ScoreBar(16, ((0, C), (8, G)), (*MELODY, *notes)),))
    return player.heard(prompt).grammar.score().bars[0]


def test_a_bar_asked_of_what_was_heard_is_the_bar_after_what_was_written() -> None:
    model = DreamingModel(5)
    first = bar_of(model, request())
    notes = list(first)
    prompt = Score((ScoreBar(16, ((0, C), (8, G)), (*MELODY, *notes)),))
    after = bar_of(model, request(), memory=Continuation(model).heard(prompt))
    assert list(after) == list(bar_of(model, request(), memory=first.memory))


def test_an_empty_prompt_is_silence() -> None:
    model = DreamingModel(2)
    assert list(bar_of(model, request(), memory=Continuation(model).heard(Score(())))) == list(bar_of(model, request()))


@pytest.mark.parametrize("window", [2, 8, 40, 100])
def test_of_a_prompt_longer_than_the_window_the_last_whole_bars_are_told(window: int) -> None:
    prompt = Score(tuple(ScoreBar(16, ((0, C),), MELODY + BASS) for _ in range(50)), "bach", ended=True)
    memory = Continuation(DreamingModel(), window).heard(prompt)
    told = list(memory.cache)
    assert len(told) <= window
    assert told[0] == bars.style_token("bach")
    if window > 8:
        assert len(told) > window // 2
        assert bars.decode(told) == memory.grammar.score()
    kept = memory.grammar.score().bars
    assert kept == bars.quantise(prompt).bars[-len(kept) :]
    assert list(bar_of(DreamingModel(), request(), BUSY, memory=memory))


def test_a_given_note_that_still_sounds_from_before_is_not_said_twice() -> None:
    prompt = Score((ScoreBar(4, ((0, C),), (Note(Fraction(0), Fraction(2), 72),)),))
    bar = bar_of(DreamingModel(), request(), memory=Continuation(DreamingModel()).heard(prompt))
    list(bar)
    assert [n.pitch for n in heard_by_the_model(bar).bars[1].notes if n.part == "melody"] == [76]


@pytest.mark.parametrize("steps", [17, 19, 31, 39, 63, 70])
def test_a_long_given_note_ends_before_its_pitch_is_struck_again(steps: int) -> None:
    model, memory = DreamingModel(), None
    strikes = [Note(Fraction(0), Fraction(steps, 4), 72), Note(Fraction(steps, 4), Fraction(1, 4), 72)]
    for line in range(0, steps + 1, 16):
        now = [
            replace(note, start=note.start - Fraction(line, 4)) for note in strikes if 0 <= 4 * note.start - line < 16
        ]
        bar = bar_of(model, request(tuple(now), chords=((0, C),)), memory=memory)
        list(bar)
        memory = bar.memory
    heard = memory.grammar.score().bars
    assert [(n, note.start) for n, bar in enumerate(heard) for note in bar.notes if note.part == "melody"] == [
        (0, 0),
        (steps // 16, Fraction(steps % 16, 4)),
    ]


# ---------------------------------------------------------------------------------------------------- deadlines


@given(st.integers(0, 10_000), st.integers(0, 90), st.sampled_from([("accompaniment",), ("melody", "accompaniment")]))
@settings(max_examples=80, deadline=None)
def test_at_the_deadline_the_model_is_asked_no_more_and_the_bar_is_closed(seed, steps, write) -> None:
    clock = VirtualClock(100.0)
    model = DreamingModel(seed, clock=clock, step_s=0.01)
    given_parts = BASS if "melody" in write else MELODY + BASS
    wanted = request(given_parts, write=write)
    due_s = 100.0 + 0.01 * steps + 0.005
    bar = bar_of(model, wanted, BUSY, deadline=Deadline(clock, due_s))
    notes = list(bar)
    # How long an answer takes is known once there was one.
    assert clock.now_s() <= (due_s if steps else 100.01)
    assert all(asked_s < due_s for asked_s in model.asked)
    report = bar.report
    assert report.tokens == len(model.asked) <= max(steps, 1)
    assert report.seconds == pytest.approx(clock.now_s() - 100.0)
    assert report.share == pytest.approx(report.seconds / (0.01 * steps + 0.005))
    # What is said is a whole bar, the notes that were yielded and the given ones, whatever the model heard of it.
    said = heard_by_the_model(bar).bars[0]
    assert {(n.start, n.pitch, n.part) for n in said.notes} == {
        (n.start, n.pitch, n.part) for n in (*notes, *given_parts)
    }
    assert all(note.end <= 4 for note in notes)
    # The next bar has time again: it first hears what it missed.
    then = bar_of(model, request(), memory=bar.memory)
    list(then)
    assert len(then.memory.pending) <= 2 + 2 * 9  # what was given last, after which nothing was asked
    heard_by_the_model(then)


def test_a_bar_cut_short_begins_as_the_whole_one_does() -> None:
    whole = list(bar_of(DreamingModel(4), request(), BUSY))
    assert len(whole) > 3
    lengths = set()
    for steps in range(60):
        clock = VirtualClock()
        bar = bar_of(DreamingModel(4, clock=clock), request(), BUSY, deadline=Deadline(clock, 0.01 * steps + 0.005))
        notes = list(bar)
        assert notes == whole[: len(notes)]
        assert bar.report.cut_short or notes == whole
        lengths.add(len(notes))
    assert lengths == set(range(len(whole) + 1))


def test_a_deadline_that_has_passed_asks_nothing() -> None:
    clock = VirtualClock(10.0)
    bar = bar_of(DreamingModel(clock=clock), request(), deadline=Deadline(clock, 9.0))
    assert list(bar) == []
    assert (bar.report.tokens, bar.report.share, bar.report.cut_short) == (0, 1.0, True)
    heard_by_the_model(bar)


def test_a_model_that_is_always_late_remembers_no_more_than_it_can_catch_up_with() -> None:
    clock, memory = VirtualClock(10.0), None
    for _ in range(60):
        bar = bar_of(DreamingModel(clock=clock), request(), memory=memory, deadline=Deadline(clock, 9.0))
        list(bar)
        memory = bar.memory
    assert len(memory.pending) == 512
    assert list(bar_of(DreamingModel(), request(), BUSY, memory=memory))


def test_notes_that_begin_before_what_was_played_do_not_come() -> None:
    for seed in range(20):
        bar = bar_of(DreamingModel(seed), request(()), Controls(density=0.9))
        first = next(bar)
        bar.played_until(Fraction(5, 2))
        rest = list(bar)
        assert all(note.start >= Fraction(5, 2) for note in rest)
        heard_by_the_model(bar)
        assert {n.pitch for n in bar.memory.grammar.notes} == {n.pitch for n in (first, *rest)}


def test_notes_come_while_the_bar_is_written() -> None:
    bar = bar_of(DreamingModel(4), request(), BUSY)
    next(bar)
    begun = bar.report.tokens
    with pytest.raises(MusicError, match="not finished"):
        bar.memory  # noqa: B018
    list(bar)
    assert 0 < begun < bar.report.tokens
    assert 0 < bar.report.entropy < np.log(bars.N_CLASSES)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        (lambda: request(write=()), MusicError),
        (lambda: request(write=("drums",)), MusicError),
        (lambda: request(write=("melody",)), MusicError),
        (lambda: request(length=17), CodecError),
        (lambda: request(start=-5), MusicError),
        (lambda: request(start=17), MusicError),
        (lambda: Continuation(DreamingModel(), window=1), MusicError),
        (lambda: request((Note(Fraction(0), Fraction(1), 110),)), CodecError),
        (lambda: Controls(low=60, high=59), MusicError),
        (lambda: Controls(low=200), MusicError),
        (lambda: Controls(low=20), MusicError),
        (lambda: Controls(max_voices=0), MusicError),
        (lambda: list(bar_of(DreamingModel(), request(), Controls(harmony=1.5))), ModelError),
    ],
)
def test_what_cannot_be_asked_for_is_refused_in_a_line(wrong, error) -> None:
    with pytest.raises(error):
        wrong()


def test_the_transformer_itself_may_be_gone_back_to_and_told_what_it_wrote(tmp_path: Path) -> None:
    config = TransformerConfig(n_classes=bars.N_CLASSES, n_layers=2, size=16, n_heads=2, inner_size=16, window=24)
    rng = np.random.default_rng(3)
    weights = {name: rng.normal(scale=0.4, size=shape) for name, shape in weight_shapes(config).items()}
    save_weights(tmp_path, {"kind": "transformer", "name": "tiny", **config.to_json()}, weights)
    model, now = TransformerStepper(tmp_path), Controls(density=1.0, temperature=2.0)
    memories, played = [Continuation(model).initial()], []
    for seed in range(6):
        bar = bar_of(model, request(), now, memory=memories[-1], seed=seed)
        played.append(list(bar))
        memories.append(bar.memory)
    assert sum(len(notes) for notes in played) > 6
    for seed in (3, 0, 5):
        assert list(bar_of(model, request(), now, memory=memories[seed], seed=seed)) == played[seed]
    # Answers that were thrown away left nothing behind: told the same bars at once, it goes on in the same way.
    told = Continuation(model, 10_000).heard(memories[-1].grammar.score())
    assert list(bar_of(model, request(), now, memory=told)) == list(bar_of(model, request(), now, memory=memories[-1]))

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from midi_takes import make_bar, make_take, stand_in, whole_note

from brainmidi.errors import MidiError
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.handover import Handover
from brainmidi.midi.keys import Key
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.midi.timeline import OwnTimeline
from brainmidi.midi.timetable import DEFAULT_CHANNELS
from brainmidi.types import Note

F = Fraction


def sends(**controllers):
    """Return settings that send knobs out as (channel, controller)."""
    rules = (ControlRule(knob, channel, number=number) for knob, (channel, number) in controllers.items())
    return PlayerSettings(controls=tuple(rules))


PANIC = [(0xB0, 64, 0), (0xB0, 123, 0), (0xB0, 120, 0)]


class Stage:
    """A core on a virtual clock, with a composer that does what the test says."""

    def __init__(self, **options):
        self.clock, self.output = VirtualClock(), RecordingOutput()
        self.core = PlayerCore(self.clock, self.output, **options)
        self.handover = Handover(DEFAULT_CHANNELS)

    def tell(self, op, **fields):
        self.core.advance()
        self.core.handle({"op": op, **fields})
        self.core.advance()

    def send(self, bar, fallback=None):
        message = self.handover.pack(bar, fallback)
        self.core.advance()
        self.core.handle(message)
        self.core.advance()

    def play_until(self, second):
        while (deadline_s := self.core.deadline_s) is not None and deadline_s <= second:
            self.clock.sleep_until(deadline_s)
            self.core.advance()
        self.clock.sleep_until(second)
        self.core.advance()

    def report(self):
        return self.handover.report(self.core.report())

    def notices(self):
        return [(notice["kind"], notice["index"]) for notice in self.core.take_notices()]


def open_notes(messages):
    sounding = set()
    for status, pitch, velocity in messages:
        if status & 0xF0 == 0x90 and velocity:
            assert (status & 15, pitch) not in sounding, "struck while open"
            sounding.add((status & 15, pitch))
        elif status & 0xF0 == 0x80:
            sounding.discard((status & 15, pitch))
    return sounding


def test_each_message_is_sent_at_its_own_second():
    stage = Stage()
    stage.send(whole_note(0))
    stage.tell("begin", at_s=10.0)
    stage.play_until(9.999)
    assert stage.output.sent == []
    stage.play_until(10.0)
    assert stage.output.sent == [(0x90, 60, 80)]
    stage.tell("finish", last=0)
    stage.play_until(11.999)
    assert not stage.core.done
    stage.play_until(12.0)
    assert stage.output.sent == [(0x90, 60, 80), (0x80, 60, 0), *PANIC]
    assert stage.core.done
    assert (stage.report().first_note_s, stage.report().begun_s, stage.report().end_beat) == (10.0, 10.0, 4)


def test_a_bar_is_played_in_the_tempo_that_it_brings():
    stage = Stage()
    stage.tell("begin", at_s=0.0)
    stage.send(whole_note(0, bpm=120.0))
    stage.send(whole_note(1, bpm=60.0))
    stage.tell("finish", last=1)
    stage.play_until(5.999)
    assert not stage.core.done
    stage.play_until(6.0)
    assert stage.core.done


def test_a_late_bar_is_replaced_by_the_fallback_given_beforehand():
    stage = Stage()
    first = whole_note(0)
    stage.send(first, stand_in(first, 72))
    stage.tell("begin", at_s=0.0)
    stage.play_until(2.5)
    stage.send(whole_note(1, 64), None)
    stage.send(whole_note(2, 65), None)
    stage.tell("finish", last=2)
    stage.play_until(100.0)
    report = stage.report()
    assert [event.data[1] for event in report.sent_events if event.rank == 2] == [60, 72, 65]
    assert report.late_bars == (1,)
    assert [(bar.index, bar.start, bar.fallback) for bar in report.bars] == [(0, 0, False), (1, 4, True), (2, 8, False)]
    assert stage.notices() == [("started", 0), ("late", 1), ("started", 1), ("started", 2)]


def test_a_bar_that_comes_on_its_first_beat_is_in_time():
    stage = Stage()
    first = whole_note(0)
    stage.send(first, stand_in(first))
    stage.tell("begin", at_s=0.0)
    stage.play_until(1.999)
    stage.clock.sleep_until(2.0)
    stage.core.handle(stage.handover.pack(whole_note(1, 64), None))
    stage.core.advance()
    assert stage.output.sent[-1] == (0x90, 64, 80)
    assert stage.report().late_bars == ()


def test_the_fallback_that_a_late_bar_brings_still_stands_in_for_the_next():
    stage = Stage()
    first, second = whole_note(0), whole_note(1, 64)
    stage.send(first, stand_in(first, 72))
    stage.tell("begin", at_s=0.0)
    stage.play_until(3.0)
    stage.send(second, stand_in(second, 74))
    stage.play_until(5.0)
    assert [data[1] for data in stage.output.sent if data[0] == 0x90] == [60, 72, 74]


def test_without_any_news_the_last_fallback_is_repeated_so_that_music_never_stops():
    stage = Stage()
    first = whole_note(0)
    stage.send(first, stand_in(first, 72))
    stage.tell("begin", at_s=0.0)
    stage.play_until(7.0)
    stage.tell("stop")
    report = stage.report()
    assert [(event.beat, event.data[1]) for event in report.sent_events if event.rank == 2] == [
        (0, 60),
        (4, 72),
        (8, 72),
        (12, 72),
    ]
    assert [(bar.index, bar.start) for bar in report.bars] == [(0, 0), (1, 4), (2, 8), (3, 12)]
    assert report.late_bars == (1, 2, 3)


def test_where_there_is_nothing_to_fall_back_to_the_bar_is_a_rest():
    stage = Stage()
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.play_until(2.5)
    stage.send(whole_note(1, 64))
    stage.send(whole_note(2, 65))
    stage.tell("finish", last=2)
    stage.play_until(100.0)
    report = stage.report()
    assert [event.data[1] for event in report.sent_events if event.rank == 2] == [60, 65]
    assert [(bar.fallback, len(bar.phrase.notes)) for bar in report.bars] == [(False, 1), (True, 0), (False, 1)]


def test_a_first_bar_that_comes_after_its_beat_moves_the_beginning():
    stage = Stage()
    stage.tell("begin", at_s=1.0)
    stage.play_until(1.5)
    stage.send(whole_note(0))
    assert stage.output.sent == [(0x90, 60, 80)]
    assert stage.core.take_notices()[0]["time_s"] == 1.5
    assert stage.report().lateness_max_ms == 0.0


def test_panic_silences_and_the_take_goes_on_without_a_second_note_off():
    stage = Stage()
    stage.send(make_bar(0, (Note(F(0), F(2), 60, 80), Note(F(3), F(1), 62, 80))))
    stage.tell("begin", at_s=0.0)
    stage.play_until(0.75)
    stage.tell("panic")
    stage.tell("finish", last=0)
    stage.play_until(10.0)
    assert stage.output.sent == [(0x90, 60, 80), (0x80, 60, 0), *PANIC, (0x90, 62, 80), (0x80, 62, 0), *PANIC]
    assert [event.data for event in stage.report().sent_events] == stage.output.sent[: -len(PANIC)]
    assert stage.report().sent_events[1].beat == F(3, 2)


def test_stop_closes_every_open_note_and_says_on_which_beat():
    stage = Stage()
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.play_until(0.8)
    stage.tell("stop")
    assert stage.output.sent == [(0x90, 60, 80), (0x80, 60, 0), *PANIC]
    report = stage.report()
    assert report.end_beat == report.sent_events[-1].beat == F(1536, 960)
    stage.play_until(10.0)
    assert len(stage.output.sent) == 5


def test_the_end_of_a_take_brings_bend_and_pressure_to_rest_and_lets_every_channel_go_and_the_file_has_none_of_it():
    rules = (ControlRule("tempo", 1, "bend"), ControlRule("density", 2, "pressure"))
    stage = Stage(settings=PlayerSettings(controls=rules))
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.tell("knobs", values={"tempo": 1.0, "density": 1.0})
    stage.tell("finish", last=0)
    stage.play_until(2.0)
    assert stage.core.done
    events = stage.report().sent_events
    assert events[-1].data == (0x80, 60, 0)
    assert stage.output.sent[: len(events)] == [event.data for event in events]
    lets_go = [*PANIC, *((0xB1, *data[1:]) for data in PANIC), (0xD1, 0), (0xE0, 0, 64)]
    assert stage.output.sent[len(events) :] == lets_go
    stage.tell("stop")
    assert len(stage.output.sent) == len(events) + len(lets_go), "once"
    assert stage.report().end_beat == 4


def test_stop_in_the_moment_of_a_note_on_puts_the_note_off_after_it():
    stage = Stage()
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.tell("stop")
    assert stage.report().sent_events[0].beat < stage.report().sent_events[1].beat


def test_stop_before_the_beginning_sends_nothing():
    stage = Stage()
    stage.send(whole_note(0))
    stage.tell("stop")
    assert stage.output.sent == []
    assert (stage.report().end_beat, stage.report().bars) == (0, ())


def test_finish_after_the_last_bar_cuts_what_already_stands_in_for_the_next():
    stage = Stage()
    first = whole_note(0)
    stage.send(first, stand_in(first))
    stage.tell("begin", at_s=0.0)
    stage.play_until(2.5)
    stage.tell("finish", last=0)
    assert stage.core.done
    assert open_notes(stage.output.sent) == set()


@pytest.mark.parametrize("begun", [False, True])
def test_finish_without_a_bar_is_over_at_once(begun):
    stage = Stage()
    if begun:
        stage.tell("begin", at_s=0.0)
    stage.tell("finish", last=-1)
    assert stage.core.done


def test_a_composer_that_falls_silent_while_music_plays_is_taken_for_dead():
    stage = Stage(silence_after_s=3.0)
    first = whole_note(0)
    stage.send(first, stand_in(first))
    stage.play_until(50.0)
    assert not stage.core.done, "nothing plays yet, so nothing can hang"
    stage.tell("begin", at_s=51.0)
    stage.play_until(52.0)
    stage.tell("heartbeat")
    stage.play_until(54.9)
    assert not stage.core.done
    stage.play_until(55.0)
    assert stage.core.done
    assert open_notes(stage.output.sent) == set()
    assert stage.report().reason == "nothing heard from the composer for 3 s"
    assert stage.notices()[-1] == ("stopped", 2)


def test_knobs_go_out_from_the_first_beat_on_at_once_and_only_when_they_change():
    stage = Stage(settings=sends(tempo=(3, 21)))
    stage.tell("knobs", values={"tempo": 0.9})
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.play_until(0.5)
    for value in (0.5, 0.501, 1.0):
        stage.tell("knobs", values={"tempo": value, "density": 0.1})
        stage.play_until(stage.clock.now_s() + 0.05)
    assert stage.output.sent == [(0x90, 60, 80), (0xB2, 21, 114), (0xB2, 21, 64), (0xB2, 21, 127)]
    events = stage.report().sent_events
    assert [event.data for event in events] == stage.output.sent
    assert list(events) == sorted(events)


def test_knobs_never_make_more_than_a_hundred_messages_a_second():
    names = ("latent_mix", "temperature", "density", "velocity", "tempo", "register")
    stage = Stage(settings=sends(**{name: (16, 21 + place) for place, name in enumerate(names)}))
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    for number in range(1000):
        stage.tell("knobs", values=dict.fromkeys(names, number % 128 / 127))
        stage.play_until(number / 1000)
    controls = [data for data in stage.output.sent if data[0] == 0xBF]
    assert 90 <= len(controls) <= 100
    assert {data[1] for data in controls} == set(range(21, 27))


def test_a_knob_waits_where_a_note_is_due_on_its_tick():
    stage = Stage(settings=sends(tempo=(1, 21), density=(2, 22)))
    notes = tuple(Note(F(beat, 960), F(1, 960), 60 + beat % 2, 80) for beat in range(480, 490))
    stage.send(make_bar(0, notes))
    stage.tell("begin", at_s=0.0)
    for number in range(20):
        stage.tell("knobs", values={"tempo": number / 20, "density": number / 20})
        stage.play_until(0.2495 + number / 2500)
    events = list(stage.report().sent_events)
    assert any(event.rank == 1 for event in events)
    assert events == sorted(events, key=lambda event: (event.beat, event.rank))


def played(stage):
    return [(bar.index, bar.start, [note.pitch for note in bar.phrase.notes]) for bar in stage.report().bars]


def test_a_held_bar_is_repeated_until_it_is_let_go_and_then_the_bar_of_that_time_comes():
    stage = Stage()
    bars = [whole_note(index, 60 + index) for index in range(4)]
    stage.tell("begin", at_s=0.0)
    stage.send(bars[0], stand_in(bars[0]))
    stage.send(bars[1], stand_in(bars[1]))
    stage.play_until(1.0)
    stage.tell("hold")
    stage.play_until(2.5)
    stage.send(bars[2], stand_in(bars[2]))
    stage.play_until(4.5)
    stage.send(bars[3], None)
    stage.tell("hold", on=False)
    stage.tell("finish", last=3)
    stage.play_until(100.0)
    assert played(stage) == [(0, 0, [60]), (1, 4, [60]), (2, 8, [60]), (3, 12, [63])]
    assert [bar.fallback for bar in stage.report().bars] == [False, True, True, False]
    assert stage.report().late_bars == (), "nobody was late"
    assert open_notes(stage.output.sent) == set()


def test_a_fallback_can_be_held_too():
    stage = Stage()
    first = whole_note(0)
    stage.send(first, stand_in(first, 72))
    stage.tell("begin", at_s=0.0)
    stage.play_until(2.5)
    stage.tell("hold", on=True)
    stage.send(whole_note(1), None)
    stage.send(whole_note(2), None)
    stage.tell("finish", last=2)
    stage.play_until(100.0)
    assert played(stage) == [(0, 0, [60]), (1, 4, [72]), (2, 8, [72])]


def test_what_the_performer_plays_is_told_with_its_time_and_reported_with_its_beat():
    stage = Stage()
    stage.core.hear((0x90, 50, 1), 0.0)
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.play_until(0.75)
    stage.core.hear((0x90, 62, 100), 0.7501)
    stage.core.hear((0xFE,), 0.76)
    stage.core.hear((0x90, 62, 0), 1.0)
    heard = [notice for notice in stage.core.take_notices() if notice["kind"] == "heard"]
    assert [(notice["time_s"], tuple(notice["data"]), "beat" in notice) for notice in heard] == [
        (0.0, (0x90, 50, 1), False),
        (0.7501, (0x90, 62, 100), True),
        (1.0, (0x90, 62, 0), True),
    ]
    assert [tuple(event) for event in ((e.beat, e.rank, e.data) for e in stage.report().performed)] == [
        (F(1440, 960), 2, (0x90, 62, 100)),
        (F(2), 0, (0x90, 62, 0)),
    ]
    assert stage.output.sent == [(0x90, 60, 80)], "nothing is echoed"


def test_the_performers_keys_are_obeyed_at_once_and_not_recorded():
    keys = {"panic": Key(note=21), "hold": Key(cc=64), "capture": Key(note=22)}
    stage = Stage(settings=PlayerSettings(keys=keys))
    stage.core.hear((0x90, 21, 1), 0.0)
    assert stage.output.sent == [], "nothing has sounded yet"
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.play_until(0.5)
    stage.core.hear((0x90, 21, 100), 0.5)
    assert stage.output.sent == [(0x90, 60, 80), (0x80, 60, 0), *PANIC]
    for data in ((0x90, 22, 1), (0xB0, 64, 127), (0xB0, 64, 127), (0xB0, 64, 0)):
        stage.core.hear(data, 0.5)
    notices = [(notice["kind"], notice.get("detail")) for notice in stage.core.take_notices()]
    assert notices[-4:] == [("panic", ""), ("capture", ""), ("hold", "on"), ("hold", "off")]
    assert stage.report().performed == ()


def test_after_a_panic_bend_and_pressure_rest_and_go_on_from_where_the_knobs_stand():
    rules = (ControlRule("tempo", 1, "bend"), ControlRule("density", 2, "pressure"))
    stage = Stage(settings=PlayerSettings(controls=rules))
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.tell("knobs", values={"tempo": 1.0, "density": 1.0})
    stage.play_until(0.5)
    before = len(stage.output.sent)
    stage.core.handle({"op": "panic"})
    sent = stage.output.sent[before:]
    assert sent[0] == (0x80, 60, 0)
    assert sent[-2:] == [(0xD1, 0), (0xE0, 0, 64)]
    stage.play_until(1.0)
    assert {(0xE0, 127, 127), (0xD1, 127)} <= set(stage.output.sent[before + len(sent) :])


def test_while_a_master_stands_knobs_go_on_moving_their_controllers_and_the_take_does_not_hold_them():
    class Standing(OwnTimeline):
        stands = False

        def clock_s(self, beat):
            return None if self.stands else super().clock_s(beat)

    line = Standing()
    stage = Stage(settings=sends(tempo=(1, 21), density=(2, 22)), timeline=line)
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    stage.play_until(0.5)
    line.stands = True
    for number in range(200):
        stage.tell("knobs", values={"tempo": number % 2, "density": number % 2})
        stage.play_until(stage.clock.now_s() + 0.1)
    controls = [data for data in stage.output.sent if data[0] & 0xF0 == 0xB0]
    assert len(controls) == 400
    assert [event.data for event in stage.report().sent_events] == [(0x90, 60, 80)]


def test_lateness_is_measured_from_the_wanted_time_and_never_accumulates():
    stage = Stage()
    stage.send(make_bar(0, tuple(Note(F(beat), F(1), 60, 80) for beat in range(4))))
    stage.tell("begin", at_s=10.0)
    stage.tell("finish", last=0)
    for second in (10.002, 10.503, 11.004, 11.501, 12.0):
        stage.clock.sleep_until(second)
        stage.core.advance()
    report = stage.report()
    assert report.lateness_max_ms == pytest.approx(4.0)
    assert report.lateness_p50_ms == pytest.approx(2.0)
    assert report.first_note_s == pytest.approx(10.002)


def test_an_output_that_fails_ends_the_take_and_the_report_holds_what_was_sent():
    stage = Stage()

    def refuse(data, at_s=None):
        if data[0] & 0xF0 == 0x80:
            raise MidiError("JACK refused a message")
        stage.output.sent.append(tuple(data))

    stage.output.send = refuse
    stage.send(whole_note(0))
    stage.tell("begin", at_s=0.0)
    with pytest.raises(MidiError, match="refused"):
        stage.play_until(5.0)
    stage.core.abandon("JACK refused a message")
    assert stage.core.done
    assert [event.data for event in stage.report().sent_events] == [(0x90, 60, 80)]


def test_a_message_that_is_not_ours_is_refused():
    with pytest.raises(MidiError, match="'dance' is not known"):
        Stage().core.handle({"op": "dance"})


def test_a_bar_that_does_not_follow_is_refused():
    stage = Stage()
    stage.send(whole_note(0))
    with pytest.raises(MidiError, match="bar 1 at beat 4 comes next"):
        stage.send(whole_note(2))
    with pytest.raises(MidiError, match="fallback 3 at beat 12 does not follow"):
        stage.send(whole_note(1), whole_note(3))


OPS = st.sampled_from(["send", "send", "send", "panic", "hold", "capture", "knobs", "heartbeat"])
ACTIONS = st.lists(st.tuples(st.floats(0.0, 3.0), OPS), max_size=12)


@settings(max_examples=60, deadline=None)
@given(ACTIONS, st.integers(0, 1000), st.floats(0.0, 1.0), st.sampled_from(["finish", "stop", "silence"]))
def test_whatever_happens_nothing_is_open_at_the_end_and_the_report_is_what_was_sent(actions, seed, delay_s, end):
    stage = Stage(silence_after_s=4.0, settings=sends(tempo=(1, 21)))
    bars = iter(make_take(len(actions), seed=seed, notes_per_part=4))
    stage.tell("begin", at_s=delay_s)
    for wait_s, action in actions:
        stage.play_until(stage.clock.now_s() + wait_s)
        if action == "send":
            bar = next(bars)
            stage.send(bar, stand_in(bar))
        elif action == "knobs":
            stage.tell("knobs", values={"tempo": wait_s / 3.0})
        else:
            stage.tell(action)
    if end != "silence":
        stage.tell(end, last=stage.handover.last_index)
    stage.play_until(stage.clock.now_s() + 1000.0)
    events = stage.report().sent_events
    assert stage.core.done or not events
    assert open_notes(stage.output.sent) == set()
    n_events = len(events)
    assert [event.data for event in events] == stage.output.sent[:n_events]
    assert stage.output.sent[n_events:] in ([], PANIC, PANIC + [(0xB1, *data[1:]) for data in PANIC]), "the take's end"
    assert [event.beat for event in events] == sorted(event.beat for event in events)
    assert all(event.beat <= stage.report().end_beat for event in events)

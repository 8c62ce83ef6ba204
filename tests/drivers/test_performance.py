"""A live take when things go wrong: late bars, streams that end, cables that are pulled."""

from __future__ import annotations

from itertools import pairwise

import pytest
from drivers_takes import SlowMelody, make_band, make_keeper, make_session, make_signal, offline, virtual
from fakes import ANCHORS, BASS_ANCHORS, DRUM_ANCHORS, FakeAccompaniment, FakeBass, FakeDrums, FakeMelody, FakeSource
from saved import assert_sent_as_saved

from brainmidi.config import parse_config
from brainmidi.drivers.live import improvise
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.take import TakeFiles
from brainmidi.errors import MusicError, SourceError
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.files import read_events
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.music.voices import Voices
from brainmidi.types import PARTS


class BrokenMelody(FakeMelody):
    """A model that fails at its fifth bar."""

    def decode(self, *args):
        if len(self.decoded) == 4:
            raise MusicError("the model is out of tune; restart it")
        return super().decode(*args)


def open_notes(output):
    sounding = set()
    for data in output.sent:
        if data[0] & 0xF0 == 0x90 and data[2]:
            sounding.add((data[0] & 15, data[1]))
        elif data[0] & 0xF0 in (0x80, 0x90):
            sounding.discard((data[0] & 15, data[1]))
    return sounding


@pytest.mark.parametrize(("cost_s", "slow"), [(3.0, {3}), (3.0, {2, 3, 4}), (8.0, {2}), (3.0, set(range(1, 40)))])
def test_a_late_bar_is_replaced_and_the_music_goes_on(tmp_path, cost_s, slow):
    output = RecordingOutput()
    take = virtual(
        tmp_path / "late.mid", FakeSource(40.0), melody=lambda clock: SlowMelody(clock, cost_s, slow), output=output
    )
    late = [bar.index for bar in take.bars if bar.fallback]
    assert late
    assert [bar.index for bar in take.bars] == list(range(len(take.bars)))
    assert all(after.start == before.end for before, after in pairwise(take.bars))
    assert all(bar.phrase.notes for bar in take.bars)
    assert not open_notes(output)
    assert_sent_as_saved(read_events(tmp_path / "late.mid"), output.sent)


def test_after_a_late_bar_the_melody_continues_from_what_was_heard(tmp_path):
    melodies = []

    def melody(clock):
        melodies.append(SlowMelody(clock, 3.0, {2}))
        return melodies[0]

    take = virtual(tmp_path / "late.mid", melody=melody)
    assert [bar.index for bar in take.bars if bar.fallback] == [2]
    prefix = melodies[0].decoded[3][1]
    assert [n.pitch + 2 for n in prefix] == [n.pitch for n in take.bars[2].phrase.part("melody")]


def test_a_late_bar_of_the_band_is_played_by_all_of_it_and_nothing_hangs(tmp_path):
    output = RecordingOutput()
    take = virtual(
        tmp_path / "a.mid", melody=lambda clock: SlowMelody(clock, 3.0, {2, 5}), make=make_band, output=output
    )
    late = [bar for bar in take.bars if bar.fallback]
    assert late
    assert all({note.part for note in bar.phrase} == set(PARTS) for bar in late)
    assert all(after.start == before.end for before, after in pairwise(take.bars))
    assert not open_notes(output)
    assert_sent_as_saved(read_events(tmp_path / "a.mid"), output.sent)


def test_a_late_bar_is_told_and_traced_as_what_sounded(tmp_path):
    told = []
    take = virtual(
        tmp_path / "late.mid",
        melody=lambda clock: SlowMelody(clock, 3.0, {4}),
        on_bar=lambda bar, _: told.append((bar.index, bar.fallback, bar.phrase)),
    )
    assert told == [(bar.index, bar.fallback, bar.phrase) for bar in take.bars]
    assert take.summary.bars == len(told)


class TimedOutput(RecordingOutput):
    """An output that keeps when each note was struck, by the clock that the player's core goes by."""

    def __init__(self):
        super().__init__()
        self.clock, self.strikes = None, []

    def send(self, data, at_s=None):
        super().send(data, at_s)
        if data[0] & 0xF0 == 0x90:
            self.strikes.append((self.clock.now_s(), data[0] & 15))


def test_a_count_in_with_a_nudge_below_0_is_even_and_leads_into_the_first_bar(tmp_path):
    clock, settings = VirtualClock(), ClockSettings(count_in=1, nudge_s=-0.3)
    output = TimedOutput()
    with (
        make_keeper(tmp_path / "a.mid") as keeper,
        LocalPlayer(clock, output, settings=PlayerSettings(clock=settings)) as player,
    ):
        output.clock = player._core_clock
        make = lambda: make_session(bars=2)  # noqa: E731
        performance = Performance(make_signal(), make, player, clock, keeper, virtual=True, clock_settings=settings)
        take = performance.run()
    beat_s = 60.0 / take.bars[0].tempo_bpm
    clicks = [time_s for time_s, channel in output.strikes if channel == 14]
    assert len(clicks) == 4
    assert [after - before for before, after in pairwise(clicks)] == pytest.approx([beat_s] * 3)
    first_s = next(time_s for time_s, channel in output.strikes if channel != 14)
    beats = float(take.bars[0].phrase.notes[0].start)
    assert first_s - clicks[-1] == pytest.approx(beat_s * (1 + beats))


def test_a_stream_that_ends_is_played_to_a_close(tmp_path):
    take = virtual(tmp_path / "a.mid", FakeSource(20.0, known_end=False), session=make_session(bars=100))
    assert 3 < len(take.bars) < 12
    assert [n.pitch % 12 for n in take.bars[-1].phrase.part("melody")] == [2]
    assert take.summary.ended == "to the stream's end"


def test_a_stream_too_short_for_its_rest_is_one_line_with_the_remedy(tmp_path):
    with pytest.raises(SourceError, match=r"more than 4\.0 s are needed"):
        virtual(tmp_path / "a.mid", FakeSource(2.5, known_end=False), session=make_session(bars=2))
    with pytest.raises(SourceError, match=r"more than 4\.0 s are needed"):
        offline(tmp_path / "a.mid", FakeSource(2.5, known_end=False), session=make_session(bars=2))
    assert not (tmp_path / "a.mid").exists()


@pytest.mark.parametrize("driver", [offline, virtual])
def test_an_error_in_the_stream_is_raised_and_what_was_played_is_saved(tmp_path, driver):
    with pytest.raises(SourceError, match="cable"):
        driver(tmp_path / "a.mid", FakeSource(30.0, fails_at_s=15.0))
    assert len(read_events(tmp_path / "a.mid")) > 10


@pytest.mark.parametrize("driver", [offline, virtual])
def test_an_error_in_a_model_is_raised_and_what_was_played_is_saved(tmp_path, driver):
    with pytest.raises(MusicError, match="out of tune"):
        driver(tmp_path / "a.mid", session=make_session(BrokenMelody()))
    assert len(read_events(tmp_path / "a.mid")) > 10


def test_an_error_closes_every_note(tmp_path):
    output = RecordingOutput()
    with pytest.raises(MusicError):
        virtual(tmp_path / "a.mid", session=make_session(BrokenMelody()), output=output)
    assert not open_notes(output)


def test_every_bar_is_saved_as_it_begins(tmp_path):
    counts = []

    def look(bar, _):
        if (tmp_path / "a.mid").exists():
            counts.append(len(read_events(tmp_path / "a.mid")))

    virtual(tmp_path / "a.mid", on_bar=look, autosave=True)
    assert len(counts) > 5
    assert counts == sorted(set(counts))


def test_a_take_is_saved_while_the_composer_can_hand_over_its_next_bar(tmp_path, monkeypatch):
    locked = []
    clock = VirtualClock()
    monkeypatch.setattr("brainmidi.drivers.take.write_midi", lambda *_, **__: locked.append(play._lock.locked()))
    with make_keeper(tmp_path / "a.mid", autosave=True) as keeper, LocalPlayer(clock, RecordingOutput()) as player:
        play = Performance(make_signal(), make_session, player, clock, keeper, virtual=True)
        play.run()
    assert len(locked) > 5
    assert not any(locked)


def test_noting_a_bar_writes_nothing_and_a_long_take_is_saved_every_few_bars(tmp_path, monkeypatch):
    sizes = []
    monkeypatch.setattr("brainmidi.drivers.take.write_midi", lambda _, bars, **__: sizes.append(len(bars)))
    bar = offline(tmp_path / "a.mid").bars[0]
    sizes.clear()
    with make_keeper(tmp_path / "b.mid", autosave=True) as keeper:
        for number in range(300):
            keeper.begun(bar, 0.0)
            assert len(sizes) == 0 or sizes[-1] <= number
            keeper.save()
            keeper.save()
    assert sizes[:127] == list(range(1, 128))
    assert sizes[127:] == [*range(129, 256, 2), *range(258, 301, 3)]


def test_knobs_go_out_as_controllers_between_the_notes_and_are_saved_as_sent(tmp_path):
    plain, output = RecordingOutput(), RecordingOutput()
    rules = (ControlRule("latent_mix", 16, number=21), ControlRule("density", 1, number=22))
    settings = PlayerSettings(controls=rules)
    virtual(tmp_path / "plain.mid", output=plain)
    virtual(tmp_path / "a.mid", output=output, settings=settings)
    events = read_events(tmp_path / "a.mid")
    assert_sent_as_saved(events, output.sent)
    for status, number in ((0xBF, 21), (0xB0, 22)):
        values = [(event.beat, event.data[2]) for event in events if event.data[:2] == (status, number)]
        assert len(values) > 20
        assert all(one[1] != other[1] for one, other in pairwise(values))
        assert len({beat.numerator * 4 // beat.denominator for beat, _ in values}) > 10, "all at once"
    notes = [[data for data in each.sent if data[0] & 0xF0 != 0xB0] for each in (output, plain)]
    assert notes[0] == notes[1]


def test_a_session_file_says_which_knobs_go_out(tmp_path):
    config = parse_config({"session": {"bars": 4}, "midi": {"cc_channel": 5, "cc": {"density": 21}}})
    files = TakeFiles(tmp_path / "a.mid")
    improvise(config, files, virtual=True, voices=lambda: (FakeMelody(), FakeAccompaniment()), anchors=ANCHORS)
    controls = {event.data[:2] for event in read_events(tmp_path / "a.mid") if event.data[0] & 0xF0 == 0xB0}
    assert controls == {(0xB4, 21)}


def test_a_session_file_says_who_plays_on_which_channel(tmp_path):
    parts = {"bass": {"channel": 4}, "drums": {"groove": 0.0}}
    config = parse_config({"session": {"bars": 2, "parts": list(PARTS)}, "parts": parts})
    take = improvise(
        config,
        TakeFiles(tmp_path / "a.mid"),
        virtual=True,
        voices=lambda: Voices(FakeMelody(), FakeAccompaniment(), FakeBass(), FakeDrums()),
        anchors=ANCHORS,
        bass_anchors=BASS_ANCHORS,
        drum_anchors=DRUM_ANCHORS,
    )
    assert {bar.parts for bar in take.bars} == {PARTS}
    events = read_events(tmp_path / "a.mid")
    assert {event.data[0] & 15 for event in events} == {0, 1, 3, 9}
    assert all(event.beat * 4 == int(event.beat * 4) for event in events if event.data[0] == 0x99)


def test_no_knob_is_handed_over_where_none_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(LocalPlayer, "knobs", lambda *_: pytest.fail("a knob was handed over"))
    virtual(tmp_path / "a.mid")

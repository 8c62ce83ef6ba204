"""The engine's own notes as stimuli: planned on the virtual clock, told by the player on the real one."""

from __future__ import annotations

import json

import mido
import numpy as np
import pytest
from drivers_takes import CHANNELS, make_keeper, make_session
from fakes import FakeSource

from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.controls.mapping import ControlMap, EventRule
from brainmidi.drivers.chain import SignalChain
from brainmidi.drivers.offline import Signal, score_signal
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.stimuli import Stimuli
from brainmidi.features.erpfit import fit_classifier
from brainmidi.features.erptrials import trials_of
from brainmidi.features.settings import ErpSettings, FeatureSettings
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.files import read_events
from brainmidi.midi.handover import Handover, PlayerNotice
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.music.harmony import Key
from brainmidi.music.oddball import Oddball, label_of, stimuli_of
from brainmidi.types import Chunk, ControlFrame, Marker, Montage

KEY = Key("D", "dorian")
CHANNEL = 12
REST_S = 4.0
NAMES = ("Cz", "P3", "Pz", "P4")


class AnsweringSource(FakeSource):
    """Noise in which Pz answers each of the given times, 0.35 s after it; no markers come with it."""

    def __init__(self, times_s, seconds=60.0, response_uv=25.0, seed=3):
        super().__init__(seconds)
        self.montage = Montage(NAMES, 128.0)
        rng = np.random.Generator(np.random.Philox(key=[seed, 4]))
        self._samples_uv = rng.normal(0, 5, (len(self._time_s), len(NAMES)))
        for at_s in times_s:
            self._samples_uv[:, 2] += response_uv * np.exp(-0.5 * ((self._time_s - at_s - 0.35) / 0.05) ** 2)

    def read(self, until_s):
        chunk = super().read(until_s)
        return None if chunk is None else Chunk(chunk.samples_uv, chunk.time_s, chunk.montage)


def make_chain(source, events=(), classifier=None, **erp):
    return SignalChain(
        source.montage,
        condition=ConditionSettings(line="none"),
        features=FeatureSettings(erp=ErpSettings(min_n=3, average_n=6, **erp)),
        control_map=ControlMap({}, events),
        baseline=None,
        rest_s=REST_S,
        classifier=classifier,
    )


def make_signal(source, latency_s=0.0, rule=None, classifier=None):
    rule = rule or EventRule("erp.confidence", threshold=0.99, refractory_s=4.0, hysteresis=0.1)
    chain = make_chain(source, (rule,), classifier, score_n=3)
    return Signal(source, chain, REST_S, "rest", stimuli=Stimuli(KEY, latency_s))


def session():
    return make_session(oddball=Oddball(every=1, share=0.25), bars=20)


def target_times(n_bars=20, bpm=96.0):
    """Return when the targets of the session above are planned, as its tempo stands still."""
    oddball, setup = session().setup.oddball, session().setup
    found = []
    for index in range(n_bars):
        for note in oddball.notes(index, KEY, setup.metre, setup.seed):
            if note.pitch % 12 != KEY.tonic_class:
                found.append(REST_S + float(index * setup.metre.length + note.start) * 60.0 / bpm)
    return found


def offline(folder, latency_s=0.0):
    signal = make_signal(AnsweringSource([time_s + latency_s for time_s in target_times()]), latency_s)
    with make_keeper(folder / "scored.mid", trace=folder / "scored.jsonl", more=signal.line) as keeper:
        return signal, score_signal(signal, session(), keeper)


def virtual(folder):
    signal, clock = make_signal(AnsweringSource(target_times())), VirtualClock()
    channels = CHANNELS | {"oddball": CHANNEL}
    settings = PlayerSettings(marked=CHANNEL)
    with (
        make_keeper(folder / "played.mid", trace=folder / "played.jsonl", more=signal.line) as keeper,
        LocalPlayer(clock, RecordingOutput(), channels=channels, settings=settings) as player,
    ):
        return signal, Performance(signal, session, player, clock, keeper, virtual=True).run()


@pytest.fixture(autouse=True)
def oddball_channel(monkeypatch):
    monkeypatch.setitem(CHANNELS, "oddball", CHANNEL)


def test_a_brain_that_answers_the_music_moves_it_the_same_live_and_offline(tmp_path):
    (heard, scored), (seen, played) = offline(tmp_path), virtual(tmp_path)
    assert played.bars == scored.bars
    assert read_events(tmp_path / "played.mid") == read_events(tmp_path / "scored.mid")
    assert (tmp_path / "played.jsonl").read_text() == (tmp_path / "scored.jsonl").read_text()
    told = [json.loads(line).get("epochs", []) for line in (tmp_path / "scored.jsonl").read_text().splitlines()]
    assert sum(map(len, told)) > 60
    assert told[4][0] == {"time_s": 8.375, "label": "oddball.nontarget", "score": None, "rejected": False}
    assert scored.summary.anchor_steps >= 1
    assert scored.summary.erp.channel == "Pz"
    assert scored.summary.erp.confidence > 0.999
    labels = [label for bar in scored.bars for _, label in stimuli_of(bar, KEY)]
    for signal in (heard, seen):
        assert [one.label for one in signal.chain.epochs] == labels[: len(signal.chain.epochs)]
        assert len(signal.chain.epochs) >= len(labels) - 2
    track = next(track for track in mido.MidiFile(tmp_path / "played.mid").tracks if track.name == "oddball")
    assert [message.text for message in track if message.type == "marker"] == labels


def test_the_measured_latency_moves_the_epochs_to_where_the_sound_was_heard(tmp_path):
    signal, _ = offline(tmp_path, latency_s=0.12)
    assert signal.chain.erp.peak_s == pytest.approx(0.35, abs=0.03)


def test_the_player_tells_when_stimuli_were_really_sent_and_the_response_is_found_there():
    clock, rng = VirtualClock(), np.random.default_rng(0)
    core = PlayerCore(clock, RecordingOutput(), settings=PlayerSettings(marked=CHANNEL))
    handover = Handover(CHANNELS)
    music, state = session(), session().initial()
    bars = []
    for _ in range(20):
        state, bar = music.step(state, ControlFrame.neutral(0.0), None)
        bars.append(bar)
    core.handle(handover.pack(bars[0], None))
    core.handle({"op": "begin", "at_s": 1.0})
    for bar in bars[1:]:
        core.handle(handover.pack(bar, None))
    core.handle({"op": "finish", "last": 19})
    notices = []
    while (deadline_s := core.deadline_s) is not None:
        clock.sleep_until(deadline_s + rng.uniform(0.0, 0.2))  # a machine that is busy
        core.advance()
        notices += [PlayerNotice.unpack(notice) for notice in core.take_notices()]
    marked = [notice for notice in notices if notice.kind == "marked"]
    stimuli = Stimuli(KEY, 0.05)
    markers = [marker for notice in marked for marker in stimuli.sent(notice, 1.0 - REST_S)]
    planned = [REST_S + float(beat) * 60 / 96 for bar in bars for beat, _ in stimuli_of(bar, KEY)]
    late = np.array([marker.time_s - 0.05 for marker in markers]) - planned
    assert len(markers) == len(planned) == 80
    assert 0.0 <= late.min() < 0.02 < 0.15 < late.max() <= 0.2
    assert [marker.label for marker in markers] == [label for bar in bars for _, label in stimuli_of(bar, KEY)]

    source = AnsweringSource([marker.time_s for marker in markers if marker.label == "oddball.target"])
    chain, waiting = make_chain(source), list(markers)
    for until_s in np.arange(0.05, 60.0, 0.05):
        chain.mark([marker for marker in waiting if marker.time_s + 0.1 < until_s])  # word comes a little later
        waiting = [marker for marker in waiting if marker.time_s + 0.1 >= until_s]
        chain.process(source.read(until_s))
    assert chain.erp.peak_s == pytest.approx(0.35, abs=0.03)
    assert (chain.erp.channel, chain.erp.n_target) == ("Pz", 20)
    assert chain.erp.confidence > 0.999


def test_on_the_real_clock_the_pump_marks_what_the_player_tells(tmp_path):
    signal, clock = make_signal(AnsweringSource([])), VirtualClock()
    with (
        make_keeper(tmp_path / "take.mid") as keeper,
        LocalPlayer(clock, RecordingOutput(), channels=CHANNELS) as player,
    ):
        performance = Performance(signal, session, player, clock, keeper, virtual=False)
        bar = Oddball().notes(0, KEY, session().setup.metre, 1)[0]
        told = PlayerNotice("marked", 0, time_s=1.0, data=(0x90 | CHANNEL - 1, bar.pitch, 48))
        stray = PlayerNotice("marked", 0, time_s=1.5, data=(0x90 | CHANNEL - 1, 20, 48))
        player.poll = lambda: [told, stray]
        performance._collect()
        signal.source.start()
        performance._take_in(signal.source.read(3.0))
    assert [(one.time_s, one.label) for one in signal.chain.epochs] == [(1.0, "oddball.nontarget")]


def calibrated(response_uv=6.0):
    """Return the classifier of a brain that answered a whole take, or did not."""
    source = AnsweringSource(target_times(), response_uv=response_uv, seed=7)
    setup, chunk = session().setup, source.read(60.0)
    stimuli = [
        Marker(REST_S + float(index * setup.metre.length + note.start) * 60 / 96, label_of(note.pitch, KEY))
        for index in range(20)
        for note in setup.oddball.notes(index, KEY, setup.metre, setup.seed)
    ]
    marked = Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, tuple(stimuli))
    clean = Conditioner(chunk.montage, settings=ConditionSettings(line="none")).process(marked)
    return fit_classifier(trials_of([clean], chunk.montage, ErpSettings()))


@pytest.mark.parametrize(("response_uv", "moves"), [(6.0, True), (0.0, False)])
def test_a_calibrated_classifier_moves_the_music_where_the_brain_answers(tmp_path, response_uv, moves):
    rule = EventRule("erp.target", threshold=0.95, refractory_s=4.0, hysteresis=0.2)
    source = AnsweringSource(target_times(), response_uv=response_uv)
    signal = make_signal(source, rule=rule, classifier=calibrated())
    with make_keeper(tmp_path / "take.mid", trace=tmp_path / "take.jsonl", more=signal.line) as keeper:
        take = score_signal(signal, session(), keeper)
    assert (take.summary.anchor_steps >= 1) is moves
    assert f"{len(signal.chain.epochs)} scored, 0 rejected" in take.summary.classifier
    lines = [json.loads(line) for line in (tmp_path / "take.jsonl").read_text().splitlines()]
    scores = {"oddball.target": [], "oddball.nontarget": []}
    for epoch in (epoch for line in lines for epoch in line.get("epochs", [])):
        scores[epoch["label"]].append(epoch["score"])
    assert bool(np.median(scores["oddball.target"]) > 0) is moves
    assert np.median(scores["oddball.nontarget"]) < 0
    assert (lines[-1]["features"]["erp.target"] > 0.95) is moves


def test_a_refused_or_missing_classifier_is_told_with_its_reason(tmp_path):
    rule = EventRule("erp.target", threshold=0.95)
    with make_keeper(tmp_path / "take.mid") as keeper:
        take = score_signal(make_signal(AnsweringSource([]), rule=rule, classifier=calibrated(0.0)), session(), keeper)
    assert take.summary.anchor_steps == 0
    assert "not used: its AUC" in take.summary.classifier
    with make_keeper(tmp_path / "take.mid") as keeper:
        take = score_signal(make_signal(AnsweringSource([]), rule=rule), session(), keeper)
    assert "classifier  none, erp.target is absent: calibrate" in "\n".join(take.summary.lines())


def test_a_bar_without_stimuli_plans_none():
    bar = make_session(bars=1)
    _, bar = bar.step(bar.initial(), ControlFrame.neutral(0.0), None)
    assert Stimuli(KEY).planned(bar, lambda beat: float(beat)) == ()
    assert Stimuli(KEY).sent(PlayerNotice("started", 0, time_s=1.0), 0.0) == ()

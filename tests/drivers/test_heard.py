"""Whose brain answers the oddball: nobody's where the EEG was there before the music, else the listener's alone."""

from __future__ import annotations

import csv

import numpy as np
from drivers_takes import CHANNELS, make_keeper, make_session
from eeg_files import noise_chunk
from fakes import ANCHORS, FakeAccompaniment, FakeMelody, FakeSource

from brainmidi.acquire.csvfile import write_csv
from brainmidi.acquire.recorder import Recorded
from brainmidi.acquire.recording import open_recording
from brainmidi.acquire.watch import Watch
from brainmidi.config import parse_config
from brainmidi.drivers import assemble
from brainmidi.drivers.calibration import calibrate
from brainmidi.drivers.live import improvise
from brainmidi.drivers.offline import prepare, score
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.phases import Recording, parse_events
from brainmidi.drivers.take import TakeFiles
from brainmidi.drivers.yoked import yoke
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.handover import PlayerNotice
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.music.harmony import Key
from brainmidi.music.oddball import Oddball, tones
from brainmidi.types import Chunk, Marker, Montage

NAMES = ("Cz", "P3", "Pz", "P4")
TABLES = {"session": {"bars": 24}, "oddball": {"on": True, "share": 0.25}, "baseline": {"seconds": 4.0}}
CONFIG = parse_config(TABLES)


def voices():
    return FakeMelody(), FakeAccompaniment()


GIVEN = {"voices": voices, "anchors": ANCHORS}


class Person(FakeSource):
    """A device at a head whose Pz answers the targets of the take; its own markers have nothing to do with them."""

    simulated = False
    name = "a person"

    def __init__(self, seconds: float = 80.0, response_uv: float = 12.0) -> None:
        super().__init__(seconds, known_end=False)
        self.montage = Montage(NAMES, 128.0)
        rng = np.random.Generator(np.random.Philox(key=[5, 6]))
        self._samples_uv = rng.normal(0, 5, (len(self._time_s), len(NAMES)))
        setup = assemble.session_setup(CONFIG, ANCHORS)
        for index in range(24):
            for note in setup.oddball.notes(index, setup.key, setup.metre, setup.seed):
                if note.pitch == tones(setup.key)[1]:
                    at_s = 4.0 + float(index * setup.metre.length + note.start) * 60 / setup.tempo_bpm
                    self._samples_uv[:, 2] += response_uv * np.exp(-0.5 * ((self._time_s - at_s - 0.35) / 0.05) ** 2)


def still(monkeypatch, source) -> None:
    """Let `source` be what is opened, and the tempo stand still, so that the person above answers in time."""
    monkeypatch.setattr("brainmidi.drivers.assemble.open_any_source", lambda *_: source)


def test_a_recording_that_was_there_before_the_music_is_not_marked_with_its_tones(tmp_path):
    chunk = noise_chunk(names=NAMES, rate_hz=128.0, seconds=40.0)
    markers = tuple(Marker(6.0 + 0.75 * k, "target" if k % 4 == 1 else "nontarget") for k in range(30))
    write_csv(tmp_path / "old.csv", Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, markers))
    found = {}
    for on in (True, False):
        config = parse_config(TABLES | {"oddball": {"on": on}, "session": {"bars": 8}})
        found[on] = score(config, tmp_path / "old.csv", TakeFiles(tmp_path / "a.mid"), **GIVEN).summary
    assert found[True].erp.n_target == found[False].erp.n_target == 8
    assert found[True].erp.n_nontarget == found[False].erp.n_nontarget
    told = "oddball     its tones are not marked"
    assert [told in "\n".join(found[on].lines()) for on in (True, False)] == [True, False]


def test_neither_a_simulated_brain_nor_another_person_s_is_marked_and_a_device_is(tmp_path):
    demo = assemble.open_any_source(CONFIG, VirtualClock())
    assert prepare(CONFIG, demo).stimuli is None
    device = Watch(Person(), background=False)
    assert prepare(CONFIG, device).stimuli is not None
    assert prepare(CONFIG, Recorded(device, tmp_path / "a.csv")).stimuli is not None
    simulated = Person()
    simulated.simulated = True
    assert assemble.stimuli_of(CONFIG, Watch(simulated, background=False)) is None
    replayed = parse_config(TABLES | {"source": {"name": "playback_file"}})
    assert assemble.stimuli_of(replayed, device) is None
    assert assemble.stimuli_of(parse_config({}), device) is None


def test_a_yoked_person_answers_the_tones_and_the_other_brain_does_not(tmp_path, monkeypatch):
    chunk = noise_chunk(names=("O1", "O2"), rate_hz=128.0, seconds=90.0)
    write_csv(tmp_path / "other.csv", chunk)
    still(monkeypatch, Watch(Person(), background=False))
    owns = []
    monkeypatch.setattr("brainmidi.drivers.yoked.yoke", lambda *given: owns.append(made := yoke(*given)) or made)
    files = TakeFiles(tmp_path / "a.mid")
    take = improvise(CONFIG, files, virtual=True, yoked=tmp_path / "other.csv", record=tmp_path / "me.csv", **GIVEN)
    own = owns[0][2]
    assert take.summary.erp is None
    assert {one.label for one in own.chain.epochs} == {"oddball.target", "oddball.nontarget"}
    assert len(own.chain.epochs) > 60
    assert "not marked" not in "\n".join(take.summary.lines())
    assert sum(row["marker"].startswith("oddball") for row in csv.DictReader((tmp_path / "me.csv").open())) > 60


def test_a_take_that_was_recorded_with_its_oddball_calibrates_the_classifier_of_its_tones(tmp_path, monkeypatch):
    still(monkeypatch, Watch(Person(), background=False))
    config = parse_config(TABLES | {"range": {"tempo_percent": 0.0}})
    take = improvise(config, TakeFiles(tmp_path / "a.mid"), virtual=True, record=tmp_path / "take.csv", **GIVEN)
    assert take.summary.erp.channel == "Pz"
    source = open_recording(tmp_path / "take.csv")
    labels = [marker.label for marker in source.markers]
    assert labels.count("oddball.target") - take.summary.erp.n_target in (0, 1)  # the last may lack its end
    assert {"target", "nontarget"} <= set(labels)  # the device's own are in the recording, by their own names
    only = parse_config(TABLES | {"erp": {"target": ["oddball.target"], "nontarget": ["oddball.nontarget"]}})
    chunk = source.read(np.inf)
    spans = parse_events("rest", "take.csv", source.markers, source.duration_s)
    found = calibrate(only, [Recording("take.csv", False, chunk, spans)], "2026-11-21_10-00-00")
    assert found.profile.sections["erp"]["auc"] > 0.8


def test_what_the_player_really_sent_is_written_down_when_it_was_sent(tmp_path):
    source = Recorded(Watch(Person(), background=False), tmp_path / "take.csv")
    signal, clock = prepare(CONFIG, source), VirtualClock()
    session = make_session(oddball=Oddball(), bars=1)
    with (
        make_keeper(tmp_path / "take.mid") as keeper,
        LocalPlayer(clock, RecordingOutput(), channels=CHANNELS | {"oddball": 12}) as player,
    ):
        performance = Performance(signal, lambda: session, player, clock, keeper, virtual=False)
        sent = PlayerNotice("marked", 0, time_s=5.0312, data=(0x9B, tones(Key.parse("D dorian"))[1], 48))
        player.poll = lambda: [sent]
        source.start()
        performance._take_in(source.read(5.05))
        performance._collect()
        performance._take_in(source.read(5.1))  # word of a note comes within the blink of an eye
        performance._take_in(source.read(9.0))
        source.stop()
    markers = [one for one in open_recording(tmp_path / "take.csv").markers if one.label.startswith("oddball")]
    assert [one.label for one in markers] == ["oddball.target"]
    assert 0 <= markers[0].time_s - 5.0312 <= 1 / 128

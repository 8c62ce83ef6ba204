from __future__ import annotations

import tomllib
from dataclasses import replace

import numpy as np
import pytest
from eeg_files import needs_recordings, recordings
from simulated_people import NAMES, RATE_HZ, person

from brainmidi.acquire.demo import DemoSource
from brainmidi.acquire.recording import open_recording
from brainmidi.config import parse_config
from brainmidi.controls.learned import LearnedMap
from brainmidi.controls.profileread import load_profile
from brainmidi.drivers import assemble, verdict
from brainmidi.drivers.calibration import calibrate
from brainmidi.drivers.guide import CHECK_S, Guide, Moment
from brainmidi.drivers.phases import STEPS, Recording, Span, Step, marked, parse_events, plan_of
from brainmidi.errors import ConfigError, ControlError, SourceError
from brainmidi.features.erpclassifier import ErpClassifier
from brainmidi.midi.clock import VirtualClock
from brainmidi.types import Chunk, Marker, Montage

CONFIG = parse_config({})
CREATED = "2026-11-21_10-00-00"


@pytest.fixture(scope="module")
def found():
    return calibrate(CONFIG, [person(bad=("Fz",))], CREATED)


def test_a_calibration_finds_the_bad_electrode_the_mains_the_alpha_rhythm_and_the_best_knob(found):
    profile = found.profile
    assert profile.bad == ("Fz",)
    assert profile.line_hz == 50.0
    assert profile.alpha_hz == pytest.approx(10.0, abs=0.7)
    best = found.knobs[0]
    assert best.accepted
    assert best.separation.feature.startswith("alpha")
    assert best.separation.rises
    assert best.separation.auc > 0.9
    assert best.held_out > 0.9
    assert set(profile.phases) == {"open", "closed", "focus", "rest"}
    assert not [name for name in profile.baseline.features if name.endswith(".Fz")]


def test_rest_is_what_the_neutral_phases_look_like(found):
    places = [found.places["alpha.posterior", phase] for phase in ("focus", "open", "rest", "closed")]
    assert abs(places[1]) < 1.5
    assert abs(places[2]) < 1.5
    assert places[0] < -1.5 < 1.5 < places[3]


def test_what_it_suggests_is_a_map_that_the_configuration_takes(found):
    tables = tomllib.loads("\n".join(verdict.suggestion(found)))
    config = parse_config(tables)
    rules = assemble.control_map(config, NAMES).knobs
    closed = rules["latent_mix"].position(found.places[rules["latent_mix"].feature, "closed"])
    focus = rules["density"].position(found.places[rules["density"].feature, "focus"])
    assert closed < 0.1
    assert focus > 0.9


def test_what_it_says_leads_with_the_best_knob(found):
    first = verdict.lines(found)[0]
    assert first.startswith("your best knob: alpha")
    assert "separates eyes open and closed at AUC" in first
    assert any("left out: Fz (0 % good)" in line for line in verdict.lines(found))


def test_a_profile_plays_without_its_bad_electrodes_and_with_its_mains(found, tmp_path):
    path = tmp_path / "me.json"
    found.profile.save(path)
    config = parse_config({"baseline": {"profile": str(path)}})
    recording = person("closed closed", seed=7, bad=("Fz",))
    source = DemoSource()
    source.montage = recording.chunk.montage
    rest = assemble.choose_rest(config, source)
    assert rest.profile == load_profile(path)
    chain = assemble.make_chain(config, source, rest)
    frames = chain.process(recording.chunk)
    assert np.median([frame.knobs["latent_mix"] for frame in frames[100:]]) < 0.25
    condition = assemble.conditioned_for(assemble.condition_settings(config), rest.profile)
    assert (condition.bad, condition.line) == (("Fz",), 50.0)


def test_a_learned_map_turns_a_knob_by_itself(found, tmp_path):
    path = tmp_path / "me.json"
    learned = LearnedMap({"alpha.posterior": 0.0}, 0.2, {"alpha.posterior": 1.0}, 0.9, 0.8)
    replace(found.profile, sections={"learned": learned.document()}).save(path)
    tables = {"map": {"latent_mix": {"feature": "learned"}, "tempo": {"feature": "learned", "invert": True}}}  # in vain
    config = parse_config(tables | {"baseline": {"profile": str(path)}})
    source = DemoSource()
    source.montage = Montage(NAMES, RATE_HZ)
    chain = assemble.make_chain(config, source, assemble.choose_rest(config, source))
    frame = chain.process(person("open", seed=3).chunk)[-1]
    assert frame.knobs["latent_mix"] == pytest.approx(0.2)
    assert frame.knobs["tempo"] == pytest.approx(0.2)
    assert frame.features["learned"] == pytest.approx(0.2)
    found.profile.save(path)
    with pytest.raises(ConfigError, match="the profile holds none"):
        assemble.make_chain(config, source, assemble.choose_rest(config, source))
    with pytest.raises(ConfigError, match="no profile is named"):
        assemble.make_chain(parse_config(tables), source, assemble.Rest(found.profile.baseline, 0.0, ""))


@pytest.mark.parametrize(
    ("montage", "signal", "words"),
    [
        (Montage(NAMES[:3], RATE_HZ), {}, "O2 on one side only"),
        (Montage(NAMES, 250.0), {}, "another rate"),
        (Montage(NAMES, RATE_HZ), {"window_s": 3.0}, r"made with \[signal\] window_s = 2.0, now it is 3.0"),
    ],
)
def test_a_profile_that_does_not_fit_is_one_line(found, tmp_path, montage, signal, words):
    path = tmp_path / "me.json"
    found.profile.save(path)
    source = DemoSource()
    source.montage = montage
    with pytest.raises(ConfigError, match=words) as caught:
        assemble.choose_rest(parse_config({"baseline": {"profile": str(path)}, "signal": signal}), source)
    assert "calibrate" in str(caught.value)


@pytest.mark.parametrize(
    ("recordings", "words"),
    [
        ([person(obeys=False)], "no feature separates the phases, AUC 0.7 with p 0.03 is needed"),
        ([person(flat=True)], "4 of 4 electrodes are bad"),
        ([person(bad=("Fz", "Cz", "O1"))], "3 of 4 electrodes are bad"),
        ([person("open closed", seconds=5.0)], "open has 3.0 s of clean signal, 15 s are needed"),
    ],
)
def test_what_cannot_be_calibrated_is_refused_in_one_line(recordings, words):
    with pytest.raises(ControlError, match=words):
        calibrate(CONFIG, recordings, CREATED)


def test_recordings_of_different_set_ups_are_refused():
    other = person("closed", 20.0)
    chunk = Chunk(other.chunk.samples_uv[:, :3], other.chunk.time_s, Montage(NAMES[:3], RATE_HZ))
    with pytest.raises(ControlError, match="has 3 electrodes at 128 Hz, person 0 4 at 128 Hz"):
        calibrate(CONFIG, [person("open", 20.0), replace(other, chunk=chunk)], CREATED)


def test_one_phase_alone_is_rest_to_measure_against():
    alone = calibrate(CONFIG, [person("rest", 20.0)], CREATED)
    assert alone.knobs == ()
    assert alone.profile.separation == ()
    assert "rest alone is rest" in verdict.lines(alone)[0]


def test_phases_that_came_once_are_cautioned_about():
    once = calibrate(CONFIG, [person("open", 20.0), person("closed", 20.0, seed=1)], CREATED)
    assert any("slow drift" in line for line in verdict.lines(once))
    assert once.profile.source == "person 0, person 1"


# ------------------------------------------------------------------------------------------------- what was done when

MARKERS = (Marker(1.0, "T0"), Marker(5.0, "T1"), Marker(9.0, "T2"), Marker(12.0, "T1"), Marker(15.0, "end"))


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("closed", [("closed", 0.0, 20.0)]),
        ("open=0-6,closed=6-12.5", [("open", 0.0, 6.0), ("closed", 6.0, 12.5)]),
        ("closed = 6 - 99, open=0-6", [("open", 0.0, 6.0), ("closed", 6.0, 20.0)]),
        ("rest=T0,focus=T1,none=T2", [("rest", 1.0, 5.0), ("focus", 5.0, 9.0), ("focus", 12.0, 15.0)]),
        ("rest=T0,focus=T1", [("rest", 1.0, 5.0), ("focus", 5.0, 12.0), ("focus", 12.0, 15.0)]),
    ],
)
def test_events_name_files_seconds_or_markers(text, spans):
    assert parse_events(text, "a.edf", MARKERS, 20.0) == tuple(Span(*span) for span in spans)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("sleep", "no phase=seconds"),
        ("sleep=0-9", "'sleep' is unknown, known are closed, open, rest, focus"),
        ("open=T7", "no marker 'T7', it has T0, T1, T2, end"),
        ("open=30-40", "not within the 20.0 s"),
        ("open=5-5", "not within"),
        ("open=0-9,closed=8-12", "overlap"),
        ("none=0-9", "names no phase"),
        ("markers", "no marker called closed, open, rest, focus"),
        ("", "no phase=seconds"),
    ],
)
def test_events_that_mean_nothing_say_what_would(text, words):
    with pytest.raises(ConfigError, match=words) as caught:
        parse_events(text, "a.edf", MARKERS, 20.0)
    assert 'give a phase for the whole file ("closed")' in str(caught.value) or "correct it" in str(caught.value)


# ---------------------------------------------------------------------------------------------------------- the guide

SHORT = tuple(Step(phase, "do", 9.0, 1.0) for phase in ("open", "closed"))


def guided(steps=SHORT, duration_s=None, tell=lambda moment: None) -> tuple[Guide, Recording]:
    source = DemoSource(2, plan=plan_of(steps, CHECK_S), duration_s=duration_s)
    guide = Guide(source, VirtualClock(), steps, assemble.condition_settings(CONFIG))
    return guide, guide.run(tell)


def test_the_guide_leads_through_every_step_and_records_all_of_it():
    moments: list[Moment] = []
    _, recording = guided(tell=moments.append)
    assert recording.spans == (Span("open", 6.0, 15.0), Span("closed", 16.0, 25.0))
    assert len(recording.chunk) == 25 * 250
    assert [moment.done for moment in moments] == sorted(moment.done for moment in moments)
    assert moments[-1].done == pytest.approx(1.0)
    assert {(m.number, m.changing) for m in moments if m.step} == {(n, c) for n in (0, 1) for c in (True, False)}


def test_what_was_recorded_before_an_interruption_is_kept_and_can_be_gone_on_from():
    def stop(moment: Moment) -> None:
        if moment.number == 1 and not moment.changing and moment.left_s < 4.0:
            raise KeyboardInterrupt

    source = DemoSource(2, plan=plan_of(SHORT, CHECK_S))
    guide = Guide(source, VirtualClock(), SHORT, assemble.condition_settings(CONFIG))
    with pytest.raises(KeyboardInterrupt):
        guide.run(stop)
    recording = guide.recording()
    assert recording is not None
    (first, second) = recording.spans
    assert first == Span("open", 6.0, 15.0)
    assert second.stop_s == pytest.approx(21.0, abs=0.2)
    again = marked(recording)
    duration_s = len(again) / again.montage.rate_hz
    assert parse_events("markers", "kept.csv", again.markers, duration_s) == recording.spans


def test_a_source_that_ends_too_soon_says_so():
    with pytest.raises(SourceError, match="ended after 12 s of the 25 s"):
        guided(duration_s=12.0)


def test_the_whole_protocol_takes_less_than_three_minutes_and_every_phase_comes_five_times():
    assert CHECK_S + sum(step.seconds + step.change_s for step in STEPS) < 180
    phases = [step.phase for step in STEPS]
    assert {phase: phases.count(phase) for phase in phases} == dict.fromkeys(("open", "closed", "focus", "rest"), 5)


def test_stimuli_in_a_calibration_fit_the_classifier_that_a_take_goes_by(tmp_path):
    steps = tuple(Step("rest", "do", 30.0, 0.0) for _ in range(2))
    _, recording = guided(steps)
    found = calibrate(CONFIG, [recording], CREATED)
    classifier = ErpClassifier.from_document(found.profile.sections["erp"])
    assert classifier.refusal is None
    assert found.erp.startswith("single trials at AUC")
    path = tmp_path / "me.json"
    found.profile.save(path)
    config = parse_config(
        {"baseline": {"profile": str(path)}, "on": {"hit": {"feature": "erp.target", "threshold": 0.9}}}
    )
    source = DemoSource(5, plan=((0.0, 0.5),), duration_s=20.0)
    chain = assemble.make_chain(config, source, assemble.choose_rest(config, source))
    frames = chain.process(source.read(float("inf")))
    assert frames[-1].features["erp.target"] > 0.9


@pytest.mark.recording
@needs_recordings
def test_a_real_persons_closed_eyes_are_found_and_their_alpha_rhythm():
    runs = []
    for name, phase in (("S001R01.edf", "open"), ("S001R02.edf", "closed")):
        source = open_recording(recordings() / "eegbci" / name)
        chunk = source.read(float("inf"))
        assert chunk is not None
        runs.append(Recording(name, False, chunk, parse_events(phase, name, (), source.duration_s)))
    found = calibrate(CONFIG, runs, CREATED)
    best = found.knobs[0]
    assert best.separation.feature == "alpha.posterior"
    assert best.separation.auc > 0.98
    assert best.held_out > 0.98
    assert found.profile.line_hz == 60.0
    assert found.profile.alpha_hz == pytest.approx(10.0, abs=0.5)
    assert found.profile.bad == ()
    # Labels that have nothing to do with the eyes: ten seconds each, in turns, in either recording.
    turns = tuple(Span(("open", "closed")[at // 10 % 2], float(at), at + 10.0) for at in range(0, 60, 10))
    shuffled = [replace(run, spans=turns) for run in runs]
    with pytest.raises(ControlError, match="no feature separates"):
        calibrate(CONFIG, shuffled, CREATED)

"""From samples to controls, and which controls a bar is made from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from drivers_takes import make_session, make_signal, offline
from fakes import FakeSource

from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.controls.baseline import Baseline, FeatureRest
from brainmidi.controls.mapping import ControlMap, KnobRule
from brainmidi.drivers.chain import ControlLog, SignalChain
from brainmidi.drivers.composer import Composer
from brainmidi.drivers.offline import Signal
from brainmidi.errors import ControlError
from brainmidi.features.settings import FeatureSettings
from brainmidi.types import Chunk, ControlFrame, Montage


def frames_of(signal, step_s):
    source, frames, at_s = signal.source, [], 0.0
    source.start()
    while (chunk := source.read(at_s)) is not None:
        if len(chunk):
            frames += signal.chain.process(chunk)
        at_s += step_s
    return frames


def test_any_chunking_gives_the_same_controls_after_the_same_rest():
    coarse, fine = (frames_of(make_signal(FakeSource(12.0)), step_s) for step_s in (3.0, 0.037))
    assert len(coarse) == len(fine)
    for one, other in zip(coarse, fine, strict=True):
        assert one.time_s == other.time_s
        for knob, value in one.knobs.items():
            np.testing.assert_allclose(value, other.knobs[knob], atol=1e-9)


def test_the_last_frame_of_the_rest_is_the_first_control():
    frames = frames_of(make_signal(FakeSource(12.0)), 0.5)
    assert 3.94 < frames[0].time_s <= 4.0


def test_without_baseline_and_rest_the_chain_refuses():
    with pytest.raises(ControlError, match="--baseline"):
        SignalChain(
            FakeSource().montage,
            condition=ConditionSettings(),
            features=FeatureSettings(),
            control_map=ControlMap({}),
            baseline=None,
        )


def test_knobs_that_nothing_drives_are_named_with_the_reason(tmp_path):
    source = FakeSource(12.0)
    knobs = {"latent_mix": KnobRule("alpha"), "tempo": KnobRule("beta"), "register": KnobRule("theta.frontal")}
    chain = SignalChain(
        source.montage,
        condition=ConditionSettings(),
        features=FeatureSettings(),
        control_map=ControlMap(knobs),
        baseline=Baseline({name: FeatureRest(10.0, 1.0) for name in ("alpha", "theta.frontal")}, 100),
    )
    assert set(chain.undriven) == set(knobs)  # nothing has come yet
    frames_of(Signal(source, chain, 3.0, "a profile"), 1.0)
    assert chain.undriven == {
        "tempo": "the baseline lacks beta",
        "register": "no good electrode has given theta.frontal",
    }


def test_the_summary_names_knobs_that_stayed_neutral(tmp_path):
    take = offline(tmp_path / "take.mid")
    lines = replace(take.summary, undriven={"register": "the baseline lacks theta"}).lines()
    assert "neutral     register stayed at 0.5: the baseline lacks theta" in lines
    assert not any(line.startswith("neutral") for line in take.summary.lines())


def test_quality_and_erp_are_those_of_the_whole_stream():
    signal = make_signal(FakeSource(30.0))
    frames_of(signal, 1.0)
    assert signal.chain.quality.share == 1.0
    assert [name for name, _ in signal.chain.quality.channels] == ["O1", "O2"]
    assert signal.chain.erp.n_target == 5


def test_the_log_gives_the_newest_frame_at_a_time_and_a_neutral_one_before_any():
    log = ControlLog()
    assert log.newest(1.0) == ControlFrame.neutral(1.0)
    log.extend(ControlFrame(t, {}) for t in (0.5, 1.0, 1.5))
    assert [log.newest(t).time_s for t in (0.5, 0.99, 1.0 - 1e-9, 9.0)] == [0.5, 0.5, 1.0, 1.5]
    assert log.newest(0.1).confidence == 0.0


def test_bars_zero_and_one_are_due_when_the_music_starts():
    composer = Composer(make_session(bars=3), ControlLog(), start_s=4.0)
    assert composer.due_s == 4.0
    first = composer.compose()
    assert composer.due_s == 4.0
    second = composer.compose()
    assert composer.due_s == pytest.approx(4.0 + 240 / first.tempo_bpm)
    assert composer.fallback().start == second.end
    composer.compose()
    assert composer.finished
    assert composer.fallback() is None


def test_a_bar_that_was_replaced_gives_back_its_tempo():
    session = make_session(tempo_span=0.5, tempo_slew=0.2)
    log = ControlLog()
    log.extend([ControlFrame(0.0, {"tempo": 1.0})])
    composer = Composer(session, log, start_s=0.0)
    composer.compose()
    standing = composer.fallback()
    fast = composer.compose()
    assert fast.tempo_bpm > standing.tempo_bpm
    composer.compose(heard=standing)
    assert composer.time_s(fast.end) == pytest.approx(float(fast.end) * 60 / standing.tempo_bpm)


def test_a_source_that_came_back_differently_gets_a_new_way_and_keeps_knobs_and_anchor():
    signal = make_signal(FakeSource(20.0))
    frames = frames_of(signal, 0.5)
    steps = frames[-1].anchor_steps
    for montage in (Montage(("Oz", "Pz", "Cz"), 250.0), Montage(("O1",), 32.0), FakeSource().montage):
        start_s, before = frames[-1].time_s, frames[-1]
        came = []
        for second in range(8):
            count = round(montage.rate_hz)
            times = start_s + 0.01 + second + np.arange(count) / montage.rate_hz
            alpha = 30 * np.sin(2 * np.pi * 10 * times)[:, None]
            noise = np.random.default_rng(second).normal(0, 4, (count, len(montage.names)))
            came += signal.chain.process(Chunk(noise + alpha, times, montage))
        frames += came
        assert max(np.diff([frame.time_s for frame in [before, *came]])) < 0.11
        if before.confidence > 0:
            assert came[10].knobs == before.knobs, "held"
        assert [frame.confidence for frame in came[:10]] == [0.0] * 10
        assert (came[-1].confidence > 0) == (montage.rate_hz > 64), "32 Hz cannot be used"
        assert came[-1].anchor_steps >= steps
    assert {name for name, _ in signal.chain.quality.channels} == {"O1", "O2", "Oz", "Pz", "Cz"}


def test_a_rest_during_which_the_device_was_lost_goes_on_until_half_of_it_was_usable():
    source = FakeSource(30.0)
    source.start()
    chain = SignalChain(
        source.montage,
        condition=ConditionSettings(line="none"),
        features=FeatureSettings(),
        control_map=ControlMap({"latent_mix": KnobRule("alpha")}),
        baseline=None,
        rest_s=8.0,
        patient=True,
    )
    came = []
    for second in range(1, 30):
        chunk = source.read(float(second))
        lost = Chunk(np.full_like(chunk.samples_uv, np.nan), chunk.time_s, chunk.montage)
        came += chain.process(lost if 1 <= second <= 10 else chunk)
    # Half of 6 s of full windows: 3 s after the window is good again.
    assert 12.0 < came[0].time_s < 16.0
    assert chain.baseline.n_frames == pytest.approx(60, abs=1)
    assert came[-1].confidence == 1.0

"""Artifact subspace reconstruction makes frames late; the music is the same live and offline all the same."""

from __future__ import annotations

import numpy as np
import pytest
from drivers_takes import CHANNELS, FEATURES, MAP, make_keeper, make_session
from fakes import FakeSource

from brainmidi.condition.asr import fit_asr
from brainmidi.condition.conditioner import Conditioner, ConditionSettings
from brainmidi.config import parse_config
from brainmidi.controls.baseline import fit_baseline
from brainmidi.drivers import assemble
from brainmidi.drivers.chain import ControlLog, SignalChain
from brainmidi.drivers.composer import Composer
from brainmidi.drivers.offline import Signal, score_signal
from brainmidi.drivers.performance import Performance
from brainmidi.errors import ConfigError
from brainmidi.features.extractor import FeatureExtractor
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.files import read_events
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.types import KNOBS, ControlFrame, Montage

PLAIN = ConditionSettings(line="none")


class SixElectrodes(FakeSource):
    """The fake recording with four electrodes more, and noise of their own on all."""

    def __init__(self, seconds: float = 30.0) -> None:
        super().__init__(seconds)
        self.montage = Montage(("O1", "O2", "Pz", "Cz", "F3", "F4"), 128.0)
        noise = np.random.default_rng(3).normal(0, 3, (len(self._time_s), 6))
        self._samples_uv = self._samples_uv[:, [0, 1, 0, 1, 0, 1]] * [1, 1, 0.6, 0.4, 0.2, 0.2] + noise


def signal_with_asr() -> Signal:
    source = SixElectrodes()
    conditioned = Conditioner(source.montage, settings=PLAIN).process(source.read(30.0))
    source.stop()
    condition = ConditionSettings(line="none", asr=fit_asr([conditioned], cutoff=5.0))
    chain = SignalChain(
        source.montage,
        condition=condition,
        features=FEATURES,
        control_map=MAP,
        baseline=fit_baseline(FeatureExtractor(source.montage, FEATURES).process(conditioned)),
    )
    return Signal(SixElectrodes(), chain, 4.0, "the recording itself")


def test_live_on_the_virtual_clock_and_offline_give_the_same_events_with_reconstruction(tmp_path):
    pytest.importorskip("meegkit")
    with make_keeper(tmp_path / "scored.mid") as keeper:
        scored = score_signal(signal_with_asr(), make_session(), keeper)
    clock = VirtualClock()
    with (
        make_keeper(tmp_path / "played.mid") as keeper,
        LocalPlayer(clock, RecordingOutput(), channels=CHANNELS) as player,
    ):
        played = Performance(signal_with_asr(), make_session, player, clock, keeper, virtual=True).run()
    assert played.bars == scored.bars
    assert read_events(tmp_path / "scored.mid") == read_events(tmp_path / "played.mid")
    assert len({bar.controls.knobs["latent_mix"] for bar in played.bars}) > 3
    late = [4.0 + 60 / bar.tempo_bpm * float(bar.start) - bar.controls.time_s for bar in scored.bars[:1]]
    assert all(0.25 - 1e-6 <= wait_s < 0.25 + 0.1 for wait_s in late)


def test_a_bar_is_composed_from_frames_that_are_there_however_late_they_come():
    log = ControlLog()
    log.extend(ControlFrame(second / 20, dict.fromkeys(KNOBS, second / 200)) for second in range(200))
    composer = Composer(make_session(bars=2), log, start_s=4.0, latency_s=0.25)
    assert composer.compose().controls.time_s == pytest.approx(3.75)


def test_reconstruction_without_a_calibrated_rest_is_refused_in_a_line():
    config = parse_config({"signal": {"asr": True}})
    with pytest.raises(ConfigError, match=r"asr = true needs a rest") as caught:
        assemble.make_chain(config, SixElectrodes(), assemble.Rest(None, 10.0, "the first 10 s"))
    assert "\n" not in str(caught.value)


def test_a_rest_brings_the_reconstruction_that_was_fitted_on_it():
    pytest.importorskip("meegkit")
    config = parse_config({"signal": {"asr": True, "asr_cutoff": 12.0}})
    source = SixElectrodes()
    baseline, asr = assemble.fit_to_source(config, source, "fake")
    assert asr.cutoff == 12.0
    chain = assemble.make_chain(config, SixElectrodes(), assemble.Rest(baseline, 0.0, "fake", asr=asr))
    assert chain.latency_s == 0.25
    plain = parse_config({})
    assert assemble.make_chain(plain, SixElectrodes(), assemble.Rest(baseline, 0.0, "fake")).latency_s == 0.0


@pytest.mark.parametrize("signal", [{"asr": "yes"}, {"asr_cutoff": 1.0}, {"reference": "ears"}])
def test_settings_of_the_signal_that_cannot_be_are_refused_in_a_line(signal):
    with pytest.raises(ConfigError) as caught:
        parse_config({"signal": signal})
    assert "\n" not in str(caught.value)


def test_an_electrode_that_the_source_lacks_is_told_with_the_known_features():
    config = parse_config({"map": {"tempo": {"feature": "alpha.Fz"}}})
    assert assemble.control_map(config).knobs["tempo"].feature == "alpha.Fz"
    with pytest.raises(ConfigError, match=r"'alpha.Fz' asks for an electrode.*alpha.occipital.*one of O1, O2"):
        assemble.control_map(config, ("O1", "O2"))

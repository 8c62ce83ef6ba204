"""What the drivers' tests share: a signal, a session and a keeper made of fakes."""

from __future__ import annotations

from pathlib import Path

from fakes import (
    ANCHORS,
    BASS_ANCHORS,
    DRUM_ANCHORS,
    FakeAccompaniment,
    FakeBass,
    FakeDrums,
    FakeMelody,
    FakeSource,
)

from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.controls.mapping import ControlMap, EventRule, KnobRule
from brainmidi.drivers.chain import SignalChain
from brainmidi.drivers.offline import Signal, score_signal
from brainmidi.drivers.performance import Performance
from brainmidi.drivers.take import TakeFiles, TakeKeeper
from brainmidi.features.settings import ErpSettings, FeatureSettings
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.music.harmony import Key, Metre, Progression
from brainmidi.music.setup import default_ranges
from brainmidi.session import Session, SessionSetup
from brainmidi.types import PARTS

MAP = ControlMap(
    {"latent_mix": KnobRule("alpha", invert=True), "tempo": KnobRule("alpha"), "density": KnobRule("beta")},
    (EventRule("alpha", threshold=25.0, refractory_s=2.0, hysteresis=3.0),),
    time_constant_s=0.5,
)
CHANNELS = {"melody": 1, "accompaniment": 2, "bass": 3, "drums": 10}
FEATURES = FeatureSettings(erp=ErpSettings(min_n=2, average_n=4))


class SlowMelody(FakeMelody):
    """A model that takes `cost_s` seconds of the clock's time for the bars named, none for the others."""

    def __init__(self, clock, cost_s, bars):
        super().__init__()
        self._clock, self._cost_s, self._slow = clock, cost_s, bars

    def decode(self, *args):
        if len(self.decoded) in self._slow:
            self._clock.sleep_until(self._clock.now_s() + self._cost_s)
        return super().decode(*args)


def make_signal(source=None, *, rest_s=4.0):
    source = FakeSource() if source is None else source
    chain = SignalChain(
        source.montage,
        condition=ConditionSettings(line="none"),
        features=FEATURES,
        control_map=MAP,
        baseline=None,
        rest_s=rest_s,
    )
    return Signal(source, chain, rest_s, "the first seconds")


def make_setup(**given):
    key = Key.parse(given.pop("key", "D dorian"))
    progression = Progression.parse(given.pop("chords", ""), key)
    metre = Metre.parse(given.pop("metre", "4/4"))
    return SessionSetup(key, metre, progression, ANCHORS, **given)


def make_session(melody=None, **given):
    return Session(make_setup(**given), FakeMelody() if melody is None else melody, FakeAccompaniment())


def make_band(melody=None, **given):
    band = {"ranges": default_ranges(PARTS), "bass_anchors": BASS_ANCHORS, "drum_anchors": DRUM_ANCHORS}
    melody = FakeMelody() if melody is None else melody
    return Session(make_setup(**band, **given), melody, FakeAccompaniment(), FakeBass(), FakeDrums())


def make_keeper(path: Path, *, trace=None, on_bar=None, autosave=False, more=None):
    return TakeKeeper(
        TakeFiles(path, trace),
        metre="4/4",
        key=Key.parse("D dorian"),
        channels=CHANNELS,
        on_bar=on_bar,
        autosave=autosave,
        more=more,
    )


def offline(path: Path, source=None, *, session=None, **keeping):
    with make_keeper(path, **keeping) as keeper:
        return score_signal(make_signal(source), make_session() if session is None else session, keeper)


def virtual(
    path: Path, source=None, *, session=None, melody=None, make=make_session, output=None, settings=None, **keeping
):
    """Play live on the virtual clock; `melody` is a function of that clock, `make` takes what it returns."""
    clock = VirtualClock()
    output = RecordingOutput() if output is None else output
    if session is None:
        session = make(None if melody is None else melody(clock))
    with (
        make_keeper(path, **keeping) as keeper,
        LocalPlayer(clock, output, channels=CHANNELS, settings=settings) as player,
    ):
        return Performance(make_signal(source), lambda: session, player, clock, keeper, virtual=True).run()

"""A device that fails in every way there is, at moments that a seed chooses; for tests and for benchmarks/unplug.py."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from drivers_takes import CHANNELS, MAP, make_keeper, make_session
from fakes import FakeSource

from brainmidi.acquire.watch import Watch
from brainmidi.condition.conditioner import ConditionSettings
from brainmidi.controls.baseline import Baseline, FeatureRest
from brainmidi.drivers.chain import SignalChain
from brainmidi.drivers.offline import Signal
from brainmidi.drivers.performance import Performance
from brainmidi.features.settings import FeatureSettings
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.local import LocalPlayer
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.settings import PlayerSettings
from brainmidi.types import Chunk, Montage

MONTAGES = (FakeSource().montage, Montage(("O1", "O2", "Pz"), 250.0), Montage(("O2",), 200.0))

#: What a device may do, and whether it goes on for a while.
KINDS = {
    "falls silent": True,
    "is pulled": True,  # reading and starting raise
    "sends NaN": True,
    "sends half the samples": True,
    "sends twice the samples": True,
    "raises once": False,
    "begins its time again": False,
    "leaps in time": False,
    "loses a packet": False,
    "comes back differently": True,  # silent, then with other channels at another rate
}


GIVE_UP_S = 0.0  # never

#: A knob goes out between the notes, so that the stream is read every 50 ms as it is live.
SETTINGS = PlayerSettings(controls=(ControlRule("latent_mix", 16, number=21),))


@dataclass(frozen=True)
class Fault:
    kind: str
    at_s: float
    until_s: float


def plan(seed: int, count: int, *, first_s: float = 10.0, longest_s: float = 2.9, pause_s: float = 6.5) -> list[Fault]:
    """Return `count` faults of 0.2 s to `longest_s`, each `pause_s` to 2 s more after the end of the one before."""
    rng = np.random.default_rng(seed)
    faults, at_s = [], first_s
    kinds = list(KINDS)
    for number in range(count):
        kind = kinds[number % len(kinds)] if number < len(kinds) else str(rng.choice(kinds))
        at_s += float(rng.uniform(0, 2))
        length_s = float(rng.uniform(0.2, longest_s)) if KINDS[kind] else 0.0
        faults.append(Fault(kind, at_s, at_s + length_s))
        at_s += length_s + pause_s
    return faults


class FaultySource:
    """Alpha that comes and goes, until a fault's time has come; gives what is due on `clock`, on a time of its own."""

    name = "faulty"
    simulated = True

    def __init__(self, clock, faults) -> None:
        self._clock, self._faults = clock, list(faults)
        self._montage_number = 0
        self.montage = MONTAGES[0]
        self._done: set[Fault] = set()
        self._started = False
        self.starts = 0

    def _fault(self) -> Fault | None:
        now_s = self._clock.now_s()
        for fault in self._faults:
            if fault.at_s <= now_s and fault not in self._done:
                if now_s < fault.until_s:
                    return fault
                self._done.add(fault)
                if not KINDS[fault.kind]:
                    return fault
                if fault.kind == "comes back differently":
                    self._montage_number += 1
                    self.montage = MONTAGES[self._montage_number % len(MONTAGES)]
                    self._begin()
        return None

    def _begin(self) -> None:
        self._from_s = self._clock.now_s()  # what came before is gone
        self._own_s = 0.0

    def start(self) -> None:
        fault = self._fault()
        if fault is not None and fault.kind in ("is pulled", "comes back differently"):
            raise OSError("no such device")
        self._started = True
        self._begin()
        if self.starts == 0:  # on the virtual clock a source is started when it is first read
            self._from_s = 0.0
        self.starts += 1

    def stop(self) -> None:
        self._started = False

    def read(self, until_s: float) -> Chunk | None:
        assert self._started, "a source is read between start and stop alone"
        fault = self._fault()
        kind = "" if fault is None else fault.kind
        if kind in ("is pulled", "raises once"):
            raise OSError("the cable is out")
        now_s, rate_hz = self._clock.now_s(), self.montage.rate_hz
        if kind in ("falls silent", "comes back differently"):
            self._from_s = now_s
            return Chunk(np.empty((0, len(self.montage.names))), np.empty(0), self.montage)
        if kind == "begins its time again":
            self._own_s = 0.0
        if kind == "leaps in time":
            self._own_s += 1000.0
        pace = {"sends half the samples": 0.5, "sends twice the samples": 2.0}.get(kind, 1.0)
        count = int((now_s - self._from_s) * rate_hz * pace + 1e-6)
        times = self._own_s + np.arange(count) / rate_hz
        at_s = self._from_s + np.arange(count) / rate_hz
        self._from_s = now_s if pace != 1.0 else self._from_s + count / rate_hz
        self._own_s += count / rate_hz
        calm = (at_s // 9.0) % 2
        noise = np.random.default_rng(count).normal(0, 4, (count, len(self.montage.names)))
        samples = noise + ((5 + 25 * calm) * np.sin(2 * np.pi * 10 * at_s))[:, None]
        if kind == "sends NaN":
            samples[:] = np.nan
        if kind == "loses a packet":
            samples, times = samples[count // 2 :], times[count // 2 :]
        return Chunk(samples, times, self.montage)


@dataclass
class Played:
    """What came of a take on a faulty device: frames of controls, what was said and when, messages, and the take."""

    frames: list
    said: list
    output: RecordingOutput
    take: object
    watch: Watch

    def open_notes(self) -> set[tuple[int, int]]:
        """Return the notes that sound when all is over."""
        sounding = set()
        for data in self.output.sent:
            key = (data[0] & 15, data[1])
            if data[0] & 0xF0 == 0x90 and data[2]:
                sounding.add(key)
            elif data[0] & 0xF0 in (0x80, 0x90):
                sounding.discard(key)
        return sounding

    def seen_s(self, fault: Fault) -> float | None:
        """Return how long after its beginning a fault was told of; None where it was not."""
        return next((at_s - fault.at_s for at_s, line in self.said if at_s >= fault.at_s and "lost" in line), None)

    def back_s(self, fault: Fault) -> float:
        """Return how long after the end of a fault the knobs were driven again."""
        return next(
            (f.time_s - fault.until_s for f in self.frames if f.time_s > fault.until_s + 0.01 and f.confidence > 0),
            float("inf"),
        )


def play(path, faults, *, bars=None, trace=None) -> Played:
    """Play live on the virtual clock while `faults` happen."""
    clock, output = VirtualClock(), RecordingOutput()
    source = FaultySource(clock, faults)
    watch = Watch(source, background=False, give_up_s=GIVE_UP_S)
    frames, said = [], []
    watch.log.tell = lambda line: said.append((clock.now_s(), line))
    chain = SignalChain(
        source.montage,
        condition=ConditionSettings(line="none"),
        features=FeatureSettings(),
        control_map=MAP,
        baseline=Baseline({"alpha": FeatureRest(15.0, 4.0), "beta": FeatureRest(5.0, 2.0)}, 100),
    )
    process = chain.process

    def processed(chunk):
        new = process(chunk)
        frames.extend(new)
        return new

    chain.process = processed
    end_s = max(fault.until_s for fault in faults) + 15.0
    session = make_session(bars=int(end_s / 4) if bars is None else bars, tempo_bpm=60.0, tempo_span=0.0)
    signal = Signal(watch, chain, 4.0, "a profile")
    with (
        make_keeper(path, trace=trace, more=signal.line) as keeper,
        LocalPlayer(clock, output, channels=CHANNELS, settings=SETTINGS) as player,
    ):
        take = Performance(signal, lambda: session, player, clock, keeper, virtual=True).run()
    return Played(frames, said, output, take, watch)

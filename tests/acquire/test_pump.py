from __future__ import annotations

import threading

import numpy as np
import pytest

from brainmidi.acquire.demo import DemoSource
from brainmidi.acquire.pump import Pump
from brainmidi.errors import SourceError
from brainmidi.midi.clock import VirtualClock
from brainmidi.types import Chunk


class BrokenSource(DemoSource):
    def read(self, until_s: float) -> Chunk | None:
        raise SourceError("the cable is out")


def test_thread_and_steps_pass_the_same_samples_on():
    ended, by_thread, by_step = threading.Event(), [], []
    pump = Pump(DemoSource(seed=2, duration_s=3.0), VirtualClock(), by_thread.append)
    with pump:
        pump.start()
        while not pump.ended:
            ended.wait(0.001)
            pump.check()
    stepped = Pump(DemoSource(seed=2, duration_s=3.0), VirtualClock(), by_step.append)
    for end in (0.5, 0.51, 2.0, float("inf"), float("inf")):
        stepped.advance_to(end)
    assert stepped.ended
    joined = [np.concatenate([chunk.samples_uv for chunk in chunks]) for chunks in (by_thread, by_step)]
    assert np.array_equal(*joined)
    assert stepped.stream_time_s == pytest.approx(3.0 - 0.004)


def test_an_error_in_the_thread_reaches_the_caller():
    pump = Pump(BrokenSource(), VirtualClock(), lambda chunk: None)
    pump.start()
    pump._thread.join(10.0)
    with pytest.raises(SourceError, match="cable"):
        pump.check()
    pump.stop()


def test_a_pump_is_used_once_and_in_one_way():
    pump = Pump(DemoSource(duration_s=1.0), VirtualClock(), lambda chunk: None)
    pump.start()
    with pytest.raises(SourceError, match="not started"):
        pump.advance_to(1.0)
    with pytest.raises(SourceError, match="started before"):
        pump.start()
    pump.stop()
    with pytest.raises(SourceError, match="not above 0"):
        Pump(DemoSource(), VirtualClock(), lambda chunk: None, period_s=0.0)

"""What comes in through JACK is stamped by its frame; a clock that stands with its master has lost nothing."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from midi_fake_jack import RATE, FakeServer

from brainmidi.midi.jackport import open_jack
from brainmidi.midi.sync import ClockFollower

CLOCK, CONTINUE, STOP = (0xF8,), (0xFB,), (0xFC,)


class Port:
    """An input whose next period is put there by hand."""

    name = "brainmidi:in"

    def __init__(self):
        self.waiting, self.connections = [], []

    def incoming_midi_events(self):
        waiting, self.waiting = self.waiting, []
        return iter(waiting)


def listening(server, name=None):
    heard, told, port = [], [], Port()
    output = open_jack(clock=server.clock, jack=server.module)
    server.client.midi_inports = SimpleNamespace(register=lambda name: port)
    incoming = output.listen(name, lambda data, at_s: heard.append((data, at_s)), told.append)
    return incoming, port, heard, told


def test_a_message_is_stamped_by_the_frame_on_which_it_was_sent():
    server = FakeServer()
    _, port, heard, _ = listening(server)
    now_s = server.clock.now_s()
    port.waiting = [(0, bytes(CLOCK)), (1000, bytes((0x90, 60, 80))), (1001, bytes((0xFE,)))]
    server.cycle()
    assert [data for data, _ in heard] == [CLOCK, (0x90, 60, 80)]
    assert [at_s - now_s for _, at_s in heard] == pytest.approx([0.0, 1000 / RATE], abs=2 / RATE)


@pytest.mark.parametrize("data", [(0x90, 60), (0xF2, 1), (0x40, 1, 2), (0xF0, 1, 0xF7), ()])
def test_what_is_no_message_is_not_heard(data):
    server = FakeServer()
    _, port, heard, _ = listening(server)
    port.waiting = [(0, bytes(data)), (1, bytes(CLOCK))]
    server.cycle()
    assert [data for data, _ in heard] == [CLOCK]


def test_a_named_port_is_connected_when_it_comes_and_its_going_is_told():
    server = FakeServer()
    there = []
    incoming, port, _, told = listening(server, "nano")
    incoming.close()
    server.client.connect = lambda name, own: own.connections.append(SimpleNamespace(name=name))
    assert incoming.port is None
    assert incoming.reason == "port 'nano' is not there yet"
    server.client.get_ports = lambda **wanted: [SimpleNamespace(name=name) for name in there]
    there.append("nanoKONTROL:out")
    incoming.look()
    assert (incoming.port, incoming.reason) == ("nanoKONTROL:out", None)
    port.connections.clear()  # unplugged, and plugged in again before anybody looked
    incoming.look()
    assert [each.name for each in port.connections] == ["nanoKONTROL:out"]
    there.clear()
    port.connections.clear()
    incoming.look()
    incoming.look()
    opened = "input nanoKONTROL:out is open"
    gone = "input nanoKONTROL:out has gone; it is opened again when it comes back"
    assert told == [opened, gone, opened, gone]


@pytest.mark.parametrize("pause_s", [0.05, 0.36, 0.49, 3.0])
def test_a_master_that_sends_no_clock_while_it_stands_goes_on_where_it_said(pause_s):
    follower = ClockFollower()
    follower.take(0.0, CONTINUE)
    for tick in range(97):
        follower.take(tick / 48, CLOCK)
    follower.take(2.001, STOP)
    begin_s = 2.0 + pause_s
    follower.take(begin_s, (0xF2, 64, 0))
    follower.take(begin_s, CONTINUE)
    for tick in range(97):
        follower.take(begin_s + tick / 48, CLOCK)
        assert follower.time_s(16) == pytest.approx(begin_s, abs=1e-6)

from __future__ import annotations

import queue

import pytest
from hypothesis import given
from hypothesis import strategies as st

from brainmidi.errors import MidiError
from brainmidi.midi import network
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.network import FIRST_PORT, GROUP, NetworkPort, split_messages

DATA = st.integers(0, 127)
MESSAGES = st.one_of(
    st.tuples(st.integers(0x80, 0xBF), DATA, DATA),
    st.tuples(st.integers(0xC0, 0xDF), DATA),
    st.tuples(st.integers(0xE0, 0xEF), DATA, DATA),
    st.tuples(st.just(0xF2), DATA, DATA),
    st.tuples(st.sampled_from([0xF6, 0xF8, 0xFA, 0xFB, 0xFC])),
)


@given(st.lists(MESSAGES))
def test_a_packet_of_several_messages_is_split_where_they_end(messages):
    assert list(split_messages(bytes(byte for message in messages for byte in message))) == messages


@pytest.mark.parametrize(
    ("stream", "messages"),
    [
        ("90 3c 40 3e 41", [(0x90, 60, 64), (0x90, 62, 65)]),
        ("90 3c f8 40", [(0xF8,), (0x90, 60, 64)]),
        ("f0 7e 01 f7 80 3c 00", [(0x80, 60, 0)]),
        ("3c 40 c0 05", [(0xC0, 5)]),
        ("f2 01 02 03 04", [(0xF2, 1, 2)]),
        ("90 3c", []),
    ],
    ids=["running status", "a clock between", "sysex", "no status yet", "none after a system message", "cut short"],
)
def test_a_packet_may_hold_all_that_a_cable_may(stream, messages):
    assert list(split_messages(bytes.fromhex(stream))) == messages


@pytest.mark.parametrize("number", [0, 21, -1])
def test_there_are_twenty_cables(number):
    with pytest.raises(MidiError, match=r"outside 1\.\.20"):
        NetworkPort(number)


def two_ends(number):
    try:
        ends = NetworkPort(number), NetworkPort(number)
        ends[1].listen(lambda data, time_s: None)
    except MidiError as error:
        pytest.skip(str(error))
    ends[1].close()
    return ends[0], NetworkPort(number)


def test_what_one_program_sends_another_hears_and_nobody_hears_itself():
    one, other = two_ends(20)
    heard_by_one, heard_by_other = queue.Queue(), queue.Queue()
    one.listen(lambda data, time_s: heard_by_one.put(data))
    other.listen(lambda data, time_s: heard_by_other.put(data))
    try:
        one.send((0x90, 60, 80))
        assert heard_by_other.get(timeout=10.0) == (0x90, 60, 80)
        other.send((0x80, 60, 0))
        assert heard_by_one.get(timeout=10.0) == (0x80, 60, 0)
        assert heard_by_one.empty()
    finally:
        one.close()
        other.close()
    with pytest.raises(MidiError, match="was closed"):
        one.send((0x90, 60, 80))


def test_a_port_says_its_number_and_address():
    one, other = two_ends(3)
    assert one.port == f"network port 3 ({GROUP}:{FIRST_PORT + 2})"
    one.close()
    one.close()
    other.close()


class Wire:
    """A socket whose network comes and goes."""

    def __init__(self, *arguments):
        self.sent, self.there = [], True

    def setsockopt(self, *option):
        pass

    def connect(self, address):
        pass

    def getsockname(self):
        return ("127.0.0.1", 1)

    def send(self, packet):
        if not self.there:
            raise OSError(101, "Network is unreachable")
        self.sent.append(tuple(packet))

    def close(self):
        pass


def on_a_wire(monkeypatch):
    wire, told, clock = Wire(), [], VirtualClock()
    monkeypatch.setattr(network.socket, "socket", lambda *arguments: wire)
    return NetworkPort(1, told.append, clock), wire, told, clock


def test_a_packet_that_is_refused_ends_no_take_and_what_was_to_let_go_is_sent_as_soon_as_it_can_be(monkeypatch):
    port, wire, told, clock = on_a_wire(monkeypatch)
    port.send((0x90, 60, 80))
    wire.there = False
    for data in [(0x80, 60, 0), (0x90, 62, 80), (0xB0, 64, 127), (0xB0, 64, 0), (0xE0, 0, 64), (0xF8,), (0x90, 62, 0)]:
        port.send(data)
    clock.sleep_until(4.0)
    wire.there = True
    port.send((0x90, 64, 80))
    assert wire.sent == [(0x90, 60, 80), (0x80, 60, 0), (0xB0, 64, 0), (0xE0, 0, 64), (0x90, 62, 0), (0x90, 64, 80)]
    assert told == [
        f"{port.port} takes no messages (Network is unreachable); notes are lost, the music goes on",
        f"{port.port} takes messages again; 7 were late or lost",
    ]


def test_a_network_that_stays_away_ends_the_take_and_its_note_offs_are_tried_once_more(monkeypatch):
    port, wire, told, clock = on_a_wire(monkeypatch)
    wire.there = False
    port.send((0x80, 60, 0))
    clock.sleep_until(5.1)
    with pytest.raises(MidiError, match=r"took no message for 5 s \(Network is unreachable\)"):
        port.send((0x80, 62, 0))
    wire.there = True
    port.close()
    assert wire.sent == [(0x80, 60, 0), (0x80, 62, 0)]
    assert len(told) == 1

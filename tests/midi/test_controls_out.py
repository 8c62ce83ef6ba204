"""Controls as the MIDI 1.0 specification has them, at their own pace."""

from __future__ import annotations

from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.controls_out import MOST_CONTROLS, ControlRule, ControlsOut


class Receiver:
    """A synthesizer as the specification describes it: what its controls stand at after the messages so far."""

    def __init__(self):
        self.cc, self.nrpn, self.bend, self.pressure = {}, {}, {}, {}
        self.parameter = {}

    def take(self, data):
        channel, kind = data[0] & 0x0F, data[0] & 0xF0
        assert all(0 <= byte < 128 for byte in data[1:])
        if kind == 0xE0:
            self.bend[channel] = data[1] | data[2] << 7
        elif kind == 0xD0:
            assert len(data) == 2
            self.pressure[channel] = data[1]
        elif data[1] in (98, 99):
            number = self.parameter.get(channel, 0)
            shift = 0 if data[1] == 98 else 7
            self.parameter[channel] = number & ~(0x7F << shift) | data[2] << shift
        elif data[1] in (6, 38) and channel in self.parameter:  # of a parameter, once one was chosen
            key = channel, self.parameter[channel]
            self.nrpn[key] = data[2] << 7 if data[1] == 6 else self.nrpn[key] & ~0x7F | data[2]
        elif data[1] < 32:
            self.cc[channel, data[1]] = data[2] << 7  # the finer byte is 0 until it comes
        elif data[1] < 64:
            self.cc[channel, data[1] - 32] = self.cc.get((channel, data[1] - 32), 0) & ~0x7F | data[2]
        else:
            self.cc[channel, data[1]] = data[2]


def received(rule, value):
    receiver = Receiver()
    for data in rule.messages(value):
        receiver.take(data)
    return receiver


@given(st.integers(1, 16), st.integers(0, 31), st.integers(0, 0x3FFF))
def test_a_controller_of_14_bits_arrives_whole_with_the_coarse_byte_first(channel, number, value):
    rule = ControlRule("density", channel, number=number, bits=14)
    assert received(rule, value).cc == {(channel - 1, number): value}
    assert [data[1] for data in rule.messages(value)] == [number, number + 32]


@given(st.integers(1, 16), st.integers(0, 0x3FFF), st.integers(0, 0x3FFF))
def test_a_parameter_of_14_bits_arrives_whole(channel, number, value):
    rule = ControlRule("density", channel, "nrpn", number, 14)
    assert received(rule, value).nrpn == {(channel - 1, number): value}
    assert [data[1] for data in rule.messages(value)] == [99, 98, 6, 38]


@given(st.integers(0, 0x3FFF), st.integers(0, 0x7F))
def test_a_parameter_of_7_bits_is_set_by_its_coarse_byte_alone(number, value):
    assert received(ControlRule("density", 1, "nrpn", number), value).nrpn == {(0, number): value << 7}


@given(st.integers(1, 16), st.integers(0, 0x3FFF))
def test_a_bend_has_14_bits_and_rests_in_the_middle(channel, value):
    rule = ControlRule("density", channel, "bend")
    assert received(rule, value).bend == {channel - 1: value}
    assert round(rule.position(0.5) * rule.top) == 0x2000


def test_pressure_has_one_byte_and_a_plain_controller_two():
    assert ControlRule("density", 16, "pressure").messages(127) == ((0xDF, 127),)
    assert ControlRule("density", 16, number=21).messages(64) == ((0xBF, 21, 64),)


def test_a_range_may_be_turned_round_and_is_clipped():
    rule = ControlRule("alpha", 1, low=3.0, high=-3.0)
    assert [rule.position(value) for value in (9.0, 3.0, 0.0, -3.0, -9.0)] == [0.0, 0.0, 0.5, 1.0, 1.0]


def run(out, aims, until_s):
    """Give `aims` (second, values) to `out`, wake it when it asks for it, and return (second, data) of all it sent."""
    clock, sent, aims = VirtualClock(), [], list(aims)
    while True:
        wake_s = inf if out.deadline_s is None else max(out.deadline_s, clock.now_s())
        next_s = min(wake_s, aims[0][0] if aims else inf)
        if next_s > until_s:
            return sent
        clock.sleep_until(next_s)
        if aims and aims[0][0] <= next_s:
            out.aim(aims.pop(0)[1], clock.now_s())
        for _, messages in out.due(clock.now_s()):
            sent += [(clock.now_s(), data) for data in messages]


def test_what_has_to_wait_goes_out_as_soon_as_it_may_with_the_newest_value():
    out = ControlsOut([ControlRule("density", 1, number=21), ControlRule("tempo", 1, number=22)])
    aims = [(0.0, {"density": 0.0, "tempo": 0.0}), (0.001, {"density": 1.0}), (0.002, {"density": 0.5})]
    sent = run(out, aims, 1.0)
    assert [data for _, data in sent] == [(0xB0, 21, 0), (0xB0, 22, 0), (0xB0, 21, 64)]
    assert sent[-1][0] == pytest.approx(0.01)


SIX_KINDS = pytest.mark.parametrize(("kind", "bits"), [("cc", 7), ("cc", 14), ("nrpn", 14)])


@SIX_KINDS
def test_one_of_many_controls_that_moves_alone_is_not_held_up_by_the_others(kind, bits):
    rules = [ControlRule(f"k{place}", place + 1, kind, 20, bits) for place in range(12)]
    start = {rule.source: 0.0 for rule in rules}
    moves = [(2.0 + 0.05 * step, {"k3": step / 50}) for step in range(50)]
    sent = run(ControlsOut(rules), [(0.0, start), *moves], 10.0)
    for moved_s, values in moves[1:]:
        wanted = rules[3].messages(round(values["k3"] * rules[3].top))
        assert [data for second, data in sent if moved_s <= second < moved_s + 0.01] == list(wanted)


@SIX_KINDS
def test_a_change_reaches_each_of_six_controls_that_all_move_ten_times_a_second_before_the_next(kind, bits):
    rules = [ControlRule(f"k{place}", place + 1, kind, 20, bits) for place in range(6)]
    aims = [(0.1 * step, {rule.source: step % 2 * 1.0 for rule in rules}) for step in range(100)]
    out = ControlsOut(rules)
    sent = run(out, aims, 20.0)
    if bits == 14:  # 120 and 240 messages a second are more than may go out: each comes in its turn
        number = 20 if kind == "cc" else 6
        for place in range(6):
            came = [second for second, data in sent if data[:2] == (0xB0 | place, number)]
            assert max(after - before for before, after in pairwise(came)) <= (0.25 if kind == "cc" else 0.5) + 1e-9
        return
    first = rules[0].messages(0)[0][1]
    for place in range(6):
        came = [second for second, data in sent if data[:2] == (0xB0 | place, first)]
        assert len(came) == len(aims)
        assert max(second - asked for second, (asked, _) in zip(came, aims, strict=True)) < 0.1


def test_a_smoothed_control_glides_to_its_goal_and_then_rests():
    out = ControlsOut([ControlRule("density", 1, number=21, smoothing_s=0.1)])
    sent = run(out, [(0.0, {"density": 0.0}), (1.0, {"density": 1.0})], 10.0)
    values = [data[2] for _, data in sent]
    assert values == sorted(values)
    assert (values[0], values[-1]) == (0, 127)
    assert len(values) > 20
    # The steady state of an exponential: 63 % after one time constant.
    assert [data[2] for second, data in sent if second <= 1.1][-1] == pytest.approx(127 * 0.632, abs=8)
    assert out.deadline_s is None


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_never_more_messages_in_any_second_than_allowed_and_every_control_gets_where_it_should(data):
    kinds = st.sampled_from([("cc", 7), ("cc", 14), ("nrpn", 7), ("nrpn", 14), ("bend", 14), ("pressure", 7)])
    rules = [
        ControlRule(f"k{place}", place + 1, kind, 20, bits, smoothing_s=data.draw(st.sampled_from([0.0, 0.1])))
        for place, (kind, bits) in enumerate(data.draw(st.lists(kinds, min_size=1, max_size=12)))
    ]
    goals = data.draw(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=40))
    aims = [(0.05 * place, {rule.source: goal for rule in rules}) for place, goal in enumerate(goals)]
    sent = run(ControlsOut(rules), aims, 20.0)
    times = [second for second, _ in sent]
    for first in times:
        assert sum(first <= second < first + 1.0 for second in times) <= MOST_CONTROLS
    receiver = Receiver()
    for _, message in sent:
        receiver.take(message)
    for rule in rules:
        wanted, channel = round(goals[-1] * rule.top), rule.channel - 1
        got = {
            "cc": receiver.cc.get((channel, 20), 0) >> (0 if rule.bits == 14 else 7),
            "nrpn": receiver.nrpn.get((channel, 20), 0) >> (0 if rule.bits == 14 else 7),
            "bend": receiver.bend.get(channel),
            "pressure": receiver.pressure.get(channel),
        }[rule.kind]
        assert got == wanted, rule


def test_a_source_that_is_absent_leaves_its_control_where_it_is():
    out = ControlsOut([ControlRule("alpha", 1, number=21)])
    assert run(out, [(0.0, {"alpha": 1.0}), (1.0, {})], 5.0) == [(0.0, (0xB0, 21, 127))]


def test_after_a_reset_every_control_is_sent_anew():
    out = ControlsOut([ControlRule("alpha", 1, number=21)])
    run(out, [(0.0, {"alpha": 1.0})], 1.0)
    assert out.deadline_s is None
    out.forget()
    assert [messages for _, messages in out.due(2.0)] == [((0xB0, 21, 127),)]

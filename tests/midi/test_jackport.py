"""Messages through JACK leave on their frames, in order, and not after a panic; with a fake server and a real one."""

from __future__ import annotations

import os
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise

import pytest
from midi_fake_jack import PERIOD, RATE, FakeServer
from midi_jack import package_path
from midi_takes import make_bar, make_take, whole_note

from brainmidi.errors import MidiError
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.handover import Handover
from brainmidi.midi.jackport import open_jack
from brainmidi.midi.settings import PlayerSettings
from brainmidi.types import Note

ON, OFF, CLOCK = (0x90, 60, 80), (0x80, 60, 0), (0xF8,)


def opened(server, name=None):
    return open_jack(name, clock=server.clock, jack=server.module)


def test_a_message_leaves_on_the_frame_of_its_time():
    server = FakeServer()
    output = opened(server)
    wanted = [server.clock.now_s() + output.ahead_s + step_s for step_s in (0.0, 0.001, 0.0305)]
    frames = [server.frame(at_s) for at_s in wanted]
    for at_s in wanted:
        output.send(ON, at_s)
    server.cycle(5)
    assert server.messages() == [(frame, ON) for frame in frames]
    assert output.late_frames == [0, 0, 0]


def test_a_message_without_a_time_never_overtakes_one_that_has():
    server = FakeServer()
    output = opened(server)
    output.send(ON, server.clock.now_s() + 0.05)
    output.send(OFF)
    server.cycle(5)
    assert [data for _, data in server.messages()] == [ON, OFF]
    output.send(ON)
    begun = server.frames
    server.cycle()
    assert server.messages()[-1] == (begun, ON), "with nothing waiting it leaves with the next period"


def test_a_message_that_comes_too_late_leaves_at_once_and_is_counted():
    server = FakeServer()
    output = opened(server)
    server.cycle(3)
    output.send(ON, server.clock.now_s() - 0.01)
    begun = server.frames
    server.cycle()
    assert server.messages() == [(begun, ON)]
    assert output.late_frames == [round(0.01 * RATE)]


def test_what_waits_is_taken_back_and_the_clock_goes_on():
    server = FakeServer()
    output = opened(server)
    for step, data in enumerate((ON, CLOCK, OFF)):
        output.send(data, server.clock.now_s() + 0.05 + 0.001 * step)
    assert output.cancel() == 2
    server.cycle(5)
    assert [data for _, data in server.messages()] == [CLOCK]


def test_what_is_sent_after_a_cancel_does_not_wait_behind_the_clock():
    server = FakeServer()
    output = opened(server)
    output.send(CLOCK, server.clock.now_s() + 0.06)
    output.cancel()
    output.send(OFF)
    begun = server.frames
    server.cycle(5)
    assert [data for _, data in server.messages()] == [OFF, CLOCK]
    assert server.messages()[0][0] == begun


def test_a_period_that_is_full_hands_the_rest_to_the_next():
    server = FakeServer(room=2)
    output = opened(server)
    for _ in range(5):
        output.send(ON)
    begun = server.frames
    server.cycle(3)
    assert [frame for frame, _ in server.messages()] == [begun, begun, *[begun + PERIOD] * 2, begun + 2 * PERIOD]


def test_a_server_that_goes_is_said_in_one_line():
    server = FakeServer()
    output = opened(server)
    server.client.shut_down(0, "killed")
    with pytest.raises(MidiError, match=r"JACK has gone \(killed\)"):
        output.send(ON)
    output.close()
    output.close()
    assert server.closed


def test_without_a_server_the_remedy_is_said():
    with pytest.raises(MidiError, match="no JACK server answers; start one"):
        opened(FakeServer(answers=False))


def test_an_existing_port_is_connected_by_part_of_its_name_or_the_known_ones_are_listed():
    server = FakeServer(["daw:track/midi_in 1", "spy:input"])
    assert opened(server, "SPY").port == "spy:input"
    assert server.connected == ["spy:input"]
    with pytest.raises(MidiError, match="known ports are 'daw:track/midi_in 1', 'spy:input'"):
        opened(server, "nope")
    assert server.closed


def test_a_server_that_refuses_a_client_is_asked_again_a_few_times_and_one_that_is_not_there_once():
    assert opened(FakeServer(refusals=3)).port == "brainmidi:out"
    with pytest.raises(MidiError, match="no JACK server answers"):
        opened(FakeServer(refusals=4))
    absent = FakeServer(answers=False)
    began_s = absent.clock.now_s()
    with pytest.raises(MidiError, match="no JACK server answers"):
        opened(absent)
    assert absent.clock.now_s() == began_s


def playing(server, bar, **clock):
    output, settings = opened(server), PlayerSettings(clock=ClockSettings(**clock))
    core, handover = PlayerCore(server.clock, output, settings=settings), Handover({"melody": 1, "accompaniment": 2})
    core.handle(handover.pack(bar, None))
    core.handle({"op": "begin", "at_s": server.clock.now_s() + 0.1})
    return core


def step(server, core, count):
    for _ in range(count):
        core.advance()
        server.cycle()


def test_a_take_through_the_core_leaves_on_its_frames():
    server = FakeServer()
    (bar,) = make_take(1, seed=5)
    core = playing(server, bar)
    begun = server.frame(server.clock.now_s() + 0.1)
    core.handle({"op": "finish", "last": 0})
    step(server, core, 120)
    assert core.done
    sent = core.report()["events"]
    left = [data for _, data in server.messages()]
    assert left[: len(sent)] == [tuple(row[3]) for row in sent]
    assert {data[:2] for data in left[len(sent) :]} == {(0xB0 | each, cc) for each in (0, 1) for cc in (64, 123, 120)}
    assert server.messages()[-1][0] == pytest.approx(begun + 2 * RATE, abs=1), "the bar's end"
    for (frame, _), (numerator, denominator, _, _) in zip(server.messages(), sent, strict=False):
        assert abs(frame - begun - Fraction(numerator, denominator) * RATE / 2) <= 1


@pytest.mark.parametrize("cycles", range(1, 12))
def test_nothing_handed_over_ahead_sounds_after_a_panic_and_the_report_is_what_left(cycles):
    server = FakeServer()
    core = playing(server, whole_note(0))
    step(server, core, cycles)
    core.advance()
    core.stop("asked")
    server.cycle(10)
    left = [data for _, data in server.messages()]
    assert left == [tuple(row[3]) for row in core.report()["events"]]
    struck = sum(data[0] == 0x90 for data in left)
    assert sum(data[0] == 0x80 for data in left) == struck


@pytest.mark.parametrize("asked", ["panic", "stop"])
@pytest.mark.parametrize("cycles", range(1, 40, 2))
def test_with_clock_between_the_notes_a_panic_closes_every_note_and_sends_every_clock_once(asked, cycles):
    server = FakeServer()
    notes = tuple(Note(Fraction(place, 24), Fraction(1, 32), 24 + place, 80) for place in range(96))
    core = playing(server, make_bar(0, notes), send=True)
    core.handle({"op": "finish", "last": 0})
    step(server, core, cycles)
    core.advance()
    core.handle({"op": asked})
    step(server, core, 120)
    left = [data for _, data in server.messages()]
    events = [tuple(row[3]) for row in core.report()["events"]]
    assert [data for data in left if data[0] < 0xF0][: len(events)] == events
    sounding = set()
    for data in left:
        if data[0] & 0xF0 in (0x80, 0x90):
            (sounding.add if data[0] & 0xF0 == 0x90 else sounding.discard)(data[1])
    assert sounding == set()
    if asked == "panic":
        assert left.count(CLOCK) == 96
        frames = [frame for frame, data in server.messages() if data == CLOCK]
        assert all(abs(after - before - RATE / 48) <= 1 for before, after in pairwise(frames))


RECEIVER = """
import sys, time
import jack
from brainmidi.midi.clock import MonotonicClock
from brainmidi.midi.jackport import open_jack

client, got = jack.Client("receiver", no_start_server=True), []
port = client.midi_inports.register("in")

@client.set_process_callback
def process(frames):
    got.extend((client.last_frame_time + offset, bytes(data)[1]) for offset, data in port.incoming_midi_events())

client.activate()
clock, asked = MonotonicClock(), []
output = open_jack("receiver:in")
begun_s = clock.now_s() + 0.2
for place in range(96):
    due_s = begun_s + place / 48
    clock.sleep_until(due_s - output.ahead_s)
    asked.append((output.frame(due_s) % 2**32, place))
    output.send((0x90, place, 80), due_s)
output.close()
client.deactivate()
client.close()
assert [pitch for _, pitch in got] == list(range(96)), got
print(sum(frame == wanted for (frame, _), (wanted, _) in zip(got, asked)))
"""


@pytest.mark.port
def test_a_real_receiver_gets_messages_on_the_frames_that_were_asked_for(jack_server):
    ran = subprocess.run(
        [sys.executable, "-c", RECEIVER],
        env=package_path({**os.environ, **jack_server.environment}),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        timeout=60,
    )
    assert int(ran.stdout) >= 90, "of 96; benchmarks/jack.py measures how many are"

"""What a server or a network has lost is said again when a take is cut off, and only then."""

from __future__ import annotations

import pytest
from midi_jack import open_notes
from midi_takes import make_take

from brainmidi.errors import MidiError
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.handover import Handover
from brainmidi.midi.ledger import Ledger
from brainmidi.midi.player import _release
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.timetable import DEFAULT_CHANNELS
from brainmidi.midi.twice import OffTwice

LONGEST_PERIOD_S = 4096 / 44100
CUT_S = 1.3


class Losing(RecordingOutput):
    """An output of a server that loses the one period that begins at `from_s`."""

    def __init__(self, clock, from_s):
        super().__init__()
        self.clock, self.from_s = clock, from_s

    def send(self, data, at_s=None):
        if not self.from_s <= self.clock.now_s() < self.from_s + LONGEST_PERIOD_S:
            super().send(data, at_s)


def cut_short(tmp_path, make_output, cut_off=True):
    """Play until the middle of a bar, release the player, and return its output."""
    clock = VirtualClock()
    output = make_output(clock)
    twice = OffTwice(output)
    core = PlayerCore(clock, twice)
    core.handle(Handover(DEFAULT_CHANNELS).pack(make_take(1, seed=3, notes_per_part=24)[0], None))
    core.handle({"op": "begin", "at_s": 0.0})
    while (deadline_s := core.deadline_s) is not None and deadline_s < CUT_S:
        clock.sleep_until(deadline_s)
        core.advance()
    clock.sleep_until(CUT_S)
    _release(core, clock, twice, Ledger("port", tmp_path), cut_off=cut_off)
    return output


@pytest.mark.parametrize("early_s", [0.0, 0.05, 0.2, 0.5, 1.0, -0.05, -0.1])
def test_a_period_that_is_lost_at_any_time_leaves_no_note_open(tmp_path, early_s):
    output = cut_short(tmp_path, lambda clock: Losing(clock, CUT_S - early_s))
    assert any(data[0] & 0xF0 == 0x90 for data in output.sent)
    assert open_notes(output.sent) == set()
    assert (0xB0, 123, 0) in output.sent


def test_a_take_that_the_composer_ends_is_silenced_once(tmp_path):
    sent = cut_short(tmp_path, lambda clock: RecordingOutput(), cut_off=False).sent
    assert sent.count((0xB0, 123, 0)) == 1


def test_nothing_is_said_where_nothing_was_struck():
    output = RecordingOutput()
    twice = OffTwice(output)
    twice.send((0xB0, 21, 64))
    assert not twice.struck
    twice.off_again()
    assert output.sent == [(0xB0, 21, 64)]


def test_every_key_struck_is_let_go_again_on_its_channel():
    output = RecordingOutput()
    twice = OffTwice(output)
    struck = [(0x90, 60, 80), (0x80, 60, 0), (0x99, 36, 90)]
    for data in struck:
        twice.send(data)
    twice.off_again()
    channels = [[(0xB0 | channel, number, 0) for number in (64, 123, 120)] for channel in (0, 9)]
    assert output.sent == [*struck, (0x80, 60, 0), (0x89, 36, 0), *channels[0], *channels[1]]


def test_an_output_that_fails_is_closed_all_the_same(tmp_path):
    class Failing(RecordingOutput):
        closed = False

        def send(self, data, at_s=None):
            if any(sent[1:] == (120, 0) for sent in self.sent):
                raise MidiError("the server has gone")
            super().send(data, at_s)

        def close(self):
            self.closed = True

    assert cut_short(tmp_path, lambda clock: Failing()).closed

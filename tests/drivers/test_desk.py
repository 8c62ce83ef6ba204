from __future__ import annotations

from fractions import Fraction

import pytest

from brainmidi.drivers.desk import Desk
from brainmidi.drivers.faders import FaderRule, Faders
from brainmidi.midi.handover import PlayerNotice
from brainmidi.types import ControlFrame, MidiEvent


def frame(**knobs):
    return ControlFrame(time_s=0.0, knobs={**ControlFrame.neutral(0.0).knobs, **knobs})


def test_a_fader_that_has_not_moved_has_no_say():
    faders = Faders({"density": FaderRule(7)})
    assert faders.apply(frame(density=0.9)) == frame(density=0.9)


def test_a_fader_takes_a_knob_over_from_the_moment_it_moves():
    faders = Faders({"density": FaderRule(7, channel=2)})
    faders.take((0xB0, 7, 127))
    assert faders.apply(frame(density=0.25)).knobs["density"] == 0.25, "another channel"
    faders.take((0xB1, 7, 127))
    assert faders.apply(frame(density=0.25, tempo=0.75)).knobs == frame(density=1.0, tempo=0.75).knobs


@pytest.mark.parametrize(("value", "position"), [(127, 0.9), (0, 0.5)])
def test_a_fader_says_how_far_the_brain_may_move_a_knob_from_its_middle(value, position):
    faders = Faders({"tempo": FaderRule(8, "scale")})
    faders.take((0xB5, 8, value))
    assert faders.apply(frame(tempo=0.9)).knobs["tempo"] == pytest.approx(position)


def test_notes_move_no_fader():
    faders = Faders({"tempo": FaderRule(8)})
    faders.take((0x90, 8, 1))
    assert faders.apply(frame(tempo=0.9)) == frame(tempo=0.9)


def test_what_is_played_along_is_kept_with_its_beat():
    desk = Desk()
    messages = [(0x90, 60, 80), (0xB0, 64, 127), (0x90, 60, 0), (0x80, 61, 0)]
    for place, data in enumerate(messages):
        desk.take(PlayerNotice("heard", 0, 1.0, data=data, beat=Fraction(place)))
    desk.take(PlayerNotice("heard", -1, 0.0, data=(0x90, 70, 1)))
    assert desk.performed == [
        MidiEvent(Fraction(place), rank, data)
        for place, (rank, data) in enumerate(zip((2, 1, 0, 0), messages, strict=True))
    ]


def test_a_capture_is_asked_for_once_and_every_key_is_answered_in_words():
    said = []
    desk = Desk(say=said.append)
    for notice in ("capture", "panic", "hold", "started"):
        desk.take(PlayerNotice(notice, 3, detail="on"))
    desk.take(PlayerNotice("input", -1, detail="input pads is open"))
    assert (desk.captures(), desk.captures()) == ([3], [])
    assert said == ["panic: every note is off", "this bar is held", "input pads is open"]

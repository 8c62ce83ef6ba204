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


def test_a_released_fader_has_no_say_until_it_moves_again():
    faders = Faders({"density": FaderRule(7), "tempo": FaderRule(8, "scale"), "velocity": FaderRule(9)})
    assert faders.take((0xB0, 7, 127)) == ("density",)
    assert faders.take((0xB0, 7, 126)) == ()
    assert faders.take((0xB0, 8, 0)) == ("tempo",)
    assert faders.release() == ("density", "tempo")
    assert faders.apply(frame(density=0.25, tempo=0.9)) == frame(density=0.25, tempo=0.9)
    assert faders.take((0xB0, 7, 0)) == ("density",)
    assert faders.apply(frame(density=0.25)).knobs["density"] == 0.0


def test_a_fader_that_picks_up_has_no_say_until_it_comes_to_the_knob_from_either_side():
    faders = Faders({"density": FaderRule(7, pickup=True)})
    for values in ((10, 20, 90), (120, 100, 40)):
        faders.apply(frame(density=0.5))
        assert [faders.take((0xB0, 7, value)) for value in values[:2]] == [(), ()]
        assert faders.apply(frame(density=0.5)).knobs["density"] == 0.5
        assert faders.take((0xB0, 7, values[2])) == ("density",)
        assert faders.apply(frame(density=0.5)).knobs["density"] == values[2] / 127
        faders.release()
        faders.take((0xB0, 7, 121))


def test_a_scale_that_picks_up_waits_for_the_top_where_the_brain_moves_freely():
    faders = Faders({"tempo": FaderRule(8, "scale", pickup=True)})
    assert faders.take((0xB0, 8, 20)) == ()
    assert faders.apply(frame(tempo=0.9)).knobs["tempo"] == 0.9
    assert faders.take((0xB0, 8, 127)) == ("tempo",)
    faders.take((0xB0, 8, 0))
    assert faders.apply(frame(tempo=0.9)).knobs["tempo"] == 0.5


def test_the_desk_says_which_fader_has_a_knob_and_who_has_it_after_a_release():
    said = []
    desk = Desk({"density": FaderRule(7)}, say=said.append)
    for value in (5, 6):
        desk.take(PlayerNotice("heard", 0, 1.0, data=(0xB0, 7, value)))
    desk.take(PlayerNotice("release", 1))
    desk.release()
    assert said == ["your fader has density now; f gives it back", "the brain has density again", "no fader has a say"]
    assert desk.faders.apply(frame(density=0.5)) == frame(density=0.5)


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

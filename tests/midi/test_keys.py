from __future__ import annotations

import pytest

from brainmidi.midi.keys import Key, Keys


def test_a_note_asks_each_time_it_is_struck_and_is_played_by_nobody():
    keys = Keys({"capture": Key(note=22)})
    assert keys.take((0x90, 22, 100)) == ("capture", None)
    assert keys.take((0x80, 22, 0)) == ("", None)
    assert keys.take((0x90, 22, 0)) == ("", None)
    assert keys.take((0x95, 22, 1)) == ("capture", None)
    assert keys.take((0x90, 23, 100)) is None
    assert keys.take((0xB0, 22, 127)) is None


def test_a_pedal_is_pressed_and_let_go_once_however_often_it_says_so():
    keys = Keys({"hold": Key(cc=64)})
    answers = [keys.take((0xB0, 64, value)) for value in (0, 64, 127, 63, 0)]
    assert answers == [("", None), ("hold", True), ("", None), ("hold", False), ("", None)]


@pytest.mark.parametrize(("channel", "meant"), [(0, True), (3, True), (4, False)])
def test_a_key_may_keep_to_a_channel(channel, meant):
    assert (Keys({"panic": Key(note=1, channel=channel)}).take((0x92, 1, 9)) is not None) == meant


def test_a_programme_change_is_no_key():
    assert Keys({"panic": Key(note=5)}).take((0xC0, 5)) is None

"""CoreMIDI, Windows and ALSA through a fake rtmidi: our side of those systems runs here, the systems do not.

We ran none of these on a Mac, on Windows or on ALSA's sequencer. Tested is which calls we make and what we say.
"""

from __future__ import annotations

import queue
import subprocess
import sys
from types import SimpleNamespace

import pytest

from brainmidi.errors import MidiError
from brainmidi.midi import player
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.core import PlayerCore
from brainmidi.midi.handover import Handover
from brainmidi.midi.incoming import MidiInput
from brainmidi.midi.link import PlayerProcess
from brainmidi.midi.ports import list_inputs, list_ports, open_output

NUMBERS = {"CoreMIDI": 1, "ALSA": 2, "Windows MM": 4}
CONSTANTS = {"API_MACOSX_CORE": 1, "API_LINUX_ALSA": 2, "API_UNIX_JACK": 3, "API_WINDOWS_MM": 4}
#: What each system calls the ports that a user may have there.
THERE = {
    "CoreMIDI": ["IAC Driver Bus 1", "Ableton Push 2 Live Port"],
    "ALSA": ["Midi Through:Midi Through Port-0 14:0", "Bitwig Studio:in 128:0"],
    "Windows MM": ["Microsoft GS Wavetable Synth 0", "loopMIDI Port 1"],
}
PLATFORMS = {"CoreMIDI": "darwin", "ALSA": "linux", "Windows MM": "win32"}


class End:
    """A MidiIn or MidiOut of one system."""

    def __init__(self, api, log):
        self.api, self.log, self.opened, self.callback = api, log, None, None

    def get_ports(self):
        return THERE[self.api]

    def is_port_open(self):
        return self.opened is not None

    def open_virtual_port(self, name):
        if self.api == "Windows MM":
            raise NotImplementedError("Virtual ports are not supported by the Windows MultiMedia API.")
        self.opened = name

    def open_port(self, place, name):
        self.opened = THERE[self.api][place]

    def send_message(self, data):
        self.log.append(tuple(data))

    def ignore_types(self, *, sysex, timing, active_sense):
        assert not timing, "the clock would be dropped"

    def set_callback(self, callback):
        self.callback = callback

    def cancel_callback(self):
        self.callback = None

    def close_port(self):
        self.opened = None

    def delete(self):
        self.callback = None


class System(SimpleNamespace):
    """python-rtmidi as it is compiled for one system, with what it sent and what it made."""

    def __init__(self, api):
        super().__init__(**CONSTANTS, api=api, sent=[], made=[])

    def get_compiled_api(self):
        return [NUMBERS[self.api]]

    def _make(self, number, client):
        assert number == NUMBERS[self.api]
        end = End(self.api, self.sent)
        self.made.append(end)
        return end

    MidiOut = MidiIn = _make


@pytest.fixture(params=sorted(NUMBERS))
def system(request, monkeypatch):
    monkeypatch.setattr(sys, "platform", PLATFORMS[request.param])
    return System(request.param)


def test_a_virtual_port_or_the_remedy(system):
    output = open_output(rtmidi=system)
    if system.api == "Windows MM":
        assert output.port is None
        assert "loopMIDI" in output.reason
    else:
        assert (output.port, output.api, output.reason) == ("brainmidi:out", system.api, None)
        # CoreMIDI shows a source by its port's name alone
        assert system.made[-1].opened == ("brainmidi:out" if system.api == "CoreMIDI" else "out")


@pytest.mark.parametrize(("part", "found"), [("iac", 0), ("PUSH", 1), ("through", 0), ("bitwig", 1), ("loopmidi", 1)])
def test_an_existing_port_by_part_of_its_name(system, part, found):
    names = THERE[system.api]
    if not any(part.lower() in name.lower() for name in names):
        with pytest.raises(MidiError, match="known ports are"):
            open_output(part, rtmidi=system)
    else:
        assert open_output(part, rtmidi=system).port == names[found]


def test_ports_are_listed_both_ways_as_the_system_spells_them(system):
    assert list_ports(rtmidi=system) == list_inputs(rtmidi=system) == THERE[system.api]


def test_a_take_and_its_panic_reach_the_system_in_order(system):
    from midi_takes import whole_note

    clock = VirtualClock()
    name = "loopMIDI" if system.api == "Windows MM" else None
    core, handover = PlayerCore(clock, open_output(name, clock=clock, rtmidi=system)), Handover({"melody": 1})
    core.handle(handover.pack(whole_note(0), None))
    core.handle({"op": "begin", "at_s": 1.0})
    clock.sleep_until(1.5)
    core.advance()
    core.stop("asked")
    panic = [(0xB0, controller, 0) for controller in (64, 123, 120)]
    assert system.sent == [(0x90, 60, 80), (0x80, 60, 0), *panic]


def test_what_comes_in_is_stamped_when_it_arrives(system):
    clock, heard = VirtualClock(7.0), []
    name = THERE[system.api][1]
    incoming = MidiInput(
        name, lambda data, at_s: heard.append((data, at_s)), lambda line: None, clock=clock, rtmidi=system
    )
    incoming.look()
    assert incoming.port == name
    (listener,) = [end for end in system.made if end.callback is not None]
    listener.callback(([0xF8], 0.02))
    assert heard == [((0xF8,), 7.0)]
    incoming.close()


def test_on_windows_the_player_has_a_console_of_its_own_that_no_closing_window_takes_with_it(monkeypatch):
    class Asked(Exception):
        pass

    def popen(command, *, creationflags, **options):
        raise Asked(creationflags)

    for name, value in (("CREATE_NO_WINDOW", 0x08000000), ("HIGH_PRIORITY_CLASS", 0x80)):
        monkeypatch.setattr(subprocess, name, value, raising=False)
    monkeypatch.setattr(subprocess, "Popen", popen)
    with pytest.raises(Asked) as asked:
        PlayerProcess.start()
    assert asked.value.args == (0x08000080,)


class WindowsSignals:
    """What the module signal has there: no SIGHUP, and SIGBREAK for Ctrl-Break and for a window that closes."""

    SIGINT, SIGTERM, SIGBREAK, SIG_IGN = 2, 15, 21, 1

    def __init__(self):
        self.handlers = {}

    def signal(self, number, handler):
        self.handlers[number] = handler


def test_on_windows_ctrl_break_ends_the_player_as_sigterm_does(monkeypatch):
    there, inbox = WindowsSignals(), queue.SimpleQueue()
    monkeypatch.setattr(player, "signal", there)
    player._listen_to_signals(inbox)
    there.handlers[there.SIGBREAK](there.SIGBREAK, None)
    assert inbox.get_nowait() == player._Gone("the player was told to end (signal 21)")

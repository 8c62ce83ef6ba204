"""Inputs come and go through a fake rtmidi; CoreMIDI, Windows and ALSA were not run."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from brainmidi.errors import MidiError
from brainmidi.midi import player
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.incoming import MidiInput
from brainmidi.midi.ports import list_inputs
from brainmidi.midi.settings import PlayerSettings

CORE, ALSA, JACK, WINDOWS = 1, 2, 3, 4


class System:
    """A MIDI system whose ports the test plugs in and out."""

    def __init__(self, *ports, virtual=None, opening=None, named=None):
        self.ports, self.virtual, self.opening, self.named = list(ports), virtual, opening, named
        self.clients, self.ends = [], []


class Looking:
    """The other kind of end, which sees our virtual input and that of another brainmidi."""

    def __init__(self, system):
        self.system = system

    def get_ports(self):
        come = [self.system.named] if any(end.opened for end in self.system.ends) else []
        return ["brainmidi-in:in", *come]

    def delete(self):
        pass


class FakeMidiIn:
    def __init__(self, system, client):
        system.clients.append(client)
        system.ends.append(self)
        self.system, self.opened, self.deleted, self.callback, self.types = system, None, False, None, None

    def get_ports(self):
        assert not self.deleted
        return list(self.system.ports)

    def ignore_types(self, **types):
        self.types = types

    def set_callback(self, callback):
        self.callback = callback

    def cancel_callback(self):
        self.callback = None

    def open_virtual_port(self, name):
        if self.system.virtual is not None:
            raise self.system.virtual
        self.opened = name

    def open_port(self, place, name):
        if self.system.opening is not None:
            raise self.system.opening
        self.opened = self.system.ports[place]

    def close_port(self):
        self.opened = None

    def delete(self):
        self.deleted = True


def fake_rtmidi(**systems):
    numbers = {"core": CORE, "alsa": ALSA, "jack": JACK, "windows": WINDOWS}
    answers = {numbers[name]: answer for name, answer in systems.items()}

    def midi_in(number, client):
        if isinstance(answers[number], Exception):
            raise answers[number]
        return FakeMidiIn(answers[number], client)

    def midi_out(number, client):
        if isinstance(answers[number], Exception):
            raise answers[number]
        return Looking(answers[number])

    return SimpleNamespace(
        API_MACOSX_CORE=CORE,
        API_LINUX_ALSA=ALSA,
        API_UNIX_JACK=JACK,
        API_WINDOWS_MM=WINDOWS,
        get_compiled_api=lambda: sorted(answers),
        MidiIn=midi_in,
        MidiOut=midi_out,
    )


class Ear:
    def __init__(self, name, **systems):
        self.heard, self.said, self.clock = [], [], VirtualClock(5.0)
        self.input = MidiInput(
            name,
            lambda data, time_s: self.heard.append((data, time_s)),
            self.said.append,
            clock=self.clock,
            rtmidi=fake_rtmidi(**systems),
        )
        self.input.look()


@pytest.mark.parametrize(
    ("kind", "opened", "client", "port"),
    [
        ("core", "brainmidi:in", "brainmidi", "brainmidi:in"),
        ("alsa", "in", "brainmidi", "brainmidi:in"),
        ("jack", "in", "brainmidi-in", "brainmidi-in:in"),
    ],
)
def test_a_virtual_input_has_a_fixed_name_in_every_system(kind, opened, client, port):
    system = System()
    ear = Ear(None, **{kind: system})
    assert (ear.input.port, system.ends[0].opened, system.clients) == (port, opened, [client])
    assert ear.said == []


def test_the_second_of_two_says_which_name_jack_gave_it():
    assert Ear(None, jack=System(named="brainmidi-in-01:in")).input.port == "brainmidi-in-01:in"


def test_a_message_is_stamped_when_it_arrives_and_clock_is_wanted():
    system = System()
    ear = Ear(None, alsa=system)
    ear.clock.sleep_until(7.5)
    system.ends[0].callback(([0x90, 60, 80], 0.1))
    assert ear.heard == [((0x90, 60, 80), 7.5)]
    assert system.ends[0].types["timing"] is False


#: None of them is a message: cut short, too long, without a status, a status for data, undefined.
BROKEN = [(), (0x90, 60), (0xB0,), (0xF2, 1), (0xF8, 0), (0x40, 1, 2), (0x90, 60, 0x80), (0xF4,), (0xF0, 1, 0xF7)]


@pytest.mark.parametrize("data", BROKEN)
def test_what_is_no_message_is_not_heard(data):
    system = System()
    ear = Ear(None, alsa=system)
    system.ends[0].callback((list(data), 0.1))
    system.ends[0].callback(([0xC0, 60], 0.1))
    assert [heard for heard, _ in ear.heard] == [(0xC0, 60)]


def test_windows_has_no_virtual_input_and_says_so():
    system = System(virtual=NotImplementedError())
    ear = Ear(None, windows=system)
    assert ear.input.port is None
    assert ear.input.reason.startswith("no virtual input (Windows MM: no virtual ports on this system")
    assert "create one in loopMIDI and name it with --input" in ear.input.reason
    ear.input.close()
    assert all(end.deleted for end in system.ends)


def test_without_a_midi_system_the_reason_is_one_line():
    refusal = OSError("MidiInAlsa::initialize: error creating ALSA sequencer client object.")
    assert Ear(None, alsa=refusal).input.reason == (
        "no virtual input (ALSA: error creating ALSA sequencer client object)"
    )


def test_an_input_that_appears_later_is_opened_when_it_does_and_again_when_it_is_back():
    system = System("Midi Through 14:0")
    ear = Ear("nanokontrol", alsa=system)
    assert ear.input.port is None
    assert ear.input.reason == "port 'nanokontrol' is not there yet"
    system.ports.append("nanoKONTROL2 24:0")
    ear.input.look()
    assert ear.input.port == "nanoKONTROL2 24:0"
    system.ports.remove("nanoKONTROL2 24:0")
    ear.input.look()
    assert (ear.input.port, system.ends[0].opened) == (None, None)
    system.ports.append("nanoKONTROL2 24:0")
    ear.input.look()
    ear.input.look()
    assert ear.input.port == "nanoKONTROL2 24:0"
    assert ear.said == [
        "input nanoKONTROL2 24:0 is open",
        "input nanoKONTROL2 24:0 has gone; it is opened again when it comes back",
        "input nanoKONTROL2 24:0 is open",
    ]
    assert len(system.ends) == 1, "to make a client holds up the notes"
    ear.input.close()
    ear.input.close()
    assert all(end.deleted for end in system.ends)


def test_an_input_is_found_in_any_system_and_one_that_cannot_be_opened_is_tried_again():
    jack = System("pads:out", opening=RuntimeError("busy"))
    ear = Ear("pads", alsa=System(), jack=jack)
    assert ear.input.port is None
    assert "JACK: busy" in ear.input.reason
    jack.opening = None
    ear.input.look()
    assert ear.input.port == "pads:out"


def test_a_named_input_is_looked_for_by_the_thread_that_made_its_client_as_core_midi_wants_it():
    system, listings, twice = System("nano"), [], threading.Event()

    class Listing(list):
        def __iter__(self):
            listings.append(threading.current_thread().name)
            if len(listings) == 3:
                twice.set()
            return super().__iter__()

    system.ports = Listing(system.ports)
    rtmidi = fake_rtmidi(core=system)
    make, made_by = rtmidi.MidiIn, []
    rtmidi.MidiIn = lambda *wanted: made_by.append(threading.current_thread().name) or make(*wanted)
    midi_in = MidiInput("nano", lambda data, time_s: None, lambda line: None, rtmidi=rtmidi)
    midi_in.start()
    assert midi_in.port == "nano"
    assert twice.wait(20.0)
    midi_in.close()
    assert {*listings, *made_by} == {"input"}


def test_the_players_input_is_opened_before_its_output_since_the_first_client_is_told_of_changes(monkeypatch):
    order = []
    incoming = SimpleNamespace(start=lambda: order.append("in"), close=lambda: order.append("closed"))
    monkeypatch.setattr(player, "MidiInput", lambda *wanted: incoming)
    monkeypatch.setattr(player, "open_output", lambda name, backend: order.append("out"))
    assert player._open_ports(PlayerSettings(input="nano"), print, print)[1] is incoming
    assert order == ["in", "out"]

    def missing(name, backend):
        raise MidiError("no such port")

    monkeypatch.setattr(player, "open_output", missing)
    with pytest.raises(MidiError):
        player._open_ports(PlayerSettings(input="nano", port="synth"), print, print)
    assert order[2:] == ["in", "closed"]


def test_inputs_are_listed_from_every_system():
    alsa, jack = System("a"), System("b", "c")
    assert list_inputs(rtmidi=fake_rtmidi(alsa=alsa, jack=jack)) == ["a", "b", "c"]
    assert all(end.deleted for end in (*alsa.ends, *jack.ends))

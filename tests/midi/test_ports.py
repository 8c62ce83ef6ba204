"""The paths of systems that we do not have run here through a fake rtmidi; they were not run on those systems."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest

from brainmidi.errors import MidiError
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.ports import NullOutput, lasting_name, list_ports, open_output

CORE, ALSA, JACK, WINDOWS = 1, 2, 3, 4


class Looking:
    """The other kind of end, which sees our virtual output and that of another brainmidi."""

    def __init__(self, system):
        self.system = system

    def get_ports(self):
        return ["brainmidi:out", self.system.named] if self.system.opened else ["brainmidi:out"]

    def delete(self):
        pass


class FakeMidiOut:
    def __init__(self, ports=(), virtual=None, named=None):
        self.ports, self.virtual, self.named = list(ports), virtual, named
        self.opened, self.deleted, self.sent = None, False, []

    def get_ports(self):
        return self.ports

    def is_port_open(self):
        return self.opened is not None

    def open_virtual_port(self, name):
        if self.virtual is not None:
            raise self.virtual
        self.opened = name

    def open_port(self, place, name):
        self.opened = self.ports[place]

    def send_message(self, data):
        if self.deleted:
            raise OSError("gone")
        self.sent.append(tuple(data))

    def close_port(self):
        self.opened = None

    def delete(self):
        self.deleted = True


def fake_rtmidi(**systems):
    """Return a module of whose systems each either answers with a FakeMidiOut or raises."""
    numbers = {"core": CORE, "alsa": ALSA, "jack": JACK, "windows": WINDOWS}
    answers = {numbers[name]: answer for name, answer in systems.items()}

    def midi_out(number, client):
        assert client == "brainmidi"
        if isinstance(answers[number], Exception):
            raise answers[number]
        return answers[number]

    def midi_in(number, client):
        if isinstance(answers[number], Exception):
            raise answers[number]
        return Looking(answers[number])

    return SimpleNamespace(
        API_MACOSX_CORE=CORE,
        API_LINUX_ALSA=ALSA,
        API_UNIX_JACK=JACK,
        API_WINDOWS_MM=WINDOWS,
        get_compiled_api=lambda: sorted(answers, reverse=True),
        MidiOut=midi_out,
        MidiIn=midi_in,
    )


NO_SEQUENCER = OSError("MidiOutAlsa::initialize: error creating ALSA sequencer client object.")
NO_SERVER = OSError("MidiOutJack::initialize: JACK server not running?")


def test_alsa_comes_before_jack():
    alsa, jack = FakeMidiOut(), FakeMidiOut()
    output = open_output(rtmidi=fake_rtmidi(alsa=alsa, jack=jack))
    assert (output.api, output.port, alsa.opened) == ("ALSA", "brainmidi:out", "out")
    assert jack.deleted
    assert not alsa.deleted


def test_jack_is_taken_where_alsa_has_no_sequencer():
    jack = FakeMidiOut()
    output = open_output(rtmidi=fake_rtmidi(alsa=NO_SEQUENCER, jack=jack))
    output.send((0x90, 60, 80))
    assert (output.api, output.reason, jack.sent) == ("JACK", None, [(0x90, 60, 80)])


@pytest.mark.parametrize(("number", "port"), [("brainmidi-01:out", "brainmidi-01:out"), ("synth:out", "brainmidi:out")])
def test_the_second_of_two_says_which_name_jack_gave_it(number, port):
    assert open_output(clock=VirtualClock(), rtmidi=fake_rtmidi(jack=FakeMidiOut(named=number))).port == port


def test_core_midi_shows_the_whole_name_by_the_port_alone():
    core = FakeMidiOut()
    output = open_output(rtmidi=fake_rtmidi(core=core))
    assert (output.port, core.opened) == ("brainmidi:out", "brainmidi:out")


def test_without_a_midi_system_the_take_goes_nowhere_and_the_reason_is_one_line(monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    output = open_output(rtmidi=fake_rtmidi(alsa=NO_SEQUENCER, jack=NO_SERVER))
    assert isinstance(output, NullOutput)
    assert output.reason == (
        "no MIDI system answers (ALSA: error creating ALSA sequencer client object; JACK: JACK server not running); "
        "load ALSA's sequencer (modprobe snd-seq) or start a JACK server (jackd -d dummy), then run again"
    )


def test_on_windows_the_remedy_is_loopmidi(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    windows = FakeMidiOut(["Microsoft GS Wavetable Synth 0"], virtual=NotImplementedError())
    output = open_output(rtmidi=fake_rtmidi(windows=windows))
    assert output.port is None
    assert output.reason is not None
    assert "no virtual ports on this system" in output.reason
    assert "loopMIDI" in output.reason
    assert windows.deleted


def test_a_missing_libasound_is_named(monkeypatch):
    class Finder:
        def find_spec(self, name, path=None, target=None):
            if name == "rtmidi":
                raise ImportError("libasound.so.2: cannot open shared object file: No such file or directory")

    monkeypatch.delitem(sys.modules, "rtmidi", raising=False)
    monkeypatch.setattr(sys, "meta_path", [Finder(), *sys.meta_path])
    reason = open_output().reason
    assert reason is not None
    assert "libasound.so.2: apt-get install libasound2" in reason
    assert list_ports() == []


def test_an_existing_port_is_found_by_part_of_its_name_in_any_system():
    jack = FakeMidiOut(["ardour:MIDI 1/midi_in 1", "spy:input"])
    output = open_output("SPY", rtmidi=fake_rtmidi(alsa=FakeMidiOut(["Midi Through 14:0"]), jack=jack))
    assert (output.port, output.api, jack.opened) == ("spy:input", "JACK", "spy:input")


def test_an_exact_name_wins_over_a_longer_one_that_holds_it():
    alsa = FakeMidiOut(["loop 10", "loop 1"])
    assert open_output("loop 1", rtmidi=fake_rtmidi(alsa=alsa)).port == "loop 1"


def test_a_port_that_does_not_exist_is_an_error_that_lists_the_known_ones():
    alsa = FakeMidiOut(["Midi Through 14:0", "Synth 20:0"])
    with pytest.raises(MidiError, match=r"'nope' does not exist, known ports are 'Midi Through 14:0', 'Synth 20:0'"):
        open_output("nope", rtmidi=fake_rtmidi(alsa=alsa, jack=NO_SERVER))
    assert alsa.deleted


def test_a_named_port_without_any_midi_system_is_an_error_with_the_remedy():
    with pytest.raises(MidiError, match=r"known ports are none; no MIDI system answers"):
        open_output("nope", rtmidi=fake_rtmidi(alsa=NO_SEQUENCER, jack=NO_SERVER))


def test_ports_are_listed_from_every_system_and_all_are_let_go():
    alsa, jack = FakeMidiOut(["a"]), FakeMidiOut(["b", "c"])
    assert list_ports(rtmidi=fake_rtmidi(alsa=alsa, jack=jack)) == ["a", "b", "c"]
    assert alsa.deleted
    assert jack.deleted


def test_a_system_that_refuses_a_message_is_named():
    alsa = FakeMidiOut()
    output = open_output(rtmidi=fake_rtmidi(alsa=alsa))
    alsa.deleted = True
    with pytest.raises(MidiError, match=r"ALSA refused a message for port brainmidi:out: gone"):
        output.send((0x90, 60, 80))


def test_closing_twice_is_allowed():
    output = open_output(rtmidi=fake_rtmidi(alsa=FakeMidiOut()))
    output.close()
    output.close()


def test_a_jack_port_stays_until_its_readers_have_read_the_last_period():
    clock, jack = VirtualClock(), FakeMidiOut()
    open_output(clock=clock, rtmidi=fake_rtmidi(jack=jack)).close()
    assert clock.now_s() > 2 * 4096 / 44100
    assert jack.deleted


@pytest.mark.parametrize(
    ("api", "today", "tomorrow"),
    [
        ("ALSA", "nano:nano MIDI 1 24:0", "nano:nano MIDI 1 28:0"),
        ("Windows MM", "loopMIDI Port 1", "loopMIDI Port 2"),
        ("JACK", "brainmidi:out", "brainmidi-01:out"),
    ],
)
def test_a_port_is_known_again_though_the_system_numbers_it_anew(api, today, tomorrow):
    assert lasting_name(today, api) == lasting_name(tomorrow, api)


@pytest.mark.parametrize(
    ("api", "one", "other"),
    [
        ("ALSA", "nano:nano MIDI 1 24:0", "nano:nano MIDI 2 24:1"),
        ("CoreMIDI", "IAC Bus 1", "IAC Bus 2"),
        ("JACK", "system:midi_playback_1", "system:midi_playback_2"),
        ("JACK", "synth-01:in", "synth-02:in"),
    ],
)
def test_ports_that_differ_are_told_apart(api, one, other):
    assert lasting_name(one, api) != lasting_name(other, api)

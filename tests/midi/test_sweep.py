from __future__ import annotations

import io
import signal
import sys
from itertools import pairwise

import pytest
from typer.testing import CliRunner

from brainmidi.cli.main import app
from brainmidi.errors import ConfigError
from brainmidi.midi.clock import VirtualClock
from brainmidi.midi.controls_out import MOST_CONTROLS, ControlRule
from brainmidi.midi.ports import RecordingOutput
from brainmidi.midi.sweep import sweep


def test_a_sweep_goes_up_and_down_and_comes_to_rest():
    clock, output = VirtualClock(), RecordingOutput()
    sweep(ControlRule("sweep", 16, number=21), 2.0, output, clock)
    values = [data[2] for data in output.sent]
    assert {data[:2] for data in output.sent} == {(0xBF, 21)}
    assert (values[0], max(values), values[-1]) == (0, 127, 0)
    top = values.index(127)
    assert all(one <= other for one, other in pairwise(values[: top + 1]))
    assert all(one >= other for one, other in pairwise(values[top:]))
    assert clock.now_s() == pytest.approx(2.0)


@pytest.mark.parametrize("kind", ["nrpn", "bend", "pressure"])
def test_a_sweep_keeps_to_what_a_cable_carries(kind):
    output = RecordingOutput()
    assert sweep(ControlRule("sweep", 1, kind, bits=14), 10.0, output, VirtualClock()) <= 10 * MOST_CONTROLS + 4


def test_a_bend_is_straightened_even_where_the_sweep_is_interrupted():
    output = RecordingOutput()

    class Interrupted(VirtualClock):
        def sleep_until(self, deadline_s):
            if deadline_s > 0.5:
                raise KeyboardInterrupt
            super().sleep_until(deadline_s)

    with pytest.raises(KeyboardInterrupt):
        sweep(ControlRule("sweep", 1, "bend"), 10.0, output, Interrupted())
    assert output.sent[-1] == (0xE0, 0, 64)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "one of --cc, --nrpn, --bend, --pressure is needed, none given"),
        (["--cc", "1", "--bend"], "--cc, --bend given"),
        (["--cc", "120"], "--cc 120 is outside 0..119"),
        (["--cc", "32", "--bits", "14"], "--cc 32 is outside 0..31"),
        (["--nrpn", "16384"], "outside 0..16383"),
        (["--cc", "1", "--bits", "8"], "7 or 14"),
        (["--bend", "--bits", "14"], "--bits 14 has no meaning with --bend"),
        (["--cc", "1", "--channel", "17"], "outside 1..16"),
        (["--cc", "1", "--seconds", "0"], "outside 1..600"),
        (["--cc", "1", "--port", "a", "--network", "1"], "exclude each other"),
    ],
)
def test_a_sweep_that_cannot_be_is_refused_in_one_line(arguments, words):
    result = CliRunner().invoke(app, ["sweep", *arguments], standalone_mode=False)
    assert isinstance(result.exception, ConfigError)
    assert words in str(result.exception)
    assert "\n" not in str(result.exception)


class Port(RecordingOutput):
    """A port that ends the program, as another process would, once it was sent enough."""

    def __init__(self, signals):
        super().__init__()
        self.port = "brainmidi:out"
        self._signals = dict(signals)

    def send(self, data, at_s=None):
        super().send(data, at_s)
        if number := self._signals.pop(len(self.sent), None):
            signal.raise_signal(number)


@pytest.fixture
def _hears_ctrl_c():
    """Let Ctrl-C interrupt, as in a terminal: a shell that starts the tests in the background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_hears_ctrl_c")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)])
def test_a_sweep_goes_on_until_it_is_ended_and_straightens_the_bend_whoever_ends_it(monkeypatch, number):
    output, before = Port({30: number}), signal.getsignal(number)
    monkeypatch.setattr("brainmidi.midi.ports.open_output", lambda name: output)
    result = CliRunner().invoke(app, ["sweep", "--bend"], standalone_mode=False)
    assert result.exception is None
    assert "until Ctrl-C" in result.output
    assert (len(output.sent), output.sent[-1]) == (31, (0xEF, 0, 64))
    assert signal.getsignal(number) is before


@pytest.mark.usefixtures("_hears_ctrl_c")
@pytest.mark.parametrize(("option", "asked"), [("--wait", True), ("--no-wait", False)])
def test_in_a_terminal_nothing_moves_before_enter(monkeypatch, capsys, option, asked):
    output, pressed = Port({3: signal.SIGINT}), []

    class Terminal(io.StringIO):
        def isatty(self):
            return True

        def readline(self, size=-1):
            pressed.append(len(output.sent))
            return "\n"

    monkeypatch.setattr("brainmidi.midi.ports.open_output", lambda name: output)
    monkeypatch.setattr(sys, "stdin", Terminal())
    app(["sweep", "--cc", "21", option], standalone_mode=False)
    assert pressed == ([0] if asked else [])
    assert ("press Enter" in capsys.readouterr().out) == asked
    assert output.sent[-1] == (0xBF, 21, 0)

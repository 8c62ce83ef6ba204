"""The doctor at a real port."""

from __future__ import annotations

import pytest

from brainmidi.cli.main import main


@pytest.mark.port
def test_ports_open_both_ways_and_the_timing_is_drawn(jack_server, monkeypatch, capsys):
    for name, value in jack_server.environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit):
        main(["doctor", "--seconds", "2", "--no-models"])
    out = capsys.readouterr().out
    assert "output brainmidi:out opens (JACK)" in out
    assert "input brainmidi-in:in opens" in out
    assert "192 messages to brainmidi:out" in out
    assert "< 0.05 ms" in out

"""``brainmidi doctor``: what it prints, its exit code, and that a machine without MIDI is told how to get it."""

from __future__ import annotations

import json

import pytest

from brainmidi.cli.doctor import _verdict
from brainmidi.cli.main import main
from brainmidi.drivers.doctor import Finding


def run(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main(["doctor", "--seconds", "0", "--no-models", *arguments])
    return end.value.code, capsys.readouterr().out


def test_json_holds_every_finding_and_the_exit_code_says_whether_all_is_well(capsys):
    code, out = run(capsys, "--json")
    plain = json.loads(out)
    assert code == (0 if plain["well"] else 1)
    assert {finding["area"] for finding in plain["findings"]} >= {"python", "disk", "midi", "models"}
    assert all(finding["remedy"] for finding in plain["findings"] if finding["state"] == "problem")


def test_a_port_that_is_not_there_is_a_problem_in_words(capsys):
    code, out = run(capsys, "--port", "no such port")
    assert code == 1
    assert "problem midi" in out
    assert "'no such port' does not exist" in out
    assert out.rstrip().endswith("to be put right")


@pytest.mark.parametrize(
    ("states", "line"),
    [
        (("ok",), "everything that a take needs is there"),
        (("ok", "note"), "everything that a take needs is there, with 1 note to look at"),
        (("note", "note"), "everything that a take needs is there, with 2 notes to look at"),
        (("note", "problem"), "1 to be put right"),
    ],
)
def test_the_last_line_does_not_hide_the_notes(states, line):
    assert _verdict([Finding("timing", state, "text") for state in states]) == line

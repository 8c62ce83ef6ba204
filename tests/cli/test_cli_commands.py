"""What the commands do when all is well."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import brainmidi
from brainmidi.cli.init import template
from brainmidi.cli.main import main
from brainmidi.cli.options import Outputs, dated_name, read_config, sort_outputs
from brainmidi.config import SessionConfig

PROGRAM = (sys.executable, "-c", "from brainmidi.cli.main import main; main()")


def done(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command line, which must succeed, and return what it printed."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    return out


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_version_is_the_packages(capsys):
    assert done(capsys, "--version") == f"brainmidi {brainmidi.__version__}\n"


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",)])
def test_help_lists_every_command(capsys, arguments):
    out = done(capsys, *arguments)
    for command in ("improv", "score", "sources", "ports", "sweep", "init", "train", "evaluate"):
        assert command in out


@pytest.mark.parametrize("command", ["improv", "score", "sources", "ports", "sweep", "init", "train", "evaluate"])
def test_every_command_explains_itself(capsys, command):
    assert "Usage" in done(capsys, command, "--help")


def test_init_writes_the_template_and_over_a_file_only_when_forced(capsys, tmp_path):
    assert "brainmidi improv --config session.toml" in done(capsys, "init")
    path = tmp_path / "session.toml"
    assert path.read_text(encoding="utf-8") == template()
    path.write_text("mine")
    done(capsys, "init", "--force")
    assert tomllib.loads(path.read_text(encoding="utf-8"))
    done(capsys, "init", "another.toml")
    assert (tmp_path / "another.toml").exists()


def test_sources_lists_the_simulated_brain_boards_and_recordings(capsys):
    out = done(capsys, "sources")
    assert "simulated" in out.splitlines()[0]
    assert any(line.split()[:1] == ["muse_2"] for line in out.splitlines())
    assert "--mac-address" in out
    assert "*.edf" in out


def test_ports_says_whether_there_is_one(capsys):
    out = done(capsys, "ports")
    assert out.startswith(("no virtual port: ", "brainmidi:out: can be opened"))
    assert "ports to play to" in out
    assert "ports to hear" in out


def test_options_go_to_their_places_in_the_configuration():
    given = {
        "source": "cyton",
        "serial_port": "/dev/ttyUSB0",
        "tempo": 110.0,
        "metre": "3/4",
        "key": "A minor",
        "chords": "Am F",
        "bars": 8,
        "seed": 7,
        "temperature": 0.9,
        "baseline": 20.0,
        "port": "loopMIDI",
        "trace": "not a setting",
        "config": None,
    }
    config = read_config(None, given)
    assert config.source.name == "cyton"
    assert config.source.options() == {"serial_port": "/dev/ttyUSB0"}
    session = config.session
    assert (session.tempo_bpm, session.metre, session.key, session.chords) == (110.0, "3/4", "A minor", "Am F")
    assert (session.bars, session.seed) == (8, 7)
    assert config.range.temperature == (0.9, 0.9)
    assert config.baseline.seconds == 20.0
    assert config.midi.port == "loopMIDI"


def test_no_option_leaves_the_defaults():
    assert read_config(None, {"tempo": None, "baseline": None}) == SessionConfig()


def test_a_baseline_option_replaces_the_files_own_kind(tmp_path):
    path = tmp_path / "session.toml"
    path.write_text('[baseline]\nprofile = "me.json"\n')
    config = read_config(path, {"baseline_from": Path("rest.edf")})
    assert (config.baseline.profile, config.baseline.recording) == ("", "rest.edf")


def test_outputs_are_told_apart_by_suffix():
    assert sort_outputs([Path("a.musicxml"), Path("b.MID")]) == Outputs(Path("b.MID"), Path("a.musicxml"))


def test_a_take_without_a_name_is_dated_and_never_written_over(tmp_path, monkeypatch):
    monkeypatch.setattr("brainmidi.cli.options.date_stamp", lambda: "2026-11-21_14-05-09")
    first = dated_name()
    assert first == Path("takes/2026-11-21_14-05-09.mid")
    first.parent.mkdir()
    first.touch()
    assert dated_name() == Path("takes/2026-11-21_14-05-09_2.mid")
    assert sort_outputs(None).midi.parent == Path("takes")


@pytest.mark.models
def test_a_take_on_the_virtual_clock_is_saved_traced_engraved_and_summed_up(capsys, tmp_path):
    from music21 import converter

    from brainmidi.midi.files import read_events

    files = ("-o", "take.mid", "-o", "take.musicxml", "--trace", "take.jsonl", "--save-baseline", "rest.json")
    out = done(capsys, "improv", "--virtual-time", "--bars", 3, "--ui", "plain", *files)
    lines = [json.loads(line) for line in (tmp_path / "take.jsonl").read_text().splitlines()]
    assert [line["bar"] for line in lines] == [0, 1, 2]
    assert len(read_events(tmp_path / "take.mid")) == 2 * sum(sum(line["notes"].values()) for line in lines)
    assert len(converter.parse(tmp_path / "take.musicxml").parts) == 2
    assert json.loads((tmp_path / "rest.json").read_text())
    assert len([line for line in out.splitlines() if " notes" in line]) == 3
    assert "simulated" in out
    assert "saved       take.musicxml" in out


def test_the_figures_are_told_before_the_page_is_engraved_and_kept_when_that_fails(capsys, tmp_path):
    from fractions import Fraction
    from types import SimpleNamespace

    from brainmidi.cli.finish import finish
    from brainmidi.errors import NotationError

    summary = SimpleNamespace(lines=lambda: ["bars        3"])
    take = SimpleNamespace(bars=(), metre="4/4", key="D dorian", end_beat=Fraction(0), summary=summary)
    with pytest.raises(NotationError):
        finish(take, tmp_path / "take.musicxml")
    assert capsys.readouterr().out == "bars        3\n"


@pytest.mark.models
def test_ui_none_says_nothing_but_the_figures(capsys):
    out = done(capsys, "improv", "--virtual-time", "--bars", 1, "--ui", "none")
    assert out.startswith("source ")
    assert len(list(Path("takes").iterdir())) == 1


@pytest.mark.models
@pytest.mark.skipif(os.name != "posix", reason="sends SIGINT, which Windows knows in another form")
def test_ctrl_c_ends_a_take_properly_and_saves_it(tmp_path):
    from brainmidi.midi.files import read_events

    # JAX, where it is installed and another test loaded it, asks TensorFlow to say more; a user's shell does not.
    shell = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    command = [*PROGRAM, "improv", "-o", "take.mid"]
    play = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path, env=shell)
    try:
        assert play.stdout is not None
        for line in play.stdout:
            if " notes" in line:
                break
        play.send_signal(signal.SIGINT)
        out, err = play.communicate(timeout=60)
    finally:
        play.kill()
    assert (play.returncode, err) == (0, "")
    assert "stopped by Ctrl-C" in out
    assert read_events(tmp_path / "take.mid")

"""Bad input: one clear line on stderr with the remedy, exit code 2, and nothing left behind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from brainmidi.cli.main import main


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command line and return its one line on stderr."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    assert end.value.code == 2
    assert out == ""
    assert err.endswith("\n")
    assert len(err.splitlines()) == 1, err
    assert err.startswith("brainmidi: ")
    return err


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, so that a take that ought not to be would be seen."""
    monkeypatch.chdir(tmp_path)


def write_csv(path: Path, rate_hz: float, names: tuple[str, ...], seconds: float = 30.0) -> Path:
    time_s = np.arange(0, seconds, 1 / rate_hz)
    samples = np.random.default_rng(1).normal(0, 10, (len(time_s), len(names)))
    table = np.column_stack([time_s, samples])
    np.savetxt(path, table, delimiter=",", header=",".join(("time", *names)), comments="", fmt="%.6f")
    return path


def test_a_missing_recording(capsys, tmp_path):
    line = refused(capsys, "score", "nothing.edf")
    assert "nothing.edf does not exist; check the path" in line
    assert list(tmp_path.iterdir()) == []


def test_a_text_named_edf(capsys, tmp_path):
    path = tmp_path / "letter.edf"
    path.write_text("Dear Sir or Madam,\n" * 100)
    line = refused(capsys, "score", path)
    assert "letter.edf" in line
    assert "EDF" in line


def test_a_file_of_no_known_kind(capsys, tmp_path):
    path = tmp_path / "song.mp3"
    path.write_bytes(b"ID3")
    assert "'.mp3', known are .edf" in refused(capsys, "score", path)


def test_a_recording_of_40_hz(capsys, tmp_path):
    line = refused(capsys, "score", write_csv(tmp_path / "slow.csv", 40.0, ("Oz", "Pz")))
    assert "40" in line
    assert "Hz" in line


def test_a_recording_without_an_eeg_channel(capsys, tmp_path):
    import mne

    info = mne.create_info(["ECG"], 250.0, ["ecg"])
    raw = mne.io.RawArray(np.zeros((1, 5000)), info, verbose="error")
    raw.save(tmp_path / "heart_raw.fif", verbose="error")
    line = refused(capsys, "score", tmp_path / "heart_raw.fif")
    assert "EEG" in line
    assert "heart_raw.fif" in line


def test_a_recording_too_short_for_a_bar(capsys, tmp_path):
    line = refused(capsys, "score", write_csv(tmp_path / "short.csv", 250.0, ("Oz", "Pz"), 4.0))
    assert "are needed for one bar" in line


def test_a_brainflow_csv_needs_its_board_where_it_fits_several(capsys, tmp_path):
    table = np.random.default_rng(1).normal(0, 10, (5000, 24))
    table[:, 0] = np.arange(5000) % 256
    table[:, 22] = 1.7e9 + np.arange(5000) / 250
    np.savetxt(tmp_path / "BrainFlow.csv", table, delimiter="\t", fmt="%.6f")
    line = refused(capsys, "score", "BrainFlow.csv", "--board", "muse_3")
    assert "board 'muse_3' is unknown" in line


def test_an_unknown_board_names_the_nearest(capsys):
    assert "source 'muse_3' is unknown" in (line := refused(capsys, "improv", "--source", "muse_3"))
    assert "muse_2" in line


def test_an_unknown_key_in_the_session_file_names_the_nearest(capsys, tmp_path):
    path = tmp_path / "session.toml"
    path.write_text('[map.densty]\nfeature = "beta"\n')
    line = refused(capsys, "improv", "--config", path)
    assert "[map] densty is unknown, did you mean density?" in line


def test_an_unknown_feature_in_the_session_file(capsys, tmp_path):
    path = tmp_path / "session.toml"
    path.write_text('[map.density]\nfeature = "happiness"\n')
    assert "'happiness' is unknown" in refused(capsys, "improv", "--virtual-time", "--bars", 1, "--config", path)


def test_a_port_that_does_not_exist(capsys):
    line = refused(capsys, "improv", "--port", "no such port", "--bars", 1)
    assert "port 'no such port' does not exist" in line


@pytest.mark.parametrize(
    ("option", "value", "allowed"),
    [
        ("--bars", "-3", "1..10000"),
        ("--bars", "0", "1..10000"),
        ("--temperature", "-1", "0.1..2.0"),
        ("--temperature", "9", "0.1..2.0"),
        ("--tempo", "1000", "30..240"),
        ("--seed", "-1", "0 or more"),
        ("--baseline", "-5", "0..600"),
        ("--baseline", "1", "--baseline 1.0 is not allowed, [baseline] seconds must be 0 or at least 3"),
        ("--key", "H major", "key 'H major' is not understood"),
        ("--chords", "Dm7 Q9", "Q9"),
        ("--metre", "12/8", "1 to 4 are allowed"),
        ("-o", "take.wav", ".mid or .musicxml"),
        ("-o", "no/such/folder/take.mid", "make it first"),
        ("--trace", "no/such/folder/take.jsonl", "make it first"),
        ("--ui", "fancy", "'plain'"),
        ("--bars", "many", "valid integer"),
        ("--no-such-option", "1", "--no-such-option"),
    ],
)
def test_an_option_out_of_its_range(capsys, option, value, allowed):
    line = refused(capsys, "improv", "--virtual-time", option, value)
    assert allowed in line
    assert not Path("takes").exists()


@pytest.mark.parametrize(
    "options",
    [
        ("--port", "nonesuch"),
        ("--input", "nonesuch"),
        ("--network", 1),
        ("--send-clock",),
        ("--nudge-ms", 5),
        ("--count-in", 2),
        ("--metronome",),
    ],
)
def test_what_the_virtual_clock_has_no_use_for_is_refused(capsys, options):
    line = refused(capsys, "improv", "--virtual-time", "--bars", 1, *options)
    assert f"{options[0]} would do nothing with --virtual-time" in line


def test_two_baselines_or_two_files_of_a_kind_are_too_many(capsys):
    assert "exclude each other" in refused(capsys, "improv", "--baseline", 3, "--baseline-from", "rest.edf")
    assert "of one kind" in refused(capsys, "improv", "-o", "a.mid", "-o", "b.mid")


@pytest.mark.parametrize(
    "options",
    [
        ("-o", "take.mid", "--trace", "take.mid"),
        ("-o", "take.mid", "--trace", "./take.mid"),
        ("-o", "take.musicxml", "--save-baseline", "take.musicxml"),
        ("--trace", "me.json", "--save-baseline", "me.json"),
        ("--trace", "rest.edf", "--baseline-from", "rest.edf"),
        ("--trace", "brain.csv", "--source", "brain.csv"),
    ],
)
def test_one_file_cannot_be_two(capsys, tmp_path, options):
    assert "is the same file as" in refused(capsys, "improv", "--virtual-time", "--bars", 1, *options)
    assert list(tmp_path.iterdir()) == []


def test_a_recording_is_not_written_over(capsys, tmp_path):
    path = write_csv(tmp_path / "brain.csv", 250.0, ("Oz", "Pz"))
    before = path.read_bytes()
    assert "is the same file as RECORDING" in refused(capsys, "score", path, "--trace", "brain.csv")
    assert path.read_bytes() == before


def test_a_baseline_that_is_none(capsys, tmp_path):
    (tmp_path / "me.json").write_text("{}")
    assert "me.json" in refused(capsys, "improv", "--virtual-time", "--bars", 1, "--baseline-profile", "me.json")
    assert "gone.json" in refused(capsys, "improv", "--virtual-time", "--bars", 1, "--baseline-profile", "gone.json")


def test_a_board_cannot_play_on_the_virtual_clock(capsys):
    line = refused(capsys, "improv", "--virtual-time", "--source", "synthetic", "--bars", 1)
    assert "leave out --virtual-time" in line


def test_an_unknown_command_and_a_missing_argument(capsys):
    assert "'play'" in refused(capsys, "play")
    assert "RECORDING" in refused(capsys, "score")


def test_a_checkpoint_that_is_not_there(capsys):
    for model in ("musicvae", "transformer"):
        assert "checkpoint 'nothing' not found" in refused(capsys, "evaluate", model, "nothing")


def test_a_session_file_is_not_written_over(capsys, tmp_path):
    (tmp_path / "session.toml").write_text("mine")
    assert "give --force" in refused(capsys, "init")
    assert (tmp_path / "session.toml").read_text() == "mine"


def test_a_fresh_process_says_one_line_and_no_more(tmp_path):
    path = tmp_path / "letter.edf"
    path.write_text("Dear Sir or Madam,\n" * 100)
    program = "from brainmidi.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program, "score", str(path)], capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1), done.stderr

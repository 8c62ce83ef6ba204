"""``brainmidi calibrate`` as a user meets it; what it computes is tested in tests/drivers/test_calibration.py."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from simulated_people import person

from brainmidi.acquire.csvfile import write_csv
from brainmidi.cli.main import main
from brainmidi.controls.profileread import load_profile
from brainmidi.drivers import phases
from brainmidi.drivers.guide import Guide, Moment
from brainmidi.drivers.phases import marked


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as end:
        main(["calibrate", *map(str, arguments)])
    return end.value.code, *capsys.readouterr()


def refused(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.count("\n") == 1, err
    return err


def recorded(name: str = "person.csv", turns: str = "open closed open closed", **how) -> Path:
    write_csv(Path(name), marked(person(turns, **how)))
    return Path(name)


def test_a_recording_becomes_a_profile_a_plot_and_lines_for_session_toml(capsys):
    path = recorded()
    code, out, err = run(capsys, "--from-recording", path, "-o", "me.json", "--plot", "me.png")
    assert (code, err) == (0, "")
    assert out.startswith("your best knob: alpha.")
    assert "[map.latent_mix]" in out
    assert out.endswith("me.json and me.png written; play with it: brainmidi improv --profile me.json\n")
    assert load_profile(Path("me.json")).source == "person.csv"
    assert Path("me.png").stat().st_size > 20_000
    code, out, _ = run(
        capsys, "--from-recording", path, "--events", "open=0-16,closed=16-32,open=32-48,closed=48-64", "-o", "me.json"
    )
    assert code == 0
    assert "me.json was there before; it is kept as me.1.json" in out


def test_profiles_of_two_days_are_merged_and_their_drift_is_warned_of(capsys):
    for day, level_db in ((1, 0.0), (2, 12.0)):
        run(capsys, "--from-recording", recorded(f"{day}.csv", level_db=level_db), "-o", f"{day}.json")
        document = json.loads(Path(f"{day}.json").read_text())
        document["created"] = document["days"][0]["created"] = f"2026-11-0{day}_10-00-00"
        Path(f"{day}.json").write_text(json.dumps(document))
    code, out, err = run(capsys, "--merge", "1.json", "2.json", "-o", "both.json")
    assert (code, err) == (0, "")
    assert "2 days: 2026-11-01_10-00-00, 2026-11-02_10-00-00" in out
    assert "over all days" in out
    assert "warning:" in out
    assert len(load_profile(Path("both.json")).days) == 2


def test_what_cannot_be_used_is_one_line_and_writes_nothing(capsys):
    noise = recorded("noise.csv", obeys=False)
    assert "no feature separates the phases" in refused(capsys, "--from-recording", noise, "-o", "me.json")
    flat = recorded("flat.csv", flat=True)
    assert "electrodes are bad" in refused(capsys, "--from-recording", flat, "-o", "me.json")
    assert not Path("me.json").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--from-recording", "a.edf"), "recording a.edf does not exist"),
        (("me.json",), "give profiles after --merge"),
        (("--merge", "a.json", "-o", "b.json"), "profile a.json cannot be read"),
        (("--merge", "a.json", "-o", "a.json"), "-o a.json is the same file as --merge a.json"),
        (("--merge", "a.json", "--plot", "b.png"), "--plot goes with a calibration"),
        (("--events", "open"), "--events says what was done in a recording"),
        (("--from-recording", "a.edf", "--source", "demo"), "--source and --from-recording exclude each other"),
        (("--source", "a.edf"), "calibrate from it with --from-recording"),
        (("-o", "me.pkl"), "-o me.pkl ends in .pkl, .json is allowed"),
        (("--plot", "me.gif"), "--plot me.gif ends in .gif, .png, .pdf, .svg is allowed"),
        (("-o", "nowhere/me.json"), "the folder nowhere does not exist"),
        (("--source", "muse_2", "--virtual-time"), "--virtual-time is for the simulated brain"),
        (
            ("--from-recording", "a", "--events", "open", "--events", "rest"),
            "2 --events for 1 --from-recording",
        ),
    ],
)  # fmt: skip
def test_a_wrong_option_is_one_line(capsys, arguments, words):
    assert words in refused(capsys, *arguments)


def test_an_interrupted_calibration_keeps_what_was_recorded_and_the_profile_that_was_there(capsys, monkeypatch):
    Path("me.json").write_text("mine")
    to_the_end = Guide.run

    def interrupted(self, tell):
        def stop(moment: Moment) -> None:
            tell(moment)
            if moment.done > 0.8:
                raise KeyboardInterrupt

        return to_the_end(self, stop)

    monkeypatch.setattr(Guide, "run", interrupted)
    code, _, err = run(capsys, "--virtual-time", "-o", "me.json")
    assert code == 130
    (kept,) = Path().glob("me_*.csv")
    assert f"{kept} keeps the" in err
    assert Path("me.json").read_text() == "mine"
    code, out, _ = run(capsys, "--from-recording", kept, "--events", "markers", "-o", "again.json")
    assert code == 0
    assert out.startswith("your best knob:")


def test_a_refused_calibration_keeps_what_was_recorded(capsys, monkeypatch):
    steps = tuple(replace(step, seconds=12.0) for step in phases.STEPS if step.phase in ("open", "closed"))
    monkeypatch.setattr(phases, "STEPS", steps)
    monkeypatch.setattr(phases, "plan_of", lambda steps, begin_s: ((0.0, 0.5),))
    code, out, err = run(capsys, "--virtual-time", "-o", "me.json")
    assert (code, out) == (2, "")
    assert "no feature separates the phases" in err
    (kept,) = Path().glob("*.csv")
    assert f"{kept} keeps the 150 s" in err
    assert not Path("me.json").exists()


def test_the_plot_library_loads_only_where_something_is_drawn():
    program = "import sys; import brainmidi.cli.main, brainmidi.drivers.calibration, brainmidi.notation.report; "
    program += "print([name for name in ('matplotlib', 'sklearn', 'specparam') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

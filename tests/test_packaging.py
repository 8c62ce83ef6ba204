"""What pip installs is what the tree holds."""

from __future__ import annotations

import configparser
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import brainmidi

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "tensorflow",
    "keras",
    "note_seq",
    "music21",
    "mne",
    "brainflow",
    "scipy",
    "pretty_midi",
    "verovio",
    "pyriemann",
)


def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def python(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, text=True, timeout=120)


def test_the_package_list_equals_the_tree():
    found = {"brainmidi.checkpoints"} | {
        ".".join(init.parent.relative_to(ROOT).parts) for init in (ROOT / "brainmidi").rglob("__init__.py")
    }
    assert sorted(found) == setup_cfg()["options"]["packages"].split()


def test_every_folder_of_code_is_a_package():
    folders = {path.parent for path in (ROOT / "brainmidi").rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_pyproject_has_three_lines():
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert lines[0] == "[build-system]"


def test_every_checkpoint_file_is_package_data():
    patterns = [pattern.strip() for pattern in setup_cfg()["options.package_data"]["brainmidi.checkpoints"].split(",")]
    here = ROOT / "checkpoints"
    packed = {path for pattern in patterns for path in here.glob(pattern)}
    files = {path for path in here.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert files - packed == {here / "__init__.py"}


def test_checkpoints_are_found_from_the_roots_own_folder_and_from_the_installed_package(tmp_path):
    code = "import importlib.resources as r; print(*sorted(p.name for p in r.files('{}').iterdir() if p.is_dir()))"
    from_root = python("-c", code.format("checkpoints"))
    installed = python("-c", code.format("brainmidi.checkpoints"), cwd=tmp_path)
    if installed.returncode and "brainmidi" in installed.stderr:
        pytest.skip("brainmidi is not installed here: pip install -e .")
    assert installed.stdout.replace("__pycache__", "").split() == from_root.stdout.replace("__pycache__", "").split()


def test_the_version_is_written_once():
    assert setup_cfg()["metadata"]["version"] == "attr: brainmidi.__version__"
    assert brainmidi.__version__.count(".") == 2
    try:
        installed = version("brainmidi")
    except ModuleNotFoundError:
        pytest.skip("brainmidi is not installed here: pip install -e .")
    assert installed == brainmidi.__version__


@pytest.mark.parametrize(
    "code",
    [
        "import brainmidi",
        "import brainmidi.cli.main",
        "from brainmidi.cli.main import main; main(['--help'])",
        "from brainmidi.cli.main import main; main(['improv', '--help'])",
        "from brainmidi.cli.main import main; main(['--version'])",
    ],
)
def test_nothing_heavy_is_loaded_by(code):
    program = f"""
import sys
try:
    {code}
except SystemExit as end:
    assert not end.code, end.code
print("heavy:", *sorted(set(sys.modules) & set({HEAVY!r})))
"""
    done = python("-c", program)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1].strip() == "heavy:"


def test_the_licence_travels():
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in text
    assert setup_cfg()["metadata"]["license"] == "Apache-2.0"

"""Who may import whom: the house's import directions, read from the source of every file."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "brainmidi"
FILES = sorted(PACKAGE.rglob("*.py"))

SIGNAL_ROOMS = {"condition", "features", "controls"}
ROOMS = SIGNAL_ROOMS | {"acquire", "codec", "models", "music", "midi", "notation", "ui"}
EVERYONE = {"types", "errors"}
#: What each place may import of brainmidi besides itself.
MAY_IMPORT = {
    "__init__": set(),
    "__main__": {"cli"},
    "errors": set(),
    "types": {"errors"},
    "tables": EVERYONE,
    "config": EVERYONE | {"tables"},
    "session": EVERYONE | {"music"} | SIGNAL_ROOMS,
    **dict.fromkeys(ROOMS, EVERYONE),
    "drivers": EVERYONE | ROOMS | {"session", "config", ""},
    "training": EVERYONE | ROOMS | {"session", "config", "drivers", "evaluate", ""},  # a recipe measures what it made
    "evaluate": EVERYONE | ROOMS | {"session", "config", "drivers", "training", ""},
    "cli": EVERYONE | ROOMS | {"session", "config", "tables", "drivers", "training", "evaluate", ""},
}
#: The only places where each third-party library may be imported.
LIBRARIES = {
    "numpy": set(MAY_IMPORT) - {"__init__", "errors"},
    "brainflow": {"acquire"},
    "pylsl": {"acquire"},
    "mne": {"acquire"},
    "scipy": {"condition", "features", "models", "training", "evaluate"},
    "pyriemann": {"condition", "features", "evaluate"},
    "sklearn": {"condition", "features", "controls", "evaluate"},
    "meegkit": {"condition", "features"},
    "note_seq": {"codec", "training", "evaluate"},
    "keras": {"models", "training", "evaluate"},
    "tensorflow": {"models"},
    "magenta": {"models"},
    "platformdirs": {"models"},
    "threadpoolctl": {"models"},
    "mido": {"midi", "training", "evaluate"},
    "rtmidi": {"midi"},
    "rtmidi2": {"midi"},
    "pretty_midi": {"midi", "training", "evaluate"},
    "jack": {"midi"},
    "aalink": {"midi"},
    "music21": {"notation", "training", "evaluate"},
    "verovio": {"notation"},
    "matplotlib": {"notation"},
    "specparam": {"features"},
    "pydantic": {"config", "tables"},
    "pydantic_core": {"config"},
    "pychord": {"music", "training", "evaluate"},
    "typer": {"cli"},
    "rich": {"cli", "ui"},
    "textual": {"ui"},
}
#: One compiles models for TensorFlow, one reads its checkpoints, one runs in Magenta's environment and not in ours.
TENSORFLOW_ADAPTERS = {
    "brainmidi.models.compiled",
    "brainmidi.models.tfcheckpoint",
    "brainmidi.models.magenta_worker",
}
#: Loaded inside functions, or in a leaf file that the rest of its room imports inside functions.
HEAVY = {
    *("tensorflow", "keras", "note_seq", "music21", "mne", "brainflow", "pretty_midi", "pyriemann", "sklearn"),
    *("verovio", "matplotlib", "specparam"),
}
#: What may be imported when the program starts: everything reachable from here without calling a function.
START = ("brainmidi", "brainmidi.cli.main", "brainmidi.midi.player", "brainmidi.session", "brainmidi.config")


def place(path: Path) -> str:
    """Return the room of a file, or its stem at the top level."""
    inner = path.relative_to(PACKAGE)
    return inner.parts[0] if len(inner.parts) > 1 else inner.stem


def name_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def is_typing_only(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)


def imports(path: Path, *, inside_functions: bool = True, typing_only: bool = True) -> list[str]:
    """Return the full names of all modules that a file imports; ``from a import b`` counts as ``a.b``."""
    found: list[str] = []

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.Import):
            found.extend(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively; write the full name"
            found.extend(f"{node.module}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            if not inside_functions and isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                continue
            if not typing_only and is_typing_only(child):
                continue
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8"), str(path)))
    return found


def of_brainmidi(names: list[str]) -> set[str]:
    """Return the places in brainmidi that full names lead to; "" for ``brainmidi`` itself."""
    places = set()
    for name in names:
        parts = name.split(".")
        if parts[0] == "brainmidi":
            known = len(parts) > 1 and parts[1] in MAY_IMPORT
            places.add(parts[1] if known else "")
    return places


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_file_imports_only_what_its_room_may(path):
    here = place(path)
    assert here in MAY_IMPORT, f"{here} is a new place; say in this table whom it may import"
    assert of_brainmidi(imports(path)) - {here} - MAY_IMPORT[here] == set()


@pytest.mark.parametrize("path", FILES, ids=name_of)
def test_a_third_party_library_stays_in_its_room(path):
    for name in imports(path):
        top = name.split(".")[0]
        if top in sys.stdlib_module_names or top in {"brainmidi", "__future__"}:
            continue
        assert top in LIBRARIES, f"{top} is new; say in this table where it belongs"
        assert place(path) in LIBRARIES[top], f"{top} does not belong into {place(path)}"


def test_tensorflow_is_imported_by_its_adapters_alone():
    users = {name_of(path) for path in FILES if any(name.split(".")[0] == "tensorflow" for name in imports(path))}
    assert users <= TENSORFLOW_ADAPTERS


@pytest.mark.parametrize("path", [path for path in FILES if path.name == "__init__.py"], ids=name_of)
def test_a_package_file_imports_nothing(path):
    assert imports(path) == []


def reached(start: str) -> dict[str, str]:
    """Return every module that is loaded by importing `start`, each with the one that asked for it."""
    modules = {name_of(path): path for path in FILES}
    asked_by = {start: "the user"}
    queue = [start]
    while queue:
        here = queue.pop()
        if here not in modules:
            continue
        for name in imports(modules[here], inside_functions=False, typing_only=False):
            parts = name.split(".")
            for depth in range(1, len(parts) + 1):
                module = ".".join(parts[:depth])
                if module not in asked_by and (module in modules or (depth == 1 and parts[0] != "brainmidi")):
                    asked_by[module] = here
                    queue.append(module)
    return asked_by


@pytest.mark.parametrize("start", START)
def test_nothing_heavy_is_reached_at_import_time_from(start):
    asked_by = reached(start)
    assert {name: asked_by[name] for name in asked_by.keys() & (HEAVY | {"scipy"})} == {}


def test_the_player_reaches_only_its_own_room():
    ours = {name for name in reached("brainmidi.midi.player") if name.startswith("brainmidi.")}
    strangers = {name for name in ours if name.split(".")[1] not in {"midi", "types", "errors"}}
    assert strangers == set()


def test_one_file_reads_the_time():
    clocks = {"time", "datetime", "sched"}
    readers = {name_of(path) for path in FILES if clocks & {name.split(".")[0] for name in imports(path)}}
    # A training run's stop watch plays no music; everything that does asks the clock it was given.
    readers = {name for name in readers if not name.startswith(("brainmidi.training.", "brainmidi.evaluate."))}
    assert readers <= {"brainmidi.midi.clock"}


def test_training_and_evaluation_are_imported_by_the_command_line_alone():
    for path in FILES:
        if place(path) not in {"cli", "training", "evaluate"}:
            assert of_brainmidi(imports(path)) & {"training", "evaluate"} == set(), name_of(path)

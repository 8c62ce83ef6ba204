"""``brainmidi checkpoints``: what is listed, what is imported, and that bad input leaves one line and nothing else."""

from __future__ import annotations

import io
import json
import pickle
import socket
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from brainmidi.cli.checkpoints import progress_bars
from brainmidi.cli.main import main
from brainmidi.models import checkpoint, imports
from brainmidi.models.configs import MAGENTA
from brainmidi.models.magenta import variables

CONFIG = "groovae_2bar_humanize"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work in an empty folder, with the user's own folders beside it."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for module in (checkpoint, imports):
        monkeypatch.setattr(module, "imported_root", lambda: tmp_path / "data")
    monkeypatch.setattr(imports, "download_cache", lambda: tmp_path / "cache")
    monkeypatch.setenv("no_proxy", "*")


def done(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """Run the command line, which must succeed, and return what it printed."""
    with pytest.raises(SystemExit) as end:
        main([str(argument) for argument in ("checkpoints", *arguments)])
    out, err = capsys.readouterr()
    assert (end.value.code, err) == (0, "")
    return out


def refused(capsys: pytest.CaptureFixture[str], source: object, config: str = CONFIG) -> str:
    """Run an import, which must fail, and return its one line; nothing may have been written."""
    data = Path("../data")
    before = sorted(path for path in Path().rglob("*"))
    with pytest.raises(SystemExit) as end:
        main(["checkpoints", "import", str(source), "--config", config])
    out, err = capsys.readouterr()
    assert (end.value.code, out) == (2, "")
    assert err.startswith("brainmidi: ")
    assert len(err.splitlines()) == 1, err
    assert not data.exists()
    assert sorted(path for path in Path().rglob("*")) == before
    return err


def write_model(folder: Path, config: str = CONFIG) -> Path:
    """Write a magenta.js model of a configuration in its real size, all zeros, as bytes."""
    folder.mkdir()
    shapes = variables(MAGENTA[config])
    quantisation = {"dtype": "uint8", "scale": 0.01, "min": -1.0}
    entries = [
        {"name": name, "shape": shape, "dtype": "float32", "quantization": quantisation}
        for name, shape in shapes.items()
    ]
    (folder / "shard").write_bytes(bytes(sum(int(np.prod(shape)) for shape in shapes.values())))
    (folder / "weights_manifest.json").write_text(json.dumps([{"paths": ["shard"], "weights": entries}]))
    return folder


def test_an_imported_model_is_written_and_listed(capsys, tmp_path):
    write_model(Path("model"))
    out = done(capsys, "import", "model", "--config", CONFIG, "--half")
    folder = tmp_path / "data" / f"magenta_{CONFIG}"
    assert out == f"{folder} written: {CONFIG}, 4,085,019 weights\n"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "config.json", "weights.npz"]
    lines = done(capsys, "list").splitlines()
    assert lines[0].split() == ["name", "kind", "configuration", "size", "source"]
    assert any(line.split()[:3] == [f"magenta_{CONFIG}", "musicvae", CONFIG] for line in lines)
    assert sum(line.endswith("imported from model") for line in lines) == 1
    assert any(line.startswith("hier-mel_2bar ") and line.endswith(" shipped") for line in lines)


@pytest.mark.parametrize("command", [(), ("list",), ("import",)])
def test_every_command_explains_itself(capsys, command):
    assert "Usage" in done(capsys, *command, "--help")


def test_a_model_goes_where_out_says(capsys):
    write_model(Path("model"))
    assert done(capsys, "import", "model", "--config", CONFIG, "--half", "--out", "mine").startswith("mine written")
    assert Path("mine/config.json").is_file()


def test_a_damaged_checkpoint_is_listed_as_such(capsys, tmp_path):
    (tmp_path / "data" / "broken").mkdir(parents=True)
    (tmp_path / "data" / "broken" / "config.json").write_text("{")
    assert any(line.split()[:2] == ["broken", "damaged"] for line in done(capsys, "list").splitlines())


@pytest.mark.parametrize("looked_at", [True, False])
def test_a_download_is_shown_as_a_bar_where_someone_looks(capsys, monkeypatch, looked_at):
    if looked_at:
        monkeypatch.setenv("FORCE_COLOR", "1")
    with progress_bars() as report:
        report("model.tar", 1_000_000, None)
        report("model.tar", 1_000_000, 4_000_000)
    out, err = capsys.readouterr()
    assert out == ""
    assert ("model.tar" in err, "1.0/4.0 MB" in err) == (looked_at, looked_at)


def test_an_unknown_configuration(capsys):
    line = refused(capsys, write_model(Path("model")), "cat-mel")
    assert "configuration 'cat-mel' is unknown; choose from cat-mel_2bar_small, cat-mel_2bar_big, " in line


def test_a_wrong_configuration(capsys):
    line = refused(capsys, write_model(Path("model")), "cat-mel_2bar_big")
    assert "these are not the weights of cat-mel_2bar_big: 2 missing: decoder/multi_rnn_cell/cell_2/" in line
    assert "decoder/output_projection/bias (27,) instead of (90,)" in line
    assert f"they are those of groovae_4bar or {CONFIG} or groovae_2bar_tap_fixed_velocity or" in line


def test_a_truncated_shard(capsys):
    shard = write_model(Path("model")) / "shard"
    shard.write_bytes(shard.read_bytes()[:-1])
    assert "hold 4,085,018 bytes, weights_manifest.json needs 4,085,019" in refused(capsys, "model")


def test_a_truncated_archive(capsys):
    with tarfile.open("model.tar.gz", "w:gz") as tar:
        tar.add(write_model(Path("model")))
    Path("model.tar.gz").write_bytes(Path("model.tar.gz").read_bytes()[:-100])
    assert "model.tar.gz cannot be unpacked" in refused(capsys, "model.tar.gz")


def test_a_truncated_npz(capsys):
    np.savez("weights.npz", a=np.ones(100))
    Path("weights.npz").write_bytes(Path("weights.npz").read_bytes()[:-10])
    assert "weights.npz cannot be unpacked" in refused(capsys, "weights.npz")


@pytest.mark.parametrize("name", ["bomb.zip", "bomb.tar.gz"])
def test_a_bomb(capsys, name):
    if name.endswith("zip"):
        with zipfile.ZipFile(name, "w", zipfile.ZIP_DEFLATED) as packed:
            packed.writestr("model.ckpt.index", bytes(2**26))
    else:
        with tarfile.open(name, "w:gz") as tar:
            info = tarfile.TarInfo("model.ckpt.index")
            info.size = 2**26
            tar.addfile(info, io.BytesIO(bytes(2**26)))
    line = refused(capsys, name)
    assert f"{name} unpacks to more than is allowed" in line
    assert "GiB a file" in line


def test_a_tar_file_that_leaves_its_folder(capsys, tmp_path):
    with tarfile.open("a.tar", "w") as tar:
        info = tarfile.TarInfo("../../../escaped")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    assert "'../../../escaped' leads out of its folder" in refused(capsys, "a.tar")
    assert not list(tmp_path.rglob("escaped"))


def test_a_tar_file_with_a_link(capsys):
    with tarfile.open("a.tar", "w") as tar:
        info = tarfile.TarInfo("model.ckpt.index")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    assert "'model.ckpt.index', a link or device" in refused(capsys, "a.tar")


class Trap:
    """Says that it has run if it is unpickled."""

    def __reduce__(self):
        return Path.touch, (Path("ran"),)


@pytest.mark.parametrize("packed", [False, True])
def test_a_pickle(capsys, packed):
    data = pickle.dumps(Trap())
    if packed:
        with zipfile.ZipFile("model.pt", "w") as archive:
            archive.writestr("model/data.pkl", data)
    else:
        Path("model.pt").write_bytes(data)
    assert "a pickle, which could run any program; no pickle is opened" in refused(capsys, "model.pt")
    assert not Path("ran").exists()


def test_an_empty_folder(capsys):
    Path("empty").mkdir()
    assert "empty holds no checkpoint (.index) and no weights_manifest.json" in refused(capsys, "empty")


def test_a_path_that_does_not_exist(capsys):
    assert "nothing does not exist" in refused(capsys, "nothing")


def test_a_home_folder_of_nobody(capsys):
    line = refused(capsys, "~nobody-of-this-name/model")
    assert "~nobody-of-this-name/model names the home folder of nobody here; write the path in full" in line


def test_an_address_that_cannot_be_reached(capsys):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for path in ("model.tar", "model"):
        assert "check the connection and the address" in refused(capsys, f"http://127.0.0.1:{port}/{path}")


@pytest.mark.models
def test_a_truncated_tensorflow_checkpoint_is_one_line_in_a_process_of_its_own():
    import tensorflow as tf

    tf.raw_ops.SaveV2(
        prefix="model.ckpt",
        tensor_names=["encoder/mu/bias"],
        shape_and_slices=[""],
        tensors=[np.ones(1000, np.float32)],
    )
    path = Path("model.ckpt.index")
    path.write_bytes(path.read_bytes()[:-10])
    program = "from brainmidi.cli.main import main; main()"
    out = ["--config", CONFIG, "--out", "mine"]
    command = [sys.executable, "-c", program, "checkpoints", "import", "model.ckpt", *out]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert (ended.returncode, ended.stdout, len(ended.stderr.splitlines())) == (2, "", 1), ended.stderr
    assert "model.ckpt" in ended.stderr
    assert not Path("mine").exists()

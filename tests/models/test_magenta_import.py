"""Magenta's weights become ours: every name and shape of every configuration, from every format, or not at all."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from magenta_models import MELODY, TINY, random_weights, tiny, write_js, write_tensorflow
from web_server import Server, web

from brainmidi.errors import ConfigError, ModelError
from brainmidi.models import magenta
from brainmidi.models.checkpoint import read_config, read_sizes, read_weights
from brainmidi.models.configs import MAGENTA, MusicVaeConfig
from brainmidi.models.download import sha256_of
from brainmidi.models.imports import import_checkpoint, part_of
from brainmidi.models.magenta_read import read

__all__ = ["tiny", "web"]
TABLE = Path(__file__).with_name("magenta_variables.tsv")
#: What an optimizer leaves in a checkpoint.
SLOTS = {
    "global_step": np.array(7, np.int64),
    "beta1_power": np.array(0.9, np.float32),
    "optimize/beta2_power": np.array(0.9, np.float32),
    "encoder/mu/kernel/Adam": np.ones((6, 5), np.float32),
    "encoder/mu/kernel/Adam_1": np.ones((6, 5), np.float32),
}


def same(found: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> bool:
    return found.keys() == wanted.keys() and all(np.array_equal(found[name], wanted[name]) for name in wanted)


def tar_of(folder: Path, path: Path, mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode) as tar:
        tar.add(folder, folder.name)
    return path


# --- names, shapes, gates ---


def test_the_variables_are_those_that_magenta_2_1_4_builds_for_each_configuration():
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()]
    wanted: dict[str, dict[str, tuple[int, ...]]] = {}
    for config, name, shape in rows:
        wanted.setdefault(config, {})[name] = tuple(int(size) for size in shape.split("x"))
    full = {name: magenta.variables(config) for name, config in MAGENTA.items() if name not in TINY}
    assert full == wanted


def test_an_lstm_computes_what_magentas_cell_computes():
    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    rng = np.random.default_rng(0)
    layer = magenta.Layer("ours", "theirs", "lstm", 3, 4)
    theirs = {name: rng.normal(size=shape).astype(np.float32) for name, shape in layer.variables().items()}
    x, h, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 4)), rng.normal(size=(2, 4))

    i, j, f, o = np.split(np.concatenate([x, h], axis=1) @ theirs["theirs/kernel"] + theirs["theirs/bias"], 4, axis=1)
    wanted_c = c * sigmoid(f + 1.0) + sigmoid(i) * np.tanh(j)
    wanted_h = sigmoid(o) * np.tanh(wanted_c)

    ours = layer.convert(theirs)
    gates = x @ ours["ours/kernel"] + h @ ours["ours/recurrent_kernel"] + ours["ours/bias"]
    i, f, g, o = np.split(gates, 4, axis=1)
    found_c = c * sigmoid(f) + sigmoid(i) * np.tanh(g)
    assert found_c == pytest.approx(wanted_c, abs=1e-6)
    assert sigmoid(o) * np.tanh(found_c) == pytest.approx(wanted_h, abs=1e-6)


def test_a_conductor_that_reads_nothing_loses_the_row_of_its_constant_zero():
    layer = magenta.Layer("conductor_lstm_0", "theirs", "lstm", 0, 4)
    assert layer.variables()["theirs/kernel"] == (5, 16)
    kernel = np.arange(80, dtype=np.float32).reshape(5, 16)
    ours = layer.convert({"theirs/kernel": kernel, "theirs/bias": np.zeros(16, np.float32)})
    assert ours.keys() == {"conductor_lstm_0/recurrent_kernel", "conductor_lstm_0/bias"}
    assert np.array_equal(ours["conductor_lstm_0/recurrent_kernel"][:, :4], kernel[1:, :4])


def test_what_is_read_is_left_as_it_was():
    weights = random_weights()
    before = {name: value.copy() for name, value in weights.items()}
    magenta.convert(MELODY, weights)
    assert same(weights, before)


@pytest.mark.models
@pytest.mark.parametrize("name", TINY)
def test_every_weight_of_the_model_is_given_and_none_besides(name):
    from brainmidi.models.musicvae import MusicVae

    found = magenta.convert(name, random_weights(name))
    model = MusicVae(TINY[name])
    assert {v.path: tuple(v.shape) for v in model.trainable_variables} == {k: v.shape for k, v in found.items()}


def test_an_unknown_configuration_is_refused_with_the_known_ones():
    with pytest.raises(ConfigError, match="'cat-mel' is unknown; choose from cat-mel_2bar_small, cat-mel_2bar_big, "):
        magenta.convert("cat-mel", {})


def test_what_is_missing_left_over_or_of_another_shape_is_named():
    weights = random_weights()
    weights["decoder/extra"] = weights.pop("encoder/mu/bias")
    weights["encoder/sigma/bias"] = np.zeros(7, np.float32)
    with pytest.raises(ModelError) as error:
        magenta.convert(MELODY, weights)
    assert str(error.value) == (
        f"these are not the weights of {MELODY}: 1 missing: encoder/mu/bias; 1 left over: decoder/extra; "
        "1 of another shape: encoder/sigma/bias (7,) instead of (5,); no configuration fits"
    )


def test_of_many_faults_all_are_counted():
    with pytest.raises(ModelError, match=r"16 missing: (\S+, ){7}\S+ and 8 more; no configuration fits"):
        magenta.convert(MELODY, {})


def test_weights_of_another_configuration_are_recognised():
    with pytest.raises(ModelError, match="they are those of tiny-nade-drums_2bar_full: give that as --config"):
        magenta.convert(MELODY, random_weights("tiny-nade-drums_2bar_full"))
    with pytest.raises(ModelError, match="those of tiny-groovae_4bar or tiny-groovae_2bar_humanize or"):
        magenta.convert(MELODY, random_weights("tiny-groovae_2bar_add_closed_hh"))


def test_weights_that_are_not_finite_are_refused():
    weights = random_weights()
    weights["encoder/mu/bias"][2] = np.nan
    with pytest.raises(ModelError, match="weights are not finite: encoder/mu/bias"):
        magenta.convert(MELODY, weights)


# --- magenta.js ---


@pytest.mark.parametrize(
    ("stored", "tolerance"), [("float32", 0), ("float16", 2e-3), ("uint16", 1e-4), ("uint8", 2e-2)]
)
def test_a_magenta_js_model_is_read_with_and_without_quantisation(tmp_path, stored, tolerance):
    weights = random_weights()
    found = read(str(write_js(tmp_path / "model", weights, stored=stored)), tmp_path)
    assert found.kind == "magenta.js"
    assert found.weights.keys() == weights.keys()
    for name, value in weights.items():
        assert found.weights[name].dtype == np.float32
        assert found.weights[name] == pytest.approx(value, abs=tolerance)


def test_its_files_are_named_with_their_digests_and_may_be_given_by_its_manifest(tmp_path):
    folder = write_js(tmp_path / "model", random_weights(), n_shards=2)
    found = read(str(folder / "weights_manifest.json"), tmp_path)
    names = ["config.json", "weights_manifest.json", "group1-shard1of2", "group1-shard2of2"]
    assert found.sha256 == {name: sha256_of(folder / name) for name in names}


def test_a_step_counter_in_a_magenta_js_model_is_passed_over(tmp_path):
    weights = random_weights()
    found = read(str(write_js(tmp_path / "model", {"global_step": np.array(3, np.int32), **weights})), tmp_path)
    assert same(found.weights, weights)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"dtype": "int32"}, "is int32, float32 is needed"),
        ({"dtype": "string"}, "stored as 'string'; float32 is read"),
        ({"quantization": {"dtype": "uint8"}}, r"hold .* bytes, weights_manifest.json needs"),
        ({"quantization": {"dtype": "int4"}}, "stored as 'int4'"),
        ({"shape": [-1]}, "cannot be read"),
        ({"shape": [2.5]}, "cannot be read"),
        ({"shape": "5"}, "cannot be read"),
        ({"shape": [10**30]}, "needs"),
        ({"name": 5}, "cannot be read"),
        ({"name": "encoder/mu/kernel"}, "names encoder/mu/kernel twice"),
        ({"quantization": 5}, "cannot be read"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path, change, match):
    folder = write_js(tmp_path / "model", random_weights())
    manifest = json.loads((folder / "weights_manifest.json").read_text())
    entry = next(entry for entry in manifest[0]["weights"] if entry["name"] == "encoder/mu/bias")
    entry.update(change)
    (folder / "weights_manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ModelError, match=match):
        read(str(folder), tmp_path)


def test_a_quantised_weight_without_a_scale_is_refused(tmp_path):
    folder = write_js(tmp_path / "model", random_weights(), stored="uint8")
    text = (folder / "weights_manifest.json").read_text()
    for wrong in ("null", "NaN", '"1"'):
        manifest = json.loads(text)
        manifest[0]["weights"][0]["quantization"]["scale"] = json.loads(wrong)
        (folder / "weights_manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ModelError, match="quantised without scale and min"):
            read(str(folder), tmp_path)


@pytest.mark.parametrize("text", ["", "{", "[1]", '{"paths": []}', "[" * 100_000, '[{"paths": [1], "weights": []}]'])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    folder = write_js(tmp_path / "model", random_weights())
    (folder / "weights_manifest.json").write_text(text)
    with pytest.raises(ModelError, match=r"weights_manifest.json cannot be read"):
        read(str(folder), tmp_path)


def test_a_shard_out_of_the_folder_is_refused(tmp_path):
    folder = write_js(tmp_path / "model", random_weights(), n_shards=1)
    manifest = json.loads((folder / "weights_manifest.json").read_text())
    (folder / "group1-shard1of1").rename(tmp_path / "elsewhere")
    for name in ("../elsewhere", str(tmp_path / "elsewhere"), "a/../../elsewhere"):
        manifest[0]["paths"] = [name]
        (folder / "weights_manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ModelError, match="leads out of its folder"):
            read(str(folder), tmp_path)
    manifest[0]["paths"] = ["link"]
    (folder / "weights_manifest.json").write_text(json.dumps(manifest))
    (folder / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ModelError, match="shard link leads out of its folder"):
        read(str(folder), tmp_path)


def test_a_magenta_js_model_that_is_no_musicvae_is_refused(tmp_path):
    folder = write_js(tmp_path / "model", random_weights())
    (folder / "config.json").write_text('{"type": "MusicRNN"}')
    with pytest.raises(ModelError, match="a MusicRNN, a MusicVAE is needed"):
        read(str(folder), tmp_path)


@pytest.mark.parametrize("n_bytes", [0, -1])
def test_a_truncated_shard_is_refused(tmp_path, n_bytes):
    folder = write_js(tmp_path / "model", random_weights())
    shard = folder / "group1-shard2of3"
    shard.write_bytes(shard.read_bytes()[:n_bytes])
    with pytest.raises(ModelError, match=r"hold [\d,]+ bytes, weights_manifest.json needs [\d,]+"):
        read(str(folder), tmp_path)
    shard.unlink()
    with pytest.raises(ModelError, match="group1-shard2of3 is missing"):
        read(str(folder), tmp_path)


# --- archives, paths ---


def test_archives_of_a_magenta_js_model_are_read_and_known_by_the_archives_digest(tmp_path):
    weights = random_weights()
    folder = write_js(tmp_path / "model", weights)
    packed = [tar_of(folder, tmp_path / "model.tar", "w"), tar_of(folder, tmp_path / "model.tgz")]
    packed.append(Path(shutil.make_archive(str(tmp_path / "model"), "zip", folder)))
    for path in packed:
        found = read(str(path), tmp_path / "cache")
        assert same(found.weights, weights)
        assert found.sha256 == {path.name: sha256_of(path)}
        assert list((tmp_path / "cache").iterdir()) == []


def test_files_that_another_system_hides_beside_the_real_ones_are_passed_over(tmp_path):
    folder = write_js(tmp_path / "model", random_weights())
    (folder / "._model.ckpt.index").write_bytes(b"\x00\x05\x16\x07")
    assert read(str(folder), tmp_path).kind == "magenta.js"


@pytest.mark.parametrize(
    ("name", "data", "match"),
    [
        ("model.pkl", b"\x80\x04\x95.", "model.pkl is a pickle, which could run any program"),
        ("letter.txt", b"Dear Sir or Madam", "letter.txt is no checkpoint, archive or magenta.js model"),
        ("empty", b"", "is no checkpoint, archive or magenta.js model"),
        ("model.npz", b"PK\x03\x04 not a zip", "model.npz cannot be unpacked"),
        ("model.tar", b"not a tar", "model.tar cannot be unpacked"),
    ],
)
def test_a_file_of_another_kind_is_refused(tmp_path, name, data, match):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(ModelError, match=match):
        read(str(tmp_path / name), tmp_path / "cache")


def test_an_npz_file_whole_or_truncated_is_no_model_of_magentas(tmp_path):
    path = tmp_path / "weights.npz"
    np.savez(path, a=np.ones(1000))
    with pytest.raises(ModelError, match="holds no checkpoint"):
        read(str(path), tmp_path / "cache")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ModelError, match="cannot be unpacked"):
        read(str(path), tmp_path / "cache")


def test_a_zip_file_with_a_pickle_is_refused(tmp_path):
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("model/data.pkl", b"\x80\x02.")
    with pytest.raises(ModelError, match=r"holds model/data.pkl, a pickle"):
        read(str(path), tmp_path / "cache")


def test_an_empty_folder_a_missing_path_and_a_lonely_index_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"holds no checkpoint \(.index\) and no weights_manifest.json, one is needed"):
        read(str(tmp_path), tmp_path)
    with pytest.raises(ModelError, match=r"nothing.ckpt does not exist, and neither does nothing.ckpt.index"):
        read(str(tmp_path / "nothing.ckpt"), tmp_path)
    (tmp_path / "a.ckpt.index").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"a.ckpt.data-00000-of-00001 is missing"):
        read(str(tmp_path / "a.ckpt"), tmp_path)


def test_a_folder_of_several_models_is_refused_with_their_names(tmp_path):
    for name in ("a.ckpt.index", "b.ckpt.index"):
        (tmp_path / name).write_bytes(b"x")
    with pytest.raises(ModelError, match=r"several models \(a.ckpt.index, b.ckpt.index\)"):
        read(str(tmp_path), tmp_path)


# --- TensorFlow ---


@pytest.mark.models
def test_a_tensorflow_checkpoint_is_read_by_folder_prefix_file_and_archive_without_its_optimizer(tmp_path):
    weights = random_weights()
    folder = tmp_path / "train"
    old = write_tensorflow(folder / "model.ckpt-1", {"old": np.ones(3, np.float32)})
    prefix = write_tensorflow(folder / "model.ckpt-20", {**weights, **SLOTS})
    # TensorFlow notes where the folder was when the model was trained.
    (folder / "checkpoint").write_text(
        'model_checkpoint_path: "/home/ada/train/model.ckpt-20"\n'
        'all_model_checkpoint_paths: "/home/ada/train/model.ckpt-1"\n'
    )
    sources = [folder, folder / "checkpoint", prefix, f"{prefix}.index", f"{prefix}.data-00000-of-00001"]
    sources += [tar_of(folder, tmp_path / "train.tar", "w"), tar_of(folder, tmp_path / "train.tgz")]
    for source in sources:
        found = read(str(source), tmp_path / "cache")
        assert same(found.weights, weights), source
        assert found.kind == "tensorflow"
    found = read(str(prefix), tmp_path / "cache")
    assert found.sha256 == {
        name: sha256_of(folder / name) for name in ("model.ckpt-20.index", "model.ckpt-20.data-00000-of-00001")
    }
    assert read(str(old), tmp_path).weights.keys() == {"old"}


@pytest.mark.models
def test_a_damaged_tensorflow_checkpoint_is_refused(tmp_path):
    prefix = write_tensorflow(tmp_path / "model.ckpt", random_weights())
    index, data = Path(f"{prefix}.index"), Path(f"{prefix}.data-00000-of-00001")
    whole_index, whole_data = index.read_bytes(), data.read_bytes()
    for cut in (0, 10, len(whole_index) // 2, len(whole_index) - 1):
        index.write_bytes(whole_index[:cut])
        with pytest.raises(ModelError, match=r"model.ckpt is no checkpoint or is damaged"):
            read(str(prefix), tmp_path)
    index.write_bytes(whole_index)
    for cut in (0, len(whole_data) // 2, len(whole_data) - 1):
        data.write_bytes(whole_data[:cut])
        with pytest.raises(ModelError, match=r"the data of model.ckpt holds [\d,]+ bytes, its index needs [\d,]+"):
            read(str(prefix), tmp_path)
    flipped = bytearray(whole_data)
    flipped[100] ^= 1
    data.write_bytes(flipped)
    with pytest.raises(ModelError, match=r"is damaged.*fetch or copy it again"):
        read(str(prefix), tmp_path)


@pytest.mark.models
def test_a_variable_that_is_no_float_is_refused(tmp_path):
    prefix = write_tensorflow(tmp_path / "model.ckpt", {"encoder/mu/bias": np.arange(5)})
    with pytest.raises(ModelError, match=r"encoder/mu/bias of model.ckpt holds int64, floats are needed"):
        read(str(prefix), tmp_path)


# --- the whole way ---


@pytest.mark.parametrize("half", [False, True])
def test_an_import_writes_weights_configuration_source_and_card(tmp_path, half):
    weights = random_weights()
    folder = write_js(tmp_path / "model", weights, n_shards=1)
    out = tmp_path / "mine"
    done = import_checkpoint(str(folder), MELODY, out, half=half, cache=tmp_path / "cache")
    wanted = magenta.convert(MELODY, weights)
    assert (done.folder, done.n_weights) == (out, sum(value.size for value in wanted.values()))
    found = read_weights(out)
    if half:
        assert all(found[name] == pytest.approx(wanted[name], rel=1e-3, abs=1e-6) for name in wanted)
    else:
        assert same(found, wanted)
    assert read_sizes(out, "musicvae", MusicVaeConfig.from_json) == TINY[MELODY]
    config = read_config(out)
    digests = {path.name: sha256_of(path) for path in folder.iterdir()}
    assert digests.keys() == {"config.json", "weights_manifest.json", "group1-shard1of1"}
    assert config["name"] == MELODY
    assert config["source"] == {"place": "model", "format": "magenta.js", "sha256": digests}
    card = (out / "README.md").read_text()
    assert all(part in card for part in (MELODY, "model", *digests.values(), "half" if half else "full"))
    assert str(tmp_path) not in card
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "model"]


def test_an_import_says_its_part_where_a_part_of_a_session_is_what_it_writes(tmp_path):
    folder = write_js(tmp_path / "model", random_weights())
    done = import_checkpoint(str(folder), MELODY, tmp_path / "mine", cache=tmp_path)
    assert read_config(done.folder)["part"] == "melody"
    words = {"mel_": "melody", "-drums_": "drums", "groovae": "groove", "trio": "", "multiperf": ""}
    for name, sizes in MAGENTA.items():
        if name not in TINY:
            (wanted,) = (part for word, part in words.items() if word in name)
            assert (name, part_of(sizes)) == (name, wanted)


def test_an_import_goes_among_the_users_checkpoints_by_default(tmp_path, monkeypatch):
    from brainmidi.models import checkpoint, imports

    monkeypatch.setattr(checkpoint, "imported_root", lambda: tmp_path / "data" / "checkpoints")
    monkeypatch.setattr(imports, "imported_root", lambda: tmp_path / "data" / "checkpoints")
    done = import_checkpoint(str(write_js(tmp_path / "model", random_weights())), MELODY, cache=tmp_path / "cache")
    assert done.folder == tmp_path / "data" / "checkpoints" / f"magenta_{MELODY}"
    assert checkpoint.find_checkpoint(f"magenta_{MELODY}") == done.folder
    assert done.folder in checkpoint.list_checkpoints()


def test_what_is_there_already_is_not_written_over(tmp_path):
    folder = write_js(tmp_path / "model", random_weights())
    out = tmp_path / "mine"
    out.mkdir()
    with pytest.raises(ModelError, match="exists already; remove it, or choose another folder with --out"):
        import_checkpoint(str(folder), MELODY, out, cache=tmp_path)
    with pytest.raises(ModelError, match="does not exist; make it first"):
        import_checkpoint(str(folder), MELODY, tmp_path / "no" / "mine", cache=tmp_path)


def test_an_import_that_cannot_be_written_leaves_nothing(tmp_path, monkeypatch):
    from brainmidi.models import imports

    def full(folder: Path, *_: object, **__: object) -> None:
        folder.mkdir()
        (folder / "weights.npz").write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    folder = write_js(tmp_path / "model", random_weights())
    monkeypatch.setattr(imports, "save_weights", full)
    with pytest.raises(ModelError, match=r"cannot be written .No space left on device.; make room"):
        import_checkpoint(str(folder), MELODY, tmp_path / "mine", cache=tmp_path / "cache")
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


# --- from the web ---


def serve(server: Server, folder: Path, at: str = "") -> None:
    for path in folder.iterdir():
        server.files[f"{at}/{path.name}"] = path.read_bytes()


def test_an_archive_from_the_web_is_resumed_recorded_and_removed_once_it_is_imported(tmp_path, web):
    packed = tar_of(write_js(tmp_path / "model", random_weights()), tmp_path / "model.tar", "w")
    web.files["/models/model.tar"], web.cuts = packed.read_bytes(), [5000]
    told: list[int] = []
    url, cache = f"{web.url}/models/model.tar", tmp_path / "cache"
    done = import_checkpoint(url, MELODY, tmp_path / "mine", cache=cache, progress=lambda *args: told.append(args[1]))
    source = read_config(done.folder)["source"]
    assert source == {"place": url, "format": "magenta.js", "sha256": {"model.tar": sha256_of(packed)}}
    assert web.answers[1] == ("/models/model.tar", "bytes=5000-", 206)
    assert told[-1] == packed.stat().st_size
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("end", ["", "/", "/weights_manifest.json", "/config.json"])
def test_a_magenta_js_model_from_the_web_is_fetched_shard_by_shard(tmp_path, web, end):
    weights = random_weights()
    folder = write_js(tmp_path / "model", weights)
    serve(web, folder, "/js/melody")
    web.cuts = [None, None, 1000]
    url = f"{web.url}/js/melody{end}"
    done = import_checkpoint(url, MELODY, tmp_path / "mine", cache=tmp_path / "cache")
    assert same(read_weights(done.folder), magenta.convert(MELODY, weights))
    digests = read_config(done.folder)["source"]["sha256"]
    assert digests["group1-shard2of3"] == sha256_of(folder / "group1-shard2of3")
    assert len(digests) == 5
    assert [answer[2] for answer in web.answers] == [200, 200, 200, 206, 200, 200]


def test_a_magenta_js_model_from_the_web_may_have_no_description_even_if_it_had_one_before(tmp_path, web):
    serve(web, write_js(tmp_path / "model", random_weights()), "/js")
    read(f"{web.url}/js", tmp_path / "cache")
    del web.files["/js/config.json"]
    assert len(read(f"{web.url}/js", tmp_path / "cache").sha256) == 4


def test_a_description_of_another_model_is_refused_before_its_shards_are_fetched(tmp_path, web):
    serve(web, write_js(tmp_path / "model", random_weights()), "/js")
    web.files["/js/config.json"] = b'{"type": "MusicRNN"}'
    with pytest.raises(ModelError, match="a MusicRNN, a MusicVAE is needed"):
        read(f"{web.url}/js", tmp_path / "cache")
    assert [answer[0] for answer in web.answers] == ["/js/config.json"]
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_download_is_kept_until_its_weights_fit(tmp_path, web):
    packed = tar_of(write_js(tmp_path / "model", random_weights()), tmp_path / "model.tar", "w")
    web.files["/model.tar"] = packed.read_bytes()
    cache = tmp_path / "cache"
    with pytest.raises(ModelError, match=f"they are those of {MELODY}.* the download is kept in {cache}/[0-9a-f]+ for"):
        import_checkpoint(f"{web.url}/model.tar", "tiny-cat-drums_2bar_big", tmp_path / "mine", cache=cache)
    assert not (tmp_path / "mine").exists()
    import_checkpoint(f"{web.url}/model.tar", MELODY, tmp_path / "mine", cache=tmp_path / "cache")
    assert [answer[2] for answer in web.answers] == [200, 304]


def test_a_download_that_is_no_model_is_not_kept_and_one_that_was_cut_off_is(tmp_path, web):
    packed = tar_of(write_js(tmp_path / "model", random_weights()), tmp_path / "model.tar", "w").read_bytes()
    cache = tmp_path / "cache"
    web.files["/model.tar"] = packed[: len(packed) // 2]
    with pytest.raises(ModelError, match="cannot be unpacked"):
        read(f"{web.url}/model.tar", cache)
    assert list(cache.iterdir()) == []
    web.files["/model.tar"], web.cuts = packed, [5000, 0]
    with pytest.raises(ModelError, match="5,000 bytes are kept"):
        read(f"{web.url}/model.tar", cache)
    assert [path.stat().st_size for path in cache.rglob("model.tar")] == [5000]


def test_a_manifest_from_the_web_cannot_ask_for_files_elsewhere(tmp_path, web):
    folder = write_js(tmp_path / "model", random_weights())
    manifest = json.loads((folder / "weights_manifest.json").read_text())
    web.files["/secret"] = b"x"
    for name in ("../secret", "/secret", f"{web.url}/secret"):
        manifest[0]["paths"] = [name]
        web.files["/js/weights_manifest.json"] = json.dumps(manifest).encode()
        with pytest.raises(ModelError, match="leads out of its folder"):
            read(f"{web.url}/js", tmp_path / "cache")
    assert {answer[0] for answer in web.answers} == {"/js/config.json", "/js/weights_manifest.json"}


def test_a_truncated_archive_is_refused_by_its_size_and_by_its_content(tmp_path):
    data = tar_of(write_js(tmp_path / "model", random_weights()), tmp_path / "model.tgz").read_bytes()
    for cut in (1, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "model.tgz").write_bytes(data[:cut])
        with pytest.raises(ModelError, match=r"is no checkpoint, archive|cannot be unpacked"):
            read(str(tmp_path / "model.tgz"), tmp_path / "cache")


def test_a_tar_file_that_leaves_its_folder_writes_nothing(tmp_path):
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as tar:
        info = tarfile.TarInfo("../../escaped")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"evil"))
    with pytest.raises(ModelError, match="leads out of its folder"):
        import_checkpoint(str(path), MELODY, tmp_path / "mine", cache=tmp_path / "cache")
    assert sorted(file.name for file in tmp_path.rglob("*")) == ["a.tar", "cache"]

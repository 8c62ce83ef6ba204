"""Magenta's own MusicVAE in a process of its own: run by a user's Magenta environment, spoken to over a pipe.

Started as ``PYTHON magenta_worker.py`` by :mod:`brainmidi.models.original`, where PYTHON has magenta 2.1.4. That
environment has no brainmidi and may be as old as Python 3.8, so this file needs the standard library, numpy, tensorflow
and magenta alone, and frames.py beside it. Every request is answered by one frame, whose fields have ``error`` where it
failed.
"""

from __future__ import annotations

import contextlib
import copy
import importlib
import os
import sys
import tarfile
import tempfile
from typing import Any, BinaryIO

frames: Any = importlib.import_module("frames")
# The script's own folder comes first on the path, and its magenta.py would hide the package.
sys.path.pop(0)

import numpy as np  # noqa: E402

#: Divides logits so far that only the likeliest class is ever drawn.
COLDEST = 1e-6


def sizes_of(config: Any) -> dict[str, Any]:
    """Return what a configuration of Magenta's says of its sizes and its loss."""
    converter, hparams = config.data_converter, config.hparams
    whole = ("max_seq_len", "z_size")
    real = ("free_bits", "max_beta", "beta_rate")
    scheduled = hparams.sampling_schedule == "inverse_sigmoid"
    return {
        "input_depth": int(converter.input_depth),
        "output_depth": int(converter.output_depth),
        "control_depth": int(converter.control_depth),
        "segments": [int(n) for n in converter.length_shape],
        "enc_rnn_size": list(hparams.enc_rnn_size),
        "dec_rnn_size": list(hparams.dec_rnn_size),
        "nade_num_hidden": int(getattr(hparams, "nade_num_hidden", 0)),
        "sampling_rate": float(hparams.sampling_rate) if scheduled else 0.0,
        **{name: int(getattr(hparams, name)) for name in whole},
        **{name: float(getattr(hparams, name)) for name in real},
    }


class Original:
    """One of Magenta's configurations as a TensorFlow 1 graph of encoder, decoder and teacher-forced decoder.

    Parameters
    ----------
    config : str
        Key of Magenta's ``CONFIG_MAP``.
    batch_size : int
        Of every request.
    changed : dict
        Hyperparameters that replace the configuration's own, such as ``enc_rnn_size``.
    seed : int
        Of the samples that are drawn.
    end_class : int or None
        The class that ends a segment early; all segments of a batch then end together.
    teacher_forced : bool
        Whether that graph is built too; large hierarchical ones take their time.
    """

    def __init__(
        self,
        config: str,
        batch_size: int,
        changed: dict[str, Any],
        seed: int,
        end_class: int | None,
        teacher_forced: bool,
    ) -> None:
        from magenta.models.music_vae.configs import CONFIG_MAP

        tf: Any = importlib.import_module("tensorflow.compat.v1")
        if config not in CONFIG_MAP:
            raise ValueError(f"Magenta has no configuration {config!r}; it has {', '.join(CONFIG_MAP)}")
        self._tf = tf
        self._config = copy.deepcopy(CONFIG_MAP[config])
        converter, hparams = self._config.data_converter, self._config.hparams
        converter.set_mode("infer")
        # Without training a schedule becomes "always its own samples", which is not what is compared.
        hparams.override_from_dict(
            {**changed, "batch_size": batch_size, "sampling_schedule": "constant", "sampling_rate": 0}
        )
        self.sizes = sizes_of(self._config)
        b, c, graph = batch_size, self.sizes["control_depth"], tf.Graph()
        with graph.as_default():
            tf.set_random_seed(seed)
            self._config.model.build(hparams, converter.output_depth, is_training=False)
            self._z = tf.placeholder(tf.float32, [b, hparams.z_size])
            self._temperature = tf.placeholder(tf.float32, ())
            self._length = tf.placeholder(tf.int32, ())
            self._inputs = tf.placeholder(tf.float32, [b, None, converter.input_depth])
            self._targets = tf.placeholder(tf.float32, [b, None, converter.output_depth])
            self._lengths = tf.placeholder(tf.int32, [b, *converter.length_shape])
            self._controls = tf.placeholder(tf.float32, [b, None, c])
            with tf.variable_scope(tf.get_variable_scope(), reuse=tf.AUTO_REUSE):
                # The decoder first, as TrainedModel has it: the cells take their names from where they are first used.
                self._samples, _ = self._config.model.sample(
                    b,
                    max_length=self._length,
                    z=self._z,
                    c_input=self._controls[0] if c else None,
                    temperature=self._temperature,
                    **({} if end_class is None else {"end_fn": end_class}),
                )
                q = self._config.model.encode(self._inputs, self._lengths, self._controls)
                self._q = {"mu": q.loc, "sigma": q.scale.diag}
                self._logits = self._teacher_forced() if teacher_forced else None
            self._saver = tf.train.Saver()
            self._variables = [v for v in tf.global_variables() if v.dtype.base_dtype == tf.float32]
            self._new = [(v, tf.placeholder(tf.float32, v.shape)) for v in self._variables]
            self._assign = [tf.assign(v, new) for v, new in self._new]
            self._initialise = tf.global_variables_initializer()
        # Rewriting a hierarchy's graph takes longer than running it.
        options = tf.ConfigProto()
        options.graph_options.rewrite_options.disable_meta_optimizer = True
        self._session = tf.Session(graph=graph, config=options)

    def _teacher_forced(self) -> Any:
        decoder = self._config.model.decoder
        core: Any = getattr(decoder, "_core_decoder", None)
        if hasattr(core, "hparams"):
            # The trio's cores assert that they wrote the whole sequence; each writes one segment.
            core.hparams = copy.deepcopy(core.hparams)
            core.hparams.max_seq_len = decoder._level_lengths[-1]
        shifted = self._tf.pad(self._targets[:, :-1], [(0, 0), (1, 0), (0, 0)])
        # Slicing loses the length, which a hierarchy needs to know.
        steps = self.sizes["max_seq_len"]
        shifted.set_shape([None, steps if core is not None else None, None])
        controls = self._controls if self.sizes["control_depth"] else None
        return decoder.reconstruction_loss(shifted, self._targets, self._lengths, self._z, controls)[-1].rnn_output

    def close(self) -> None:
        """Free the weights."""
        self._session.close()

    def restore(self, path: str) -> None:
        """Read weights from a checkpoint: a folder, the prefix of its files, or a .tar of them."""
        with contextlib.ExitStack() as stack:
            if os.path.isdir(path):
                path = self._tf.train.latest_checkpoint(path) or path
            elif os.path.isfile(path) and tarfile.is_tarfile(path):
                path = _unpack(path, stack.enter_context(tempfile.TemporaryDirectory()))
            try:
                self._saver.restore(self._session, path)
            except (ValueError, self._tf.errors.OpError) as error:
                # TensorFlow says it in pages, of which the last lines name a variable or a file.
                raise ValueError(f"{path} does not hold this configuration's weights; name its own") from error

    def initialise(self) -> None:
        """Give the weights that training starts from."""
        self._session.run(self._initialise)

    def assign(self, weights: dict[str, Any]) -> None:
        """Put weights by name, all of them."""
        self._session.run(self._assign, {new: weights[v.op.name] for v, new in self._new})

    def weights(self) -> dict[str, Any]:
        """Return every float variable by Magenta's name."""
        return dict(self._session.run({v.op.name: v for v in self._variables}))

    def save(self, prefix: str) -> None:
        """Write a TensorFlow checkpoint, as training does."""
        self._saver.save(self._session, prefix, write_meta_graph=False)

    def encode(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Return mu and sigma (b, z) of ``inputs`` (b, t, d), ``lengths`` (b,) or (b, segments), ``controls``."""
        fed = {self._inputs: arrays["inputs"], self._lengths: arrays["lengths"]}
        return dict(self._session.run(self._q, {**fed, self._controls: self._rows(arrays, "inputs")}))

    def teacher_forced(self, arrays: dict[str, Any]) -> dict[str, Any]:
        """Return the decoder's raw outputs (b, t, n) on ``z`` (b, z), ``targets`` (b, t, d), ``controls``."""
        b, t, _ = arrays["targets"].shape
        segments = self.sizes["segments"]
        lengths = np.full([b, *segments], t // int(np.prod(segments, dtype=int)), dtype=np.int32)
        fed = {self._z: arrays["z"], self._targets: arrays["targets"], self._lengths: lengths}
        return {"logits": self._session.run(self._logits, {**fed, self._controls: self._rows(arrays, "targets")})}

    def decode(self, arrays: dict[str, Any], length: int, temperature: float) -> dict[str, Any]:
        """Return events (b, t, d) drawn from ``z`` (b, z); the first row of ``controls`` (b, t, c) serves all."""
        fed = {self._z: arrays["z"], self._length: length, self._temperature: max(temperature, COLDEST)}
        if self.sizes["control_depth"]:
            fed[self._controls] = arrays["controls"]
        return {"samples": self._session.run(self._samples, fed)}

    def _rows(self, arrays: dict[str, Any], beside: str) -> Any:
        return arrays.get("controls", np.zeros([*arrays[beside].shape[:2], 0], dtype=np.float32))


def _unpack(path: str, folder: str) -> str:
    """Copy a checkpoint's files out of a tar, wherever they say they belong, and return their prefix."""
    prefixes = []
    with tarfile.open(path) as tar:
        for member in tar:
            name = os.path.basename(member.name)
            stem, dot, end = name.rpartition(".")
            data = tar.extractfile(member) if dot and (end == "index" or end.startswith("data-")) else None
            if data is None:
                continue
            with open(os.path.join(folder, name), "wb") as out:
                while chunk := data.read(1 << 20):
                    out.write(chunk)
            if end == "index":
                prefixes.append(os.path.join(folder, stem))
    if len(prefixes) != 1:
        raise ValueError(f"{path} holds {len(prefixes)} checkpoints, one is needed")
    return prefixes[0]


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer requests until their stream ends."""
    model: Original | None = None
    while True:
        try:
            fields, arrays = frames.read_frame(requests)
        except EOFError:
            return
        try:
            if fields["op"] == "configurations":
                frames.write_frame(answers, _configurations())
                continue
            if fields["op"] == "build":
                if model is not None:
                    model.close()
                model = _build(fields)
                frames.write_frame(answers, model.sizes)
                continue
            if model is None:
                raise ValueError("nothing was built")
            frames.write_frame(answers, {}, _ask(model, fields, arrays))
        except Exception as error:  # whatever TensorFlow raises is for the other side to tell
            frames.write_frame(answers, {"error": f"{type(error).__name__}: {error}"})


def _ask(model: Original, fields: dict[str, Any], arrays: dict[str, Any]) -> dict[str, Any]:
    op = fields["op"]
    if op == "encode":
        return model.encode(arrays)
    if op == "decode":
        return model.decode(arrays, fields["length"], fields["temperature"])
    if op == "teacher_forced":
        return model.teacher_forced(arrays)
    if op == "weights":
        return model.weights()
    if op == "assign":
        model.assign(arrays)
    elif op == "save":
        model.save(fields["prefix"])
    else:
        raise ValueError(f"there is no request {op!r}")
    return {}


def _build(fields: dict[str, Any]) -> Original:
    model = Original(
        fields["config"],
        fields["batch_size"],
        fields["hparams"],
        fields["seed"],
        fields["end_class"],
        fields["teacher_forced"],
    )
    if fields["checkpoint"] is None:
        model.initialise()
    else:
        model.restore(fields["checkpoint"])
    return model


def _configurations() -> dict[str, Any]:
    from magenta.models.music_vae.configs import CONFIG_MAP

    return {name: sizes_of(config) for name, config in CONFIG_MAP.items()}


def main() -> int:
    """Say whether Magenta loads, then serve; return 0, or 1 where it does not."""
    # What libraries print must not land between our frames: descriptor 1 becomes stderr, the answers a private copy.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    # Magenta's graphs are of TensorFlow 1's layers, which Keras 3 no longer has.
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    try:
        from magenta.models.music_vae import configs  # noqa: F401 (whether it loads is the question)

        tf: Any = importlib.import_module("tensorflow.compat.v1")
    except Exception as error:
        frames.write_frame(answers, {"error": f"{type(error).__name__}: {error}"})
        return 1
    tf.logging.set_verbosity(tf.logging.ERROR)
    tf.disable_v2_behavior()
    frames.write_frame(answers, {"tensorflow": tf.__version__})
    serve(sys.stdin.buffer, answers)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())

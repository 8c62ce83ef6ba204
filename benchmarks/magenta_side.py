"""Magenta's own TrainedModel, timed: run by musicvae.py in an environment that has magenta 2.1.4.

    PYTHON magenta_side.py make CONFIG FOLDER     writes a checkpoint with random weights
    PYTHON magenta_side.py time CONFIG FOLDER N   prints one JSON line of times, in seconds

It needs magenta alone, and no brainmidi.
"""

import json
import os
import sys
import time

BEGUN_S = time.time()
os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
import numpy as np  # noqa: E402

# magenta was written when numpy's was Python's own; numpy 1.24 to 1.26 have none.
if not hasattr(np, "bool"):
    np.bool = np.bool_
import tensorflow.compat.v1 as tf  # noqa: E402
from magenta.models.music_vae.configs import CONFIG_MAP  # noqa: E402
from magenta.models.music_vae.trained_model import TrainedModel  # noqa: E402


def make(config, folder):
    """Write the configuration's graph with random weights that give notes, not silence."""
    chosen = CONFIG_MAP[config]
    chosen.data_converter.set_mode("infer")
    chosen.hparams.batch_size = 1
    with tf.Graph().as_default():
        chosen.model.build(chosen.hparams, chosen.data_converter.output_depth, is_training=False)
        z = tf.zeros([1, chosen.hparams.z_size])
        chosen.model.sample(1, max_length=chosen.hparams.max_seq_len, z=z, temperature=1.0)
        empty = tf.zeros([1, chosen.hparams.max_seq_len, chosen.data_converter.input_depth])
        chosen.model.encode(empty, tf.fill([1], chosen.hparams.max_seq_len))
        rng = np.random.default_rng(0)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            for variable in tf.trainable_variables():
                values = rng.normal(0, 0.1, variable.shape.as_list()).astype(np.float32)
                variable.load(values, session)
            tf.train.Saver().save(session, os.path.join(folder, "model.ckpt"))


def timed(config, folder, repeats):
    """Time the first phrase from the start of the process, one phrase, and sixteen at once."""
    chosen = CONFIG_MAP[config]
    path = os.path.join(folder, "model.ckpt")
    one = TrainedModel(chosen, batch_size=1, checkpoint_dir_or_path=path)
    z = np.random.default_rng(1).normal(size=(16, chosen.hparams.z_size)).astype(np.float32)
    steps = chosen.hparams.max_seq_len
    one.decode(z[:1], length=steps)
    found = {"ready": time.time() - float(os.environ.get("STARTED_S", BEGUN_S))}
    found["one"] = _repeat(lambda: one.decode(z[:1], length=steps), repeats)
    many = TrainedModel(chosen, batch_size=16, checkpoint_dir_or_path=path)
    many.decode(z, length=steps)
    found["sixteen"] = _repeat(lambda: many.decode(z, length=steps), repeats)
    print("TIMES " + json.dumps(found))


def _repeat(action, repeats):
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        action()
        times.append(time.perf_counter() - begun)
    return float(np.median(times))


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(sys.argv[2], sys.argv[3])
    else:
        timed(sys.argv[2], sys.argv[3], int(sys.argv[4]))

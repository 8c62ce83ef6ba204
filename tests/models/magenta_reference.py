"""One configuration twice, with the same random weights: Magenta's own in its process, and ours."""

from __future__ import annotations

import os
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from brainmidi.models import magenta
from brainmidi.models.configs import MAGENTA, MusicVaeConfig
from brainmidi.models.original import MagentaProcess, from_samples, theirs_end, to_inputs, to_targets

#: The interpreter of an environment made with tests/requirements-magenta.txt.
PYTHON = os.environ.get("BRAINMIDI_MAGENTA_PYTHON", "")
#: Set to compare in full size.
WHOLE = os.environ.get("BRAINMIDI_PARITY_WHOLE", "") not in ("", "0")
_SHRINK = 8


def shrunken(config: MusicVaeConfig) -> MusicVaeConfig:
    """Return a configuration of the same shape with an eighth of the LSTM units and of the latent."""
    if WHOLE:
        return config
    return replace(
        config,
        latent_size=config.latent_size // _SHRINK,
        encoder_units=tuple(units // _SHRINK for units in config.encoder_units),
        decoder_units=tuple(units // _SHRINK for units in config.decoder_units),
    )


@dataclass(frozen=True, slots=True)
class Pair:
    """Magenta's model and ours, and something to say to both.

    Parameters
    ----------
    name : str
        Configuration.
    config : MusicVaeConfig
        Its sizes, shrunken.
    process : MagentaProcess
        In which Magenta's was built last.
    model : MusicVae
        Ours.
    """

    name: str
    config: MusicVaeConfig
    process: MagentaProcess
    model: Any

    @property
    def batch_size(self) -> int:
        """One where segments end early: Magenta ends those of a batch together."""
        return 1 if self.config.end_class is not None else 2

    def rng(self, what: str) -> np.random.Generator:
        """Return where `what` is drawn from, the same in every run and whichever tests run."""
        return np.random.default_rng(zlib.crc32(f"{self.name} {what}".encode()))

    def build_theirs(self, checkpoint: Path | None = None) -> None:
        """Build Magenta's model anew, untrained or with the weights of a checkpoint."""
        config = self.config
        self.process.request(
            "build",
            config=self.name,
            batch_size=self.batch_size,
            hparams={
                "enc_rnn_size": list(config.encoder_units),
                "dec_rnn_size": list(config.decoder_units),
                "z_size": config.latent_size,
            },
            seed=0,
            end_class=theirs_end(config),
            checkpoint=None if checkpoint is None else str(checkpoint),
            teacher_forced=True,
        )

    def events(self) -> np.ndarray:
        """Return random events (b, t, k)."""
        config, b, rng = self.config, self.batch_size, self.rng("events")
        if config.events == "categorical":
            columns = [rng.integers(0, depth, (b, config.n_steps)) for depth in config.outputs]
            return np.stack(columns, axis=-1).astype(np.int32)
        hits = (rng.random((b, config.n_steps, config.outputs[0])) < 0.2).astype(np.float32)
        if config.events == "groove":
            n = config.outputs[0] // 3
            hits[..., n : 2 * n] = rng.random(hits[..., :n].shape)
            hits[..., 2 * n :] = rng.uniform(-1, 1, hits[..., :n].shape)
        return hits

    def controls(self) -> np.ndarray | None:
        """Return random controls (b, t, c), the same in the whole batch, as Magenta's decoder has them."""
        config = self.config
        if not config.control_depth:
            return None
        classes = self.rng("controls").integers(0, config.control_depth, config.n_steps)
        rows = np.eye(config.control_depth, dtype=np.float32)[classes]
        return np.repeat(rows[None], self.batch_size, axis=0)

    def z(self) -> np.ndarray:
        """Return latents (b, z) from the prior."""
        return self.rng("z").normal(size=(self.batch_size, self.config.latent_size)).astype(np.float32)

    def lengths(self) -> np.ndarray | None:
        """Return lengths (b, s) where segments end early, among them none and all."""
        if self.config.end_class is None:
            return None
        steps, segments = self.config.encoder_levels
        lengths = self.rng("lengths").integers(1, steps, (self.batch_size, segments)).astype(np.int32)
        lengths[:, 0], lengths[:, 1] = steps, 0
        return lengths

    def their_encoding(self, events: np.ndarray, controls: Any, lengths: np.ndarray | None) -> dict[str, np.ndarray]:
        """Return Magenta's mu and sigma (b, z)."""
        if lengths is None:
            lengths = np.full(self.batch_size, self.config.n_steps, dtype=np.int32)
        return self._ask("encode", controls, inputs=to_inputs(self.config, events), lengths=lengths)

    def their_logits(self, z: np.ndarray, events: np.ndarray, controls: Any) -> np.ndarray:
        """Return the raw outputs (b, t, n) of Magenta's teacher-forced decoder."""
        return self._ask("teacher_forced", controls, z=z, targets=to_targets(self.config, events))["logits"]

    def their_greedy(self, z: np.ndarray, controls: Any) -> np.ndarray:
        """Return the events (b, t, k) that Magenta's decoder finds likeliest, one after the other."""
        samples = self._ask("decode", controls, {"length": self.config.n_steps, "temperature": 0.0}, z=z)["samples"]
        return from_samples(self.config, samples)

    def our_greedy(self, z: np.ndarray, controls: Any) -> np.ndarray:
        """Return the events (b, t, k) that our decoder finds likeliest."""
        model, b, t = self.model, self.batch_size, self.config.n_steps
        zeros = np.zeros((b, t, model.n_odds), dtype=np.float32)
        nothing = -1 if model.event_dtype == "int32" else np.nan
        forced = np.full((b, t, model.width), nothing, dtype=model.event_dtype)
        return np.asarray(model.decode(z, zeros, zeros, np.ones(b, dtype=np.float32), forced, controls))

    def weights(self) -> dict[str, np.ndarray]:
        """Return Magenta's weights by Magenta's names."""
        return {name: np.array(value) for name, value in self.process.request("weights")[1].items()}

    def _ask(self, op: str, controls: Any, fields: Any = None, **arrays: Any) -> dict[str, np.ndarray]:
        rows = {} if controls is None else {"controls": controls}
        return self.process.request(op, {**arrays, **rows}, **(fields or {}))[1]


def build(process: MagentaProcess, name: str) -> Pair:
    """Build a configuration in Magenta's process with random weights, and ours with the same."""
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.musicvae import MusicVae

    config = shrunken(MAGENTA[name])
    pair = Pair(name, config, process, MusicVae(config))
    pair.build_theirs()
    rng = pair.rng("weights")
    weights = {key: _random(key, value.shape, rng) for key, value in sorted(pair.weights().items())}
    if theirs_end(config) is not None:
        # Random weights would hardly ever end a segment; this class is now far above the others, now far below.
        weights["core_decoder/decoder/output_projection/kernel"][:, config.end_class] *= 3.5
    elif config.end_class is not None:
        weights["core_decoder/decoder/output_projection/bias"][config.end_class] = -100.0
    process.request("assign", weights)
    put(pair.model, config, weights)
    return pair


def _random(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Return weights so large that every one shows in the outputs, and so small that rounding does not grow."""
    scale = np.full(shape, 0.3)
    if len(shape) > 1:
        scale[:] = min(0.3, 4 / np.sqrt(np.prod(shape[:-1])))
    if name.endswith("output_projection/kernel"):
        scale[:] = 4 / np.sqrt(shape[0])
    if name.endswith("lstm_cell/kernel"):
        units = shape[1] // 4
        scale[-units:] = 0.8 / np.sqrt(units)  # of the state; much more and the LSTM is chaotic
    return rng.normal(0.0, scale).astype(np.float32)


def put(model: Any, config: MusicVaeConfig, weights: dict[str, np.ndarray]) -> None:
    """Give our model Magenta's weights, as an import does."""
    from brainmidi.models.checkpoint import put_weights

    layers = magenta.layers(config)
    assert {name for layer in layers for name in layer.variables()} == weights.keys()
    put_weights(model, {key: value for layer in layers for key, value in layer.convert(weights).items()})


def interpreter() -> Path:
    """Return the interpreter with Magenta in it."""
    return Path(PYTHON)

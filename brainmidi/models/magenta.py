"""Magenta's weights as ours: which variable becomes which weight, and what has to be turned on the way.

Magenta's LSTM has one kernel for input and state, ``[x; h]``, its gates stand in the order i, j, f, o, and 1 is added
to the forget gate when it runs. Ours has two kernels, Keras' order i, f, g, o (g is j), and the 1 in its bias.
magenta.js keeps the names and the layout of the Python package.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ConfigError, ModelError
from brainmidi.models.configs import MAGENTA, MusicVaeConfig

Weights = dict[str, NDArray[np.float32]]

#: What an optimizer, and Tensor2Tensor's training loop, keep beside a model's variables.
_SLOTS = re.compile(r"(^|/)(Adam(_\d+)?|beta[12]_power(_\d+)?|global_step)$|^(training|losses_avg)/")
_CELL = "lstm_cell"
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer by our name and by Magenta's.

    Parameters
    ----------
    ours, magenta : str
        Name of the layer and scope of its variables.
    kind : {"lstm", "dense", "nade"}
        What it is.
    inputs, units : int
        Columns of its input and of its output (of one gate); of a NADE the drums and the hidden units.
    """

    ours: str
    magenta: str
    kind: Literal["lstm", "dense", "nade"]
    inputs: int
    units: int

    def variables(self) -> dict[str, tuple[int, ...]]:
        """Return Magenta's variables by name with their shapes."""
        d, n = self.inputs, self.units
        if self.kind == "nade":
            return {f"{self.magenta}/w_enc": (d, 1, n), f"{self.magenta}/w_dec_t": (d, n, 1)}
        # A conductor reads nothing, which Magenta feeds it as one column of zeros.
        kernel = (max(d, 1) + n, 4 * n) if self.kind == "lstm" else (d, n)
        return {f"{self.magenta}/kernel": kernel, f"{self.magenta}/bias": kernel[1:]}

    def convert(self, weights: Mapping[str, NDArray[np.float32]]) -> Weights:
        """Return our weights by name."""
        if self.kind == "nade":
            return {
                f"{self.ours}/w_enc": weights[f"{self.magenta}/w_enc"][:, 0, :],
                f"{self.ours}/w_dec": weights[f"{self.magenta}/w_dec_t"][:, :, 0],
            }
        kernel, bias = weights[f"{self.magenta}/kernel"], weights[f"{self.magenta}/bias"]
        if self.kind == "dense":
            return {f"{self.ours}/kernel": kernel, f"{self.ours}/bias": bias}
        n = self.units
        order = np.r_[0:n, 2 * n : 3 * n, n : 2 * n, 3 * n : 4 * n]  # i, j, f, o to i, f, j, o
        kernel, bias = kernel[:, order], bias[order]
        bias[n : 2 * n] += 1.0
        both = {f"{self.ours}/recurrent_kernel": kernel[-n:], f"{self.ours}/bias": bias}
        return {f"{self.ours}/kernel": kernel[:-n], **both} if self.inputs else both


def layers(config: MusicVaeConfig) -> list[Layer]:
    """Return all layers of a configuration of Magenta's."""
    found: list[Layer] = []
    size = config.input_depth + config.control_depth
    for level in range(len(config.encoder_levels) or 1):
        scope = f"encoder/hierarchical_level_{level}" if config.encoder_levels else "encoder"
        for n, units in enumerate(config.encoder_units):
            for ours, theirs in (("forward", "fw"), ("backward", "bw")):
                cell = f"{scope}/cell_{n}/bidirectional_rnn/{theirs}/multi_rnn_cell/cell_0/{_CELL}"
                found.append(Layer(f"encoder_{level}_{n}_{ours}", cell, "lstm", size, units))
            size = 2 * units
    found += [Layer(name, f"encoder/{name}", "dense", size, config.latent_size) for name in ("mu", "sigma")]
    context, prefix = config.latent_size, ""
    state = 2 * sum(config.decoder_units)
    if config.decoder_levels:
        scope = "decoder/hierarchical_level_0"
        found.append(Layer("conductor_initial_state", f"{scope}/initial_state", "dense", context, state))
        found += _stack("conductor_lstm", scope, 0, config.decoder_units)
        context, prefix = config.decoder_units[-1], "core_decoder/"
    groups = [(depth,) for depth in config.outputs] if config.split_outputs else [config.outputs]
    for k, outputs in enumerate(groups):
        ours = f"decoder_{k}"
        scope = f"{prefix}core_decoder_{k}/decoder" if config.split_outputs else f"{prefix}decoder"
        columns = sum(outputs)
        found.append(Layer(f"{ours}_initial_state", f"{scope}/z_to_initial_state", "dense", context, state))
        inputs = columns + context + config.control_depth
        found += _stack(f"{ours}_lstm", f"{scope}/multi_rnn_cell", inputs, config.decoder_units)
        raw = columns + config.nade_units
        found.append(Layer(f"{ours}_output", f"{scope}/output_projection", "dense", config.decoder_units[-1], raw))
        if config.nade_units:
            found.append(Layer(f"{ours}_nade", f"{scope}/nade", "nade", columns, config.nade_units))
    return found


def _stack(ours: str, scope: str, inputs: int, units: tuple[int, ...]) -> list[Layer]:
    sizes = zip((inputs, *units), units, strict=False)
    return [Layer(f"{ours}_{n}", f"{scope}/cell_{n}/{_CELL}", "lstm", *size) for n, size in enumerate(sizes)]


def variables(config: MusicVaeConfig) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes of all of Magenta's variables for a configuration, without its optimizer's."""
    return {name: shape for layer in layers(config) for name, shape in layer.variables().items()}


def is_weight(name: str) -> bool:
    """Tell whether a variable belongs to the model, and not to the optimizer that trained it."""
    return _SLOTS.search(name) is None


def configuration(name: str) -> MusicVaeConfig:
    """Return one of Magenta's configurations by name.

    Raises
    ------
    ConfigError
        If there is none of that name; the message lists all.
    """
    if name not in MAGENTA:
        raise ConfigError(f"configuration {name!r} is unknown; choose from {', '.join(MAGENTA)}")
    return MAGENTA[name]


def resembling(weights: Mapping[str, NDArray[np.float32]]) -> list[str]:
    """Return the configurations that weights fit by every name and shape."""
    shapes = {name: value.shape for name, value in weights.items()}
    return [name for name, config in MAGENTA.items() if variables(config) == shapes]


def convert(name: str, weights: Mapping[str, NDArray[np.float32]]) -> Weights:
    """Return Magenta's weights as ours.

    Parameters
    ----------
    name : str
        Configuration.
    weights : mapping of str to array
        Magenta's variables, without its optimizer's.

    Returns
    -------
    dict of str to array
        By the paths of the model's variables.

    Raises
    ------
    ConfigError
        If the configuration is unknown.
    ModelError
        If anything is missing, left over, of another shape or not finite; and which configuration fits, if one does.
    """
    config = configuration(name)
    check_variables(name, weights, variables(config), resembling)
    return {key: value for layer in layers(config) for key, value in layer.convert(weights).items()}


def check_variables(
    name: str,
    weights: Mapping[str, NDArray[np.float32]],
    needed: Mapping[str, tuple[int, ...]],
    resembling: Callable[[Mapping[str, NDArray[np.float32]]], list[str]],
) -> None:
    """Compare weights with the names and shapes of a configuration; `resembling` returns those that they do fit.

    Raises
    ------
    ModelError
        If anything is missing, left over, of another shape or not finite; and which configuration fits, if one does.
    """
    faults = [
        _fault("missing", sorted(needed.keys() - weights.keys())),
        _fault("left over", sorted(weights.keys() - needed.keys())),
        _fault(
            "of another shape",
            [
                f"{key} {weights[key].shape} instead of {shape}"
                for key, shape in sorted(needed.items())
                if key in weights and weights[key].shape != shape
            ],
        ),
    ]
    if any(faults):
        fits = resembling(weights)
        remedy = f"they are those of {' or '.join(fits)}: give that as --config" if fits else "no configuration fits"
        raise ModelError(f"these are not the weights of {name}: {'; '.join(filter(None, faults))}; {remedy}")
    wrong = [key for key in needed if not np.isfinite(weights[key]).all()]
    if wrong:
        raise ModelError(f"weights are not finite: {', '.join(wrong[:_SHOWN])}; fetch or copy the checkpoint again")


def _fault(what: str, names: list[str]) -> str:
    if not names:
        return ""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"{len(names)} {what}: {', '.join(names[:_SHOWN])}{more}"

"""What a Music Transformer's ``config.json`` says; read without Keras, so that playing can do without it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from brainmidi.errors import ModelError

Positions = Literal["relative", "rotary", "sinusoidal", "both"]
Activation = Literal["gelu", "relu"]
POSITIONS: tuple[Positions, ...] = ("relative", "rotary", "sinusoidal", "both")
ACTIVATIONS: tuple[Activation, ...] = ("gelu", "relu")
#: Added to a variance before its root is taken.
EPSILON = 1e-6
#: The longest wavelength of rotary positions and of the timing signal, over 2 pi.
LONGEST = 10_000.0


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    """Sizes of a Music Transformer.

    Parameters
    ----------
    n_classes : int
        Vocabulary.
    n_layers, size, n_heads, inner_size : int
        Depth, model size d, heads, and width of the feed-forward layer.
    window : int
        How many tokens back attention reaches, itself included.
    dropout : float
        During training.
    positions : {"relative", "rotary", "sinusoidal", "both"}
        How a token knows where it is: a learned vector for each head and distance (Huang et al. 2018); queries and keys
        turned by their position (Su et al. 2021); Tensor2Tensor's timing signal, added to the embedding (Vaswani et al.
        2017); or the timing signal and relative vectors, which is what Tensor2Tensor builds where relative attention is
        asked for. Relative and rotary positions know distances alone, and a session may go on for ever. The timing
        signal counts from the first event: it is defined, and exact, for 2**24 events, but beyond the length of the
        training's rows the model has never seen it, and what it plays there is untested.
    activation : {"gelu", "relu"}
        Of the feed-forward layer.
    max_distance : int
        How many distances, 0 first, have a relative vector, at most `window`; 0 means all of the window. The paper
        trains with half the length. What lies farther away has no relative term: only its content counts. (That is
        Tensor2Tensor's way; it leaves no jump between "far" and "farther" to be learned from few examples.)
    silent_start : bool
        Whether token 0 as an input is a vector of zeros, as it is in Tensor2Tensor, where every row begins with it.
    """

    n_classes: int = 310
    n_layers: int = 4
    size: int = 192
    n_heads: int = 4
    inner_size: int = 768
    window: int = 512
    dropout: float = 0.1
    positions: Positions = "relative"
    activation: Activation = "gelu"
    max_distance: int = 0
    silent_start: bool = False

    def __post_init__(self) -> None:
        for name in ("n_classes", "n_layers", "size", "n_heads", "inner_size", "window"):
            if getattr(self, name) < 1:
                raise ModelError(f"{name} {getattr(self, name)} of a transformer is below 1; give it at least 1")
        if self.positions not in POSITIONS:
            raise ModelError(f"positions {self.positions!r} are unknown; choose from {', '.join(POSITIONS)}")
        if self.activation not in ACTIVATIONS:
            raise ModelError(f"activation {self.activation!r} is unknown; choose from {', '.join(ACTIVATIONS)}")
        if not 0 <= self.max_distance <= self.window:
            raise ModelError(f"max_distance {self.max_distance} is outside 0..{self.window}, the window; choose within")
        if self.size % self.n_heads:
            raise ModelError(f"size {self.size} is no multiple of n_heads {self.n_heads}; change one of them")
        if (self.timed and self.size % 2) or (self.positions == "rotary" and self.head_size % 2):
            raise ModelError(f"{self.positions} positions need pairs: choose an even size and an even size a head")

    @property
    def head_size(self) -> int:
        """Columns of one head, e."""
        return self.size // self.n_heads

    @property
    def timed(self) -> bool:
        """Whether the timing signal is added to the embedding."""
        return self.positions in ("sinusoidal", "both")

    @property
    def n_distances(self) -> int:
        """How many distances have a relative vector; 0 without relative positions."""
        return (self.max_distance or self.window) if self.positions in ("relative", "both") else 0

    def to_json(self) -> dict[str, Any]:
        """Return plain values for ``config.json``."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> TransformerConfig:
        """Return the configuration that :meth:`to_json` wrote."""
        return cls(**values)


def rates(n: int, *, last: bool) -> list[float]:
    """Return the angles by which n pairs turn from one token to the next, in radians, falling from 1.

    `last` says whether the slowest is ``1 / LONGEST`` itself (Tensor2Tensor's timing signal) or one step short of it
    (rotary positions).
    """
    steps = max(n - 1, 1) if last else n
    return [float(LONGEST ** (-k / steps)) for k in range(n)]


def weight_shapes(config: TransformerConfig) -> dict[str, tuple[int, ...]]:
    """Return the shapes of all weights by their names in a checkpoint."""
    d, n = config.size, config.inner_size
    layer = {
        "norm_attention/gamma": (d,),
        "norm_attention/beta": (d,),
        "norm_inner/gamma": (d,),
        "norm_inner/beta": (d,),
        "attention/qkv": (d, 3 * d),
        "attention/out": (d, d),
        "inner/kernel": (d, n),
        "inner/bias": (n,),
        "outer/kernel": (n, d),
        "outer/bias": (d,),
    }
    if config.n_distances:
        layer["attention/relative"] = (config.n_heads, config.n_distances, config.head_size)
    layers = {f"layer_{k}_{name}": shape for k in range(config.n_layers) for name, shape in layer.items()}
    return {"music_transformer/embedding": (config.n_classes, d), **layers, "norm/gamma": (d,), "norm/beta": (d,)}

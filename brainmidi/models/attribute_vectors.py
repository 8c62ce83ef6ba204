"""Directions of a latent space along which one attribute of what is decoded changes, and the others hardly."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from brainmidi.errors import ModelError

Floats = NDArray[np.float64]

#: Where a checkpoint keeps its attribute vectors.
ATTRIBUTES_FILE = "attributes.npz"
#: What a unit of Mahalanobis length costs, squared, against a standard deviation of unwanted change, squared.
#: Less separates attributes better where the latent tells them apart; else its longer moves lose the attribute.
LENGTH_COST = 0.1
#: Longest vector, in Mahalanobis units: two vectors' worth of it already leads to where few phrases lie.
LONGEST = 2.0


@dataclass(frozen=True, slots=True)
class AttributeVectors:
    """How to move z so that attributes change; made by :func:`learn`.

    Parameters
    ----------
    names : tuple of str
        Of the attributes, all different.
    directions : ndarray of float64, shape (n_attributes, latent_size)
        Adding row k once raises attribute k by about one standard deviation of the data it was learned from; by less
        where the latent tells so little of it that the move would leave the data.
    weights : ndarray of float64, shape (latent_size, n_attributes)
        Of the regression of standardised attributes on z.
    origin : ndarray of float64, shape (latent_size,)
        Mean latent of the data, where all attributes are foreseen as average.
    mean, std : ndarray of float64, shape (n_attributes,)
        Of the attributes in the data, in their own units.

    Raises
    ------
    ModelError
        If the shapes do not fit together.
    """

    names: tuple[str, ...]
    directions: Floats
    weights: Floats
    origin: Floats
    mean: Floats
    std: Floats

    def __post_init__(self) -> None:
        a, z = len(self.names), np.size(self.origin)
        shapes = {"directions": (a, z), "weights": (z, a), "origin": (z,), "mean": (a,), "std": (a,)}
        for name, shape in shapes.items():
            array = np.array(getattr(self, name), dtype=np.float64)
            if array.shape != shape:
                raise ModelError(f"{name} of {a} attribute vectors have shape {array.shape}, {shape} is needed")
            array.setflags(write=False)
            object.__setattr__(self, name, array)

    def apply(self, z: ArrayLike, changes: Mapping[str, float]) -> NDArray[np.float32]:
        """Return z moved so that each named attribute changes by so many standard deviations.

        Parameters
        ----------
        z : array_like, shape (..., latent_size)
        changes : mapping of str to float
            Attributes that are not named stay as they are.

        Raises
        ------
        ModelError
            If a name is unknown.
        """
        amounts = np.zeros(len(self.names))
        for name, amount in changes.items():
            amounts[self.index(name)] = amount
        return (np.asarray(z, dtype=np.float64) + amounts @ self.directions).astype(np.float32)

    def index(self, name: str) -> int:
        """Return an attribute's place in :attr:`names`; ModelError where it has none."""
        if name not in self.names:
            raise ModelError(f"attribute {name!r} is unknown; choose from {', '.join(self.names)}")
        return self.names.index(name)

    def foresee(self, z: ArrayLike) -> Floats:
        """Return the attributes, in their own units, that the regression foresees at z.

        Parameters
        ----------
        z : array_like, shape (..., latent_size)

        Returns
        -------
        ndarray of float64, shape (..., n_attributes)
        """
        standard = (np.asarray(z, dtype=np.float64) - self.origin) @ self.weights
        return np.asarray(self.mean + standard * self.std, dtype=np.float64)

    def save(self, path: Path) -> None:
        """Write an .npz file of plain arrays in single precision."""
        arrays: dict[str, Any] = {name: getattr(self, name).astype(np.float32) for name in _ARRAYS}
        with path.open("wb") as out:
            np.savez_compressed(out, names=np.array(self.names, dtype=np.str_), **arrays)

    @classmethod
    def load(cls, path: Path) -> AttributeVectors:
        """Return what :meth:`save` wrote; nothing is unpickled.

        Raises
        ------
        ModelError
            If the file is missing, damaged, or holds something else.
        """
        try:
            with np.load(path, allow_pickle=False) as stored:
                names = tuple(str(name) for name in stored["names"])
                arrays = {name: stored[name].astype(np.float64) for name in _ARRAYS}
        except _UNREADABLE as error:
            raise ModelError(f"{path} cannot be read as attribute vectors ({error}); learn them again") from None
        return cls(names, **arrays)


#: What NumPy and zipfile raise on a file that is no such archive, or a damaged one.
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    EOFError,
    NotImplementedError,
    zlib.error,
    zipfile.BadZipFile,
)
_ARRAYS = ("directions", "weights", "origin", "mean", "std")


def learn(
    latents: ArrayLike, values: ArrayLike, names: Sequence[str], *, length_cost: float = LENGTH_COST
) -> AttributeVectors:
    """Learn attribute vectors from encoded phrases.

    Parameters
    ----------
    latents : array_like, shape (n, latent_size)
        Latent means of the phrases, of a model whose prior is the standard Gaussian.
    values : array_like, shape (n, n_attributes)
        Their attributes, in any units.
    names : sequence of str
        Of the columns of `values`.
    length_cost : float
        Above 0. See :data:`LENGTH_COST`; less of it keeps the other attributes stiller, by longer moves.

    Raises
    ------
    ModelError
        If the sizes differ, a value is not finite, or an attribute never changes.

    Notes
    -----
    A decoder reads samples of z, not means. What the means leave of the prior's unit variance in a dimension is the
    posterior's; where that is nearly all of it, the decoder hears only noise, even if the mean tells something. So S,
    the covariance of z, is that of the means with each variance below 1 raised to 1. With C the covariance of the means
    with the standardised attributes, ``W = inv(S) C`` are the weights of a regression on z: ridge regression with the
    posterior's variance as the ridge.

    The move d for attribute k minimises ``|d W - e_k|^2 + c d inv(S) d'``: one standard deviation of attribute k,
    little of the others, and a short way in Mahalanobis' measure, which keeps z among the data. It is row k of
    ``inv(C' W + c I) C'``. With c = 0 these are the patterns that belong to the filters W (Haufe et al. 2014, "On the
    interpretation of weight vectors of linear models in multivariate neuroimaging", theorem 1), and nothing but k is
    foreseen to change; but of attributes that nearly always go together, as density and note length do, those reach far
    out of the data. With c large they are the rows of C', as differences of mean latents are (Roberts et al. 2018, on
    attribute vectors): these move an attribute with all that goes with it. Each row is then brought to one standard
    deviation of foreseen change, or to the length :data:`LONGEST` if that is shorter.
    """
    x, y = np.asarray(latents, dtype=np.float64), np.asarray(values, dtype=np.float64)
    if x.ndim != 2 or y.shape != (len(x), len(names)) or len(x) < 2 or len(set(names)) != len(names):
        raise ModelError(
            f"latents {x.shape} and attributes {y.shape} do not pair up under the names {', '.join(names)}; "
            "give one row of each for every phrase, and each attribute a name of its own"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ModelError("a latent or an attribute is not a finite number; leave out phrases without notes")
    mean, std = y.mean(axis=0), y.std(axis=0)
    if (std == 0.0).any():
        raise ModelError(f"attribute {names[int(np.argmin(std))]!r} never changes; learn it from other phrases")
    origin = x.mean(axis=0)
    centred = x - origin
    spread = centred.T @ centred / len(x)
    np.fill_diagonal(spread, np.maximum(np.diag(spread), 1.0))
    shared = centred.T @ ((y - mean) / std) / len(x)
    weights = np.linalg.solve(spread, shared)
    directions = np.linalg.solve(shared.T @ weights + length_cost * np.eye(len(names)), shared.T)
    foreseen = np.einsum("kz,zk->k", directions, weights)
    lengths = np.sqrt(np.einsum("kz,kz->k", directions, np.linalg.solve(spread, directions.T).T))
    scale = np.minimum(1.0 / np.maximum(foreseen, 1e-12), LONGEST / np.maximum(lengths, 1e-12))
    return AttributeVectors(tuple(names), directions * scale[:, None], weights, origin, mean, std)

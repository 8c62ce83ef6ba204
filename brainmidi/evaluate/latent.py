"""What a melody model's latent space is good for: ways between phrases, attributes that can be moved, samples.

The model comes as two functions over whole batches, so that any model can be measured:

    encode(rows (n, t)) -> latent means (n, latent_size)
    decode(z (n, latent_size)) -> rows (n, t), the likeliest token at each step

Rows are token rows of :mod:`brainmidi.codec.melody`, their tonic on C.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import attributes
from brainmidi.evaluate import statistics
from brainmidi.models.attribute_vectors import LENGTH_COST, AttributeVectors, learn
from brainmidi.models.latent import slerp

Rows = NDArray[np.integer]
Floats = NDArray[np.float64]
Encode = Callable[[Rows], NDArray[np.floating]]
Decode = Callable[[NDArray[np.float32]], Rows]
#: Nats an event of each row, shape (n,), under some other model; higher is likelier.
LogLikelihood = Callable[[Rows], NDArray[np.floating]]

#: The scales in which a phrase can lie "in key": C major, and C minor in its natural form.
SCALES = {"major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10)}


@dataclass(frozen=True, slots=True)
class Interpolation:
    """What lies on the way between held-out phrases, in the latent and, for comparison, in the data.

    Parameters
    ----------
    shares : ndarray of float64, shape (n_steps,)
        0..1, how far along the way.
    latent_rows, crossfade_rows : ndarray of int, shape (n_pairs, n_steps, t)
        Decoded along the arc of the two latent means; and each token taken from the second phrase with a probability
        of the share, else from the first (Roberts et al. 2018, who compare the two in the same way).
    distance, crossfade_distance : ndarray of float64, shape (n_steps,)
        Mean normalised edit distance to the first phrase, as it was held out.
    spearman : float
        Of `distance` with the share.
    spearman_of_pairs : float
        The same of each pair's own distances, averaged over the pairs in which they change.
    in_key : float
        Share of decoded steps whose pitches all lie in a scale (:data:`SCALES`) that both phrases lie in; NaN if there
        is no such pair.
    pairs_in_key : int
        Pairs with such a scale: those that `in_key` is counted over.
    log_likelihood, crossfade_log_likelihood : ndarray of float64, shape (n_steps,), or None
        Mean nats an event under another model, if one was given.
    """

    shares: Floats
    latent_rows: Rows
    crossfade_rows: Rows
    distance: Floats
    crossfade_distance: Floats
    spearman: float
    spearman_of_pairs: float
    in_key: float
    pairs_in_key: int
    log_likelihood: Floats | None
    crossfade_log_likelihood: Floats | None


def interpolation(
    encode: Encode,
    decode: Decode,
    test_rows: Rows,
    *,
    n_pairs: int = 256,
    n_steps: int = 11,
    seed: int = 0,
    log_likelihood: LogLikelihood | None = None,
) -> Interpolation:
    """Decode the arcs between pairs of held-out phrases.

    Parameters
    ----------
    encode, decode : callable
        The model; see the head of this file.
    test_rows : ndarray of int, shape (n, t)
        At least two. No phrase is the first, or the second, of two pairs while there are others.
    n_pairs, n_steps : int
        Pairs, and points on each way, both ends counted.
    seed : int
        Of the choice of pairs and of the crossfade.
    log_likelihood : callable, optional
        Another model to score the rows with.
    """
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(test_rows))[: min(n_pairs, len(test_rows))]
    first, second = test_rows[order], test_rows[np.roll(order, 1)]
    shares = np.linspace(0.0, 1.0, n_steps)
    ends = zip(encode(first), encode(second), strict=True)
    ways = np.stack([slerp(a, b, shares) for a, b in ends])  # (n_pairs, n_steps, latent_size)
    shape = (len(order), n_steps, test_rows.shape[1])
    latent_rows = decode(ways.reshape(-1, ways.shape[-1])).reshape(shape)
    from_second = rng.random((shape[0], 1, shape[2])) < shares[:, None]
    crossfade_rows = np.where(from_second, second[:, None], first[:, None])
    distances = [_distances(rows, first) for rows in (latent_rows, crossfade_rows)]
    of_pairs = [statistics.spearman(row, shares) for row in distances[0]]
    common = np.stack([_in_scale(first, s) & _in_scale(second, s) for s in SCALES.values()])  # (n_scales, n_pairs)
    valid = np.stack([_in_scale(latent_rows, s) for s in SCALES.values()])  # (n_scales, n_pairs, n_steps)
    in_key = np.any(valid & common[..., None], axis=0)[np.any(common, axis=0)]
    likelihoods = [None, None]
    if log_likelihood is not None:
        likelihoods = [
            np.asarray(log_likelihood(rows.reshape(-1, shape[2])), dtype=np.float64).reshape(shape[:2]).mean(axis=0)
            for rows in (latent_rows, crossfade_rows)
        ]
    return Interpolation(
        shares,
        latent_rows,
        crossfade_rows,
        distances[0].mean(axis=0),
        distances[1].mean(axis=0),
        statistics.spearman(distances[0].mean(axis=0), shares),
        float(np.nanmean(of_pairs)) if np.isfinite(of_pairs).any() else float("nan"),
        float(in_key.mean()) if len(in_key) else float("nan"),
        len(in_key),
        *likelihoods,
    )


def _distances(rows: Rows, first: Rows) -> Floats:
    """Return the edit distance (n_pairs, n_steps) of rows (n_pairs, n_steps, t) to the first phrases (n_pairs, t)."""
    n_pairs, n_steps, t = rows.shape
    ends = np.repeat(first, n_steps, axis=0)
    return statistics.edit_distance(rows.reshape(-1, t), ends).reshape(n_pairs, n_steps)


def _in_scale(rows: Rows, scale: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which rows (..., t) have all their notes in a scale, shape (...,)."""
    fits = np.isin(attributes.pitches(rows) % 12, scale) | ~attributes.onsets(rows)
    return np.asarray(fits.all(axis=-1), dtype=np.bool_)


@dataclass(frozen=True, slots=True)
class AttributeTable:
    """How attributes of decoded phrases answer when one attribute vector at a time is added to held-out latents.

    Parameters
    ----------
    vectors : AttributeVectors
        Learned from the training phrases.
    levels : ndarray of float64, shape (n_levels,)
        How far z was moved, in standard deviations of the attribute.
    means : ndarray of float64, shape (n_attributes, n_levels, n_attributes)
        ``means[k, i, j]``: attribute j, in its own units, averaged over the phrases decoded with attribute k moved to
        level i.
    spearman : ndarray of float64, shape (n_attributes,)
        Of the level with the mean of the attribute that was moved.
    gain : ndarray of float64, shape (n_attributes,)
        Standard deviations of real change per standard deviation asked for: the slope of the attribute's means over the
        levels, by least squares.
    cross_talk : ndarray of float64, shape (n_attributes, n_attributes)
        ``cross_talk[k, j]``: slope of attribute j, in its own standard deviations, for one standard deviation of real
        change of attribute k, the one moved; 1 on the diagonal.
    correlation : ndarray of float64, shape (n_attributes, n_attributes)
        Of the attributes in the training phrases: the cross-talk of moving along with the data.
    """

    vectors: AttributeVectors
    levels: Floats
    means: Floats
    spearman: Floats
    gain: Floats
    cross_talk: Floats
    correlation: Floats


def attribute_table(
    encode: Encode,
    decode: Decode,
    train_rows: Rows,
    test_rows: Rows,
    *,
    levels: int = 11,
    n: int = 200,
    reach: float = 2.0,
    length_cost: float = LENGTH_COST,
    seed: int = 0,
) -> AttributeTable:
    """Learn attribute vectors from training phrases and move held-out phrases along them.

    Parameters
    ----------
    encode, decode : callable
        The model; see the head of this file.
    train_rows, test_rows : ndarray of int, shape (m, t)
        Phrases of whole bars, each with at least one note.
    levels : int
        From `reach` standard deviations down to as many up, evenly.
    n : int
        Held-out phrases to move, drawn with `seed` without replacement.
    length_cost : float
        See :func:`brainmidi.models.attribute_vectors.learn`.
    """
    measured = attributes.measure(train_rows)
    vectors = learn(encode(train_rows), measured, tuple(attributes.ATTRIBUTES), length_cost=length_cost)
    chosen = np.random.default_rng(seed).permutation(len(test_rows))[:n]
    z = encode(test_rows[chosen])
    grid = np.linspace(-reach, reach, levels)
    means = np.empty((len(vectors.names), levels, len(vectors.names)))
    for k, name in enumerate(vectors.names):
        moved = np.stack([vectors.apply(z, {name: level}) for level in grid])  # (n_levels, n, latent_size)
        rows = decode(moved.reshape(-1, moved.shape[-1]))
        # A phrase that lost its last note has no register; the others speak for the level.
        means[k] = np.nanmean(attributes.measure(rows).reshape(levels, len(z), -1), axis=1)
    standard = (means - vectors.mean) / vectors.std
    slopes = np.einsum("i,kij->kj", grid, standard) / (grid @ grid)  # the levels' own mean is 0
    gain = np.diag(slopes)
    return AttributeTable(
        vectors,
        grid,
        means,
        np.array([statistics.spearman(grid, means[k, :, k]) for k in range(len(means))]),
        gain,
        slopes / gain[:, None],
        np.asarray(np.corrcoef(measured, rowvar=False), dtype=np.float64),
    )


def prior_overlap(
    decode: Decode, test_rows: Rows, latent_size: int, *, n: int = 2000, seed: int = 0
) -> dict[str, dict[str, float]]:
    """Compare phrases decoded from the prior, a standard Gaussian, with held-out phrases.

    Parameters
    ----------
    decode : callable
        The model's decoder; it may sample instead of taking the likeliest token.
    test_rows : ndarray of int, shape (m, t)
    latent_size : int
    n : int
        Samples.
    seed : int
        Of the samples, and of the two halves.

    Returns
    -------
    dict of str to dict
        For ``"pitch-class entropy"`` (of phrases), ``"note length"`` and ``"interval"`` the overlap of the two
        histograms (see :mod:`brainmidi.evaluate.statistics`), ``"prior"``, and beside it that of two random halves of
        the held-out phrases, ``"halves"``: what the size of the test set lets one hope for.
    """
    rng = np.random.default_rng(seed)
    rows = decode(rng.standard_normal((n, latent_size)).astype(np.float32))
    one, other = np.array_split(test_rows[rng.permutation(len(test_rows))], 2)
    histograms = {
        "pitch-class entropy": statistics.entropy_histogram,
        "note length": statistics.length_histogram,
        "interval": statistics.interval_histogram,
    }
    return {
        name: {
            "prior": statistics.overlap(count(rows), count(test_rows)),
            "halves": statistics.overlap(count(one), count(other)),
        }
        for name, count in histograms.items()
    }

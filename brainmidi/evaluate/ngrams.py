"""Tables of tokens, pairs and triples: what a model of sequences has to be better than."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.integer]
Floats = NDArray[np.float64]

#: Contexts are weighed alike that were seen about equally often, in powers of two up to this one.
N_BUCKETS = 16
#: Of expectation maximisation.
ROUNDS = 60


class Ngrams:
    """A trigram table, mixed with those of shorter contexts.

    The share of each order is deleted interpolation's (Jelinek and Mercer 1980): the weights that make held-out tokens
    likeliest, found by expectation maximisation, for each class of how often the context was seen.

    Parameters
    ----------
    train : sequence of int arrays
        Whole pieces to count.
    held : sequence of int arrays
        Pieces to choose the weights on.
    n_classes : int
        Vocabulary v; tables take v**3 counts.
    order : int
        Tokens that count together, 1..3.
    """

    def __init__(self, train: Sequence[Tokens], held: Sequence[Tokens], n_classes: int, order: int = 3) -> None:
        self.n_classes, self.order = n_classes, order
        self._counts = [self._counted(train, n) for n in range(1, order + 1)]
        self._totals = [np.asarray(counts.sum(axis=-1)) for counts in self._counts]
        shares, buckets = self._shares(held)
        weights = np.full((N_BUCKETS, order + 1), 1.0 / (order + 1))
        for _ in range(ROUNDS):
            part = weights[buckets] * shares
            part /= part.sum(axis=1, keepdims=True)
            sums = np.stack([np.bincount(buckets, column, minlength=N_BUCKETS) for column in part.T], axis=1)
            # A class of contexts that never came keeps equal weights.
            weights = (sums + 1e-3) / (sums + 1e-3).sum(axis=1, keepdims=True)
        self._mix = weights

    def _counted(self, rows: Sequence[Tokens], n: int) -> NDArray[np.float32]:
        counts = np.zeros(self.n_classes**n, dtype=np.float32)
        for row in rows:
            tokens = np.asarray(row, dtype=np.int64)
            index = np.zeros(max(len(tokens) - n + 1, 0), dtype=np.int64)
            for k in range(n):
                index = index * self.n_classes + tokens[k : len(tokens) - n + 1 + k]
            np.add.at(counts, index, 1.0)
        return counts.reshape((self.n_classes,) * n)

    def _shares(self, rows: Sequence[Tokens]) -> tuple[Floats, NDArray[np.int64]]:
        """Return each token's share by each order, uniform first, (n, order + 1), and its context's class (n,)."""
        found, buckets = [], []
        for row in rows:
            tokens = np.asarray(row, dtype=np.int64)
            now = tokens[1:]
            before = (tokens[:-1], np.append(tokens[0], tokens[:-2])) if len(tokens) > 1 else (now, now)
            columns = [np.full(len(now), 1.0 / self.n_classes)]
            seen = np.zeros(len(now))
            for n in range(self.order):
                context = tuple(before[k] for k in reversed(range(n)))
                total = np.broadcast_to(self._totals[n][context], now.shape)
                count = self._counts[n][(*context, now)]
                # Where a context was never seen, the shorter one speaks.
                columns.append(np.where(total > 0, count / np.maximum(total, 1.0), columns[-1]))
                seen = total
            found.append(np.stack(columns, axis=1))
            buckets.append(np.minimum(np.log2(1.0 + seen), N_BUCKETS - 1).astype(np.int64))
        return np.concatenate(found), np.concatenate(buckets)

    def losses(self, row: Tokens) -> Floats:
        """Return the negative log-likelihood, in nats, of each token of a row after its first."""
        shares, buckets = self._shares([row])
        return np.asarray(-np.log((self._mix[buckets] * shares).sum(axis=1)))

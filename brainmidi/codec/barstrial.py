"""Does every row that the grammar of bars lets through decode, and is it its score's own spelling? Random rows tell."""

from __future__ import annotations

import numpy as np

from brainmidi.codec import bars
from brainmidi.errors import CodecError


def random_row(rng: np.random.Generator, n_tokens: int) -> list[int]:
    """Return ids, each the largest of uniform random logits among those allowed.

    EOS ends the row early; after `n_tokens` ids it ends as soon as a piece may, a few later at most.
    """
    grammar = bars.Grammar()
    row: list[int] = []
    while not grammar.ended and (len(row) < n_tokens or not grammar.allowed()[bars.EOS]):
        logits = np.where(grammar.allowed(), rng.random(bars.N_CLASSES), -np.inf)
        row.append(int(logits.argmax()))
        grammar.push(row[-1])
    return row


def n_decoded(n_rows: int, n_tokens: int, seed: int) -> int:
    """Return how many of `n_rows` random rows decode to a score whose spelling is the row.

    Parameters
    ----------
    n_rows : int
    n_tokens : int
        As of :func:`random_row`.
    seed : int
    """
    rng = np.random.default_rng(seed)
    passed = 0
    for _ in range(n_rows):
        row = random_row(rng, n_tokens)
        try:
            passed += bars.encode(bars.decode(row)).tolist() == row
        except CodecError:
            continue
    return passed

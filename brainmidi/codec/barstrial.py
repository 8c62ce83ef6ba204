"""Does every row that the grammar of bars lets through decode, and is it its score's own spelling? Random rows tell."""

from __future__ import annotations

import numpy as np

from brainmidi.codec import bars
from brainmidi.errors import CodecError


def random_row(rng: np.random.Generator, n_tokens: int) -> list[int]:
    """Return up to `n_tokens` ids, each the largest of uniform random logits among those allowed; EOS ends it early."""
    grammar = bars.Grammar()
    row: list[int] = []
    while len(row) < n_tokens and not grammar.ended:
        logits = np.where(grammar.allowed(), rng.random(bars.N_CLASSES), -np.inf)
        row.append(int(logits.argmax()))
        grammar.push(row[-1])
    return row


def whole(row: list[int]) -> list[int]:
    """Return the row up to the last id after which a piece may end; what follows is cut off in the middle."""
    grammar = bars.Grammar()
    end = 0
    for index, token in enumerate(row):
        grammar.push(token)
        if grammar.ended or grammar.allowed()[bars.EOS]:
            end = index + 1
    return row[:end]


def n_decoded(n_rows: int, n_tokens: int, seed: int) -> int:
    """Return how many of `n_rows` random rows decode to a score that is spelled as the row is.

    Parameters
    ----------
    n_rows : int
    n_tokens : int
        The most that a row may have.
    seed : int
    """
    rng = np.random.default_rng(seed)
    passed = 0
    for _ in range(n_rows):
        row = random_row(rng, n_tokens)
        try:
            passed += bars.encode(bars.decode(row)).tolist() == whole(row)
        except CodecError:
            continue
    return passed

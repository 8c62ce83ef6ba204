"""What a training of the Music Transformer takes for the same run; nothing is trained here."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from brainmidi.training.corpora import Piece

pytestmark = pytest.mark.models


class Begun(Exception):
    """Raised in place of training."""


@pytest.fixture
def data_of(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """Return what a run of these pieces is known by: training and validation data as one list of arrays."""
    pytest.importorskip("tensorflow")
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)
    from brainmidi.models.transformer import TransformerConfig
    from brainmidi.training import fit, transformer

    known: list[Any] = []

    def begin(model: Any, train: Any, validation: Any, *, data: Any, **_: Any) -> None:
        known[:] = [*data, *validation]
        raise Begun

    def run_of(pieces: list[Piece]) -> list[Any]:
        monkeypatch.setattr(transformer, "load_pieces", lambda *_: pieces)
        with pytest.raises(Begun):
            transformer.train(
                tmp_path / "out",
                cache=tmp_path,
                work=tmp_path,
                minutes=1.0,
                seed=1,
                config=TransformerConfig(n_layers=1, size=8, n_heads=1, inner_size=8, window=16),
            )
        return list(known)

    monkeypatch.setattr(fit, "run", begin)
    return run_of


def pieces(highest: int) -> list[Piece]:
    """Return a chorale for each split; the highest note of the training chorale's top voice is given."""
    found: dict[str, Piece] = {}
    n = 0
    while len(found) < 3:
        voices = [[(Fraction(at), Fraction(1), top) for at in range(16)] for top in (72, 67, 60, 48)]
        starts = tuple(Fraction(4 * bar) for bar in range(4))
        piece = Piece(f"bach/{n}", "4/4", 0, "major", starts, tuple(map(tuple, voices)))
        if piece.split == "train":
            voices[0][3] = (Fraction(3), Fraction(1), highest)
            piece = Piece(piece.name, "4/4", 0, "major", starts, tuple(map(tuple, voices)))
        found.setdefault(piece.split, piece)
        n += 1
    return list(found.values())


def test_other_training_pieces_are_another_run_and_the_same_pieces_are_the_same(data_of: Any) -> None:
    from brainmidi.training.state import digest

    first, again, other = (data_of(pieces(highest)) for highest in (74, 74, 76))
    assert digest(first) == digest(again)
    assert digest(first) != digest(other)
    assert all(np.array_equal(a, b) for a, b in zip(first[-2:], other[-2:], strict=True))  # the same validation

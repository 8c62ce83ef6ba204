"""How well performance events are foreseen, beside tables that were counted."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.typing import NDArray
from piano_files import folder_of

from brainmidi.codec import performance


class Deaf:
    """A model that foresees everything alike."""

    config = SimpleNamespace(window=128)

    def __call__(self, rows: NDArray[np.int32]) -> NDArray[np.float32]:
        return np.zeros((*rows.shape, performance.N_CLASSES), dtype=np.float32)


@pytest.mark.models
def test_beside_a_model_of_performances_stand_tables_of_events_pairs_and_triples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tensorflow")
    from brainmidi.evaluate import transformer
    from brainmidi.models import compiled  # noqa: F401 (chooses Keras' back end)

    monkeypatch.setattr(transformer, "load_model", lambda *_: Deaf())
    data = folder_of(tmp_path / "piano")
    found = transformer.foreseen(tmp_path, cache=tmp_path / "cache", collections=(), data=data)
    assert found["nll"] == pytest.approx(np.log(performance.N_CLASSES))
    # A rising line: what comes next is told by what came before, and better by the two before.
    assert 0 < found["floor_trigram"] < found["floor_bigram"] < found["floor_unigram"] < found["nll"]

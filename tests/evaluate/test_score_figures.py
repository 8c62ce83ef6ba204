from __future__ import annotations

from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from brainmidi.codec import bars
from brainmidi.codec.bars import Score, ScoreBar
from brainmidi.evaluate import scores, statistics
from brainmidi.training.scorerows import Row
from brainmidi.types import Note


class Deaf:
    """A model that foresees everything alike, or always the tokens of a row."""

    def __init__(self, row: np.ndarray | None = None) -> None:
        self.row = row
        self.config = SimpleNamespace(window=512)

    def initial(self, batch: int = 1) -> int:
        return 0

    def step(self, tokens: np.ndarray, seen: int) -> tuple[np.ndarray, int]:
        return self._after(len(tokens), seen + 1), seen + 1

    def prefill(self, tokens: np.ndarray, seen: int) -> tuple[np.ndarray, int]:
        found = [self._after(len(tokens), seen + n + 1) for n in range(tokens.shape[1])]
        return np.stack(found, axis=1), seen + tokens.shape[1]

    def _after(self, batch: int, at: int) -> np.ndarray:
        logits = np.zeros((batch, bars.N_CLASSES), dtype=np.float32)
        if self.row is not None and at < len(self.row):
            logits[:, self.row[at]] = 100.0
        return logits


def song(up: int = 0, parts: tuple[str, ...] = ("melody", "bass")) -> np.ndarray:
    """Return eight bars in 4/4 of a rising line in quarters, and a bass note a bar."""

    def bar(n: int) -> ScoreBar:
        notes = [Note(Fraction(beat), Fraction(1), 60 + up + n + beat, 84) for beat in range(4)]
        notes.append(Note(Fraction(0), Fraction(4), 36 + n, 76, "bass"))
        return ScoreBar(16, ((0, 1),), tuple(note for note in notes if note.part in parts))

    return bars.encode(Score(tuple(bar(n) for n in range(8)), "bach", True))


def row(tokens: np.ndarray, name: str = "x") -> Row:
    return Row(name, "test", True, tokens)


def test_a_model_without_opinions_goes_on_with_what_the_grammar_allows() -> None:
    prompts = [song()[:20], song()[:7], song()[:1]]
    rows = scores.go_on(Deaf(), prompts, [50, 30, 400], np.random.default_rng(0))  # type: ignore[arg-type]
    for found, prompt, length in zip(rows, prompts, (50, 30, 400), strict=True):
        assert len(found) == len(prompt) + length
        assert np.array_equal(found[: len(prompt)], prompt)
        assert not bars.decode(found).ended


def test_a_model_that_knows_a_piece_plays_it_and_foresees_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    piece = row(song())
    model: Any = Deaf(piece.tokens)
    monkeypatch.setattr(scores, "CONTINUATIONS", 3)
    figures = scores.continuations(model, [piece], [piece], seed=0)
    assert {figures[f"{name}_overlap"] for name in ("pitch_class", "duration", "onset_interval", "velocity")} == {1.0}
    assert figures["notes_played"] == 4 * 5 * figures["times_each"]
    assert figures["played_longest_verbatim_notes"] == 16
    assert figures["played_longest_verbatim_beats"] == 15.0
    assert scores.likelihoods(model, {}, [piece])["nll"] == pytest.approx(0.0, abs=1e-6)


def test_test_pieces_that_are_too_short_to_go_on_with_are_said_to_be() -> None:
    whole = row(song())
    short = row(whole.tokens[: whole.bar_indices[scores.PROMPT_BARS + 1]])
    figures = scores.continuations(Deaf(), [short, short], [whole], seed=0)  # type: ignore[arg-type]
    assert figures == {"continuations": "left out, no test piece has more than 5 bars"}


def test_training_pieces_are_cut_as_the_test_pieces_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scores, "CONTINUATIONS", 1)
    monkeypatch.setattr(scores, "MOST_TOKENS", 20)
    piece = row(song())
    figures = scores.continuations(Deaf(), [piece], [piece], seed=0)  # type: ignore[arg-type]
    beside = [value for name, value in figures.items() if name.endswith("of_training_pieces")]
    assert beside == [1.0] * 4
    short = row(piece.tokens[: piece.bar_indices[scores.PROMPT_BARS + 1]])
    alone = scores.continuations(Deaf(), [piece], [short], seed=0)  # type: ignore[arg-type]
    assert not [name for name in alone if name.endswith("of_training_pieces")]


def test_every_token_alike_is_the_logarithm_of_the_vocabulary() -> None:
    model: Any = Deaf()
    figures = scores.likelihoods(model, {}, [row(song())])
    assert figures["nll"] == pytest.approx(np.log(bars.N_CLASSES))
    assert figures["tokens"] == len(song()) - 1


def test_histograms_count_notes_from_a_bar_on() -> None:
    found = scores.histograms([scores.notes_of(song(), 6)])
    assert found["duration"][[4, 16]].tolist() == [8, 2]
    assert found["onset_interval"][4] == 7
    assert found["velocity"][[84, 76]].tolist() == [8, 2]
    assert found["pitch_class"].sum() == 10


def test_a_melody_is_found_again_in_another_key() -> None:
    rows = scores.melody_rows([scores.notes_of(song(up), 0) for up in (0, 5)])
    match = statistics.longest_match(rows[:1], rows[1:])
    assert match.notes.tolist() == [32]


def test_a_tune_alone_is_told_from_a_piece_of_parts() -> None:
    assert scores.has_parts(row(song()))
    assert not scores.has_parts(row(song(parts=("melody",))))

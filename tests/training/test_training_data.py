from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from brainmidi.codec import melody, performance
from brainmidi.errors import ConfigError
from brainmidi.training import cards, corpora, melodies
from brainmidi.training.corpora import Piece
from brainmidi.training.performances import held_out, performances, transposed, window

SCALE = (67, 69, 71, 72, 74, 76, 78, 79)


def tune(name: str = "tune/0", *, pickup: Fraction = Fraction(0), n_bars: int = 4, metre: str = "4/4") -> Piece:
    """A tune in G major: running quarters, after a pickup of D."""
    starts = [Fraction(0), *(pickup + 4 * n for n in range(1 if not pickup else 0, n_bars))]
    notes = [(Fraction(0), pickup, 74)] if pickup else []
    notes += [(pickup + n, Fraction(1), SCALE[n % 8]) for n in range(4 * n_bars)]
    return Piece(name, metre, 7, "major", tuple(starts), (tuple(notes),))


def chorale() -> Piece:
    voices = [tuple((Fraction(n), Fraction(1), top + n % 3) for n in range(16)) for top in (72, 67, 60, 48)]
    return Piece("bach/x/0", "4/4", 0, "major", tuple(Fraction(4 * n) for n in range(4)), tuple(voices))


def test_windows_begin_at_bar_lines_and_stand_on_c() -> None:
    found = melodies.windows(tune())
    assert len(found) == 3  # bars 1-2, 2-3, 3-4
    phrase = melody.decode(found[0])
    assert [note.pitch % 12 for note in phrase][:4] == [0, 2, 4, 5]
    assert [note.start for note in phrase] == list(range(8))


def test_a_pickup_shifts_the_bars_but_not_the_windows() -> None:
    shifted = melodies.windows(tune(pickup=Fraction(1)))
    assert [row.tolist() for row in shifted] == [row.tolist() for row in melodies.windows(tune())]


def test_bars_of_two_quarters_are_stretched_to_four() -> None:
    short = tune(metre="2/4")
    halved = replace(
        short,
        bar_starts=tuple(b / 2 for b in short.bar_starts),
        parts=(tuple((s / 2, d / 2, p) for s, d, p in short.parts[0]),),
    )
    assert [row.tolist() for row in melodies.windows(halved)] == [row.tolist() for row in melodies.windows(tune())]


def test_other_metres_are_left_out() -> None:
    assert melodies.windows(tune(metre="6/8")) == []
    assert performances(replace(chorale(), metre="6/8")) == []


def test_a_held_out_phrase_that_a_training_piece_has_too_is_taken_out() -> None:
    names: dict[str, str] = {}
    for n in range(200):
        names.setdefault(corpora.split_of(f"tune/{n}"), f"tune/{n}")
    assert set(names) == {"train", "validation", "test"}
    other = [replace(tune(names[split]), tonic=7 + shift) for split, shift in (("validation", 1), ("test", 2))]
    data = melodies.dataset([tune(names["train"]), tune(names["validation"]), *other])
    seen = {row.tobytes() for row in data["train"].tokens}
    assert len(data["validation"]) > 0
    assert not any(row.tobytes() in seen for row in (*data["validation"].tokens, *data["test"].tokens))
    for split, examples in data.items():
        assert {corpora.split_of(examples.names[n]) for n in examples.piece} == {split}


def test_a_piece_is_always_in_the_same_split() -> None:
    splits = [corpora.split_of(f"ryan/{n}/0") for n in range(2000)]
    assert 0.87 < splits.count("train") / 2000 < 0.93
    assert splits == [corpora.split_of(f"ryan/{n}/0") for n in range(2000)]


def test_a_piece_comes_back_from_its_cache_as_it_was() -> None:
    piece = tune(pickup=Fraction(1, 3))
    assert corpora.from_json(corpora.to_json(piece)) == piece


def test_an_unknown_collection_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"collection 'essen' is unknown; choose from ryan, oneill, aird, bach"):
        corpora.load_pieces(("essen",), tmp_path)


def test_a_chorale_is_performed_at_both_speeds_with_bars_at_its_accents() -> None:
    slow, fast = performances(chorale())
    assert performance.decode(slow.tokens).length == 16
    assert performance.decode(fast.tokens).length == 8
    downbeat = performance.velocity_token(performance.metrical_velocity(0, 16))
    for index in slow.bar_indices[1:]:
        rest = slow.tokens[index:]
        assert rest[rest >= performance.VELOCITY][0] == downbeat


def test_transposing_moves_pitches_alone() -> None:
    tokens = performances(chorale())[0].tokens
    up = performance.decode(transposed(tokens, 5))
    assert [n.pitch for n in up] == [n.pitch + 5 for n in performance.decode(tokens)]
    assert [n.start for n in up] == [n.start for n in performance.decode(tokens)]


def test_a_window_past_the_end_says_so_and_is_padded() -> None:
    tokens = np.arange(10, 16, dtype=np.int32)
    assert window(tokens, 3, 6).tolist() == [13, 14, 15, performance.EOS, performance.PAD, performance.PAD]
    assert window(tokens, 0, 4).tolist() == [10, 11, 12, 13]


def test_held_out_windows_overlap_by_the_event_they_start_from() -> None:
    piece = performances(chorale())[0]
    rows = held_out([piece], 32)
    assert rows.shape[1] == 33
    assert rows[0, 32] == rows[1, 0]


def test_of_pieces_that_are_all_short_each_is_a_held_out_window() -> None:
    piece = performances(chorale())[0]
    length = 4 * len(piece.tokens)  # a rest of a quarter of it is left out
    rows = held_out([piece, piece], length)
    assert rows.shape == (2, length + 1)
    assert rows[0, : len(piece.tokens)].tolist() == piece.tokens.tolist()
    long = replace(piece, tokens=np.tile(piece.tokens, 2))
    assert len(held_out([piece, long], length)) == 1


def test_a_card_names_data_licence_command_and_every_figure(tmp_path: Path) -> None:
    card = cards.Card(
        title="A model",
        what="What it is.",
        licences=cards.licences(("ryan",)),
        command="brainmidi train musicvae",
        training={"seconds": 5400.0},
        sections={"reconstruction": [("teacher forced", cards.rounded(0.91234))]},
        notes="How to read them.",
        goal="It is 0.07 short of the goal.",
    )
    cards.write_card(tmp_path, card)
    text = (tmp_path / cards.CARD_FILE).read_text()
    for part in ("Ryan's Mammoth", "public domain", "brainmidi train musicvae", "5400", "0.9123", "short of the goal"):
        assert part in text
    assert "## Figures on the test split\n" in text
    assert "Apache-2.0" in text
    cards.write_card(tmp_path, replace(card, free=False))
    assert "Apache-2.0" not in (tmp_path / cards.CARD_FILE).read_text()


def test_a_collection_that_a_recipe_cannot_use_is_refused_with_what_it_needs() -> None:
    with pytest.raises(ConfigError, match=r"0 pieces with phrases .* in the train split"):
        melodies.dataset([tune(metre="6/8")])

"""How good a bar-aware Music Transformer is: what it foresees, and how like the test pieces its own music is.

Everything is measured on the test split, which is by piece, with the very code that plays.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import bars, melody
from brainmidi.evaluate import statistics
from brainmidi.evaluate.common import evenly, negative_log_likelihood
from brainmidi.evaluate.ngrams import Ngrams
from brainmidi.models.stepper import TransformerStepper
from brainmidi.training import scorerows
from brainmidi.training.scorerows import Row

#: Rows that are read at once, bars of a prompt, and the most tokens and pieces that are gone on with.
BATCH, PROMPT_BARS, MOST_TOKENS, MOST_PIECES = 16, 4, 1024, 48
#: Continuations, at least: a few pieces are gone on with several times each, or chance would be most of the figure.
CONTINUATIONS = 96
#: Most windows whose tokens are scored, of each kind of music.
MOST_WINDOWS = 256
#: Onset intervals in sixteenths; what is longer counts as this.
LONGEST_INTERVAL = 16

Figures = dict[str, dict[str, Any]]
#: A note as onset and length in sixteenths from the piece's beginning, pitch, velocity; part apart.
Notes = NDArray[np.int64]


def evaluate(
    folder: Path, *, cache: Path, collections: tuple[str, ...] = (), data: Path | None = None, seed: int = 0
) -> Figures:
    """Measure a checkpoint.

    Parameters
    ----------
    folder : Path
        Of the checkpoint.
    cache, collections, data
        As it was trained with; see :func:`brainmidi.training.scorerows.load`.
    seed : int
        Of what it plays.

    Returns
    -------
    dict
        A section for pieces of several parts and one for tunes alone, whichever there are. Negative log-likelihoods are
        in nats a token; overlaps are of histograms of continuations, and beside them of as many training pieces, with
        the test pieces; verbatim matches are those of the melodies with any training piece's, in any key.
    """
    model = TransformerStepper(folder)
    found = scorerows.load(cache=cache, collections=collections, data=data)
    train, held, test = (found.split(name) for name in scorerows.SPLITS)
    grams = {
        name: Ngrams([row.tokens for row in train], [row.tokens for row in held], bars.N_CLASSES, order)
        for order, name in ((1, "unigram"), (2, "bigram"), (3, "trigram"))
    }
    figures: Figures = {}
    for section, wanted in (("several parts", True), ("tunes alone", False)):
        kinds = [[row for row in rows if has_parts(row) == wanted] for rows in (train, test)]
        if all(kinds):
            learnt, own = kinds
            figures[section] = likelihoods(model, grams, own) | continuations(model, own, learnt, seed)
    return figures


def has_parts(row: Row) -> bool:
    """Return whether a piece is more than a melody."""
    first = bars.part_token("melody")
    return bool(((row.tokens > first) & (row.tokens < bars.PITCH)).any())


def likelihoods(model: TransformerStepper, grams: dict[str, Ngrams], rows: Sequence[Row]) -> dict[str, Any]:
    """Return the model's nats a token, the tables' on the same tokens, and the share of tokens foreseen."""
    windows = scorerows.held_out(rows, model.config.window)
    windows = windows[evenly(len(windows), MOST_WINDOWS)]
    losses, hits = [], []
    for start in range(0, len(windows), BATCH):
        batch = windows[start : start + BATCH]
        logits, _ = model.prefill(batch[:, :-1], model.initial(len(batch)))
        known = batch[:, 1:] != bars.PAD
        losses.append(negative_log_likelihood(logits, batch[:, 1:])[known])
        hits.append((logits.argmax(axis=-1) == batch[:, 1:])[known])
    figures: dict[str, Any] = {
        "nll": float(np.concatenate(losses).mean()),
        "accuracy": float(np.concatenate(hits).mean()),
    }
    cut = [np.trim_zeros(row, "b") for row in windows]
    for name, table in grams.items():
        figures[f"nll_{name}"] = float(np.concatenate([table.losses(row) for row in cut]).mean())
    return figures | {"tokens": int(sum(len(part) for part in losses)), "pieces": len(rows)}


def continuations(model: TransformerStepper, test: Sequence[Row], train: Sequence[Row], seed: int) -> dict[str, Any]:
    """Return how like the test pieces what the model plays after their first bars is, and what of it is verbatim.

    Where all test pieces are too short to be gone on with, that is all it says. Training pieces that stand beside
    are as long, and cut as the test pieces are.
    """
    chosen = _spread([row for row in test if _goes_on(row)], MOST_PIECES)
    if not chosen:
        return {"continuations": f"left out, no test piece has more than {PROMPT_BARS + 1} bars"}
    prompts = [row.tokens[: row.bar_indices[PROMPT_BARS]] for row in chosen]
    pieces = [_cut(row) for row in chosen]
    lengths = [len(piece) - len(prompt) for piece, prompt in zip(pieces, prompts, strict=True)]
    times = -(-CONTINUATIONS // len(chosen))
    played = go_on(model, prompts * times, lengths * times, np.random.default_rng(seed))
    made = [notes_of(row, PROMPT_BARS) for row in played]
    truth = [notes_of(piece, PROMPT_BARS) for piece in pieces]
    learnt = _spread([row for row in train if _goes_on(row)], len(chosen))
    others = [notes_of(_cut(row), PROMPT_BARS) for row in learnt]
    mine, right = histograms(made), histograms(truth)
    figures: dict[str, Any] = {f"{name}_overlap": statistics.overlap(mine[name], right[name]) for name in right}
    if others:
        other = histograms(others)
        figures |= {
            f"{name}_overlap_of_training_pieces": statistics.overlap(other[name], right[name]) for name in right
        }
    figures |= {"pieces_gone_on_with": len(chosen), "times_each": times}
    figures["notes_played"] = sum(len(notes) for _, notes in made)
    known = melody_rows([notes_of(row.tokens, 0) for row in train])
    for kind, rows in (("played", made), ("test_pieces", truth)):
        match = statistics.longest_match(melody_rows(rows), known)
        figures[f"{kind}_longest_verbatim_notes"] = int(match.notes.max())
        figures[f"{kind}_longest_verbatim_beats"] = float(match.beats.max())
        figures[f"{kind}_median_verbatim_beats"] = float(np.median(match.beats))
    return figures


def go_on(
    model: TransformerStepper,
    prompts: Sequence[NDArray[np.int32]],
    lengths: Sequence[int],
    rng: np.random.Generator,
) -> list[NDArray[np.int32]]:
    """Return each prompt gone on with for so many tokens, sampled at temperature 1 from what the grammar allows."""
    rows: list[NDArray[np.int32]] = []
    for start in range(0, len(prompts), BATCH):
        batch = list(zip(prompts[start : start + BATCH], lengths[start : start + BATCH], strict=True))
        grammars = [bars.Grammar() for _ in batch]
        spoken: list[list[int]] = [[] for _ in batch]
        logits = np.zeros((len(batch), bars.N_CLASSES), dtype=np.float32)
        cache = model.initial(len(batch))
        for at in range(max(len(prompt) + length for prompt, length in batch)):
            now = np.full(len(batch), bars.EOS, dtype=np.int32)
            chance = rng.gumbel(size=logits.shape)
            for n, (prompt, length) in enumerate(batch):
                if at >= len(prompt) + length:
                    continue
                if at < len(prompt):
                    now[n] = prompt[at]
                else:
                    allowed = grammars[n].allowed().copy()
                    allowed[bars.EOS] = False  # as long as the piece
                    now[n] = int(np.where(allowed, logits[n] + chance[n], -np.inf).argmax())
                grammars[n].push(int(now[n]))
                spoken[n].append(int(now[n]))
            logits, cache = model.step(now, cache)
        rows += [np.array(row, dtype=np.int32) for row in spoken]
    return rows


def notes_of(tokens: NDArray[np.int32], first_bar: int) -> tuple[tuple[str, ...], Notes]:
    """Return the notes from a bar on: the part of each, and rows of onset, length, pitch and velocity, (n, 4).

    Times are in sixteenths from the piece's beginning.
    """
    score = bars.decode(tokens)
    lines = [0, *accumulate(bar.length for bar in score.bars)]
    found = sorted(
        (line + int(note.start * 4), int(note.length * 4), note.pitch, note.velocity, note.part)
        for line, bar in list(zip(lines, score.bars, strict=False))[first_bar:]
        for note in bar.notes
    )
    rows = np.array([row[:4] for row in found], dtype=np.int64).reshape(-1, 4)
    return tuple(row[4] for row in found), rows


def histograms(pieces: Sequence[tuple[tuple[str, ...], Notes]]) -> dict[str, NDArray[np.int64]]:
    """Return how many notes there are of each pitch class, duration and velocity, and of each time between onsets."""
    notes = np.concatenate([rows for _, rows in pieces])
    gaps = [np.diff(np.unique(rows[:, 0])) for _, rows in pieces]
    return {
        "pitch_class": np.bincount(notes[:, 2] % 12, minlength=12),
        "duration": np.bincount(notes[:, 1], minlength=bars.DURATIONS[-1] + 1),
        "onset_interval": np.bincount(np.minimum(np.concatenate(gaps), LONGEST_INTERVAL), minlength=17),
        "velocity": np.bincount(notes[:, 3], minlength=128),
    }


def melody_rows(pieces: Sequence[tuple[tuple[str, ...], Notes]]) -> NDArray[np.int64]:
    """Return the melodies as token rows of the melody codec, one class a sixteenth, padded with "no event"."""
    lines = [rows[np.array([part == "melody" for part in parts], dtype=bool)] for parts, rows in pieces]
    length = max((int(line[-1, 0]) + 1 for line in lines if len(line)), default=1)
    found = np.zeros((len(lines), length), dtype=np.int64)
    for row, line in zip(found, lines, strict=True):
        # Of notes struck together the highest stays: it comes last.
        row[line[:, 0]] = line[:, 2] - melody.MIN_PITCH + melody.FIRST_PITCH_CLASS
    return found


def _goes_on(row: Row) -> bool:
    return len(row.bar_indices) > PROMPT_BARS + 1


def _cut(row: Row) -> NDArray[np.int32]:
    """Return the prompt of a piece that goes on, and the most tokens after it."""
    return row.tokens[: row.bar_indices[PROMPT_BARS] + MOST_TOKENS]


def _spread(rows: Sequence[Row], most: int) -> list[Row]:
    return [rows[n] for n in evenly(len(rows), most)]

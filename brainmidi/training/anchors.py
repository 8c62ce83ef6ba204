"""Choose the phrases between which a session's melody moves: calm and active corners, from the training tunes.

A corner must be one that the model knows (it gives the phrase back), lie in C major without accidentals (so that it can
be moved to any mode by scale degree), begin and end on a tone of the tonic chord, sing, and be sparse or busy enough.
Among those, corners far apart in latent space are taken, so that every anchor sounds like a place of its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from brainmidi.codec import melody
from brainmidi.errors import ModelError
from brainmidi.models.musicvae import MusicVae
from brainmidi.training.corpora import Piece
from brainmidi.training.melodies import windows

MAJOR = np.array([0, 2, 4, 5, 7, 9, 11])
TRIAD = np.array([0, 4, 7])
#: Onsets in two bars of a calm and of an active corner.
CALM_ONSETS = range(5, 9)
ACTIVE_ONSETS = range(14, 22)
#: Mean MIDI pitch of a corner: comfortable for a singing lead.
MEAN_PITCH = (65.0, 77.0)
#: A line that sings: mostly steps and thirds, no leap beyond an octave, and at most this many onsets off the eighths.
MEAN_INTERVAL = 3.2
LARGEST_INTERVAL = 12
OFF_EIGHTHS = 2
BATCH = 256
#: Corners are chosen from this many phrases that the model gives back best, and those that come back as well.
BEST_KNOWN = 80


@dataclass(frozen=True, slots=True)
class Corner:
    """A phrase of a tune, its tokens (32,), its latent mean (latent_size,), and the share of it that comes back."""

    piece: str
    tokens: NDArray[np.uint8]
    mu: NDArray[np.float32]
    given_back: float


def choose(model: MusicVae, pieces: list[Piece], n_anchors: int) -> list[tuple[Corner, Corner]]:
    """Return `n_anchors` pairs of a calm and an active corner.

    Raises
    ------
    ModelError
        If the pieces have too few phrases to choose from.
    """
    phrases = [(piece.name, row) for piece in pieces for row in windows(piece)]
    sides = []
    for onsets in (CALM_ONSETS, ACTIVE_ONSETS):
        found = {row.tobytes(): (name, row) for name, row in phrases if _fits(row, onsets)}
        corners = sorted(_corners(model, list(found.values())), key=lambda corner: -corner.given_back)
        if len(corners) < BEST_KNOWN:
            raise ModelError(
                f"{len(corners)} phrases are fit to be corners, {BEST_KNOWN} are needed; read more collections"
            )
        worst = corners[BEST_KNOWN - 1].given_back
        sides.append(_far_apart([corner for corner in corners if corner.given_back >= worst], n_anchors))
    calm, active = sides
    # Partners lie close to each other: the way between them is then one melody growing busier, not two.
    pairs = []
    for corner in calm:
        partner = min(active, key=lambda other: float(np.linalg.norm(other.mu - corner.mu)))
        active.remove(partner)
        pairs.append((corner, partner))
    return pairs


def _fits(tokens: NDArray[np.uint8], onsets: range) -> bool:
    steps = np.flatnonzero(tokens >= melody.FIRST_PITCH_CLASS)
    if len(steps) not in onsets or steps[0] != 0 or 16 not in steps:
        return False
    pitches = tokens[steps].astype(int) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH
    return bool(
        np.isin(pitches % 12, MAJOR).all()
        and np.isin(pitches[[0, -1]] % 12, TRIAD).all()
        and MEAN_PITCH[0] <= pitches.mean() <= MEAN_PITCH[1]
        and np.ptp(pitches) >= 4
        and len(np.unique(pitches)) >= 4
        and np.abs(np.diff(pitches)).mean() <= MEAN_INTERVAL
        and np.abs(np.diff(pitches)).max() <= LARGEST_INTERVAL
        and np.count_nonzero(steps % 2) <= OFF_EIGHTHS
    )


def _corners(model: MusicVae, phrases: list[tuple[str, NDArray[np.uint8]]]) -> list[Corner]:
    config = model.config
    corners = []
    for start in range(0, len(phrases), BATCH):
        part = phrases[start : start + BATCH]
        rows = np.stack([tokens for _, tokens in part]).astype(np.int32)
        mu, _ = model.encode(ops.convert_to_tensor(rows))
        silent = ops.zeros((len(part), config.n_steps, config.n_classes))
        free = ops.full((len(part), config.n_steps), -1, dtype="int32")
        back = np.asarray(ops.convert_to_numpy(model.decode(mu, silent, silent, ops.ones((len(part),)), free)))
        means = np.asarray(ops.convert_to_numpy(mu), dtype=np.float32)
        corners += [
            Corner(name, tokens, z, float(np.mean(decoded == row)))
            for (name, tokens), row, z, decoded in zip(part, rows, means, back, strict=True)
        ]
    return corners


def _far_apart(corners: list[Corner], n: int) -> list[Corner]:
    """Return `n` corners, of as many pieces, by farthest-point sampling from the best known."""
    mus = np.stack([corner.mu for corner in corners])
    chosen = [int(np.argmin(np.linalg.norm(mus - mus.mean(axis=0), axis=1)))]
    nearest = np.linalg.norm(mus - mus[chosen[0]], axis=1)
    while len(chosen) < n:
        taken = {corners[k].piece for k in chosen}
        free = np.array([corner.piece not in taken for corner in corners])
        following = int(np.argmax(np.where(free, nearest, -1.0)))
        chosen.append(following)
        nearest = np.minimum(nearest, np.linalg.norm(mus - mus[following], axis=1))
    return [corners[k] for k in chosen]


def write_anchors(path: Path, pairs: list[tuple[Corner, Corner]]) -> None:
    """Write pairs as the JSON that :func:`brainmidi.music.phrase.anchors_from_json` reads."""
    rows = [
        {
            "name": chr(ord("A") + n),
            "calm_from": calm.piece,
            "active_from": active.piece,
            "calm": _notes(calm),
            "active": _notes(active),
        }
        for n, (calm, active) in enumerate(pairs)
    ]
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n")


def _notes(corner: Corner) -> list[list[Any]]:
    """Return [start, length, pitch] of each note, in sixteenths."""
    return [[int(note.start * 4), int(note.length * 4), note.pitch] for note in melody.decode(corner.tokens)]

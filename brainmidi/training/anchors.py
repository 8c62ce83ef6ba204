"""Choose the phrases between which a session's parts move: calm and active corners, from the training phrases.

A corner must be one that the model knows (it gives the phrase back) and be sparse or busy enough. That of a melody or
bass lies in C major without accidentals (so that it can be moved to any mode by scale degree), begins and ends on a
tone of the tonic chord, and sings; drums mark the downbeats with the kick and have a backbeat. Among those, corners far
apart in latent space are taken, so that every anchor sounds like a place of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords, drums, melody
from brainmidi.evaluate.latent import SCALES
from brainmidi.training.material import Material, Source, feed
from brainmidi.types import Phrase

if TYPE_CHECKING:
    from brainmidi.models.compiled import CompiledMusicVae

MAJOR = SCALES["major"]
TRIAD = np.array([0, 4, 7])
BATCH = 256
#: Corners are chosen from this many phrases that the model gives back best, and those that come back as well.
BEST_KNOWN = 60


@dataclass(frozen=True, slots=True)
class Taste:
    """What makes a line a corner.

    Parameters
    ----------
    calm, active : range
        Onsets in two bars.
    mean_pitch : tuple of two floats
        Where a line lies, MIDI pitch.
    mean_interval, largest_interval : float
        Semitones: mostly steps and thirds for a melody, wider for a bass.
    off_eighths : int
        Most onsets off the eighths.
    """

    calm: range
    active: range
    mean_pitch: tuple[float, float]
    mean_interval: float
    largest_interval: int
    off_eighths: int


TASTES = {
    "melody": Taste(range(5, 9), range(14, 22), (65.0, 77.0), 3.2, 12, 2),
    "bass": Taste(range(3, 9), range(10, 19), (34.0, 48.0), 5.5, 12, 2),
}
#: Hits in two bars of a calm and of an active drum pattern, and the share of steps that its bars have in common.
CALM_HITS, ACTIVE_HITS = range(14, 27), range(40, 62)
CALM_SAME, ACTIVE_SAME = 0.8, 0.6
#: Hits of a corner that may be tom-toms or crashes: a corner is a beat, no fill.
COLOURS = 3


@dataclass(frozen=True, slots=True)
class Corner:
    """A phrase of a tune, its tokens (32,), its latent mean (latent_size,), and the share of it that comes back."""

    piece: str
    tokens: NDArray[np.uint8]
    mu: NDArray[np.float32]
    given_back: float


def choose(model: CompiledMusicVae, name: str, source: Source, n_anchors: int) -> list[tuple[Corner, Corner]]:
    """Return pairs of a calm and an active corner, `n_anchors` of them or as many as there are.

    Parameters
    ----------
    model : CompiledMusicVae
        Of configuration `name`.
    source : Source
        Its data; corners come of the training split.
    n_anchors : int
        Pairs.
    """
    train = source.splits["train"]
    if source.part == "drums":
        fits: tuple[Fits, Fits] = (
            lambda row: _beat(row, CALM_HITS, CALM_SAME),
            lambda row: _beat(row, ACTIVE_HITS, ACTIVE_SAME),
        )
    else:
        taste = TASTES[source.part]
        fits = (lambda row: _line(row, taste.calm, taste), lambda row: _line(row, taste.active, taste))
    sides = []
    for fit in fits:
        _, first = np.unique(train.events, axis=0, return_index=True)
        rows = np.array([n for n in sorted(first) if fit(train.events[n]) and _in_c(train, n)], dtype=np.intp)
        corners = sorted(_corners(model, name, train.take(rows)), key=lambda corner: -corner.given_back)
        worst = corners[min(BEST_KNOWN, len(corners)) - 1].given_back if corners else 1.0
        sides.append(_far_apart([corner for corner in corners if corner.given_back >= worst], n_anchors))
    n_pairs = min(len(side) for side in sides)
    calm, active = (side[:n_pairs] for side in sides)
    # Partners lie close to each other: the way between them is then one line growing busier, not two.
    pairs = []
    for corner in calm:
        partner = min(active, key=lambda other: float(np.linalg.norm(other.mu - corner.mu)))
        active.remove(partner)
        pairs.append((corner, partner))
    return pairs


Fits = Callable[[NDArray[Any]], bool]


def _line(tokens: NDArray[Any], onsets: range, taste: Taste) -> bool:
    steps = np.flatnonzero(tokens >= melody.FIRST_PITCH_CLASS)
    if len(steps) not in onsets or steps[0] != 0 or 16 not in steps:
        return False
    pitches = tokens[steps].astype(int) - melody.FIRST_PITCH_CLASS + melody.MIN_PITCH
    return bool(
        np.isin(pitches % 12, MAJOR).all()
        and np.isin(pitches[[0, -1]] % 12, TRIAD).all()
        and taste.mean_pitch[0] <= pitches.mean() <= taste.mean_pitch[1]
        and np.ptp(pitches) >= 4
        and len(np.unique(pitches)) >= min(4, len(steps))
        and np.abs(np.diff(pitches)).mean() <= taste.mean_interval
        and np.abs(np.diff(pitches)).max() <= taste.largest_interval
        and np.count_nonzero(steps % 2) <= taste.off_eighths
    )


def _in_c(rows: Material, n: int) -> bool:
    """Return whether a phrase begins under the tonic's chord and all its chords lie in C major."""
    if rows.chords is None:
        return True
    under = rows.chords[n]
    return int(under[0]) == chords.encode(0, "major") and all(chords.tones(int(c)) <= set(MAJOR) for c in set(under))


def _beat(tokens: NDArray[Any], hits: range, same: float) -> bool:
    struck = np.asarray(drums.unpack(tokens))
    bars = tokens.reshape(2, -1)
    colours = struck[:, [drums.LOW_TOM, drums.MID_TOM, drums.HIGH_TOM, drums.CRASH]]
    if int(struck.sum()) not in hits or (bars[0] == bars[1]).mean() < same or int(colours.sum()) > COLOURS:
        return False
    snare, kick = struck[:, drums.SNARE], struck[:, drums.KICK]
    time = struck[::4, [drums.CLOSED_HAT, drums.OPEN_HAT, drums.RIDE]].any(axis=1)
    return bool(
        kick[0]
        and kick[16]
        and snare[[4, 20]].all()
        and snare[[12, 28]].all()
        and np.count_nonzero(time) >= 6
        and struck.sum(axis=1).max() <= 3
    )


def _corners(model: CompiledMusicVae, name: str, rows: Material) -> list[Corner]:
    arrays = feed(name, model.config)
    corners = []
    for start in range(0, len(rows), BATCH):
        part = rows.take(np.arange(start, min(start + BATCH, len(rows))))
        events, targets, *controls = arrays(part)
        mu, _ = model.encode(events, *controls)
        back = model.decode(mu, controls=controls[0] if controls else None)
        same = (back == targets).all(axis=-1).mean(axis=1)
        corners += [
            Corner(rows.names[piece], tokens, z, float(share))
            for piece, tokens, z, share in zip(part.piece, part.events, mu, same, strict=True)
        ]
    return corners


def _far_apart(corners: list[Corner], n: int) -> list[Corner]:
    """Return `n` corners, of as many pieces, by farthest-point sampling from the best known; fewer of fewer pieces."""
    n = min(n, len({corner.piece for corner in corners}))
    if n == 0:
        return []
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


def write_anchors(path: Path, pairs: list[tuple[Corner, Corner]], part: str) -> None:
    """Write pairs as the JSON that :func:`brainmidi.music.phrase.anchors_from_json` reads."""
    rows = [
        {
            "name": chr(ord("A") + n),
            "calm_from": calm.piece,
            "active_from": active.piece,
            "calm": _notes(calm, part),
            "active": _notes(active, part),
        }
        for n, (calm, active) in enumerate(pairs)
    ]
    lines = ",\n".join("  " + json.dumps(row) for row in rows)
    path.write_text(f"[\n{lines}\n]\n")


def _notes(corner: Corner, part: str) -> list[list[Any]]:
    """Return [start, length, pitch] of each note, in sixteenths."""
    phrase: Phrase = (drums if part == "drums" else melody).decode(corner.tokens)
    return [[int(note.start * 4), int(note.length * 4), note.pitch] for note in phrase]

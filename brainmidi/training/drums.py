"""Two-bar drum patterns and grooves for MusicVAE and GrooVAE: windows of the Groove MIDI Dataset, read once and cached.

The dataset is Gillick et al. 2019, "Learning to Groove with Inverse Sequence Transformations": 13.6 hours of drummers
on a Roland TD-11, played to a metronome, CC BY 4.0. Its own split, by performance, is kept.
"""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import drums, groove
from brainmidi.errors import ConfigError
from brainmidi.training.corpora import need_pieces

DATASET = "Groove MIDI Dataset (Gillick et al. 2019), CC BY 4.0"
INDEX_FILE = "info.csv"
SPLITS = ("train", "validation", "test")
METRE = "4-4"
BAR_STEPS = 16
WINDOW_STEPS = 2 * BAR_STEPS
MIN_HITS = 4
#: A last bar counts as whole if something is struck in its last quarter; else it is the end of a performance.
FULL_FROM_STEP = 12
CACHE_VERSION = 1


@dataclass(frozen=True, slots=True)
class DrumExamples:
    """Windows of two bars, one starting at every bar of every performance.

    Parameters
    ----------
    tokens : ndarray of int16, shape (n_windows, 32)
        The pattern: ids 0..511 of :mod:`brainmidi.codec.drums`.
    grooves : ndarray of float16, shape (n_windows, 32, 27)
        The same hits with velocity and timing, see :mod:`brainmidi.codec.groove`.
    piece : ndarray of int32, shape (n_windows,)
        Index into `names` of the performance that each window is of.
    names : tuple of str
        The dataset's ids of performances.
    """

    tokens: NDArray[np.int16]
    grooves: NDArray[np.float16]
    piece: NDArray[np.int32]
    names: tuple[str, ...]


def load(data: Path, cache: Path) -> dict[str, DrumExamples]:
    """Return the examples of each split, from `cache` where they have been read before.

    Parameters
    ----------
    data : Path
        Folder of the Groove MIDI Dataset: its ``info.csv`` and the MIDI files that it names.
    cache : Path
        Folder for one file of arrays; made if missing.

    Returns
    -------
    dict of str to DrumExamples
        ``"train"``, ``"validation"``, ``"test"``.

    Raises
    ------
    ConfigError
        If ``info.csv`` or a file that it names is missing, or a split has no window.
    """
    index = data / INDEX_FILE
    if not index.is_file():
        raise ConfigError(f"{index} is missing; give the Groove MIDI Dataset's folder, which holds {INDEX_FILE}")
    digest = hashlib.sha256(index.read_bytes()).hexdigest()[:8]
    path = cache / f"drums-v{CACHE_VERSION}-{digest}.npz"
    if not path.exists():
        _write_cache(data, path)
    with np.load(path, allow_pickle=False) as arrays:
        return {
            split: DrumExamples(
                arrays[f"{split}_tokens"],
                arrays[f"{split}_grooves"],
                arrays[f"{split}_piece"],
                tuple(str(name) for name in arrays[f"{split}_names"]),
            )
            for split in SPLITS
        }


def unique_patterns(examples: DrumExamples) -> NDArray[np.int16]:
    """Return each pattern of the examples once, sorted, shape (n_patterns, 32)."""
    return np.unique(examples.tokens, axis=0)


def patterns(splits: Mapping[str, DrumExamples]) -> tuple[dict[str, NDArray[np.int16]], dict[str, int]]:
    """Return unique patterns by split, and how many each held-out split lost.

    Drummers share patterns: one of a held-out performance that a training performance has too is taken out of the
    held-out split, and counted.

    Returns
    -------
    patterns : dict of str to ndarray of int16, shape (n_patterns, 32)
    left_out : dict of str to int
        For ``"validation"`` and ``"test"``.
    """
    found = {"train": unique_patterns(splits["train"])}
    seen = {row.tobytes() for row in found["train"]}
    left_out = {}
    for split in SPLITS[1:]:
        rows = unique_patterns(splits[split])
        new = np.array([row.tobytes() not in seen for row in rows], dtype=bool)
        found[split], left_out[split] = rows[new], int((~new).sum())
    return found, left_out


def windows(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return two bars from each bar line of a performance.

    Parameters
    ----------
    rows : ndarray of float32, shape (n_steps, 27)
        The performance from its first bar line; it may stop anywhere.

    Returns
    -------
    ndarray of float32, shape (n_windows, 32, 27)
        A last bar that is not played to its end is dropped, and windows with fewer than four hits.
    """
    struck = rows[:, groove.HITS] > 0
    steps = np.flatnonzero(struck.any(axis=1))
    n_bars = (int(steps[-1]) + BAR_STEPS - FULL_FROM_STEP) // BAR_STEPS if len(steps) else 0
    starts = range(0, (n_bars - 1) * BAR_STEPS, BAR_STEPS)
    whole = np.zeros((n_bars * BAR_STEPS, groove.N_FEATURES), dtype=np.float32)
    whole[: len(rows)] = rows[: len(whole)]
    found = [whole[at : at + WINDOW_STEPS] for at in starts if struck[at : at + WINDOW_STEPS].sum() >= MIN_HITS]
    return np.array(found, dtype=np.float32).reshape(-1, WINDOW_STEPS, groove.N_FEATURES)


def read_performance(path: Path) -> NDArray[np.float32]:
    """Return the drums of a MIDI file from a Roland kit, timed in the file's own beats, shape (n_steps, 27).

    Raises
    ------
    ConfigError
        If the file is missing or is no MIDI file.
    """
    import mido  # type: ignore[import-untyped]

    try:
        file = mido.MidiFile(path)
    except (OSError, EOFError, ValueError, KeyError) as error:
        raise ConfigError(f"{path} cannot be read ({error}); unpack the Groove MIDI Dataset anew") from error
    class_of = drums.classes(drums.ROLAND)
    hits = []
    for track in file.tracks:
        tick = 0
        for message in track:
            tick += message.time
            if message.type == "note_on" and message.velocity > 0 and message.note in class_of:
                hits.append((tick / file.ticks_per_beat, class_of[message.note], message.velocity))
    beats, classes, velocities = np.array(hits, dtype=np.float64).reshape(-1, 3).T
    n_steps = int(np.floor(beats.max(initial=0) * 4 + 0.5)) + 1
    return groove.matrix(beats, classes.astype(np.int64), velocities.astype(np.int64), n_steps)


def augmented(tokens: NDArray[np.integer], piece: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int16]:
    """Return the patterns varied as a drummer might: other bars of the same performance, or another cymbal.

    55 % of patterns keep their bars; 10 % play the first twice, 10 % the second twice, 10 % exchange them; in 15 % the
    second becomes a bar from another window of the same performance (of those given: the more are given, the more it
    finds). Then one in eight exchanges closed hi-hat and ride, and one in eight the low tom and the high.

    Parameters
    ----------
    tokens : ndarray of int, shape (n_patterns, 32)
    piece : ndarray of int, shape (n_patterns,)
        The performance that each is of.
    rng : numpy Generator

    Returns
    -------
    ndarray of int16, shape (n_patterns, 32)
    """
    n = len(tokens)
    bars = tokens.reshape(n, 2, BAR_STEPS)
    first, second = bars[:, 0], bars[:, 1]
    other = bars[_partner(piece, rng), rng.integers(0, 2, n)]
    choice = rng.random(n)[:, None]
    edges = (0.55, 0.65, 0.75, 0.85)
    loop_first, loop_second, swap, pair = (choice >= edge for edge in edges)
    left = np.select([pair, swap, loop_second], [first, second, second], first)
    right = np.select([pair, swap, loop_second, loop_first], [other, first, second, first], second)
    varied = np.concatenate([left, right], axis=1)
    varied = np.where(rng.random((n, 1)) < 1 / 8, _RIDE_FOR_HAT[varied], varied)
    varied = np.where(rng.random((n, 1)) < 1 / 8, _TOMS_REVERSED[varied], varied)
    return np.asarray(varied, dtype=np.int16)


def _partner(piece: NDArray[np.integer], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return for each row the index of another of the same piece, or its own where there is none."""
    order = np.lexsort((rng.random(len(piece)), piece))
    ordered = piece[order]
    following = np.arange(1, len(piece) + 1)
    begins = np.searchsorted(ordered, ordered)
    last = np.append(ordered[1:] != ordered[:-1], True)
    partner = np.empty(len(piece), dtype=np.int64)
    partner[order] = order[np.where(last, begins, following)]
    return partner


def _exchanged(*pairs: tuple[int, int]) -> NDArray[np.int16]:
    """Return for each of the 512 tokens the one with the classes of each pair exchanged."""
    bits = drums.unpack(np.arange(drums.N_CLASSES))
    columns = np.arange(drums.N_DRUMS)
    for a, b in pairs:
        columns[[a, b]] = columns[[b, a]]
    return drums.pack(bits[:, columns]).astype(np.int16)


_RIDE_FOR_HAT = _exchanged((drums.CLOSED_HAT, drums.RIDE))
_TOMS_REVERSED = _exchanged((drums.LOW_TOM, drums.HIGH_TOM))


def _write_cache(data: Path, path: Path) -> None:
    examples: dict[str, list[tuple[str, NDArray[np.float32]]]] = {split: [] for split in SPLITS}
    for split, name, file in _performances(data):
        found = windows(read_performance(file))
        if len(found):
            examples[split].append((name, found))
    need_pieces(examples, f"of two bars in {METRE} of the Groove MIDI Dataset")
    arrays: dict[str, NDArray[np.generic]] = {}
    for split, rows in examples.items():
        grooves = np.concatenate([found for _, found in rows])
        arrays[f"{split}_tokens"] = drums.pack(grooves[..., groove.HITS]).astype(np.int16)
        arrays[f"{split}_grooves"] = grooves.astype(np.float16)
        arrays[f"{split}_piece"] = np.repeat(np.arange(len(rows), dtype=np.int32), [len(found) for _, found in rows])
        arrays[f"{split}_names"] = np.array([name for name, _ in rows])
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as out:
        np.savez_compressed(out, allow_pickle=False, **arrays)
    partial.replace(path)


def _performances(data: Path) -> Iterator[tuple[str, str, Path]]:
    """Yield split, id and file of every performance in common time."""
    with (data / INDEX_FILE).open(newline="", encoding="utf-8") as lines:
        for row in csv.DictReader(lines):
            if row["time_signature"] == METRE:
                yield row["split"], row["id"], data / row["midi_filename"]

"""A folder of MIDI files as training data: read once, cached by content, split by file."""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import drums, groove
from brainmidi.errors import ConfigError
from brainmidi.training.corpora import Piece, from_json, need_pieces, split_of, to_json
from brainmidi.training.drums import SPLITS, DrumExamples, windows
from brainmidi.training.midifile import FileMusic, read_midi
from brainmidi.training.midigrid import ANNOTATION

SUFFIXES = (".mid", ".midi")
CACHE_VERSION = 2


@dataclass(frozen=True, slots=True)
class FolderData:
    """What a folder's files give; a file may give several pieces of one name.

    Parameters
    ----------
    melodies : tuple of Piece
        Lead melodies, one part each: for :func:`brainmidi.training.melodies.dataset`.
    bands : tuple of Piece
        Melody, accompaniment and bass: for :func:`brainmidi.training.basslines.dataset`.
    hits : tuple of (name, ndarray of float64, shape (n_hits, 3))
        Drums: beats from a bar line, class 0..8, velocity: for :func:`drum_examples`.
    left_out : tuple of (name, reason)
        Files that gave nothing.
    n_files : int
        Files found, those left out among them.
    """

    melodies: tuple[Piece, ...]
    bands: tuple[Piece, ...]
    hits: tuple[tuple[str, NDArray[np.float64]], ...]
    left_out: tuple[tuple[str, str], ...]
    n_files: int

    def summary(self) -> str:
        """Return a line of counts, then one for each file that was left out, with the reason."""
        counts = f"{self.n_files} files: {len({p.name for p in self.melodies})} with a melody, "
        counts += f"{len({p.name for p in self.bands})} with a bass under harmony, "
        counts += f"{len({name for name, _ in self.hits})} with drums, {len(self.left_out)} left out"
        return "\n".join([counts, *(f"left out {name}: {reason}" for name, reason in self.left_out)])


def read_folder(data: Path, cache: Path, progress: Callable[[int, int], None] | None = None) -> FolderData:
    """Return the music of all MIDI files under a folder, from `cache` where the same contents have been read before.

    Parameters
    ----------
    data : Path
        Folder with ``.mid`` and ``.midi`` files, at any depth. A piece is named by its path from here.
    cache : Path
        Folder for one file; made if missing.
    progress : callable, optional
        Called with files read and files in all, after each.

    Returns
    -------
    FolderData
        Damaged files, and files without two bars of 4/4, are in its `left_out`.

    Raises
    ------
    ConfigError
        If there is no such folder, no MIDI file in it, or none that can be used.
    """
    paths = midi_files(data)
    path = cache / f"folder-v{CACHE_VERSION}-{digest(data)}.jsonl.gz"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        with gzip.open(partial, "wt", encoding="utf-8") as out:
            for number, row in enumerate(_read_files(data, paths), start=1):
                out.write(json.dumps(row) + "\n")
                if progress is not None:
                    progress(number, len(paths))
        # Under its name only when whole: what a killed run leaves is never taken for data.
        partial.replace(path)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        found = _folder_data([json.loads(line) for line in lines])
    if not (found.melodies or found.hits):
        name, reason = found.left_out[0]
        raise ConfigError(f"0 of {len(paths)} MIDI files under {data} can be used, 1 is needed; {name}: {reason}")
    return found


def drum_examples(folder: FolderData) -> dict[str, DrumExamples]:
    """Return two-bar patterns and grooves by split, one starting at every bar.

    Raises
    ------
    ConfigError
        If a split has none.
    """
    found: dict[str, list[tuple[str, NDArray[np.float32]]]] = {split: [] for split in SPLITS}
    for name, hits in folder.hits:
        beats, classes, velocities = hits.T
        n_steps = int(np.floor(beats.max() * 4 + 0.5)) + 1
        rows = windows(groove.matrix(beats, classes.astype(np.int64), velocities.astype(np.int64), n_steps))
        if len(rows):
            found[split_of(name)].append((name, rows))
    need_pieces(found, "with two bars of drums")
    return {split: _drum_examples(rows) for split, rows in found.items()}


def _drum_examples(rows: list[tuple[str, NDArray[np.float32]]]) -> DrumExamples:
    names = tuple(dict.fromkeys(name for name, _ in rows))
    number = {name: index for index, name in enumerate(names)}
    grooves = np.concatenate([found for _, found in rows])
    return DrumExamples(
        drums.pack(grooves[..., groove.HITS]).astype(np.int16),
        grooves.astype(np.float16),
        np.concatenate([np.full(len(found), number[name], dtype=np.int32) for name, found in rows]),
        names,
    )


def digest(data: Path) -> str:
    """Return a name for a folder's contents: of every MIDI file, and of the annotation beside it, path and bytes count.

    Raises
    ------
    ConfigError
        If there is no such folder, or no MIDI file in it.
    """
    total = hashlib.sha256()
    for path in midi_files(data):
        for part in (path, path.with_name(ANNOTATION)):
            if part.is_file():
                content = hashlib.sha256(part.read_bytes()).hexdigest()
                total.update(f"{part.relative_to(data).as_posix()}\n{content}\n".encode())
    return total.hexdigest()[:12]


def midi_files(data: Path) -> list[Path]:
    """Return the MIDI files under a folder, by path.

    Raises
    ------
    ConfigError
        If there is no such folder, or no MIDI file in it.
    """
    if not data.is_dir():
        raise ConfigError(f"{data} is no folder; give one with .mid files")
    paths = sorted(p for p in data.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    if not paths:
        raise ConfigError(f"0 MIDI files are under {data}, 1 is needed; give a folder with .mid or .midi files")
    return paths


def summary_of(data: Path, used: Collection[str], needed: str) -> str:
    """Return a line of counts, then one for each MIDI file under a folder that is not among the `used`.

    Parameters
    ----------
    data : Path
        The folder.
    used : collection of str
        Files by their path from it.
    needed : str
        What the others lack, if they are not damaged.
    """
    names = [path.relative_to(data).as_posix() for path in midi_files(data)]
    left_out = [f"left out {name}: no {needed}, or damaged" for name in names if name not in used]
    return "\n".join([f"{len(names)} files: {len(left_out)} left out", *left_out])


def _read_files(data: Path, paths: list[Path]) -> Iterator[dict[str, Any]]:
    for path in paths:
        name = path.relative_to(data).as_posix()
        try:
            music, reason = read_midi(path, name), None
        except ConfigError as error:
            music, reason = FileMusic(), str(error)
        yield {
            "name": name,
            "left_out": reason,
            "melodies": [to_json(piece) for piece in music.melodies],
            "bands": [to_json(piece) for piece in music.bands],
            "hits": [rows.round(5).tolist() for rows in music.hits],
        }


def _folder_data(rows: list[dict[str, Any]]) -> FolderData:
    return FolderData(
        tuple(from_json(line) for row in rows for line in row["melodies"]),
        tuple(from_json(line) for row in rows for line in row["bands"]),
        tuple((row["name"], np.array(hits, dtype=np.float64)) for row in rows for hits in row["hits"]),
        tuple((row["name"], row["left_out"]) for row in rows if row["left_out"] is not None),
        len(rows),
    )

"""JSB chorales on the sixteenth grid: four voices a frame, in the split of Boulanger-Lewandowski (2012).

`Jsb16thSeparated.npz` (https://github.com/czhuang/JSB-Chorales-dataset) holds rows of pickled arrays. Nothing is
unpickled here: the stream is read as a list of opcodes, of which only sizes and bytes are looked at.
"""

from __future__ import annotations

import pickletools
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import ConfigError
from brainmidi.models.chorale import N_VOICES, SILENCE, ChoraleConfig

FILE = "Jsb16thSeparated.npz"
#: The names that the file gives the splits.
SPLITS = {"train": "train", "validation": "valid", "test": "test"}
#: Pitch of a voice that rests.
REST = -1
_HEADER = 10  # bytes of the array format before its header's text
_ITEM = np.dtype("<f2")

#: Pitches, shape (n_frames, 4), soprano first; -1 where a voice rests.
Chorale = NDArray[np.int16]


def load(path: Path) -> dict[str, list[Chorale]]:
    """Return the chorales of ``"train"``, ``"validation"`` and ``"test"``.

    Parameters
    ----------
    path : Path
        `Jsb16thSeparated.npz`, or the folder that holds it.

    Raises
    ------
    ConfigError
        If there is no such file, or it holds something else.
    """
    path = path / FILE if path.is_dir() else path
    try:
        with zipfile.ZipFile(path) as archive:
            return {name: _arrays(archive.read(f"{stored}.npy")) for name, stored in SPLITS.items()}
    except (OSError, KeyError, ValueError, IndexError, zipfile.BadZipFile) as error:
        raise ConfigError(f"{path} cannot be read as {FILE} ({error}); give the JSB chorales' file") from None


def _arrays(data: bytes) -> list[Chorale]:
    """Return the four-column float16 arrays of a pickled row, without unpickling it."""
    start = _HEADER + int.from_bytes(data[8:_HEADER], "little")
    integers: list[int] = []
    shape = (0, 0)
    found = []
    for opcode, argument, _ in pickletools.genops(data[start:]):
        if opcode.name.startswith("BININT") and isinstance(argument, int):
            integers.append(argument)
        elif opcode.name == "TUPLE2" and integers[-1] == N_VOICES:
            shape = (integers[-2], N_VOICES)
        elif isinstance(argument, str) and len(argument) == shape[0] * N_VOICES * _ITEM.itemsize > 0:
            pitches = np.frombuffer(argument.encode("latin-1"), _ITEM).reshape(shape)
            found.append(np.where(np.isnan(pitches), REST, pitches).astype(np.int16))
            shape = (0, 0)
    if not found:
        raise ValueError("no array of four columns in it")
    return found


def classes_of(chorale: Chorale, config: ChoraleConfig, semitones: int = 0) -> NDArray[np.int32]:
    """Return the model's classes, shape (n_frames, 4), of a chorale that is moved by `semitones`.

    Raises
    ------
    ConfigError
        If a pitch has no class.
    """
    moved = chorale.astype(np.int32) + semitones
    classes = np.where(chorale == REST, SILENCE, moved - config.low + 1)
    sounding = classes[chorale != REST]
    if sounding.size and not 1 <= sounding.min() <= sounding.max() <= config.n_pitches:
        worst = int(moved[chorale != REST].max() if sounding.max() > config.n_pitches else moved[chorale != REST].min())
        raise ConfigError(f"pitch {worst} is outside {config.low}..{config.high}; transpose the chorale into range")
    return np.asarray(classes, dtype=np.int32)


def ranges(chorales: Sequence[Chorale]) -> list[tuple[int, int]]:
    """Return lowest and highest pitch of each voice."""
    rows = np.concatenate(list(chorales))
    voices = [rows[:, voice][rows[:, voice] != REST] for voice in range(N_VOICES)]
    return [(int(voice.min()), int(voice.max())) for voice in voices]


def transpositions(chorale: Chorale, limits: Sequence[tuple[int, int]], furthest: int = 6) -> list[int]:
    """Return by how many semitones, 0 among them, a chorale may be moved with every voice inside its `limits`."""
    low, high = -furthest, furthest
    for voice, (bottom, top) in enumerate(limits):
        line = chorale[:, voice][chorale[:, voice] != REST]
        if line.size:
            low, high = max(low, bottom - int(line.min())), min(high, top - int(line.max()))
    return list(range(min(low, 0), max(high, 0) + 1))


def shared_sopranos(splits: Mapping[str, Sequence[Chorale]], n_frames: int = 32) -> dict[str, int]:
    """Return how many held-out chorales share more than half of their soprano's windows with training, transposed.

    Chorales set the same tunes again and again: what is foreseen well may have been heard.
    """

    def windows(chorale: Chorale) -> list[bytes]:
        line = chorale[:, 0].astype(np.int32)
        steps = np.diff(line).astype(np.int16)
        return [steps[at : at + n_frames - 1].tobytes() for at in range(max(len(line) - n_frames + 1, 0))]

    heard = {window for chorale in splits["train"] for window in windows(chorale)}
    counts = {}
    for name in ("validation", "test"):
        known = [[window in heard for window in windows(row)] for row in splits[name]]
        counts[name] = sum(2 * sum(row) > len(row) for row in known)
    return counts

"""Chords as a decoder's control sequence: a triad a step, 49 classes.

Class 0 is "no chord"; then come the twelve roots, C first, of the major, minor, augmented and diminished triads (the
classes of note_seq's ``TriadChordOneHotEncoding``, which Magenta's chord-conditioned configurations are trained on).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from brainmidi.errors import CodecError

NO_CHORD = 0
ROOTS = 12
#: Triads in the order of their classes, with the semitones of third and fifth above the root.
QUALITIES: dict[str, tuple[int, int]] = {
    "major": (4, 7),
    "minor": (3, 7),
    "augmented": (4, 8),
    "diminished": (3, 6),
}
N_CLASSES = 1 + ROOTS * len(QUALITIES)


def encode(root: int, quality: str) -> int:
    """Return the class of a triad.

    Parameters
    ----------
    root : int
        Pitch class 0..11, C is 0.
    quality : str
        A key of :data:`QUALITIES`.

    Raises
    ------
    CodecError
        If the root is no pitch class or the quality is unknown.
    """
    if not 0 <= root < ROOTS:
        raise CodecError(f"root {root} is outside 0..{ROOTS - 1}; give a pitch class, C is 0")
    if quality not in QUALITIES:
        raise CodecError(f"quality {quality!r} is unknown; choose from {', '.join(QUALITIES)}")
    return 1 + ROOTS * list(QUALITIES).index(quality) + root


def encode_symbol(root: int, pitch_classes: Iterable[int]) -> int:
    """Return the class of the triad under a chord of any size; no tones at all are no chord.

    Sevenths and tensions are left away. Where third or fifth is missing, the nearest triad of the root is
    taken (a suspended fourth and a power chord are major, a minor third alone is minor), so that every chord that can
    be played has a class.

    Parameters
    ----------
    root : int
        Pitch class 0..11 of the chord's root.
    pitch_classes : iterable of int
        Pitch classes 0..11 of its tones, the root among them or not.

    Raises
    ------
    CodecError
        If the root is no pitch class.
    """
    above = {(int(tone) - root) % ROOTS for tone in pitch_classes}
    if not above:
        return NO_CHORD
    if 3 in above and 4 not in above:
        return encode(root, "diminished" if 6 in above and 7 not in above else "minor")
    return encode(root, "augmented" if {4, 8} <= above and 7 not in above else "major")


def decode(index: int) -> tuple[int, str] | None:
    """Return root and quality of a class, None for "no chord".

    Raises
    ------
    CodecError
        If the class is outside 0..48.
    """
    _check(index, index)
    if index == NO_CHORD:
        return None
    quality, root = divmod(int(index) - 1, ROOTS)
    return root, list(QUALITIES)[quality]


def tones(index: int) -> frozenset[int]:
    """Return the three pitch classes of a class, none for "no chord"."""
    triad = decode(index)
    if triad is None:
        return frozenset()
    root, quality = triad
    return frozenset((root + interval) % ROOTS for interval in (0, *QUALITIES[quality]))


def transpose(classes: Sequence[int] | NDArray[np.integer], semitones: int | NDArray[np.integer]) -> NDArray[np.int32]:
    """Return the classes moved by `semitones`; "no chord" stays.

    Parameters
    ----------
    classes : array of int
        Classes 0..48, any shape.
    semitones : int or array of int
        One shift, or an array of shifts that broadcasts against `classes`.

    Raises
    ------
    CodecError
        If a class is outside 0..48.
    """
    rows = np.asarray(classes, dtype=np.int32)
    if rows.size:
        _check(int(rows.min()), int(rows.max()))
    quality, root = np.divmod(rows - 1, ROOTS)
    return np.where(rows == NO_CHORD, NO_CHORD, 1 + quality * ROOTS + (root + semitones) % ROOTS).astype(np.int32)


def _check(low: int, high: int) -> None:
    for index in (low, high):
        if not 0 <= index < N_CLASSES:
            raise CodecError(f"chord class {index} is outside 0..{N_CLASSES - 1}; encode the chord as a triad first")

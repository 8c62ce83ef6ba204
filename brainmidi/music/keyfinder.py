"""The key of a piece from how long each pitch class sounds in it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from brainmidi.music.harmony import Key

#: How well each degree, in semitones above the tonic, fits a key: the probe-tone ratings of Krumhansl and Kessler
#: (1982, "Tracing the dynamic changes in perceived tonal organization in a spatial representation of musical keys").
_PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}
#: Tonics as their key signatures spell them with the fewest accidentals.
_TONICS = {
    "major": ("C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"),
    "minor": ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"),
}


def find_key(durations: Sequence[float]) -> Key:
    """Return the major or minor key whose profile correlates best with how long each pitch class sounds.

    Parameters
    ----------
    durations : sequence of float, length 12
        Beats in which each pitch class sounds, C first. Where all are alike the answer is C major.
    """
    heard = np.asarray(durations, dtype=np.float64)
    heard = heard - heard.mean()
    best, found = -np.inf, Key("C")
    for mode, profile in _PROFILES.items():
        ratings = np.array(profile) - np.mean(profile)
        for tonic in range(12):
            fit = float(heard @ np.roll(ratings, tonic) / np.linalg.norm(ratings))
            if fit > best + 1e-9:
                best, found = fit, Key(_TONICS[mode][tonic], mode)
    return found

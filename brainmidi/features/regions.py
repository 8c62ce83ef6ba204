"""Which part of the scalp an electrode looks at, told from its name."""

from __future__ import annotations

import re
from collections.abc import Sequence

REGIONS: tuple[str, ...] = ("frontal", "central", "temporal", "parietal", "occipital", "posterior")

_BY_LETTERS = {
    "frontal": ("fp", "afp", "af", "aff", "f"),
    "central": ("fc", "ffc", "fcc", "c", "ccp", "cp"),
    "temporal": ("ft", "fft", "ftt", "t", "ttp", "tp", "tpp"),
    "parietal": ("cpp", "p", "ppo"),
    "occipital": ("po", "poo", "o", "oi", "poi", "i"),
}
_LETTERS = {letters: region for region, group in _BY_LETTERS.items() for letters in group}
# The old names of the posterior temporal sites P7 and P8, which see the parietal lobe.
_RENAMED = {"t5": "parietal", "t6": "parietal"}
_ELECTRODE = re.compile(r"([a-z]+?)(z|\d+h?)(_\d+)?")


def looks_like_electrode(name: str) -> bool:
    """Return whether `name` is spelled as an electrode's, known or not: ``"O1"``, ``"Cz"``, ``"TP9"``, ``"EEG3"``."""
    return _ELECTRODE.fullmatch(name.lower()) is not None


def region_of(name: str) -> str | None:
    """Return ``"frontal"``, ``"central"``, ``"temporal"``, ``"parietal"``, ``"occipital"`` or None if unknown."""
    lowered = name.lower()
    match = _ELECTRODE.fullmatch(lowered)
    if match is None:
        return None
    return _RENAMED.get(lowered, _LETTERS.get(match[1]))


def region_channels(names: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the columns of every region that the montage has.

    ``"posterior"`` is always there: occipital and parietal where present, else temporal (a headband's TP9 and TP10),
    else every channel.

    Parameters
    ----------
    names : sequence of str
        Channel names in column order.

    Returns
    -------
    dict of str to tuple of int
    """
    regions = [region_of(name) for name in names]
    found = {
        region: tuple(column for column, seen in enumerate(regions) if seen == region)
        for region in REGIONS
        if region != "posterior"
    }
    posterior = tuple(sorted(found["occipital"] + found["parietal"])) or found["temporal"]
    found["posterior"] = posterior or tuple(range(len(names)))
    return {region: columns for region, columns in found.items() if columns}

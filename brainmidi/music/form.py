"""Musical form: eight bars a a' b a'', two bars each, closed by a cadence; and the randomness that repeats with it."""

from __future__ import annotations

from enum import Enum

import numpy as np

#: Bars of a form, and bars of a phrase in it.
FORM_BARS = 8
PHRASE_BARS = 2

#: Phrases of the form that share their randomness: a a' b a''.
_THEMES = (0, 0, 1, 0)

#: How far on the way to the next anchor the contrasting phrase lies: a change of scene, from which a'' comes home.
CONTRAST = 0.5

#: Counters that keep the randomness of the parts apart.
MELODY, ACCOMPANIMENT, BASS, DRUMS, ODDBALL = range(5)


class Role(Enum):
    """What a bar is for: an open bar, one that closes a form, or the last of the piece."""

    OPEN = "open"
    CADENCE = "cadence"
    FINAL = "final"


def role(index: int, *, last: bool = False) -> Role:
    """Return the role of bar `index`: the last bar is final, every eighth bar is a cadence."""
    if last:
        return Role.FINAL
    return Role.CADENCE if index % FORM_BARS == FORM_BARS - 1 else Role.OPEN


def phrase_of(index: int) -> int:
    """Return the number of the two-bar phrase that bar `index` belongs to."""
    return index // PHRASE_BARS


def is_phrase_start(index: int) -> bool:
    """Return whether bar `index` begins a two-bar phrase."""
    return index % PHRASE_BARS == 0


def states_theme(index: int) -> bool:
    """Return whether bar `index` lies in the phrase that states the form's theme (a)."""
    return phrase_of(index) % len(_THEMES) == 0


def recalls_theme(index: int) -> bool:
    """Return whether bar `index` lies in a phrase that brings the theme back (a', a'')."""
    slot = phrase_of(index) % len(_THEMES)
    return slot != 0 and _THEMES[slot] == 0


def contrasts(index: int) -> bool:
    """Return whether bar `index` lies in the phrase that sets something against the theme (b)."""
    return _THEMES[phrase_of(index) % len(_THEMES)] != 0


def theme_key(index: int) -> int:
    """Return the counter for the randomness of bar `index`: equal for phrases of one form that share a theme."""
    form, slot = divmod(phrase_of(index), len(_THEMES))
    return form * 2 + _THEMES[slot]


def generator(seed: int, counter: int, part: int, step: int = 0) -> np.random.Generator:
    """Return the generator that belongs to (seed, counter, part, step) and to nothing else.

    Philox (Salmon et al., 2011, "Parallel random numbers: as easy as 1, 2, 3") is counter-based, so a bar's randomness
    does not depend on the bars composed before it.
    """
    key = np.array([seed % 2**64, (counter * 2**16 + part * 2**12 + step) % 2**64], dtype=np.uint64)
    return np.random.Generator(np.random.Philox(key=key))

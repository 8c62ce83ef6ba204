"""What pulls at a bar while it is written: temperature, harmony, density, register and voices, by sixteenths.

A steering is read anew for every token, so that a bar follows controls that move while it is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec import chords as chord_codec
from brainmidi.errors import MusicError
from brainmidi.models import sampling
from brainmidi.models.sampling import Float32Array, Sampling

#: The pitches of the vocabulary, low to high, and their classes.
PITCHES = np.arange(bars.MIN_PITCH, bars.MAX_PITCH + 1)
CLASSES = PITCHES % 12
#: The unlikeliest tail of the distribution is where a small model plays wrong notes.
TOP_P = 0.97
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_STEPS_PER_BEAT = 4


class Steering(Protocol):
    """What is asked of the parts that are written, at each sixteenth of the bar."""

    def sampling(self, step: int) -> Sampling:
        """Return how draws are made."""
        ...

    def pitches(self, step: int) -> Float32Array:
        """Return what is added to the log-odds of striking each of the vocabulary's pitches, shape (88,)."""
        ...

    def onset(self, step: int) -> float:
        """Return what is added to the log-odds of striking anything; ``-inf`` forbids it."""
        ...

    def waits(self, step: int) -> Float32Array:
        """Return what is added to the log-odds of going on at each step, or not in this bar, shape (n_steps + 1,)."""
        ...

    def voices(self, step: int) -> int:
        """Return the most notes of a part that may sound at once."""
        ...

    def onsets(self, step: int) -> int:
        """Return the most sixteenths of the bar on which anything may be struck."""
        ...


@dataclass(frozen=True, slots=True)
class Controls:
    """Where the controls of a continuation stand.

    Parameters
    ----------
    temperature : float
        0 (what is likeliest) .. 100.
    harmony : float
        0 (free) .. 1 (strict: chord tones on strong beats, tones of chord or scale elsewhere).
    density : float
        0..1; 0.5 leaves the model its own. Below that it also bounds the onsets of a bar, at 0 to a single one.
    low, high : int
        Lowest and highest pitch.
    max_voices : int
        Most notes of a part that sound at once.

    Raises
    ------
    MusicError
        If the register is empty or leaves the model's, or no voice is left; the other values are checked where they
        are used.
    """

    temperature: float = 1.0
    harmony: float = 0.0
    density: float = 0.5
    low: int = bars.MIN_PITCH
    high: int = bars.MAX_PITCH
    max_voices: int = 4

    def __post_init__(self) -> None:
        if not bars.MIN_PITCH <= self.low <= self.high <= bars.MAX_PITCH:
            raise MusicError(
                f"register {self.low}..{self.high} is none, {bars.MIN_PITCH} <= low <= high <= {bars.MAX_PITCH} is "
                "needed; move it into the model's range"
            )
        if self.max_voices < 1:
            raise MusicError(f"{self.max_voices} voices are too few, 1 or more are needed; leave the part out instead")


class ControlSteering:
    """Controls that are a function of the beat.

    Parameters
    ----------
    controls : callable
        From a beat of the bar to :class:`Controls`; called anew for every token.
    length : int
        Sixteenths of the bar.
    chords : tuple of (int, int)
        Step and class of each chord, the first at step 0; pitches as the model spells them, with the tonic on C.
    scale : collection of int
        Pitch classes of the key.
    strong : collection of int, optional
        Steps that are strong beats: :attr:`brainmidi.music.harmony.Metre.pulses` where the metre is known, for a bar's
        length does not tell 6/8 from 3/4. Every quarter note by default.
    """

    def __init__(
        self,
        controls: Callable[[Fraction], Controls],
        length: int,
        chords: tuple[tuple[int, int], ...],
        *,
        scale: Collection[int] = _MAJOR,
        strong: Collection[int] | None = None,
    ) -> None:
        self._controls, self._length, self._scale = controls, length, scale
        self._strong = frozenset(range(0, length, _STEPS_PER_BEAT) if strong is None else strong)
        self._tones = [
            chord_codec.tones(max(change for change in chords if change[0] <= step)[1]) for step in range(length)
        ]

    def _at(self, step: int) -> Controls:
        return self._controls(Fraction(step, _STEPS_PER_BEAT))

    def sampling(self, step: int) -> Sampling:
        """Return the temperature's."""
        return Sampling(self._at(step).temperature, top_p=TOP_P)

    def pitches(self, step: int) -> Float32Array:
        """Return the pull of harmony within the register."""
        now = self._at(step)
        pull = sampling.harmony_bias(CLASSES, self._tones[step], self._scale, now.harmony, strong=step in self._strong)
        return pull + sampling.register_bias(PITCHES, now.low, now.high)

    def onset(self, step: int) -> float:
        """Return the density's part in an onset."""
        return sampling.onset_bias(self._at(step).density)

    def waits(self, step: int) -> Float32Array:
        """Return the density's part in waiting."""
        return sampling.wait_bias(np.arange(self._length + 1) - step, self._at(step).density)

    def voices(self, step: int) -> int:
        """Return the limit that holds here."""
        return self._at(step).max_voices

    def onsets(self, step: int) -> int:
        """Return the density's limit."""
        return sampling.most_onsets(self._at(step).density, self._length)

"""A quiet auditory oddball in the music: a soft tone on the pulses, now and then another one, which is the target."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from brainmidi.errors import MusicError
from brainmidi.music import form
from brainmidi.music.harmony import Key
from brainmidi.music.metre import STEPS_PER_BEAT, Metre
from brainmidi.types import Bar, Note

#: The part that its notes belong to. It is no part of the score: the page leaves it out.
PART = "oddball"
#: Names of their own: a marker of the music is never taken for one of a recording or of another program.
TARGET, NONTARGET = "oddball.target", "oddball.nontarget"

_LOWEST = 72  # the standard's tonic lies in the octave from here, above the second part and clear of the bass
_LENGTH = Fraction(1, 4)


@dataclass(frozen=True, slots=True)
class Oddball:
    """How the stimuli are laid out.

    Parameters
    ----------
    every : int
        A stimulus on every so many pulses of the metre, 1..8.
    share : float
        Of targets among the stimuli, 0.05..0.34; rounded to one in a whole number.
    velocity : int
        Of either tone, 1..127.

    Raises
    ------
    MusicError
        If one of them is outside its range.
    """

    every: int = 1
    share: float = 0.2
    velocity: int = 48

    def __post_init__(self) -> None:
        if not 1 <= self.every <= 8:
            raise MusicError(f"an oddball every {self.every} pulses is outside 1..8; choose one inside, see [oddball]")
        if not 0.05 <= self.share <= 0.34:
            raise MusicError(f"share {self.share:g} of targets is outside 0.05..0.34; 0.2 is usual, see [oddball]")
        if not 1 <= self.velocity <= 127:
            raise MusicError(f"velocity {self.velocity} is outside 1..127; see [oddball]")

    def notes(self, index: int, key: Key, metre: Metre, seed: int) -> tuple[Note, ...]:
        """Return the stimuli of bar `index`, a function of these arguments alone.

        Stimuli come in groups of one target each, in a place that is drawn anew and is never the group's first: so no
        two targets follow each other, and the share is exact.

        Parameters
        ----------
        index : int
            Of the bar.
        key : Key
            Both tones are in it.
        metre : Metre
            Stimuli stand on its pulses.
        seed : int
            Of the session.
        """
        standard, target = tones(key)
        pulses = metre.pulses
        found = []
        for place, step in enumerate(pulses):
            number, rest = divmod(index * len(pulses) + place, self.every)
            if rest == 0:
                pitch = target if self._is_target(number, seed) else standard
                found.append(Note(Fraction(step, STEPS_PER_BEAT), _LENGTH, pitch, self.velocity, PART))
        return tuple(found)

    def _is_target(self, number: int, seed: int) -> bool:
        size = round(1 / self.share)
        group, place = divmod(number, size)
        drawn = form.generator(seed, group, form.ODDBALL).integers(1, size)
        return place == int(drawn)


def tones(key: Key) -> tuple[int, int]:
    """Return the pitches of non-targets and of targets: the tonic, and the key's tone nearest to a fifth above it."""
    standard = _LOWEST + (key.tonic_class - _LOWEST) % 12
    above = min(((each - key.tonic_class) % 12 for each in key.classes), key=lambda semitones: abs(semitones - 7))
    return standard, standard + above


def label_of(pitch: int, key: Key) -> str | None:
    """Return which class a tone is of; None if it is of neither."""
    standard, target = tones(key)
    return {standard: NONTARGET, target: TARGET}.get(pitch)


def stimuli_of(bar: Bar, key: Key) -> tuple[tuple[Fraction, str], ...]:
    """Return the stimuli of a bar: the beat of the take on which each falls, and its class."""
    labelled = [(bar.start + note.start, label_of(note.pitch, key)) for note in bar.phrase if note.part == PART]
    return tuple((beat, label) for beat, label in labelled if label is not None)

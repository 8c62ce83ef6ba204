"""The ids of performance events: note-ons, note-offs, waits of 1..100 ticks, 32 velocities.

Oore et al. 2018, "This Time with Feeling: Learning Expressive Musical Performance"; Huang et al. 2018, "Music
Transformer". Both let all 128 MIDI pitches sound (388 ids); Magenta's released Music Transformer has those of the
piano alone, behind PAD and EOS (310 ids).
"""

from __future__ import annotations

from dataclasses import dataclass, field

from brainmidi.errors import CodecError

#: Before the events, in the vocabularies that have them.
PAD = 0
EOS = 1
MAX_SHIFT = 100
N_VELOCITIES = 32
VELOCITY_BIN = 4  # MIDI velocities to a class: ceil(127 / 32), as in note_seq's performance_lib


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """A range of pitches, and with it the first id of each kind of event.

    Parameters
    ----------
    note_on : int
        First id of the note-ons, and so the number of ids before the events.
    min_pitch, max_pitch : int
        Lowest and highest MIDI pitch.

    Attributes
    ----------
    note_off, shift, velocity : int
        First id of the other events.
    n_classes : int
        Number of ids.
    """

    note_on: int
    min_pitch: int
    max_pitch: int
    note_off: int = field(init=False)
    shift: int = field(init=False)
    velocity: int = field(init=False)
    n_classes: int = field(init=False)

    def __post_init__(self) -> None:
        n_pitches = self.max_pitch - self.min_pitch + 1
        object.__setattr__(self, "note_off", self.note_on + n_pitches)
        object.__setattr__(self, "shift", self.note_off + n_pitches)
        object.__setattr__(self, "velocity", self.shift + MAX_SHIFT)
        object.__setattr__(self, "n_classes", self.velocity + N_VELOCITIES)

    def on(self, pitch: int) -> int:
        """Return the id that starts `pitch`."""
        return self.note_on + pitch - self.min_pitch

    def off(self, pitch: int) -> int:
        """Return the id that ends `pitch`."""
        return self.note_off + pitch - self.min_pitch

    def wait(self, ticks: int) -> list[int]:
        """Return the ids that let `ticks` pass: full shifts first, then the rest."""
        full, rest = divmod(ticks, MAX_SHIFT)
        return [self.shift + MAX_SHIFT - 1] * full + ([self.shift + rest - 1] if rest else [])

    def loudness(self, velocity: int) -> int:
        """Return the id of the class that a MIDI velocity 1..127 falls in."""
        return self.velocity + (velocity - 1) // VELOCITY_BIN

    def check(self, pitch: int) -> None:
        """Raise CodecError if `pitch` has no id."""
        if not self.min_pitch <= pitch <= self.max_pitch:
            raise CodecError(
                f"pitch {pitch} is outside {self.min_pitch}..{self.max_pitch}; transpose the phrase into range"
            )


MAGENTA = Vocabulary(2, 21, 108)
PAPER = Vocabulary(0, 0, 127)

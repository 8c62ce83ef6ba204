"""What is settled about a session before its first note."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from brainmidi.errors import MusicError
from brainmidi.music.ensemble import Dynamics, PartRange
from brainmidi.music.harmony import Key, Metre, Progression
from brainmidi.music.oddball import Oddball
from brainmidi.music.phrase import Anchor
from brainmidi.types import DUO

#: What a part's range may span: the models' 21..108, less the six semitones by which a key may lie from C.
LOWEST, HIGHEST = 27, 102

_RANGES = {"melody": PartRange(60, 88), "accompaniment": PartRange(36, 67), "bass": PartRange(28, 55)}
#: With a bass below it the second part leaves the bottom: two parts down there are mud.
_ABOVE_BASS = PartRange(48, 67)


def default_ranges(parts: Collection[str] = DUO) -> Mapping[str, PartRange]:
    """Return the range of every pitched part, where `parts` play."""
    raised = {"accompaniment": _ABOVE_BASS} if "bass" in parts else {}
    return MappingProxyType(_RANGES | raised)


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What is settled before the first note.

    Parameters
    ----------
    key, metre, progression : Key, Metre, Progression
        The harmony and its grid.
    anchors : tuple of Anchor
        The corners between which the melody's latent moves, in C major; events go from one to the next and around.
    tempo_bpm : float
        Quarter notes a minute with the tempo knob at 0.5, 30..240.
    tempo_span : float
        How far the knob moves the tempo, as a share of it, 0..0.5.
    tempo_slew : float
        Largest change of tempo from bar to bar, as a share of `tempo_bpm`, above 0.
    seed : int
        Of all that is sampled.
    bars : int or None
        Length of the piece where it is known; its last bar closes.
    ranges : mapping of str to PartRange
        Pitches of ``"melody"``, ``"accompaniment"`` and, where it plays, ``"bass"``, within 27..102.
    temperature : tuple of two floats
        The second part's sampling temperature at knob positions 0 and 1.
    melody_temperature : float
        That of the melody, the bass and the drums, whose freedom is their latent.
    dynamics : Dynamics
        Velocities at knob positions 0 and 1.
    register_semitones : int
        How far the register knob moves the melody's centre, up or down.
    max_voices : int
        Most notes that the second part sounds at once.
    harmony : float
        0..1: how strictly the second part keeps to the chords, 0.5 being persuaded; it keeps to the key at 0 too.
    style : str
        In which the second part plays, where its model knows styles.
    bass_anchors, drum_anchors : tuple of Anchor
        Those of the bass, in C major, and of the drums, which an event moves on with the melody's.
    groove : float
        0..1: how far the drums may leave the grid.
    oddball : Oddball or None
        Stimuli woven into the music; None for none.
    """

    key: Key
    metre: Metre
    progression: Progression
    anchors: tuple[Anchor, ...]
    tempo_bpm: float = 96.0
    tempo_span: float = 0.08
    tempo_slew: float = 0.02
    seed: int = 1
    bars: int | None = None
    ranges: Mapping[str, PartRange] = field(default_factory=default_ranges)
    temperature: tuple[float, float] = (0.6, 1.2)
    melody_temperature: float = 0.75
    dynamics: Dynamics = field(default_factory=Dynamics)
    register_semitones: int = 7
    max_voices: int = 3
    harmony: float = 0.5
    style: str = "any"
    bass_anchors: tuple[Anchor, ...] = ()
    drum_anchors: tuple[Anchor, ...] = ()
    groove: float = 1.0
    oddball: Oddball | None = None

    def __post_init__(self) -> None:
        self.progression.check(self.metre)
        if not self.anchors:
            raise MusicError("0 anchors given, at least 1 is needed; restore the checkpoint's anchors.json")
        if not 30 <= self.tempo_bpm <= 240:
            raise MusicError(f"tempo {self.tempo_bpm:g} is outside 30..240 quarter notes a minute; choose one inside")
        if not 0 <= self.tempo_span <= 0.5 or not 0 < self.tempo_slew <= 0.5:
            raise MusicError(
                f"tempo span {self.tempo_span:g} and slew {self.tempo_slew:g} must lie in 0..0.5; choose smaller ones"
            )
        if self.bars is not None and self.bars < 1:
            raise MusicError(f"{self.bars} bars cannot be played, 1 or more are allowed; leave the number out to go on")
        if not 0.1 <= self.temperature[0] <= self.temperature[1] <= 2.0:
            raise MusicError(f"temperature {self.temperature} is outside 0.1..2.0; give low and high inside, rising")
        if not 0 <= self.harmony <= 1:
            raise MusicError(f"harmony {self.harmony:g} is outside 0..1; choose one inside, 1 being strict")
        if not 0 <= self.groove <= 1:
            raise MusicError(f"groove {self.groove:g} is outside 0..1; choose one inside, 0 being on the grid")
        for part in (*DUO, *(["bass"] if self.bass_anchors else [])):
            limits = self.ranges.get(part)
            if limits is None or limits.low < LOWEST or limits.high > HIGHEST or limits.high < limits.low + 12:
                shown = "missing" if limits is None else f"{limits.low}..{limits.high}"
                raise MusicError(
                    f"range {shown} of the {part} is not allowed; give it low and high within {LOWEST}..{HIGHEST}, an "
                    "octave apart or more, in [parts]"
                )
        object.__setattr__(self, "ranges", MappingProxyType(dict(self.ranges)))

    def anchors_of(self, part: str) -> tuple[Anchor, ...]:
        """Return the anchors of a latent part, lines moved into the mode of the key on C.

        Raises
        ------
        MusicError
            If there are none.
        """
        anchors = {"melody": self.anchors, "bass": self.bass_anchors, "drums": self.drum_anchors}[part]
        if not anchors:
            raise MusicError(f"0 anchors of the {part} given, at least 1 is needed; restore its anchors.json")
        return anchors if part == "drums" else tuple(anchor.in_mode(self.key) for anchor in anchors)

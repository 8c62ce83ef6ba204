"""What is played, by whom, and where it goes."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainmidi.tables.table import Names, Table
from brainmidi.types import DUO, PARTS


class SessionTable(Table):
    """``[session]``: what is played, whatever the brain does."""

    tempo_bpm: float = Field(96.0, ge=30, le=240, description="30..240 quarter notes a minute")
    metre: str = Field("4/4", min_length=3, description='a bar of at most 4 beats, such as "4/4", "3/4" or "6/8"')
    key: str = Field("D dorian", min_length=1, description='a tonic and a mode, such as "D dorian" or "Bb major"')
    chords: str = Field("", description='one chord symbol a bar, such as "Dm7 G7 Cmaj7", or "" for the key\'s own')
    bars: int | None = Field(None, ge=1, le=10_000, description="1..10000 bars, or left out to play until the end")
    seed: int = Field(1, ge=0, le=2**63 - 1, description="a whole number of 0 or more")
    lead_in_s: float = Field(3.0, ge=0, le=600, description="0..600 seconds of EEG before the first bar")
    parts: Names = Field(DUO, description=f"a list of {', '.join(PARTS)}, of which {' and '.join(DUO)} always play")

    @model_validator(mode="after")
    def _known_parts(self) -> SessionTable:
        if unknown := [part for part in self.parts if part not in PARTS]:
            raise ValueError(f"{unknown[0]!r} is none of the parts {', '.join(PARTS)}")
        if missing := [part for part in DUO if part not in self.parts]:
            raise ValueError(f"{missing[0]} is missing from parts, {' and '.join(DUO)} always play")
        if len(set(self.parts)) < len(self.parts):
            raise ValueError(f"parts {', '.join(self.parts)} name one twice")
        return self


_PITCH = "27..102, 60 being middle C"


class PartTable(Table):
    """``[parts.<part>]``: a part's MIDI channel and the pitches that it keeps to."""

    channel: int = Field(ge=1, le=16, description="1..16")
    # The models know 21..108 and compose in C, up to six semitones away from where the music sounds.
    low: int | None = Field(None, ge=27, le=102, description=_PITCH)
    high: int = Field(ge=27, le=102, description=_PITCH)

    @model_validator(mode="after")
    def _ordered(self) -> PartTable:
        if self.low is not None and self.high - self.low < 12:
            raise ValueError("high must lie an octave (12) or more above low, so that every key has all its notes")
        return self


class AccompanimentTable(PartTable):
    """``[parts.accompaniment]``: also how strictly the second part keeps to the chords, and whose style it takes up."""

    harmony: float = Field(0.5, ge=0, le=1, description="0..1, from the model's own way within the key to strict")
    style: Literal["any", "bach", "haydn", "mozart", "beethoven", "tunes", "pop"] = Field(
        "any", description="any, bach, haydn, mozart, beethoven, tunes or pop"
    )


class DrumsTable(Table):
    """``[parts.drums]``: the drums' MIDI channel, and how freely they are played."""

    channel: int = Field(10, ge=1, le=16, description="1..16, 10 in General MIDI")
    groove: float = Field(1.0, ge=0, le=1, description="0..1, 0 being exactly on the grid")


class PartsTable(Table):
    """``[parts]``: every part that may play."""

    melody: PartTable = PartTable(channel=1, low=60, high=88)
    accompaniment: AccompanimentTable = AccompanimentTable(channel=2, high=67)
    bass: PartTable = PartTable(channel=3, low=28, high=55)
    drums: DrumsTable = DrumsTable()


class OddballTable(Table):
    """``[oddball]``: stimuli woven into the music, whose evoked potentials ``[erp]`` measures."""

    on: bool = Field(False, description="true or false")
    every: int = Field(1, ge=1, le=8, description="1..8 pulses of the metre from stimulus to stimulus")
    share: float = Field(0.2, ge=0.05, le=0.34, description="0.05..0.34 of the stimuli are targets")
    velocity: int = Field(48, ge=1, le=127, description="1..127")
    channel: int = Field(12, ge=1, le=16, description="1..16")
    latency_s: float = Field(0.0, ge=0, le=1, description="0..1 seconds from sending a note to hearing it")


_MODEL = 'a name that `brainmidi checkpoints list` shows, or a checkpoint\'s folder, or "" for the one that ships'


class ModelsTable(Table):
    """``[models]``: the checkpoint that each part plays; ``drivers/chosen.py`` finds them."""

    melody: str = Field("", description=_MODEL)
    accompaniment: str = Field("", description=_MODEL)
    bass: str = Field("", description=_MODEL)
    drums: str = Field("", description=_MODEL)
    groove: str = Field("", description=_MODEL)


_PAIR = Annotated[tuple[str, str], Field(strict=False)]
_ANCHORS = (
    'a list of pairs ["calm", "active"], each a bar of a file ("mine.mid@1"), a seed ("seed:3") or a preset\'s corner '
    '("anchor:A.calm"), and of presets\' names, or [] for all presets'
)


class AnchorsTable(Table):
    """``[anchors]``: the corners between which each part's latent moves; ``drivers/anchors.py`` reads the entries."""

    melody: Annotated[tuple[str | _PAIR, ...], Field(strict=False, description=_ANCHORS)] = ()
    bass: Annotated[tuple[str | _PAIR, ...], Field(strict=False, description=_ANCHORS)] = ()
    drums: Annotated[tuple[str | _PAIR, ...], Field(strict=False, description=_ANCHORS)] = ()
    key: str = Field("", description='the key of the files\' bars, such as "A minor", or "" for [session] key')

"""Where the notes go, what goes out beside them, and what the performer's own notes and faders do."""

from __future__ import annotations

import warnings
from itertools import combinations
from typing import Annotated, Literal

from pydantic import Field, model_validator

from brainmidi.tables.table import Table
from brainmidi.types import KNOBS

_CC = "0..119, a controller's number"

#: The channel of the lower zone of MPE that goes for all its notes.
MPE_MASTER = 1

#: Which parameter, and its value: every nrpn of a channel goes through these.
NRPN_CONTROLLERS = (6, 38, 98, 99)

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message='Field name "register"')  # as for [map]

    class CcTable(Table):
        """``[midi.cc]``: the controller that a knob is sent out as, besides what it does to the music."""

        latent_mix: int | None = Field(None, ge=0, le=119, description=_CC)
        temperature: int | None = Field(None, ge=0, le=119, description=_CC)
        density: int | None = Field(None, ge=0, le=119, description=_CC)
        velocity: int | None = Field(None, ge=0, le=119, description=_CC)
        tempo: int | None = Field(None, ge=0, le=119, description=_CC)
        register: int | None = Field(None, ge=0, le=119, description=_CC)

        @model_validator(mode="after")
        def _apart(self) -> CcTable:
            numbers = list(self.model_dump(exclude_none=True).values())
            if len(set(numbers)) < len(numbers):
                raise ValueError("two knobs share a controller; give each its own number")
            return self


class ControlTable(Table):
    """``[cc.<name>]``: a knob or a feature that goes out, as a controller or otherwise."""

    knob: str = Field("", description=f"one of {', '.join(KNOBS)}, or left out for a feature")
    feature: str = Field("", description='a feature such as "alpha.posterior", or left out for a knob')
    send: Literal["cc", "nrpn", "bend", "pressure"] = Field("cc", description='"cc", "nrpn", "bend" or "pressure"')
    number: int | None = Field(None, ge=0, le=16383, description="0..119, of 14 bits 0..31, of an nrpn 0..16383")
    bits: Literal[7, 14] = Field(7, description="7 or 14")
    channel: Annotated[int, Field(ge=1, le=16)] | Literal["mpe"] | None = Field(
        None, description='1..16, "mpe" for all notes of the zone, or left out for [midi] cc_channel'
    )
    low: float | None = Field(None, description="a number: where the control stands at its least")
    high: float | None = Field(None, description="a number: where the control stands at its greatest")
    smoothing_s: float = Field(0.05, ge=0, le=10, description="0..10 seconds, 0 for none")

    @model_validator(mode="after")
    def _whole(self) -> ControlTable:
        if bool(self.knob) == bool(self.feature):
            raise ValueError("give knob or feature, one of the two")
        if self.knob and self.knob not in KNOBS:
            raise ValueError(f"knob {self.knob!r} is none of {', '.join(KNOBS)}")
        numbered = self.send in ("cc", "nrpn")
        if numbered == (self.number is None):
            raise ValueError(f"send = {self.send!r} {'needs a' if numbered else 'has no'} number")
        if not numbered and self.bits == 14:
            raise ValueError(
                f"send = {self.send!r} has no bits to choose, a bend has 14 and pressure 7; leave out bits"
            )
        most = {7: 119, 14: 31}[self.bits]
        if self.send == "cc" and self.number is not None and self.number > most:
            raise ValueError(f"number {self.number} is outside 0..{most}, as a controller of {self.bits} bits has it")
        if self.low is not None and self.low == self.high:
            raise ValueError("low and high are the same; give the control somewhere to go")
        return self

    def channel_of(self, cc_channel: int) -> int:
        """Return the MIDI channel that it goes out on."""
        return MPE_MASTER if self.channel == "mpe" else self.channel or cc_channel

    def places(self, cc_channel: int) -> frozenset[tuple[int, str, int]]:
        """Return (channel, kind, number) of all that moves with it; an nrpn's own controllers are among them."""
        channel, number = self.channel_of(cc_channel), self.number or 0
        found = {(channel, self.send, number)}
        if self.send == "nrpn":
            found |= {(channel, "cc", controller) for controller in NRPN_CONTROLLERS}
        elif self.send == "cc" and self.bits == 14:
            found.add((channel, "cc", number + 32))
        return frozenset(found)


class FaderTable(Table):
    """``[midi.faders]``: the performer's controller that takes a knob over, or says how far the brain may move it."""

    cc: int = Field(ge=0, le=119, description=_CC)
    mode: Literal["override", "scale"] = Field("override", description='"override" or "scale"')
    channel: int = Field(0, ge=0, le=16, description="1..16, or 0 for any")
    pickup: bool = Field(False, description="true or false")


class KeyTable(Table):
    """``[midi.keys]``: a note or a controller that asks for something instead of being played."""

    note: int | None = Field(None, ge=0, le=127, description="0..127, 60 being middle C")
    cc: int | None = Field(None, ge=0, le=119, description=_CC)
    channel: int = Field(0, ge=0, le=16, description="1..16, or 0 for any")

    @model_validator(mode="after")
    def _one(self) -> KeyTable:
        if (self.note is None) == (self.cc is None):
            raise ValueError("give note or cc, one of the two")
        return self

    def hides(self, cc: int | None, note: int | None, channel: int) -> bool:
        """Return whether that controller or note (of channel 0 for any) may be this key's."""
        same = (self.cc is not None and self.cc == cc) or (self.note is not None and self.note == note)
        return same and (self.channel == channel or 0 in (self.channel, channel))


class MidiTable(Table):
    """``[midi]``: which ports, what goes out with the notes, and what the performer's keys and faders do."""

    port: str = Field("", description='part of the name of an existing port, or "" for the virtual port brainmidi:out')
    backend: Literal["auto", "rtmidi", "jack"] = Field("auto", description='"auto", "rtmidi" or "jack"')
    input: str = Field("", description='part of the name of an existing port, or "" for the virtual port brainmidi:in')
    network: int = Field(0, ge=0, le=20, description="0 for none, or 1..20 as ipMIDI and qmidinet count their ports")
    mpe: Literal[False, True, "melody", "accompaniment", "bass"] = Field(
        False, description='false, true for the melody, or "melody", "accompaniment" or "bass"'
    )
    mpe_members: int = Field(7, ge=1, le=15, description="1..15 channels, from 2 on")
    cc_channel: int = Field(16, ge=1, le=16, description="1..16")
    capture_bars: int = Field(4, ge=1, le=64, description="1..64 bars")
    cc: CcTable = CcTable()
    faders: dict[str, FaderTable] = Field(default_factory=dict, description="a fader for each of some knobs")
    keys: dict[Literal["panic", "hold", "capture", "release"], KeyTable] = Field(
        default_factory=dict, description="a key for panic, hold, capture or release"
    )

    @model_validator(mode="after")
    def _one_way_out(self) -> MidiTable:
        if self.network and (self.port or self.input):
            raise ValueError("network takes the place of port and input; leave one of the two out")
        if self.network and self.backend == "jack":
            raise ValueError('network has no JACK behind it; leave out network or backend = "jack"')
        if unknown := [knob for knob in self.faders if knob not in KNOBS]:
            raise ValueError(f"faders has {unknown[0]!r}, which is none of the knobs {', '.join(KNOBS)}")
        return self

    @property
    def mpe_part(self) -> str:
        """The part whose notes have a channel each; "" for none."""
        return "melody" if self.mpe is True else self.mpe or ""

    @property
    def mpe_zone(self) -> range:
        """The channels of the zone, its master first; none without MPE."""
        return range(MPE_MASTER, MPE_MASTER + self.mpe_members + 1) if self.mpe_part else range(0)

    @model_validator(mode="after")
    def _keys_apart(self) -> MidiTable:
        for (action, key), (other, second) in combinations(self.keys.items(), 2):
            if key.hides(second.cc, second.note, second.channel):
                raise ValueError(f"keys {action} and {other} are the same key, only one would act; give each its own")
        for action, key in self.keys.items():
            for knob, fader in self.faders.items():
                if key.hides(fader.cc, None, fader.channel):
                    raise ValueError(f"keys {action} takes CC {key.cc}, the fader of {knob} would never act; move one")
        return self

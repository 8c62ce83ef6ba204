"""``session.toml`` becomes a checked, frozen :class:`SessionConfig`; every mistake is one line with its remedy.

The tables of the file are merged over the defaults, so a file may hold a single line. This module knows no room:
``drivers/assemble.py`` turns the tables into the rooms' own settings.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from brainmidi.errors import ConfigError
from brainmidi.types import DUO, PARTS

#: Two numbers, low then high; TOML has lists where Python has tuples.
Pair = Annotated[tuple[float, float], Field(strict=False)]
Names = Annotated[tuple[str, ...], Field(strict=False)]


class _Table(BaseModel):
    """A table of ``session.toml``: unknown keys are errors, values keep their type, nothing changes after birth.

    Every field's description says what is allowed; error lines quote it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


def _rising(pair: tuple[float, float], low: float, high: float, what: str, *, equal: bool = False) -> None:
    """Raise ValueError unless ``low <= pair[0] < pair[1] <= high`` (or ``<=`` where `equal`)."""
    if not (low <= pair[0] <= pair[1] <= high and (equal or pair[0] < pair[1])):
        raise ValueError(f"{what} must be [low, high] within {low:g}..{high:g} with low {'<=' if equal else '<'} high")


class SessionTable(_Table):
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


class SourceTable(_Table):
    """``[source]``: where EEG comes from; all but `name` and `board` are BrainFlow's parameters, by their own names."""

    name: str = Field("demo", min_length=1, description="a name that `brainmidi sources` lists")
    serial_port: str = Field("", description='a serial port, such as "/dev/ttyUSB0" or "COM3"')
    mac_address: str = Field("", description="a Bluetooth address")
    ip_address: str = Field("", description="an IP address")
    ip_address_aux: str = Field("", description="an IP address")
    ip_address_anc: str = Field("", description="an IP address")
    ip_port: int = Field(0, ge=0, le=65535, description="0..65535")
    ip_port_aux: int = Field(0, ge=0, le=65535, description="0..65535")
    ip_port_anc: int = Field(0, ge=0, le=65535, description="0..65535")
    ip_protocol: int = Field(0, ge=0, le=2, description="0 (none), 1 (UDP) or 2 (TCP)")
    other_info: str = Field("", description="text that the board's driver understands")
    timeout: int = Field(0, ge=0, le=600, description="0..600 seconds, 0 for the driver's own")
    serial_number: str = Field("", description="the device's serial number or name")
    file: str = Field("", description="a path, for playback boards")
    file_aux: str = Field("", description="a path, for playback boards")
    file_anc: str = Field("", description="a path, for playback boards")
    master_board: str = Field("", description="the name of the board whose data is replayed, for playback boards")
    board: str = Field("", description="the name of the board that made a BrainFlow csv, where it fits several")

    def options(self) -> dict[str, str | int]:
        """Return the connection parameters that differ from BrainFlow's defaults."""
        changed = self.model_dump(exclude_defaults=True)
        for ours in ("name", "board"):
            changed.pop(ours, None)
        return changed


def _bands() -> dict[str, tuple[float, float]]:
    return {"delta": (1.0, 4.0), "theta": (4.0, 8.0), "alpha": (8.0, 13.0), "beta": (13.0, 30.0), "gamma": (30.0, 45.0)}


class SignalTable(_Table):
    """``[signal]``: filters, reference and the windows that band power is measured in."""

    high_pass_hz: float = Field(0.3, gt=0, le=10, description="above 0, at most 10 Hz")
    low_pass_hz: float = Field(45.0, ge=10, le=250, description="10..250 Hz, below half the sampling rate")
    reference: Literal["auto", "average", "none"] | Names = Field(
        "auto", description='"auto", "average", "none", or a list of channel names such as ["TP9", "TP10"]'
    )
    line: Literal["auto", "none", 50, 60] = Field("auto", description='"auto", 50, 60 or "none"')
    window_s: float = Field(2.0, ge=1, le=10, description="1..10 seconds")
    min_good: float = Field(
        0.6, gt=0, le=1, description="above 0, at most 1: the share of good samples a channel needs"
    )
    amplitude_uv: float = Field(
        200.0, gt=0, description="above 0 uV: a larger magnitude after filtering is an artifact"
    )
    bands: dict[str, Pair] = Field(default_factory=_bands, description="[low, high] in Hz")

    @model_validator(mode="after")
    def _ordered(self) -> SignalTable:
        for name, band in self.bands.items():
            _rising(band, 0.1, 250, f"band {name}")
        if self.high_pass_hz >= self.low_pass_hz:
            raise ValueError("high_pass_hz must lie below low_pass_hz")
        return self


class ErpTable(_Table):
    """``[erp]``: which markers are targets, and how their epochs are averaged."""

    target: Names = Field(("target", "2"), description='a list of marker labels, such as ["target"]')
    nontarget: Names = Field(("nontarget", "1"), description='a list of marker labels, such as ["nontarget"]')
    epoch_s: Pair = Field((-0.2, 0.8), description="[low, high] in seconds around the marker")
    response_s: Pair = Field((0.25, 0.5), description="[low, high] in seconds after the marker")
    average_n: int = Field(12, ge=2, le=1000, description="2..1000 targets, and at least min_n")
    min_n: int = Field(4, ge=2, le=1000, description="2..1000 targets")
    channels: Names = Field((), description="a list of channel names; [] chooses by the montage")
    polarity: Literal["either", "positive", "negative"] = Field(
        "either", description='"either", "positive" or "negative"'
    )
    reject_uv: float = Field(150.0, gt=0, description="above 0 uV: an epoch that spans more is left out")
    latency_s: float = Field(0.0, ge=-1, le=1, description="-1..1 seconds by which the device stamps its markers late")

    @model_validator(mode="after")
    def _ordered(self) -> ErpTable:
        _rising(self.epoch_s, -2, 3, "epoch_s")
        _rising(self.response_s, 0, self.epoch_s[1], "response_s")
        if self.epoch_s[0] >= 0:
            raise ValueError("epoch_s must begin before 0, for the epoch's own baseline")
        if self.average_n < self.min_n:
            raise ValueError("average_n must not be less than min_n")
        if both := set(self.target) & set(self.nontarget):
            raise ValueError(f"marker {min(both)!r} is both target and nontarget; keep it in one list")
        return self


class BaselineTable(_Table):
    """``[baseline]``: what rest looks like; at most one of the three, and the shipped demo profile where none is."""

    seconds: float = Field(0.0, ge=0, le=600, description="0..600 seconds of rest at the start, 0 for none")
    recording: str = Field("", description="the path of a recording made at rest")
    profile: str = Field("", description="the path of a profile that --save-baseline wrote")

    @model_validator(mode="after")
    def _one(self) -> BaselineTable:
        if sum(map(bool, (self.seconds, self.recording, self.profile))) > 1:
            raise ValueError("give one of seconds, recording and profile, not several")
        return self


class KnobTable(_Table):
    """``[map.<knob>]``: the feature that turns a knob, in robust z against the baseline."""

    feature: str = Field("none", min_length=1, description='a feature such as "alpha" or "alpha.occipital", or "none"')
    invert: bool = Field(False, description="true or false")
    low: float = Field(-2.0, ge=-20, lt=0, description="-20..0 z (0 itself not allowed), where the knob stands near 0")
    high: float = Field(2.0, gt=0, le=20, description="0..20 z (0 itself not allowed), where the knob stands near 1")


with warnings.catch_warnings():
    # pydantic warns that the knob `register` hides ABCMeta.register, which no table of ours has a use for
    warnings.filterwarnings("ignore", message='Field name "register"')

    class MapTable(_Table):
        """``[map]``: one time constant, and a table for each knob; a knob whose feature is "none" rests at 0.5."""

        time_constant_s: float = Field(1.5, ge=0, le=60, description="0..60 seconds")
        latent_mix: KnobTable = KnobTable(feature="alpha.posterior", invert=True, low=-4.0, high=4.0)
        temperature: KnobTable = KnobTable(feature="engagement", low=-4.0, high=4.0)
        density: KnobTable = KnobTable(feature="engagement", low=-4.0, high=4.0)
        velocity: KnobTable = KnobTable(feature="beta", low=-3.0, high=3.0)
        tempo: KnobTable = KnobTable(feature="alpha.posterior", invert=True, low=-5.0, high=5.0)
        register: KnobTable = KnobTable(feature="gamma", low=-4.0, high=4.0)

        def knobs(self) -> dict[str, KnobTable]:
            """Return the knobs that a feature turns."""
            tables = {name: getattr(self, name) for name in type(self).model_fields if name != "time_constant_s"}
            return {name: table for name, table in tables.items() if table.feature != "none"}


class EventTable(_Table):
    """``[on.<name>]``: what happens when a feature crosses its threshold."""

    feature: str = Field(min_length=1, description='a feature such as "erp.target"')
    threshold: float = Field(description="a number in the feature's own unit")
    action: Literal["next-anchor", "none"] = Field("next-anchor", description='"next-anchor" or "none"')
    refractory_s: float = Field(4.0, ge=0, le=600, description="0..600 seconds before it may happen again")
    hysteresis: float = Field(0.1, ge=0, description="0 or more: how far below the threshold it arms again")


def _events() -> dict[str, EventTable]:
    return {"erp": EventTable(feature="erp.target.confidence", threshold=0.99, hysteresis=0.15)}


class RangeTable(_Table):
    """``[range]``: what a knob's 0 and 1 mean in the music."""

    temperature: Pair = Field((0.6, 1.2), description="[low, high] within 0.1..2.0")
    tempo_percent: float = Field(8.0, ge=0, le=50, description="0..50 per cent faster or slower than tempo_bpm")
    velocity: Annotated[tuple[int, int], Field(strict=False)] = Field(
        (50, 105), description="[low, high] within 1..127"
    )
    register_semitones: int = Field(7, ge=0, le=24, description="0..24 semitones up or down")

    @model_validator(mode="after")
    def _ordered(self) -> RangeTable:
        _rising(self.temperature, 0.1, 2.0, "temperature", equal=True)
        _rising(self.velocity, 1, 127, "velocity", equal=True)
        return self


_PITCH = "27..102, 60 being middle C"


class PartTable(_Table):
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


class DrumsTable(_Table):
    """``[parts.drums]``: the drums' MIDI channel, and how freely they are played."""

    channel: int = Field(10, ge=1, le=16, description="1..16, 10 in General MIDI")
    groove: float = Field(1.0, ge=0, le=1, description="0..1, 0 being exactly on the grid")


class PartsTable(_Table):
    """``[parts]``: every part that may play."""

    melody: PartTable = PartTable(channel=1, low=60, high=88)
    accompaniment: PartTable = PartTable(channel=2, high=67)
    bass: PartTable = PartTable(channel=3, low=28, high=55)
    drums: DrumsTable = DrumsTable()


_CC = "0..119, a controller's number"

with warnings.catch_warnings():
    warnings.filterwarnings("ignore", message='Field name "register"')  # as for [map]

    class CcTable(_Table):
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


class MidiTable(_Table):
    """``[midi]``: where the notes go, and which knobs go with them."""

    port: str = Field("", description='part of the name of an existing port, or "" for the virtual port brainmidi:out')
    cc_channel: int = Field(16, ge=1, le=16, description="1..16")
    cc: CcTable = CcTable()

    def controllers(self) -> dict[str, tuple[int, int]]:
        """Return MIDI channel and controller number of every knob that is sent out."""
        return {knob: (self.cc_channel, number) for knob, number in self.cc.model_dump(exclude_none=True).items()}


class SessionConfig(_Table):
    """All of ``session.toml``, with defaults where the file is silent."""

    session: SessionTable = SessionTable()
    source: SourceTable = SourceTable()
    signal: SignalTable = SignalTable()
    erp: ErpTable = ErpTable()
    baseline: BaselineTable = BaselineTable()
    map: MapTable = MapTable()
    on: dict[str, EventTable] = Field(default_factory=_events, description="a table of events")
    range: RangeTable = RangeTable()
    parts: PartsTable = PartsTable()
    midi: MidiTable = MidiTable()

    @model_validator(mode="after")
    def _rest_is_long_enough(self) -> SessionConfig:
        least_s = self.signal.window_s + 1.0  # the first frame comes with the first full window
        if 0 < self.baseline.seconds < least_s:
            raise ValueError(f"[baseline] seconds must be 0 or at least {least_s:g}, one more than [signal] window_s")
        return self

    @model_validator(mode="after")
    def _own_channels(self) -> SessionConfig:
        taken: dict[int, str] = {}
        for part, channel in self.channels().items():
            if (other := taken.setdefault(channel, part)) != part:
                raise ValueError(f"[parts] {other} and {part} share MIDI channel {channel}; give each its own")
        return self

    def channels(self) -> dict[str, int]:
        """Return the MIDI channel 1..16 of each part that plays, in score order."""
        return {part: getattr(self.parts, part).channel for part in PARTS if part in self.session.parts}


@dataclass(frozen=True, slots=True)
class Override:
    """A value given on the command line.

    Parameters
    ----------
    option : str
        The option as the user typed it, for error lines: ``"--bars"``.
    path : tuple of str
        Where the value belongs: ``("session", "bars")``.
    value : object
        The value, as TOML would have it.
    shown : object, optional
        What the user typed, where it differs from `value`.
    allowed : str, optional
        What is allowed, where the option's range reads differently from the file's.
    """

    option: str
    path: tuple[str, ...]
    value: object
    shown: object = None
    allowed: str = ""


def load_config(path: Path | None = None, overrides: Sequence[Override] = ()) -> SessionConfig:
    """Read `path`, put `overrides` on top, and check all of it.

    Parameters
    ----------
    path : Path or None
        A ``session.toml``; None stands for an empty one.
    overrides : sequence of Override
        Values from the command line; they win over the file.

    Returns
    -------
    SessionConfig
        Defaults, the file and `overrides`, merged in that order.

    Raises
    ------
    ConfigError
        The file is missing or is no TOML, a key is unknown, or a value is outside its range.
    """
    if path is None:
        return parse_config({}, overrides=overrides)
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be read ({error.strerror}), a session.toml is needed; `brainmidi init` writes one"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path} is not valid TOML: {error}; correct that line, or start from `brainmidi init`"
        ) from error
    return parse_config(tables, name=path.name, overrides=overrides)


def parse_config(
    tables: Mapping[str, Any], *, name: str = "session.toml", overrides: Sequence[Override] = ()
) -> SessionConfig:
    """Check `tables` as :func:`load_config` does; `name` is what error lines call the file."""
    merged = _merge(SessionConfig().model_dump(), tables)
    for override in overrides:
        nested: object = override.value
        for key in reversed(override.path):
            nested = {key: nested}
        merged = _merge(merged, typing.cast("Mapping[str, Any]", nested))
    try:
        return SessionConfig.model_validate(merged)
    except ValidationError as invalid:
        raise ConfigError(_explain(invalid.errors()[0], name, overrides)) from invalid


def _merge(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Return `above` laid over `below`, table by table."""
    merged = dict(below)
    for key, value in above.items():
        old = merged.get(key)
        merged[key] = _merge(old, value) if isinstance(old, Mapping) and isinstance(value, Mapping) else value
    return merged


def _explain(error: ErrorDetails, name: str, overrides: Sequence[Override]) -> str:
    """Turn pydantic's first error into one line: value, allowed range, remedy."""
    keys = _keys(error["loc"])
    table, field = _find(keys)
    where = f"[{'.'.join(keys[:-1])}] {keys[-1]}" if len(keys) > 1 else f"[{keys[0]}]" if keys else "the file"
    if error["type"] == "extra_forbidden":
        known = list(table.model_fields) if table else []
        near = difflib.get_close_matches(keys[-1], known, n=1, cutoff=0.0)
        also = ", ".join(sorted(known))
        return f"{name}: {where} is unknown, did you mean {near[0]}? Known here: {also}; correct it or delete it"
    if error["type"] == "missing":
        return f"{name}: {where} is missing, {_allowed(field)} is needed; add it"
    reason = str(error["ctx"]["error"]) if error["type"] == "value_error" else ""
    for override in overrides:
        if override.path == keys or (override.path[: len(keys)] == keys and override.path[-1] in reason):
            shown = override.value if override.shown is None else override.shown
            wanted = override.allowed or (_allowed(_find(override.path)[1]) if keys else reason)
            return (
                f"{override.option} {shown} is not allowed, {wanted}; give such a value or leave {override.option} out"
            )
    if reason:
        place = f"[{'.'.join(keys)}]: " if keys else ""
        return f"{name}: {place}{reason}; correct it there, or delete the lines to have the default"
    value = error["input"]
    shown = str(value).lower() if isinstance(value, bool) else repr(value)
    return (
        f"{name}: {where} = {shown} is not allowed, {_allowed(field)}; correct it, or delete the line for the default"
    )


def _keys(loc: Sequence[int | str]) -> tuple[str, ...]:
    """Keep of pydantic's `loc` what a reader of the file would call the place; union tags and list indices go."""
    keys: list[str] = []
    for part in loc:
        if isinstance(part, int) or (keys and _find((*keys, part)) == (None, None)):
            break
        keys.append(part)
    return tuple(keys)


def _find(keys: Sequence[str]) -> tuple[type[BaseModel] | None, FieldInfo | None]:
    """Return the table that holds the last of `keys` and its field; neither where `keys` lead into a value."""
    node: Any = SessionConfig
    table: type[BaseModel] | None = None
    field: FieldInfo | None = None
    for key in keys:
        if isinstance(node, type) and issubclass(node, BaseModel):
            table, field = node, node.model_fields.get(key)
            node = field.annotation if field else None
        elif typing.get_origin(node) is dict:  # [on.<name>], [signal.bands]: this key is the user's own
            table, node = None, typing.get_args(node)[1]
        else:
            return None, None
    return table, field


def _allowed(field: FieldInfo | None) -> str:
    return (field.description if field else None) or "a table"

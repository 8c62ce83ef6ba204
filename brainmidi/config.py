"""``session.toml`` becomes a checked, frozen :class:`SessionConfig`; every mistake is one line with its remedy.

The tables of the file are merged over the defaults, so a file may hold a single line. This module knows no room:
``drivers/assemble.py`` turns the tables into the rooms' own settings.
"""

from __future__ import annotations

import difflib
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, PrivateAttr, ValidationError, model_validator
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from brainmidi.errors import ConfigError
from brainmidi.tables.apart import keep_channels_apart, keep_controls_apart, keep_zone_free
from brainmidi.tables.clock import ClockTable
from brainmidi.tables.mapping import EventTable, MapTable, RangeTable, default_events
from brainmidi.tables.midi import MPE_MASTER, ControlTable, MidiTable
from brainmidi.tables.music import AnchorsTable, ModelsTable, OddballTable, PartsTable, SessionTable
from brainmidi.tables.signal import BaselineTable, ErpTable, SignalTable, SourceTable
from brainmidi.tables.table import Table
from brainmidi.types import PARTS


class SessionConfig(Table):
    """All of ``session.toml``, with defaults where the file is silent."""

    session: SessionTable = SessionTable()
    source: SourceTable = SourceTable()
    signal: SignalTable = SignalTable()
    erp: ErpTable = ErpTable()
    oddball: OddballTable = OddballTable()
    baseline: BaselineTable = BaselineTable()
    map: MapTable = MapTable()
    on: dict[str, EventTable] = Field(default_factory=default_events, description="a table of events")
    range: RangeTable = RangeTable()
    parts: PartsTable = PartsTable()
    models: ModelsTable = ModelsTable()
    anchors: AnchorsTable = AnchorsTable()
    midi: MidiTable = MidiTable()
    cc: dict[str, ControlTable] = Field(default_factory=dict, description="a table of controls")
    clock: ClockTable = ClockTable()
    _file: str = PrivateAttr("session.toml")

    @property
    def file(self) -> str:
        """What error lines call the file that these settings are from."""
        return self._file

    @model_validator(mode="after")
    def _rest_is_long_enough(self) -> SessionConfig:
        least_s = self.signal.window_s + 1.0  # the first frame comes with the first full window
        if 0 < self.baseline.seconds < least_s:
            raise ValueError(f"[baseline] seconds must be 0 or at least {least_s:g}, one more than [signal] window_s")
        return self

    @model_validator(mode="after")
    def _own_channels(self) -> SessionConfig:
        channels, clicks = self.channels(), self._clicks()
        keep_channels_apart(channels, clicks)
        keep_zone_free(channels, clicks, self.midi, self.cc)
        keep_controls_apart(self.midi, self.cc, clicks)
        return self

    def _clicks(self) -> int | None:
        return self.clock.click_channel if self.clock.metronome or self.clock.count_in else None

    @model_validator(mode="after")
    def _oddball_is_measured(self) -> SessionConfig:
        for label, labels in (("oddball.target", self.erp.target), ("oddball.nontarget", self.erp.nontarget)):
            if self.oddball.on and label not in labels:
                table = label.removeprefix("oddball.")
                raise ValueError(f'[oddball] marks its notes "{label}", which [erp] {table} lacks; add it there')
        return self

    def channels(self) -> dict[str, int]:
        """Return the MIDI channel 1..16 of each part that plays, in score order, and of the oddball; a zone's first."""
        playing = {part: getattr(self.parts, part).channel for part in PARTS if part in self.session.parts}
        playing |= {part: MPE_MASTER for part in playing if part == self.midi.mpe_part}
        return playing | ({"oddball": self.oddball.channel} if self.oddball.on else {})


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
        config = SessionConfig.model_validate(merged)
    except ValidationError as invalid:
        raise ConfigError(_explain(invalid.errors()[0], name, overrides)) from invalid
    config._file = name
    return config


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

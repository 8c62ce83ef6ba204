"""How a player is set up: one value that the composer's side writes and the player's reads, JSON on the way."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from brainmidi.errors import MidiError
from brainmidi.midi.clockmaster import ClockSettings
from brainmidi.midi.controls_out import ControlRule
from brainmidi.midi.keys import Key


@dataclass(frozen=True, slots=True)
class PlayerSettings:
    """What a player is told before it opens its ports.

    Parameters
    ----------
    port : str or None
        Part of an existing output's name; None opens the virtual port ``brainmidi:out``.
    backend : str
        ``"auto"``, ``"rtmidi"`` or ``"jack"``; see :func:`brainmidi.midi.ports.open_output`.
    input : str or None
        Part of an existing input's name, which may appear later; None opens the virtual port ``brainmidi:in``.
    network : int
        1..20 sends to and hears that port of the network in place of MIDI ports; 0 does not.
    controls : tuple of ControlRule
        Which knobs and features go out as control changes.
    keys : mapping of str to Key
        The performer's notes and controllers that mean ``"panic"``, ``"hold"``, ``"capture"`` or ``"release"``.
    clock : ClockSettings
        Whose time is kept, and what goes out of it.
    marked : int
        MIDI channel 1..16 whose strikes are told, each with the time at which it was sent; 0 for none.
    """

    port: str | None = None
    backend: str = "auto"
    input: str | None = None
    network: int = 0
    controls: tuple[ControlRule, ...] = ()
    keys: Mapping[str, Key] = field(default_factory=dict)
    clock: ClockSettings = field(default_factory=ClockSettings)
    marked: int = 0

    def dump(self) -> str:
        """Return the settings as JSON."""
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def load(cls, text: str) -> PlayerSettings:
        """Return the settings that :meth:`dump` wrote.

        Raises
        ------
        MidiError
            If `text` is not what :meth:`dump` writes.
        """
        try:
            values: dict[str, Any] = json.loads(text)
            values["controls"] = tuple(ControlRule(**rule) for rule in values.get("controls", ()))
            values["keys"] = {action: Key(**key) for action, key in values.get("keys", {}).items()}
            clock = values.get("clock", {})
            values["clock"] = ClockSettings(**{**clock, "pulses": tuple(clock.get("pulses", ClockSettings().pulses))})
            return cls(**values)
        except (ValueError, TypeError, AttributeError) as error:
            known = ", ".join(each.name for each in fields(cls))
            raise MidiError(f"settings {text[:60]!r} are not the player's ({error}), it has {known}") from error

"""A performer's notes and controllers that ask for something instead of being played, such as panic or hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ACTIONS: tuple[str, ...] = ("panic", "hold", "capture", "release")

#: From here on a pedal or a button counts as pressed.
_PRESSED = 64


@dataclass(frozen=True, slots=True)
class Key:
    """A note or a controller.

    Parameters
    ----------
    note, cc : int or None
        Its number 0..127; one of the two.
    channel : int
        1..16, or 0 for any.
    """

    note: int | None = None
    cc: int | None = None
    channel: int = 0

    def is_meant_by(self, data: tuple[int, ...]) -> bool:
        """Return whether message bytes are about this note or controller."""
        if self.channel and data[0] & 0x0F != self.channel - 1:
            return False
        status = data[0] & 0xF0
        number = self.note if status in (0x80, 0x90) else self.cc if status == 0xB0 else None
        return number is not None and data[1] == number


class Keys:
    """Tells which action a message of the performer's asks for.

    Parameters
    ----------
    keys : mapping of str to Key
        By action.
    """

    def __init__(self, keys: Mapping[str, Key]) -> None:
        self._keys = dict(keys)
        self._down: set[str] = set()

    def take(self, data: tuple[int, ...]) -> tuple[str, bool | None] | None:
        """Return (action, state) of a message, None where it is not a key's.

        The state is True where a controller was pressed, False where it was let go, and None where a note was struck,
        which has no second state: it asks anew each time. A key's other messages ask for ``""``.
        """
        for action, key in self._keys.items():
            if not key.is_meant_by(data):
                continue
            if data[0] & 0xF0 != 0xB0:
                return (action, None) if data[0] & 0xF0 == 0x90 and data[2] > 0 else ("", None)
            pressed = data[2] >= _PRESSED
            if pressed == (action in self._down):
                return "", None
            (self._down.add if pressed else self._down.discard)(action)
            return action, pressed
        return None

"""What went out beside what was saved."""

from __future__ import annotations

from collections.abc import Sequence

from brainmidi.types import MidiEvent


def lets_go(data: tuple[int, ...]) -> bool:
    """Return whether a message brings a channel to rest: pedal up, notes and sound off, no bend, no pressure."""
    rests = {0xB0: [(64, 0), (123, 0), (120, 0)], 0xD0: [(0,)], 0xE0: [(0, 64)]}
    return tuple(data[1:]) in rests.get(data[0] & 0xF0, [])


def assert_sent_as_saved(events: Sequence[MidiEvent], sent: Sequence[tuple[int, ...]]) -> None:
    """Fail unless `sent` is what `events` say, and nothing after them but every channel brought to rest."""
    assert list(sent[: len(events)]) == [event.data for event in events]
    assert all(lets_go(data) for data in sent[len(events) :])

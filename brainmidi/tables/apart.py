"""What shares the MIDI channels: parts, clicks, controls and the zone of MPE must not get in each other's way."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

from brainmidi.tables.midi import ControlTable, MidiTable


def keep_channels_apart(channels: Mapping[str, int], clicks: int | None) -> None:
    """Raise ValueError where two parts play on one channel, or the clicks on a part's.

    Parameters
    ----------
    channels : mapping of str to int
        By part, and of the oddball.
    clicks : int or None
        Of count-in and metronome; None where nothing clicks.
    """
    taken: dict[int, str] = {}
    for part, channel in channels.items():
        if (other := taken.setdefault(channel, part)) != part:
            shown = "[oddball]" if part == "oddball" else part
            raise ValueError(f"[parts] {other} and {shown} share MIDI channel {channel}; give each its own")
    if clicks in taken:
        raise ValueError(
            f"[clock] click_channel and [parts] {taken[clicks]} share MIDI channel {clicks}; choose another"
        )


def keep_zone_free(
    channels: Mapping[str, int], clicks: int | None, midi: MidiTable, cc: Mapping[str, ControlTable]
) -> None:
    """Raise ValueError where somebody else sends on a channel of the zone, or to a zone that there is not.

    Parameters
    ----------
    channels, clicks
        As for :func:`keep_channels_apart`.
    midi, cc
        The tables ``[midi]`` and ``[cc]``.
    """
    zone, mpe = midi.mpe_zone, midi.mpe_part
    if mpe and mpe not in channels:
        raise ValueError(f"[midi] mpe names {mpe}, which does not play; add it to [session] parts, or name another")
    names = {part: "[oddball]" if part == "oddball" else f"[parts] {part}" for part in channels}
    notes = {names[part]: channel for part, channel in channels.items() if part != mpe}
    if clicks is not None:
        notes["[clock] click_channel"] = clicks
    controls = {f"[cc.{name}]": table.channel_of(midi.cc_channel) for name, table in cc.items()}
    if midi.cc.model_dump(exclude_none=True):
        controls["[midi] cc_channel"] = midi.cc_channel
    # The master channel has no notes of its own, and takes what goes for the whole zone.
    for users, taken in ((notes, zone), (controls, zone[1:])):
        for user, channel in users.items():
            if channel in taken:
                raise ValueError(
                    f"{user} is on MIDI channel {channel}, in the MPE zone {zone[0]}..{zone[-1]} of {mpe}; "
                    "choose one above, or fewer [midi] mpe_members"
                )
    for name, table in cc.items():
        if table.channel == "mpe" and not mpe:
            raise ValueError(f'[cc.{name}] channel = "mpe" needs [midi] mpe; set that, or give a number')


def keep_controls_apart(midi: MidiTable, cc: Mapping[str, ControlTable], clicks: int | None) -> None:
    """Raise ValueError where two controls move each other, or clicks go out on the channel of one.

    Parameters
    ----------
    midi, cc, clicks
        As for :func:`keep_zone_free`.
    """
    sent = [
        (f"[midi.cc] {knob}", frozenset({(midi.cc_channel, "cc", number)}), False)
        for knob, number in midi.cc.model_dump(exclude_none=True).items()
    ]
    for name, table in cc.items():
        sent.append((f"[cc.{name}]", table.places(midi.cc_channel), table.send == "nrpn"))
    for (one, places, by_number), (other, others, also) in combinations(sent, 2):
        # Two nrpns may go through the same controllers, since each sends its number with every value.
        shared = {place for place in places & others if not (by_number and also and place[1] == "cc")}
        if shared:
            _, kind, number = min(shared)
            through = f" ({kind.upper()} {number})" if kind in ("cc", "nrpn") else ""
            raise ValueError(f"{one} and {other} move the same control{through}; give each its own number or channel")
    for name, places, _ in sent:
        if any(channel == clicks for channel, _, _ in places):
            raise ValueError(f"[clock] click_channel and {name} share MIDI channel {clicks}; choose another for one")

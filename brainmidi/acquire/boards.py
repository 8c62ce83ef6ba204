"""BrainFlow's table of boards: names, channels, rates and what each needs to connect."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from brainmidi.acquire.names import electrode, unique
from brainmidi.errors import SourceError

#: What the boards need to connect, by the beginning of their names (BrainFlow's documentation, "Supported Boards").
_NEEDS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("synthetic", ()),
    ("playback_file", ("file", "master_board")),
    ("streaming", ("ip_address", "ip_port", "master_board")),
    ("cyton_wifi", ("ip_address", "ip_port")),
    ("cyton_daisy_wifi", ("ip_address", "ip_port")),
    ("ganglion_wifi", ("ip_address", "ip_port")),
    ("ganglion_native", ("mac_address", "serial_number")),
    ("ganglion", ("serial_port", "mac_address")),
    ("cyton", ("serial_port",)),
    ("galea", ("ip_address",)),
    ("brainbit_bled", ("serial_port", "mac_address")),
    ("brainbit", ("serial_number",)),
    ("unicorn", ("serial_number",)),
    ("callibri", ("other_info",)),
    ("notion", ("serial_number",)),
    ("crown", ("serial_number",)),
    ("freeeeg", ("serial_port",)),
    ("muse_s_bled", ("serial_port", "mac_address")),
    ("muse_2_bled", ("serial_port", "mac_address")),
    ("muse_2016_bled", ("serial_port", "mac_address")),
    ("muse", ("mac_address", "serial_number")),
    ("ant_neuro", ()),
    ("enophone", ("mac_address",)),
    ("brainalive", ("mac_address", "serial_number")),
    ("explore", ("mac_address",)),
    ("ntl_wifi", ("ip_address", "ip_port")),
    ("aavaa", ("mac_address",)),
    ("pieeg", ("serial_port",)),
    ("neuropawn", ("serial_port",)),
    ("synchroni", ("mac_address", "serial_number")),
    ("ob", ("mac_address", "serial_number")),
    ("biolistener", ("ip_address", "ip_port")),
    ("ironbci", ("serial_port",)),
)


@dataclass(frozen=True, slots=True)
class BoardShape:
    """Rows of a board's data and their meaning.

    Parameters
    ----------
    name : str
    rate_hz : float
    n_rows : int
        Rows that BrainFlow returns, EEG or not.
    eeg_rows : tuple of int
    names : tuple of str
        Of the EEG rows.
    time_row, marker_row : int
    package_row : int or None
        Where packages are numbered; None where the board does not number them.
    """

    name: str
    rate_hz: float
    n_rows: int
    eeg_rows: tuple[int, ...]
    names: tuple[str, ...]
    time_row: int
    marker_row: int
    package_row: int | None = None


@cache
def board_ids() -> dict[str, int]:
    """Return BrainFlow's number of every board, by name: lower case, without ``_board`` at the end."""
    from brainflow.board_shim import BoardIds

    return {
        member.name.lower().removesuffix("_board"): int(member.value)
        for member in BoardIds
        if member.name != "NO_BOARD"
    }


@cache
def board_shape(name: str) -> BoardShape:
    """Return what the board's data look like.

    Raises
    ------
    SourceError
        If BrainFlow does not describe the board, or it carries no EEG.
    """
    from brainflow.board_shim import BoardShim, BrainFlowError

    try:
        description: dict[str, Any] = BoardShim.get_board_descr(board_ids()[name])
    except BrainFlowError as error:
        raise SourceError(f"BrainFlow does not describe board {name} ({error}); choose another") from error
    rows = tuple(int(row) for row in description.get("eeg_channels", ()))
    if not rows or "sampling_rate" not in description:
        raise SourceError(f"board {name} has 0 EEG channels, at least 1 is needed; see `brainmidi sources`")
    given = [part for part in str(description.get("eeg_names", "")).split(",") if part]
    labels = given if len(given) == len(rows) else [f"EEG{number + 1}" for number in range(len(rows))]
    names = unique({place: electrode(label) or label for place, label in enumerate(labels)})
    return BoardShape(
        name=name,
        rate_hz=float(description["sampling_rate"]),
        n_rows=int(description["num_rows"]),
        eeg_rows=rows,
        names=tuple(names.values()),
        time_row=int(description["timestamp_channel"]),
        marker_row=int(description["marker_channel"]),
        package_row=description.get("package_num_channel"),
    )


def describe_boards() -> list[tuple[str, str, tuple[str, ...]]]:
    """Return name, one-line description and usual parameters of every board that can carry EEG."""
    found = []
    for name in board_ids():
        needs = next((needs for begin, needs in _NEEDS if name.startswith(begin)), ())
        if name in ("playback_file", "streaming"):
            found.append((name, "another BrainFlow board's data, from a file or the network", needs))
            continue
        try:
            shape = board_shape(name)
        except SourceError:
            continue  # muscle, heart and motion sensors: not listed, because they cannot be opened
        text = f"{len(shape.names)} channels at {shape.rate_hz:g} Hz ({', '.join(shape.names[:4])}"
        text += ", ...)" if len(shape.names) > 4 else ")"
        found.append((name, f"{text}; sine waves, no brain" if name == "synthetic" else text, needs))
    return found

"""Reads EDF, BDF, FIF, BrainVision and EEGLAB files; the only file that imports mne."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from brainmidi.acquire.names import eeg_columns
from brainmidi.acquire.replay import ArraySource
from brainmidi.errors import SourceError
from brainmidi.types import Marker, Montage

#: First bytes by which a file is known to be what its name says (European Data Format and its 24-bit sibling).
_MAGIC = {".edf": (b"0       ",), ".bdf": (b"\xffBIOSEMI",)}
_TYPED = {".fif", ".vhdr", ".set"}  # formats that say which channels are EEG


def read_mne(path: Path) -> ArraySource:
    """Read a recording through mne.

    Parameters
    ----------
    path : Path
        ``.edf``, ``.bdf``, ``.fif``, ``.vhdr`` or ``.set``.

    Returns
    -------
    ArraySource

    Raises
    ------
    SourceError
        If the file is not of its format, is damaged, or has no EEG channel.
    """
    suffix = path.suffix.lower()
    wanted = _MAGIC.get(suffix)
    if wanted is not None:
        with path.open("rb") as file:
            begin = file.read(8)
        if begin not in wanted:
            raise SourceError(
                f"{path} is no {suffix[1:].upper()} file (it begins with {begin!r}, {wanted[0]!r} is needed); "
                "give a real recording, or name a text file .csv"
            )
    import mne

    readers = {
        ".edf": mne.io.read_raw_edf,
        ".bdf": mne.io.read_raw_bdf,
        ".fif": mne.io.read_raw_fif,
        ".vhdr": mne.io.read_raw_brainvision,
        ".set": mne.io.read_raw_eeglab,
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about headers that do not concern us; what does is checked below
            raw = readers[suffix](path, preload=False, verbose="ERROR")
            return _from_raw(raw, path)
    except SourceError:
        raise
    except Exception as error:  # a parser given a damaged file raises anything at all
        reason = str(error).split("\n", maxsplit=1)[0][:120] or type(error).__name__
        raise SourceError(f"{path} cannot be read as {suffix} ({reason}); check that the file is complete") from error


def _from_raw(raw: Any, path: Path) -> ArraySource:
    types = raw.get_channel_types()
    picks = [index for index, kind in enumerate(types) if kind == "eeg"]
    chosen = eeg_columns([raw.ch_names[index] for index in picks], typed=path.suffix.lower() in _TYPED)
    if not chosen:
        raise SourceError(
            f"{path} has 0 EEG channels among {', '.join(raw.ch_names[:8])}; at least 1 named as in the 10-20 system "
            "(Fz, O1, TP9) or EEG1, EEG2 is needed"
        )
    montage = Montage(tuple(chosen.values()), float(raw.info["sfreq"]))
    samples_uv = raw.get_data(picks=[picks[column] for column in chosen]).T * 1e6
    return ArraySource(path.name, np.ascontiguousarray(samples_uv), montage, _markers(raw))


def _markers(raw: Any) -> list[Marker]:
    """Return annotations and stimulus-channel events; ``"Stimulus/S  2"`` becomes ``"S2"``."""
    import mne

    rate_hz = float(raw.info["sfreq"])
    markers = []
    for onset_s, description in zip(raw.annotations.onset, raw.annotations.description, strict=True):
        label = str(description).rsplit("/", maxsplit=1)[-1].replace(" ", "")
        # Annotations of a measurement with a date count from that date on, as does first_samp.
        offset_s = raw.first_time if raw.annotations.orig_time is not None else 0.0
        if label and not label.lower().startswith("bad"):
            markers.append(Marker(max(0.0, float(onset_s) - offset_s), label))
    if "stim" in raw.get_channel_types():
        events = mne.find_events(raw, shortest_event=1, mask=0xFFFF, mask_type="and", verbose="ERROR")
        markers += [Marker((int(at) - raw.first_samp) / rate_hz, str(int(code))) for at, _, code in events]
    return markers

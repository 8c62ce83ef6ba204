"""Opens a recording of any known format as a source."""

from __future__ import annotations

from pathlib import Path

from brainmidi.acquire.replay import ArraySource
from brainmidi.errors import SourceError

FORMATS: dict[str, str] = {
    ".edf": "European Data Format",
    ".bdf": "BioSemi's 24-bit EDF",
    ".fif": "MNE",
    ".vhdr": "BrainVision",
    ".set": "EEGLAB",
    ".csv": "BrainFlow's csv, or csv with a header, a time column (s), EEG columns (uV) and an optional marker column",
}
CSV_SUFFIXES: tuple[str, ...] = (".csv", ".txt", ".tsv")

#: Every suffix that :func:`open_recording` reads.
SUFFIXES: tuple[str, ...] = tuple(dict.fromkeys((*FORMATS, *CSV_SUFFIXES)))


def open_recording(path: Path, *, board: str | None = None) -> ArraySource:
    """Read a recording.

    Parameters
    ----------
    path : Path
        A file with one of the :data:`SUFFIXES` (``.txt`` and ``.tsv`` are read as csv).
    board : str, optional
        The board that made a BrainFlow csv, which does not say so itself; needed where its shape fits several.

    Returns
    -------
    ArraySource
        Named after the file; replayed at whatever pace it is read.

    Raises
    ------
    SourceError
        If the file is missing, of no known format, damaged or without an EEG channel.
    """
    path = Path(path)
    if not path.exists():
        raise SourceError(f"recording {path} does not exist; check the path")
    if not path.is_file():
        raise SourceError(f"recording {path} is not a file; give one of {', '.join(FORMATS)}")
    suffix = path.suffix.lower()
    if suffix in CSV_SUFFIXES:
        from brainmidi.acquire.brainflowfile import is_brainflow_csv, read_brainflow_csv
        from brainmidi.acquire.csvfile import read_csv

        return read_brainflow_csv(path, board) if is_brainflow_csv(path) else read_csv(path)
    if suffix not in FORMATS:
        raise SourceError(f"{path} has the suffix {suffix!r}, known are {', '.join(FORMATS)}; convert the recording")
    from brainmidi.acquire.mnefile import read_mne

    return read_mne(path)

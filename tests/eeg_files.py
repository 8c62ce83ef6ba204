"""Recordings that tests write for themselves, and samples that tests cut up."""

from __future__ import annotations

import itertools
import os
import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from brainmidi.types import Chunk, Marker, Montage

needs_recordings = pytest.mark.skipif(
    not (Path(os.environ.get("BRAINMIDI_DATA", "")) / "eeg").is_dir() or not os.environ.get("BRAINMIDI_DATA"),
    reason="needs real recordings: set BRAINMIDI_DATA to the folder that holds eeg/",
)


def recordings() -> Path:
    return Path(os.environ["BRAINMIDI_DATA"]) / "eeg"


def noise_chunk(
    names: Sequence[str] = ("Fz", "Cz", "Pz", "O1"), rate_hz: float = 128.0, seconds: float = 6.0, seed: int = 0
) -> Chunk:
    rng = np.random.default_rng(seed)
    n = round(seconds * rate_hz)
    time_s = np.arange(n) / rate_hz
    samples = 10.0 * rng.standard_normal((n, len(names))) + rng.uniform(-3e4, 3e4, len(names))
    samples += 8.0 * np.sin(2 * np.pi * 50.0 * time_s)[:, None]
    return Chunk(samples, time_s, Montage(tuple(names), rate_hz))


def with_markers(chunk: Chunk, markers: Sequence[Marker]) -> Chunk:
    return Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, tuple(markers), chunk.good)


def synthetic_table(n: int) -> np.ndarray:
    """Return what BrainFlow's synthetic board would have sent: `n` rows of noise, stamped, with a marker half-way."""
    from brainflow.board_shim import BoardShim

    description = BoardShim.get_board_descr(-1)
    table = np.zeros((n, description["num_rows"]))
    rows = description["eeg_channels"]
    table[:, rows] = np.random.default_rng(0).standard_normal((n, len(rows)))
    table[:, description["timestamp_channel"]] = 1.7e9 + np.arange(n) / description["sampling_rate"]
    table[n // 2, description["marker_channel"]] = 2
    return table


def split(chunk: Chunk, cuts: Sequence[int]) -> list[Chunk]:
    """Cut a chunk before the given samples; a marker goes with the first sample at or after it."""
    owner = np.searchsorted(chunk.time_s, [marker.time_s - 1e-9 for marker in chunk.markers])
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(chunk)}), len(chunk)]
    parts = []
    for start, stop in itertools.pairwise(edges):
        markers = tuple(m for m, row in zip(chunk.markers, owner, strict=True) if start <= row < stop)
        rows = slice(start, stop)
        parts.append(Chunk(chunk.samples_uv[rows], chunk.time_s[rows], chunk.montage, markers, chunk.good[rows]))
    return parts


def write_edf(path: Path, samples_uv: np.ndarray, names: Sequence[str], rate_hz: int, *, bits: int = 16) -> None:
    """Write European Data Format (16 bits) or BioSemi's (24 bits), one-second records, about 0.1 uV per step."""
    n_records, n = len(samples_uv) // rate_hz, len(names)
    low, high, steps_per_uv = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1, 10 if bits == 16 else 32

    def fields(values: Sequence[object], width: int) -> bytes:
        return b"".join(str(value).ljust(width).encode("ascii") for value in values)

    version = b"0".ljust(8) if bits == 16 else b"\xffBIOSEMI"
    header = version + fields(["X X X X", "Startdate X X X X"], 80) + fields(["01.01.20", "00.00.00", 256 * (n + 1)], 8)
    header += fields(["" if bits == 16 else "24BIT"], 44) + fields([n_records, 1], 8) + fields([n], 4)
    header += fields(names, 16) + fields([""] * n, 80) + fields(["uV"] * n, 8)
    header += fields([f"{low / steps_per_uv:g}"] * n, 8)
    header += fields([str(high / steps_per_uv)[:8]] * n, 8) + fields([low] * n, 8) + fields([high] * n, 8)
    header += fields([""] * n, 80) + fields([rate_hz] * n, 8) + fields([""] * n, 32)
    steps = np.clip(np.round(samples_uv * steps_per_uv), low, high).astype(np.int64)
    body = b""
    for record in range(n_records):
        for column in range(n):
            for value in steps[record * rate_hz : (record + 1) * rate_hz, column]:
                body += struct.pack("<i", int(value))[: bits // 8]
    path.write_bytes(header + body)


def write_brainvision(path: Path, samples_uv: np.ndarray, names: Sequence[str], rate_hz: int, mark_at: int) -> None:
    """Write a BrainVision recording with one marker ``S  2`` at sample `mark_at`."""
    path.with_suffix(".eeg").write_bytes(np.asarray(samples_uv, dtype="<f4").tobytes())
    path.with_suffix(".vmrk").write_text(
        "Brain Vision Data Exchange Marker File, Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\n[Marker Infos]\nMk1=Stimulus,S  2,{mark_at + 1},1,0\n"
    )
    channels = "\n".join(f"Ch{number + 1}={name},,1,µV" for number, name in enumerate(names))
    path.write_text(
        "Brain Vision Data Exchange Header File Version 1.0\n[Common Infos]\nCodepage=UTF-8\n"
        f"DataFile={path.stem}.eeg\nMarkerFile={path.stem}.vmrk\nDataFormat=BINARY\nDataOrientation=MULTIPLEXED\n"
        f"NumberOfChannels={len(names)}\nSamplingInterval={1e6 / rate_hz:g}\n"
        f"[Binary Infos]\nBinaryFormat=IEEE_FLOAT_32\n[Channel Infos]\n{channels}\n",
        encoding="utf-8",
    )


def write_eeglab(path: Path, samples_uv: np.ndarray, names: Sequence[str], rate_hz: int, mark_at: int) -> None:
    """Write an EEGLAB set with its data inside and one event ``target`` at sample `mark_at`."""
    from scipy.io import savemat

    locations = np.zeros(len(names), dtype=[("labels", "O"), ("X", "O"), ("Y", "O"), ("Z", "O"), ("type", "O")])
    for row, name in enumerate(names):
        locations[row] = (name, 0.1 * row, 0.1, 0.1, "EEG")
    event = np.zeros(1, dtype=[("type", "O"), ("latency", "O"), ("duration", "O")])
    event[0] = ("target", float(mark_at + 1), 0.0)
    savemat(
        path,
        {
            "EEG": {
                "setname": "test", "nbchan": len(names), "trials": 1, "pnts": len(samples_uv), "srate": float(rate_hz),
                "xmin": 0.0, "xmax": (len(samples_uv) - 1) / rate_hz, "data": samples_uv.T.astype(np.float32),
                "chanlocs": locations, "event": event, "epoch": np.zeros((0, 0)), "icawinv": np.zeros((0, 0)),
                "icasphere": np.zeros((0, 0)), "icaweights": np.zeros((0, 0)), "ref": "common",
            }
        },
    )  # fmt: skip

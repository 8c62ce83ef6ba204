"""Writes down what a source gives while it is played from: a csv that can be scored, calibrated from and yoked."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from brainmidi.acquire.csvfile import csv_header, csv_rows
from brainmidi.errors import SourceError
from brainmidi.types import Chunk, Marker, Montage, Source

_HELD_S = 2.0  # so long samples wait for markers that come late


class Recorded:
    """A source that is written down as it is read.

    Raw samples, in microvolts; what was missing is empty. A source that comes back with other channels goes on in
    another file, ``NAME-2.csv``. A disk that fails ends the recording and not the music.

    Parameters
    ----------
    source : Source
    path : Path
        The csv; replaced if it exists.

    Raises
    ------
    SourceError
        If the name does not end in ``.csv``.
    """

    def __init__(self, source: Source, path: Path) -> None:
        if path.suffix.lower() != ".csv":
            raise SourceError(f"--record {path} ends in {path.suffix or 'no suffix'}, .csv is written; rename it")
        self.source = source
        self.name = source.name
        self.simulated = source.simulated
        self.montage: Montage = source.montage
        duration_s = getattr(source, "duration_s", None)
        if duration_s is not None:
            self.duration_s: float = duration_s
        self._path = path
        self._file: TextIO | None = None
        self._waiting: list[Chunk] = []
        self._markers: list[Marker] = []
        #: What was written, in words.
        self.files: list[str] = []

    def start(self) -> None:
        """Start the source and open the file.

        Raises
        ------
        SourceError
            If the file cannot be written, or the source does not start.
        """
        self._waiting, self._markers, self.files = [], [], []
        self.source.start()
        self.montage = self.source.montage
        try:
            self._open(self.montage)
        except OSError as error:
            self.source.stop()
            raise SourceError(
                f"--record {self._path} cannot be written ({error.strerror}); choose a file in a folder that exists"
            ) from error

    def read(self, until_s: float) -> Chunk | None:
        """Return what the source gives, and write what is old enough."""
        chunk = self.source.read(until_s)
        self.montage = self.source.montage
        if chunk is not None and len(chunk) and self._file is not None:
            self._waiting.append(chunk)
            self._markers += chunk.markers
            self._write(float(chunk.time_s[-1]) - _HELD_S)
        return chunk

    def mark(self, markers: Iterable[Marker]) -> None:
        """Write these down as well, in sample time: stimuli that did not come with the samples.

        Call it from the thread that reads, and no later than 2 s after their time.
        """
        self._markers += markers

    def stop(self) -> None:
        """Stop the source and close the file; may be called more than once."""
        try:
            self.source.stop()
        finally:
            if self._file is not None:
                self._write(float("inf"))
            if self._file is not None:
                self._file.close()
                self._file = None

    def _open(self, montage: Montage) -> None:
        if self._file is not None:
            self._file.close()
        number = len(self.files) + 1
        path = self._path if number == 1 else self._path.with_stem(f"{self._path.stem}-{number}")
        self._file = path.open("w", newline="", encoding="utf-8")
        self._written = montage
        self.files.append(str(path))
        csv.writer(self._file).writerow(csv_header(montage))

    def _write(self, until_s: float) -> None:
        """Write every chunk that ends before `until_s`."""
        while self._waiting and self._waiting[0].time_s[-1] <= until_s:
            chunk = self._waiting.pop(0)
            end_s = float(chunk.time_s[-1])
            here = tuple(marker for marker in self._markers if marker.time_s <= end_s)
            self._markers = [marker for marker in self._markers if marker.time_s > end_s]
            try:
                if chunk.montage != self._written:
                    self._open(chunk.montage)
                assert self._file is not None  # read() and stop() have looked
                csv.writer(self._file).writerows(csv_rows(Chunk(chunk.samples_uv, chunk.time_s, chunk.montage, here)))
                self._file.flush()
            except OSError as error:
                self.files[-1] += f" (until {chunk.time_s[0]:.1f} s: {error.strerror})"
                self._file = None
                return

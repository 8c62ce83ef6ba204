"""Marker streams of the Lab Streaming Layer: found while the EEG streams, opened out of everybody's way."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

from brainmidi.types import Marker

_OPEN_S = 5.0
_LOOK_EVERY = 50  # reads, about one second, between looks for streams that are new


class LslMarkers:
    """Every event of the marker streams that are meant, whenever those appear.

    Parameters
    ----------
    lsl : module
        pylsl.
    name : str
        Name of the stream; ``""`` takes every one of type Markers.
    """

    def __init__(self, lsl: Any, name: str = "") -> None:
        self._lsl = lsl
        self._name = name
        self._resolver: Any = None
        self._lock = threading.Lock()
        self._inlets: dict[str, Any] = {}
        self._known: set[str] = set()
        self._pending: list[tuple[float, str]] = []
        self._reads = 0

    def start(self) -> None:
        """Begin to look for streams."""
        prop, value = ("name", self._name) if self._name else ("type", "Markers")
        self._resolver = self._lsl.ContinuousResolver(prop=prop, value=value)
        self._reads = 0
        self._pending = []

    def now_s(self) -> float:
        """Return the time on the clock that the stamps are of."""
        return float(self._lsl.local_clock())

    def due(self, origin_s: float, newest_s: float) -> tuple[Marker, ...]:
        """Return the markers up to sample time `newest_s`; later ones wait for their samples.

        Parameters
        ----------
        origin_s : float
            Stamp at which sample time 0 lay.
        newest_s : float
        """
        waiting = sorted(self._pending + self._pull())
        self._pending = [(stamp, label) for stamp, label in waiting if stamp - origin_s > newest_s]
        return tuple(Marker(stamp - origin_s, label) for stamp, label in waiting if stamp - origin_s <= newest_s)

    def _pull(self) -> list[tuple[float, str]]:
        """Return what has come: stamps in seconds of this machine's LSL clock, and labels.

        Text is a label as it is; a number is one as boards write theirs (``"2"``), and 0 means nothing.
        """
        if self._resolver is not None and self._reads % _LOOK_EVERY == 0:
            for info in self._resolver.results():
                if info.uid() not in self._known:
                    self._known.add(info.uid())
                    threading.Thread(target=self._open, args=(info,), name="brainmidi-markers", daemon=True).start()
        self._reads += 1
        with self._lock:
            inlets = dict(self._inlets)
        found: list[tuple[float, str]] = []
        for uid, inlet in inlets.items():
            try:
                rows, stamps = inlet.pull_chunk(timeout=0.0)
            except (RuntimeError, OSError):  # its outlet is gone; a new one has another uid
                with self._lock:
                    self._inlets.pop(uid, None)
                continue
            labels = [_label(row[0]) for row in rows]
            found += [(float(stamp), label) for stamp, label in zip(stamps, labels, strict=True) if label]
        return found

    def stop(self) -> None:
        """Let all streams go; may be called more than once."""
        self._resolver = None
        with self._lock:
            inlets, self._inlets, self._known = self._inlets, {}, set()
        for inlet in inlets.values():
            with contextlib.suppress(Exception):
                inlet.close_stream()

    def _open(self, info: Any) -> None:
        """Open a stream and learn its clock's offset, which takes a second."""
        try:
            inlet = self._lsl.StreamInlet(info, recover=False, processing_flags=self._lsl.proc_clocksync)
            inlet.open_stream(timeout=_OPEN_S)
            inlet.time_correction(timeout=_OPEN_S)
        except (RuntimeError, OSError):  # gone again: forgotten, and opened if it is seen once more
            self._known.discard(info.uid())
            return
        with self._lock:
            self._inlets[info.uid()] = inlet


def _label(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    number = float(value)  # type: ignore[arg-type]
    return f"{number:g}" if number else ""

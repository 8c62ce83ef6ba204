"""EEG streams of the Lab Streaming Layer as sources, with the marker streams beside them; needs the extra ``lsl``.

Kothe et al., "The lab streaming layer for synchronized multimodal recording", Imaging Neuroscience 3, 2025.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from brainmidi.acquire.lslmarkers import LslMarkers
from brainmidi.acquire.names import eeg_columns
from brainmidi.acquire.timing import Dejitter
from brainmidi.errors import SourceError
from brainmidi.types import Chunk, FloatArray, Montage

PREFIX = "lsl"
_LOOK_S = 1.0  # streams on this machine answer in milliseconds, on a wireless network in less than this
_LOOKS = 4  # so often the network is asked for a stream that is not there
_OPEN_S = 5.0
_BUFFER_S = 60  # what is kept while nobody reads
_LEAP = 1.5  # steps: stamps of one chunk further apart may have a gap between them
_KEYS = ("name", "type", "source_id", "hostname")
#: How many microvolts a unit is, by the names that outlets use.
_UNITS = {
    **dict.fromkeys(("", "microvolts", "microvolt", "uv", "µv", "μv"), 1.0),
    **dict.fromkeys(("nanovolts", "nanovolt", "nv"), 1e-3),
    **dict.fromkeys(("millivolts", "millivolt", "mv"), 1e3),
    **dict.fromkeys(("volts", "volt", "v"), 1e6),
}


@dataclass(frozen=True, slots=True)
class LslStream:
    """A stream on the network, as its outlet announces it."""

    name: str
    type: str
    source_id: str
    hostname: str
    n_channels: int
    rate_hz: float


def load_pylsl() -> Any:
    """Return the module pylsl.

    Raises
    ------
    SourceError
        If the extra is not installed.
    """
    try:
        import pylsl
    except (ImportError, RuntimeError) as error:  # the second where its library is missing
        raise SourceError(
            "LSL streams need pylsl, which is not installed; run: pip install 'brainmidi[lsl]'"
        ) from error
    # It writes into the terminal that the session's screen uses; too late once a stream has been looked for.
    with contextlib.suppress(Exception):
        pylsl.util.set_config_content("[log]\nlevel = -3\n")
    return pylsl


def is_lsl(name: str) -> bool:
    """Return whether a source's name means an LSL stream: ``lsl`` or ``lsl:...``."""
    return name == PREFIX or name.startswith(PREFIX + ":")


def list_streams(wait_s: float = _LOOK_S) -> list[LslStream]:
    """Return every stream on the network that answers within `wait_s` seconds."""
    return [_described(info) for info in load_pylsl().resolve_streams(wait_s)]


class LslSource:
    """One EEG stream of the network; its sample time is its own stamps, on this machine's clock and made even.

    Parameters
    ----------
    name : str
        ``lsl`` for the only stream of type EEG; ``lsl:NAME`` by name or source id; or ``lsl:type=EEG,hostname=lab1``
        by any of name, type, source_id and hostname.
    markers : str
        The marker stream whose events are joined in: ``""`` every one of type Markers, ``"none"``, or a name.

    Raises
    ------
    SourceError
        If pylsl is missing, no such stream or more than one is there, its rate is irregular, it has no EEG channel,
        or one in an unknown unit.
    """

    simulated = False

    def __init__(self, name: str, markers: str = "") -> None:
        self._lsl = load_pylsl()
        self._wanted = _parse(name)
        self._asked = name
        self._stream: LslStream | None = None
        self._inlet: Any = None
        self._columns: list[int] = []
        self._scale: FloatArray = np.ones(0)
        self._markers = None if markers == "none" else LslMarkers(self._lsl, markers)
        self.montage = self._announced(self._find())
        assert self._stream is not None  # _announced has set it
        self.name: str = f"{self._stream.name} (LSL)"
        self._dejitter: Dejitter = Dejitter(self.montage.rate_hz)

    def start(self) -> None:
        """Open the stream, found anew: it may have come back elsewhere, or with other channels.

        Raises
        ------
        SourceError
            If it is not there or does not answer.
        """
        info = self._find()
        self.montage = self._announced(info)
        self._dejitter = Dejitter(self.montage.rate_hz)
        try:
            self._inlet = self._inlet_of(info)
            self._inlet.open_stream(timeout=_OPEN_S)
            self._inlet.time_correction(timeout=_OPEN_S)  # takes a moment the first time; later reads do not wait
        except (RuntimeError, OSError) as error:
            self.stop()
            raise SourceError(f"LSL stream {self._asked} does not answer ({error}); look after its outlet") from error
        if self._markers is not None:
            self._markers.start()

    def read(self, until_s: float) -> Chunk | None:
        """Return what has arrived, whatever `until_s` says.

        Parameters
        ----------
        until_s : float
            Not used: an outlet sends when it sends.

        Returns
        -------
        Chunk
            Empty where nothing is new. Markers have the time of their own stamps: one that arrives after its samples
            lies before the chunk.

        Raises
        ------
        SourceError
            If the source was not started, or the outlet has gone.
        """
        if self._inlet is None:
            raise SourceError(f"{self.name} was read before it was started; call start() first")
        try:
            rows, stamps = self._inlet.pull_chunk(timeout=0.0, max_samples=4096, as_numpy=True)
        except (RuntimeError, OSError) as error:
            raise SourceError(f"{self.name} is gone ({error})") from error
        count = len(stamps)
        if count == 0:
            return Chunk(np.empty((0, len(self.montage.names))), np.empty(0), self.montage)
        samples = np.asarray(rows, dtype=np.float64)[:, self._columns] * self._scale
        times = self._times(np.asarray(stamps, dtype=np.float64))
        markers = () if self._markers is None else self._markers.due(self._dejitter.origin_s, float(times[-1]))
        return Chunk(samples, times, self.montage, markers)

    def stop(self) -> None:
        """Let the stream go; may be called more than once."""
        inlet, self._inlet = self._inlet, None
        if inlet is not None:
            with contextlib.suppress(Exception):  # what has died cannot be closed
                inlet.close_stream()
        if self._markers is not None:
            self._markers.stop()

    def _times(self, stamps: FloatArray) -> FloatArray:
        """Return even sample times; where the stamps leap over lost samples, so do they."""
        breaks = np.flatnonzero(np.abs(np.diff(stamps)) > _LEAP / self.montage.rate_hz) + 1
        parts = np.split(stamps, breaks)
        return np.concatenate([self._dejitter.place(float(part[-1]), len(part)) for part in parts])

    def _find(self) -> Any:
        """Return the one stream that is meant, as pylsl describes it."""
        seen: list[LslStream] = []
        for _ in range(_LOOKS):
            infos = self._lsl.resolve_streams(_LOOK_S)
            seen = [_described(info) for info in infos]
            fitting = [info for info, stream in zip(infos, seen, strict=True) if _fits(stream, self._wanted)]
            again = [info for info in fitting if _described(info) == self._stream]  # the very one that was lost
            if again or len(fitting) == 1 or (fitting and self._stream is not None):
                return (again or fitting)[0]
            if fitting:
                names = ", ".join(f"{info.name()} on {info.hostname()}" for info in fitting)
                raise SourceError(
                    f"{len(fitting)} LSL streams fit {self._asked}: {names}; name one, such as "
                    f"lsl:{fitting[0].name()}, or its source_id or hostname"
                )
        others = ", ".join(f"{stream.name} ({stream.type})" for stream in seen) or "none at all"
        raise SourceError(
            f"no LSL stream fits {self._asked}, seen are {others}; start its outlet, or see `brainmidi sources`"
        )

    def _announced(self, info: Any) -> Montage:
        """Return the montage that a stream's description tells, and remember which columns are meant in what unit."""
        stream = _described(info)
        if not stream.rate_hz > 0:
            raise SourceError(
                f"LSL stream {stream.name} has an irregular rate, EEG needs a regular one; give its outlet a "
                "nominal rate"
            )
        if info.channel_format() == self._lsl.cf_string:
            raise SourceError(f"LSL stream {stream.name} sends text, numbers are needed; choose an EEG stream")
        inlet = self._inlet_of(info)
        try:
            full = inlet.info(timeout=_OPEN_S)
        except (RuntimeError, OSError) as error:
            raise SourceError(f"LSL stream {stream.name} does not answer ({error}); look after its outlet") from error
        n_channels = stream.n_channels
        labels = [label or "" for label in full.get_channel_labels() or [""] * n_channels]
        kinds = [(kind or "").lower() for kind in full.get_channel_types() or [""] * n_channels]
        units = [(unit or "").strip().lower() for unit in full.get_channel_units() or [""] * n_channels]
        meant = [place for place in range(n_channels) if kinds[place] in ("", "eeg")] or list(range(n_channels))
        known = eeg_columns([labels[place] or f"EEG {place + 1}" for place in meant], typed=True)
        columns = [meant[place] for place in known]
        for column in columns:
            if units[column] not in _UNITS:
                raise SourceError(
                    f"channel {labels[column]} of LSL stream {stream.name} is in {units[column]!r}, microvolts, "
                    "millivolts or volts are known; correct the unit in the outlet's description"
                )
        montage = Montage(tuple(known.values()), stream.rate_hz)
        self._stream, self._columns = stream, columns
        self._scale = np.array([_UNITS[units[column]] for column in columns])
        return montage

    def _inlet_of(self, info: Any) -> Any:
        # Not `recover`: a lost outlet is told at once, and whoever watches connects again.
        return self._lsl.StreamInlet(
            info, max_buflen=_BUFFER_S, recover=False, processing_flags=self._lsl.proc_clocksync
        )


def _described(info: Any) -> LslStream:
    return LslStream(
        info.name(), info.type(), info.source_id(), info.hostname(), info.channel_count(), info.nominal_srate()
    )


def _parse(name: str) -> dict[str, str]:
    """Return what a source's name asks of a stream; the key "" is a name or a source id."""
    query = name.removeprefix(PREFIX).removeprefix(":").strip()
    if not query:
        return {"type": "EEG"}
    parts = [part.partition("=") for part in query.split(",")]
    if all(equals and key.strip() in _KEYS and value.strip() for key, equals, value in parts):
        return {key.strip(): value.strip() for key, _, value in parts}
    return {"": query}


def _fits(stream: LslStream, wanted: dict[str, str]) -> bool:
    if "" in wanted:
        return wanted[""] in (stream.name, stream.source_id)
    return all(getattr(stream, key).lower() == value.lower() for key, value in wanted.items())

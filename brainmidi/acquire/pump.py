"""Moves samples from a source to a sink: in a thread against a clock, or step by step on the virtual one."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import TracebackType

from brainmidi.errors import SourceError
from brainmidi.types import Chunk, Clock, Source


class Pump:
    """Reads `source` at the clock's pace and hands every chunk that holds samples to `sink`.

    Two ways of use, never both at once: :meth:`start` runs a thread; :meth:`advance_to`, called by a driver that owns
    the time, reads in the caller's thread. The sink sees the same samples either way.

    Parameters
    ----------
    source : Source
        Where samples come from; started and stopped by the pump.
    clock : Clock
        Tells the time and waits between reads (thread only).
    sink : callable
        Gets each non-empty chunk, in order, always in one thread.
    period_s : float
        Time between reads in seconds (thread only).

    Raises
    ------
    SourceError
        If `period_s` is not above 0.
    """

    def __init__(self, source: Source, clock: Clock, sink: Callable[[Chunk], None], period_s: float = 0.02) -> None:
        if not period_s > 0:
            raise SourceError(f"pump period {period_s} s is not above 0; 0.02 s is usual")
        self._source = source
        self._clock = clock
        self._sink = sink
        self._period_s = period_s
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._error: BaseException | None = None
        self._started = False
        self._finished = False
        self._t0_s = 0.0
        self._origin_s: float | None = None
        self._stream_time_s: float | None = None
        self._ended = False

    @property
    def stream_time_s(self) -> float | None:
        """Sample time of the newest sample that the sink has seen, None before the first."""
        return self._stream_time_s

    @property
    def origin_s(self) -> float | None:
        """Clock time at which sample time 0 lay, known once the first samples have come (thread only)."""
        return self._origin_s

    @property
    def ended(self) -> bool:
        """True once the source has said that no sample will follow."""
        return self._ended

    def start(self) -> None:
        """Start the source and the reading thread.

        Raises
        ------
        SourceError
            If the pump has been started before, or the source cannot start.
        """
        if self._started:
            raise SourceError("this pump has been started before; make a new one for every take")
        self._open()
        self._thread = threading.Thread(target=self._run, name="brainmidi-pump", daemon=True)
        self._thread.start()

    def advance_to(self, time_s: float) -> None:
        """Hand every sample before `time_s` to the sink, in the caller's thread.

        Parameters
        ----------
        time_s : float
            Sample time in seconds; a recording takes ``inf`` for "all of it".

        Raises
        ------
        SourceError
            If the reading thread runs, or the source fails.
        """
        if self._thread is not None:
            raise SourceError("this pump's thread is reading; use advance_to on a pump that was not started")
        if not self._started:
            self._open()
        if not self._ended:
            self._pass_on(self._source.read(time_s))

    def check(self) -> None:
        """Raise, in the caller's thread, whatever ended the reading thread."""
        if self._error is not None:
            raise self._error

    def stop(self) -> None:
        """End the thread and stop the source; may be called more than once.

        Raises
        ------
        SourceError
            If the thread does not end within 10 s (a device driver that hangs).
        """
        self._stopping.set()
        thread = self._thread
        try:
            if thread is not None and thread is not threading.current_thread():
                thread.join(timeout=10.0)
                if thread.is_alive():
                    raise SourceError(f"{self._source.name} has not answered for 10 s; unplug it and start again")
        finally:
            if self._started and not self._finished:
                self._finished = True
                self._source.stop()

    def __enter__(self) -> Pump:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _open(self) -> None:
        self._started = True
        self._source.start()
        self._t0_s = self._clock.now_s()

    def _run(self) -> None:
        deadline_s = self._t0_s
        try:
            while not self._stopping.is_set() and not self._ended:
                deadline_s += self._period_s
                self._clock.sleep_until(deadline_s)
                now_s = self._clock.now_s()
                chunk = self._source.read(now_s - self._t0_s)
                if self._origin_s is None and chunk is not None and len(chunk):
                    self._origin_s = now_s - float(chunk.time_s[-1])
                self._pass_on(chunk)
                # A read that took long (a device that connects again) is not made up for by a burst of reads.
                deadline_s = max(deadline_s, now_s)
        except BaseException as error:  # handed to the main thread by check(), which silences the music and raises it
            self._error = error

    def _pass_on(self, chunk: Chunk | None) -> None:
        if chunk is None:
            self._ended = True
        elif len(chunk):
            self._sink(chunk)
            self._stream_time_s = float(chunk.time_s[-1])

"""Connects a source anew in a thread of its own, so that a driver that blocks holds nobody."""

from __future__ import annotations

import contextlib
import threading

from brainmidi.types import Source

_CLOSING_S = 5.0  # a driver that hangs is left to its daemon thread after so long


class Reconnector:
    """Stops and starts a source on request; :meth:`result` says how it went.

    Parameters
    ----------
    source : Source
    background : bool
        Whether in a thread. Without one, an attempt has ended when :meth:`attempt` returns: for a virtual clock.
    """

    def __init__(self, source: Source, *, background: bool) -> None:
        self._source = source
        self._background = background
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()
        self._result: bool | None = None
        self._closed = False

    @property
    def busy(self) -> bool:
        """Whether an attempt is under way; the source belongs to it until then."""
        return self._thread is not None and self._thread.is_alive()

    def attempt(self) -> None:
        """Begin to connect the source anew."""
        self._result = None
        if not self._background:
            self._connect()
            return
        self._thread = threading.Thread(target=self._connect, name="brainmidi-reconnect", daemon=True)
        self._thread.start()

    def result(self) -> bool | None:
        """Return, once, whether the newest attempt that has ended was successful; None where there is no news."""
        if self.busy:
            return None
        result, self._result = self._result, None
        return result

    def close(self) -> None:
        """Stop the source; one that hangs while it is being connected is stopped as soon as it answers."""
        with self._lock:
            self._closed = True
        if self._thread is not None:
            self._thread.join(_CLOSING_S)
        if not self.busy:
            self._source.stop()

    def _connect(self) -> None:
        try:
            with contextlib.suppress(Exception):  # what has died cannot be stopped
                self._source.stop()
            self._source.start()
            self._result = True
        except Exception:  # not back yet: the next attempt is the watch's to make
            self._result = False
        with self._lock:
            if self._closed:
                with contextlib.suppress(Exception):
                    self._source.stop()

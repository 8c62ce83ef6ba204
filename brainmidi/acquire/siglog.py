"""What became of the signal: every change of its state and every gap, for the trace, the screen and the summary."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

#: The states of a signal, in the words of the trace.
OK, LOST, RECONNECTING = "ok", "lost", "reconnecting"

_WORDS = {
    OK: "signal back",
    LOST: "signal lost",
    RECONNECTING: "signal still away, connecting again",
}


class SignalLog:
    """Kept by the thread that reads the source, asked by those that write trace and summary."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._changes: list[tuple[float, str, str]] = []
        self._away_s = 0.0  # missing altogether
        self._told_s = 0.0  # of that, what a trace line has told
        self._gap_s = 0.0  # length of the outage that lasts
        self._longest_s = 0.0
        self._outages = 0
        self._dead: set[str] = set()
        self._ever_dead: set[str] = set()
        self.restarts = 0
        self.reconnects = 0
        self.state = OK
        #: Told of every change of state, and once of every dead channel, in a line of text; must return at once.
        self.tell: Callable[[str], None] | None = None

    def change(self, time_s: float, state: str, reason: str) -> None:
        """Note that the signal's state is `state` from sample time `time_s` on; nothing where it is that already."""
        with self._lock:
            if state == self.state:
                return
            if self.state == OK:
                self._outages += 1
                self._gap_s = 0.0
            self.state = state
            self._changes.append((time_s, state, reason))
        self._say(f"{_WORDS[state]} at {time_s:.1f} s: {reason}")

    def missing(self, seconds: float) -> None:
        """Count `seconds` without usable samples."""
        with self._lock:
            self._away_s += seconds
            if self.state != OK:
                self._gap_s += seconds
                self._longest_s = max(self._longest_s, self._gap_s)

    def dead(self, names: set[str]) -> None:
        """Note which channels stand still now."""
        with self._lock:
            new = names - self._ever_dead
            self._dead = set(names)
            self._ever_dead |= names
        if new:
            self._say(f"no signal on {', '.join(sorted(new))}: check the electrode")

    @property
    def gap_s(self) -> float:
        """Seconds that the present outage has lasted, 0 where there is none."""
        return self._gap_s if self.state != OK else 0.0

    def report(self) -> dict[str, Any]:
        """Return what a line of the trace says, since the line before."""
        with self._lock:
            line: dict[str, Any] = {"state": self.state, "gap_s": round(self._away_s - self._told_s, 3)}
            if self._changes:
                line["changes"] = [[round(time_s, 3), state, reason] for time_s, state, reason in self._changes]
            if self._dead:
                line["dead"] = sorted(self._dead)
            self._changes, self._told_s = [], self._away_s
            return line

    def text(self) -> str:
        """Return all of it in a line for the summary."""
        with self._lock:
            parts = [f"away {self._away_s:.1f} s in all" if self._away_s > 0 else "never away"]
            if self._outages:
                times = "once" if self._outages == 1 else f"{self._outages} times"
                parts.append(f"lost {times}, {self._longest_s:.1f} s at the longest")
            if self.reconnects:
                parts.append(f"connected again {self.reconnects} times" if self.reconnects > 1 else "connected again")
            if self.restarts:
                parts.append(f"counter began again {self.restarts} times")
            if self._ever_dead:
                parts.append(f"dead for a while: {', '.join(sorted(self._ever_dead))}")
            return "; ".join(parts)

    def _say(self, line: str) -> None:
        if self.tell is not None:
            self.tell(line)

"""What ``brainmidi doctor`` finds, check by check: each in a thread of its own, and none waits for ever."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, Literal

from brainmidi.errors import BrainmidiError

#: "ok"; "note": works, and could be better; "problem": a take would fail or sound wrong.
State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    area : str
        What it belongs to: ``"python"``, ``"midi"``, ``"timing"``, ``"eeg"``, ``"models"``, ``"disk"``.
    state : str
        ``"ok"``, ``"note"`` or ``"problem"``.
    text : str
        What was found, in one line.
    remedy : str
        What to do or to type; empty where nothing is to be done.
    """

    area: str
    state: State
    text: str
    remedy: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at.

    Parameters
    ----------
    area : str
        As in :class:`Finding`.
    look : callable
        Returns the findings; may raise.
    timeout_s : float
        After so long it is given up.
    """

    area: str
    look: Callable[[], Iterable[Finding]]
    timeout_s: float = 20.0


def examine(check: Check) -> list[Finding]:
    """Return what `check` finds; whatever it raises, and no answer in time, is a problem too."""
    found: list[Finding] = []

    def look() -> None:
        try:
            found.extend(check.look())
        except BrainmidiError as error:
            found.append(Finding(check.area, "problem", str(error)))
        except Exception as error:  # the doctor tells of what it did not expect, and goes on to the next check
            found.append(Finding(check.area, "problem", f"unexpected: {error!r}", "report this with its --json"))

    # A daemon: a driver that hangs in the system keeps neither the next check nor the end waiting.
    thread = threading.Thread(target=look, name=f"doctor {check.area}", daemon=True)
    thread.start()
    thread.join(check.timeout_s)
    if thread.is_alive():
        return [*found, Finding(check.area, "problem", f"no answer within {check.timeout_s:g} s", "see docs/studio.md")]
    return found


def is_well(findings: Iterable[Finding]) -> bool:
    """Return whether none of `findings` is a problem."""
    return all(finding.state != "problem" for finding in findings)


def as_plain(findings: Iterable[Finding], figures: dict[str, Any]) -> dict[str, Any]:
    """Return all of it as plain data, for ``--json``."""
    listed = list(findings)
    return {"well": is_well(listed), "findings": [asdict(finding) for finding in listed], **figures}

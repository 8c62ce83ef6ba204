"""The profile: everything that a calibration learnt about one person and one headset, as one JSON file."""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from brainmidi.controls.baseline import Baseline
from brainmidi.controls.learned import LearnedMap
from brainmidi.controls.separation import Separation
from brainmidi.errors import ControlError
from brainmidi.types import Montage

FORMAT = "brainmidi-profile"
VERSION = 1

_LISTS = re.compile(r"\[\n[-+.eE\d\s,]*\]")  # of numbers: they stand on one line


@dataclass(frozen=True, slots=True)
class Day:
    """One calibration's rest, as its distribution: what profiles of several days are merged from.

    Parameters
    ----------
    created : str
        Date and time, as the profile's.
    source : str
    n_frames : int
        Frames of rest.
    quantiles : mapping of str to tuple of float
        By feature; evenly spaced, each standing for an equal share of the frames, rising.
    """

    created: str
    source: str
    n_frames: int
    quantiles: Mapping[str, tuple[float, ...]]

    def __post_init__(self) -> None:
        object.__setattr__(self, "quantiles", MappingProxyType(dict(self.quantiles)))


@dataclass(frozen=True, slots=True)
class Profile:
    """What a calibration learnt.

    Parameters
    ----------
    created : str
        Local date and time, ``"2026-11-21_14-05-09"``.
    source : str
        What was recorded.
    simulated : bool
        True where no brain was involved.
    montage : Montage
        Electrodes and rate that the numbers hold for.
    signal : mapping of str to object
        The ``[signal]`` settings that the numbers depend on, as JSON has them.
    phases : mapping of str to float
        Seconds of clean signal of each phase.
    baseline : Baseline
        Of the neutral phases, without the bad channels.
    days : tuple of Day
        What `baseline` was pooled from, the oldest first.
    bad : tuple of str
        Channels to leave out.
    line_hz : float or None
        The mains frequency that was found.
    alpha_hz : float or None
        The individual alpha frequency.
    separation : tuple of Separation
        How well each feature tells the phases apart.
    held_out : mapping of str to float
        By contrast (``"open/closed"``), the AUC of the best feature where the choosing was left to other windows.
    sections : mapping of str to mapping
        What other rooms know: ``"erp"`` (classifier), ``"asr"`` (artifact subspaces), ``"learned"`` (map); plain JSON.
    created_by : str
    """

    created: str
    source: str
    simulated: bool
    montage: Montage
    signal: Mapping[str, Any]
    phases: Mapping[str, float]
    baseline: Baseline
    days: tuple[Day, ...]
    bad: tuple[str, ...] = ()
    line_hz: float | None = None
    alpha_hz: float | None = None
    separation: tuple[Separation, ...] = ()
    held_out: Mapping[str, float] = field(default_factory=dict)
    sections: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    created_by: str = "brainmidi calibrate"

    def __post_init__(self) -> None:
        for name in ("signal", "phases", "held_out", "sections"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    @property
    def learned(self) -> LearnedMap | None:
        """The learned map; None where there is none."""
        section = self.sections.get("learned")
        return None if section is None else LearnedMap.from_document(section)

    def document(self) -> dict[str, Any]:
        """Return the profile as JSON has it."""
        return {
            "format": FORMAT,
            "version": VERSION,
            "created": self.created,
            "created_by": self.created_by,
            "source": self.source,
            "simulated": self.simulated,
            "montage": {"names": list(self.montage.names), "rate_hz": self.montage.rate_hz},
            "signal": dict(self.signal),
            "phases": dict(self.phases),
            "bad": list(self.bad),
            "line_hz": self.line_hz,
            "alpha_hz": self.alpha_hz,
            "baseline": self.baseline.document(),
            "separation": [
                {
                    "contrast": list(one.contrast),
                    "feature": one.feature,
                    "auc": one.auc,
                    "low": one.low,
                    "high": one.high,
                    "rises": one.rises,
                }
                for one in self.separation
            ],
            "held_out": dict(self.held_out),
            "days": [
                {
                    "created": day.created,
                    "source": day.source,
                    "n_frames": day.n_frames,
                    "quantiles": {name: list(values) for name, values in day.quantiles.items()},
                }
                for day in self.days
            ],
            "sections": {name: dict(section) for name, section in self.sections.items()},
        }

    def save(self, path: Path) -> Path | None:
        """Write the profile to `path`, all of it or nothing; a file that is there is kept under another name.

        Returns
        -------
        Path or None
            Where the file that was there went: ``me.1.json`` for ``me.json``.

        Raises
        ------
        ControlError
            The file cannot be written.
        """
        text = json.dumps(self.document(), indent=1, allow_nan=False)
        text = _LISTS.sub(lambda found: " ".join(found[0].split()), text) + "\n"
        temporary = kept = None
        try:
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", dir=path.absolute().parent, prefix=f".{path.name}.", delete=False
            ) as file:
                temporary = Path(file.name)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.chmod(0o644)
            kept = _set_aside(path)
            temporary.replace(path)
        except OSError as error:
            for left in (temporary, kept):
                if left is not None:
                    left.unlink(missing_ok=True)
            raise ControlError(f"profile {path} cannot be written ({error.strerror}); choose another place") from error
        return kept


def _set_aside(path: Path) -> Path | None:
    """Rename what is at `path` to the first free of ``me.1.json``, ``me.2.json``, ...; return that name."""
    if not path.exists():
        return None
    number = 1
    while (kept := path.with_name(f"{path.stem}.{number}{path.suffix}")).exists():
        number += 1
    shutil.copy2(path, kept)  # path itself is replaced in one step: there is a whole profile at every moment
    return kept

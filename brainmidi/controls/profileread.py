"""Reads a profile, strictly: whatever is damaged or missing is one line with its remedy."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

from brainmidi.controls.baseline import Baseline
from brainmidi.controls.profile import FORMAT, VERSION, Day, Profile
from brainmidi.controls.separation import Separation
from brainmidi.errors import ControlError
from brainmidi.types import Montage

_REMEDY = "make a new one with `brainmidi calibrate`"


def load_profile(path: Path) -> Profile:
    """Read a profile that :meth:`Profile.save` wrote.

    Raises
    ------
    ControlError
        The file is missing, no profile, of another version, or damaged: what is wrong and the remedy, in one line.
    """
    document = _read_json(path)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ControlError(f"{path} is not a brainmidi profile (no format {FORMAT!r}); {_REMEDY}")
    if document.get("version") != VERSION:
        raise ControlError(f"profile {path} has version {document.get('version')}, {VERSION} is needed; {_REMEDY}")
    try:
        return from_document(document)
    except ControlError as error:
        raise ControlError(f"profile {path} {error}; {_REMEDY}") from error


def is_profile(path: Path) -> bool:
    """Return whether `path` says that it is a profile, whole or damaged, and not, say, a plain baseline."""
    try:
        with path.open("rb") as file:
            return f'"{FORMAT}"'.encode() in file.read(200)
    except OSError:
        return False


def _read_json(path: Path) -> Any:
    """Return what the JSON file `path` holds; ControlError where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_no_number)
    except OSError as error:
        raise ControlError(f"profile {path} cannot be read ({error.strerror}); {_REMEDY}") from error
    except RecursionError as error:
        raise ControlError(f"profile {path} is nested too deeply; {_REMEDY}") from error
    except ValueError as error:  # no UTF-8, no JSON, NaN
        where = f"line {error.lineno}" if isinstance(error, json.JSONDecodeError) else str(error)[:60]
        raise ControlError(f"profile {path} is not JSON ({where}); {_REMEDY}") from error


def from_document(document: Mapping[str, Any]) -> Profile:
    """Return the profile that :meth:`Profile.document` wrote; ControlError where something is missing or cannot be."""
    try:
        montage = Montage(tuple(map(_text, document["montage"]["names"])), _number(document["montage"]["rate_hz"]))
        bad = tuple(map(_text, document["bad"]))
        sections = {_text(name): dict(section) for name, section in document["sections"].items()}
        profile = Profile(
            created=_text(document["created"]),
            source=_text(document["source"]),
            simulated=document["simulated"] is True,
            montage=montage,
            signal=dict(document["signal"]),
            phases={_text(name): _number(seconds) for name, seconds in document["phases"].items()},
            baseline=Baseline.from_document(document["baseline"], _text(document["source"]), "brainmidi calibrate"),
            days=tuple(map(_day, document["days"])),
            bad=bad,
            line_hz=None if document["line_hz"] is None else _number(document["line_hz"]),
            alpha_hz=None if document["alpha_hz"] is None else _number(document["alpha_hz"]),
            separation=tuple(map(_separation, document["separation"])),
            held_out={_text(name): _number(auc) for name, auc in document["held_out"].items()},
            sections=sections,
            created_by=_text(document["created_by"]),
        )
        if not profile.days:
            raise ControlError("is damaged: it has no day")
        if unknown := set(bad) - set(montage.names):
            raise ControlError(f"is damaged: bad channel {min(unknown)} is not among its electrodes")
        if set(bad) == set(montage.names):
            raise ControlError("is damaged: all of its electrodes are bad")
        _ = profile.learned  # is read here, so that its damage is told with the file's name
    except ControlError:
        raise
    except KeyError as error:
        raise ControlError(f"is damaged ({error.args[0]} is missing)") from error
    except Exception as error:  # a damaged file may hold anything at all in any place
        raise ControlError(f"is damaged ({' '.join(str(error).split())[:80]})") from error
    return profile


def _day(document: Mapping[str, Any]) -> Day:
    quantiles = {_text(name): tuple(map(_number, values)) for name, values in document["quantiles"].items()}
    for name, values in quantiles.items():
        if not values or any(low > high for low, high in pairwise(values)):
            raise ControlError(f"is damaged: the quantiles of {name} do not rise")
    n_frames = document["n_frames"]
    if not isinstance(n_frames, int) or n_frames <= 0:
        raise ControlError(f"is damaged: a day of {n_frames} frames")
    return Day(_text(document["created"]), _text(document["source"]), n_frames, quantiles)


def _separation(document: Mapping[str, Any]) -> Separation:
    first, second = map(_text, document["contrast"])
    auc, low, high = (_number(document[key]) for key in ("auc", "low", "high"))
    if not 0 <= low <= high <= 1 or not 0 <= auc <= 1:
        raise ControlError(f"is damaged: AUC {auc} ({low} to {high}) of {document['feature']} is outside 0..1")
    return Separation((first, second), _text(document["feature"]), auc, low, high, document["rises"] is True)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ControlError(f"is damaged: {str(value)[:40]!r} is no text")
    return value


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ControlError(f"is damaged: {str(value)[:40]!r} is no finite number")
    return float(value)


def _no_number(word: str) -> float:
    raise ValueError(f"{word} is no number in JSON")

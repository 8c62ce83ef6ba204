"""Channel names: one spelling for every file's and board's electrodes, and which columns are EEG at all."""

from __future__ import annotations

import re
from collections.abc import Iterable

# The 10-05 system's letters (Oostenveld & Praamstra, Clin. Neurophysiol. 112, 2001), longest first, plus mastoids.
_LETTERS = (
    "AFp AFF FFC FFT FTT FCC CCP CPP TTP TPP PPO POO POI OII Fp AF FC FT CP TP PO OI F C T P O I A M".split()  # noqa: SIM905
)
_CANONICAL = {letters.lower(): letters for letters in _LETTERS}
_ELECTRODE = re.compile(rf"({'|'.join(_LETTERS)})(z|[0-9]{{1,2}}h?)", re.IGNORECASE)
_PREFIX = re.compile(r"^(eeg|exg)[\s_:.-]+", re.IGNORECASE)
# What it was measured against: "-REF", "-LE", or another electrode.
_SUFFIX = re.compile(r"[-_ ](ref\d?|le|re|avg|linked|[a-z]{1,3}(z|\d{1,2}))$", re.IGNORECASE)
_PLAIN_EEG = re.compile(r"^(eeg|exg|ch|chan|channel)[\s_.-]*(channel)?[\s_.-]*(\d+)$", re.IGNORECASE)
_NOT_EEG = re.compile(
    r"aux|acc|gyr|mag(n|_)|e[ck]g|eog|emg|gsr|eda|ppg|resp|temp|spo2|sao2|puls|heart|batt|status|trig|stim|marker|event"
    r"|annot|time|sample|index|package|packet|count|analog|digital|other|light|thor|abdo|flow|snor|pleth",
    re.IGNORECASE,
)


def electrode(name: str) -> str | None:
    """Return `name` in 10-05 spelling (``"Oz.."`` gives ``"Oz"``, ``"EEG FC5-REF"`` gives ``"FC5"``), or None.

    Parameters
    ----------
    name : str
        A channel's label as a file or board spells it.

    Returns
    -------
    str or None
        The electrode, or None where the label is not one of the 10-05 system.
    """
    bare = _SUFFIX.sub("", _PREFIX.sub("", name.strip().rstrip("."))).strip(" .")
    match = _ELECTRODE.fullmatch(bare)
    if match is None:
        return None
    return _CANONICAL[match[1].lower()] + match[2].lower()


def eeg_columns(names: Iterable[str], *, typed: bool = False) -> dict[int, str]:
    """Choose the EEG columns among `names` and spell them the one way.

    Where at least one label is an electrode of the 10-05 system, only such labels count; otherwise labels such as
    ``"EEG 3"`` or ``"ch3"`` do; otherwise, if `typed`, every label that does not name another kind of signal.

    Parameters
    ----------
    names : iterable of str
        Labels in column order.
    typed : bool
        True where the file itself said that these channels are EEG, so that an unknown label may be trusted.

    Returns
    -------
    dict of int to str
        Column number and unique standard name; empty where nothing is EEG.
    """
    labels = list(names)
    chosen = {column: known for column, label in enumerate(labels) if (known := electrode(label))}
    if not chosen:
        for column, label in enumerate(labels):
            plain = _PLAIN_EEG.match(label.strip())
            if plain:
                chosen[column] = f"EEG{plain[3]}"
    if not chosen and typed:
        chosen = {column: label.strip() for column, label in enumerate(labels) if not _NOT_EEG.search(label)}
    return unique(chosen)


def unique(names: dict[int, str]) -> dict[int, str]:
    """Return `names` with ``_2``, ``_3``, ... put behind every repeated name."""
    seen: dict[str, int] = {}
    result = {}
    for column, name in names.items():
        seen[name] = seen.get(name, 0) + 1
        result[column] = name if seen[name] == 1 else f"{name}_{seen[name]}"
    return result

"""What every channel is measured against: the average, the linked ears, channels by name, or what was recorded."""

from __future__ import annotations

import numpy as np

from brainmidi.errors import SignalError
from brainmidi.types import BoolArray, FloatArray, Montage

_FEW = 16  # an average over fewer electrodes subtracts the very response that is looked for
#: Electrodes at the mastoids and ears, left and right.
LINKED: tuple[tuple[str, str], ...] = (("M1", "M2"), ("A1", "A2"), ("TP9", "TP10"), ("T9", "T10"))


def parse_reference(reference: str | tuple[str, ...], montage: Montage) -> BoolArray | None:
    """Return which channels' mean is subtracted, None for none.

    Parameters
    ----------
    reference : str or tuple of str
        ``"auto"``, ``"average"``, ``"linked"``, ``"none"`` or channel names.
    montage : Montage

    Raises
    ------
    SignalError
        If the montage lacks a channel that is named, or anything at the ears to link.
    """
    if reference == "none" or (reference == "auto" and len(montage.names) < _FEW):
        return None
    if reference in ("auto", "average"):
        return np.ones(len(montage.names), dtype=bool)
    if reference == "linked":
        for pair in LINKED:  # the nearest to the ears that there are; one side alone would tilt the head
            if set(pair) <= set(montage.names):
                return np.isin(montage.names, pair)
        wanted = ", ".join("/".join(pair) for pair in LINKED)
        raise SignalError(
            f'reference "linked" needs one of the pairs {wanted}, the channels are {", ".join(montage.names)}; choose '
            '"average", "none" or channels by name'
        )
    names = (reference,) if isinstance(reference, str) else reference
    absent = [name for name in names if name not in montage.names]
    if absent or not names:
        raise SignalError(
            f"reference {', '.join(absent) or 'without a name'} is not among the channels {', '.join(montage.names)}; "
            'name one of them, or "average", "linked" or "none"'
        )
    return np.isin(montage.names, names)


def refer(clean: FloatArray, good: BoolArray, channels: BoolArray | None) -> tuple[FloatArray, BoolArray]:
    """Subtract the mean of `channels`, sample by sample.

    An average goes on with those of its channels that are good. Electrodes that were named, or linked, are one point
    on the head only while all of them are good: what is measured against less is condemned, in every channel.

    Parameters
    ----------
    clean : ndarray, shape (n_samples, n_channels)
    good : ndarray of bool, same shape
    channels : ndarray of bool, shape (n_channels,), or None
        See :func:`parse_reference`.

    Returns
    -------
    clean, good : ndarray, shape (n_samples, n_channels)
    """
    if channels is None:
        return clean, good
    chosen = good & channels
    count = chosen.sum(axis=1, keepdims=True)
    mean = np.where(chosen, clean, 0.0).sum(axis=1, keepdims=True) / np.maximum(count, 1)
    if not channels.all():
        good = good & (count == np.count_nonzero(channels))
    referred: FloatArray = clean - mean
    return referred, good


def check_reference(channels: BoolArray | None, excluded: BoolArray, names: tuple[str, ...]) -> None:
    """Raise SignalError where a channel of a reference other than the average is left out for good."""
    if channels is None or channels.all():
        return
    lost = [name for name, out in zip(names, channels & excluded, strict=True) if out]
    if lost:
        raise SignalError(
            f"reference channel {', '.join(lost)} is bad, and every channel is measured against it; mend that "
            'electrode, or set another reference in [signal], such as "average"'
        )

"""Which codec a MusicVAE configuration has, and the chords that it is told: between phrases and a model's arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import chords as chord_codec
from brainmidi.codec import drums as drum_codec
from brainmidi.codec import groove as groove_codec
from brainmidi.codec import melody as melody_codec
from brainmidi.errors import ConfigError, ModelError, MusicError
from brainmidi.models.configs import CHORD_DEPTH, MusicVaeConfig
from brainmidi.music.harmony import Chord, Key, Metre, Progression
from brainmidi.music.voices import Float32Array
from brainmidi.types import Phrase

#: What :func:`codec_of` knows, in words.
SUPPORTED = (
    "melodies (with or without chords), basses, drums (categorical or NADE), or grooves (humanize, tap or groovae_4bar)"
)

_METRE = Metre.parse("4/4")


@dataclass(frozen=True, slots=True)
class Codec:
    """How a configuration's events are written.

    Parameters
    ----------
    part : str
        ``"melody"``, ``"bass"`` or ``"drums"``.
    encode : callable
        From a phrase to events (t, k).
    decode : callable
        And back; every array of events is some phrase.
    """

    part: str
    encode: Callable[[Phrase], NDArray[Any]]
    decode: Callable[[NDArray[Any]], Phrase]


def codec_of(name: str, config: MusicVaeConfig, part: str = "") -> Codec:
    """Return the codec of a configuration.

    Parameters
    ----------
    name : str
        Of the configuration: GrooVAEs of one size read different things.
    config : MusicVaeConfig
        Its sizes.
    part : str
        ``"bass"`` where a model of lines writes basses.

    Raises
    ------
    ModelError
        If there is none; the message says of which there are.
    """
    what = (config.events, config.outputs)
    if what == ("categorical", (melody_codec.N_CLASSES,)) and config.control_depth in (0, CHORD_DEPTH):
        part = "bass" if part == "bass" else "melody"
        write = partial(melody_codec.decode, part=part)
        return Codec(part, lambda phrase: melody_codec.encode(phrase)[:, None], lambda events: write(events[:, 0]))
    groove = what == ("groove", (groove_codec.N_FEATURES,))
    found = _groove(name) if groove else _DRUMS.get(what)
    if found is not None and (not config.control_depth or name.endswith("_hits")):
        return found
    raise ModelError(f"configuration {name} has no codec here; choose a checkpoint of {SUPPORTED}")


def _struck(kit: drum_codec.Kit) -> Codec:
    """Return the codec of a NADE."""
    return Codec(
        "drums",
        lambda phrase: drum_codec.strikes(phrase, kit).astype(np.float32),
        lambda events: drum_codec.strike(events > 0.5, kit),
    )


def _groove(name: str) -> Codec | None:
    """Return the codec of a GrooVAE, by what its encoder reads; None where that is not known here."""
    if name.endswith(("humanize", "_hits")):
        return _played(groove_codec.humanise_input)
    if "_tap_" in name:
        return _played(groove_codec.tap_input)
    return _played(np.asarray) if name == "groovae_4bar" else None


def _played(read: Callable[[NDArray[Any]], NDArray[Any]]) -> Codec:
    return Codec("drums", lambda phrase: read(groove_codec.encode(phrase)), groove_codec.decode)


#: Codecs of drums by kind of events and outputs.
_DRUMS: dict[tuple[str, tuple[int, ...]], Codec] = {
    ("categorical", (drum_codec.N_CLASSES,)): Codec(
        "drums", lambda phrase: drum_codec.encode(phrase)[:, None], lambda events: drum_codec.decode(events[:, 0])
    ),
    ("nade", (len(drum_codec.REDUCED),)): _struck(drum_codec.REDUCED),
    ("nade", (len(drum_codec.FULL),)): _struck(drum_codec.FULL),
}


def chord_rows(name: str, config: MusicVaeConfig, chords: str, key: Key) -> Float32Array | None:
    """Return the one-hot rows (t, 49) of chords moved to C, None for a model that is told none."""
    if config.control_depth != CHORD_DEPTH:
        if chords:
            raise ConfigError(
                f"--chords {chords!r}: {name} is told no chords; leave them out, or choose a checkpoint that is"
            )
        return None
    steps = config.n_steps
    classes: list[int] = []
    if "|" in chords:
        progression = Progression.parse(chords, key)
        progression.check(_METRE)
        for bar in range(steps // _METRE.steps):
            row = progression.bar(bar, _METRE)
            at = [int(beat / melody_codec.STEP) for beat, _ in row]
            for start, end, (_, chord) in zip(at, [*at[1:], _METRE.steps], row, strict=True):
                classes += [_class_of(chord)] * (end - start)
    else:
        symbols = [Chord.parse(symbol) for symbol in chords.split()] or [key.tonic_chord()]
        if steps % len(symbols) or steps // len(symbols) < 4:
            raise MusicError(
                f"{len(symbols)} chords do not share {steps // _METRE.steps} bars evenly; give one a bar, a half or a "
                "quarter, or write bar lines as in 'Dm7 G7 | C'"
            )
        classes = [_class_of(symbol) for symbol in symbols for _ in range(steps // len(symbols))]
    return np.eye(CHORD_DEPTH, dtype=np.float32)[chord_codec.transpose(classes, -key.transposition)]


def _class_of(chord: Chord) -> int:
    return chord_codec.encode_symbol(chord.classes[0], chord.classes)

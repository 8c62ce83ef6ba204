"""Where a user points in a latent space: at bars of a MIDI file, at a corner of a preset, or at a seed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import numpy as np

from brainmidi.codec import drums as drum_codec
from brainmidi.codec import melody as melody_codec
from brainmidi.errors import ConfigError
from brainmidi.midi.song import read_song
from brainmidi.music.phrase import Anchor
from brainmidi.music.voices import Float32Array
from brainmidi.types import Phrase

CORNERS = ("calm", "active")
MOST = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of a MIDI file, from `bar` (from 1) on."""

    path: Path
    bar: int

    def __str__(self) -> str:
        return f"{self.path.stem}@{self.bar}"


@dataclass(frozen=True, slots=True)
class Corner:
    """The calm or the active phrase of a preset."""

    name: str
    corner: str

    def __str__(self) -> str:
        return f"{self.name}.{self.corner}"


@dataclass(frozen=True, slots=True)
class Seed:
    """A point drawn from the prior."""

    number: int

    def __str__(self) -> str:
        return f"seed:{self.number}"


Place: TypeAlias = Bars | Corner | Seed


def parse_place(text: str) -> Place:
    """Return where `text` points.

    Parameters
    ----------
    text : str
        ``"mine.mid"`` (its first bars), ``"mine.mid@5"`` (from bar 5 on), ``"anchor:C.calm"`` or ``"seed:42"``.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    kind, _, rest = text.partition(":")
    if kind == "seed":
        if not re.fullmatch(r"\d{1,19}", rest) or int(rest) > MOST:
            raise ConfigError(f"{text!r} is no seed, a whole number of 0 or more is needed; write one as in seed:42")
        return Seed(int(rest))
    if kind == "anchor":
        name, _, corner = rest.rpartition(".")
        if not name or corner not in CORNERS:
            raise ConfigError(f"{text!r} is no corner of a preset, calm or active is needed; write it as anchor:A.calm")
        return Corner(name, corner)
    file, at, bar = text.rpartition("@")
    if at and re.fullmatch(r"\d{1,9}", bar):
        return Bars(Path(file), int(bar))
    return Bars(Path(text), 1)


def phrase_at(place: Bars, part: str, length: Fraction) -> Phrase:
    """Return `length` beats of a file, as the notes of `part`, one voice where the part is of one.

    Of notes that begin on one sixteenth a melody keeps the highest and a bass the lowest; drums keep them all.

    Raises
    ------
    MidiError
        The file cannot be read, has no such bar, or the part is silent there.
    """
    phrase = read_song(place.path).excerpt(part, place.bar, length)
    return phrase if part == "drums" else one_voice(phrase, lowest=part == "bass")


def one_voice(phrase: Phrase, *, lowest: bool = False) -> Phrase:
    """Return `phrase` without all but the highest, or the lowest, of notes that begin on one sixteenth."""
    kept = {}
    for note in sorted(phrase, key=lambda note: -note.pitch if lowest else note.pitch):
        kept[(note.start / melody_codec.STEP + Fraction(1, 2)) // 1] = note
    return Phrase(tuple(kept.values()), phrase.length)


def on_grid(phrase: Phrase, part: str) -> Phrase:
    """Return `phrase` on the sixteenth grid, as the part's model reads it.

    Raises
    ------
    CodecError
        A pitch lies outside what the model knows.
    """
    if part == "drums":
        return drum_codec.quantise(phrase)
    return melody_codec.decode(melody_codec.encode(phrase), part=part)


def corner_of(presets: Sequence[Anchor], corner: Corner) -> Phrase:
    """Return a preset's phrase.

    Raises
    ------
    ConfigError
        There is no such preset.
    """
    phrase: Phrase = getattr(preset_of(presets, corner.name), corner.corner)
    return phrase


def preset_of(presets: Sequence[Anchor], name: str) -> Anchor:
    """Return the preset of a name; ConfigError where there is none."""
    for preset in presets:
        if preset.name == name:
            return preset
    known = ", ".join(preset.name for preset in presets) or "none"
    raise ConfigError(f"anchor {name!r} is unknown; the checkpoint's are {known}")


def prior_point(seed: Seed, size: int, number: int = 0) -> Float32Array:
    """Return a point drawn from the standard Gaussian, shape (size,).

    Parameters
    ----------
    seed : Seed
        Which; the point depends on this and the two numbers below alone.
    size : int
        Of the latent.
    number : int
        0 or more: draws of one seed are told apart by it.
    """
    rng = np.random.Generator(np.random.Philox(key=[seed.number, 0], counter=[0, 0, 0, number]))
    return rng.standard_normal(size).astype(np.float32)

"""Anchors of one's own: what ``[anchors]`` names becomes the corners between which a part's latent moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import Any

import numpy as np

from brainmidi.config import SessionConfig
from brainmidi.drivers.places import (
    Corner,
    Place,
    Seed,
    corner_of,
    on_grid,
    parse_place,
    phrase_at,
    preset_of,
    prior_point,
)
from brainmidi.errors import BrainmidiError, ConfigError
from brainmidi.music.harmony import Key
from brainmidi.music.metre import STEPS_PER_BEAT
from brainmidi.music.phrase import MODEL_LENGTH, Anchor, to_mode, transposed
from brainmidi.music.voices import Constraint, Voices
from brainmidi.session import SessionSetup
from brainmidi.types import Note, Phrase

#: Where a set-up keeps the anchors of each part that walks a latent.
FIELDS = {"melody": "anchors", "bass": "bass_anchors", "drums": "drum_anchors"}

_STEPS = int(MODEL_LENGTH * STEPS_PER_BEAT)
_HOME = Key("C")
#: A temperature at which only the likeliest is ever drawn.
_COLD = 1e-3


@dataclass(frozen=True, slots=True)
class Seeded(Anchor):
    """An anchor of which a corner follows from a seed: until a voice has decoded it, a held note stands there.

    Parameters
    ----------
    seeds : tuple of two (int or None)
        Of the calm and of the active corner; None where the phrase is known.
    """

    seeds: tuple[int | None, int | None] = (None, None)

    def decoded(self, part: str, voice: Any) -> Anchor:
        """Return the anchor with what `voice`, that of `part`, writes at the seeds' points.

        Raises
        ------
        ConfigError
            The voice writes nothing there.
        """
        corners = (self.calm, self.active)
        calm, active = (
            phrase if seed is None else decoded_seed(Seed(seed), part, voice)
            for phrase, seed in zip(corners, self.seeds, strict=True)
        )
        return Anchor(self.name, calm, active)


def anchors_of(config: SessionConfig, part: str, voice: Any = None) -> tuple[Anchor, ...]:
    """Return the anchors of a part that ``[anchors]`` names, or those of its model where it names none.

    Parameters
    ----------
    config : SessionConfig
        Its files are read here; bars of theirs are taken to be in ``[anchors] key``, the session's key by default.
    part : str
        ``"melody"``, ``"bass"`` or ``"drums"``.
    voice : MelodyVoice, BassVoice or DrumVoice, optional
        Decodes seeds, once. Without it an anchor with a seed is :class:`Seeded`, and :func:`settled` decodes it later.

    Raises
    ------
    ConfigError
        An entry is not understood or cannot be read; the line says which.
    """
    table = config.anchors
    entries: tuple[str | tuple[str, str], ...] = getattr(table, part)
    presets = partial(_presets, config, part)
    if not entries:
        return presets()
    try:
        key = Key.parse(table.key or config.session.key)
    except BrainmidiError as error:
        raise ConfigError(f"session.toml: [anchors]: {error}") from error
    found: list[Anchor] = []
    for entry in entries:
        try:
            anchor = preset_of(presets(), entry) if isinstance(entry, str) else _pair(entry, part, key, presets)
        except BrainmidiError as error:
            shown = entry if isinstance(entry, str) else list(entry)
            raise ConfigError(f"session.toml: [anchors] {part}, {shown!r}: {error}") from error
        found.append(anchor)
    return _decoded(tuple(found), part, voice)


def settled(setup: SessionSetup, voices: Voices) -> SessionSetup:
    """Return `setup` with all seeds decoded by the part's voice; itself where there are none."""
    for part, field in FIELDS.items():
        anchors = getattr(setup, field)
        if any(isinstance(anchor, Seeded) for anchor in anchors):
            found: Any = {field: _decoded(anchors, part, getattr(voices, part))}
            setup = replace(setup, **found)
    return setup


def _presets(config: SessionConfig, part: str) -> tuple[Anchor, ...]:
    """Return the anchors of the checkpoint that plays, or those that ship where it has none."""
    from brainmidi.drivers.chosen import chosen_checkpoints
    from brainmidi.drivers.voices import load_anchors

    own = chosen_checkpoints(config).get(part)
    return load_anchors(part) if own is None else load_anchors(part, own)


def _decoded(anchors: tuple[Anchor, ...], part: str, voice: Any) -> tuple[Anchor, ...]:
    if voice is None:
        return anchors
    return tuple(anchor.decoded(part, voice) if isinstance(anchor, Seeded) else anchor for anchor in anchors)


def _pair(pair: tuple[str, str], part: str, key: Key, presets: Callable[[], tuple[Anchor, ...]]) -> Anchor:
    places = [parse_place(text) for text in pair]
    calm, active = (_phrase(place, part, key, presets) for place in places)
    name = ">".join(str(place) for place in places)
    first, second = (place.number if isinstance(place, Seed) else None for place in places)
    if first is None and second is None:
        return Anchor(name, calm, active)
    return Seeded(name, calm, active, (first, second))


def _phrase(place: Place, part: str, key: Key, presets: Callable[[], tuple[Anchor, ...]]) -> Phrase:
    """Return two bars as anchors are written: on the grid, and a line in C major."""
    if isinstance(place, Seed):
        return _held(part)
    if isinstance(place, Corner):
        return corner_of(presets(), place)
    phrase = phrase_at(place, part, MODEL_LENGTH)
    if part == "drums":
        return on_grid(phrase, part)
    return on_grid(from_mode(transposed(phrase, -key.transposition), key), part)


def _held(part: str, pitch: int = 36) -> Phrase:
    """Return one note for two bars: a low C, or the kick."""
    return Phrase((Note(Fraction(0), MODEL_LENGTH, pitch, part=part),), MODEL_LENGTH)


def from_mode(phrase: Phrase, key: Key) -> Phrase:
    """Return the phrase, in the mode of `key` on C, as the one in C major that ``to_mode`` turns into it.

    A tone that no tone of the twelve is turned into stays.
    """
    moves: dict[int, int] = {}
    for pitch in range(60, 72):
        (moved,) = to_mode(_held("melody", pitch), key)
        back = pitch - moved.pitch
        if abs(back) < abs(moves.get(moved.pitch % 12, 12)):
            moves[moved.pitch % 12] = back
    notes = [replace(note, pitch=note.pitch + moves.get(note.pitch % 12, 0)) for note in phrase]
    return Phrase(tuple(notes), phrase.length)


def decoded_seed(seed: Seed, part: str, voice: Any) -> Phrase:
    """Return the likeliest phrase at the point that `seed` draws from the prior: a melody in C major, a bass over C.

    Parameters
    ----------
    seed : Seed
        Of the point; the same as ``brainmidi latent`` has it.
    part : str
        The voice's.
    voice : MelodyVoice, BassVoice or DrumVoice
        Decodes it.

    Raises
    ------
    ConfigError
        Nothing but silence is likely there.
    """
    held = _held(part)
    rng = np.random.Generator(np.random.Philox(key=[seed.number, 1]))
    free = np.zeros(_STEPS, dtype=np.float32)
    home = [_HOME.tonic_chord().tones(_HOME)] * _STEPS
    pitch_bias = np.zeros((_STEPS, 128), dtype=np.float32)
    pitch_bias[:, ~np.isin(np.arange(128) % 12, _HOME.classes)] = -np.inf
    # A voice does not say how large its latent is, but what it encodes is of that size.
    if part == "drums":
        point = prior_point(seed, voice.encode(held).size)
        phrase: Phrase = voice.decode(point, free, _COLD, rng, None)
    elif part == "bass":
        point = prior_point(seed, voice.encode(held, home).size)
        phrase = voice.decode(point, home, Constraint(pitch_bias, free), _COLD, rng, None)
    else:
        point = prior_point(seed, voice.encode(held).size)
        phrase = voice.decode(point, Constraint(pitch_bias, free), _COLD, rng, None)
    if not phrase.notes:
        raise ConfigError(f"session.toml: [anchors] {part}: {seed} is silent with this model; choose another seed")
    return phrase

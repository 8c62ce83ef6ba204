"""The models as the session sees them: the Music Transformer as the second part, and all of them loaded."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from brainmidi.codec import performance as codec
from brainmidi.drivers.barvoice import BarAccompaniment
from brainmidi.drivers.barwriter import BarWriter
from brainmidi.drivers.chosen import ROLES
from brainmidi.drivers.latentvoices import LatentBass, LatentDrums, LatentMelody
from brainmidi.errors import ModelError
from brainmidi.models.checkpoint import find_checkpoint, read_config
from brainmidi.music.phrase import Anchor, anchors_from_json
from brainmidi.music.voices import AccompanimentVoice, Constraint, Float32Array, Surroundings, Voices
from brainmidi.types import DUO, Phrase

#: Shipped checkpoints by part; the first one has the part's anchors.
CHECKPOINTS: dict[str, tuple[str, ...]] = {
    "melody": ("hier-mel_2bar",),
    "accompaniment": ("music-transformer_scores",),
    "bass": ("hier-bass_2bar_chords",),
    "drums": ("hier-drums_2bar", "hier-groove_2bar_hits"),
}
ANCHORS_FILE = "anchors.json"


class StepModel(Protocol):
    """A next-event model with a cache that may be kept and gone back to."""

    def initial(self) -> Any:
        """Return the cache before the first event."""
        ...

    def step(self, token: int, cache: Any) -> tuple[Float32Array, Any]:
        """Return logits, shape (310,), after `token`, and the new cache."""
        ...


@dataclass(frozen=True, slots=True)
class Memory:
    """What the transformer has heard: its cache, and the logits that follow from it (none before the first event)."""

    cache: Any
    logits: Float32Array | None


class ContinuedPerformance:
    """A Music Transformer as the second part: it hears the melody bar as it is written, and writes around it.

    Parameters
    ----------
    model : StepModel
        Over the 310 performance events.
    """

    def __init__(self, model: StepModel) -> None:
        self._model = model

    def initial(self) -> Memory:
        """Return the memory of silence; a model whose rows all began with event 0 has heard that."""
        cache = self._model.initial()
        if not getattr(getattr(self._model, "config", None), "silent_start", False):
            return Memory(cache, None)
        logits, cache = self._model.step(0, cache)
        return Memory(cache, logits)

    def continue_bar(
        self,
        state: Memory,
        around: Surroundings,
        constraint: Constraint,
        temperature: float,
        velocities: Float32Array,
        rng: np.random.Generator,
        max_voices: int,
    ) -> tuple[Memory, Phrase]:
        """Return the new memory and one bar of accompaniment; see :class:`brainmidi.drivers.barwriter.BarWriter`."""
        cache, logits = state.cache, state.logits

        def feed(token: int) -> Float32Array:
            nonlocal cache, logits
            logits, cache = self._model.step(token, cache)
            return logits

        start = np.zeros(codec.N_CLASSES, dtype=np.float32) if logits is None else logits
        writer = BarWriter(feed, start, around.melody, constraint, temperature, rng, max_voices)
        phrase = writer.write(velocities)
        return Memory(cache, logits), phrase


def second_part(folder: Path, model: Any, style: str = "any") -> AccompanimentVoice:
    """Return a Music Transformer as a voice, by the codec that its checkpoint names: bars or, if none, performances.

    Raises
    ------
    ModelError
        If a model of performances, which knows no styles, is to play in one.
    """
    if read_config(folder).get("codec") == "bars":
        return BarAccompaniment(model, style)
    if style != "any":
        raise ModelError(
            f"style {style} needs a model of bars, {folder.name} is one of performances; leave style out of "
            "[parts.accompaniment], or name a model of bars in [models]"
        )
    return ContinuedPerformance(model)


def load_voices(
    parts: Collection[str] = DUO,
    *,
    checkpoints: Mapping[str, Path] | None = None,
    threads: int | None = None,
    style: str = "any",
) -> Voices:
    """Load the checkpoints of the parts that play; takes seconds, most of them TensorFlow's import.

    Parameters
    ----------
    parts : collection of str
        Of :data:`brainmidi.types.PARTS`.
    checkpoints : mapping of str to Path, optional
        Folders in place of shipped checkpoints, by model; see :func:`brainmidi.drivers.chosen.chosen_checkpoints`.
    threads : int, optional
        Cores for TensorFlow; its own choice if not given.
    style : str
        In which the second part plays; see :func:`second_part`.

    Raises
    ------
    ModelError
        If a checkpoint is missing or damaged, or one of performances is to play in a style.
    """
    own = checkpoints or {}
    folders = {
        part: [
            own.get(role) or find_checkpoint(name) for role, name in zip(ROLES[part], CHECKPOINTS[part], strict=True)
        ]
        for part in parts
    }
    from brainmidi.models import compiled, stepper

    if threads is not None:
        compiled.use_threads(threads)

    def models(part: str) -> list[Any]:
        return [compiled.CompiledMusicVae(folder) for folder in folders[part]]

    return Voices(
        LatentMelody(*models("melody")),
        second_part(folders["accompaniment"][0], stepper.TransformerStepper(folders["accompaniment"][0]), style),
        LatentBass(*models("bass")) if "bass" in parts else None,
        LatentDrums(*models("drums")) if "drums" in parts else None,
    )


def load_anchors(part: str = "melody", checkpoint: Path | None = None) -> tuple[Anchor, ...]:
    """Return the anchors of a checkpoint, or those that ship with the part's where it has none or none is given.

    Anchors are phrases: any model of the part can read them.

    Raises
    ------
    BrainmidiError
        If they cannot be read.
    """
    if checkpoint is None or not (checkpoint / ANCHORS_FILE).exists():
        checkpoint = find_checkpoint(CHECKPOINTS[part][0])
    return read_anchors(checkpoint / ANCHORS_FILE, part)


def read_anchors(path: Path, part: str) -> tuple[Anchor, ...]:
    """Return the anchors that a file holds; BrainmidiError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no UTF-8"
        raise ModelError(f"{path} cannot be read ({reason}); install the checkpoint again") from None
    return anchors_from_json(text, part)

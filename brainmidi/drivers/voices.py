"""The two models as the session sees them: phrases in, phrases out. Here codec and models meet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from brainmidi.codec import melody as melody_codec
from brainmidi.codec import performance as codec
from brainmidi.drivers.barwriter import BarWriter
from brainmidi.errors import ModelError
from brainmidi.models import latent, sampling
from brainmidi.models.checkpoint import find_checkpoint
from brainmidi.music.phrase import Anchor, anchors_from_json
from brainmidi.music.voices import Constraint, Float32Array
from brainmidi.types import Phrase

if TYPE_CHECKING:
    from brainmidi.models.compiled import CompiledMusicVae

MELODY_CHECKPOINT = "cat-mel_2bar_small"
ACCOMPANIMENT_CHECKPOINT = "music-transformer_chorales"
ANCHORS_FILE = "anchors.json"


class LatentMelody:
    """MusicVAE as a melody voice.

    Parameters
    ----------
    model : CompiledMusicVae
        Of 2-bar melodies, 90 classes.
    """

    def __init__(self, model: CompiledMusicVae) -> None:
        self._model = model

    def encode(self, phrase: Phrase) -> Float32Array:
        """Return the latent mean, shape (latent_size,), of an eight-beat phrase."""
        return self._model.encode(melody_codec.encode(phrase))

    def between(self, calm: Float32Array, active: Float32Array, mix: float) -> Float32Array:
        """Return the point at `mix` on the arc from `calm` to `active`."""
        return latent.slerp(calm, active, mix)

    def decode(
        self,
        z: Float32Array,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        """Return eight beats sampled at `z`; `prefix` is a first bar that is forced."""
        n_steps, n_classes = len(constraint), melody_codec.N_CLASSES
        bias = np.zeros((n_steps, n_classes), dtype=np.float32)
        pitches = constraint.pitch_bias[:, melody_codec.MIN_PITCH : melody_codec.MAX_PITCH + 1]
        bias[:, melody_codec.FIRST_PITCH_CLASS :] = pitches + constraint.onset_bias[:, None]
        # No note is tied over the bar line: a bar begins with an onset or with a rest.
        bias[n_steps // 2, melody_codec.NO_EVENT] = -np.inf
        forced = np.full(n_steps, -1, dtype=np.int32)
        if prefix is not None:
            given = melody_codec.encode(prefix)
            forced[: len(given)] = given
        gumbel = rng.gumbel(size=bias.shape).astype(np.float32)
        tokens = self._model.decode(z, np.maximum(bias, sampling.FORBIDDEN), gumbel, temperature, forced)
        return melody_codec.decode(tokens)


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
        """Return the memory of silence."""
        return Memory(self._model.initial(), None)

    def continue_bar(
        self,
        state: Memory,
        melody_bar: Phrase,
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
        writer = BarWriter(feed, start, melody_bar, constraint, temperature, rng, max_voices)
        phrase = writer.write(velocities)
        return Memory(cache, logits), phrase


def load_voices(
    melody: str = MELODY_CHECKPOINT, accompaniment: str = ACCOMPANIMENT_CHECKPOINT, *, threads: int | None = None
) -> tuple[LatentMelody, ContinuedPerformance]:
    """Load both checkpoints and trace their steps; takes seconds, most of them TensorFlow's import.

    Parameters
    ----------
    melody, accompaniment : str
        A shipped checkpoint's name or a folder.
    threads : int, optional
        Cores for TensorFlow; its own choice if not given.

    Raises
    ------
    ModelError
        If a checkpoint is missing or damaged.
    """
    folders = [find_checkpoint(name) for name in (melody, accompaniment)]
    from brainmidi.models import compiled

    if threads is not None:
        compiled.use_threads(threads)
    return LatentMelody(compiled.CompiledMusicVae(folders[0])), ContinuedPerformance(
        compiled.CompiledTransformer(folders[1])
    )


def load_anchors(melody: str = MELODY_CHECKPOINT) -> tuple[Anchor, ...]:
    """Return the anchors that ship with a melody checkpoint.

    Raises
    ------
    ModelError
        If the checkpoint has none.
    """
    path: Path = find_checkpoint(melody) / ANCHORS_FILE
    try:
        text = path.read_text()
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({error.strerror}); install the checkpoint again") from None
    return anchors_from_json(text)

"""A checkpoint's latent space as a musician sees it: phrases go in and come out, in any key, whatever the codec."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from brainmidi.codec import melody as melody_codec
from brainmidi.drivers.eventcodecs import chord_rows, codec_of
from brainmidi.drivers.latentvoices import humanised
from brainmidi.drivers.phrasemodel import OneByOne, PhraseModel, load_model
from brainmidi.drivers.places import Corner, Place, Seed, corner_of, parse_place, phrase_at, prior_point
from brainmidi.drivers.voices import ANCHORS_FILE, read_anchors
from brainmidi.errors import ModelError
from brainmidi.models.attribute_vectors import ATTRIBUTES_FILE, AttributeVectors
from brainmidi.models.checkpoint import CONFIG_FILE, find_checkpoint, read_config, read_sizes
from brainmidi.models.configs import MusicVaeConfig
from brainmidi.models.magenta import configuration
from brainmidi.music.harmony import Key
from brainmidi.music.phrase import transposed
from brainmidi.music.voices import Float32Array
from brainmidi.types import Phrase


class LatentSpace:
    """The latent space of a checkpoint, with its presets and attribute vectors; the model loads when it is first asked.

    Parameters
    ----------
    name : str
        Of the configuration.
    config : MusicVaeConfig
        Its sizes.
    load : callable
        Makes the model.
    folder : Path or None
        Of the checkpoint, if it is one of this program's.
    part : str
        As for :func:`brainmidi.drivers.eventcodecs.codec_of`.
    key : Key
        Of what goes in and comes out; the model has its tonic on C. Drums have none.
    chords : str
        Under every phrase, where the model is told chords: symbols that share it evenly, or bars as in
        :mod:`brainmidi.music.harmony`; the tonic's chord if empty.

    Raises
    ------
    BrainmidiError
        The configuration has no codec, or the chords are not understood, do not fit, or are not asked for.
    """

    def __init__(
        self,
        name: str,
        config: MusicVaeConfig,
        load: Callable[[], PhraseModel],
        *,
        folder: Path | None = None,
        part: str = "",
        key: Key | None = None,
        chords: str = "",
    ) -> None:
        self.name, self.config, self.folder = name, config, folder
        self.codec = codec_of(name, config, part)
        self.key = Key("C") if key is None else key
        self._load = load
        self._model: PhraseModel | None = None
        self._controls = chord_rows(name, config, chords, self.key)

    @property
    def part(self) -> str:
        """Who plays what is written here."""
        return self.codec.part

    @property
    def length(self) -> Fraction:
        """Beats of a phrase."""
        return self.config.n_steps * melody_codec.STEP

    @property
    def model(self) -> PhraseModel:
        """The model; it loads here."""
        if self._model is None:
            self._model = self._load()
        return self._model

    def points(self, places: Sequence[str]) -> NDArray[np.float32]:
        """Return where `places` (see :func:`brainmidi.drivers.places.parse_place`) lie, shape (n, latent_size).

        All of them are read before the model loads.

        Raises
        ------
        BrainmidiError
            One of them is not understood or cannot be read.
        """
        self._need_phrases()
        found = [self._found(parse_place(text)) for text in places]
        size = self.config.latent_size
        return np.stack(
            [
                prior_point(place, size) if isinstance(place, Seed) else self.model.encode(place, self._controls)
                for place in found
            ]
        )

    def events(self, phrase: Phrase) -> NDArray[Any]:
        """Return a phrase as the model's events, (t, k)."""
        return self.codec.encode(self._moved(phrase, -1))

    def _need_phrases(self) -> None:
        """Refuse a drummer who is told what to strike: its points alone spell no phrase."""
        if self.config.events == "groove" and self.config.control_depth:
            raise ModelError(f"{self.name} is told what is struck; use it with `brainmidi latent humanise`")

    def decode(self, z: Float32Array, temperature: float = 0.0) -> Phrase:
        """Return the phrase at a point, in the key; the likeliest at temperature 0."""
        self._need_phrases()
        return self._moved(self.codec.decode(self.model.decode(z, temperature, self._controls)), 1)

    def vectors(self) -> AttributeVectors:
        """Return the checkpoint's attribute vectors.

        Raises
        ------
        ModelError
            It has none.
        """
        if self.folder is None or not (self.folder / ATTRIBUTES_FILE).is_file():
            raise ModelError(
                f"checkpoint of {self.name} has no attribute vectors ({ATTRIBUTES_FILE}); choose a melody's that has"
            )
        return AttributeVectors.load(self.folder / ATTRIBUTES_FILE)

    def humanise(self, phrase: Phrase, amount: float, rng: np.random.Generator) -> Phrase:
        """Return the same hits as a drummer plays them; see :func:`brainmidi.drivers.latentvoices.humanised`."""
        model = self.model
        assert isinstance(model, OneByOne)
        return humanised(model.model, phrase, amount, rng)

    def close(self) -> None:
        """Let the model go."""
        if self._model is not None:
            self._model.close()

    def __enter__(self) -> LatentSpace:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _moved(self, phrase: Phrase, way: int) -> Phrase:
        """Return a phrase from C to the key (1) or from the key to C (-1)."""
        return phrase if self.part == "drums" else transposed(phrase, way * self.key.transposition)

    def _found(self, place: Place) -> NDArray[Any] | Seed:
        """Return the model's events at a place; a seed has none."""
        if isinstance(place, Seed):
            return place
        if isinstance(place, Corner):
            return self.codec.encode(self._preset(place))
        return self.events(phrase_at(place, self.part, self.length))

    def _preset(self, corner: Corner) -> Phrase:
        path = None if self.folder is None else self.folder / ANCHORS_FILE
        if path is None or not path.is_file():
            raise ModelError(f"checkpoint of {self.name} has no presets ({ANCHORS_FILE}); give bars of a file or seeds")
        phrase = corner_of(read_anchors(path, self.part), corner)
        if phrase.length != self.length:
            raise ModelError(
                f"{corner} lasts {phrase.length} beats, {self.name} reads {self.length}; give a file's bars"
            )
        return phrase


def open_space(checkpoint: str, *, key: str = "", chords: str = "", seed: int = 0) -> LatentSpace:
    """Return the latent space of one of this program's checkpoints.

    Parameters
    ----------
    checkpoint : str
        Name or folder; of a trained MusicVAE, or of one imported from Magenta.
    key : str
        As :class:`brainmidi.music.harmony.Key` reads it; C if empty.
    chords : str
        As for :class:`LatentSpace`.
    seed : int
        Of what is drawn at temperatures above 0.

    Raises
    ------
    BrainmidiError
        There is no such checkpoint, it is of another kind, or key or chords are not understood.
    """
    folder = find_checkpoint(checkpoint)
    described = read_config(folder, "musicvae")
    config = read_sizes(folder, "musicvae", MusicVaeConfig.from_json)
    return LatentSpace(
        str(described["name"]),
        config,
        lambda: OneByOne(load_model(folder), config, seed),
        folder=folder,
        part=str(described.get("part", "")),
        key=Key.parse(key) if key else None,
        chords=chords,
    )


def open_original(
    checkpoint: Path, config: str, python: Path, *, key: str = "", chords: str = "", seed: int = 0
) -> LatentSpace:
    """Return the latent space of a checkpoint of Magenta's, in which Magenta itself reads and writes, out of process.

    Parameters
    ----------
    checkpoint : Path
        TensorFlow's files: a folder, a prefix, or a .tar.
    config : str
        Magenta's name of the configuration.
    python : Path
        Interpreter of an environment with magenta 2.1.4.
    key, chords, seed
        As for :func:`open_space`.

    Raises
    ------
    BrainmidiError
        The configuration is unknown or has no codec; or `checkpoint` is one of this program's.
    """
    if (checkpoint / CONFIG_FILE).is_file():
        raise ModelError(
            f"checkpoint {checkpoint} is in this program's own layout, the original reads TensorFlow's files; give it "
            "those that were imported: --checkpoint FILES --config NAME"
        )
    sizes = configuration(config)

    def load() -> PhraseModel:
        from brainmidi.models.original import OriginalMusicVae

        return OriginalMusicVae(python, config, checkpoint, seed)

    return LatentSpace(config, sizes, load, key=Key.parse(key) if key else None, chords=chords)

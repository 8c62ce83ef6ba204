"""The parts that walk a latent space: melody, bass and drums, two bars to a phrase, in one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from brainmidi.music import drums as drumming
from brainmidi.music import ensemble
from brainmidi.music.bass import bass as bass_bar
from brainmidi.music.ensemble import BarPlan
from brainmidi.music.form import Role
from brainmidi.music.harmony import Key
from brainmidi.music.metre import STEPS_PER_BEAT
from brainmidi.music.phrase import MODEL_LENGTH, transposed
from brainmidi.music.setup import SessionSetup
from brainmidi.music.voices import BassVoice, DrumVoice, Float32Array, MelodyVoice
from brainmidi.types import DUO, Bar, Phrase

Corners = tuple[tuple[Float32Array, Float32Array], ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """What the latent parts share in one bar.

    Parameters
    ----------
    index : int
        Bar of the take.
    plans : tuple of two BarPlan
        Both bars of its phrase.
    anchor : int
        How often the music has moved on to the next anchor.
    first, theme : Phrase or None
        The lines (:attr:`Lines.lines`) of the phrase's first bar, where this is the second; and of the two bars to
        recall.
    mix, density, level, register : float
        The knobs, 0..1; `level` is the velocity's.
    """

    index: int
    plans: tuple[BarPlan, BarPlan]
    anchor: int
    first: Phrase | None
    theme: Phrase | None
    mix: float
    density: float
    level: float
    register: float


@dataclass(frozen=True, slots=True)
class Lines:
    """A bar of the latent parts, melody and bass in the models' space.

    Parameters
    ----------
    melody, bass, beat, drums : Phrase
        `beat` is on the sixteenth grid, `drums` are the same hits as they are played; silence where a part has no
        voice.
    """

    melody: Phrase
    bass: Phrase
    beat: Phrase
    drums: Phrase

    @property
    def lines(self) -> Phrase:
        """What the next bars are made from: all of it in one phrase, drums on the grid."""
        return Phrase((*self.melody.notes, *self.bass.notes, *self.beat.notes), self.melody.length)


class Band:
    """The latent voices of a session, with every anchor encoded.

    Parameters
    ----------
    setup : SessionSetup
        What is settled.
    melody : MelodyVoice
        Always plays.
    bass : BassVoice or None
        Silent where there is none.
    drums : DrumVoice or None
        Likewise.

    Raises
    ------
    MusicError
        If a part that plays has no anchors.
    """

    def __init__(
        self, setup: SessionSetup, melody: MelodyVoice, bass: BassVoice | None, drums: DrumVoice | None
    ) -> None:
        self._setup, self._melody, self._bass, self._drums = setup, melody, bass, drums
        self._corners = {"melody": _corners(setup, "melody", melody.encode)}
        if bass is not None:
            # Anchors are written over the tonic's chord.
            home = setup.key.tonic_chord().tones(setup.key).transposed(-setup.key.transposition)
            over = [home] * int(MODEL_LENGTH * STEPS_PER_BEAT)
            self._corners["bass"] = _corners(setup, "bass", lambda phrase: bass.encode(phrase, over))
        if drums is not None:
            self._corners["drums"] = _corners(setup, "drums", drums.encode)
        self._lowered = {part: limits.lowered(setup.key.transposition) for part, limits in setup.ranges.items()}

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that play, in score order, the accompaniment among them."""
        return (*DUO, *(part for part in self._corners if part not in DUO))

    def play(self, now: Moment) -> Lines:
        """Return the bar that comes at `now`."""
        melody = self._melody_bar(now)
        beat, drums = self._drum_bar(now)
        return Lines(melody, self._bass_bar(now, melody), beat, drums)

    def _melody_bar(self, now: Moment) -> Phrase:
        setup = self._setup
        line = ensemble.melody(
            self._melody,
            ensemble.standpoint(self._melody, self._corners["melody"], now.anchor, now.mix, now.index),
            now.plans,
            key=setup.key,
            metre=setup.metre,
            pitch_range=self._lowered["melody"],
            register=(2 * now.register - 1) * setup.register_semitones,
            density=now.density,
            temperature=setup.melody_temperature,
            seed=setup.seed,
            first=_part(now.first, "melody"),
            theme=_part(now.theme, "melody"),
        )
        return ensemble.sung(line, setup.metre, now.level, setup.dynamics)

    def _bass_bar(self, now: Moment, melody: Phrase) -> Phrase:
        setup = self._setup
        if self._bass is None:
            return Phrase((), setup.metre.length)
        return bass_bar(
            self._bass,
            ensemble.standpoint(self._bass, self._corners["bass"], now.anchor, now.mix, now.index),
            now.plans,
            metre=setup.metre,
            pitch_range=self._lowered["bass"],
            density=now.density,
            temperature=setup.melody_temperature,
            level=now.level,
            limits=setup.dynamics,
            seed=setup.seed,
            first=_part(now.first, "bass"),
            theme=_part(now.theme, "bass"),
            above=melody,
        )

    def _drum_bar(self, now: Moment) -> tuple[Phrase, Phrase]:
        """Return the bar on the grid and as it is played."""
        setup = self._setup
        if self._drums is None:
            return Phrase((), setup.metre.length), Phrase((), setup.metre.length)
        first = _part(now.first, "drums")
        # The bar that leads into the next form is a fill: drummers are busier there, whatever the brain does.
        fills = now.plans[first is not None].role is Role.CADENCE
        mix = now.mix + drumming.FILL * (1 - now.mix) if fills else now.mix
        beat = drumming.drums(
            self._drums,
            ensemble.standpoint(self._drums, self._corners["drums"], now.anchor, mix, now.index),
            now.plans,
            metre=setup.metre,
            density=now.density,
            temperature=setup.melody_temperature,
            seed=setup.seed,
            first=first,
        )
        hits = drumming.played(
            self._drums,
            beat,
            first,
            metre=setup.metre,
            groove=setup.groove,
            level=now.level,
            limits=setup.dynamics,
            seed=setup.seed,
            index=now.index,
        )
        return beat, hits


def heard_lines(bar: Bar, key: Key) -> Phrase:
    """Return :attr:`Lines.lines` of a bar that was heard."""
    pitched = Phrase((*bar.phrase.part("melody").notes, *bar.phrase.part("bass").notes), bar.phrase.length)
    beat = drumming.on_grid(bar.phrase.part("drums"))
    return Phrase((*transposed(pitched, -key.transposition).notes, *beat.notes), bar.phrase.length)


def _corners(setup: SessionSetup, part: str, encode: Callable[[Phrase], Float32Array]) -> Corners:
    return tuple((encode(anchor.calm), encode(anchor.active)) for anchor in setup.anchors_of(part))


def _part(phrase: Phrase | None, name: str) -> Phrase | None:
    return None if phrase is None else phrase.part(name)

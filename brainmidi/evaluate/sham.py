"""Sham scores: what the same settings make of a brain, of its surrogates and of other brains, under a blind key.

If the music of the recording follows what went on in it no better than theirs, it does not follow *this* brain.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from brainmidi.acquire.replay import ArraySource
from brainmidi.config import SessionConfig
from brainmidi.drivers import assemble
from brainmidi.drivers.chosen import chosen_checkpoints
from brainmidi.drivers.offline import Signal, VoiceLoader, make_session, prepare, score_signal
from brainmidi.drivers.personal import declarative
from brainmidi.drivers.take import TakeFiles, TakeKeeper
from brainmidi.drivers.wiring import part_channels
from brainmidi.errors import ConfigError, SourceError
from brainmidi.evaluate.brains import OTHER, SURROGATE, Brain, read_brain, reference
from brainmidi.evaluate.shamkey import KEY_FILE, REAL, Key
from brainmidi.evaluate.standout import Agreement, Reference, StandsOut, agreement, knob_agreement
from brainmidi.music.phrase import Anchor
from brainmidi.music.voices import Voices
from brainmidi.types import Bar

_MOST = 99


@dataclass(frozen=True, slots=True)
class Score:
    """What came of a brain: how far the music, and how far the knobs, follow the reference."""

    brain: Brain
    heard: Agreement
    knobs: Agreement


def make_sham(
    config: SessionConfig,
    recordings: Sequence[tuple[str, Path]],
    folder: Path,
    *,
    others: Sequence[Path] = (),
    n: int = 20,
    marked: bool = False,
    voices: VoiceLoader | None = None,
    anchors: tuple[Anchor, ...] | None = None,
    progress: Callable[[str], None] = lambda line: None,
    rng: np.random.Generator | None = None,
) -> Key:
    """Make a score of a recording and of its shams, with the same settings and seed, and seal which is which.

    Parameters
    ----------
    config : SessionConfig
        All settings. A profile or a recorded rest holds for the recording and its surrogates; other brains, and all
        where none is named, have their own first seconds. A learned map is one person's: with `others`, its knobs
        follow their usual features in every score.
    recordings : sequence of (str, Path)
        Of one brain, each with its label; several are joined, and the labels are the phases that the music is held
        against.
    folder : Path
        Where the scores go, as A01.mid, A02.mid, ..., with key.json; made if need be.
    others : sequence of Path
        Recordings of other people. Every score is as long as the shortest brain.
    n : int
        Surrogates, 1..99.
    marked : bool
        Whether the recordings' markers are the phases instead.
    voices : callable, optional
        Makes the voices of ``[session] parts``; the models are loaded once by default.
    anchors : tuple of Anchor, optional
        Of the melody; the shipped ones by default.
    progress : callable, optional
        Told in a line what comes next.
    rng : numpy.random.Generator, optional
        Draws the blind names; by default nobody can foresee them. (The surrogates' phases come from the seed.)

    Returns
    -------
    Key
        Already sealed in `folder`.

    Raises
    ------
    ConfigError
        `n` is out of range, the folder holds a key already, or the settings do not suit one of the brains.
    SourceError
        A recording cannot be read or is too short.
    """
    if not 1 <= n <= _MOST:
        raise ConfigError(f"-n {n} is outside 1..{_MOST}; 20 is usual, 99 can show p = 0.01")
    if (folder / KEY_FILE).exists():
        raise ConfigError(f"-o {folder} holds sham scores already; name another folder, or reveal those first")
    notes: list[str] = []
    if others and (plain := declarative(config)) != config:
        config = plain
        notes.append(
            "the learned map is one person's: in every score its knobs follow the features they have by default"
        )
    real = read_brain(recordings, config, marked=marked)
    strangers = [read_brain([(path.name, path)], config, OTHER) for path in others]
    seconds = _common_length(real, strangers)
    if seconds < real.duration_s:
        notes.append(
            f"every score is of the first {seconds:.1f} s of {real.duration_s:.1f} s, as another brain ends there"
        )
    truth = reference(real, config)
    brains = [real, *(real.surrogate(number, config.session.seed) for number in range(1, n + 1)), *strangers]
    play = _Player(config, voices, anchors)
    for brain in (real, *strangers):  # a mistake is told before the first score, not at a place that the lot decides
        play.prepare(brain.first(seconds), brain.which)
    for note in notes:
        progress(note)
    order = (np.random.default_rng() if rng is None else rng).permutation(len(brains))
    folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, Score] = {}
    for place, which in enumerate(order.tolist()):
        name = _blind_name(place)
        progress(f"{name} of {len(brains)}")
        bars = play(brains[which].first(seconds), folder / f"{name}.mid")
        found[name] = Score(brains[which], agreement(bars, truth), knob_agreement(bars, truth))
    key = _key(found, truth, notes)
    key.seal(folder)
    return key


def _common_length(real: Brain, strangers: Sequence[Brain]) -> float:
    """Return how many seconds all brains have.

    Raises
    ------
    SourceError
        One is so short that a phase would lose more than half of its time, and the music with it what it is held to.
    """
    shortest = min((real, *strangers), key=lambda brain: brain.duration_s)
    seconds = shortest.duration_s
    for label in {label for _, label in real.phases}:
        whole_s, left_s = real.seconds_of(label), real.first(seconds).seconds_of(label)
        if left_s < whole_s / 2:
            raise SourceError(
                f"--others {shortest.which} lasts {seconds:.1f} s, and the recording {real.duration_s:.1f} s: of its "
                f"phase {label} {left_s:.1f} of {whole_s:.1f} s would be left, half at least is needed; name a longer "
                "recording, or alternate shorter phases"
            )
    return seconds


def _blind_name(place: int) -> str:
    """Return A01 .. A99, B01 ..: nothing that tells one from another."""
    return f"{string.ascii_uppercase[place // 99]}{place % 99 + 1:02d}"


class _Player:
    """Makes scores with one set of voices, loaded at the first."""

    def __init__(self, config: SessionConfig, voices: VoiceLoader | None, anchors: tuple[Anchor, ...] | None) -> None:
        self._config = config
        self._load = voices
        self._voices: Voices | None = None
        self._setup = assemble.session_setup(config, anchors)
        self._checkpoints = chosen_checkpoints(config)

    def __call__(self, brain: Brain, midi: Path) -> tuple[Bar, ...]:
        config, setup = self._config, self._setup
        if self._voices is None:
            self._voices = self._first_voices()
        voices = self._voices
        signal = self.prepare(brain, midi.stem)
        session = make_session(setup, config.session.parts, lambda: voices, checkpoints=self._checkpoints)
        files = TakeFiles(midi, title=midi.stem)
        channels = part_channels(config)
        keeper = TakeKeeper(files, metre=str(setup.metre), key=setup.key, channels=channels, autosave=False)
        with keeper:
            return score_signal(signal, session, keeper).bars

    def prepare(self, brain: Brain, name: str) -> Signal:
        """Return the way from the samples of `brain` to controls; what is called `name` must not tell whose it is."""
        chunk, config = brain.chunk, self._config
        source = ArraySource(name, chunk.samples_uv, chunk.montage, chunk.markers)
        return prepare(_without_profile(config) if brain.kind == OTHER else config, source)

    def _first_voices(self) -> Voices:
        if self._load is not None:
            return Voices(*self._load())
        from brainmidi.drivers.voices import load_voices

        return load_voices(self._config.session.parts, checkpoints=self._checkpoints, style=self._setup.style)


def _without_profile(config: SessionConfig) -> SessionConfig:
    """Return the settings for another person, to whom a profile or a recorded rest does not belong."""
    rest = config.baseline.model_copy(update={"profile": "", "recording": ""})
    return config.model_copy(update={"baseline": rest})


def _key(found: Mapping[str, Score], truth: Reference, notes: Sequence[str]) -> Key:
    """Return the key with every score's figures, and how far the real one stands out."""
    (real,) = (score for score in found.values() if score.brain.kind == REAL)
    lines = [
        *notes,
        f"held against {truth.text}: rank correlation over bars, the largest of all that is heard, and of all knobs",
    ]
    for name, score in sorted(found.items(), key=lambda item: -item[1].heard.value):
        ears, knobs = score.heard, score.knobs
        columns = f"{ears.value:.2f} {ears.name:<12}  {knobs.value:.2f} {knobs.name:<11}"
        lines.append(f"{name}  {columns}  {score.brain.kind} {score.brain.which}".rstrip())
    p: dict[str, float] = {}
    for kind in (SURROGATE, OTHER):
        shams = [score for score in found.values() if score.brain.kind == kind]
        if shams:
            by_ear = StandsOut(real.heard.value, tuple(score.heard.value for score in shams))
            by_knob = StandsOut(real.knobs.value, tuple(score.knobs.value for score in shams))
            lines += [f"{kind}, heard: {by_ear.text()}", f"{kind}, knobs: {by_knob.text()}"]
            p |= {f"{kind}, heard": by_ear.p, f"{kind}, knobs": by_knob.p}
    figures = {name: {"heard": asdict(score.heard), "knobs": asdict(score.knobs)} for name, score in found.items()}
    return Key(
        {name: score.brain.kind for name, score in found.items()},
        tuple(lines),
        {"reference": truth.text, "p": p, "scores": figures},
    )

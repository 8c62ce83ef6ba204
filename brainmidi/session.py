"""The pure core: one bar at a time, from controls and what was heard. No clock, no input or output, no thread."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from brainmidi.errors import MusicError
from brainmidi.music import ensemble, form
from brainmidi.music.constraint import tones_by_step
from brainmidi.music.coplayer import chord_changes, held_chords, nearest
from brainmidi.music.ensemble import BarPlan, Dynamics, PartRange
from brainmidi.music.form import Role
from brainmidi.music.harmony import Chord, Key, Metre, Progression
from brainmidi.music.phrase import Anchor, beat_of, joined, transposed
from brainmidi.music.voices import AccompanimentVoice, Float32Array, MelodyVoice, VoiceState
from brainmidi.types import PARTS, Bar, ControlFrame, Note, Phrase

#: What a part's range may span: the models' 21..108, less the six semitones by which a key may lie from C.
LOWEST, HIGHEST = 27, 102

_RANGES: Mapping[str, PartRange] = MappingProxyType({"melody": PartRange(60, 88), "accompaniment": PartRange(36, 67)})


@dataclass(frozen=True, slots=True)
class SessionSetup:
    """What is settled before the first note.

    Parameters
    ----------
    key, metre, progression : Key, Metre, Progression
        The harmony and its grid.
    anchors : tuple of Anchor
        The corners between which the melody's latent moves, in C major; events go from one to the next and around.
    tempo_bpm : float
        Quarter notes a minute with the tempo knob at 0.5, 30..240.
    tempo_span : float
        How far the knob moves the tempo, as a share of it, 0..0.5.
    tempo_slew : float
        Largest change of tempo from bar to bar, as a share of `tempo_bpm`, above 0.
    seed : int
        Of all that is sampled.
    bars : int or None
        Length of the piece where it is known; its last bar closes.
    ranges : mapping of str to PartRange
        Pitches of ``"melody"`` and ``"accompaniment"``, within 27..102.
    temperature : tuple of two floats
        The second part's sampling temperature at knob positions 0 and 1.
    melody_temperature : float
        That of the melody, whose freedom is its latent.
    dynamics : Dynamics
        Velocities at knob positions 0 and 1.
    register_semitones : int
        How far the register knob moves the melody's centre, up or down.
    max_voices : int
        Most notes that the second part sounds at once.
    """

    key: Key
    metre: Metre
    progression: Progression
    anchors: tuple[Anchor, ...]
    tempo_bpm: float = 96.0
    tempo_span: float = 0.08
    tempo_slew: float = 0.02
    seed: int = 1
    bars: int | None = None
    ranges: Mapping[str, PartRange] = field(default_factory=lambda: _RANGES)
    temperature: tuple[float, float] = (0.6, 1.2)
    melody_temperature: float = 0.75
    dynamics: Dynamics = field(default_factory=Dynamics)
    register_semitones: int = 7
    max_voices: int = 3

    def __post_init__(self) -> None:
        self.progression.check(self.metre)
        if not self.anchors:
            raise MusicError("0 anchors given, at least 1 is needed; restore the checkpoint's anchors.json")
        if not 30 <= self.tempo_bpm <= 240:
            raise MusicError(f"tempo {self.tempo_bpm:g} is outside 30..240 quarter notes a minute; choose one inside")
        if not 0 <= self.tempo_span <= 0.5 or not 0 < self.tempo_slew <= 0.5:
            raise MusicError(
                f"tempo span {self.tempo_span:g} and slew {self.tempo_slew:g} must lie in 0..0.5; choose smaller ones"
            )
        if self.bars is not None and self.bars < 1:
            raise MusicError(f"{self.bars} bars cannot be played, 1 or more are allowed; leave the number out to go on")
        if not 0.1 <= self.temperature[0] <= self.temperature[1] <= 2.0:
            raise MusicError(f"temperature {self.temperature} is outside 0.1..2.0; give low and high inside, rising")
        for part in PARTS:
            limits = self.ranges.get(part)
            if limits is None or limits.low < LOWEST or limits.high > HIGHEST or limits.high < limits.low + 12:
                shown = "missing" if limits is None else f"{limits.low}..{limits.high}"
                raise MusicError(
                    f"range {shown} of the {part} is not allowed; give it low and high within {LOWEST}..{HIGHEST}, an "
                    "octave apart or more, in [parts]"
                )
        object.__setattr__(self, "ranges", MappingProxyType(dict(self.ranges)))


@dataclass(frozen=True, slots=True)
class SessionState:
    """What the next bar depends on, besides its controls.

    Parameters
    ----------
    index : int
        Of the bar that comes next.
    start : Fraction
        Beat of the take on which it begins.
    tempo_bpm : float
        Of the bar before it.
    anchor : int
        Number of the anchor in force.
    first : Phrase or None
        Melody of the running phrase's first bar, in the models' space, where the second comes next.
    theme : Phrase or None
        Two bars that the form recalls, in the models' space.
    memory : object
        What the accompaniment voice remembers.
    memory_before : object
        The same without the last bar, in case that bar was never heard.
    last : Bar or None
        The bar decided last.
    """

    index: int
    start: Fraction
    tempo_bpm: float
    anchor: int
    first: Phrase | None
    theme: Phrase | None
    memory: VoiceState
    memory_before: VoiceState
    last: Bar | None


class Session:
    """A set-up and two voices; every method is a function of its arguments.

    Parameters
    ----------
    setup : SessionSetup
        What is settled.
    melody : MelodyVoice
        The latent model; the anchors are encoded once, here.
    accompaniment : AccompanimentVoice
        The continuing model.
    """

    def __init__(self, setup: SessionSetup, melody: MelodyVoice, accompaniment: AccompanimentVoice) -> None:
        self.setup = setup
        self._melody = melody
        self._accompaniment = accompaniment
        anchors = (anchor.in_mode(setup.key) for anchor in setup.anchors)
        self._corners: tuple[tuple[Float32Array, Float32Array], ...] = tuple(
            (melody.encode(anchor.calm), melody.encode(anchor.active)) for anchor in anchors
        )
        self._lowered = {part: limits.lowered(setup.key.transposition) for part, limits in setup.ranges.items()}

    def is_last(self, index: int) -> bool:
        """Return whether the set-up ends with bar `index`."""
        return self.setup.bars is not None and index >= self.setup.bars - 1

    def initial(self) -> SessionState:
        """Return the state before bar 0."""
        memory = self._accompaniment.initial()
        return SessionState(0, Fraction(0), self.setup.tempo_bpm, 0, None, None, memory, memory, None)

    def step(
        self, state: SessionState, controls: ControlFrame, heard: Bar | None, *, last: bool = False
    ) -> tuple[SessionState, Bar]:
        """Decide the next bar.

        Parameters
        ----------
        state : SessionState
            As this method, :meth:`adopt` or :meth:`initial` returned it.
        controls : ControlFrame
            Where the knobs stand.
        heard : Bar or None
            The bar before, as it was really played; None where it was played as decided.
        last : bool
            Whether the music ends with this bar; the set-up's own last bar always does.

        Returns
        -------
        SessionState
            For the bar after this one.
        Bar
            Both parts, in order.
        """
        setup = self.setup
        if heard is not None and state.last is not None and heard.index == state.last.index and heard != state.last:
            state = self._corrected(state, heard)
        starts_phrase = form.is_phrase_start(state.index)
        anchor = controls.anchor_steps % len(self._corners) if starts_phrase else state.anchor
        theme = state.theme if anchor == state.anchor else None
        mix, density, level = (self._knob(controls, name) for name in ("latent_mix", "density", "velocity"))
        calm, active = self._corners[anchor]
        tempo = self._tempo(state, self._knob(controls, "tempo"))
        temperature = setup.temperature[0] + (setup.temperature[1] - setup.temperature[0]) * self._knob(
            controls, "temperature"
        )
        plan = self._plan(state.index, last=last)
        other = self._plan(state.index + (1 if starts_phrase else -1))
        z = self._melody.between(calm, active, mix)
        if form.contrasts(state.index):
            # As far along the next anchor's axis as the brain stands on this one's: the brain is heard here too.
            beyond = self._melody.between(*self._corners[(anchor + 1) % len(self._corners)], mix)
            z = self._melody.between(z, beyond, form.CONTRAST)
        line = ensemble.melody(
            self._melody,
            z,
            (plan, other) if starts_phrase else (other, plan),
            key=setup.key,
            metre=setup.metre,
            pitch_range=self._lowered["melody"],
            register=(2 * self._knob(controls, "register") - 1) * setup.register_semitones,
            density=density,
            temperature=setup.melody_temperature,
            seed=setup.seed,
            first=None if starts_phrase else state.first or Phrase((), setup.metre.length),
            theme=theme if form.recalls_theme(state.index) else None,
        )
        line = ensemble.sung(line, setup.metre, level, setup.dynamics)
        memory, chords = ensemble.accompaniment(
            self._accompaniment,
            state.memory,
            line,
            plan,
            metre=setup.metre,
            pitch_range=self._lowered["accompaniment"],
            density=density,
            temperature=temperature,
            level=level,
            limits=setup.dynamics,
            seed=setup.seed,
            before=[note.pitch - setup.key.transposition for note in self._last_notes(state, "accompaniment")],
            max_voices=setup.max_voices,
        )
        both = Phrase((*line.notes, *chords.notes), setup.metre.length)
        bar = Bar(
            index=state.index,
            start=state.start,
            phrase=transposed(both, setup.key.transposition),
            tempo_bpm=tempo,
            chords=self._symbols(state.index, last=last),
            anchor=setup.anchors[anchor].name,
            latent_mix=mix,
            temperature=temperature,
            controls=controls,
        )
        return self._after(replace(state, anchor=anchor, theme=theme), bar, line, memory), bar

    def fallback(self, state: SessionState) -> Bar:
        """Return a bar for the index that comes next, made with no model: the chord held, led from what was played."""
        setup = self.setup
        lower, upper = setup.ranges["accompaniment"], setup.ranges["melody"]
        level = max(1, (setup.dynamics.low + setup.dynamics.high) // 2 - 12)
        tones = [now.transposed(setup.key.transposition) for now in self._plan(state.index).tones]
        notes = list(
            held_chords(
                tones,
                [note.pitch for note in self._last_notes(state, "accompaniment")],
                start=0,
                low=lower.low,
                high=lower.high,
                voices=min(3, setup.max_voices),
                velocity=level,
            )
        )
        melody = self._last_notes(state, "melody")
        top = melody[-1].pitch if melody else (upper.low + upper.high) // 2
        for step, end, now in chord_changes(tones):
            top = nearest(now.chord, top, low=upper.low, high=upper.high)
            notes.append(Note(beat_of(step), beat_of(end - step), top, level, "melody"))
        last = state.last
        return Bar(
            index=state.index,
            start=state.start,
            phrase=Phrase(tuple(notes), setup.metre.length),
            tempo_bpm=state.tempo_bpm,
            chords=self._symbols(state.index),
            anchor=setup.anchors[state.anchor].name,
            latent_mix=last.latent_mix if last else 0.5,
            temperature=last.temperature if last else sum(setup.temperature) / 2,
            controls=last.controls if last else ControlFrame.neutral(0.0),
            fallback=True,
        )

    def adopt(self, state: SessionState, bar: Bar) -> SessionState:
        """Return the state after `bar`, a fallback for the index that comes next, was played with nothing composed."""
        line = transposed(bar.phrase.part("melody"), -self.setup.key.transposition)
        return self._after(state, bar, line, state.memory)

    def _corrected(self, state: SessionState, heard: Bar) -> SessionState:
        """Return `state` as it is when `heard` sounded in place of the bar decided last."""
        line = transposed(heard.phrase.part("melody"), -self.setup.key.transposition)
        theme = state.theme
        if form.states_theme(heard.index) and not form.is_phrase_start(heard.index):
            theme = None  # half of the theme was never heard: nothing to recall
        first = line if form.is_phrase_start(heard.index) else None
        return replace(state, first=first, theme=theme, memory=state.memory_before, last=heard)

    def _after(self, state: SessionState, bar: Bar, line: Phrase, memory: VoiceState) -> SessionState:
        starts = form.is_phrase_start(bar.index)
        theme = state.theme
        if not starts and state.first is not None and (
            form.states_theme(bar.index) or (theme is None and not form.contrasts(bar.index))
        ):
            theme = joined(state.first, line)
        return SessionState(
            index=bar.index + 1,
            start=bar.end,
            tempo_bpm=bar.tempo_bpm,
            anchor=state.anchor,
            first=line if starts else None,
            theme=theme,
            memory=memory,
            memory_before=state.memory,
            last=bar,
        )

    def _chords(self, index: int, *, last: bool = False) -> tuple[tuple[Fraction, Chord], ...]:
        chords = self.setup.progression.bar(index, self.setup.metre)
        if not (last or self.is_last(index)):
            return chords
        # The end comes to rest on the tonic's chord, on the progression's own where that is one.
        own = chords[0][1]
        return ((Fraction(0), own if own.classes[0] == self.setup.key.tonic_class else self.setup.key.tonic_chord()),)

    def _symbols(self, index: int, *, last: bool = False) -> tuple[tuple[Fraction, str], ...]:
        return tuple((beat, chord.symbol) for beat, chord in self._chords(index, last=last))

    def _plan(self, index: int, *, last: bool = False) -> BarPlan:
        last = last or self.is_last(index)
        chords = self._chords(index, last=last)
        role: Role = form.role(index, last=last)
        return BarPlan(index, role, tones_by_step(chords, self.setup.key, self.setup.metre))

    def _tempo(self, state: SessionState, knob: float) -> float:
        """Return the next bar's tempo: bounded by the span, slewed from the bar before, rounded as MIDI can say it."""
        base = self.setup.tempo_bpm
        wanted = base * (1 + self.setup.tempo_span * (2 * knob - 1))
        reach = base * self.setup.tempo_slew
        slewed = float(np.clip(wanted, state.tempo_bpm - reach, state.tempo_bpm + reach))
        # A MIDI file holds whole microseconds a quarter note: what is played and what is saved are then the same.
        return 60e6 / round(60e6 / slewed)

    @staticmethod
    def _knob(controls: ControlFrame, name: str) -> float:
        return controls.knobs.get(name, 0.5)

    @staticmethod
    def _last_notes(state: SessionState, part: str) -> list[Note]:
        """Return the notes of `part` that the last bar ended with, low to high for chords."""
        if state.last is None:
            return []
        notes = state.last.phrase.part(part).notes
        latest = max((note.end for note in notes), default=Fraction(0))
        return sorted((note for note in notes if note.end == latest), key=lambda note: note.pitch)

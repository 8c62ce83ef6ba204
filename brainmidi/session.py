"""The pure core: one bar at a time, from controls and what was heard. No clock, no input or output, no thread."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from brainmidi.music import ensemble, form
from brainmidi.music.band import Band, Moment, heard_lines
from brainmidi.music.constraint import tones_by_step
from brainmidi.music.ensemble import BarPlan
from brainmidi.music.form import Role
from brainmidi.music.harmony import Chord
from brainmidi.music.phrase import joined, transposed
from brainmidi.music.setup import HIGHEST, LOWEST, SessionSetup
from brainmidi.music.standin import last_notes, stand_in
from brainmidi.music.voices import AccompanimentVoice, BassVoice, DrumVoice, MelodyVoice, ReportingVoice, VoiceState
from brainmidi.types import Bar, ControlFrame, Deadline, Note, Phrase

__all__ = ["HIGHEST", "LOWEST", "Session", "SessionSetup", "SessionState"]


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
        How often the music has moved on to the next anchor; each part goes around its own.
    first : Phrase or None
        What the latent parts play in the running phrase's first bar, where the second comes next: melody and bass in
        the models' space, drums on the grid.
    theme : Phrase or None
        Two bars of the same that the form recalls.
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
    """A set-up and the voices; every method is a function of its arguments.

    Parameters
    ----------
    setup : SessionSetup
        What is settled.
    melody : MelodyVoice
        The latent model; the anchors are encoded once, here.
    accompaniment : AccompanimentVoice
        The continuing model.
    bass : BassVoice, optional
        The latent model of the bass; without one there is none.
    drums : DrumVoice, optional
        That of the drums; likewise.

    Raises
    ------
    MusicError
        If a latent part has no anchors.
    """

    def __init__(
        self,
        setup: SessionSetup,
        melody: MelodyVoice,
        accompaniment: AccompanimentVoice,
        bass: BassVoice | None = None,
        drums: DrumVoice | None = None,
    ) -> None:
        self.setup = setup
        self._accompaniment = accompaniment
        self._band = Band(setup, melody, bass, drums)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that play, in score order."""
        return self._band.parts

    def is_last(self, index: int) -> bool:
        """Return whether the set-up ends with bar `index`."""
        return self.setup.bars is not None and index >= self.setup.bars - 1

    def initial(self) -> SessionState:
        """Return the state before bar 0."""
        memory = self._accompaniment.initial()
        return SessionState(0, Fraction(0), self.setup.tempo_bpm, 0, None, None, memory, memory, None)

    def step(
        self,
        state: SessionState,
        controls: ControlFrame,
        heard: Bar | None,
        *,
        last: bool = False,
        deadline: Deadline | None = None,
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
        deadline : Deadline or None
            When the bar has to be there, for a second part that can stop in time. With one, what it manages to say
            depends on its clock; without one the bar is a function of the other arguments.

        Returns
        -------
        SessionState
            For the bar after this one.
        Bar
            All parts, in order.
        """
        setup, index = self.setup, state.index
        if heard is not None and state.last is not None and heard.index == state.last.index and heard != state.last:
            state = self._corrected(state, heard)
        starts_phrase = form.is_phrase_start(index)
        anchor = controls.anchor_steps if starts_phrase else state.anchor
        theme = state.theme if (anchor - state.anchor) % len(setup.anchors) == 0 else None
        density, level = self._knob(controls, "density"), self._knob(controls, "velocity")
        plan, other = self._plan(index, last=last), self._plan(index + (1 if starts_phrase else -1))
        now = Moment(
            index=index,
            plans=(plan, other) if starts_phrase else (other, plan),
            anchor=anchor,
            first=None if starts_phrase else state.first or Phrase((), setup.metre.length),
            theme=theme if form.recalls_theme(index) else None,
            mix=self._knob(controls, "latent_mix"),
            density=density,
            level=level,
            register=self._knob(controls, "register"),
        )
        temperature = setup.temperature[0] + (setup.temperature[1] - setup.temperature[0]) * self._knob(
            controls, "temperature"
        )
        played = self._band.play(now)
        memory, chords = ensemble.accompaniment(
            self._accompaniment,
            state.memory,
            played.melody,
            played.bass,
            plan,
            metre=setup.metre,
            pitch_range=setup.ranges["accompaniment"].lowered(setup.key.transposition),
            density=density,
            temperature=temperature,
            level=level,
            limits=setup.dynamics,
            seed=setup.seed,
            before=[note.pitch - setup.key.transposition for note in last_notes(state.last, "accompaniment")],
            max_voices=setup.max_voices,
            harmony=setup.harmony,
            since=(density, temperature)
            if state.last is None
            else (self._knob(state.last.controls, "density"), state.last.temperature),
            deadline=deadline,
        )
        pitched = Phrase((*played.melody.notes, *chords.notes, *played.bass.notes), setup.metre.length)
        sounding = transposed(pitched, setup.key.transposition).notes
        bar = Bar(
            index=index,
            start=state.start,
            phrase=Phrase((*sounding, *played.drums.notes, *self._stimuli(index)), setup.metre.length),
            tempo_bpm=self._tempo(state, self._knob(controls, "tempo")),
            chords=self._symbols(index, last=last),
            anchor=setup.anchors[anchor % len(setup.anchors)].name,
            latent_mix=now.mix,
            temperature=temperature,
            controls=controls,
            parts=self.parts,
            report=self._accompaniment.report(memory) if isinstance(self._accompaniment, ReportingVoice) else {},
        )
        return self._after(replace(state, anchor=anchor, theme=theme), bar, played.lines, memory), bar

    def fallback(self, state: SessionState) -> Bar:
        """Return a bar for the index that comes next, made with no model: the chord held, led from what was played."""
        setup = self.setup
        plan, last = self._plan(state.index), state.last
        tones = [now.transposed(setup.key.transposition) for now in plan.tones]
        stood = stand_in(setup, self.parts, tones, last, plan.role)
        return Bar(
            index=state.index,
            start=state.start,
            phrase=Phrase((*stood.notes, *self._stimuli(state.index)), setup.metre.length),
            tempo_bpm=state.tempo_bpm,
            chords=self._symbols(state.index),
            anchor=setup.anchors[state.anchor % len(setup.anchors)].name,
            latent_mix=last.latent_mix if last else 0.5,
            temperature=last.temperature if last else sum(setup.temperature) / 2,
            controls=last.controls if last else ControlFrame.neutral(0.0),
            fallback=True,
            parts=self.parts,
        )

    def adopt(self, state: SessionState, bar: Bar) -> SessionState:
        """Return the state after `bar`, a fallback for the index that comes next, was played with nothing composed."""
        return self._after(state, bar, heard_lines(bar, self.setup.key), state.memory)

    def _corrected(self, state: SessionState, heard: Bar) -> SessionState:
        """Return `state` as it is when `heard` sounded in place of the bar decided last."""
        theme = state.theme
        if form.states_theme(heard.index) and not form.is_phrase_start(heard.index):
            theme = None  # half of the theme was never heard: nothing to recall
        first = heard_lines(heard, self.setup.key) if form.is_phrase_start(heard.index) else None
        return replace(state, first=first, theme=theme, memory=state.memory_before, last=heard)

    def _after(self, state: SessionState, bar: Bar, lines: Phrase, memory: VoiceState) -> SessionState:
        starts = form.is_phrase_start(bar.index)
        theme = state.theme
        if (
            not starts
            and state.first is not None
            and (form.states_theme(bar.index) or (theme is None and not form.contrasts(bar.index)))
        ):
            theme = joined(state.first, lines)
        return SessionState(
            index=bar.index + 1,
            start=bar.end,
            tempo_bpm=bar.tempo_bpm,
            anchor=state.anchor,
            first=lines if starts else None,
            theme=theme,
            memory=memory,
            memory_before=state.memory,
            last=bar,
        )

    def _stimuli(self, index: int) -> tuple[Note, ...]:
        """Return the oddball's notes of bar `index`, which no part hears and no form recalls."""
        setup = self.setup
        return () if setup.oddball is None else setup.oddball.notes(index, setup.key, setup.metre, setup.seed)

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

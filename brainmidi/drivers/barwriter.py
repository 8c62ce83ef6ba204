"""One bar of accompaniment, event by event: the melody's events are given, the model chooses everything around them.

Events come in the canonical order of :mod:`brainmidi.codec.performance`. At each instant the model first ends notes of
its own; then the melody's events are fed to it; then it may strike notes below; then it says how long to wait, at most
until the melody moves again or the bar ends. Waits are whole sixteenths: the second part keeps the metre.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from brainmidi.codec import performance as codec
from brainmidi.models.sampling import Sampling, draw, pooled
from brainmidi.music.voices import Constraint, Float32Array
from brainmidi.types import Note, Phrase

SIXTEENTH = codec.TICKS_PER_SIXTEENTH
LONGEST_WAIT = codec.MAX_SHIFT // SIXTEENTH * SIXTEENTH
#: The unlikeliest tail of the distribution is where a small model plays wrong notes.
TOP_P = 0.97
PART = "accompaniment"


class BarWriter:
    """Writes one bar; used once.

    Parameters
    ----------
    feed : callable
        Takes an event, returns the logits, shape (310,), of the next.
    logits : ndarray, shape (310,)
        Of the first event.
    melody_bar : Phrase
        Sixteenth grid; its length is the bar's.
    constraint : Constraint
        One row a sixteenth.
    temperature : float
        Above 0.
    rng : numpy.random.Generator
        All randomness.
    max_voices : int
        Most notes of the second part that sound at once.
    """

    def __init__(
        self,
        feed: Callable[[int], Float32Array],
        logits: Float32Array,
        melody_bar: Phrase,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        max_voices: int,
    ) -> None:
        self._feed_model, self._logits = feed, logits
        self._constraint, self._temperature, self._rng, self._max_voices = constraint, temperature, rng, max_voices
        self._sampling = Sampling(temperature, top_p=TOP_P)
        self._length = melody_bar.length
        self._end = int(melody_bar.length * codec.TICKS_PER_BEAT)
        self._bar_steps = self._end // SIXTEENTH
        self._melody_on = {_tick(note.start): note.pitch for note in melody_bar}
        self._melody_off = {_tick(note.end): note.pitch for note in melody_bar}
        self._tick = 0
        self._loudness: int | None = None
        self._melody_sounds: int | None = None
        self._sounding: dict[int, int] = {}  # own pitches: start tick
        self._notes: list[tuple[int, int, int]] = []  # start, end, pitch

    def write(self, velocities: Float32Array) -> Phrase:
        """Return the bar; `velocities`, shape (n_steps,), says how hard each step is struck."""
        while self._tick < self._end:
            self._release()
            self._strike()
            self._wait()
        for pitch in sorted({*self._sounding, *([self._melody_sounds] if self._melody_sounds is not None else [])}):
            self._feed(codec.note_off(pitch))
        for pitch, start in self._sounding.items():
            self._notes.append((start, self._end, pitch))
        notes = tuple(
            Note(
                Fraction(start, codec.TICKS_PER_BEAT),
                Fraction(end - start, codec.TICKS_PER_BEAT),
                pitch,
                int(np.clip(round(float(velocities[start // SIXTEENTH])), 1, 127)),
                PART,
            )
            for start, end, pitch in self._notes
        )
        return Phrase(notes, self._length)

    def _feed(self, token: int) -> None:
        self._logits = self._feed_model(token)

    def _draw(self, bias: Float32Array) -> int:
        return draw(self._logits, self._sampling, self._rng, bias)

    def _release(self) -> None:
        """End own notes as the model says, lowest first, then the melody's if its time has come."""
        lowest = -1
        # Where new notes are not wanted the old ones are held: else a sparse bar would be a bar of holes.
        reluctance = min(float(self._constraint.onset_bias[self._tick // SIXTEENTH]), 0.0)
        while True:
            open_pitches = [p for p, start in self._sounding.items() if p > lowest and start < self._tick]
            if not open_pitches:
                break
            # Everything that is no note-off of ours means "none (more)".
            bias = np.zeros(codec.N_CLASSES, dtype=np.float32)
            bias[: codec.NOTE_ON] = -np.inf
            bias[codec.NOTE_OFF : codec.SHIFT] = -np.inf
            bias[[codec.note_off(p) for p in open_pitches]] = reluctance
            if self._melody_off.get(self._tick) is not None:
                bias[codec.note_off(self._melody_off[self._tick])] = 0.0
            token = self._draw(bias)
            pitch = token - codec.NOTE_OFF + codec.MIN_PITCH
            if not codec.NOTE_OFF <= token < codec.SHIFT or pitch not in self._sounding:
                break
            self._feed(token)
            self._notes.append((self._sounding.pop(pitch), self._tick, pitch))
            lowest = pitch
        ending = self._melody_off.get(self._tick)
        if ending is not None and ending == self._melody_sounds:
            self._feed(codec.note_off(ending))
            self._melody_sounds = None

    def _strike(self) -> None:
        """Feed the melody's onset, then strike own notes from the highest down while the model wants more."""
        step = self._tick // SIXTEENTH
        ceiling = codec.MAX_PITCH + 1
        onset = self._melody_on.get(self._tick)
        if onset is not None:
            if onset in self._sounding:  # the melody takes over a pitch that we hold
                self._feed(codec.note_off(onset))
                if self._sounding[onset] < self._tick:
                    self._notes.append((self._sounding[onset], self._tick, onset))
                del self._sounding[onset]
            self._set_loudness(step)
            self._feed(codec.note_on(onset))
            self._melody_sounds = ceiling = onset
        struck = False
        while len(self._sounding) < self._max_voices:
            bias = self._onset_bias(step, ceiling, first=not struck)
            if not np.isfinite(bias[codec.NOTE_ON : codec.NOTE_OFF]).any():
                break
            if self._loudness != self._accent(step):
                # A change of loudness comes before the note: whichever class the model names, it wants a note.
                if not self._wants_onset(step):
                    break
                self._set_loudness(step)
                bias[codec.SHIFT : codec.VELOCITY] = -np.inf
            token = self._draw(bias)
            if token >= codec.NOTE_OFF:
                break
            ceiling = token - codec.NOTE_ON + codec.MIN_PITCH
            self._feed(token)
            self._sounding[ceiling] = self._tick
            struck = True

    def _onset_bias(self, step: int, ceiling: int, *, first: bool) -> Float32Array:
        """Allow own onsets below `ceiling`, and waiting, which says "no more"."""
        bias = np.full(codec.N_CLASSES, -np.inf, dtype=np.float32)
        pitches = self._constraint.pitch_bias[step, codec.MIN_PITCH : codec.MAX_PITCH + 1].copy()
        if first:
            pitches += self._constraint.onset_bias[step]
        elif not np.isfinite(self._constraint.onset_bias[step]):
            pitches[:] = -np.inf
        pitches[max(ceiling - codec.MIN_PITCH, 0) :] = -np.inf
        taken = [p - codec.MIN_PITCH for p in self._sounding]
        if self._melody_sounds is not None:
            taken.append(self._melody_sounds - codec.MIN_PITCH)
        pitches[taken] = -np.inf
        bias[codec.NOTE_ON : codec.NOTE_OFF] = pitches
        bias[codec.SHIFT : codec.VELOCITY] = 0.0
        return bias

    def _wants_onset(self, step: int) -> bool:
        """Ask whether the model would rather strike (any loudness) than wait."""
        loud, wait = self._logits[codec.VELOCITY :], self._logits[codec.SHIFT : codec.VELOCITY]
        two = np.array([pooled(loud / self._temperature), pooled(wait / self._temperature)])
        return draw(two, Sampling(), self._rng, np.array([self._constraint.onset_bias[step], 0.0])) == 0

    def _accent(self, step: int) -> int:
        return codec.velocity_token(codec.metrical_velocity(step, self._bar_steps))

    def _set_loudness(self, step: int) -> None:
        if self._loudness != self._accent(step):
            self._loudness = self._accent(step)
            self._feed(self._loudness)

    def _wait(self) -> None:
        """Let the model say how long, at most until the melody moves or the bar ends."""
        ahead = [tick for tick in (*self._melody_on, *self._melody_off) if tick > self._tick]
        limit = min([self._end, *ahead]) - self._tick
        longest = min(limit, LONGEST_WAIT)
        scores = self._logits[codec.SHIFT : codec.VELOCITY] / self._temperature
        waits = np.arange(SIXTEENTH, longest + 1, SIXTEENTH)
        # Longer waits than there is room for count as waiting to the limit.
        options = np.array([*(scores[w - 1] for w in waits[:-1]), pooled(scores[longest - 1 :])])
        ticks = int(waits[draw(options, Sampling(), self._rng)])
        self._feed(codec.shift(ticks))
        self._tick += ticks


def _tick(beat: Fraction) -> int:
    return int(beat * codec.TICKS_PER_BEAT)

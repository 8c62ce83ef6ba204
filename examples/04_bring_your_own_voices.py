"""Play with voices of your own: the session asks for bars, and anything that answers may write them.

Here the "latent" of the melody is a single number, how busy it is, and the second part holds chords. Neither knows any
harmony: the constraint that they are given says which pitches may start when. No model is loaded.
"""

from __future__ import annotations

import sys
import tempfile
from fractions import Fraction
from pathlib import Path

import numpy as np

from brainmidi.midi.files import write_midi
from brainmidi.music.harmony import Key, Metre, Progression
from brainmidi.music.phrase import Anchor, phrase_from_steps
from brainmidi.music.voices import Constraint, Float32Array, Surroundings, VoiceState
from brainmidi.session import Session, SessionSetup
from brainmidi.types import KNOBS, Bar, ControlFrame, Note, Phrase

BARS = 8


class WanderingMelody:
    """Wanders among the allowed pitches; the more active the latent, the more often it moves."""

    def encode(self, phrase: Phrase) -> Float32Array:
        return np.array([len(phrase.notes)], dtype=np.float32)

    def between(self, calm: Float32Array, active: Float32Array, mix: float) -> Float32Array:
        return np.asarray((1 - mix) * calm + mix * active, dtype=np.float32)

    def decode(
        self,
        z: Float32Array,
        constraint: Constraint,
        temperature: float,
        rng: np.random.Generator,
        prefix: Phrase | None,
    ) -> Phrase:
        every = max(2, round(32 / max(float(z[0]), 1.0)))  # sixteenths from note to note
        notes = [] if prefix is None else [note for note in prefix if note.start < 4]
        pitch = 72
        for step in range(0 if prefix is None else 16, 32, every):
            allowed = [p for p in constraint.allowed(step) if constraint.allows(step, p)]
            if not allowed:
                continue
            pitch = min(allowed, key=lambda p: abs(p - pitch - rng.normal(0, 4)))
            notes.append(Note(Fraction(step, 4), Fraction(min(every, 32 - step), 4), pitch))
        return Phrase(tuple(notes), Fraction(8))


class HeldChords:
    """Strikes three allowed pitches on the first beat and holds them."""

    def initial(self) -> VoiceState:
        return None

    def continue_bar(
        self,
        state: VoiceState,
        around: Surroundings,
        constraint: Constraint,
        temperature: float,
        velocities: Float32Array,
        rng: np.random.Generator,
        max_voices: int,
    ) -> tuple[VoiceState, Phrase]:
        bias = constraint.pitch_bias[0] + rng.gumbel(size=128)
        pitches = [int(pitch) for pitch in np.argsort(-bias)[:max_voices] if np.isfinite(bias[pitch])]
        length = Fraction(len(constraint), 4)
        velocity = int(np.clip(velocities[0], 1, 127))
        notes = tuple(Note(Fraction(0), length, pitch, velocity, "accompaniment") for pitch in sorted(pitches))
        return state, Phrase(notes, length)


def main(folder: Path) -> None:
    key, metre = Key.parse("F major"), Metre.parse("3/4")
    calm = phrase_from_steps([[0, 16, 72], [16, 16, 67]])
    active = phrase_from_steps([[step, 2, 72] for step in range(0, 32, 2)])
    setup = SessionSetup(key, metre, Progression.parse("F Dm Bb C7", key), (Anchor("one", calm, active),), bars=BARS)
    session = Session(setup, WanderingMelody(), HeldChords())

    state, bars = session.initial(), list[Bar]()
    for index in range(BARS):  # a brain that wakes up, in place of a signal
        wake = index / (BARS - 1)
        controls = ControlFrame(time_s=2.0 * index, knobs=dict.fromkeys(KNOBS, 0.5) | {"latent_mix": wake})
        state, bar = session.step(state, controls, None)
        bars.append(bar)
        print(f"bar {index + 1}: {len(bar.phrase.part('melody').notes)} notes in the melody, mix {bar.latent_mix:.2f}")
    write_midi(folder / "waking.mid", bars, metre=str(metre), sharps=key.sharps, minor=key.is_minor, title="Waking")
    print(f"wrote {folder / 'waking.mid'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))

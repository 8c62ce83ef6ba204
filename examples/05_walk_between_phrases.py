"""MusicVAE alone: walk from an anchor's calm phrase to its active one, and save the five steps one after another."""

from __future__ import annotations

import sys
import tempfile
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np

from brainmidi.drivers.voices import load_anchors, load_voices
from brainmidi.midi.files import write_midi
from brainmidi.music.voices import Constraint
from brainmidi.types import Bar, ControlFrame

STEPS = 5


def main(folder: Path) -> None:
    melody = load_voices().melody
    anchor = load_anchors()[0]
    calm, active = melody.encode(anchor.calm), melody.encode(anchor.active)
    free = Constraint(np.zeros((32, 128), dtype=np.float32), np.zeros(32, dtype=np.float32))  # nothing is forbidden

    bars = []
    for index in range(STEPS):
        mix = index / (STEPS - 1)
        z = melody.between(calm, active, mix)
        phrase = melody.decode(z, free, 0.5, np.random.default_rng(index), None)
        print(f"mix {mix:.2f}: {len(phrase.notes):2d} notes  {' '.join(str(note.pitch) for note in phrase)}")
        notes = tuple(replace(note, velocity=90) for note in phrase)
        bars.append(
            Bar(
                index=index,
                start=Fraction(8 * index),
                phrase=replace(phrase, notes=notes),
                tempo_bpm=100.0,
                chords=(),
                anchor=f"{anchor.name}, mix {mix:.2f}",
                latent_mix=mix,
                temperature=0.5,
                controls=ControlFrame.neutral(0.0),
            )
        )
    write_midi(folder / "walk.mid", bars, metre="4/4", sharps=0, minor=False, title="From calm to active")
    print(f"wrote {folder / 'walk.mid'}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.mkdtemp()))

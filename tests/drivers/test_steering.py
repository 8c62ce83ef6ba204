"""What pulls at a bar: strong beats are those of the metre."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from brainmidi.codec import chords as chord_codec
from brainmidi.drivers.steering import CLASSES, Controls, ControlSteering
from brainmidi.music.harmony import Metre

C = chord_codec.encode(0, "major")
SCALE, CHORD = {0, 2, 4, 5, 7, 9, 11}, {0, 4, 7}


def classes(steering: ControlSteering, step: int) -> set[int]:
    return set(CLASSES[np.isfinite(steering.pitches(step))].tolist())


@pytest.mark.parametrize(("metre", "strong"), [("6/8", {0, 6}), ("3/4", {0, 4, 8}), ("7/8", {0, 4, 8}), ("4/4", None)])
def test_strict_harmony_keeps_to_the_chord_on_the_pulses_of_the_metre(metre: str, strong: set[int] | None) -> None:
    known = Metre.parse(metre)
    steering = ControlSteering(lambda beat: Controls(harmony=1.0), known.steps, ((0, C),), strong=known.pulses)
    for step in range(known.steps):
        assert classes(steering, step) == (CHORD if step in (strong or {0, 4, 8, 12}) else SCALE)


def test_without_a_metre_every_quarter_note_is_strong_and_controls_may_move_within_the_bar() -> None:
    def moving(beat: Fraction) -> Controls:
        return Controls(temperature=1.0 + float(beat), harmony=0.0 if beat < 2 else 1.0)

    steering = ControlSteering(moving, 12, ((0, C),))
    assert classes(steering, 4) == set(range(12))
    assert classes(steering, 8) == CHORD
    assert classes(steering, 9) == SCALE
    assert [steering.sampling(step).temperature for step in (0, 4, 8)] == [1.0, 2.0, 3.0]

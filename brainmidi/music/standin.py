"""A bar made with no model, for when the next one is late: each part goes on from where it was."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fractions import Fraction

from brainmidi.music.coplayer import held_bass, held_chords, held_top
from brainmidi.music.drums import closing_hit, plain_beat
from brainmidi.music.form import Role
from brainmidi.music.harmony import Tones
from brainmidi.music.setup import SessionSetup
from brainmidi.types import Bar, Note, Phrase

_QUIETER = 12  # velocities below the middle of the dynamics


def stand_in(
    setup: SessionSetup, parts: Collection[str], tones: Sequence[Tones], last: Bar | None, role: Role
) -> Phrase:
    """Return a bar in which chords, bass and melody are held and the drums repeat what they played.

    Parameters
    ----------
    setup : SessionSetup
        Ranges, metre, dynamics.
    parts : collection of str
        Those that play.
    tones : sequence of Tones
        What may sound at each sixteenth of the bar, where it sounds.
    last : Bar or None
        The bar before, from which the voices are led.
    role : Role
        At the end the drums strike once.
    """
    level = max(1, (setup.dynamics.low + setup.dynamics.high) // 2 - _QUIETER)
    lower, upper = setup.ranges["accompaniment"], setup.ranges["melody"]
    before = [note.pitch for note in last_notes(last, "accompaniment")]
    voices = min(3, setup.max_voices)
    notes = list(held_chords(tones, before, start=0, low=lower.low, high=lower.high, voices=voices, velocity=level))
    top = _last_pitch(last, "melody", (upper.low + upper.high) // 2)
    notes += held_top(tones, top, low=upper.low, high=upper.high, velocity=level)
    if "bass" in parts:
        deep = setup.ranges["bass"]
        bottom = _last_pitch(last, "bass", (deep.low + deep.high) // 2)
        notes += held_bass(tones, bottom, low=deep.low, high=deep.high, velocity=level)
    if "drums" in parts:
        beat = closing_hit(setup.metre).notes if role is Role.FINAL else ()
        beat = beat or (last.phrase.part("drums").notes if last is not None else ())
        notes += beat or plain_beat(setup.metre).notes
    return Phrase(tuple(notes), setup.metre.length)


def last_notes(bar: Bar | None, part: str) -> list[Note]:
    """Return the notes of `part` that `bar` ended with, low to high for chords."""
    if bar is None:
        return []
    notes = bar.phrase.part(part).notes
    latest = max((note.end for note in notes), default=Fraction(0))
    return sorted((note for note in notes if note.end == latest), key=lambda note: note.pitch)


def _last_pitch(bar: Bar | None, part: str, otherwise: int) -> int:
    notes = last_notes(bar, part)
    return notes[-1].pitch if notes else otherwise

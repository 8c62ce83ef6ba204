"""``brainmidi continue``: a model of bars goes on from a MIDI file."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec import chords as chord_codec
from brainmidi.drivers.barrequest import BarRequest
from brainmidi.drivers.continuation import Continuation
from brainmidi.drivers.prompt import Prompt
from brainmidi.drivers.steering import Controls, ControlSteering
from brainmidi.drivers.timedmodel import StepModel
from brainmidi.errors import ModelError
from brainmidi.midi.song import SongNote
from brainmidi.models.checkpoint import find_checkpoint, read_config
from brainmidi.music.harmony import Metre, Progression

#: Without chords of its own the music goes on over those of so many last bars.
LAST_BARS = 8
#: Chords of a bar: step and class of each.
_Chords = tuple[tuple[int, int], ...]


def open_model(name: str) -> StepModel:
    """Return a checkpoint's model of bars; ModelError where there is none, or it knows performance events."""
    folder = find_checkpoint(name)
    if read_config(folder, "transformer").get("codec") != "bars":
        raise ModelError(
            f"checkpoint {folder.name} is of performance events, one of bars is needed; name music-transformer_scores"
        )
    from brainmidi.models.stepper import TransformerStepper

    model: Any = TransformerStepper(folder)
    return model  # type: ignore[no-any-return]


def chords_after(prompt: Prompt, n_bars: int, chords: str = "") -> list[_Chords]:
    """Return the chords of each of the model's bars after a prompt, tonic on C: those given or the last, repeated.

    Raises
    ------
    MusicError
        `chords` are not understood, or do not fit the metre; see :class:`brainmidi.music.harmony.Progression`.
    """
    split, length, shift = prompt.split, prompt.length, -prompt.key.transposition
    if not chords:
        last = [bar.chords[0][1] for bar in prompt.score.bars[-LAST_BARS * split :]]
        return [((0, last[n % len(last)]),) for n in range(n_bars * split)]
    progression, found = Progression.parse(chords, prompt.key), list[_Chords]()
    for bar in range(n_bars):
        if split == 1:
            row = [(int(4 * beat), chord) for beat, chord in progression.bar(bar, _metre(prompt, progression))]
        else:  # a long bar's chords share it evenly, on the model's bars
            cell = progression.bars[bar % len(progression)]
            row = [(n * length, cell[n * len(cell) // split]) for n in range(split)]
        classes = [chord_codec.encode_symbol(chord.classes[0], chord.classes) for _, chord in row]
        moved = [int(chord) for chord in chord_codec.transpose(classes, shift)]
        if split == 1:
            found.append(_changes(tuple((step, now) for (step, _), now in zip(row, moved, strict=True))))
        else:
            found += [((0, now),) for now in moved]
    return found


def go_on(
    model: StepModel, prompt: Prompt, chords: Sequence[_Chords], parts: Sequence[str], controls: Controls, seed: int
) -> list[SongNote]:
    """Return what the model plays after a prompt.

    Parameters
    ----------
    model : StepModel
        Over the 220 ids of :mod:`brainmidi.codec.bars`.
    prompt : Prompt
    chords : sequence of tuple of (int, int)
        Of each bar to write, tonic on C; see :func:`chords_after`.
    parts : sequence of str
        Those that play on, of :data:`brainmidi.codec.bars.PARTS`.
    controls : Controls
        Of all bars.
    seed : int
        Of all randomness.

    Returns
    -------
    list of SongNote
        In the file's own key, on the tracks and channels of their parts. Melody and bass let a note go where they
        strike the next, as in the scores that the model learnt from.
    """
    player, rng = Continuation(model), np.random.Generator(np.random.Philox(key=[seed, 4]))
    memory, at, found = player.heard(prompt.score), prompt.end, list[SongNote]()
    strong = _strong(prompt)
    for row in chords:
        request = BarRequest(prompt.length, row, write=tuple(part for part in bars.PARTS if part in parts))
        steering = ControlSteering(lambda beat: controls, prompt.length, row, scale=prompt.key.intervals, strong=strong)
        bar = player.next_bar(memory, request, steering, rng)
        notes = list(bar)
        for note in notes:
            onsets = (other.start for other in notes if other.part == note.part and other.start > note.start)
            until = note.end if note.part == "accompaniment" else min(onsets, default=note.end)
            track, channel = prompt.homes[note.part]
            pitch = note.pitch + prompt.key.transposition
            found.append(SongNote(at + note.start, at + min(note.end, until), pitch, note.velocity, channel, track))
        memory = bar.memory
        at += Fraction(prompt.length, 4)
    return found


def _metre(prompt: Prompt, progression: Progression) -> Metre:
    metre = Metre(*prompt.metre)
    progression.check(metre)
    return metre


def _strong(prompt: Prompt) -> tuple[int, ...]:
    """Return the steps on which beats are felt: of 6/8 and its like the dotted quarters."""
    compound = prompt.metre[1] == 8 and prompt.metre[0] % 3 == 0
    return tuple(range(0, prompt.length, 6 if compound else 4))


def _changes(row: _Chords) -> _Chords:
    return tuple(now for n, now in enumerate(row) if n == 0 or now[1] != row[n - 1][1])

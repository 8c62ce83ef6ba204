"""One bar as it is written: what is given is said in its place, the parts to write are sampled around it.

Bar line, chords and given parts are forced; between them the model says when the next note comes and in which part.
Where it expects a note of a part that is not to be written, that note is known not to come: the answer is thrown away
and it is asked again, so that what is written has the odds that it has under all that is known.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction

import numpy as np

from brainmidi.codec import bars
from brainmidi.codec.bars import PARTS, Grammar, Score, ScoreBar
from brainmidi.drivers import barchoices as choices
from brainmidi.drivers.barrequest import BarRequest, Report
from brainmidi.drivers.steering import Steering
from brainmidi.drivers.timedmodel import LateError, Memory, TimedModel
from brainmidi.errors import MusicError
from brainmidi.models.sampling import Float32Array
from brainmidi.types import Note


class BarInTime:
    """One bar as it is written: an iterator of its notes, in the order in which they begin.

    Every note ends with the bar at the latest. At the deadline the model is asked no more: a note that was begun and
    not finished is unsaid, and the given parts are said to the end for the next bar to go on from.

    Parameters
    ----------
    timed : TimedModel
        The model in its memory.
    request, steering : BarRequest, Steering
        What is wanted, and how.
    """

    def __init__(self, timed: TimedModel, request: BarRequest, steering: Steering) -> None:
        self._timed, self._request, self._steering = timed, request, steering
        given = tuple(map(_not_longer, request.given))
        grid = bars.quantise(Score((ScoreBar(request.length, request.chords, given),))).bars[0]
        (_, self._first_chord), *changes = grid.chords
        self._changes = dict(changes)
        self._earliest = request.start
        self._opened: str | None = None  # part with which a group of the model's own begins
        self._struck: set[int] = set()
        # A given pitch that its part still sounds from before the bar line cannot be said again.
        held = timed.grammar.sounding
        line = timed.grammar.bar_start + timed.grammar.bar_length
        self._given: dict[tuple[int, str], list[Note]] = {}
        for note in sorted(grid.notes, key=lambda n: -n.pitch):
            step = int(note.start * 4)
            if held.get((note.part, note.pitch), 0) <= line + step:
                self._given.setdefault((step, note.part), []).append(note)
        self._fixed = sorted({step for step, _ in self._given} | set(self._changes))
        self._memory: Memory | None = None
        self._report: Report | None = None
        self._notes = self._write()

    def __iter__(self) -> Iterator[Note]:
        return self

    def __next__(self) -> Note:
        return next(self._notes)

    def played_until(self, beat: Fraction) -> None:
        """Say how far the bar has been played: no note that begins before `beat` comes any more."""
        self._earliest = max(self._earliest, -(-4 * beat.numerator // beat.denominator))

    @property
    def memory(self) -> Memory:
        """What the next bar goes on from; MusicError before the last note was taken."""
        if self._memory is None:
            raise MusicError("the bar is not finished; take all its notes before its memory")
        return self._memory

    @property
    def report(self) -> Report:
        """How the bar was made, so far or in all."""
        if self._report is not None:
            return self._report
        timed = self._timed
        mean = float(np.mean(timed.entropies)) if timed.entropies else 0.0
        return Report(timed.tokens, timed.seconds, timed.share, timed.late, mean)

    def _write(self) -> Iterator[Note]:
        timed = self._timed
        timed.say(bars.bar_token(self._request.length))
        timed.say(bars.chord_token(self._first_chord))
        goes_on = True
        while goes_on:
            try:
                if timed.grammar.step >= 0:
                    yield from self._group()
                goes_on = self._advance()
            except _NothingFitsError:  # the steering has changed its mind: this place is over
                self._earliest = max(self._earliest, timed.grammar.step + 1)
                self._unsay()
            except LateError:
                timed.late = True
                self._unsay()
        self._memory, self._report = timed.memory, self.report

    def _unsay(self) -> None:
        self._opened = None
        self._timed.go_back()

    # ------------------------------------------------------------------------------------------ from group to group

    def _advance(self) -> bool:
        """Open the next group, the model's own or a fixed one; False at the end of the bar."""
        timed, grammar = self._timed, self._timed.grammar
        fixed = next((step for step in self._fixed if step > grammar.step), None)
        limit = self._request.length if fixed is None else fixed
        after = max(grammar.step, self._earliest - 1)
        timed.mark()
        open_steps = [step for step in range(after + 1, limit) if self._free_parts(step, PARTS)]
        looked: dict[int, choices.Place] = {}
        while open_steps and not timed.late:
            token = timed.draw(choices.of_steps(timed.logits(), grammar, self._steering, open_steps, limit, looked))
            if token == choices.NONE:
                break
            step = token - bars.POSITION
            if step in looked:  # chosen again, now for what is wanted there
                drawn = timed.draw(looked[step].parts)
            else:
                seen, opened = timed.look(token), grammar.copy()
                opened.push(token)
                shares = choices.of_parts(seen[0], opened, self._steering, self._free_parts(step, PARTS), PARTS)
                looked[step] = choices.Place(seen, shares)
                drawn = timed.draw(shares)
                if drawn == choices.NONE:
                    continue
            timed.take(token, looked[step].seen)
            self._opened = PARTS[drawn - bars.PART]
            return True
        if fixed is None:
            return False
        timed.say(bars.position_token(fixed))
        if fixed in self._changes:
            timed.say(bars.chord_token(self._changes[fixed]))
        return True

    # ---------------------------------------------------------------------------------------------- within a group

    def _group(self) -> Iterator[Note]:
        """Say the rest of the open group, part by part."""
        timed = self._timed
        while True:
            part, self._opened = self._opened, None
            grammar = timed.grammar
            rest = PARTS if grammar.part is None else PARTS[PARTS.index(grammar.part) + 1 :]
            given = next((name for name in rest if (grammar.step, name) in self._given), None)
            if part is None:
                timed.mark()
                free = self._free_parts(grammar.step, rest if given is None else rest[: rest.index(given)])
                others = () if given is None else (given,)
                part = self._draw_part(grammar, free, others) if free and not timed.late else None
            if part is not None:
                yield from self._row(part)
            elif given is not None:
                self._force_row(given)
            else:
                return

    def _draw_part(self, grammar: Grammar, free: list[str], others: tuple[str, ...]) -> str | None:
        """Return which of the free parts the model goes on with, None for another or none."""
        shares = choices.of_parts(self._timed.logits(), grammar, self._steering, free, others)
        token = self._timed.draw(shares)
        return None if token == choices.NONE else PARTS[token - bars.PART]

    def _row(self, part: str) -> Iterator[Note]:
        """Say notes of a part from the highest down while the model wants more."""
        timed = self._timed
        timed.say(bars.part_token(part))
        step = timed.grammar.step
        token = self._draw_pitch(part, bars.MAX_PITCH + 1)
        if token is None:
            raise _NothingFitsError
        while token is not None:
            timed.say(token)
            room = self._request.length - step
            timed.say(timed.draw(choices.of_lengths(timed.logits(), timed.grammar, self._steering, room)))
            self._struck.add(step)
            timed.mark()
            yield timed.grammar.notes[-1]
            if timed.late or step < self._earliest:
                return
            token = self._draw_pitch(part, timed.grammar.notes[-1].pitch)

    def _draw_pitch(self, part: str, ceiling: int) -> int | None:
        """Return the pitch below `ceiling` that the model strikes, its loudness said; None where it wants no more."""
        timed, step = self._timed, self._timed.grammar.step
        pull = self._free_pitches(part, step)
        pull[max(ceiling - bars.MIN_PITCH, 0) :] = -np.inf
        if not np.isfinite(pull).any():
            return None
        last = ceiling <= bars.MAX_PITCH  # there is a note already
        token = timed.draw(choices.of_pitches(timed.logits(), timed.grammar, self._steering, pull, may_stop=last))
        if token >= bars.VELOCITY:
            timed.say(token)
            token = timed.draw(choices.of_pitches(timed.logits(), timed.grammar, self._steering, pull, may_stop=False))
        return None if token == choices.NONE else token

    def _force_row(self, part: str) -> None:
        timed = self._timed
        timed.say(bars.part_token(part))
        for note in self._given[timed.grammar.step, part]:
            loudness = bars.velocity_token(note.velocity)
            if timed.grammar.allowed()[loudness]:
                timed.say(loudness)
            timed.say(bars.pitch_token(note.pitch))
            timed.say(bars.duration_token(int(note.length * 4)))

    # -------------------------------------------------------------------------------------------------- what may be

    def _free_parts(self, step: int, parts: tuple[str, ...]) -> list[str]:
        """Return which of the parts are to be written and may strike something at `step`."""
        if step < self._earliest or len(self._struck | {step}) > self._steering.onsets(step):
            return []
        if not self._steering.onset(step) > -np.inf:
            return []
        return [p for p in parts if p in self._request.write and np.isfinite(self._free_pitches(p, step)).any()]

    def _free_pitches(self, part: str, step: int) -> Float32Array:
        """Return the bias of each pitch that `part` may strike at `step`, ``-inf`` for the others, shape (88,)."""
        grammar = self._timed.grammar
        now = grammar.bar_start + step
        held = [pitch - bars.MIN_PITCH for (p, pitch), end in grammar.sounding.items() if p == part and end > now]
        if len(held) >= self._steering.voices(step):
            return np.full(bars.DURATION - bars.PITCH, -np.inf, dtype=np.float32)
        pull = np.array(self._steering.pitches(step), dtype=np.float32)
        pull[held] = -np.inf
        return pull


def _not_longer(note: Note) -> Note:
    """Return the note with a length that has a word, and is not longer: else its part could not strike it on time."""
    start, end = (
        int((8 * beat.numerator + beat.denominator) // (2 * beat.denominator)) for beat in (note.start, note.end)
    )
    if end - start in bars.DURATIONS or end <= start:
        return note
    kept = bars.DURATIONS[bisect_right(bars.DURATIONS, end - start) - 1]
    return replace(note, start=Fraction(start, 4), length=Fraction(kept, 4))


class _NothingFitsError(Exception):
    """No pitch is left where one was promised."""

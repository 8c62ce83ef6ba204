"""Engrave a take: bars become a MusicXML score of two parts, with key, metre, chord symbols, tempo and anchors.

Everything lands on the grid of sixteenth notes that the music is composed on; a bar that was composed on it is written
exactly. Voices, ties and spellings are chosen here; music21 writes the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from brainmidi.errors import NotationError
from brainmidi.types import PARTS, Bar, Note, Phrase

#: Steps of the grid in a beat.
STEPS_PER_BEAT = 4

#: A change of tempo smaller than this share is played and saved but not printed: it would only clutter the page.
NOTICEABLE = 0.04
#: Lengths in steps that one note head can show: sixteenth to whole note, plain or dotted.
_HEADS = (16, 12, 8, 6, 4, 3, 2, 1)
_LETTERS = "FCGDAEB"


@dataclass(frozen=True, slots=True)
class Head:
    """One note head or chord on the page: `pitches` from `step` for `steps`, tied to the next where `tied`.

    A rest has no pitches.
    """

    step: int
    steps: int
    pitches: tuple[int, ...] = ()
    tied: bool = False


def quantise(phrase: Phrase) -> Phrase:
    """Return the phrase with every start and end on the nearest sixteenth, no note shorter than one.

    A note that would begin at the very end of the phrase moves to its last sixteenth.
    """
    last = int(phrase.length * STEPS_PER_BEAT)
    moved = []
    for note in phrase:
        start = min(_nearest(note.start), last - 1)
        end = min(max(_nearest(note.end), start + 1), last)
        length = Fraction(end - start, STEPS_PER_BEAT)
        moved.append(Note(Fraction(start, STEPS_PER_BEAT), length, note.pitch, note.velocity, note.part))
    return Phrase(tuple(moved), phrase.length)


def _nearest(beat: Fraction) -> int:
    return int(beat * STEPS_PER_BEAT + Fraction(1, 2))


def voices_of(phrase: Phrase) -> list[list[Head]]:
    """Spread a bar's notes of one part over as few voices as it takes, each gapless from the first step to the last.

    Notes that begin and end together share a stem; a note goes to the first voice that is free when it begins.
    """
    steps = int(phrase.length * STEPS_PER_BEAT)
    stems: dict[tuple[int, int], set[int]] = {}
    for note in quantise(phrase):
        begin = int(note.start * STEPS_PER_BEAT)
        stems.setdefault((begin, int(note.end * STEPS_PER_BEAT)), set()).add(note.pitch)
    voices: list[list[Head]] = []
    ends: list[int] = []
    for (begin, end), pitches in sorted(stems.items(), key=lambda stem: (stem[0][0], -max(stem[1]))):
        free = next((voice for voice, until in enumerate(ends) if until <= begin), len(ends))
        if free == len(ends):
            voices.append([])
            ends.append(0)
        voices[free] += _heads(ends[free], begin, ())
        voices[free] += _heads(begin, end, tuple(sorted(pitches)))
        ends[free] = end
    for voice, until in zip(voices, ends, strict=True):
        voice += _heads(until, steps, ())
    return voices or [_heads(0, steps, ())]


def _heads(begin: int, end: int, pitches: tuple[int, ...]) -> list[Head]:
    """Cut a stretch into lengths that a note head can show; off the beat, none reaches across the next beat."""
    heads = []
    while begin < end:
        room = end - begin
        off = begin % STEPS_PER_BEAT
        if off and room not in _HEADS[-3:]:
            room = min(room, STEPS_PER_BEAT - off)
        steps = next(head for head in _HEADS if head <= room)
        heads.append(Head(begin, steps, pitches, tied=bool(pitches) and begin + steps < end))
        begin += steps
    return heads


def spell(pitch: int, sharps: int) -> tuple[str, int, int]:
    """Name a MIDI pitch in a key signature: the spelling nearest to it on the line of fifths.

    Parameters
    ----------
    pitch : int
        MIDI number, 60 being C4.
    sharps : int
        Sharps of the key signature, -7 (flats) to 7.

    Returns
    -------
    tuple of (str, int, int)
        Letter, sharps of the note itself (flats below 0), octave: ``("B", -1, 3)`` is the B flat below middle C.
    """
    # A signature of k sharps has the fifths k-1 .. k+5 (F = -1); three below and two above make the twelve.
    fifth = next(place for place in range(sharps - 4, sharps + 8) if place * 7 % 12 == pitch % 12)
    letter, accidentals = _LETTERS[(fifth + 1) % 7], (fifth + 1) // 7
    return letter, accidentals, (pitch - accidentals) // 12 - 1


def cut(bars: Sequence[Bar], end_beat: Fraction) -> tuple[Bar, ...]:
    """Return what of `bars` sounded before `end_beat`: later bars, notes and chords go, what sounds there ends there.

    The bar in which the cut lies keeps its length, so that the page ends with a bar line.
    """
    kept: list[Bar] = []
    for bar in bars:
        left = end_beat - bar.start
        if left <= 0 and kept:
            break
        notes = (replace(n, length=min(n.length, left - n.start)) for n in bar.phrase if n.start < left)
        chords = tuple((beat, symbol) for beat, symbol in bar.chords if beat < left)
        kept.append(replace(bar, phrase=Phrase(tuple(notes), bar.phrase.length), chords=chords))
    return tuple(kept)


def to_score(bars: Sequence[Bar], *, metre: str, sharps: int, title: str, end_beat: Fraction | None = None) -> Any:
    """Return the music21 ``Score`` of a take.

    Parameters
    ----------
    bars : sequence of Bar
        The take, in order and without gaps.
    metre : str
        Time signature such as ``"6/8"``.
    sharps : int
        Sharps of the key signature, -7 (flats) to 7.
    title : str
        Printed above the music.
    end_beat : Fraction, optional
        Where the take was stopped; the end of the last bar by default.

    Returns
    -------
    music21.stream.Score

    Raises
    ------
    NotationError
        There is no bar, or the bars leave a gap.
    """
    from music21 import metadata, stream

    if not bars:
        raise NotationError("0 bars to engrave, at least 1 is needed; play longer")
    for before, after in itertools.pairwise(bars):
        if after.start != before.end:
            raise NotationError(
                f"bar {after.index} begins at beat {after.start}, beat {before.end} is needed; leave out no bar"
            )
    if end_beat is not None:
        bars = cut(bars, end_beat)
    score = stream.Score()
    score.metadata = metadata.Metadata(title=title, composer="brainmidi")
    for number, name in enumerate(PARTS, start=1):
        score.insert(0, _part(bars, name, f"P{number}", metre, sharps, signs=number == 1))
    return score


def _part(bars: Sequence[Bar], name: str, identity: str, metre: str, sharps: int, *, signs: bool) -> Any:
    """Return one part; `signs` puts tempo, chords and anchors above it."""
    from music21 import bar as barlines
    from music21 import clef, instrument, key, meter, stream

    part = stream.Part(id=identity)
    part.partName = name.capitalize()
    player = instrument.Instrument(name.capitalize())
    player.partId, player.instrumentId = identity, f"{identity}-I1"  # else random ones, and no two files are alike
    part.insert(0, player)
    pitches = [note.pitch for bar in bars for note in bar.phrase.part(name)]
    low = bool(pitches) and sum(pitches) / len(pitches) < 60
    shown: dict[str, object] = {}
    for bar in bars:
        measure = stream.Measure(number=bar.index + 1)
        if bar is bars[0]:
            measure.insert(0, clef.BassClef() if low else clef.TrebleClef())
            measure.insert(0, key.KeySignature(sharps))
            measure.insert(0, meter.TimeSignature(metre))
        if signs:
            _insert_signs(measure, bar, shown)
        voices = voices_of(bar.phrase.part(name))
        for number, heads in enumerate(voices, start=1):
            target = measure if len(voices) == 1 else stream.Voice(id=str(number))
            for head in heads:
                target.insert(Fraction(head.step, STEPS_PER_BEAT), _element(head, sharps, hidden=number > 1))
            _end_ties(target)
            if target is not measure:
                measure.insert(0, target)
        if bar is bars[-1]:
            measure.rightBarline = barlines.Barline("final")
        part.append(measure)
    return part


def _element(head: Head, sharps: int, *, hidden: bool) -> Any:
    """Return the music21 rest, note or chord of a head; rests of lower voices are hidden."""
    from music21 import chord, note, tie
    from music21.pitch import Accidental, Pitch

    length = Fraction(head.steps, STEPS_PER_BEAT)
    if not head.pitches:
        rest = note.Rest(quarterLength=length)
        rest.style.hideObjectOnPrint = hidden
        return rest
    pitches = []
    for pitch in head.pitches:
        letter, accidentals, octave = spell(pitch, sharps)
        pitches.append(
            Pitch(step=cast(Any, letter), octave=octave, accidental=Accidental(accidentals) if accidentals else None)
        )
    single = len(pitches) == 1
    sounding = note.Note(pitches[0], quarterLength=length) if single else chord.Chord(pitches, quarterLength=length)
    if head.tied:
        sounding.tie = tie.Tie("start")
    return sounding


def _end_ties(voice: Any) -> None:
    """Give the later halves of ties their ``stop`` or ``continue``: a tie always leads to the very next head."""
    from music21 import tie

    open_tie = False
    for element in voice.notesAndRests:
        begins = element.tie is not None
        if open_tie:
            element.tie = tie.Tie("continue" if begins else "stop")
        open_tie = begins


def _insert_signs(measure: Any, bar: Bar, shown: dict[str, object]) -> None:
    """Put above `measure` what has changed since it was last `shown`: tempo, anchor, chords."""
    from music21 import expressions, tempo

    last = shown.get("tempo")
    if not isinstance(last, float) or abs(bar.tempo_bpm - last) >= NOTICEABLE * last:
        measure.insert(0, tempo.MetronomeMark(number=round(bar.tempo_bpm), referent=1))
        shown["tempo"] = bar.tempo_bpm
    if shown.get("anchor") != bar.anchor:
        text = expressions.TextExpression(bar.anchor)
        text.placement = "above"
        measure.insert(0, text)
    shown["anchor"] = bar.anchor
    for beat, symbol in bar.chords:
        if shown.get("chord") != symbol:
            measure.insert(beat, _chord_symbol(symbol))
        shown["chord"] = symbol


def _chord_symbol(symbol: str) -> Any:
    """Return music21's chord symbol, or plain text above the staff where it cannot read `symbol`."""
    from music21 import exceptions21, expressions, harmony

    root = 2 if symbol[1:2] in ("#", "b") else 1
    figure = symbol[:root].replace("b", "-") + symbol[root:]
    if "/" in figure:
        upper, bass = figure.rsplit("/", 1)
        figure = upper + "/" + bass[:1] + bass[1:].replace("b", "-")
    for ours, theirs in (("m7b5", "ø7"), ("dim7", "o7")):
        figure = figure.replace(ours, theirs)
    try:
        return harmony.ChordSymbol(figure)
    except (exceptions21.Music21Exception, ValueError, KeyError, IndexError):
        text = expressions.TextExpression(symbol)
        text.placement = "above"
        return text


def write_score(
    path: Path, bars: Sequence[Bar], *, metre: str, sharps: int, title: str, end_beat: Fraction | None = None
) -> None:
    """Write a take as MusicXML; parameters as for :func:`to_score`.

    The file appears whole or not at all.

    Raises
    ------
    NotationError
        As :func:`to_score`; or music21 cannot engrave the take, or the file cannot be written.
    """
    try:
        from music21.musicxml import m21ToXml

        score = to_score(bars, metre=metre, sharps=sharps, title=title, end_beat=end_beat)
        text = m21ToXml.GeneralObjectExporter(score).parse()
    except NotationError:
        raise
    except Exception as error:  # music21 fails in many ways, and none of them may take the rest of a take with it
        told = " ".join(f"{type(error).__name__}: {error}".split())
        raise NotationError(f"{path} cannot be engraved, music21 says {told}; the .mid has the take") from error
    # One fixed name beside the target, as for the .mid: the rename stays on one file system.
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(text)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise NotationError(f"{path} cannot be written ({error.strerror}); choose a folder that is writable") from error

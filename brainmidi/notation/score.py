"""Engrave a take: bars become a MusicXML score of a staff a part, with key, metre, chord symbols, tempo and anchors.

Everything lands on the grid of sixteenth notes that the music is composed on; a bar that was composed on it is written
exactly. Voices, ties and spellings are chosen here; music21 writes the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

from brainmidi.errors import NotationError
from brainmidi.notation import percussion
from brainmidi.notation.heads import STEPS_PER_BEAT, Head, spell, voices_of
from brainmidi.types import Bar, Phrase

#: A change of tempo smaller than this share is played and saved but not printed: it would only clutter the page.
NOTICEABLE = 0.04


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
    for number, name in enumerate(bars[0].parts, start=1):
        score.insert(0, _part(bars, name, f"P{number}", metre, sharps, signs=number == 1))
    return score


def _part(bars: Sequence[Bar], name: str, identity: str, metre: str, sharps: int, *, signs: bool) -> Any:
    """Return one part; `signs` puts tempo, chords and anchors above it."""
    from music21 import bar as barlines
    from music21 import instrument, key, meter, stream

    part = stream.Part(id=identity)
    part.partName = name.capitalize()
    player = instrument.Instrument(name.capitalize())
    player.partId, player.instrumentId = identity, f"{identity}-I1"  # else random ones, and no two files are alike
    part.insert(0, player)
    unpitched = name == "drums"
    shown: dict[str, object] = {}
    for bar in bars:
        measure = stream.Measure(number=bar.index + 1)
        if bar is bars[0]:
            measure.insert(0, _clef(bars, name))
            if not unpitched:
                measure.insert(0, key.KeySignature(sharps))
            measure.insert(0, meter.TimeSignature(metre))
        if signs:
            _insert_signs(measure, bar, shown)
        phrase = bar.phrase.part(name)
        voices = percussion.voices_of(phrase) if unpitched else voices_of(phrase)
        for number, heads in enumerate(voices, start=1):
            target = measure if len(voices) == 1 else stream.Voice(id=str(number))
            for head in heads:
                drawn = percussion.element(head) if unpitched and head.pitches else _element(head, sharps, number > 1)
                target.insert(Fraction(head.step, STEPS_PER_BEAT), drawn)
            _end_ties(target)
            if target is not measure:
                measure.insert(0, target)
        if bar is bars[-1]:
            measure.rightBarline = barlines.Barline("final")
        part.append(measure)
    return part


def _clef(bars: Sequence[Bar], name: str) -> Any:
    """Return the clef that the notes of a part need fewest ledger lines with."""
    from music21 import clef

    if name == "drums":
        return clef.PercussionClef()
    if name == "bass":
        return clef.Bass8vbClef()
    pitches = [note.pitch for bar in bars for note in bar.phrase.part(name)]
    return clef.BassClef() if pitches and sum(pitches) / len(pitches) < 60 else clef.TrebleClef()


def _element(head: Head, sharps: int, hidden: bool) -> Any:
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
